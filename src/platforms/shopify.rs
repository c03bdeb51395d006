//! Shopify: `checkouts/*` are carts, `orders/*` are orders. Both are the resources of its Admin API.
//!
//! - A checkout's id is its `token`; the order that comes of it names it as `checkout_token`.
//! - Amounts are decimals in the shop's own currency, `currency`; what the shopper was shown may be in another.
//! - An order whose payment is only authorized, or paid in part, is pending: recovered means paid.
//!
//! Fields: <https://shopify.dev/docs/api/admin-rest/latest/resources/abandoned-checkouts> and
//! <https://shopify.dev/docs/api/admin-rest/latest/resources/order>.

use serde_json::{Value, json};

use super::part::{Part, about, cart_id, reference};
use super::{Call, Heard, Op};
use crate::domain::{Currency, OrderStatus, Stage};
use crate::links::RECOVERY_PARAMETER;

/// Where a checkout or an order comes from when no shopper made it here: the till, and the merchant.
const NOT_SHOPPERS: &[&str] = &["pos", "shopify_draft_order"];

/// What a webhook of this topic comes to.
pub(super) fn read(topic: &str, document: Part<'_>) -> Heard {
    match topic.split_once('/') {
        Some(("checkouts", "create" | "update")) => checkout(document),
        Some(("checkouts", "delete")) => gone(document),
        Some(("orders", _)) => order(document),
        _ => Err("a topic that says nothing about a cart: subscribe to checkouts and orders"),
    }
}

fn currency(document: Part<'_>) -> Option<Currency> {
    document.text("currency").and_then(|code| Currency::parse(code).ok())
}

fn checkout(checkout: Part<'_>) -> Heard {
    if checkout.at("completed_at").is_there() {
        return Err("a checkout that is completed: its order tells of it");
    }
    let is_staffs = checkout.at("user_id").is_there();
    if is_staffs || checkout.text("source_name").is_some_and(|source| NOT_SHOPPERS.contains(&source)) {
        return Err("a checkout of the merchant's own");
    }
    let own = checkout.note("note_attributes", "name", "cw_cart");
    let cart = cart_id(own, checkout.id("token")).ok_or("a checkout without a token")?;
    let body = json!({
        "currency": checkout.text("currency"),
        "stage": stage(checkout).as_str(),
        "items": items(checkout),
        "totals": totals(checkout),
        "shopper": shopper(checkout),
        "consent": consent(checkout),
        "checkout_url": checkout.text("abandoned_checkout_url").or_else(|| checkout.text("web_url")),
        "coupons": checkout.each("discount_codes").filter_map(|code| code.text("code")).collect::<Vec<_>>(),
    });
    let at = checkout.moment("updated_at").or_else(|| checkout.moment("created_at"));
    Ok(vec![about(&cart, Op::Put, at, body).into()])
}

fn gone(checkout: Part<'_>) -> Heard {
    let cart = cart_id(None, checkout.id("token")).ok_or("a checkout without a token")?;
    Ok(vec![about(&cart, Op::Delete, None, json!({})).into()])
}

/// The last thing the shopper filled in tells where they are: who chose a delivery is about to pay.
fn stage(checkout: Part<'_>) -> Stage {
    if checkout.at("shipping_line").is_there() || checkout.each("shipping_lines").next().is_some() {
        Stage::Payment
    } else if checkout.at("shipping_address").is_there() {
        Stage::Shipping
    } else {
        Stage::Contact
    }
}

fn items(document: Part<'_>) -> Vec<Value> {
    let currency = currency(document);
    let item = |item: Part<'_>| {
        // Lines that the merchant made up are of no product.
        let of = ["product_id", "variant_id", "key", "id", "sku"].iter().find_map(|name| item.id(name));
        json!({
            "id": item.id("key").or_else(|| item.id("id")),
            "product_id": of,
            "sku": item.text("sku"),
            "title": item.text("title"),
            "variant": item.text("variant_title"),
            "quantity": item.number("quantity"),
            "unit_price_minor": item.minor("price", currency),
            "image_url": item.text("image_url"),
        })
    };
    // What an edited order no longer has is still listed in it.
    document.each("line_items").filter(|item| item.number("quantity") != Some(0)).map(item).collect()
}

fn totals(checkout: Part<'_>) -> Value {
    let currency = currency(checkout);
    let shipping: Vec<i64> = checkout.each("shipping_lines").filter_map(|line| line.minor("price", currency)).collect();
    let shipping = match shipping.as_slice() {
        [] => checkout.at("shipping_line").minor("price", currency),
        prices => Some(prices.iter().sum()),
    };
    json!({
        "subtotal_minor": checkout.minor("total_line_items_price", currency),
        "discount_minor": checkout.minor("total_discounts", currency),
        "shipping_minor": shipping,
        "tax_minor": checkout.minor("total_tax", currency),
        "total_minor": checkout.minor("total_price", currency),
        "tax_included": checkout.flag("taxes_included"),
    })
}

fn shopper(document: Part<'_>) -> Value {
    let (customer, shipping) = (document.at("customer"), document.at("shipping_address"));
    let text_messages = document.text("sms_marketing_phone").filter(|_| sms_allowed(document));
    let country = shipping.text("country_code").or_else(|| document.at("billing_address").text("country_code"));
    json!({
        "email": document.text("email").or_else(|| document.text("contact_email")).or_else(|| customer.text("email")),
        "phone": text_messages.or_else(|| document.text("phone")).or_else(|| shipping.text("phone"))
            .or_else(|| customer.text("phone")),
        "customer_id": customer.id("id").or_else(|| document.id("customer_id")),
        "first_name": customer.text("first_name").or_else(|| shipping.text("first_name")),
        "locale": document.text("customer_locale"),
        "country": country,
        "existing_customer": customer.number("orders_count").map(|count| count > 0),
    })
}

fn sms_allowed(checkout: Part<'_>) -> bool {
    checkout.flag("buyer_accepts_sms_marketing") == Some(true)
}

/// What the shopper ticked. That they did not tick a box is no word of theirs.
fn consent(checkout: Part<'_>) -> Vec<Value> {
    let granted = |channel: &str, source: &str| json!({"channel": channel, "status": "granted", "basis": "opt_in", "source": source});
    let mail = checkout.flag("buyer_accepts_marketing") == Some(true);
    let sms = sms_allowed(checkout) && checkout.text("sms_marketing_phone").is_some();
    let mail = mail.then(|| granted("email", "Shopify checkout: buyer_accepts_marketing"));
    mail.into_iter().chain(sms.then(|| granted("sms", "Shopify checkout: buyer_accepts_sms_marketing"))).collect()
}

fn order(order: Part<'_>) -> Heard {
    if order.flag("test") == Some(true) {
        return Err("a test order");
    }
    if order.text("source_name").is_some_and(|source| source.starts_with("subscription")) {
        return Err("the renewal of a subscription");
    }
    let status = status(order).ok_or("no order: only its id, as when it is deleted")?;
    let own = order.note("note_attributes", "name", "cw_cart");
    let landed = order.text("landing_site").and_then(reference);
    let body = json!({
        "order_id": order.id("id"),
        "cart_id": cart_id(own, order.id("checkout_token")).map(|id| id.to_string()),
        "shopper": shopper(order),
        "status": status.as_str(),
        "currency": order.text("currency"),
        "total_minor": order.minor("total_price", currency(order)),
        "items": items(order),
        "placed_at": order.moment("processed_at").or_else(|| order.moment("created_at")).map(|at| at.to_string()),
        "recovery_ref": order.note("note_attributes", "name", RECOVERY_PARAMETER).map(str::to_owned).or(landed),
    });
    Ok(vec![Call { op: Op::Order, cart: None, at: order.moment("updated_at"), body }.into()])
}

fn status(order: Part<'_>) -> Option<OrderStatus> {
    if !order.at("total_price").is_there() {
        return None;
    }
    let financial = order.text("financial_status").unwrap_or("pending");
    Some(match (order.at("cancelled_at").is_there(), financial) {
        (_, "refunded") => OrderStatus::Refunded,
        (true, _) | (_, "voided") => OrderStatus::Cancelled,
        (_, "paid" | "partially_refunded") => OrderStatus::Paid,
        _ => OrderStatus::Pending,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Wish;
    use super::*;

    fn told(topic: &str, document: &Value) -> (Op, Option<String>, Value) {
        let heard = read(topic, Part::of(document)).expect("it says something");
        let [Wish { call, otherwise: None }] = heard.as_slice() else { panic!("one call") };
        (call.op, call.cart.as_ref().map(ToString::to_string), call.body.clone())
    }

    fn a_checkout() -> Value {
        json!({
            "token": "c0ffee", "email": "joe@example.com", "currency": "EUR", "presentment_currency": "USD",
            "completed_at": null, "updated_at": "2026-11-22T07:00:00+01:00", "customer_locale": "de",
            "line_items": [
                {"key": "k1", "product_id": 42, "variant_id": 7, "sku": "TS", "title": "T-shirt", "variant_title": "red",
                 "quantity": 2, "price": "19.99"},
            ],
            "total_line_items_price": "39.98", "total_price": "44.88", "total_tax": "7.16", "taxes_included": true,
            "abandoned_checkout_url": "https://shop.example/checkouts/c0ffee/recover",
            "discount_codes": [{"code": "TEN", "amount": "0.00"}],
        })
    }

    #[test]
    fn a_checkout_is_a_cart_of_its_token() {
        let (op, cart, body) = told("checkouts/update", &a_checkout());
        assert_eq!((op, cart.as_deref()), (Op::Put, Some("c0ffee")));
        assert_eq!((&body["currency"], &body["stage"]), (&json!("EUR"), &json!("contact")));
        assert_eq!(body["items"][0]["unit_price_minor"], 1_999);
        assert_eq!((&body["items"][0]["product_id"], &body["items"][0]["id"]), (&json!("42"), &json!("k1")));
        assert_eq!((&body["totals"]["total_minor"], &body["totals"]["shipping_minor"]), (&json!(4_488), &Value::Null));
        assert_eq!((&body["coupons"], &body["consent"]), (&json!(["TEN"]), &json!([])));
    }

    #[test]
    fn how_far_the_shopper_has_come_is_what_they_filled_in() {
        let mut checkout = a_checkout();
        checkout["shipping_address"] = json!({"first_name": "Joe", "country_code": "DE", "phone": "+49 30 1"});
        let (_, _, body) = told("checkouts/update", &checkout);
        assert_eq!((&body["stage"], &body["shopper"]["country"]), (&json!("shipping"), &json!("DE")));
        checkout["shipping_lines"] = json!([{"price": "4.90"}, {"price": "1.10"}]);
        let (_, _, body) = told("checkouts/update", &checkout);
        assert_eq!((&body["stage"], &body["totals"]["shipping_minor"]), (&json!("payment"), &json!(600)));
    }

    #[test]
    fn consent_is_what_was_ticked() {
        let mut checkout = a_checkout();
        checkout["buyer_accepts_marketing"] = json!(true);
        checkout["buyer_accepts_sms_marketing"] = json!(true);
        checkout["phone"] = json!("+49 30 1");
        let (_, _, body) = told("checkouts/create", &checkout);
        assert_eq!(body["consent"].as_array().map(Vec::len), Some(1), "no number was given for text messages");
        checkout["sms_marketing_phone"] = json!("+49 170 1");
        let (_, _, body) = told("checkouts/create", &checkout);
        assert_eq!((&body["consent"][1]["channel"], &body["shopper"]["phone"]), (&json!("sms"), &json!("+49 170 1")));
    }

    #[test]
    fn what_no_shopper_left_behind_is_ignored() {
        let mut done = a_checkout();
        done["completed_at"] = json!("2026-11-22T06:00:00Z");
        let mut till = a_checkout();
        till["source_name"] = json!("pos");
        let mut staff = a_checkout();
        staff["user_id"] = json!(7);
        for (topic, document) in [
            ("checkouts/update", done),
            ("checkouts/update", till),
            ("checkouts/update", staff),
            ("checkouts/update", json!({"id": 1})),
            ("orders/create", json!({"id": 1, "total_price": "1.00", "test": true})),
            ("orders/create", json!({"id": 1, "total_price": "1.00", "source_name": "subscription_contract"})),
            ("orders/delete", json!({"id": 1})),
            ("products/update", json!({"id": 1})),
            ("", json!(null)),
        ] {
            assert!(read(topic, Part::of(&document)).is_err(), "{topic} {document}");
        }
    }

    #[test]
    fn an_order_names_its_checkout_and_is_paid_when_the_money_is_there() {
        let mut order = json!({
            "id": 9, "checkout_token": "c0ffee", "email": "joe@example.com", "currency": "EUR", "total_price": "44.88",
            "processed_at": "2026-11-22T06:30:00Z", "landing_site": "/checkouts/c0ffee/recover?cw_ref=abc",
            "line_items": [{"product_id": 42, "quantity": 2, "price": "19.99"}, {"product_id": 43, "quantity": 0}],
        });
        for (financial, cancelled, status) in [
            (json!("paid"), Value::Null, "paid"),
            (json!("partially_refunded"), Value::Null, "paid"),
            (json!("authorized"), Value::Null, "pending"),
            (json!("pending"), Value::Null, "pending"),
            (Value::Null, Value::Null, "pending"),
            (json!("voided"), Value::Null, "cancelled"),
            (json!("paid"), json!("2026-11-23T00:00:00Z"), "cancelled"),
            (json!("refunded"), json!("2026-11-23T00:00:00Z"), "refunded"),
        ] {
            (order["financial_status"], order["cancelled_at"]) = (financial, cancelled);
            let (op, _, body) = told("orders/updated", &order);
            assert_eq!((op, body["status"].as_str()), (Op::Order, Some(status)), "{order}");
        }
        let (_, _, body) = told("orders/paid", &order);
        assert_eq!((&body["cart_id"], &body["order_id"]), (&json!("c0ffee"), &json!("9")));
        assert_eq!((&body["recovery_ref"], &body["total_minor"]), (&json!("abc"), &json!(4_488)));
        assert_eq!(body["items"].as_array().map(Vec::len), Some(1), "what was taken out of it is not bought");
    }
}
