//! The arithmetic that nobody looks at: money, time and jitter at the ends of their ranges; and noise for the parsers
//! that are public.
//!
//! Other readers have theirs beside the code (`noise.rs` in `api`, `config` and `webhook`; `store/record/tests.rs`).

use std::time::Duration;

use cartwake::config::{self, StoreUrl};
use cartwake::domain::{
    CartId, Currency, Day, Delivery, DeliveryId, EndpointName, EventKind, Minor, Moment, Outcome, OutcomeName, ShopId,
    Verdict, Why, after_attempt, retry_ladder,
};
use cartwake::keys::KeyHash;
use cartwake::webhook::Secret;
use proptest::prelude::*;

use crate::samples;

fn delivery_id(cart: &str, about: &str) -> DeliveryId {
    let shop = ShopId::parse("s").expect("a slug");
    let cart = CartId::parse(cart).expect("an id");
    DeliveryId::derive(EventKind::Reminder, &shop, &cart, about, &EndpointName::parse("mail").expect("a slug"))
}

fn attempted(cart: &str, kind: EventKind, attempt: u32, send_not_after: Moment) -> Delivery {
    let cart = samples::cart(cart);
    let mut delivery = samples::reminder(&cart, 0, samples::at(0));
    delivery.event.kind = kind;
    delivery.id = DeliveryId::derive(kind, &delivery.shop, &delivery.cart, "about", &delivery.endpoint);
    (delivery.attempt_count, delivery.send_not_after) = (attempt, send_not_after);
    delivery
}

fn throttled(retry_after: Option<Duration>) -> Outcome {
    Outcome { name: OutcomeName::Throttled, status: Some(429), retry_after, duration: Duration::ZERO, reply: None }
}

fn read_as_everything(text: &str) {
    drop(Moment::parse(text));
    let _currency = Currency::parse(text);
    drop(CartId::parse(text));
    drop(ShopId::parse(text));
    drop(DeliveryId::parse(text));
    let _hash = KeyHash::parse(text);
    drop(Secret::parse(text));
    drop(StoreUrl::parse(text).map(|url| format!("{url} {url:?}")));
}

proptest! {
    #[test]
    fn money_stays_within_its_bounds(a in any::<i64>(), b in any::<i64>(), times in any::<u32>()) {
        prop_assert_eq!(Minor::new(a).is_ok(), (0..=Minor::MAX.signed()).contains(&a));
        let bound = |n: i64| Minor::new(n.rem_euclid(Minor::MAX.signed() + 1)).expect("in range");
        let (a, b) = (bound(a), bound(b));
        let held = |exact: u128| u64::try_from(exact.min(u128::from(Minor::MAX.get()))).expect("held");
        prop_assert_eq!(a.plus(b).get(), held(u128::from(a.get()) + u128::from(b.get())));
        prop_assert_eq!(a.times(times).get(), held(u128::from(a.get()) * u128::from(times)));
    }

    #[test]
    fn time_neither_wraps_nor_runs_backwards(a in any::<i64>(), b in any::<i64>(), span in any::<u64>()) {
        let (x, y, span) = (Moment::from_millis(a), Moment::from_millis(b), Duration::from_millis(span));
        prop_assert!(x.plus(span) >= x && x.minus(span) <= x);
        prop_assert!(x.since(y).is_zero() || y.since(x).is_zero());
        let (later, earlier) = (x.max(y), x.min(y));
        let exact = i128::from(later.millis()) - i128::from(earlier.millis());
        prop_assert_eq!(later.since(earlier).as_millis(), exact.min(i128::from(i64::MAX)).unsigned_abs());
        drop((x.to_string(), x.day().to_string(), x.day().starts_at()));
    }

    #[test]
    fn a_moment_is_in_its_day(millis in -200_000_000_000_000..200_000_000_000_000_i64) {
        let moment = Moment::from_millis(millis);
        let (start, next) = (moment.day().starts_at(), Day::from_number(moment.day().number() + 1).starts_at());
        prop_assert!(start <= moment && moment < next);
        prop_assert_eq!(Moment::parse(&moment.to_string()), Ok(moment));
    }

    #[test]
    fn jitter_is_a_fraction_and_always_the_same(cart in "[a-z0-9]{1,20}", about in ".{0,40}", attempt in any::<u32>()) {
        let id = delivery_id(&cart, &about);
        let fraction = id.fraction(attempt);
        prop_assert!((0.0..1.0).contains(&fraction));
        prop_assert_eq!(fraction.to_bits(), delivery_id(&cart, &about).fraction(attempt).to_bits());
        prop_assert_eq!(DeliveryId::parse(id.as_str()), Some(id));
    }

    #[test]
    fn a_retry_waits_its_step_with_a_fifth_either_way(
        cart in "[a-z0-9]{1,20}",
        reminds in any::<bool>(),
        attempt in 0..12_u32,
        asked in proptest::option::of(0..200_000_u64),
        patience in 0..400_000_u64,
    ) {
        let (now, asked) = (samples::at(1_000), asked.map(Duration::from_secs));
        let kind = if reminds { EventKind::Reminder } else { EventKind::Abandoned };
        let delivery = attempted(&cart, kind, attempt, now.plus(Duration::from_secs(patience)));
        let verdict = after_attempt(&delivery, &throttled(asked), now);
        prop_assert_eq!(verdict, after_attempt(&delivery, &throttled(asked), now), "no dice");
        let rest = retry_ladder(&delivery).get(attempt as usize..).unwrap_or_default();
        let Some(step) = rest.first() else {
            prop_assert_eq!(verdict, Verdict::Dead(Why::RetriesExhausted));
            return Ok(());
        };
        let milli = Duration::from_millis(1);
        let cap = rest.iter().take(2).sum::<Duration>();
        let wish = asked.map_or(Duration::ZERO, |asked| asked.min(cap));
        let (least, most) = (step.mul_f64(0.8).max(wish), step.mul_f64(1.2).max(wish));
        match verdict {
            Verdict::RetryAt(at) => {
                prop_assert!(at.since(now) + milli >= least && at.since(now) <= most, "{:?} of {:?}", at, step);
                prop_assert!(at <= delivery.send_not_after);
            }
            other @ (Verdict::Suppressed(_) | Verdict::Dead(_) | Verdict::Delivered | Verdict::Deferred { .. }) => {
                prop_assert_eq!(other, Verdict::Suppressed(Why::Stale));
                prop_assert!(now.plus(most) > delivery.send_not_after, "given up too early");
            }
        }
        // Who may wait longer is never given up earlier, and waits no differently.
        let patient = attempted(&cart, kind, attempt, delivery.send_not_after.plus(*step));
        let later = after_attempt(&patient, &throttled(asked), now);
        prop_assert!(later == verdict || verdict == Verdict::Suppressed(Why::Stale), "{:?} then {:?}", verdict, later);
    }

    #[test]
    fn noise_is_refused_and_never_panics(text in "\\PC{0,80}", likely in "[a-z0-9:/@.%#\\[\\]{}\"+-]{0,80}") {
        read_as_everything(&text);
        read_as_everything(&likely);
        for start in ["redis://", "rediss://u:p@", "embedded:", "whsec_", "sha256:", "dlv_", "2026-01-", "{\"at\":"] {
            read_as_everything(&format!("{start}{likely}"));
        }
    }

    #[test]
    fn a_written_secret_is_read_back(bytes in any::<[u8; 32]>()) {
        let text = Secret::generate(bytes).reveal();
        prop_assert_eq!(Secret::parse(&text).map(|secret| secret.reveal()), Ok(text));
        prop_assert_eq!(KeyHash::parse(&KeyHash(bytes).to_string()), Ok(KeyHash(bytes)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_configuration_of_noise_names_problems_and_repeats_no_value(value in "[A-Z]{12,40}") {
        for key in ["STORE__URL", "SCHEDULER__POLL", "SERVER__LISTEN", "SHOP__DEFAULT__ENDPOINT__M__SECRETS"] {
            let problems = config::load(None, std::iter::once((format!("CARTWAKE__{key}"), value.clone())));
            let told = problems.expect_err("noise").to_string();
            prop_assert!(!told.contains(&value), "{}", told);
        }
    }

    #[test]
    fn a_span_reads_back_what_it_writes(millis in 10..60_000_u64) {
        let poll = |text: String| config::load(None, std::iter::once(("CARTWAKE__SCHEDULER__POLL".to_owned(), text)));
        let config = poll(format!("{millis}ms")).expect("a span within bounds");
        prop_assert_eq!(config.scheduler.poll, Duration::from_millis(millis));
        let shown = config::effective(&config);
        let text = shown.split("poll = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("it is shown");
        prop_assert_eq!(poll(text.to_owned()).expect("our own text").scheduler.poll, config.scheduler.poll);
    }
}
