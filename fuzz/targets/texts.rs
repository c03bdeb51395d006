//! Short texts: names, money, moments, secrets, addresses, headers. What is read and written again is the same.
#![no_main]

mod memory;

use cartwake::config::{self, StoreUrl};
use cartwake::domain::{
    CartId, Currency, DeliveryId, EndpointName, EventKey, Moment, OrderId, ProductId, ShopId, StepName,
};
use cartwake::keys::{KeyHash, Role};
use cartwake::links::{self, LinkSecret};
use cartwake::webhook::{self, Secret};
use cartwake::{api, keys};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| memory::bounded(data, 256 * 1024, 256, || read(data)));

fn read(data: &[u8]) {
    let now = Moment::from_millis(1_800_000_000_000);
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 4 {
        0 => return api::noise::head(bytes),
        1 => return webhook::noise::retry_after(bytes, now),
        _ => {}
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    names(text);
    config::noise::span_text(text);
    webhook::noise::endpoint(text);
    webhook::noise::signature(text, now);
    links::noise::token(text, now);
    if let Ok(moment) = Moment::parse(text) {
        assert_eq!(Moment::parse(&moment.to_string()), Ok(moment));
        assert!(moment.day().starts_at() <= moment);
    }
    if let Ok(secret) = Secret::parse(text) {
        assert_eq!(secret.reveal(), text);
        assert!(!format!("{secret:?}").contains(text));
    }
    if let Ok(secret) = LinkSecret::parse(text) {
        assert_eq!(secret.reveal(), text);
        assert!(!format!("{secret:?}").contains(text));
    }
    if let Ok(hash) = KeyHash::parse(text) {
        assert_eq!(KeyHash::parse(&hash.to_string()), Ok(hash));
    }
    let _hash = keys::hash(text);
    if let Some(role) = Role::parse(text) {
        assert_eq!(role.as_str(), text);
    }
    if let Ok(url) = StoreUrl::parse(text) {
        let shown = url.to_string();
        assert_eq!(StoreUrl::parse(&shown).expect("what is shown").to_string(), shown);
    }
}

fn names(text: &str) {
    let read = [
        CartId::parse(text).map(|id| id.to_string()),
        OrderId::parse(text).map(|id| id.to_string()),
        ProductId::parse(text).map(|id| id.to_string()),
        EventKey::parse(text).map(|id| id.to_string()),
        ShopId::parse(text).map(|id| id.to_string()),
        EndpointName::parse(text).map(|id| id.to_string()),
        StepName::parse(text).map(|id| id.to_string()),
    ];
    assert!(read.into_iter().flatten().all(|written| written == text && text.is_ascii() && text.len() <= 255));
    if let Some(id) = DeliveryId::parse(text) {
        assert!(id.as_str() == text && (0.0..1.0).contains(&id.fraction(1)));
    }
    if let Ok(currency) = Currency::parse(text) {
        assert!(currency.code() == text && currency.digits() <= 4);
    }
}
