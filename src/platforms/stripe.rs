//! Stripe Checkout: a session that expired is a cart that was left, one that is completed an order.
//!
//! - A session is the cart that its `client_reference_id` names, where the shop tracks the cart itself; then an expiry
//!   adds only how to go on, and whom to write to. Else the session is the cart.
//! - What an expired session tells of happened when it was opened: its end is nobody's doing, and brings nobody back.
//! - Amounts are in minor units already, but not for every currency in ISO 4217's.
//!
//! Fields: <https://docs.stripe.com/api/checkout/sessions/object>, <https://docs.stripe.com/currencies#zero-decimal>.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::part::{Part, about, cart_id, minor};
use super::{Call, Heard, Op, Wish};
use crate::domain::{CartId, Currency, Moment, OrderStatus};
use crate::links::RECOVERY_PARAMETER;

/// What an event comes to.
pub(super) fn read(event: Part<'_>) -> Heard {
    let object = event.at("data").at("object");
    let news = |status| Ok(vec![order(object, status).into()]);
    let is_test = event.flag("livemode") == Some(false);
    match event.text("type").unwrap_or_default() {
        "checkout.session.expired" => expired(object, is_test),
        "payment_intent.payment_failed" => failed(event, object),
        kind if !kind.starts_with("checkout.session.") => {
            Err("a type that says nothing about a cart: subscribe to checkout.session events")
        }
        _ if is_test => Err("an order in test mode"),
        "checkout.session.completed" => match object.text("payment_status") {
            Some("paid" | "no_payment_required") => news(OrderStatus::Paid),
            _ => news(OrderStatus::Pending),
        },
        "checkout.session.async_payment_succeeded" => news(OrderStatus::Paid),
        "checkout.session.async_payment_failed" => news(OrderStatus::Failed),
        _ => Err("an event of a session that says nothing about a cart"),
    }
}

fn cart_of(session: Part<'_>) -> Option<CartId> {
    // A session that recovers another is of the same cart.
    let platforms = session.id("recovered_from").or_else(|| session.id("id"));
    cart_id(session.text("client_reference_id").or_else(|| session.at("metadata").text("cw_cart")), platforms)
}

fn currency(session: Part<'_>) -> Option<Currency> {
    session.text("currency").and_then(|code| Currency::parse(&code.to_uppercase()).ok())
}

/// How many digits Stripe's minor unit of a currency is below its whole unit, where it is not ISO 4217's.
fn digits(currency: Currency) -> u32 {
    match currency.code() {
        "ISK" | "UGX" => 2,
        "MGA" => 0,
        _ => currency.digits(),
    }
}

fn amount(part: Part<'_>, name: &str, currency: Option<Currency>) -> Option<i64> {
    let whole = Decimal::try_new(part.number(name)?, digits(currency?)).ok()?;
    minor(whole, currency)
}

fn opened(session: Part<'_>) -> Option<Moment> {
    Some(Moment::from_millis(session.number("created")?.checked_mul(1_000)?))
}

fn expired(session: Part<'_>, is_test: bool) -> Heard {
    let cart = cart_of(session).ok_or("a session without an id")?;
    if currency(session).is_none() {
        return Err("a session in which nothing was for sale");
    }
    let recovery = session.at("after_expiration").at("recovery").text("url");
    let mut known = Map::new();
    let mut say = |name: &str, value: Value| {
        if !value.is_null() {
            known.insert(name.to_owned(), value);
        }
    };
    say("checkout_url", json!(recovery));
    say("consent", consent(session).map_or(Value::Null, |said| json!([said])));
    // Of a patch, `null` takes away.
    let Value::Object(shopper) = shopper(session) else { return Err("a session of nobody") };
    let shopper: Map<String, Value> = shopper.into_iter().filter(|(_, value)| !value.is_null()).collect();
    if !shopper.is_empty() {
        say("shopper", Value::Object(shopper));
    }
    let at = opened(session);
    let patch = about(&cart, Op::Patch, at, Value::Object(known));
    Ok(vec![Wish { call: patch, otherwise: Some(left(session, &cart, at, is_test)) }])
}

/// The cart that a session is where the shop does not track it.
fn left(session: Part<'_>, cart: &CartId, at: Option<Moment>, is_test: bool) -> Call {
    let currency = currency(session);
    let details = session.at("total_details");
    let body = json!({
        "currency": currency.map(Currency::code),
        "stage": "payment",
        "items": items(session, currency),
        "totals": {
            "subtotal_minor": amount(session, "amount_subtotal", currency),
            "discount_minor": amount(details, "amount_discount", currency),
            "shipping_minor": amount(details, "amount_shipping", currency),
            "tax_minor": amount(details, "amount_tax", currency),
            "total_minor": amount(session, "amount_total", currency),
        },
        "shopper": shopper(session),
        "consent": consent(session).into_iter().collect::<Vec<_>>(),
        "checkout_url": session.at("after_expiration").at("recovery").text("url"),
        "test": is_test,
    });
    about(cart, Op::Put, at, body)
}

/// The lines, where they came along; Stripe leaves them out, and then all of it is one line.
fn items(session: Part<'_>, currency: Option<Currency>) -> Vec<Value> {
    let item = |item: Part<'_>| {
        let price = item.at("price");
        json!({
            "id": item.id("id"),
            "product_id": price.id("product").or_else(|| price.id("id")).or_else(|| item.id("id")),
            "title": item.text("description"),
            "quantity": item.number("quantity"),
            "unit_price_minor": amount(price, "unit_amount", currency),
        })
    };
    let lines: Vec<Value> = session.at("line_items").each("data").map(item).collect();
    if !lines.is_empty() {
        return lines;
    }
    let all = amount(session, "amount_subtotal", currency);
    vec![json!({"product_id": "stripe-checkout", "quantity": 1, "unit_price_minor": all})]
}

fn shopper(session: Part<'_>) -> Value {
    let details = session.at("customer_details");
    json!({
        "email": details.text("email").or_else(|| session.text("customer_email")),
        "phone": details.text("phone"),
        "customer_id": session.id("customer"),
        "locale": session.text("locale").filter(|locale| *locale != "auto"),
        "country": details.at("address").text("country"),
    })
}

fn consent(session: Part<'_>) -> Option<Value> {
    let status = match session.at("consent").text("promotions")? {
        "opt_in" => "granted",
        "opt_out" => "denied",
        _ => return None,
    };
    Some(json!({"channel": "email", "status": status, "basis": "opt_in", "source": "Stripe Checkout: promotions"}))
}

fn order(session: Part<'_>, status: OrderStatus) -> Call {
    let currency = currency(session);
    let lines = session.at("line_items").each("data").next().map(|_| items(session, currency));
    let body = json!({
        "order_id": session.id("id"),
        "cart_id": cart_of(session).map(|id| id.to_string()),
        "shopper": shopper(session),
        "status": status.as_str(),
        "currency": currency.map(Currency::code),
        "total_minor": amount(session, "amount_total", currency),
        "items": lines,
        "recovery_ref": session.at("metadata").text(RECOVERY_PARAMETER),
    });
    Call { op: Op::Order, cart: None, at: opened(session), body }
}

/// A payment that was refused: a signal of the cart that the shop named when it made the payment.
fn failed(event: Part<'_>, intent: Part<'_>) -> Heard {
    let cart = cart_id(intent.at("metadata").text("cw_cart"), None);
    let cart = cart.ok_or("a payment whose metadata names no cart: put its id there as cw_cart")?;
    let error = intent.at("last_payment_error");
    let code = error.text("decline_code").or_else(|| error.text("code"));
    let body = json!({"kind": "payment_failed", "provider": "stripe", "code": code,
                      "method": error.at("payment_method").text("type")});
    Ok(vec![about(&cart, Op::Signal, opened(event), body).into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, object: &Value) -> Value {
        json!({"id": "evt_1", "type": kind, "created": 1_792_086_400, "livemode": true, "data": {"object": object}})
    }

    fn told(event: &Value) -> (Call, Option<Call>) {
        let heard = read(Part::of(event)).expect("it says something");
        let mut wishes = heard.into_iter();
        let Some(Wish { call, otherwise }) = wishes.next() else { panic!("one call") };
        assert!(wishes.next().is_none(), "one call");
        (call, otherwise)
    }

    fn a_session() -> Value {
        json!({
            "id": "cs_live_1", "object": "checkout.session", "created": 1_792_000_000, "currency": "eur",
            "amount_subtotal": 3_998, "amount_total": 4_488, "total_details": {"amount_shipping": 490},
            "customer_details": {"email": "joe@example.com", "address": {"country": "DE"}}, "locale": "auto",
            "consent": {"promotions": "opt_in"}, "payment_status": "unpaid",
            "after_expiration": {"recovery": {"url": "https://buy.stripe.com/r/live_1"}},
        })
    }

    #[test]
    fn an_expired_session_is_a_cart_left_when_it_was_opened() {
        let (patch, put) = told(&event("checkout.session.expired", &a_session()));
        let put = put.expect("the session is the cart where no other is known");
        assert_eq!(put.cart.as_ref().map(CartId::as_str), Some("cs_live_1"));
        assert_eq!(put.at, Some(Moment::from_millis(1_792_000_000_000)));
        let body = &put.body;
        assert_eq!((&body["currency"], &body["totals"]["total_minor"]), (&json!("EUR"), &json!(4_488)));
        assert_eq!((&body["items"][0]["unit_price_minor"], &body["test"]), (&json!(3_998), &json!(false)));
        assert_eq!((&body["consent"][0]["status"], &body["shopper"]["locale"]), (&json!("granted"), &Value::Null));
        assert_eq!(patch.at, put.at);
    }

    #[test]
    fn a_cart_that_the_shop_tracks_learns_how_to_go_on() {
        let mut session = a_session();
        session["client_reference_id"] = json!("c-1");
        let (patch, _) = told(&event("checkout.session.expired", &session));
        assert_eq!(patch.cart.as_ref().map(CartId::as_str), Some("c-1"));
        let body = &patch.body;
        let names: Vec<_> = body.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(names, ["checkout_url", "consent", "shopper"], "and nothing is taken away");
        assert_eq!(body["shopper"].as_object().map(Map::len), Some(2));
    }

    #[test]
    fn a_completed_session_is_an_order_and_paid_when_the_money_is_there() {
        let mut session = a_session();
        session["recovered_from"] = json!("cs_live_0");
        for (kind, payment, status) in [
            ("checkout.session.completed", "paid", "paid"),
            ("checkout.session.completed", "no_payment_required", "paid"),
            ("checkout.session.completed", "unpaid", "pending"),
            ("checkout.session.async_payment_succeeded", "paid", "paid"),
            ("checkout.session.async_payment_failed", "unpaid", "failed"),
        ] {
            session["payment_status"] = json!(payment);
            let (order, _) = told(&event(kind, &session));
            let body = &order.body;
            assert_eq!((order.op, body["status"].as_str()), (Op::Order, Some(status)));
            assert_eq!((&body["cart_id"], &body["order_id"]), (&json!("cs_live_0"), &json!("cs_live_1")));
        }
    }

    #[test]
    fn a_refused_payment_is_a_signal_with_its_code() {
        let mut intent = json!({"last_payment_error": {"code": "card_declined", "decline_code": "insufficient_funds"}});
        assert!(read(Part::of(&event("payment_intent.payment_failed", &intent))).is_err(), "of no cart");
        intent["metadata"] = json!({"cw_cart": "c-1"});
        let (signal, _) = told(&event("payment_intent.payment_failed", &intent));
        assert_eq!(signal.body["code"], "insufficient_funds");
    }

    #[test]
    fn amounts_of_the_odd_currencies_are_iso_minor_units() {
        for (code, given, minor) in
            [("jpy", 500, 500), ("isk", 50_000, 500), ("mga", 500, 50_000), ("kwd", 1_230, 1_230)]
        {
            let session = json!({"currency": code, "amount_total": given});
            let part = Part::of(&session);
            assert_eq!(amount(part, "amount_total", currency(part)), Some(minor), "{code}");
        }
    }

    #[test]
    fn test_mode_makes_test_carts_and_no_orders() {
        let mut expired = event("checkout.session.expired", &a_session());
        expired["livemode"] = json!(false);
        let (_, put) = told(&expired);
        assert_eq!(put.expect("a cart").body["test"], true);
        let mut done = event("checkout.session.completed", &a_session());
        done["livemode"] = json!(false);
        assert!(read(Part::of(&done)).is_err() && read(Part::of(&event("invoice.paid", &json!({})))).is_err());
    }
}
