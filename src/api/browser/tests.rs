//! Batches: which are understood, and when a browser's clock is set right.

use super::*;

fn understood(body: &str) -> Result<Batch, Problem> {
    body::parse::<Batch>(body.as_bytes(), &())
}

#[test]
fn a_batch_is_read_without_a_look_into_its_events() {
    let body = r#"{"key":"k","sent_at":"2026-11-22T06:00:00Z","events":[
        {"op":"put","cart_id":"c-1","body":{"anything":[1]}},{"op":"dismiss","cart_id":"c-2","body":{}}]}"#;
    let batch = understood(body).unwrap_or_else(|problem| panic!("{problem:?}"));
    let ops: Vec<_> = batch.events.iter().map(|event| (event.op, event.cart.as_str())).collect();
    assert_eq!(ops, [(Op::Put, "c-1"), (Op::Dismiss, "c-2")]);
    assert_eq!(batch.events[0].body, br#"{"anything":[1]}"#);
}

#[test]
fn what_is_wrong_with_a_batch_is_named_by_its_place() {
    let event = r#"{"op":"put","cart_id":"c-1","body":{}},"#;
    let many = format!("[{}]", event.repeat(EVENTS_MAX + 1).trim_end_matches(','));
    for (events, place) in [
        (r#"[{"op":"order","cart_id":"c","body":{}}]"#, "/events/0/op"),
        (r#"[{"op":"put","cart_id":"a b","body":{}}]"#, "/events/0/cart_id"),
        (r#"[{"op":"put","cart_id":"c","body":{}},{"op":"put","cart_id":"c","body":[]}]"#, "/events/1/body"),
        (r#"[{"op":"put","cart_id":"c"}]"#, "/events/0/body"),
        (r#"[{"op":"put","cart_id":"c","body":{},"key":"x"}]"#, "/events/0/key"),
        ("[7]", "/events/0"),
        ("null", "/events"),
        (many.as_str(), "/events"),
    ] {
        let body = format!(r#"{{"key":"k","sent_at":"2026-11-22T06:00:00Z","events":{events}}}"#);
        let Err(problem) = understood(&body) else { panic!("{events}") };
        assert!(problem.errors().iter().any(|fault| fault.pointer == place), "{events}: {:?}", problem.errors());
    }
    let Err(problem) = understood("{}") else { panic!("nothing is a batch") };
    let places: Vec<_> = problem.errors().iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(places, ["/key", "/sent_at", "/events"]);
}

#[test]
fn a_clock_is_set_right_only_when_it_is_far_off() {
    let now = Moment::from_millis(1_795_000_000_000);
    let seen = |sent_at: Moment| ClockOff::of(sent_at, now).set_right(sent_at);
    for near in [0, 90_000, 120_000] {
        let sent_at = now.minus(Duration::from_millis(near));
        assert_eq!(seen(sent_at), sent_at);
    }
    for (span, name) in [(Duration::from_mins(3), "minutes"), (Duration::from_hours(90_000), "years")] {
        assert_eq!(seen(now.minus(span)), now, "{name} behind");
        assert_eq!(seen(now.plus(span)), now, "{name} ahead");
    }
}
