//! What reminders offer: codes that nobody else has, for who would not have bought anyway.

use std::collections::BTreeSet;
use std::io::Write;

use cartwake::domain::Moment;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::links::visits;
use crate::receiver::Reply;
use crate::shop::{Backend, HOUR, PLAIN, Shop, cart_of, order_of};

const NOON: Moment = Moment::from_millis(1_795_000_000_000);

/// A program whose reminders at this step offer ten percent.
fn offering(step: &str, codes: &str, more: &str) -> String {
    format!(
        "{PLAIN}{more}\n[[shop.program.incentive]]\nname = \"ten\"\nkind = \"percent\"\nvalue = 10\n\
         steps = [\"{step}\"]\nvalid_for = \"72h\"\n{codes}\n"
    )
}

const TEMPLATE: &str = "template = \"CW-{code}\"";

fn list(codes: &[&str]) -> (NamedTempFile, String) {
    let mut file = NamedTempFile::new().expect("a temporary file");
    writeln!(file, "{}", codes.join("\n")).expect("a temporary file can be written");
    let key = format!("codes_file = \"{}\"", file.path().display());
    (file, key)
}

/// The `incentive` of every reminder that was sent, by cart.
fn offers(shop: &Shop) -> Vec<(String, Value)> {
    let sent = shop.receiver.of_kind("cart.reminder").into_iter().map(|request| request.json());
    let cart = |data: &Value| data["cart_id"].as_str().expect("a cart").to_owned();
    sent.map(|body| (cart(&body["data"]), body["data"]["incentive"].clone())).collect()
}

fn codes(shop: &Shop) -> Vec<String> {
    let offers = offers(shop).into_iter();
    offers.filter_map(|(_, offer)| offer["code"].as_str().map(str::to_owned)).collect()
}

/// What explain tells of incentives: what happened, and why.
async fn told(shop: &Shop, cart: &str) -> Vec<(String, Value)> {
    let answer = shop.send(Method::GET, &format!("/v1/carts/{cart}/explain"), |r| r).await;
    let story = answer.body["story"].as_array().expect("a story").clone();
    let of = |entry: &Value| (entry["what"].as_str().unwrap_or_default().to_owned(), entry["inputs"]["why"].clone());
    story.iter().map(of).filter(|(what, _)| what.starts_with("incentive")).collect()
}

pub async fn a_step_offers_a_code_that_nobody_else_has_and_the_others_offer_none(on: Backend) {
    let shop = Shop::open_with_program(on, &offering("second", TEMPLATE, ""), NOON).await;
    for n in 0..3 {
        shop.puts(&format!("c-{n}"), cart_of(&format!("shopper-{n}@example.com"))).await;
    }
    shop.advance(5 * HOUR).await;
    assert!(offers(&shop).iter().all(|(_, offer)| offer.is_null()), "the first step offers nothing");
    shop.advance(20 * HOUR).await;
    let second: Vec<(String, Value)> = offers(&shop).split_off(3);
    let codes: BTreeSet<String> = codes(&shop).into_iter().collect();
    assert_eq!((second.len(), codes.len()), (3, 3), "{second:?}");
    assert!(codes.iter().all(|code| code.len() == 15 && code.starts_with("CW-")), "{codes:?}");
    let (cart, offer) = &second[0];
    let expires_at = Moment::parse(offer["expires_at"].as_str().expect("a time")).expect("RFC 3339");
    assert_eq!(
        (offer["name"].as_str(), offer["kind"].as_str(), offer["value"].as_u64()),
        (Some("ten"), Some("percent"), Some(10))
    );
    assert!(expires_at.since(shop.now()) > 70 * HOUR && expires_at.since(shop.now()) < 72 * HOUR, "{expires_at}");
    assert_eq!(told(&shop, cart).await, [("incentive_given".to_owned(), Value::Null)]);
    assert_eq!(shop.tally("incentives/ten/given").await, 3);
    assert!(
        shop.metrics().await.contains(r#"cartwake_incentives_total{incentive="ten",result="given",shop="test"} 3"#)
    );
}

pub async fn every_attempt_of_a_reminder_offers_the_same_code(on: Backend) {
    let (_file, codes_file) = list(&["A-1", "A-2", "A-3", "A-4"]);
    for source in [TEMPLATE, &codes_file] {
        let shop = Shop::open_with_program(on, &offering("first", source, ""), NOON).await;
        shop.puts("c-1", cart_of("joe@example.com")).await;
        shop.receiver.always(Reply::Status(503));
        shop.advance(2 * HOUR + 4 * HOUR).await;
        shop.receiver.always(Reply::Status(200));
        shop.advance(3 * HOUR).await;
        let codes = codes(&shop);
        assert!(codes.len() >= 4, "{codes:?}");
        assert!(codes.iter().all(|code| *code == codes[0]), "{codes:?}");
        assert_eq!(shop.tally("incentives/ten/given").await, 1);
    }
}

pub async fn a_list_is_used_up_code_by_code_and_reminders_go_on_without(on: Backend) {
    let (file, codes_file) = list(&["A-1", "A-2"]);
    let mut shop = Shop::open_with_program(on, &offering("first", &codes_file, ""), NOON).await;
    for n in 0..4 {
        shop.puts(&format!("c-{n}"), cart_of(&format!("shopper-{n}@example.com"))).await;
    }
    assert_eq!(shop.ops(Method::GET, "/readyz").await.body.to_string().matches("is used").count(), 0);
    shop.advance(5 * HOUR).await;
    let mut used = codes(&shop);
    used.sort();
    assert_eq!((offers(&shop).len(), used), (4, vec!["A-1".to_owned(), "A-2".to_owned()]));
    let without = offers(&shop).into_iter().find(|(_, offer)| offer.is_null()).expect("two go without");
    assert_eq!(told(&shop, &without.0).await, [("incentive_withheld".to_owned(), json!("codes_exhausted"))]);
    assert_eq!(shop.tally("incentives/ten/codes_exhausted").await, 2);
    let ready = shop.ops(Method::GET, "/readyz").await;
    let checks = ready.body["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == "incentives").expect("a hint");
    assert_eq!(check["ok"], true, "nothing is in the way");
    assert!(check["detail"].as_str().expect("text").contains("every code of the incentive ten of shop test is used"));

    // More of them, before and between the old ones: those that were used stay used.
    std::fs::write(file.path(), "B-1\nA-2\nB-2\nA-1\n").expect("a temporary file can be written");
    shop.reloads();
    assert!(!shop.ops(Method::GET, "/readyz").await.body.to_string().contains("is used"));
    for n in 4..7 {
        shop.puts(&format!("c-{n}"), cart_of(&format!("shopper-{n}@example.com"))).await;
    }
    shop.advance(5 * HOUR).await;
    let mut used = codes(&shop);
    used.sort();
    assert_eq!((offers(&shop).len(), used), (7, ["A-1", "A-2", "B-1", "B-2"].map(str::to_owned).to_vec()));
}

pub async fn who_buys_anyway_or_was_only_looking_is_reminded_without_an_incentive(on: Backend) {
    let shop = Shop::open_with_program(on, &offering("first", TEMPLATE, "overrides = []"), NOON).await;
    let mut known = cart_of("known@example.com");
    known["shopper"]["existing_customer"] = json!(true);
    shop.puts("known", known).await;
    shop.orders(order_of("o-1", "bought@example.com", &["p-9"], shop.now())).await;
    shop.puts("bought", cart_of("bought@example.com")).await;
    shop.puts("looking", cart_of("looking@example.com")).await;
    let reason = json!({"code": "just_browsing", "source": "reported"});
    assert_eq!(shop.send(Method::POST, "/v1/carts/looking/reasons", |r| r.json(&reason)).await.status, 200);
    shop.puts("new", cart_of("new@example.com")).await;
    shop.advance(5 * HOUR).await;
    let offers = offers(&shop);
    assert_eq!(offers.len(), 4, "all are reminded");
    let given: Vec<&str> = offers.iter().filter(|(_, offer)| !offer.is_null()).map(|(cart, _)| cart.as_str()).collect();
    assert_eq!(given, ["new"]);
    for (cart, why) in [("known", "bought_before"), ("bought", "bought_before"), ("looking", "just_browsing")] {
        assert_eq!(told(&shop, cart).await, [("incentive_withheld".to_owned(), json!(why))], "{cart}");
    }
    assert_eq!(shop.tally("incentives/ten/bought_before").await, 2);
}

pub async fn who_bought_long_ago_may_get_one_where_the_shop_says_so(on: Backend) {
    let rules = format!("{TEMPLATE}\nfirst_orders_only = false\nbought_within = \"30d\"");
    let shop = Shop::open_with_program(on, &offering("first", &rules, ""), NOON).await;
    shop.orders(order_of("o-1", "lately@example.com", &["p-9"], shop.now().minus(10 * 24 * HOUR))).await;
    shop.orders(order_of("o-2", "long-ago@example.com", &["p-9"], shop.now().minus(40 * 24 * HOUR))).await;
    shop.puts("lately", cart_of("lately@example.com")).await;
    shop.puts("long-ago", cart_of("long-ago@example.com")).await;
    shop.advance(5 * HOUR).await;
    let given: Vec<String> = offers(&shop).into_iter().filter(|(_, o)| !o.is_null()).map(|(cart, _)| cart).collect();
    assert_eq!((offers(&shop).len(), given), (2, vec!["long-ago".to_owned()]));
}

pub async fn a_person_gets_one_incentive_however_many_carts_they_leave(on: Backend) {
    let shop = Shop::open_with_program(on, &offering("first", TEMPLATE, ""), NOON).await;
    let mut laptop = cart_of("joe@example.com");
    laptop["shopper"]["customer_id"] = json!("42");
    shop.puts("laptop", laptop).await;
    shop.advance(5 * HOUR).await;
    // Another device knows them by the account only.
    let mut phone = cart_of("x@example.com");
    phone["shopper"] = json!({"customer_id": "42"});
    shop.puts("phone", phone.clone()).await;
    shop.advance(5 * HOUR).await;
    assert_eq!((offers(&shop).len(), codes(&shop).len()), (2, 1));
    assert_eq!(told(&shop, "phone").await, [("incentive_withheld".to_owned(), json!("person_cap"))]);
    shop.advance(90 * 24 * HOUR).await;
    shop.puts("tablet", phone).await;
    shop.advance(5 * HOUR).await;
    assert_eq!(codes(&shop).len(), 2, "90 days later there is another");
}

pub async fn who_is_held_out_takes_no_code(on: Backend) {
    let names: Vec<String> = (0..20).map(|n| format!("A-{n}")).collect();
    let (_file, codes_file) = list(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let program = offering("first", &codes_file, "").replace("holdout_percent = 0", "holdout_percent = 50");
    let shop = Shop::open_with_program(on, &program, NOON).await;
    for n in 0..20 {
        shop.puts(&format!("c-{n}"), cart_of(&format!("shopper-{n}@example.com"))).await;
    }
    shop.advance(5 * HOUR).await;
    let held_out = shop.tally("experiment_persons/holdout/holdout").await;
    let given = shop.tally("incentives/ten/given").await;
    assert!(held_out > 0 && given == 20 - held_out, "{held_out} {given}");
    assert_eq!(codes(&shop).into_iter().collect::<BTreeSet<_>>().len(), offers(&shop).len());
    assert!(offers(&shop).iter().all(|(_, offer)| !offer.is_null()));
}

pub async fn an_amount_is_for_carts_in_its_currency(on: Backend) {
    let program = offering("first", TEMPLATE, "")
        .replace("kind = \"percent\"\nvalue = 10", "kind = \"amount\"\nvalue = \"500 EUR\"");
    let shop = Shop::open_with_program(on, &program, NOON).await;
    shop.puts("euro", cart_of("euro@example.com")).await;
    let mut dollar = cart_of("dollar@example.com");
    dollar["currency"] = json!("USD");
    shop.puts("dollar", dollar).await;
    shop.advance(5 * HOUR).await;
    let offers = offers(&shop);
    let of = |cart: &str| offers.iter().find(|(id, _)| id == cart).expect("reminded").1.clone();
    assert_eq!((of("euro")["value_minor"].as_u64(), of("euro")["currency"].as_str()), (Some(500), Some("EUR")));
    assert!(of("dollar").is_null() && told(&shop, "dollar").await.is_empty());
}

/// Two processes on one store, that send at the same time, from a list that is nearly too short.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_never_give_one_code_to_two_reminders() {
    let names: Vec<String> = (0..30).map(|n| format!("A-{n}")).collect();
    let (_file, codes_file) = list(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let program = offering("first", &codes_file, "");
    let one = Shop::open_with_program(Backend::Redis, &program, NOON).await;
    let two = Shop::open_beside(&one, &program).await;
    for n in 0..32 {
        one.puts(&format!("c-{n}"), cart_of(&format!("shopper-{n}@example.com"))).await;
    }
    for shop in [&one, &two] {
        shop.clock.set(NOON.plus(5 * HOUR));
    }
    let (first, second) = tokio::join!(one.settle(), two.settle());
    let ((), ()) = (first, second);
    for shop in [&one, &two] {
        shop.settle().await;
    }
    let all: Vec<String> = codes(&one).into_iter().chain(codes(&two)).collect();
    let each: BTreeSet<&String> = all.iter().collect();
    assert_eq!(offers(&one).len() + offers(&two).len(), 32);
    assert_eq!((all.len(), each.len()), (30, 30), "each code once, and none is lost");
}

pub async fn the_link_of_a_reminder_puts_its_code_into_the_cart_while_it_is_good(on: Backend) {
    for (link, way) in [
        ("?coupon={code}", "https://shop.example/checkout/1?cw_ref=TOKEN&coupon=CODE"),
        (
            "/discount/{code}?redirect={path}",
            "https://shop.example/discount/CODE?redirect=%2Fcheckout%2F1%3Fcw_ref%3DTOKEN",
        ),
        ("off", "https://shop.example/checkout/1?cw_ref=TOKEN"),
    ] {
        let codes = format!("{TEMPLATE}\nlink = \"{link}\"");
        let shop = Shop::open_with_program(on, &offering("second", &codes, ""), NOON).await.public();
        shop.puts("c-1", cart_of("joe@example.com")).await;
        shop.advance(25 * HOUR).await;
        let sent = shop.receiver.of_kind("cart.reminder");
        let [first, second] = [&sent[0], &sent[1]].map(|sent| sent.json()["data"].clone());
        let code = second["incentive"]["code"].as_str().expect("a code");
        let followed = async |data: &Value| {
            let url = data["recovery_url"].as_str().expect("a link").to_owned();
            let token = url.rsplit_once('/').expect("a path").1.to_owned();
            (visits(&url).await.location().replace(&token, "TOKEN").replace(code, "CODE"), token)
        };
        let (location, token) = followed(&second).await;
        assert_eq!(location, way, "{link}");
        let plain = "https://shop.example/checkout/1?cw_ref=TOKEN";
        assert_eq!(followed(&first).await.0, plain, "the first step gave none");
        let restored = shop.send(Method::POST, "/v1/recoveries", |r| r.json(&json!({"token": token}))).await;
        assert_eq!(restored.body["incentive"]["code"], code, "{restored:?}");
        shop.advance(73 * HOUR).await;
        assert_eq!(followed(&second).await.0, plain, "it is over");
        let restored = shop.send(Method::POST, "/v1/recoveries", |r| r.json(&json!({"token": token}))).await;
        assert!(restored.body["incentive"].is_null() && restored.body["cart"].is_object(), "{restored:?}");
    }
}
