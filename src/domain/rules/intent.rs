//! Intent: later, or never meant to.

use super::episode::{Episode, Judged, holds};
use crate::domain::signal::SignalKind;

pub fn think_later(episode: &Episode<'_>) -> Judged {
    let Some(saved) = episode.newest(|k| matches!(k, SignalKind::SavedForLater { .. })) else { return Judged::No };
    let SignalKind::SavedForLater { remind_at } = saved.kind else { return Judged::No };
    let when = remind_at.map_or_else(String::new, |at| format!(", to be reminded at {at}"));
    holds(80, format!("saved_for_later at {}{when}", saved.at))
}

/// The checkout was never reached, and the shopper did not come back.
pub fn just_browsing(episode: &Episode<'_>) -> Judged {
    let cart = episode.cart;
    if cart.stages.reached_checkout() {
        return Judged::No;
    }
    if cart.episode_started_at > cart.created_at {
        return Judged::Near(format!("never at checkout, but came back at {}", cart.episode_started_at));
    }
    holds(30, "never at checkout, in a single visit".to_owned())
}
