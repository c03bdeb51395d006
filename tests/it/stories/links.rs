//! The links in a reminder: back to the cart, and whether it is still right to send.

use reqwest::Method;
use reqwest::header::{HeaderMap, LOCATION};
use serde_json::{Value, json};

use crate::shop::{ADMIN_KEY, Backend, HOUR, MINUTE, Shop, cart_of, order_of};

/// What a browser, or a machine, got.
pub(super) struct Visit {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Visit {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Where it leads.
    pub(super) fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }
}

/// Opens an address without following it.
async fn opens(url: &str, method: Method, headers: &[(&str, &str)]) -> Visit {
    let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let browser = browser.build().expect("a client can be made");
    let request = headers.iter().fold(browser.request(method, url), |r, (name, value)| r.header(*name, *value));
    let response = request.send().await.expect("the service answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Visit { status, headers, text: response.text().await.expect("text") }
}

pub(super) async fn visits(url: &str) -> Visit {
    opens(url, Method::GET, &[]).await
}

/// A shop whose links lead to it, with a cart that was just reminded of; gives the data of the reminder.
async fn reminded(on: Backend) -> (Shop, Value) {
    let shop = Shop::open_public(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(5 * HOUR).await;
    let data = shop.receiver.of_kind("cart.reminder")[0].json()["data"].clone();
    (shop, data)
}

fn link(data: &Value, name: &str) -> String {
    data[name].as_str().unwrap_or_else(|| panic!("no {name} in {data}")).to_owned()
}

fn token(url: &str) -> &str {
    url.rsplit_once('/').expect("a path").1
}

async fn comes_back(shop: &Shop, token: &str) -> crate::shop::Answer {
    shop.send(Method::POST, "/v1/recoveries", |r| r.json(&json!({"token": token}))).await
}

async fn checks(data: &Value) -> Value {
    let visit = visits(&link(data, "check_url")).await;
    assert_eq!((visit.status, visit.header("cache-control")), (200, "no-store"), "{}", visit.text);
    serde_json::from_str(&visit.text).expect("JSON")
}

pub async fn the_link_in_a_reminder_leads_back_to_the_cart(on: Backend) {
    let (shop, data) = reminded(on).await;
    let url = link(&data, "recovery_url");
    let visit = visits(&url).await;
    assert_eq!(visit.status, 302, "{}", visit.text);
    assert_eq!(visit.location(), format!("https://shop.example/checkout/1?cw_ref={}", token(&url)));
    assert_eq!((visit.header("cache-control"), visit.header("referrer-policy")), ("no-store", "no-referrer"));
    assert!(visit.headers.get("set-cookie").is_none());
    assert_eq!(shop.state("c-1").await, "abandoned", "opening a link changes nothing");
    assert_eq!((shop.tally("touches/first").await, shop.tally("clicks/first").await), (1, 0));
}

pub async fn scanners_neither_count_as_people_nor_use_a_link_up(on: Backend) {
    let (shop, data) = reminded(on).await;
    let url = link(&data, "recovery_url");
    assert_eq!(opens(&url, Method::HEAD, &[]).await.status, 302);
    for header in [("sec-purpose", "prefetch"), ("purpose", "prefetch"), ("x-moz", "prefetch")] {
        assert_eq!(opens(&url, Method::GET, &[header]).await.status, 302);
    }
    assert_eq!(shop.tally("touches/first").await, 0, "who says that nobody looks is not counted");
    for _ in 0..20 {
        assert_eq!(visits(&url).await.status, 302);
    }
    assert_eq!((shop.tally("touches/first").await, shop.tally("clicks/first").await), (1, 0));
    let answer = comes_back(&shop, token(&url)).await;
    assert_eq!((answer.status, &answer.body["outcome"]), (200, &json!("restored")), "{answer:?}");
    assert_eq!(shop.tally("clicks/first").await, 1);
    assert!(shop.metrics().await.contains("cartwake_link_touches_total{shop=\"test\"} 1"));
}

pub async fn a_person_who_comes_back_is_counted_once_and_gets_the_cart(on: Backend) {
    let (shop, data) = reminded(on).await;
    let url = link(&data, "recovery_url");
    for _ in 0..3 {
        let answer = comes_back(&shop, token(&url)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["reminder"], json!({"abandonment": 1, "step": 0}));
        let cart = &answer.body["cart"];
        assert_eq!((&cart["cart_id"], &cart["currency"]), (&json!("c-1"), &json!("EUR")));
        assert_eq!(cart["items"].as_array().map(Vec::len), Some(2));
        assert_eq!(cart["checkout_url"], "https://shop.example/checkout/1");
        assert!(!answer.body.to_string().contains("joe"), "a reference says nothing of whose cart it is");
    }
    assert_eq!(shop.tally("clicks/first").await, 1);
    assert_eq!(shop.state("c-1").await, "active", "the shopper is back");
    shop.advance(25 * MINUTE).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
}

pub async fn who_followed_a_link_is_told_by_the_step_that_brought_it(on: Backend) {
    let (shop, first) = reminded(on).await;
    visits(&link(&first, "recovery_url")).await;
    shop.advance(24 * HOUR).await;
    let second = shop.receiver.of_kind("cart.reminder").pop().expect("the second step").json()["data"].clone();
    assert_eq!(second["step"]["name"], "second");
    for _ in 0..2 {
        visits(&link(&second, "recovery_url")).await;
        comes_back(&shop, token(&link(&second, "recovery_url"))).await;
    }
    let report = shop.ops(Method::GET, "/v1/reports/recovery").await.body;
    let step = |name: &str| {
        let steps = report["steps"].as_array().expect("a list");
        let row = steps.iter().find(|row| row["step"] == name).expect("a step");
        (row["touches"].as_i64(), row["clicks"].as_i64())
    };
    assert_eq!((step("first"), step("second")), ((Some(1), Some(0)), (Some(1), Some(1))), "{report}");
    assert_eq!((&report["touches"], &report["clicks"]), (&json!(2), &json!(1)));
    let sheet = shop.get_as("/v1/reports/recovery", Some(ADMIN_KEY), "text/csv").await.text().await.expect("text");
    let head: Vec<&str> = sheet.lines().next().expect("a head").split(',').collect();
    let column = |name: &str| head.iter().position(|column| *column == name).expect("a column");
    let of = |step: &str, name: &str| -> i64 {
        let rows = sheet.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let rows = rows.filter(|cells| cells[column("step")] == step);
        rows.map(|cells| cells[column(name)].parse::<i64>().expect("a number")).sum()
    };
    assert_eq!([of("first", "touches"), of("second", "touches"), of("second", "clicks")], [1, 1, 1], "{sheet}");
}

pub async fn lines_that_are_gone_are_told_apart(on: Backend) {
    let (shop, data) = reminded(on).await;
    let mut items = cart_of("joe@example.com")["items"].clone();
    items[1]["in_stock"] = json!(false);
    shop.patches("c-1", json!({"items": items, "coupons": ["WELCOME"]})).await;
    let answer = comes_back(&shop, token(&link(&data, "recovery_url"))).await;
    assert_eq!((&answer.body["outcome"], &answer.body["cart"]["unavailable_count"]), (&json!("partly"), &json!(1)));
    assert_eq!(answer.body["cart"]["items"][1]["in_stock"], false);
    assert_eq!(answer.body["cart"]["coupons"], json!(["WELCOME"]));
}

pub async fn a_link_says_what_became_of_the_cart(on: Backend) {
    let (shop, data) = reminded(on).await;
    let url = link(&data, "recovery_url");
    shop.patches("c-1", json!({"items": []})).await;
    let visit = opens(&url, Method::GET, &[("accept-language", "it;q=0.9, en;q=0.1")]).await;
    assert_eq!(visit.status, 200);
    assert!(
        visit.text.contains("<html lang=\"it\">") && visit.text.contains("Questo carrello è vuoto"),
        "{}",
        visit.text
    );
    assert_eq!(comes_back(&shop, token(&url)).await.body["outcome"], "emptied");

    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    let visit = visits(&url).await;
    assert!(visit.text.contains("<html lang=\"de\">"), "the language of the cart: {}", visit.text);
    assert!(visit.status == 200 && visit.text.contains("Sie haben schon bestellt"), "{}", visit.text);
    assert!(visit.text.contains("href=\"https://shop.example/\"") && !visit.text.contains("joe"));
    let policy = visit.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("style-src 'sha256-"), "{policy}");
    assert_eq!(comes_back(&shop, token(&url)).await.body["outcome"], "bought");
}

pub async fn a_dismissed_cart_and_an_erased_one_are_not_gone_on_with(on: Backend) {
    let (shop, data) = reminded(on).await;
    let url = link(&data, "recovery_url");
    shop.send(Method::POST, "/v1/carts/c-1/dismiss", |r| r).await;
    assert!(visits(&url).await.text.contains("Warenkorb verworfen"));
    assert_eq!(comes_back(&shop, token(&url)).await.body["outcome"], "dismissed");
    shop.send(Method::DELETE, "/v1/carts/c-1", |r| r).await;
    assert_eq!(visits(&url).await.status, 410);
    assert_eq!(comes_back(&shop, token(&url)).await.body["outcome"], "expired");
    // The name is used again, for another cart: the link was not made for that one.
    shop.advance(24 * 8 * HOUR).await;
    assert_eq!(shop.puts("c-1", cart_of("ann@example.com")).await.status, 201);
    assert_eq!(visits(&url).await.status, 410);
    assert_eq!(comes_back(&shop, token(&url)).await.body["outcome"], "expired");
}

pub async fn a_link_ends_when_it_says(on: Backend) {
    let (shop, data) = reminded(on).await;
    let url = link(&data, "recovery_url");
    let ends_at = cartwake::domain::Moment::parse(data["recovery_url_expires_at"].as_str().expect("a time"));
    shop.clock.set(ends_at.expect("a time"));
    assert_eq!(visits(&url).await.status, 302);
    shop.clock.set(shop.now().plus(MINUTE));
    let visit = opens(&url, Method::GET, &[("accept-language", "fr")]).await;
    assert!(visit.status == 410 && visit.text.contains("Ce lien a expiré"), "{}", visit.text);
    assert_eq!(comes_back(&shop, token(&url)).await.body["outcome"], "expired");
    assert_eq!(shop.tally("clicks/first").await, 0);
}

pub async fn a_forged_link_tells_nothing(on: Backend) {
    let (shop, data) = reminded(on).await;
    let url = link(&data, "recovery_url");
    let (base, good) = url.rsplit_once('/').expect("a path");
    let check = link(&data, "check_url");
    let cut = &good[..good.len() - 1];
    for bad in [cut, "x", "AAAA", token(&check), &good.to_uppercase(), &"A".repeat(4_000)] {
        let visit = visits(&format!("{base}/{bad}")).await;
        assert!(visit.status == 404 && visit.header("content-type").starts_with("text/html"), "{}", visit.text);
        assert!(!visit.text.contains("shop.example"), "{}", visit.text);
        let answer = comes_back(&shop, bad).await;
        assert!(matches!(answer.status, 404 | 422), "{answer:?}");
    }
    let visit = visits(&format!("{}/v1/check/{good}", shop.app.api_url())).await;
    assert_eq!((visit.status, visit.header("content-type")), (404, "application/problem+json"));
    assert!(visit.text.contains("/problems/no-such-link"));
    let metrics = shop.metrics().await;
    assert!(metrics.contains("route=\"/r/{token}\"") && !metrics.contains(good), "routes, never paths");
}

pub async fn a_mailer_is_told_to_stop_when_the_shopper_has_bought(on: Backend) {
    let (shop, data) = reminded(on).await;
    assert_eq!(checks(&data).await, json!({"go": true}));
    assert_eq!(checks(&data).await, json!({"go": true}), "asking changes nothing");
    shop.orders(order_of("o-1", "JOE@example.com", &["p-1", "p-2"], shop.now())).await;
    assert_eq!(checks(&data).await, json!({"go": false, "why": "purchased"}));
}

pub async fn a_mailer_is_told_to_stop_when_the_shopper_is_back_or_it_is_too_late(on: Backend) {
    let (shop, data) = reminded(on).await;
    shop.signals("c-1", json!({"kind": "page_viewed", "page": "product"})).await;
    assert_eq!(checks(&data).await, json!({"go": false, "why": "shopper_returned"}));
    shop.advance(13 * HOUR).await;
    let answer = checks(&data).await;
    assert_eq!(answer["go"], false, "{answer}");
    shop.clock.set(shop.now().plus(30 * 24 * HOUR));
    assert_eq!(checks(&data).await, json!({"go": false, "why": "stale"}));
}

pub async fn an_order_by_a_link_is_a_click_and_settles_the_cart_it_came_from(on: Backend) {
    let (shop, data) = reminded(on).await;
    let mut order = order_of("o-1", "other@example.com", &["p-1", "p-2"], shop.now());
    order["recovery_ref"] = json!(token(&link(&data, "recovery_url")));
    let answer = shop.orders(order).await;
    assert_eq!(answer.body["carts"], json!(["c-1"]), "{answer:?}");
    assert_eq!(shop.state("c-1").await, "converted");
    assert_eq!(shop.tally("clicks/first").await, 1);
    let mut odd = order_of("o-2", "ann@example.com", &["p-9"], shop.now());
    odd["recovery_ref"] = json!("utm-something");
    assert_eq!(shop.orders(odd).await.status, 200, "an order is never refused for what came with a link");
}

pub async fn without_a_public_address_the_link_is_the_checkout_itself(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(5 * HOUR).await;
    let data = shop.receiver.of_kind("cart.reminder")[0].json()["data"].clone();
    let url = link(&data, "recovery_url");
    let (checkout, reference) = url.split_once("?cw_ref=").expect("a reference");
    assert_eq!(checkout, "https://shop.example/checkout/1");
    assert!(data.get("check_url").is_none() && data.get("unsubscribe_url").is_none());
    assert_eq!(comes_back(&shop, reference).await.body["outcome"], "restored");
}

async fn one_click(url: &str, body: &str) -> Visit {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let client = client.build().expect("a client can be made");
    let request = client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body.to_owned());
    let response = request.send().await.expect("the service answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Visit { status, headers, text: response.text().await.expect("text") }
}

pub async fn looking_at_the_way_out_unsubscribes_nobody(on: Backend) {
    let (shop, data) = reminded(on).await;
    let url = link(&data, "unsubscribe_url");
    for _ in 0..3 {
        let visit = opens(&url, Method::GET, &[("accept-language", "es")]).await;
        assert_eq!(visit.status, 200);
        assert!(
            visit.text.contains("<html lang=\"es\">") && visit.text.contains("<form method=\"post\">"),
            "{}",
            visit.text
        );
        assert!(visit.header("content-security-policy").contains("form-action 'self'"));
        assert!(!visit.text.contains("joe"), "{}", visit.text);
    }
    assert_eq!(one_click(&url, "").await.status, 400, "nothing is asked for");
    assert_eq!(checks(&data).await, json!({"go": true}));
    shop.advance(24 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 2);
}

pub async fn one_click_stops_the_reminders_at_once(on: Backend) {
    let (shop, data) = reminded(on).await;
    let url = link(&data, "unsubscribe_url");
    let visit = one_click(&url, "List-Unsubscribe=One-Click").await;
    assert_eq!(visit.status, 200, "{}", visit.text);
    assert!(visit.headers.get("set-cookie").is_none() && visit.location().is_empty());
    assert!(visit.text.contains("<html lang=\"de\">"), "{}", visit.text);
    assert_eq!(checks(&data).await, json!({"go": false, "why": "opted_out"}));
    assert_eq!(one_click(&url, "List-Unsubscribe=One-Click").await.status, 200, "again is no harm");
    // The next cart of that person, on another device.
    shop.puts("c-2", cart_of("JOE@example.com")).await;
    shop.advance(200 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
}

pub async fn the_way_out_works_when_the_cart_is_gone(on: Backend) {
    let (shop, data) = reminded(on).await;
    shop.send(Method::DELETE, "/v1/carts/c-1", |r| r).await;
    assert_eq!(one_click(&link(&data, "unsubscribe_url"), "stop=all").await.status, 200);
    shop.puts("c-2", cart_of("joe@example.com")).await;
    shop.advance(200 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
    assert!(shop.tally("reminders_suppressed/opted_out").await > 0 || shop.state("c-2").await == "opted_out");
}

pub async fn a_preference_page_stops_and_allows_reminders(on: Backend) {
    let shop = Shop::open(on).await;
    let tells = |method: Method, body: Value| {
        let shop = &shop;
        async move { shop.send(method, "/v1/opt-outs", |r| r.json(&body)).await }
    };
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let answer = tells(Method::POST, json!({"email": "Joe@Example.com"})).await;
    assert_eq!((answer.status, &answer.body["reminder_in_flight"]), (200, &json!("none")), "{answer:?}");
    shop.advance(200 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
    assert_eq!(tells(Method::DELETE, json!({"email": "joe@example.com"})).await.status, 204);
    shop.puts("c-2", cart_of("joe@example.com")).await;
    shop.advance(5 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
    let nobody = tells(Method::POST, json!({"channel": "email"})).await;
    assert_eq!((nobody.status, &nobody.body["errors"][0]["pointer"]), (422, &json!("/email")), "{nobody:?}");
    let odd = tells(Method::POST, json!({"email": "joe@example.com", "channel": "fax"})).await;
    assert_eq!((odd.status, &odd.body["errors"][0]["pointer"]), (422, &json!("/channel")), "{odd:?}");
}
