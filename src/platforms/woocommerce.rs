//! WooCommerce: `order.created` and `order.updated`, of orders that are carts until they are paid.
//!
//! - WooCommerce makes an order when the checkout is shown (its block checkout, `checkout-draft`) or sent (`pending`); a
//!   payment that does not succeed leaves it `pending` or `failed`. Until then there is no webhook: tell of what is before
//!   by the widget or the cart API.
//! - `on-hold` waits for a payment on its way, such as a bank transfer: an order, and pending.
//! - `cancelled` before a payment is what WooCommerce itself does to an order that is not paid in time, and `order.deleted`
//!   what it does to old drafts. Neither is a word of the shopper's: the cart stays as it is, and so does the order, as a
//!   payment may come late.
//!
//! Fields: <https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties>.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::part::{Part, about, cart_id, minor, reference};
use super::{Call, Heard, Op};
use crate::domain::{CartId, Currency, Moment, OrderStatus};
use crate::links::RECOVERY_PARAMETER;

/// How a shopper makes an order.
const SHOPPERS: &[&str] = &["checkout", "store-api"];

/// What a webhook of this topic comes to.
pub(super) fn read(topic: &str, document: Part<'_>) -> Heard {
    match topic {
        "order.created" | "order.updated" | "order.restored" => order(document),
        "order.deleted" => Err("an order that the shop put away: what the shopper did stays as it was"),
        _ => Err("a topic that says nothing about a cart: subscribe to order.created and order.updated"),
    }
}

fn order(order: Part<'_>) -> Heard {
    let via = order.text("created_via").unwrap_or_default();
    if via == "subscription" {
        return Err("the renewal of a subscription");
    }
    let cart = order.id("id").map(|id| format!("wc-{id}"));
    let cart = cart_id(meta(order, "cw_cart"), cart).ok_or("an order without an id")?;
    let at = gmt(order, "date_modified_gmt").or_else(|| gmt(order, "date_created_gmt"));
    let is_paid = gmt(order, "date_paid_gmt").is_some();
    let news = |status| Ok(vec![bought(order, &cart, at, status).into()]);
    match order.text("status").unwrap_or_default() {
        "processing" | "completed" => news(OrderStatus::Paid),
        "refunded" => news(OrderStatus::Refunded),
        "cancelled" if is_paid => news(OrderStatus::Cancelled),
        "cancelled" => Err("an order that nobody paid for, put away by the shop"),
        "on-hold" => news(OrderStatus::Pending),
        "checkout-draft" | "pending" | "failed" if is_paid => news(OrderStatus::Paid),
        status @ ("checkout-draft" | "pending" | "failed") => {
            if !SHOPPERS.contains(&via) {
                return Err("an order that no shopper made");
            }
            let cart_line = about(&cart, Op::Put, at, left(order));
            let failed = json!({"kind": "payment_failed", "class": "issuer_declined", "method": method(order)});
            let failed = (status == "failed").then(|| about(&cart, Op::Signal, at, failed));
            Ok(std::iter::once(cart_line).chain(failed).map(Into::into).collect())
        }
        _ => Err("a status that says nothing about a cart"),
    }
}

/// A time of WooCommerce's, which is in UTC without saying so.
fn gmt(order: Part<'_>, name: &str) -> Option<Moment> {
    order.text(name).and_then(|text| Moment::parse(&format!("{text}Z")).ok())
}

fn meta<'v>(order: Part<'v>, key: &str) -> Option<&'v str> {
    order.note("meta_data", "key", key)
}

fn method(order: Part<'_>) -> Option<&str> {
    order.text("payment_method").filter(|method| method.len() <= 64)
}

fn currency(order: Part<'_>) -> Option<Currency> {
    order.text("currency").and_then(|code| Currency::parse(code).ok())
}

/// The cart that was left.
fn left(order: Part<'_>) -> Value {
    json!({
        "currency": order.text("currency"),
        "stage": "payment",
        "items": items(order),
        "totals": totals(order),
        "shopper": shopper(order),
        "consent": consent(order),
        "checkout_url": order.text("payment_url"),
        "coupons": order.each("coupon_lines").filter_map(|line| line.text("code")).collect::<Vec<_>>(),
    })
}

/// An amount as the shopper saw it: with the tax of it, where the shop's prices have it.
fn shown(part: Part<'_>, name: &str, tax: &str, with_tax: bool) -> Option<Decimal> {
    let amount = part.decimal(name)?;
    if with_tax { amount.checked_add(part.decimal(tax).unwrap_or_default()) } else { Some(amount) }
}

fn items(order: Part<'_>) -> Vec<Value> {
    let (currency, with_tax) = (currency(order), order.flag("prices_include_tax") == Some(true));
    let item = |item: Part<'_>| {
        let quantity = item.number("quantity");
        let of_line = shown(item, "subtotal", "subtotal_tax", with_tax);
        let each = of_line.zip(quantity).and_then(|(amount, quantity)| amount.checked_div(Decimal::from(quantity)));
        json!({
            "id": item.id("id"),
            // A product that was deleted since is 0.
            "product_id": item.id("product_id").or_else(|| item.id("variation_id")).or_else(|| item.id("id")),
            "sku": item.text("sku"),
            "title": item.text("name"),
            "quantity": quantity,
            "unit_price_minor": each.and_then(|each| minor(each, currency)),
            "image_url": item.at("image").text("src"),
        })
    };
    order.each("line_items").map(item).collect()
}

fn totals(order: Part<'_>) -> Value {
    let (currency, with_tax) = (currency(order), order.flag("prices_include_tax") == Some(true));
    let lines = order.each("line_items").map(|item| shown(item, "subtotal", "subtotal_tax", with_tax));
    let subtotal = lines.sum::<Option<Decimal>>();
    let minor = |amount: Option<Decimal>| amount.and_then(|amount| minor(amount, currency));
    json!({
        "subtotal_minor": minor(subtotal),
        "discount_minor": minor(shown(order, "discount_total", "discount_tax", with_tax)),
        "shipping_minor": minor(shown(order, "shipping_total", "shipping_tax", with_tax)),
        "tax_minor": order.minor("total_tax", currency),
        "total_minor": order.minor("total", currency),
        "tax_included": order.flag("prices_include_tax"),
    })
}

fn shopper(order: Part<'_>) -> Value {
    let billing = order.at("billing");
    json!({
        "email": billing.text("email"),
        "phone": billing.text("phone"),
        "customer_id": order.id("customer_id"),
        "first_name": billing.text("first_name"),
        "country": billing.text("country"),
    })
}

/// WooCommerce has no box of its own to tick; one that the shop added is told as the order's `cw_consent`.
fn consent(order: Part<'_>) -> Vec<Value> {
    let channels = meta(order, "cw_consent").unwrap_or_default().split(',').map(str::trim);
    let granted = |channel: &str| json!({"channel": channel, "status": "granted", "basis": "opt_in", "source": "WooCommerce order: cw_consent"});
    channels.filter(|channel| matches!(*channel, "email" | "sms")).map(granted).collect()
}

fn bought(order: Part<'_>, cart: &CartId, at: Option<Moment>, status: OrderStatus) -> Call {
    // Where the shopper came from, as WooCommerce itself notes it with the order.
    let entry = meta(order, "_wc_order_attribution_session_entry").and_then(reference);
    let body = json!({
        "order_id": order.id("id"),
        "cart_id": cart.to_string(),
        "shopper": shopper(order),
        "status": status.as_str(),
        "currency": order.text("currency"),
        "total_minor": order.minor("total", currency(order)),
        "items": items(order),
        "placed_at": gmt(order, "date_created_gmt").map(|at| at.to_string()),
        "recovery_ref": meta(order, RECOVERY_PARAMETER).map(str::to_owned).or(entry),
    });
    Call { op: Op::Order, cart: None, at, body }
}

#[cfg(test)]
mod tests {
    use super::super::Wish;
    use super::*;

    fn told(order: &Value) -> Vec<(Op, Option<String>, Value)> {
        let heard = read("order.updated", Part::of(order)).expect("it says something");
        heard.into_iter().map(|Wish { call, .. }| (call.op, call.cart.map(|id| id.to_string()), call.body)).collect()
    }

    fn an_order(status: &str) -> Value {
        json!({
            "id": 727, "status": status, "currency": "EUR", "created_via": "checkout", "prices_include_tax": true,
            "date_created_gmt": "2026-11-22T06:00:00", "date_modified_gmt": "2026-11-22T06:05:00", "date_paid_gmt": null,
            "total": "45.00", "total_tax": "7.18", "shipping_total": "4.20", "shipping_tax": "0.80",
            "discount_total": "0.00", "discount_tax": "0.00", "customer_id": 0, "payment_method": "stripe",
            "billing": {"email": "joe@example.com", "phone": "", "first_name": "Joe", "country": "DE"},
            "line_items": [{"id": 1, "product_id": 93, "variation_id": 0, "name": "T-shirt", "quantity": 2,
                            "subtotal": "33.61", "subtotal_tax": "6.39", "sku": "", "price": 16.805}],
            "payment_url": "https://shop.example/checkout/order-pay/727/?pay_for_order=true&key=wc_order_1",
        })
    }

    #[test]
    fn an_order_that_is_not_paid_is_a_cart_at_the_payment() {
        for status in ["checkout-draft", "pending"] {
            let calls = told(&an_order(status));
            let [(Op::Put, Some(cart), body)] = calls.as_slice() else { panic!("{calls:?}") };
            assert_eq!((cart.as_str(), &body["stage"]), ("wc-727", &json!("payment")));
            assert_eq!(
                (&body["items"][0]["unit_price_minor"], &body["items"][0]["sku"]),
                (&json!(2_000), &Value::Null)
            );
            let totals = &body["totals"];
            assert_eq!((&totals["subtotal_minor"], &totals["shipping_minor"]), (&json!(4_000), &json!(500)));
            assert_eq!((&body["shopper"]["phone"], &body["shopper"]["customer_id"]), (&Value::Null, &Value::Null));
            assert_eq!(body["consent"], json!([]), "WooCommerce knows of none");
        }
    }

    #[test]
    fn a_payment_that_failed_is_a_signal_beside_the_cart() {
        let calls = told(&an_order("failed"));
        let [_, (Op::Signal, Some(cart), body)] = calls.as_slice() else { panic!("{calls:?}") };
        assert_eq!((cart.as_str(), &body["kind"]), ("wc-727", &json!("payment_failed")));
    }

    #[test]
    fn an_order_is_what_its_status_says() {
        for (status, said) in
            [("processing", "paid"), ("completed", "paid"), ("on-hold", "pending"), ("refunded", "refunded")]
        {
            let calls = told(&an_order(status));
            let [(Op::Order, None, body)] = calls.as_slice() else { panic!("{calls:?}") };
            assert_eq!((&body["status"], &body["cart_id"]), (&json!(said), &json!("wc-727")));
            assert_eq!(body["placed_at"], "2026-11-22T06:00:00Z");
        }
        let mut paid = an_order("pending");
        paid["date_paid_gmt"] = json!("2026-11-22T06:04:00");
        assert_eq!(told(&paid)[0].2["status"], "paid");
        paid["status"] = json!("cancelled");
        assert_eq!(told(&paid)[0].2["status"], "cancelled");
    }

    #[test]
    fn the_shops_own_cart_and_link_and_consent_are_found_in_its_meta_data() {
        let mut order = an_order("pending");
        order["meta_data"] =
            json!([{"key": "cw_cart", "value": "c-1"}, {"key": "cw_consent", "value": "email, sms,fax"}]);
        let calls = told(&order);
        assert_eq!((calls[0].1.as_deref(), calls[0].2["consent"].as_array().map(Vec::len)), (Some("c-1"), Some(2)));
        let mut order = an_order("processing");
        let entry = "https://shop.example/checkout/?cw_ref=abc";
        order["meta_data"] = json!([{"key": "_wc_order_attribution_session_entry", "value": entry}]);
        assert_eq!(told(&order)[0].2["recovery_ref"], "abc");
    }

    #[test]
    fn what_no_shopper_left_behind_is_ignored() {
        let mut admin = an_order("pending");
        admin["created_via"] = json!("admin");
        let mut renewal = an_order("processing");
        renewal["created_via"] = json!("subscription");
        for (topic, order) in [
            ("order.created", admin),
            ("order.created", renewal),
            ("order.updated", an_order("trash")),
            ("order.updated", an_order("cancelled")),
            ("order.updated", json!({})),
            ("order.deleted", json!({"id": 727})),
            ("product.updated", json!({"id": 1})),
        ] {
            assert!(read(topic, Part::of(&order)).is_err(), "{topic} {order}");
        }
    }
}
