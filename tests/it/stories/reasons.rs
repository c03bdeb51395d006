//! Why shoppers leave, as it is told: by a provider's code, by the shopper, by an agent; and what is never told on.

use cartwake::app::App;
use cartwake::domain::{AgentCancel, Program};
use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Answer, Backend, HOUR, MINUTE, Shop, cart_of, order_of};

async fn says(shop: &Shop, id: &str, body: Value) -> Answer {
    shop.send(Method::POST, &format!("/v1/carts/{id}/reasons"), |r| r.json(&body)).await
}

async fn cancels(shop: &Shop, id: &str, key: &str, body: &Value) -> Answer {
    let path = format!("/acp/checkout_sessions/{id}/cancel");
    shop.send(Method::POST, &path, |r| r.header("Idempotency-Key", key).header("API-Version", "2026-04-17").json(body))
        .await
}

fn changed(app: &mut App, change: impl FnOnce(&mut Program)) {
    let mut config = app.config().clone();
    change(&mut config.shops[0].program);
    app.reload(config).expect("the same endpoints");
}

pub async fn a_providers_code_gives_the_class_and_an_unknown_one_is_counted(on: Backend) {
    let shop = Shop::open(on).await;
    for (id, code) in [("c-1", "insufficient_funds"), ("c-2", "51 : Insufficient funds"), ("c-3", "quota_exhausted")] {
        shop.puts(id, cart_of(&format!("{id}@example.com"))).await;
        let signal =
            json!({"kind": "payment_failed", "code": code, "provider": if id == "c-2" { "Adyen" } else { "stripe" }});
        assert_eq!(shop.signals(id, signal).await.status, 200);
    }
    assert_eq!(shop.signals("c-1", json!({"kind": "hologram_shown"})).await.status, 200);
    assert_eq!(shop.signals("c-1", json!({"kind": "payment_failed"})).await.status, 422);
    shop.advance(HOUR).await;
    assert_eq!(shop.tally("payment_failures/funds").await, 2);
    assert_eq!(shop.tally("payment_failures/issuer_declined").await, 1);
    assert_eq!(shop.tally("unmapped/payment_code").await, 1);
    assert_eq!(shop.tally("unmapped/signal_kind").await, 1);
    assert_eq!(shop.tally("reasons/shipping/payment_declined/inferred_hard").await, 3);
    let metrics = shop.metrics().await;
    assert!(metrics.contains("cartwake_payment_failures_total{class=\"funds\",shop=\"test\"} 2"), "{metrics}");
    assert!(metrics.contains("cartwake_unmapped_total{shop=\"test\",what=\"payment_code\"} 1"), "{metrics}");
    assert!(!metrics.contains("quota_exhausted") && !metrics.contains("hologram"));
}

pub async fn suspected_fraud_is_a_declined_payment_to_everybody_outside(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.signals("c-1", json!({"kind": "payment_failed", "code": "stolen_card", "provider": "stripe"})).await;
    shop.advance(100 * HOUR).await;
    let received = shop.receiver.received();
    assert_eq!(received.iter().filter(|r| r.kind() == "cart.reminder").count(), 0);
    let told = received.iter().find(|r| r.kind() == "cart.abandoned").expect("an abandonment is told");
    assert_eq!(told.json()["data"]["reason"]["code"], "payment_declined");
    for event in &received {
        let body = String::from_utf8_lossy(&event.body).to_lowercase();
        assert!(!body.contains("fraud") && !body.contains("stolen"), "{body}");
    }
    assert_eq!(shop.tally("payment_failures/fraud_suspected").await, 1);
}

pub async fn an_exit_survey_is_counted_as_shown_and_as_answered(on: Backend) {
    let shop = Shop::open(on).await;
    let options = json!(["shipping_cost", "price_too_high", "just_browsing", "other"]);
    for id in ["c-1", "c-2"] {
        shop.puts(id, cart_of(&format!("{id}@example.com"))).await;
        for _ in 0..2 {
            assert_eq!(says(&shop, id, json!({"shown": options})).await.status, 200);
        }
    }
    let answer = json!({"code": "price_too_high", "source": "reported", "shown": options});
    assert_eq!(says(&shop, "c-1", answer.clone()).await.status, 200);
    assert_eq!(says(&shop, "c-1", answer).await.status, 200);
    assert_eq!(shop.tally("surveys/shown").await, 2);
    assert_eq!(shop.tally("surveys/answered").await, 1);
    assert_eq!(shop.tally("survey_answer_places/2").await, 1);
    assert_eq!(shop.tally("reasons/shipping/price_too_high/reported").await, 1);
    for bad in [
        json!({"shown": []}),
        json!({"shown": ["other", "other"]}),
        json!({"shown": ["unknown"]}),
        json!({"shown": ["other"], "comment": "why"}),
        json!({"source": "reported"}),
        json!({}),
    ] {
        assert_eq!(says(&shop, "c-1", bad.clone()).await.status, 422, "{bad}");
    }
}

pub async fn a_shopper_who_answers_before_leaving_judges_what_is_inferred_later(on: Backend) {
    let shop = Shop::open(on).await;
    for (id, code) in [("c-1", "payment_declined"), ("c-2", "just_browsing")] {
        shop.puts(id, cart_of(&format!("{id}@example.com"))).await;
        shop.signals(id, json!({"kind": "payment_failed", "class": "funds"})).await;
        says(&shop, id, json!({"code": code, "source": "reported"})).await;
    }
    shop.advance(HOUR).await;
    says(&shop, "c-1", json!({"code": "other", "source": "reported"})).await;
    assert_eq!(shop.tally("reason_agreement/payment_declined/true").await, 1);
    assert_eq!(shop.tally("reason_agreement/payment_declined/false").await, 1);
    assert_eq!(shop.cart("c-2").await.body["reason"]["code"], "just_browsing");
}

pub async fn words_are_counted_and_kept_only_where_the_shop_says_so(on: Backend) {
    let mut shop = Shop::open(on).await;
    let said = json!({"code": "other", "source": "reported", "comment": "my aunt Clara said no"});
    shop.puts("c-1", cart_of("joe@example.com")).await;
    says(&shop, "c-1", said.clone()).await;
    assert_eq!(shop.cart("c-1").await.body["comments"], json!([]));
    changed(&mut shop.app, |program| program.keep_comments = true);
    shop.puts("c-2", cart_of("ann@example.com")).await;
    says(&shop, "c-2", said).await;
    assert_eq!(shop.cart("c-2").await.body["comments"][0]["text"], "my aunt Clara said no");
    assert_eq!(shop.tally("reason_comments/reported").await, 2);
    shop.send(Method::DELETE, "/v1/carts/c-2", |r| r).await;
    assert!(!shop.cart("c-2").await.body.to_string().contains("Clara"));
    shop.settle().await;
    assert!(!shop.metrics().await.contains("Clara"));
    assert!(shop.receiver.received().iter().all(|r| !String::from_utf8_lossy(&r.body).contains("Clara")));
}

pub async fn an_agent_that_gives_up_abandons_the_cart_with_its_reason(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let trace = json!({"intent_trace": {"reason_code": "shipping_cost", "trace_summary": "too dear for Joe",
        "metadata": {"target_shipping_cost": 0}}});
    let answer = cancels(&shop, "c-1", "k-1", &trace).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((&answer.body["id"], &answer.body["status"]), (&json!("c-1"), &json!("canceled")));
    assert_eq!(answer.body["currency"], "eur");
    assert_eq!(answer.body["line_items"][0]["item"]["id"], "p-1");
    assert_eq!(answer.body["totals"][1], json!({"type": "total", "display_text": "Total", "amount": 4988}));
    assert!(answer.body.get("intent_trace").is_none(), "write-only");
    assert_eq!(shop.state("c-1").await, "abandoned");
    assert_eq!(cancels(&shop, "c-1", "k-1", &trace).await.body, answer.body, "a repeat is answered alike");
    let again = cancels(&shop, "c-1", "k-2", &trace).await;
    assert_eq!((again.status, &again.body["type"]), (405, &json!("invalid_request")));
    let reused = cancels(&shop, "c-1", "k-1", &json!({})).await;
    assert_eq!((reused.status, &reused.body["code"]), (422, &json!("idempotency_conflict")));
    assert_eq!(shop.tally("abandonments/shipping").await, 1);
    assert_eq!(shop.tally("reasons/shipping/shipping_cost/agent").await, 1);
    assert_eq!(shop.tally("reason_comments/agent").await, 1);
    shop.advance(5 * HOUR).await;
    let reminder = shop.receiver.received().into_iter().find(|r| r.kind() == "cart.reminder").expect("a reminder");
    assert_eq!(reminder.json()["data"]["reason"]["code"], "shipping_cost");
    assert_eq!(reminder.json()["data"]["reason"]["source"], "agent");
    shop.patches("c-1", json!({"stage": "payment"})).await;
    assert_eq!(shop.state("c-1").await, "active");
    assert_eq!(cancels(&shop, "c-1", "k-3", &json!({})).await.status, 200, "who came back can give up again");
}

pub async fn a_cancellation_succeeds_whatever_the_trace_holds(on: Backend) {
    let shop = Shop::open(on).await;
    let bodies = ["", "nonsense", "[1]", r#"{"intent_trace":7}"#, r#"{"intent_trace":{"reason_code":"brand_ethics"}}"#];
    for (n, body) in bodies.into_iter().enumerate() {
        let id = format!("c-{n}");
        shop.puts(&id, cart_of(&format!("{id}@example.com"))).await;
        let path = format!("/acp/checkout_sessions/{id}/cancel");
        let answer = shop.send(Method::POST, &path, |r| r.body(body)).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("canceled")), "{body}: {answer:?}");
        assert_eq!(shop.state(&id).await, "abandoned");
    }
    assert_eq!(shop.tally("unmapped/intent_trace").await, 3);
    assert_eq!(shop.tally("unmapped/reason_code").await, 1);
    assert_eq!(shop.tally("reasons/shipping/other/agent").await, 1);
    let nowhere = cancels(&shop, "never", "k-1", &json!({})).await;
    assert_eq!((nowhere.status, &nowhere.body["code"]), (404, &json!("no_such_cart")));
}

pub async fn a_completed_checkout_cannot_be_given_up(on: Backend) {
    let mut shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    assert_eq!(cancels(&shop, "c-1", "k-1", &json!({})).await.status, 405);
    assert_eq!(shop.state("c-1").await, "converted");
    changed(&mut shop.app, |program| program.agent_cancel = AgentCancel::Dismiss);
    shop.puts("c-2", cart_of("ann@example.com")).await;
    assert_eq!(cancels(&shop, "c-2", "k-2", &json!({})).await.status, 200);
    assert_eq!(shop.state("c-2").await, "dismissed");
}

pub async fn the_reason_that_counts_is_counted_once_when_the_cart_ends(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.signals("c-1", json!({"kind": "payment_failed", "class": "funds"})).await;
    shop.advance(HOUR).await;
    assert_eq!(shop.tally("reason_value_minor/EUR/payment_declined/inferred_hard").await, 4_988);
    says(&shop, "c-1", json!({"code": "price_too_high", "source": "reported"})).await;
    assert_eq!(shop.tally("reason_value_minor/EUR/price_too_high/reported").await, 4_988);
    assert_eq!(shop.tally("primary_reasons/price_too_high/reported/recovered").await, 0);
    shop.advance(MINUTE).await;
    shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    assert_eq!(shop.tally("primary_reasons/price_too_high/reported/recovered").await, 1);
    shop.puts("c-2", cart_of("ann@example.com")).await;
    shop.advance(HOUR).await;
    shop.send(Method::POST, "/v1/carts/c-2/dismiss", |r| r).await;
    shop.send(Method::DELETE, "/v1/carts/c-2", |r| r).await;
    assert_eq!(shop.tally("primary_reasons/unknown/none/dismissed").await, 1);
    assert_eq!(shop.tally("primary_reasons/unknown/none/erased").await, 0);
}

pub async fn a_reason_that_shoppers_keep_denying_is_demoted(on: Backend) {
    let mut shop = Shop::open(on).await;
    changed(&mut shop.app, |program| program.calibration.judged_min = 4);
    let leave = async |shop: &Shop, id: &str| {
        shop.puts(id, cart_of(&format!("{id}@example.com"))).await;
        shop.signals(id, json!({"kind": "chat_opened"})).await;
        shop.signals(id, json!({"kind": "page_viewed", "page": "returns"})).await;
    };
    for n in 0..4 {
        let id = format!("c-{n}");
        leave(&shop, &id).await;
        says(&shop, &id, json!({"code": "price_too_high", "source": "reported"})).await;
    }
    shop.advance(HOUR).await;
    assert_eq!(shop.tally("reason_agreement/support_unavailable/false").await, 4);
    shop.app.engine().calibrate().await.expect("the store answers");
    leave(&shop, "c-9").await;
    shop.advance(HOUR).await;
    let reason = shop.cart("c-9").await.body["reason"].clone();
    assert_eq!((&reason["code"], &reason["source"]), (&json!("returns_policy"), &json!("inferred_soft")));
    let metrics = shop.metrics().await;
    assert!(metrics.contains("cartwake_rule_demoted{reason=\"support_unavailable\",shop=\"test\"} 1"), "{metrics}");
    // A reload keeps what was learned, and the judgement is forgotten in time.
    changed(&mut shop.app, |program| program.calibration.judged_min = 4);
    leave(&shop, "c-10").await;
    shop.advance(HOUR).await;
    assert_eq!(shop.cart("c-10").await.body["reason"]["code"], "returns_policy");
    shop.advance(95 * 24 * HOUR).await;
    shop.app.engine().calibrate().await.expect("the store answers");
    leave(&shop, "c-11").await;
    shop.advance(HOUR).await;
    assert_eq!(shop.cart("c-11").await.body["reason"]["code"], "support_unavailable");
}
