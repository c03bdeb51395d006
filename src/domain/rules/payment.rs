//! Payment: refused, broken, or not offered the way the shopper pays.

use super::episode::{Episode, Judged, holds};
use crate::domain::cart::Stage;
use crate::domain::signal::{PaymentClass, SignalKind};

/// Of several failures the newest counts: it is what the shopper left from.
fn failed_as(episode: &Episode<'_>, accepts: fn(PaymentClass) -> bool) -> Judged {
    let Some((newest, class)) = episode.failure() else { return Judged::No };
    if accepts(class) {
        return holds(95, format!("payment_failed class {class} at {}", newest.at));
    }
    let earlier = episode.signals.iter().rev().find_map(|signal| {
        let SignalKind::PaymentFailed { class } = signal.kind else { return None };
        accepts(class).then_some((signal.at, class))
    });
    earlier.map_or(Judged::No, |(at, was)| {
        Judged::Near(format!(
            "payment_failed class {was} at {at}, but the newest, at {}, is of class {class}",
            newest.at
        ))
    })
}

pub fn declined(episode: &Episode<'_>) -> Judged {
    failed_as(episode, |class| {
        matches!(
            class,
            PaymentClass::Funds | PaymentClass::IssuerDeclined | PaymentClass::CardData | PaymentClass::FraudSuspected
        )
    })
}

pub fn failed(episode: &Episode<'_>) -> Judged {
    failed_as(episode, |class| matches!(class, PaymentClass::Authentication | PaymentClass::Processing))
}

pub fn method_unsupported(episode: &Episode<'_>) -> Judged {
    failed_as(episode, |class| class == PaymentClass::MethodUnsupported)
}

pub fn never_returned(episode: &Episode<'_>) -> Judged {
    let returned = episode.answered(
        |k| matches!(k, SignalKind::PaymentRedirected),
        |k| matches!(k, SignalKind::PaymentReturned | SignalKind::PaymentFailed { .. }),
    );
    match returned {
        None => Judged::No,
        Some((gone, None)) => holds(80, format!("payment_redirected at {} without payment_returned", gone.at)),
        Some((gone, Some(back))) => {
            Judged::Near(format!("payment_redirected at {}, but {} at {}", gone.at, back.kind.name(), back.at))
        }
    }
}

/// The methods were shown, and the shopper began with none of them.
pub fn method_missing(episode: &Episode<'_>) -> Judged {
    let Some(shown) = episode.newest(|k| matches!(k, SignalKind::PaymentMethodsShown { .. })) else {
        return Judged::No;
    };
    let SignalKind::PaymentMethodsShown { count } = shown.kind else { return Judged::No };
    let list = count.map_or_else(|| "payment methods".to_owned(), |count| format!("{count} payment methods"));
    if let Some(attempt) = episode.payment_attempt().filter(|attempt| attempt.at >= shown.at) {
        return Judged::Near(format!("{list} shown at {}, but {} at {}", shown.at, attempt.kind.name(), attempt.at));
    }
    if episode.cart.stage != Stage::Payment {
        return Judged::Near(format!("{list} shown at {}, but left at stage {}", shown.at, episode.cart.stage));
    }
    holds(40, format!("{list} shown at {}, none of them chosen", shown.at))
}
