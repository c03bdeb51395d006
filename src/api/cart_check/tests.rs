//! A whole cart arrives as it was sent.

use super::*;
use crate::api::body::parse;

#[test]
fn the_cart_of_the_documentation_is_read_in_full() {
    let body = br#"{"currency": "EUR", "stage": "shipping",
        "items": [{"id": "line-1", "product_id": "p-42", "sku": "TS-BLK-M", "title": "T-shirt", "variant": "black / M",
                   "quantity": 2, "unit_price_minor": 1999, "url": "https://shop.example/p", "image_url": "https://shop.example/i",
                   "in_stock": true}],
        "totals": {"subtotal_minor": 3998, "discount_minor": 0, "shipping_minor": 490, "tax_minor": 716, "total_minor": 4488,
                   "tax_included": true},
        "shopper": {"email": "joe@example.com", "phone": "+49 151 1", "customer_id": "c-1", "anonymous_id": "a-1",
                    "first_name": "Joe", "locale": "de-DE", "time_zone": "Europe/Berlin", "country": "DE",
                    "existing_customer": false},
        "consent": [{"channel": "email", "status": "granted", "basis": "opt_in", "at": "2026-11-22T06:00:00Z",
                     "source": "checkout checkbox"}],
        "checkout_url": "https://shop.example/checkout/1", "coupons": ["WELCOME"], "attributes": {"utm_source": "ad"},
        "test": false, "occurred_at": "2026-11-22T06:00:00Z", "revision": 17, "event_id": "e-1"}"#;
    let Snapshot { envelope, stage, content } = parse::<Snapshot>(body, &[]).expect("valid");
    assert_eq!((stage, envelope.revision), (Stage::Shipping, Some(17)));
    assert_eq!(envelope.event_id.map(|key| key.to_string()), Some("e-1".to_owned()));
    assert_eq!(content.value().get(), 4488);
    assert_eq!(content.items[0].title.as_deref(), Some("T-shirt"));
    assert_eq!(content.shopper.email.as_ref().map(PersonalText::reveal), Some("joe@example.com"));
    assert_eq!(content.consent[0].status, ConsentStatus::Granted);
    assert_eq!(content.attributes["utm_source"], "ad");
}

#[test]
fn what_is_left_out_is_empty() {
    let Snapshot { stage, content, envelope } =
        parse::<Snapshot>(br#"{"currency":"JPY","shopper":null,"items":null}"#, &[]).expect("valid");
    assert_eq!(stage, Stage::Cart);
    assert!(content.items.is_empty() && !content.test && envelope.occurred_at.is_none());
}
