//! What was written is read back, whatever it was; what was not written by us is refused, and never panics.

use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::arbitrary::{answered, cart, delivery, note, order};
use super::*;
use crate::domain::*;

proptest! {
    #[test]
    fn any_cart_is_read_back_as_it_was_written(cart in cart()) {
        let read = decode_cart(&cart.shop, &cart.id, &encode_cart(&cart)).expect("readable");
        prop_assert_eq!(read, cart);
    }

    #[test]
    fn any_delivery_is_read_back_as_it_was_written(delivery in delivery()) {
        prop_assert_eq!(decode_delivery(&encode_delivery(&delivery)).expect("readable"), delivery);
    }

    #[test]
    fn any_order_is_read_back_as_it_was_written(order in order()) {
        let read = decode_order(&order.shop, &order.id, &encode_order(&order)).expect("readable");
        prop_assert_eq!(read, order);
    }

    #[test]
    fn any_answer_is_read_back_as_it_was_written(answered in answered()) {
        prop_assert_eq!(decode_answered(&encode_answered(&answered)).expect("readable"), answered);
    }

    #[test]
    fn any_note_is_read_back_as_it_was_written(note in note()) {
        prop_assert_eq!(decode_note(&encode_note(&note)).expect("readable"), note);
    }

    #[test]
    fn bytes_that_we_did_not_write_are_refused_or_read_and_never_panic(
        codec in 0..4_u8,
        noise in vec(any::<u8>(), 0..200),
    ) {
        for bytes in [noise.clone(), [&[FORMAT, codec], &noise[..]].concat()] {
            decode_everything(&bytes);
        }
    }

    #[test]
    fn a_damaged_record_never_panics(cart in cart(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for mut bytes in [encode_cart(&cart), packing::plain(FORMAT, &cart_payload(&cart))] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            decode_everything(&bytes);
            bytes.truncate(at);
            decode_everything(&bytes);
        }
    }
}

fn decode_everything(bytes: &[u8]) {
    let shop = ShopId::parse("s").expect("valid");
    let outcomes = [
        decode_cart(&shop, &CartId::parse("c").expect("valid"), bytes).map(drop),
        decode_order(&shop, &OrderId::parse("o").expect("valid"), bytes).map(drop),
        decode_delivery(bytes).map(drop),
        decode_answered(bytes).map(drop),
        decode_note(bytes).map(drop),
    ];
    let tidy = |outcome: &StoreResult<()>| {
        matches!(outcome, Ok(()) | Err(StoreError::Corrupt { .. } | StoreError::Newer { .. }))
    };
    assert!(outcomes.iter().all(tidy), "{outcomes:?}");
}

#[test]
fn an_unknown_format_or_codec_is_refused() {
    let bytes = encode_note(&Note::Linked(IdentifierHash([7; 16])));
    for (place, value) in [(0, 0), (0, 2), (1, 2), (1, 255)] {
        let mut other = bytes.clone();
        other[place] = value;
        assert!(matches!(decode_note(&other), Err(StoreError::Corrupt { what: "note" })), "{place} {value}");
    }
}

#[test]
fn a_kind_of_note_that_a_later_version_made_is_told_from_a_broken_one() {
    let kind = |kind| decode_note(&packing::plain(FORMAT, &[kind, 0x90]));
    assert!(matches!(kind(0x40), Err(StoreError::Newer { what: "note" })));
    assert!(matches!(kind(0), Err(StoreError::Corrupt { what: "note" })));
}

#[test]
fn what_an_earlier_version_wrote_of_a_reminder_is_read_and_written_as_it_was() {
    let delivery = DeliveryId::parse(&format!("dlv_{:032x}", 7)).expect("an id");
    let mut payload = vec![2];
    payload.extend(rmp_serde::to_vec(&(("c-1", 1, 0), delivery.as_str(), 0, 5)).expect("plain data"));
    let bytes = packing::plain(FORMAT, &payload);
    let note = decode_note(&bytes).expect("readable");
    assert!(matches!(&note, Note::Reminded(Reminded { order: None, at, .. }) if at.millis() == 5), "{note:?}");
    assert_eq!(encode_note(&note), bytes);
    let past = rmp_serde::to_vec(&(Some("later"), Vec::<()>::new(), vec!["c-9"])).expect("plain data");
    let read: past::PastRecord<'_> = read(&past).expect("readable");
    let read = read.into_past().expect("valid");
    assert_eq!((read.payment_decided, read.absorbed.len()), (None, 1));
    assert_eq!(payload_of(&read), past);
    // What came later stays in its place where there is nothing before it.
    let exposed = Past { exposed_at: Some(Moment::from_millis(5)), ..Past::default() };
    let bytes = payload_of(&exposed);
    let record: past::PastRecord<'_> = super::read(&bytes).expect("readable");
    assert_eq!(record.into_past(), Some(exposed));
}

fn payload_of(past: &Past) -> Vec<u8> {
    payload(&past::PastRecord::of(past))
}

#[test]
fn a_dictionary_in_use_never_changes() {
    let hash: Vec<String> = Sha256::digest(packing::DICTIONARY_1).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hash.concat(),
        "4a73975dd911b35976603a99443818ae1d4b62a1868ca7feb6c9aa848661367a",
        "a new dictionary is a new codec"
    );
}

/// The cart of the API documentation, in the JSON it comes in.
const JSON: &str = r#"{"currency":"EUR","stage":"shipping","items":[{"id":"line-1","product_id":"p-42","sku":"TS-BLK-M","title":"T-shirt","variant":"black / M","quantity":2,"unit_price_minor":1999,"url":"https://shop.example/p/42","image_url":"https://shop.example/i/42.jpg","in_stock":true}],"totals":{"subtotal_minor":3998,"discount_minor":0,"shipping_minor":490,"tax_minor":716,"total_minor":4488,"tax_included":true},"shopper":{"email":"someone@mail.example","phone":"+495550000001","customer_id":"customer-77","anonymous_id":"f81d4fae-7dec-41d0-a765-00a0c91e6bf6","first_name":"Someone","locale":"de-DE","time_zone":"Europe/Berlin","country":"DE","existing_customer":false},"consent":[{"channel":"email","status":"granted","basis":"opt_in","at":"2026-11-22T05:58:00Z","source":"checkout checkbox"}],"checkout_url":"https://shop.example/checkout/f81d4fae7dec","coupons":["WELCOME"],"attributes":{"utm_source":"newsletter"},"occurred_at":"2026-11-22T06:00:00Z","revision":17}"#;

#[expect(clippy::too_many_lines, reason = "one record with every field said")]
fn documented_cart() -> Cart {
    let at = Moment::parse("2026-11-22T06:00:00Z").expect("valid");
    let minor = |amount| Some(Minor::new(amount).expect("in range"));
    let some = |text: &str| Some(text.to_owned());
    let personal = |text: &str| Some(PersonalText::new(text));
    let item = Item {
        id: some("line-1"),
        product_id: ProductId::parse("p-42").expect("valid"),
        sku: some("TS-BLK-M"),
        title: some("T-shirt"),
        variant: some("black / M"),
        quantity: 2,
        unit_price: minor(1999),
        url: Some(WebUrl::new("https://shop.example/p/42")),
        image_url: Some(WebUrl::new("https://shop.example/i/42.jpg")),
        in_stock: Some(true),
    };
    let totals = Totals {
        subtotal: minor(3998),
        discount: minor(0),
        shipping: minor(490),
        tax: minor(716),
        total: minor(4488),
        tax_included: Some(true),
    };
    let shopper = Shopper {
        email: personal("someone@mail.example"),
        phone: personal("+495550000001"),
        customer_id: personal("customer-77"),
        anonymous_id: personal("f81d4fae-7dec-41d0-a765-00a0c91e6bf6"),
        first_name: personal("Someone"),
        locale: some("de-DE"),
        time_zone: some("Europe/Berlin"),
        country: some("DE"),
        existing_customer: Some(false),
    };
    let consent = Consent {
        channel: Channel::Email,
        status: ConsentStatus::Granted,
        basis: some("opt_in"),
        at: Some(at),
        source: some("checkout checkbox"),
    };
    Cart {
        shop: ShopId::parse("main").expect("valid"),
        id: CartId::parse("cart-1").expect("valid"),
        state: State::Active { stalls_at: Some(at) },
        stage: Stage::Shipping,
        stages: StageSet(15),
        content: Content {
            currency: Currency::parse("EUR").expect("known"),
            items: vec![item],
            totals,
            shopper,
            consent: vec![consent],
            checkout_url: Some(WebUrl::new("https://shop.example/checkout/f81d4fae7dec")),
            coupons: vec!["WELCOME".to_owned()],
            attributes: [("utm_source".to_owned(), "newsletter".to_owned())].into(),
            test: false,
            sealed: None,
        },
        signals: Vec::new(),
        reasons: Vec::new(),
        created_at: at,
        last_activity_at: at,
        items_changed_at: at,
        occurred_at: at,
        revision: Some(17),
        episode_started_at: at,
        abandonments: 0,
        last_abandonment: None,
        reminders: Vec::new(),
        order: None,
        expires_at: at,
        stage_since: at,
        heard: Heard::default(),
        furthest_at: at,
        trail: Trail::default(),
        past: Past::default(),
    }
}

#[test]
fn a_stored_cart_is_a_third_of_its_json() {
    let cart = documented_cart();
    let (stored, payload) = (encode_cart(&cart).len(), cart_payload(&cart).len());
    assert!(payload < JSON.len() && stored * 3 <= JSON.len(), "{} JSON, {payload} plain, {stored} stored", JSON.len());
}
