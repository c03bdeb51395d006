//! Signals: which bodies are understood as what.

use super::*;
use crate::api::problem::Problem;
use crate::domain::Minor;

fn understood(body: &str) -> Result<SignalKind, Problem> {
    body::parse::<Observed>(body.as_bytes(), &()).map(|observed| observed.kind)
}

#[test]
fn every_kind_is_understood_under_its_own_name() {
    for name in SignalKind::NAMES {
        let more = match *name {
            "total_shown" => r#","total_minor":1"#,
            "payment_failed" => r#","class":"funds""#,
            "page_viewed" => r#","page":"returns""#,
            _ => "",
        };
        let kind = understood(&format!(r#"{{"kind":"{name}"{more}}}"#)).expect(name);
        assert_eq!(kind.name(), *name);
    }
}

#[test]
fn fields_are_read_and_those_of_other_kinds_refused() {
    let quoted =
        understood(r#"{"kind":"shipping_quoted","lowest_minor":490,"fastest_days":3,"rates":2}"#).expect("valid");
    let lowest = Minor::new(490).ok();
    assert_eq!(quoted, SignalKind::ShippingQuoted { lowest, fastest_days: Some(3), rates: Some(2) });
    for (body, place) in [
        (r#"{"kind":"shipping_quoted","page":"returns"}"#, "/page"),
        (r#"{"kind":"total_shown"}"#, "/total_minor"),
        (r#"{"kind":"total_shown","total_minor":-1}"#, "/total_minor"),
        (r#"{"kind":"payment_failed","class":"nope"}"#, "/class"),
        (r#"{"kind":"page_viewed","page":"home"}"#, "/page"),
        (r#"{"kind":"exit_intent","x":1}"#, "/x"),
        (r#"{"kind":"error_shown","status":70000}"#, "/status"),
        (r#"{"kind":""}"#, "/kind"),
        (r#"{"kind":5}"#, "/kind"),
        ("{}", "/kind"),
        (r#"{"kind":"exit_intent","at":"soon"}"#, "/at"),
    ] {
        let problem = understood(body).expect_err(body);
        assert!(problem.errors().iter().any(|fault| fault.pointer == place), "{body}: {:?}", problem.errors());
    }
}

#[test]
fn an_unknown_kind_is_other_whatever_comes_with_it() {
    assert_eq!(understood(r#"{"kind":"hologram_shown","depth":[1]}"#).expect("taken"), SignalKind::Other);
    assert_eq!(understood(r#"{"kind":"hologram_shown","page":7}"#).expect("taken"), SignalKind::Other);
    assert!(understood(r#"{"kind":"hologram_shown","depth":1,"at":"soon"}"#).is_err());
}
