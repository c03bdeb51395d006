//! Bodies: exact ones, which are also the examples of `docs/webhooks.md`, and the bound on their size.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;

use super::form::response;
use super::*;
use crate::domain::{
    Abandonment, BoughtLine, CartId, Channel, Consent, ConsentStatus, Content, Currency, Digest, EndpointBrief,
    EndpointName, Event, Heard, IncentiveCode, IncentiveName, Item, Minor, Moment, OrderBrief, OrderId, PENDING_INDEX,
    Past, PersonalText, ProductId, Reason, ReasonCode, ReasonSource, ReminderMark, ShopId, Shopper, Stage, StageSet,
    State, StepBrief, StepName, Totals, Trail, Why, Worth, retry_ladder,
};

const DOCS: &str = include_str!("../../../docs/webhooks.md");

fn at(text: &str) -> Moment {
    Moment::parse(text).expect("a time")
}

fn minor(amount: i64) -> Minor {
    Minor::new(amount).expect("an amount")
}

fn shopper() -> Shopper {
    Shopper {
        email: Some(PersonalText::new("ada@example.com")),
        phone: Some(PersonalText::new("+4930123456")),
        customer_id: Some(PersonalText::new("c-1815")),
        anonymous_id: None,
        first_name: Some(PersonalText::new("Ada")),
        locale: Some("de-DE".to_owned()),
        time_zone: Some("Europe/Berlin".to_owned()),
        country: Some("DE".to_owned()),
        existing_customer: Some(false),
    }
}

fn item() -> Item {
    Item {
        id: Some("line-1".to_owned()),
        product_id: ProductId::parse("p-42").expect("an id"),
        sku: Some("TS-BLK-M".to_owned()),
        title: Some("T-shirt".to_owned()),
        variant: Some("black / M".to_owned()),
        quantity: 2,
        unit_price: Some(minor(1_999)),
        url: Some(WebUrl::new("https://shop.example/p/42")),
        image_url: Some(WebUrl::new("https://shop.example/p/42.jpg")),
        in_stock: Some(true),
    }
}

fn content() -> Content {
    let consent = |status, at| Consent {
        channel: Channel::Email,
        status,
        basis: Some("opt_in".to_owned()),
        at: Some(at),
        source: Some("checkout checkbox".to_owned()),
    };
    Content {
        items: vec![item()],
        totals: Totals {
            subtotal: Some(minor(3_998)),
            discount: Some(minor(0)),
            shipping: Some(minor(490)),
            tax: Some(minor(716)),
            total: Some(minor(4_488)),
            tax_included: Some(true),
        },
        shopper: shopper(),
        consent: vec![
            consent(ConsentStatus::Denied, at("2026-11-20T09:00:00Z")),
            consent(ConsentStatus::Granted, at("2026-11-22T05:58:00Z")),
        ],
        checkout_url: Some(WebUrl::new("https://shop.example/checkout/8fK2")),
        attributes: BTreeMap::from([("utm_source".to_owned(), "newsletter".to_owned())]),
        ..Content::empty(Currency::parse("EUR").expect("a currency"))
    }
}

fn beside(thin: bool, links: &ReminderLinks) -> Beside<'_> {
    static STOCK: Stock = Stock::unknown();
    static OFFER: LazyLock<Offer> = LazyLock::new(|| Offer {
        incentive: IncentiveName::parse("ten-percent").expect("a slug"),
        worth: Worth::Percent(10),
        code: IncentiveCode::parse("CW-7K2M9QX4ZB3T").expect("a code"),
        expires_at: at("2026-11-26T06:30:00Z"),
    });
    Beside { thin, stock: &STOCK, responses: &[], links, offer: Some(&OFFER) }
}

fn cart() -> Cart {
    let born = at("2026-11-22T05:55:00Z");
    let mark = |step, moment| ReminderMark { abandonment: 1, step, decided_at: at(moment) };
    Cart {
        shop: ShopId::parse("main").expect("an id"),
        id: CartId::parse("cart-7").expect("an id"),
        state: State::Abandoned { next_step: None },
        stage: Stage::Shipping,
        stages: StageSet::default(),
        content: content(),
        signals: Vec::new(),
        reasons: Vec::new(),
        created_at: born,
        last_activity_at: born,
        items_changed_at: born,
        occurred_at: born,
        revision: None,
        episode_started_at: born,
        abandonments: 1,
        last_abandonment: Some(abandonment()),
        reminders: vec![mark(0, "2026-11-22T10:30:00.05Z"), mark(1, "2026-11-23T06:30:00.05Z")],
        order: None,
        expires_at: at("2027-02-20T06:00:00Z"),
        stage_since: born,
        heard: Heard::default(),
        furthest_at: born,
        trail: Trail::default(),
        past: Past::default(),
    }
}

fn abandonment() -> Abandonment {
    let reason = Reason {
        code: ReasonCode::ShippingCost,
        source: ReasonSource::InferredHard,
        confidence: 80,
        at: at("2026-11-22T06:30:00Z"),
    };
    let stage = Stage::Shipping;
    Abandonment { number: 1, abandoned_at: at("2026-11-22T06:30:00Z"), stage, value: minor(4_488), reason }
}

/// A delivery of this kind about the cart above.
fn delivery(kind: EventKind) -> Delivery {
    let step = StepBrief { index: 1, of: 3, name: StepName::parse("second").expect("a name"), channel: Channel::Email };
    let order = OrderBrief {
        id: OrderId::parse("o-1001").expect("an id"),
        currency: Currency::parse("EUR").expect("a currency"),
        total: minor(4_488),
        placed_at: at("2026-11-23T07:12:00Z"),
    };
    let of_order = matches!(kind, EventKind::Recovered | EventKind::Converted | EventKind::Reverted);
    let said = Reason {
        code: ReasonCode::CouponRejected,
        source: ReasonSource::Reported,
        confidence: 100,
        ..abandonment().reason
    };
    let moment = if kind == EventKind::Abandoned { "2026-11-22T06:30:00Z" } else { "2026-11-23T06:30:00Z" };
    let moment = if of_order { "2026-11-23T07:12:00Z" } else { moment };
    let event = Event {
        kind,
        at: at(moment),
        abandonment: (kind != EventKind::Converted).then(abandonment),
        step: (kind == EventKind::Reminder).then_some(step),
        order: of_order.then_some(order),
        reason: (kind == EventKind::ReasonRecorded).then_some(said),
        endpoint: (kind == EventKind::EndpointDisabled)
            .then(|| EndpointBrief { name: EndpointName::parse("sms").expect("a name"), why: Why::EndpointGone }),
        digest: (kind == EventKind::ShopDigest).then(digest),
    };
    let endpoint = EndpointName::parse("mailer").expect("a name");
    let cart = cart();
    Delivery::new(&cart, &endpoint, event, at(moment), at("2026-11-23T18:30:00Z"))
}

fn digest() -> Digest {
    let of = |code| Currency::parse(code).expect("known");
    Digest {
        day: at("2026-11-22T12:00:00Z").day(),
        abandonments: 41,
        reminders: 37,
        recovered: 5,
        values: vec![(of("CHF"), 12_900, 0), (of("EUR"), 183_420, 24_350)],
        reasons: vec![(ReasonCode::ShippingCost, 12), (ReasonCode::PaymentDeclined, 7), (ReasonCode::ThinkLater, 3)],
    }
}

fn body(kind: EventKind, cart: &Cart, thin: bool) -> String {
    String::from_utf8(render(&delivery(kind), cart, &beside(thin, &links())).expect("it fits")).expect("JSON is UTF-8")
}

fn links() -> ReminderLinks {
    let url = |path: &str| Some(format!("https://cart.shop.example{path}"));
    ReminderLinks {
        recovery_url: url("/r/AVq3xQ"),
        recovery_url_expires_at: Some(at("2026-12-23T06:30:00Z")),
        unsubscribe_url: url("/u/AVq3xg"),
        check_url: url("/v1/check/AVq3xw"),
    }
}

fn value(body: &str) -> Value {
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn a_reminder_says_everything_in_a_fixed_order() {
    let expected = concat!(
        r#"{"type":"cart.reminder","timestamp":"2026-11-23T06:30:00Z","data":{"cart_id":"cart-7","shop":"main","#,
        r#""abandonment":1,"step":{"index":2,"of":3,"name":"second"},"channel":"email","stage":"shipping","#,
        r#""abandoned_at":"2026-11-22T06:30:00Z","abandoned_value_minor":4488,"#,
        r#""reason":{"code":"shipping_cost","source":"inferred_hard","confidence":80,"response":"free_shipping_hint"},"#,
        r#""shopper":{"email":"ada@example.com","phone":"+4930123456","customer_id":"c-1815","first_name":"Ada","#,
        r#""country":"DE","existing_customer":false},"#,
        r#""consent":[{"channel":"email","status":"granted","basis":"opt_in","at":"2026-11-22T05:58:00Z","#,
        r#""source":"checkout checkbox"}],"#,
        r#""items":[{"id":"line-1","product_id":"p-42","sku":"TS-BLK-M","title":"T-shirt","variant":"black / M","#,
        r#""quantity":2,"unit_price_minor":1999,"url":"https://shop.example/p/42","#,
        r#""image_url":"https://shop.example/p/42.jpg","in_stock":true}],"#,
        r#""totals":{"subtotal_minor":3998,"discount_minor":0,"shipping_minor":490,"tax_minor":716,"#,
        r#""total_minor":4488,"tax_included":true},"currency":"EUR","locale":"de-DE","time_zone":"Europe/Berlin","#,
        r#""recovery_url":"https://cart.shop.example/r/AVq3xQ","recovery_url_expires_at":"2026-12-23T06:30:00Z","#,
        r#""unsubscribe_url":"https://cart.shop.example/u/AVq3xg","check_url":"https://cart.shop.example/v1/check/AVq3xw","#,
        r#""send_not_after":"2026-11-23T18:30:00Z","#,
        r#""incentive":{"name":"ten-percent","kind":"percent","value":10,"code":"CW-7K2M9QX4ZB3T","#,
        r#""expires_at":"2026-11-26T06:30:00Z"},"#,
        r#""experiment":{"holdout":false},"#,
        r#""previous_reminders":[{"abandonment":1,"step":1,"decided_at":"2026-11-22T10:30:00.05Z"}],"#,
        r#""attributes":{"utm_source":"newsletter"}}}"#,
    );
    assert_eq!(body(EventKind::Reminder, &cart(), false), expected);
}

#[test]
fn a_thin_reminder_names_nobody() {
    let expected = concat!(
        r#"{"type":"cart.reminder","timestamp":"2026-11-23T06:30:00Z","data":{"cart_id":"cart-7","shop":"main","#,
        r#""abandonment":1,"step":{"index":2,"of":3,"name":"second"},"channel":"email","stage":"shipping","#,
        r#""abandoned_at":"2026-11-22T06:30:00Z","abandoned_value_minor":4488,"#,
        r#""reason":{"code":"shipping_cost","source":"inferred_hard","confidence":80,"response":"free_shipping_hint"},"#,
        r#""items":[{"product_id":"p-42","quantity":2,"unit_price_minor":1999,"in_stock":true}],"#,
        r#""totals":{"subtotal_minor":3998,"discount_minor":0,"shipping_minor":490,"tax_minor":716,"#,
        r#""total_minor":4488,"tax_included":true},"currency":"EUR","#,
        r#""check_url":"https://cart.shop.example/v1/check/AVq3xw","send_not_after":"2026-11-23T18:30:00Z","#,
        r#""incentive":{"name":"ten-percent","kind":"percent","value":10,"code":"CW-7K2M9QX4ZB3T","#,
        r#""expires_at":"2026-11-26T06:30:00Z"},"#,
        r#""experiment":{"holdout":false},"#,
        r#""previous_reminders":[{"abandonment":1,"step":1,"decided_at":"2026-11-22T10:30:00.05Z"}]}}"#,
    );
    assert_eq!(body(EventKind::Reminder, &cart(), true), expected);
    for kind in EventKind::ALL {
        let body = body(*kind, &cart(), true);
        for personal in
            ["ada@", "4930", "1815", "Ada", "T-shirt", "/r/", "/u/", "checkout/", "newsletter", "Berlin", "checkbox"]
        {
            assert!(!body.contains(personal), "{kind} tells {personal}");
        }
    }
}

#[test]
fn the_documentation_shows_every_event_as_it_is_sent() {
    for kind in EventKind::ALL {
        let heading = format!("### `{kind}`\n");
        let (_, section) = DOCS.split_once(&heading).expect("every event has a section");
        let example = section.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let sent = value(&body(*kind, &cart(), false));
        assert_eq!(value(example), sent, "{kind}: {}", serde_json::to_string_pretty(&sent).expect("JSON"));
    }
}

/// Of the payment of an order that was placed after the abandonment, and took what is in the cart.
fn of_payment() -> Delivery {
    let step = StepName::parse("payment_pending").expect("a name");
    let step = StepBrief { index: PENDING_INDEX, of: 0, name: step, channel: Channel::Email };
    let order = delivery(EventKind::Converted).event.order;
    let due_at = at("2026-11-25T07:12:00Z");
    let event = Event { at: due_at, step: Some(step), order, ..delivery(EventKind::Reminder).event };
    Delivery::new(&cart(), &EndpointName::parse("mailer").expect("a name"), event, due_at, at("2026-11-25T19:12:00Z"))
}

#[test]
fn the_reminder_of_a_payment_is_about_its_order_and_no_abandonment() {
    let (_, section) = DOCS.split_once("### `cart.reminder`\n").expect("a section");
    let example = section.split("```json\n").nth(2).and_then(|rest| rest.split("```").next()).expect("an example");
    let links = ReminderLinks { recovery_url: None, recovery_url_expires_at: None, ..links() };
    let beside = Beside { offer: None, ..beside(false, &links) };
    let told = |cart: &Cart| {
        let body = render(&of_payment(), cart, &beside).expect("it fits");
        serde_json::from_slice::<Value>(&body).expect("JSON")
    };
    let sent = told(&cart());
    assert_eq!(value(example), sent, "{}", serde_json::to_string_pretty(&sent).expect("JSON"));
    // Of a cart of which the order took a part, the rest is not what the payment is for.
    let mut cart = cart();
    let other = Item { product_id: ProductId::parse("p-7").expect("an id"), ..item() };
    cart.past.bought = vec![BoughtLine { order: OrderId::parse("o-1001").expect("an id"), item: other }];
    let data = &told(&cart)["data"];
    assert_eq!((&data["items"][0]["product_id"], data["items"].as_array().map(Vec::len)), (&"p-7".into(), Some(1)));
    assert!(data.get("totals").is_none() && data["order"]["total_minor"] == 4_488);
}

#[test]
fn the_documentation_lists_every_reason_and_delay() {
    for code in ReasonCode::ALL {
        let row = format!("| `{code}` | `{}` |", response(*code));
        assert!(DOCS.contains(&row), "{row}");
    }
    let text = |delay: &Duration| match delay.as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    };
    let reminder = retry_ladder(&delivery(EventKind::Reminder)).to_vec();
    let state = retry_ladder(&delivery(EventKind::Abandoned)).to_vec();
    for index in 0..reminder.len().max(state.len()) {
        let [reminder, state] = [&reminder, &state].map(|ladder| ladder.get(index).map_or("-".to_owned(), text));
        let row = format!("| {} | {reminder} | {state} |", index + 2);
        assert!(DOCS.contains(&row), "{row}");
    }
}

#[test]
fn an_incentive_says_what_it_is_worth_by_its_kind() {
    let (links, amount) = (links(), Worth::Amount(minor(500), Currency::parse("EUR").expect("a currency")));
    for (worth, says) in [
        (amount, serde_json::json!({"kind": "amount", "value_minor": 500, "currency": "EUR"})),
        (Worth::FreeShipping, serde_json::json!({"kind": "free_shipping"})),
    ] {
        let offer = Offer { worth, ..beside(false, &links).offer.expect("there is one").clone() };
        let beside = Beside { offer: Some(&offer), ..beside(true, &links) };
        let body = render(&delivery(EventKind::Reminder), &cart(), &beside).expect("it fits");
        let mut told = serde_json::from_slice::<Value>(&body).expect("JSON")["data"]["incentive"].take();
        let told = told.as_object_mut().expect("an object");
        told.retain(|name, _| !matches!(name.as_str(), "name" | "code" | "expires_at"));
        assert_eq!(Value::Object(told.clone()), says);
    }
}

#[test]
fn a_cart_whose_content_is_gone_still_makes_a_body() {
    let mut cart = cart();
    cart.content = Content::empty(cart.content.currency);
    let data = &value(&body(EventKind::Abandoned, &cart, false))["data"];
    assert_eq!(data["items"], Value::Array(Vec::new()));
    assert!(data.get("shopper").is_none() && data.get("recovery_url").is_none());
    assert_eq!(data["abandoned_value_minor"], 4_488);
}

#[test]
fn a_reason_that_is_not_known_is_said_to_be_unknown() {
    let mut delivery = delivery(EventKind::Reminder);
    let reason = Reason::unknown(at("2026-11-22T06:30:00Z"));
    delivery.event.abandonment = Some(Abandonment { reason, ..abandonment() });
    let body = render(&delivery, &cart(), &beside(false, &links())).expect("it fits");
    let expected =
        serde_json::json!({"code": "unknown", "source": "none", "confidence": 0, "response": "plain_reminder"});
    assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON")["data"]["reason"], expected);
}

/// A cart with this many lines and attributes, each with as much text.
fn large(lines: usize, attributes: usize, text_bytes: usize) -> Cart {
    let mut cart = cart();
    // A control character takes six bytes in JSON: the bound is on the body, not on what went into it.
    let text = "ü\u{1}".repeat(text_bytes / 3);
    let line = Item { title: Some(text.clone()), ..item() };
    cart.content.items = vec![line; lines];
    cart.content.attributes = (0..attributes).map(|n| (format!("key-{n:02}"), text.clone())).collect();
    cart
}

#[test]
fn a_body_stays_below_its_bound_and_says_what_it_left_out() {
    for (lines, attributes, text_bytes) in
        [(1, 32, 1_024), (200, 0, 0), (200, 0, 255), (200, 32, 1_024), (5, 5, 3_000), (1, 1, 60_000), (30, 32, 300)]
    {
        let cart = large(lines, attributes, text_bytes);
        let body = body(EventKind::Reminder, &cart, false);
        assert!(body.len() < BODY_BYTES_MAX, "{} bytes", body.len());
        let data = &value(&body)["data"];
        let kept = data["items"].as_array().expect("a list").len();
        let told = data.get("attributes").and_then(Value::as_object).map_or(0, serde_json::Map::len);
        for (name, kept, all) in [("items", kept, lines), ("attributes", told, attributes)] {
            let is_cut = kept < all;
            let expected = is_cut.then(|| (Value::Bool(true), Value::from(all)));
            let truncated = data.get(format!("{name}_truncated")).cloned();
            assert_eq!(truncated.zip(data.get(format!("{name}_count")).cloned()), expected, "{name}: {kept} of {all}");
        }
        // Nothing is left out that would have fitted: a further line or attribute would not.
        let step = text_bytes / 3 * 8 + 400;
        assert!(body.len() + step >= BODY_BYTES_MAX || (kept == lines && told == attributes), "{} bytes", body.len());
    }
}

#[test]
fn what_cannot_be_left_out_and_does_not_fit_is_an_error() {
    let links = ReminderLinks { recovery_url: Some("x".repeat(BODY_BYTES_MAX)), ..links() };
    let (delivery, cart) = (delivery(EventKind::Reminder), cart());
    assert_eq!(render(&delivery, &cart, &beside(false, &links)), Err(PayloadError::TooLarge));
    assert!(render(&delivery, &cart, &beside(true, &links)).is_ok());
}
