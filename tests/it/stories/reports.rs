//! Reports and the dashboard: numbers that add up to what happened, for who has the key, and a page that bears none.

use cartwake::domain::Moment;
use reqwest::Method;
use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::shop::{ADMIN_KEY, Backend, HOUR, MINUTE, PLAIN, SERVER_KEY, Shop, cart_of, endpoint, order_of};

/// Four carts: one bought at once, one recovered, one left at shipping, one that is only a test.
async fn a_day_of_trade(shop: &Shop) {
    for name in ["ada", "bea", "cem"] {
        shop.puts(name, cart_of(&format!("{name}@example.com"))).await;
    }
    let mut test = cart_of("tester@example.com");
    test["test"] = json!(true);
    shop.puts("dry", test).await;
    shop.advance(2 * MINUTE).await;
    shop.patches("ada", json!({"stage": "payment"})).await;
    shop.advance(MINUTE).await;
    shop.orders(order_of("o-1", "ada@example.com", &["p-1", "p-2"], shop.now())).await;
    shop.advance(5 * HOUR).await;
    shop.orders(order_of("o-2", "bea@example.com", &["p-1", "p-2"], shop.now())).await;
    shop.settle().await;
}

fn row<'a>(rows: &'a Value, name: &str, value: &str) -> &'a Value {
    rows.as_array().and_then(|rows| rows.iter().find(|row| row[name] == value)).unwrap_or(&Value::Null)
}

pub async fn the_reports_tell_a_day_of_trade(backend: Backend) {
    let shop = Shop::open(backend).await;
    a_day_of_trade(&shop).await;
    let funnel = shop.ops(Method::GET, "/v1/reports/funnel").await.body;
    assert_eq!((&funnel["carts"], &funnel["bought"]), (&json!(3), &json!(2)), "{funnel}");
    let shipping = row(&funnel["stages"], "stage", "shipping");
    assert_eq!((&shipping["reached"], &shipping["went_on"], &shipping["abandoned"]), (&json!(3), &json!(2), &json!(1)));
    assert_eq!(row(&funnel["stages"], "stage", "payment")["reached"], 2, "a bought cart went through the payment");
    let seconds = shipping["median_seconds"].as_f64().expect("two carts went on");
    assert!((seconds / 120.0 - 1.0).abs() < 0.0906, "ada went on after two minutes, not after {seconds} s");
    assert_eq!((&funnel["orders"]["first"], &funnel["orders"]["values"][0]["first_minor"]), (&json!(2), &json!(9_976)));

    let reasons = shop.ops(Method::GET, "/v1/reports/reasons").await.body;
    assert_eq!(reasons["abandonments"], 2);
    let inferred = |row: &Value| row["inferred"].as_i64().expect("a count");
    let found: i64 = reasons["reasons"].as_array().expect("reasons").iter().map(inferred).sum();
    assert_eq!(found, 2, "what was found sums to the abandonments: {reasons}");
    assert_eq!(reasons["abandoned"][0]["value_minor"], 2 * 4_988);

    let recovery = shop.ops(Method::GET, "/v1/reports/recovery").await.body;
    assert_eq!(row(&recovery["steps"], "step", "first")["delivered"], 2, "{recovery}");
    assert_eq!(recovery["recovered"][0], json!({"currency": "EUR", "value_minor": 4_988}));
    assert_eq!(recovery["by_day"].as_array().map(Vec::len), Some(30));

    let lift = shop.ops(Method::GET, "/v1/reports/lift").await;
    assert_eq!((lift.status, &lift.body["persons_min"]), (200, &json!(100)));
}

pub async fn a_refund_and_an_erasure_leave_the_funnel_adding_up(backend: Backend) {
    let shop = Shop::open(backend).await;
    a_day_of_trade(&shop).await;
    let mut refund = order_of("o-1", "ada@example.com", &["p-1", "p-2"], shop.now());
    refund["status"] = json!("refunded");
    shop.orders(refund).await;
    shop.send(Method::DELETE, "/v1/carts/cem", |r| r).await;
    let funnel = shop.ops(Method::GET, "/v1/reports/funnel").await.body;
    assert_eq!((&funnel["carts"], &funnel["bought"], &funnel["reverted"]), (&json!(3), &json!(2), &json!(1)));
    for stage in funnel["stages"].as_array().expect("stages") {
        let part = |name: &str| stage[name].as_i64().expect("a count");
        assert_eq!(part("reached"), part("went_on") + part("abandoned") + part("open") + part("ended"), "{stage}");
    }
    assert_eq!(
        (&funnel["orders"]["reverted"], &funnel["orders"]["values"][0]["reverted_minor"]),
        (&json!(1), &json!(4_988))
    );
}

pub async fn a_cart_left_and_forgotten_while_nobody_looked_was_left(backend: Backend) {
    let shop = Shop::open(backend).await;
    shop.puts("late", cart_of("late@example.com")).await;
    let day = shop.now().day();
    shop.clock.set(shop.now().plus(2_400 * HOUR));
    shop.settle().await;
    let funnel = shop.ops(Method::GET, &format!("/v1/reports/funnel?from={day}&to={day}")).await.body;
    let shipping = row(&funnel["stages"], "stage", "shipping");
    assert_eq!((&shipping["abandoned"], &shipping["ended"]), (&json!(1), &json!(0)), "{funnel}");
}

pub async fn a_report_is_a_sheet_for_who_asks_for_one(backend: Backend) {
    let shop = Shop::open(backend).await;
    a_day_of_trade(&shop).await;
    for name in ["funnel", "reasons", "recovery", "lift"] {
        let answer = shop.get_as(&format!("/v1/reports/{name}"), Some(ADMIN_KEY), "text/csv").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8; header=present");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let text = answer.bytes().await.expect("a body");
        let body = text.strip_prefix(b"\xef\xbb\xbf").expect("a byte order mark");
        let body = std::str::from_utf8(body).expect("UTF-8");
        assert!(body.starts_with("shop,"), "{body}");
        assert_eq!(body.lines().count() > 1, name != "lift", "{name}: {body}");
    }
}

pub async fn numbers_are_for_who_has_the_key(backend: Backend) {
    let shop = Shop::open(backend).await;
    for path in ["/v1/reports/funnel", "/v1/system", "/v1/carts", "/v1/carts/ada"] {
        assert_eq!(shop.get_as(path, None, "*/*").await.status(), 401, "{path}");
        assert_eq!(shop.get_as(path, Some(SERVER_KEY), "*/*").await.status(), 403, "{path}");
    }
    for (query, status) in
        [("from=2026-11-31", 400), ("since=2026-11-30", 400), ("shop=other", 403), ("shop=test", 200)]
    {
        assert_eq!(shop.ops(Method::GET, &format!("/v1/reports/funnel?{query}")).await.status, status, "{query}");
    }
    let system = shop.ops(Method::GET, "/v1/system").await.body;
    assert_eq!((&system["shops"][0]["id"], &system["outbox"]["dead"]), (&json!("test"), &json!(0)), "{system}");
}

pub async fn the_dashboard_is_a_page_without_data(backend: Backend) {
    let shop = Shop::open(backend).await;
    a_day_of_trade(&shop).await;
    let page = shop.get_as("/dashboard", None, "text/html").await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().expect("ASCII").to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(page.headers().get("set-cookie").is_none());
    let text = page.text().await.expect("text");
    assert!(!text.contains("example.com") && !text.contains("ada"));
    let part = shop.get_as("/dashboard/app.js", None, "*/*").await;
    assert_eq!(part.status(), 200);
    assert_eq!(part.headers()["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(shop.get_as("/dashboard/secret.js", None, "*/*").await.status(), 404);
}

pub async fn a_merchant_is_told_in_the_morning_what_the_day_came_to(on: Backend) {
    let noon = Moment::parse("2026-11-22T12:00:00Z").expect("a time");
    let merchant = Receiver::start();
    let program = format!("{PLAIN}digest = \"08:00\"\ntime_zone = \"Europe/Berlin\"\n");
    let shop =
        Shop::open_with_program(on, &(program + &endpoint("merchant", &merchant, "\"shop.digest\"")), noon).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.puts("c-2", cart_of("ann@example.com")).await;
    shop.advance(5 * HOUR).await;
    shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    let until = |text: &str| Moment::parse(text).expect("a time").since(shop.now());
    shop.advance(until("2026-11-23T06:59:59Z")).await;
    assert_eq!(merchant.of_kind("shop.digest").len(), 0, "not before eight");
    shop.advance(2 * MINUTE).await;
    let told = merchant.of_kind("shop.digest");
    assert_eq!(told.len(), 1);
    let data = &told[0].json()["data"];
    assert_eq!(
        (&data["day"], &data["abandonments"], &data["reminders_delivered"]),
        (&json!("2026-11-22"), &json!(2), &json!(2))
    );
    let value = json!([{"currency": "EUR", "abandoned_minor": 9_976, "recovered_minor": 4_988}]);
    assert_eq!((&data["orders_recovered"], &data["values"]), (&json!(1), &value));
    // Another process knows of nothing, and looks as well.
    if !matches!(on, Backend::Embedded) {
        let other = format!("{PLAIN}digest = \"08:00\"\n{}", endpoint("merchant", &merchant, "\"shop.digest\""));
        Shop::open_beside(&shop, &other).await.advance(HOUR).await;
    }
    for _ in 0..4 {
        shop.advance(24 * HOUR).await;
    }
    let days: Vec<_> = merchant.of_kind("shop.digest").iter().map(|told| told.json()["data"]["day"].clone()).collect();
    assert_eq!(days, ["2026-11-22", "2026-11-23", "2026-11-25"], "each day on which something happened, once");
}
