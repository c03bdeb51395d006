//! Webhooks of shop platforms: a shop that only points its platform at us has its carts, its orders, and its silence.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cartwake::domain::Moment;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::shop::{Answer, Backend, HOUR, MINUTE, Shop, cart_of};

const SECRET: &str = "what a platform signs with";

async fn open(on: Backend) -> Shop {
    let platforms = ["shopify", "woocommerce", "stripe"].map(|name| {
        format!("[[shop.platform]]\nname = \"{name}\"\nsecrets = [\"the secret before it\", \"{SECRET}\"]\n")
    });
    Shop::open_with(on, &platforms.concat()).await
}

fn mac(text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

async fn posts(shop: &Shop, platform: &str, headers: &[(&str, String)], body: String) -> Answer {
    let shape = |request: reqwest::RequestBuilder| {
        let with = |request: reqwest::RequestBuilder, (name, value): &(&str, String)| request.header(*name, value);
        // Without the key that the client of these tests sends.
        headers.iter().fold(request, with).header("Content-Type", "application/json").body(body)
    };
    shop.send(Method::POST, &format!("/in/{platform}/test"), shape).await
}

async fn shopify(shop: &Shop, topic: &str, document: &Value) -> Answer {
    let body = document.to_string();
    let signed = STANDARD.encode(mac(&body));
    posts(shop, "shopify", &[("X-Shopify-Topic", topic.to_owned()), ("X-Shopify-Hmac-Sha256", signed)], body).await
}

async fn woocommerce(shop: &Shop, document: &Value) -> Answer {
    let body = document.to_string();
    let signed = STANDARD.encode(mac(&body));
    let headers = [("X-WC-Webhook-Topic", "order.updated".to_owned()), ("X-WC-Webhook-Signature", signed)];
    posts(shop, "woocommerce", &headers, body).await
}

async fn stripe(shop: &Shop, kind: &str, session: &Value) -> Answer {
    let event = json!({"type": kind, "livemode": true, "created": seconds(shop.now()), "data": {"object": session}});
    let body = event.to_string();
    let at = seconds(shop.now());
    let signed: Vec<String> = mac(&format!("{at}.{body}")).iter().map(|byte| format!("{byte:02x}")).collect();
    posts(shop, "stripe", &[("Stripe-Signature", format!("t={at},v1={}", signed.concat()))], body).await
}

fn seconds(at: Moment) -> i64 {
    at.millis() / 1_000
}

fn checkout(shop: &Shop) -> Value {
    json!({
        "token": "c0ffee", "email": "joe@example.com", "currency": "EUR", "updated_at": shop.now().to_string(),
        "buyer_accepts_marketing": true, "customer_locale": "de", "total_price": "39.98",
        "line_items": [{"key": "k1", "product_id": 42, "title": "T-shirt", "quantity": 2, "price": "19.99"}],
        "abandoned_checkout_url": "https://shop.example/checkouts/c0ffee/recover",
    })
}

pub async fn a_shopify_checkout_is_reminded_until_its_order_comes(on: Backend) {
    let shop = open(on).await;
    let left = checkout(&shop);
    let first = shopify(&shop, "checkouts/update", &left).await;
    assert_eq!((first.status, &first.body["results"][0]["status"]), (200, &json!(201)), "{first:?}");
    assert_eq!(first.body["left_out"], json!([]));
    let again = shopify(&shop, "checkouts/update", &left).await;
    assert_eq!(again.body, first.body, "the same webhook again is answered as it was");
    shop.advance(5 * HOUR).await;
    let reminders = shop.receiver.of_kind("cart.reminder");
    assert_eq!(reminders.len(), 1);
    let data = &reminders[0].json()["data"];
    assert_eq!((&data["cart_id"], &data["shopper"]["email"]), (&json!("c0ffee"), &json!("joe@example.com")));
    assert_eq!((&data["totals"]["total_minor"], &data["items"][0]["title"]), (&json!(3_998), &json!("T-shirt")));
    let order = json!({
        "id": 7, "checkout_token": "c0ffee", "email": "joe@example.com", "currency": "EUR", "total_price": "39.98",
        "financial_status": "paid", "processed_at": shop.now().to_string(), "updated_at": shop.now().to_string(),
        "line_items": [{"product_id": 42, "quantity": 2, "price": "19.99"}],
    });
    let bought = shopify(&shop, "orders/paid", &order).await;
    assert_eq!(bought.body["results"][0]["order"]["carts"], json!(["c0ffee"]), "{bought:?}");
    // A late update must not open it again, nor may the checkout be reminded of.
    shopify(&shop, "checkouts/update", &checkout(&shop)).await;
    shop.advance(80 * HOUR).await;
    assert_eq!(shop.state("c0ffee").await, "converted");
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
    let metrics = shop.metrics().await;
    let counted = r#"cartwake_platform_events_total{platform="shopify",result="applied",shop="test"} 4"#;
    assert!(metrics.contains(counted), "{metrics}");
}

pub async fn a_woocommerce_order_that_is_not_paid_is_a_cart(on: Backend) {
    let shop = open(on).await;
    let stamp = |at: Moment| at.to_string().trim_end_matches('Z').to_owned();
    let order = |status: &str| {
        json!({
            "id": 727, "status": status, "currency": "EUR", "created_via": "checkout", "total": "40.00",
            "date_created_gmt": stamp(shop.now()), "date_modified_gmt": stamp(shop.now()), "customer_id": 0,
            "billing": {"email": "joe@example.com", "country": "DE"}, "meta_data": [{"key": "cw_consent", "value": "email"}],
            "line_items": [{"id": 1, "product_id": 93, "quantity": 2, "subtotal": "40.00", "name": "T-shirt"}],
            "payment_url": "https://shop.example/checkout/order-pay/727/?key=wc_order_1",
        })
    };
    let ping = posts(&shop, "woocommerce", &[], "webhook_id=3".to_owned()).await;
    assert_eq!((ping.status, &ping.body["ignored"]), (200, &json!("a ping")));
    woocommerce(&shop, &order("pending")).await;
    shop.advance(MINUTE).await;
    let failed = woocommerce(&shop, &order("failed")).await;
    assert_eq!(failed.body["results"].as_array().map(Vec::len), Some(2), "{failed:?}");
    shop.advance(HOUR).await;
    // The shop puts an order away that nobody paid: no word of the shopper's.
    woocommerce(&shop, &order("cancelled")).await;
    shop.advance(4 * HOUR).await;
    let reminders = shop.receiver.of_kind("cart.reminder");
    assert_eq!(reminders.len(), 1);
    assert_eq!(reminders[0].json()["data"]["reason"]["code"], "payment_declined");
    woocommerce(&shop, &order("processing")).await;
    assert_eq!(shop.state("wc-727").await, "converted");
    shop.advance(80 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
}

pub async fn an_expired_stripe_session_is_a_cart_and_brings_nobody_back(on: Backend) {
    let shop = open(on).await;
    shop.puts("c-1", cart_of("ann@example.com")).await;
    let session = |id: &str, of: Option<&str>| {
        json!({
            "id": id, "client_reference_id": of, "created": seconds(shop.now()), "currency": "eur", "amount_total": 4_488,
            "amount_subtotal": 4_488, "customer_details": {"email": "joe@example.com"}, "payment_status": "paid",
            "consent": {"promotions": "opt_in"}, "after_expiration": {"recovery": {"url": format!("https://buy.example/{id}")}},
        })
    };
    let (of_cart, alone) = (session("cs_live_1", Some("c-1")), session("cs_live_2", None));
    shop.advance(2 * HOUR).await;
    assert_eq!(shop.state("c-1").await, "abandoned");
    let known = stripe(&shop, "checkout.session.expired", &of_cart).await;
    assert_eq!(known.body["results"][0]["receipt"]["state"], "abandoned", "its end brings nobody back: {known:?}");
    assert_eq!(shop.cart("c-1").await.body["checkout_url"], "https://buy.example/cs_live_1");
    let unknown = stripe(&shop, "checkout.session.expired", &alone).await;
    assert_eq!(unknown.body["results"][0]["status"], 201, "{unknown:?}");
    shop.advance(3 * HOUR).await;
    let reminders = shop.receiver.of_kind("cart.reminder");
    assert!(
        reminders.iter().any(|sent| sent.json()["data"]["cart_id"] == "cs_live_2"),
        "four hours after it was opened"
    );
    let done = json!({"id": "cs_live_3", "recovered_from": "cs_live_2", "created": seconds(shop.now()), "currency": "eur",
                      "amount_total": 4_488, "payment_status": "paid", "customer_details": {"email": "joe@example.com"}});
    stripe(&shop, "checkout.session.completed", &done).await;
    assert_eq!(shop.state("cs_live_2").await, "converted");
}

pub async fn a_webhook_that_nobody_signed_is_turned_away_and_counted(on: Backend) {
    let shop = open(on).await;
    let body = checkout(&shop).to_string();
    let topic = ("X-Shopify-Topic", "checkouts/update".to_owned());
    let wrong = ("X-Shopify-Hmac-Sha256", STANDARD.encode([7; 32]));
    for headers in [vec![topic.clone()], vec![topic.clone(), wrong]] {
        assert_eq!(posts(&shop, "shopify", &headers, body.clone()).await.status, 401);
    }
    let cut = ("X-Shopify-Hmac-Sha256", STANDARD.encode(mac(&body)));
    let damaged = posts(&shop, "shopify", &[topic.clone(), cut.clone()], body.replace("39.98", "00.01")).await;
    assert_eq!(damaged.status, 401, "signed for another body");
    assert_eq!(shop.cart("c0ffee").await.status, 404, "and nothing was stored");
    for path in ["/in/shopify/other", "/in/magento/test", "/in/shopify/"] {
        assert_eq!(shop.send(Method::POST, path, |r| r.body("{}")).await.status, 404, "{path}");
    }
    let counted = r#"cartwake_platform_events_total{platform="shopify",result="unsigned",shop="test"} 3"#;
    assert!(shop.metrics().await.contains(counted));
    let no_json =
        posts(&shop, "shopify", &[topic, ("X-Shopify-Hmac-Sha256", STANDARD.encode(mac("{")))], "{".into()).await;
    assert_eq!((no_json.status, &no_json.body["type"]), (400, &json!("/problems/invalid-json")));
}

pub async fn one_odd_field_does_not_lose_a_cart(on: Backend) {
    let shop = open(on).await;
    let mut odd = checkout(&shop);
    odd["phone"] = json!("call me in the evening");
    odd["customer_locale"] = json!("the King's");
    odd["discount_codes"] = json!([{"code": "TEN"}, {"code": "x".repeat(65)}]);
    odd["line_items"][0]["image_url"] = json!("//cdn.example/a.png");
    let taken = shopify(&shop, "checkouts/update", &odd).await;
    assert_eq!(taken.body["results"][0]["status"], 201, "{taken:?}");
    let left_out = ["/items/0/image_url", "/shopper/phone", "/shopper/locale", "/coupons/1"];
    assert_eq!(taken.body["left_out"], json!(left_out), "{taken:?}");
    let cart = shop.cart("c0ffee").await.body;
    assert_eq!(
        (&cart["shopper"]["email"], cart["items"].as_array().map(Vec::len)),
        (&json!("joe@example.com"), Some(1))
    );
    assert!(cart["shopper"]["phone"].is_null());
    let counted = r#"cartwake_platform_events_total{platform="shopify",result="partly",shop="test"} 1"#;
    assert!(shop.metrics().await.contains(counted));
}

pub async fn what_cannot_be_taken_is_answered_told_and_counted(on: Backend) {
    let shop = open(on).await;
    let mut odd = checkout(&shop);
    odd["currency"] = json!("EURO");
    odd["phone"] = json!("call me in the evening");
    let refused = shopify(&shop, "checkouts/update", &odd).await;
    assert_eq!(refused.status, 200, "a platform that is refused too often gives up: {refused:?}");
    let problem = &refused.body["results"][0]["problem"];
    let fields: Vec<_> = problem["errors"].as_array().into_iter().flatten().map(|fault| &fault["pointer"]).collect();
    assert_eq!(fields, ["/currency", "/shopper/phone"], "{refused:?}");
    assert!(!refused.body.to_string().contains("joe@example.com"));
    let mut empty = checkout(&shop);
    empty["line_items"][0]["quantity"] = json!(-1);
    assert_eq!(shopify(&shop, "checkouts/update", &empty).await.body["results"][0]["status"], 422);
    assert_eq!(shop.cart("c0ffee").await.status, 404, "a cart without one of its lines is another cart");
    let topic = shopify(&shop, "products/update", &json!({"id": 1})).await;
    assert!(topic.body["ignored"].is_string() && topic.status == 200, "{topic:?}");
    let metrics = shop.metrics().await;
    for (result, count) in [("refused", 2), ("ignored", 1), ("applied", 0)] {
        let counted =
            format!(r#"cartwake_platform_events_total{{platform="shopify",result="{result}",shop="test"}} {count}"#);
        assert!(metrics.contains(&counted), "{counted}");
    }
}
