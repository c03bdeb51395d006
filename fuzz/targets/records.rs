//! Stored records: what is read is read back as it was once it is written again. The first byte is the kind of record.
#![no_main]

mod memory;

use cartwake::api::noise;
use cartwake::domain::{
    Attribution, CartId, Covers, Currency, EndpointName, EventSet, Minor, Moment, Order, OrderId, OrderKind,
    Known, Note, OrderStatus, Person, ProductId, Program, PurchaseMark, ShopId, Stock, Subscription, decide, on_wake,
};
use cartwake::store::record::{
    cart_payload, decode_answered, decode_cart, decode_delivery, decode_note, decode_order, delivery_payload,
    encode_answered, encode_cart, encode_delivery, encode_note, encode_order,
};
use cartwake::store::{Answer, Answered};
use libfuzzer_sys::fuzz_target;

/// A record may say that it is this long, and as much is reserved before it is found out.
const FIXED: usize = 8 << 20;

fuzz_target!(
    init: seed(),
    |data: &[u8]| memory::bounded(data, FIXED, 1024, || read(data))
);

/// Writes a record of each kind into the folder that `SEEDS` names: no search comes upon a whole one.
fn seed() {
    let Some(folder) = std::env::var_os("SEEDS").map(std::path::PathBuf::from) else { return };
    let (shop, id) = (ShopId::parse("s").expect("a slug"), CartId::parse("c").expect("an id"));
    let endpoint = EndpointName::parse("m").expect("a slug");
    let subscriptions = vec![Subscription { endpoint, events: EventSet::all() }];
    let (person, program) = (Person::default(), Program { subscriptions, ..Program::plain() });
    let now = Moment::from_millis(1_800_000_000_000);
    let input = noise::input(0, CART, now).expect("a good body");
    let decision = decide((&shop, &id), None, &input, &person, now, &program).expect("a new cart");
    let mark = PurchaseMark {
        order: OrderId::parse("o").expect("an id"),
        placed_at: now,
        covers: Covers::Products([ProductId::parse("p").expect("an id")].into()),
        paid: true,
    };
    let order = Order {
        shop: shop.clone(),
        id: mark.order.clone(),
        status: OrderStatus::Paid,
        currency: Currency::parse("EUR").expect("a code"),
        total: Minor::MAX,
        placed_at: now,
        carts: vec![id],
        paid_as: Some((OrderKind::First, Attribution::ALL[0])),
        expires_at: now,
    };
    let answered = Answered { fingerprint: u64::MAX, answer: Answer::Cart(decision.receipt) };
    let cart = decision.cart.expect("it was put");
    let known = Known { person: &person, stock: &Stock::unknown(), program: &program };
    let idle = on_wake(cart.clone(), known, cart.next_wake()).expect("its wake");
    let records = [
        vec![(0, encode_cart(&cart)), (0, [vec![1, 0], cart_payload(&cart)].concat())],
        idle.cart.iter().map(|cart| (0, [vec![1, 0], cart_payload(cart)].concat())).collect(),
        vec![(1, encode_order(&order)), (3, encode_answered(&answered)), (4, encode_note(&Note::Purchase(mark)))],
        idle.outbox.iter().map(|delivery| (2, [vec![1, 0], delivery_payload(delivery)].concat())).collect(),
    ];
    for (place, (kind, record)) in records.into_iter().flatten().enumerate() {
        std::fs::write(folder.join(format!("record-{place}")), [vec![kind], record].concat()).expect("a folder");
    }
}

const CART: &[u8] = br#"{"currency":"EUR","stage":"payment","items":[{"id":"l","product_id":"p","sku":"s","title":"t","variant":"v","quantity":2,"unit_price_minor":1999,"url":"https://s.example/","image_url":"https://s.example/i","in_stock":true}],"totals":{"subtotal_minor":3998,"discount_minor":0,"shipping_minor":490,"tax_minor":716,"total_minor":4488,"tax_included":true},"shopper":{"email":"a@m.example","phone":"+495550000001","customer_id":"7","anonymous_id":"f","first_name":"S","locale":"de-DE","time_zone":"Europe/Berlin","country":"DE","existing_customer":false},"consent":[{"channel":"email","status":"granted","basis":"o","at":"2026-11-22T05:58:00Z","source":"c"}],"checkout_url":"https://s.example/c","coupons":["W"],"attributes":{"u":"n"},"revision":17}"#;

fn read(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    let shop = ShopId::parse("s").expect("a slug");
    match kind % 5 {
        0 => {
            let id = CartId::parse("c").expect("an id");
            if let Ok(cart) = decode_cart(&shop, &id, bytes) {
                assert_eq!(decode_cart(&shop, &id, &encode_cart(&cart)).expect("our own record"), cart);
            }
        }
        1 => {
            let id = OrderId::parse("o").expect("an id");
            if let Ok(order) = decode_order(&shop, &id, bytes) {
                assert_eq!(decode_order(&shop, &id, &encode_order(&order)).expect("our own record"), order);
            }
        }
        2 => {
            if let Ok(delivery) = decode_delivery(bytes) {
                assert_eq!(decode_delivery(&encode_delivery(&delivery)).expect("our own record"), delivery);
            }
        }
        3 => {
            if let Ok(answered) = decode_answered(bytes) {
                assert_eq!(decode_answered(&encode_answered(&answered)).expect("our own record"), answered);
            }
        }
        _ => {
            if let Ok(note) = decode_note(bytes) {
                assert_eq!(decode_note(&encode_note(&note)).expect("our own record"), note);
            }
        }
    }
}
