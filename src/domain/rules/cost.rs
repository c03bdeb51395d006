//! Cost: too dear, dearer than elsewhere, dearer than it looked.

use super::episode::{Episode, Judged, holds, measured};
use crate::domain::cart::Stage;
use crate::domain::signal::{Page, Signal, SignalKind};
use crate::domain::time::Moment;

/// The lowest rate's share of the subtotal, at the step where rates are shown.
pub fn shipping_cost(episode: &Episode<'_>) -> Judged {
    let Some(quoted) = episode.newest(|k| matches!(k, SignalKind::ShippingQuoted { .. })) else { return Judged::No };
    let SignalKind::ShippingQuoted { lowest: Some(lowest), .. } = quoted.kind else { return Judged::No };
    let subtotal = episode.cart.content.subtotal().get();
    if subtotal == 0 {
        return Judged::No;
    }
    let percent = u64::from(episode.settings.shipping_cost_percent);
    let evidence = format!("lowest rate {} of subtotal {subtotal}, limit {percent} %", lowest.get());
    let judged = measured(lowest.get().saturating_mul(100), subtotal.saturating_mul(percent), 70, evidence);
    episode.only_at(Stage::Shipping, judged)
}

/// The total at payment against the first one that was shown.
pub fn unexpected_total(episode: &Episode<'_>) -> Judged {
    let shown = |s: &&Signal| {
        let SignalKind::TotalShown { total, .. } = s.kind else { return None };
        Some(total.get())
    };
    let Some(first) = episode.signals.iter().find_map(shown).filter(|first| *first > 0) else { return Judged::No };
    let last = match episode.cart.content.totals.total {
        Some(total) => total.get(),
        None => episode.signals.iter().rev().find_map(shown).unwrap_or(first),
    };
    let percent = u64::from(episode.settings.unexpected_total_percent);
    let evidence = format!("total {last} at payment, {first} when first shown, limit +{percent} %");
    let grown = last.saturating_sub(first).saturating_mul(100);
    episode.only_at(Stage::Payment, measured(grown, first.saturating_mul(percent), 75, evidence))
}

pub fn coupon_rejected(episode: &Episode<'_>) -> Judged {
    let applied =
        episode.answered(|k| matches!(k, SignalKind::CouponRejected), |k| matches!(k, SignalKind::CouponApplied));
    match applied {
        None => Judged::No,
        Some((rejected, None)) => holds(75, format!("coupon_rejected at {}, none applied later", rejected.at)),
        Some((rejected, Some(applied))) => {
            Judged::Near(format!("coupon_rejected at {}, but coupon_applied at {}", rejected.at, applied.at))
        }
    }
}

/// A line taken out right after the total was shown.
pub fn price_too_high(episode: &Episode<'_>) -> Judged {
    let Some(removed) = episode.newest(|k| matches!(k, SignalKind::ItemRemoved { .. })) else { return Judged::No };
    let is_total = |s: &&&Signal| matches!(s.kind, SignalKind::TotalShown { .. }) && s.at <= removed.at;
    let Some(shown) = episode.signals.iter().rev().find(is_total) else { return Judged::No };
    let (after, within) = (removed.at.since(shown.at), episode.settings.removed_within);
    let evidence = format!("item_removed {} s after total_shown, limit {} s", after.as_secs(), within.as_secs());
    if after <= within {
        holds(50, evidence)
    } else if after <= within * 2 {
        Judged::Near(evidence)
    } else {
        Judged::No
    }
}

/// A comparison page, or another tab from the cart and no way back.
pub fn price_comparison(episode: &Episode<'_>) -> Judged {
    if let Some(at) = episode.viewed(Page::Comparison) {
        return holds(50, format!("page_viewed comparison at {at}"));
    }
    let Some(hidden) = episode.newest(|k| matches!(k, SignalKind::TabHidden)) else { return Judged::No };
    let is_last_act = hidden.at >= episode.cart.last_activity_at;
    let gone: Option<Moment> = episode
        .newest(|k| matches!(k, SignalKind::PageClosed | SignalKind::ExitIntent))
        .map(|gone| gone.at)
        .filter(|at| *at >= hidden.at);
    match gone {
        Some(gone) if is_last_act && episode.cart.stage == Stage::Cart => {
            holds(35, format!("tab_hidden at {} in the cart, and left at {gone}", hidden.at))
        }
        _ if is_last_act && episode.cart.stage == Stage::Cart => {
            Judged::Near(format!("tab_hidden at {} in the cart, but the page was not closed", hidden.at))
        }
        _ => Judged::No,
    }
}
