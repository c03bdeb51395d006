//! Friction: what broke, what stood in the way, what took too long.

use super::episode::{Episode, Judged, holds, measured};
use crate::domain::signal::SignalKind;

/// An error counts when the shopper stopped soon after it; who went on for longer was not stopped by it.
pub fn technical_error(episode: &Episode<'_>) -> Judged {
    let Some(error) = episode.newest(|k| matches!(k, SignalKind::ErrorShown { .. })) else { return Judged::No };
    let SignalKind::ErrorShown { status, slow_ms } = error.kind else { return Judged::No };
    let (before, window) = (episode.cart.last_activity_at.since(error.at), episode.settings.error_window);
    // Where only a duration is told, nothing broke: it counts when it was too long to wait for.
    let (confidence, what) = match (status, slow_ms) {
        (None, Some(ms)) => {
            let limit = episode.settings.slow_after.as_millis();
            if u128::from(ms) < limit {
                return Judged::Near(format!("an answer took {ms} ms at {}, limit {limit} ms", error.at));
            }
            (75, format!("an answer took {ms} ms"))
        }
        (Some(_), _) | (None, None) => (85, "error_shown".to_owned()),
    };
    let evidence = format!("{what} {} s before the last activity", before.as_secs());
    if before <= window {
        holds(confidence, evidence)
    } else {
        Judged::Near(format!("{evidence}, limit {} s", window.as_secs()))
    }
}

pub fn account_required(episode: &Episode<'_>) -> Judged {
    let Some(gate) = episode.newest(|k| matches!(k, SignalKind::AccountRequired)) else { return Judged::No };
    if gate.at >= episode.cart.last_activity_at {
        holds(85, format!("account_required was the last step, at {}", gate.at))
    } else {
        Judged::Near(format!("account_required at {}, but the shopper went on", gate.at))
    }
}

/// Fields that were refused again and again, or one step that took too long.
pub fn checkout_too_long(episode: &Episode<'_>) -> Judged {
    let refused = episode.count(|k| matches!(k, SignalKind::FieldRejected));
    let limit = episode.settings.field_rejections;
    let evidence = format!("field_rejected {refused} times, limit {limit}");
    let fields = measured(u64::try_from(refused).unwrap_or(u64::MAX), limit.into(), 50, evidence);
    let limit = episode.settings.step_time.as_secs();
    let step = episode.step_time().map_or(Judged::No, |spent| {
        let evidence = format!("{} s at step {}, limit {limit} s", spent.as_secs(), episode.cart.stage);
        measured(spent.as_secs(), limit, 45, evidence)
    });
    match (&fields, &step) {
        (Judged::Holds { .. }, _) | (Judged::Near(_), Judged::Near(_) | Judged::No) => fields,
        (Judged::Near(_) | Judged::No, Judged::Holds { .. }) | (Judged::No, _) => step,
    }
}
