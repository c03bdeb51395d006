//! Bodies of the API, one after the other, as the life of a cart: each is read, decided on, stored and read back, and
//! what is to be sent of it is rendered. A line is a body, and its first byte is the call and how much later it comes.
#![no_main]

mod memory;

use std::time::Duration;

use cartwake::api::noise;
use cartwake::domain::{
    Cart, CartId, Delivery, EndpointName, EventSet, Known, Moment, Person, Program, ShopId, Stock, Subscription, decide,
    on_wake,
};
use cartwake::links::ReminderLinks;
use cartwake::store::record::{decode_cart, decode_delivery, encode_cart, encode_delivery};
use cartwake::webhook::payload::{BODY_BYTES_MAX, Beside, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| memory::bounded(data, 512 * 1024, 4096, || live(data)));

fn live(data: &[u8]) {
    let (shop, id) = (ShopId::parse("s").expect("a slug"), CartId::parse("c").expect("an id"));
    let endpoint = EndpointName::parse("m").expect("a slug");
    let told = Subscription { endpoint, events: EventSet::all() };
    let (person, program) = (Person::default(), Program { subscriptions: vec![told], ..Program::plain() });
    let mut now = Moment::from_millis(1_800_000_000_000);
    let mut cart: Option<Cart> = None;
    for line in data.split(|byte| *byte == b'\n') {
        noise::batch(line);
        noise::import(line);
        noise::platform(line);
        let Some((call, body)) = line.split_first() else { continue };
        now = now.plus(Duration::from_secs(u64::from(call / 6) * 600));
        let known = Known { person: &person, stock: &Stock::unknown(), program: &program };
        if let Some(due) = cart.clone().and_then(|cart| on_wake(cart, known, now)) {
            due.outbox.iter().for_each(|delivery| sent(delivery, due.cart.as_ref()));
            cart = due.cart;
        }
        noise::links(body);
        let Some(input) = noise::input(*call, body, now) else { continue };
        let Ok(decision) = decide((&shop, &id), cart.clone(), &input, &person, now, &program) else { continue };
        decision.outbox.iter().for_each(|delivery| sent(delivery, decision.cart.as_ref()));
        cart = decision.cart;
        if let Some(cart) = &cart {
            assert_eq!(&decode_cart(&shop, &id, &encode_cart(cart)).expect("our own record"), cart);
        }
    }
}

fn sent(delivery: &Delivery, cart: Option<&Cart>) {
    assert_eq!(&decode_delivery(&encode_delivery(delivery)).expect("our own record"), delivery);
    for thin in [true, false] {
        let body = cart.map(|cart| render(delivery, cart, &Beside { thin, stock: &Stock::unknown(), responses: &[], links: &ReminderLinks::default(), offer: None }));
        assert!(body.is_none_or(|body| body.is_ok_and(|body| body.len() <= BODY_BYTES_MAX)));
    }
}
