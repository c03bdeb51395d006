//! Who may be reminded: evidence of consent, opting out, held out, and who is no shopper at all.

use cartwake::domain::{Channel, Identifier, IdentifierKind, Moment, ShopId};
use serde_json::{Value, json};

use crate::receiver::Reply;
use crate::shop::{Backend, HOUR, MINUTE, PLAIN, Shop, cart_of, order_of};

const NOON: Moment = Moment::from_millis(1_795_431_600_000);

fn with_consent(email: &str, consent: Value) -> Value {
    let mut cart = cart_of(email);
    cart["consent"] = consent;
    cart
}

fn reminders(shop: &Shop) -> usize {
    shop.receiver.of_kind("cart.reminder").len()
}

fn by_email(text: &str) -> Identifier {
    Identifier::new(IdentifierKind::Email, text).expect("has substance")
}

fn shop_id() -> ShopId {
    ShopId::parse("test").expect("a slug")
}

async fn opts_out(shop: &Shop, email: &str, channel: Option<Channel>) {
    shop.app.engine().opt_out(&shop_id(), &[by_email(email)], channel).await.expect("the store answers");
}

pub async fn without_consent_nobody_is_reminded(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("silent", with_consent("a@example.com", json!([]))).await;
    shop.puts("refused", with_consent("b@example.com", json!([{"channel": "email", "status": "denied"}]))).await;
    shop.puts("other", with_consent("c@example.com", json!([{"channel": "sms", "status": "granted"}]))).await;
    shop.advance(100 * HOUR).await;
    assert_eq!(reminders(&shop), 0);
    assert_eq!(shop.tally("reminders_suppressed/no_consent").await, 9);
}

pub async fn a_customer_who_was_shown_how_to_object_may_be_reminded(on: Backend) {
    let shop = Shop::open(on).await;
    let shown = json!([{"channel": "email", "status": "granted", "basis": "existing_customer"}]);
    shop.puts("stranger", with_consent("a@example.com", shown.clone())).await;
    shop.orders(order_of("o-1", "b@example.com", &["p-7"], shop.now())).await;
    shop.puts("customer", with_consent("b@example.com", shown)).await;
    shop.advance(5 * HOUR).await;
    assert_eq!(reminders(&shop), 1);
    assert_eq!(shop.receiver.of_kind("cart.reminder")[0].json()["data"]["cart_id"], "customer");
}

pub async fn american_text_messages_are_one_a_cart_in_two_days_and_by_daylight(on: Backend) {
    let program = r#"
consent = "sms_us"
quiet_hours = "off"
caps = []
service.reasons = []
experiment.holdout_percent = 0
steps = [{ name = "one", delay = "1h", channel = "sms" }, { name = "two", delay = "20h", channel = "sms" },
         { name = "three", delay = "60h", channel = "sms" }]
"#;
    // 18:00 in New York: an hour and a half later it is half past seven, two more and it is too late.
    let shop = Shop::open_with_program(on, program, Moment::parse("2026-11-23T23:00:00Z").expect("a time")).await;
    let mut cart = with_consent("a@example.com", json!([{"channel": "sms", "status": "granted"}]));
    cart["shopper"]["phone"] = json!("+1 212 555 0100");
    cart["shopper"]["time_zone"] = json!("America/New_York");
    shop.puts("c-1", cart.clone()).await;
    shop.advance(90 * HOUR).await;
    let steps: Vec<_> =
        shop.receiver.of_kind("cart.reminder").iter().map(|r| r.json()["data"]["step"]["name"].clone()).collect();
    assert_eq!(steps, ["one", "two"], "the second waited for its 48 hours, and the third waits for its own");
    assert_eq!(shop.tally("reminders_deferred/frequency_cap").await, 2);
    shop.puts("silent", with_consent("b@example.com", json!([]))).await;
    shop.advance(90 * HOUR).await;
    let of_silent = |r: &crate::receiver::Received| r.json()["data"]["cart_id"] == "silent";
    assert!(!shop.receiver.of_kind("cart.reminder").iter().any(of_silent), "silence is no consent to text messages");
}

pub async fn an_opt_out_stops_what_is_in_the_outbox_already(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.receiver.always(Reply::Status(503));
    shop.advance(4 * HOUR + 31 * MINUTE).await;
    let tried = reminders(&shop);
    assert!(tried > 0);
    opts_out(&shop, "JOE@example.com ", None).await;
    shop.receiver.always(Reply::Status(200));
    shop.advance(200 * HOUR).await;
    assert_eq!(reminders(&shop), tried, "between two retries is early enough");
    assert_eq!(shop.state("c-1").await, "opted_out");
    assert_eq!(shop.receiver.of_kind("cart.opted_out").len(), 1);
    assert_eq!(shop.tally("reminders_suppressed/opted_out").await, 1);
}

pub async fn an_opt_out_is_of_the_person_and_holds_for_later_carts(on: Backend) {
    let shop = Shop::open(on).await;
    let mut laptop = cart_of("joe@example.com");
    laptop["shopper"]["customer_id"] = json!("42");
    shop.puts("laptop", laptop).await;
    opts_out(&shop, "joe@example.com", Some(Channel::Email)).await;
    let mut phone = cart_of("x@example.com");
    phone["shopper"] = json!({"customer_id": "42"});
    shop.puts("phone", phone).await;
    shop.advance(100 * HOUR).await;
    assert_eq!(reminders(&shop), 0);
    assert_eq!(shop.receiver.of_kind("cart.abandoned").len(), 2, "what happened is counted all the same");
    let engine = shop.app.engine();
    engine.opt_in(&shop_id(), &[by_email("joe@example.com")], Some(Channel::Email)).await.expect("the store answers");
    shop.puts("again", cart_of("joe@example.com")).await;
    shop.advance(5 * HOUR).await;
    assert_eq!(reminders(&shop), 1);
}

pub async fn an_opt_out_of_another_channel_leaves_mail_alone(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(HOUR).await;
    opts_out(&shop, "joe@example.com", Some(Channel::Sms)).await;
    shop.advance(4 * HOUR).await;
    assert_eq!((reminders(&shop), shop.state("c-1").await), (1, "abandoned".to_owned()));
}

pub async fn who_is_held_out_gets_nothing_on_any_device(on: Backend) {
    let program = PLAIN.replace("holdout_percent = 0", "holdout_percent = 50");
    let shop = Shop::open_with_program(on, &program, NOON).await;
    for n in 0..20 {
        let email = format!("shopper-{n}@example.com");
        let mut laptop = cart_of(&email);
        laptop["shopper"]["customer_id"] = json!(format!("customer-{n}"));
        shop.puts(&format!("laptop-{n}"), laptop).await;
    }
    shop.advance(5 * HOUR).await;
    let reminded = reminders(&shop);
    let arms = [
        shop.tally("experiment_persons/holdout/holdout").await,
        shop.tally("experiment_persons/holdout/default").await,
    ];
    assert_eq!(arms.iter().sum::<i64>(), 20);
    assert_eq!(i64::try_from(reminded).expect("few"), arms[1]);
    assert!(arms.iter().all(|count| (3..=17).contains(count)), "{arms:?}");
    assert_eq!(shop.tally("reminders_suppressed/holdout").await, arms[0]);
    // The phone knows them by the account only, which alone might have put them elsewhere.
    for n in 0..20 {
        let mut phone = cart_of("x@example.com");
        phone["shopper"] = json!({"customer_id": format!("customer-{n}")});
        shop.puts(&format!("phone-{n}"), phone).await;
    }
    shop.advance(5 * HOUR).await;
    assert_eq!(reminders(&shop), 2 * reminded);
    let of = |device: &str| {
        let ids = shop.receiver.of_kind("cart.reminder").into_iter().map(|r| r.json()["data"]["cart_id"].clone());
        let ids: Vec<String> = ids.filter_map(|id| Some(id.as_str()?.strip_prefix(device)?.to_owned())).collect();
        let mut ids: Vec<String> = ids;
        ids.sort();
        ids
    };
    assert_eq!(of("laptop-"), of("phone-"));
    assert_eq!(shop.tally("experiment_persons/holdout/holdout").await, arms[0], "each person once");
}

pub async fn an_arm_is_reminded_after_a_delay_of_its_own(on: Backend) {
    let arms = "experiment.arms = [{ name = \"late\", percent = 100, delay = \"8h\" }]\nexperiment.name = \"delay\"";
    let shop = Shop::open_with_program(on, &format!("{PLAIN}{arms}"), NOON).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(8 * HOUR).await;
    assert_eq!(reminders(&shop), 0);
    shop.advance(HOUR).await;
    let first = &shop.receiver.of_kind("cart.reminder")[0].json()["data"];
    assert_eq!(first["experiment"], json!({"holdout": false, "arm": "late"}));
    assert_eq!(shop.tally("experiment_persons/delay/late").await, 1);
    shop.advance(18 * HOUR).await;
    assert_eq!(reminders(&shop), 1, "the second step moves along");
    shop.advance(2 * HOUR).await;
    assert_eq!(reminders(&shop), 2);
}

/// A family's laptop: the cart stays, and somebody else goes on with it.
pub async fn a_cart_that_passes_to_somebody_else_counts_for_both(on: Backend) {
    let arms = "experiment.arms = [{ name = \"late\", percent = 100, delay = \"3h\" }]\nexperiment.name = \"delay\"";
    let shop = Shop::open_with_program(on, &format!("{PLAIN}{arms}"), NOON).await;
    let counted = async || shop.tally("experiment_persons/delay/late").await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(5 * HOUR).await;
    assert_eq!(counted().await, 1);
    shop.patches("c-1", json!({"shopper": {"email": "ann@example.com"}})).await;
    shop.advance(5 * HOUR).await;
    assert_eq!(counted().await, 2, "Ann came into it by this cart");
    shop.signals("c-1", json!({"type": "viewed"})).await;
    shop.advance(30 * HOUR).await;
    assert_eq!(counted().await, 2, "each once");
}

pub async fn a_person_counts_once_in_an_experiment_in_whatever_order_their_orders_arrive(on: Backend) {
    let program = PLAIN.replace("holdout_percent = 0", "holdout_percent = 50");
    let shop = Shop::open_with_program(on, &program, NOON).await;
    for n in 0..6 {
        shop.puts(&format!("c-{n}"), cart_of(&format!("shopper-{n}@example.com"))).await;
    }
    shop.advance(6 * HOUR).await;
    let now = shop.now();
    for n in 0..6_u32 {
        let email = format!("shopper-{n}@example.com");
        // Placed in the order of their names; of half of the persons the later one is heard of first.
        let placed = [("a", now.minus(HOUR)), ("b", now)];
        let heard = if n % 2 == 0 { [1, 0] } else { [0, 1] };
        for (name, at) in heard.map(|place| placed[place]) {
            assert_eq!(shop.orders(order_of(&format!("{name}-{n}"), &email, &["p-1"], at)).await.status, 200);
        }
        // A repeat of either is no further outcome.
        shop.orders(order_of(&format!("a-{n}"), &email, &["p-1"], placed[0].1)).await;
    }
    let mut converted = 0;
    for arm in ["holdout", "default"] {
        let persons = shop.tally(&format!("experiment_persons/holdout/{arm}")).await;
        assert_eq!(shop.tally(&format!("experiment/holdout/{arm}/converted")).await, persons, "{arm}");
        converted += persons;
    }
    assert_eq!(converted, 6);
}

pub async fn carts_of_crawlers_staff_and_machines_are_in_no_rate(on: Backend) {
    let shop =
        Shop::open_with_program(on, &format!("{PLAIN}shoppers.staff_domains = [\"shop.example\"]\n"), NOON).await;
    shop.puts("bot", cart_of("John.Smith@storebotmail.joonix.net")).await;
    shop.puts("staff", cart_of("kim@shop.example")).await;
    let mut draft = cart_of("joe@example.com");
    draft["attributes"] = json!({"source": "admin"});
    shop.puts("draft", draft).await;
    let mut late = cart_of("x@example.com");
    late["shopper"] = json!({"anonymous_id": "a-1"});
    shop.puts("late", late).await;
    shop.patches("late", json!({"shopper": {"email": "kim@shop.example"}})).await;
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.receiver.received().len(), 0);
    assert_eq!(shop.tally("carts_set_apart/bot").await, 1);
    assert_eq!(shop.tally("carts_set_apart/staff").await, 3);
    assert_eq!(shop.tally("carts").await, 1, "only the one that was nobody's at first");
    assert_eq!(shop.tally("stage_entered/shipping").await, 1);
    assert_eq!(shop.cart("bot").await.body["why"], "bot");
}
