//! Bytes from outside, read as everything that this room reads. Whatever they are: no panic, and no fault of ours.
//!
//! In no build but that of the tests and of the fuzz targets (`fuzz/`), which find the bytes; the properties are here,
//! beside the readers, so that the readers stay private. Never here: what a body means.

use actix_web::test::TestRequest;

use super::access::Access;
use super::auth::{authenticate, shop_of};
use super::body::{self, FromBody};
use super::browser::{self, Batch};
use super::call::key_in;
use super::cart_check::{Patch, Snapshot};
use super::carts::Wanted;
use super::envelope::Envelope;
use super::orders::Told;
use super::problem::Problem;
use super::query::Query;
use super::receipt::prefers_minimal;
use super::recoveries::CameBack;
use super::signals::Observed;
use super::{opt_outs, unsubscribe};
use crate::config::{KeyConfig, Role};
use crate::domain::{Input, Moment, ShopId, Signal, What};
use crate::keys;
use crate::platforms::{self, Platform};

/// What these bytes tell a cart, read as the body of the call that the number stands for.
#[must_use]
pub fn input(call: u8, bytes: &[u8], now: Moment) -> Option<Input> {
    match call % 7 {
        0 => read::<Snapshot>(bytes, &[])
            .map(|Snapshot { envelope, stage, content }| envelope.input(now, What::Snapshot { stage, content })),
        1 => read::<Patch>(bytes, &["shop.example".to_owned()])
            .map(|Patch { envelope, patch }| envelope.input(now, What::Patch(patch))),
        2 => read::<Observed>(bytes, &()).map(|Observed { envelope, kind }| {
            let at = envelope.occurred_at.unwrap_or(now);
            envelope.input(now, What::Signal(Signal { kind, at }))
        }),
        3 => read::<super::reasons::Told>(bytes, &()).map(|told| told.envelope.input(now, told.what)),
        4 => read::<Told>(bytes, &()).map(|told| {
            let news = Box::new(told.news(now));
            Input::new(news.placed_at, What::Order(news))
        }),
        5 => read::<Envelope>(bytes, &()).map(|envelope| envelope.input(now, What::Dismiss)),
        _ => {
            let (envelope, what) = super::acp::told(bytes);
            Some(envelope.input(now, what))
        }
    }
}

/// Reads these bytes as what comes back by a link, and as an opt-out.
pub fn links(bytes: &[u8]) {
    drop(read::<CameBack>(bytes, &()));
    drop(read::<opt_outs::Wish>(bytes, &()));
    let _wishes = unsubscribe::wishes(bytes);
}

fn read<T: FromBody>(bytes: &[u8], context: &T::Context) -> Option<T> {
    judged(body::parse(bytes, context))
}

/// What a caller sends is the caller's fault, and said at a bounded length.
fn judged<T>(verdict: Result<T, Problem>) -> Option<T> {
    let problem = match verdict {
        Ok(read) => return Some(read),
        Err(problem) => problem,
    };
    let (status, ..) = problem.kind().parts();
    assert!((400..500).contains(&status), "{problem:?}");
    assert!(problem.json().len() < 64 * 1024, "{problem:?}");
    None
}

/// Reads these bytes as webhooks of every platform. Whatever a platform says, the calls that it comes to are of the
/// right form: what is odd about them is in their fields.
///
/// # Panics
/// When one is not: that is the finding.
pub fn platform(bytes: &[u8]) {
    let Ok(document) = serde_json::from_slice(bytes) else { return };
    let topics = ["checkouts/update", "orders/paid", "order.updated", ""];
    for (platform, topic) in Platform::ALL.iter().flat_map(|platform| topics.map(|topic| (*platform, topic))) {
        let heard = platforms::read(platform, &|_| Some(topic), &document);
        for call in heard.iter().flatten().flat_map(|wish| [Some(&wish.call), wish.otherwise.as_ref()]).flatten() {
            let body = call.body.to_string();
            let problem = match call.op {
                platforms::Op::Put => body::parse::<Snapshot>(body.as_bytes(), &[]).err(),
                platforms::Op::Patch => body::parse::<Patch>(body.as_bytes(), &[]).err(),
                platforms::Op::Signal => body::parse::<Observed>(body.as_bytes(), &()).err(),
                platforms::Op::Delete => body::parse::<Envelope>(body.as_bytes(), &()).err(),
                platforms::Op::Order => body::parse::<Told>(body.as_bytes(), &()).err(),
            };
            let faults = problem.iter().flat_map(Problem::errors);
            let unknown = faults.into_iter().find(|fault| fault.detail.contains("is not a known field"));
            assert!(unknown.is_none(), "{unknown:?}");
        }
    }
}

/// Reads these bytes as the lines of an import.
pub fn import(bytes: &[u8]) {
    for (_, line) in super::batch::lines(bytes) {
        drop(read::<super::batch::Line>(line, &()));
    }
}

/// Reads these bytes as the batch of a page, and what each event of it says.
pub fn batch(bytes: &[u8]) {
    let access = access();
    let batch = read::<Batch>(bytes, &());
    for event in batch.iter().flat_map(|batch| &batch.events) {
        access.shop("a").map(|shop| judged(browser::said(event, shop)));
    }
}

/// Reads the lines of a text as what a call says besides its body: key, origin, shop, name of the write, media type,
/// preference, query.
///
/// # Panics
/// When something is let in that should not be: that is the finding.
pub fn head(bytes: &[u8]) {
    let access = access();
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut request = TestRequest::default();
    for name in ["authorization", "origin", "cartwake-shop", "idempotency-key", "content-type", "prefer"] {
        let value = actix_web::http::header::HeaderValue::from_bytes(lines.next().unwrap_or_default());
        if let Ok(value) = value.map(|value| (name, value)) {
            request = request.insert_header(value);
        }
    }
    let request = request.to_http_request();
    for role in [Role::Browser, Role::Server, Role::Admin] {
        if let Some(entry) = judged(authenticate(&request, &access, role)) {
            assert!(entry.role >= role, "a weak key was let in");
            judged(shop_of(&request, &access, entry, None));
        }
    }
    judged(key_in(request.headers()));
    judged(body::check_type(request.headers(), body::JSON));
    let _is_minimal = prefers_minimal(request.headers());
    let text = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let known = ["shop", "state", "stage", "reason", "limit", "cursor"];
    if let Some(query) = judged(Query::parse(&text, &known)) {
        judged(Wanted::parse(&query));
    }
}

fn access() -> Access {
    let key = |role, key, origins: &[&str]| KeyConfig {
        role,
        hash: keys::hash(key),
        allowed_origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
    };
    let own = vec![key(Role::Browser, "b", &["https://a.example"]), key(Role::Server, "s", &[])];
    let shop = |id| ShopId::parse(id).expect("a slug");
    Access::of(&[keys::hash("root")], vec![(shop("a"), own), (shop("other"), Vec::new())])
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn read_as_everything(bytes: &[u8]) {
        for call in 0..7 {
            drop(input(call, bytes, Moment::from_millis(1_800_000_000_000)));
        }
        batch(bytes);
        import(bytes);
        platform(bytes);
        links(bytes);
        head(bytes);
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes in vec(any::<u8>(), 0..300)) {
            read_as_everything(&bytes);
        }

        #[test]
        fn a_damaged_body_never_panics(at in 0..220_usize, byte in any::<u8>(), cut in 0..220_usize) {
            let mut bytes = br#"{"currency":"EUR","stage":"payment","items":[{"product_id":"a","quantity":2,"unit_price_minor":199}],"shopper":{"email":"a@b.example"},"totals":{"total_minor":398},"kind":"exit_intent","at":"2026-01-02T03:04:05Z","order_id":"o"}"#.to_vec();
            bytes[at] = byte;
            read_as_everything(&bytes);
            bytes.truncate(cut);
            read_as_everything(&bytes);
        }

        #[test]
        fn a_damaged_batch_never_panics(at in 0..190_usize, byte in any::<u8>(), cut in 0..190_usize) {
            let mut bytes = br#"{"key":"b","sent_at":"2026-01-02T03:04:05Z","events":[{"op":"signal","cart_id":"c","body":{"kind":"exit_intent","event_id":"e"}},{"op":"put","cart_id":"c","body":{"currency":"EUR","revision":7}}]}"#.to_vec();
            bytes[at] = byte;
            read_as_everything(&bytes);
            bytes.truncate(cut);
            read_as_everything(&bytes);
        }

        #[test]
        fn a_damaged_webhook_never_panics(at in 0..420_usize, byte in any::<u8>()) {
            let mut bytes = br#"{"token":"t","id":7,"status":"failed","created_via":"checkout","currency":"EUR","total":"9.99","total_price":"9.99","type":"checkout.session.expired","email":"a@b.example","line_items":[{"product_id":4,"quantity":2,"price":"4.99","subtotal":"9.98"}],"meta_data":[{"key":"cw_ref","value":"x"}],"data":{"object":{"id":"cs_1","currency":"eur","amount_total":999,"created":1792000000,"metadata":{"cw_cart":"c"}}}}"#.to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            platform(&bytes);
        }

        #[test]
        fn a_damaged_head_never_panics(at in 0..90_usize, byte in any::<u8>()) {
            let mut bytes = b"Bearer b\nhttps://a.example\na\nkey-1\napplication/json; charset=utf-8\nreturn=minimal\nshop=a&limit=5&cursor=0.1.2".to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            head(&bytes);
        }
    }
}
