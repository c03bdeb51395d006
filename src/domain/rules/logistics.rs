//! Logistics: no delivery here, too late, or no way to follow it.

use super::episode::{Episode, Judged, holds, measured};
use crate::domain::cart::Stage;
use crate::domain::signal::{Page, SignalKind};

pub fn delivery_unavailable(episode: &Episode<'_>) -> Judged {
    let Some(quoted) = episode.newest(|k| matches!(k, SignalKind::ShippingQuoted { .. })) else { return Judged::No };
    if matches!(quoted.kind, SignalKind::ShippingQuoted { rates: Some(0), .. }) {
        return holds(95, format!("shipping_quoted with no rate at {}", quoted.at));
    }
    let earlier = episode.newest(|k| matches!(k, SignalKind::ShippingQuoted { rates: Some(0), .. }));
    earlier.map_or(Judged::No, |none| {
        Judged::Near(format!("shipping_quoted with no rate at {}, but with rates at {}", none.at, quoted.at))
    })
}

pub fn delivery_time(episode: &Episode<'_>) -> Judged {
    let Some(quoted) = episode.newest(|k| matches!(k, SignalKind::ShippingQuoted { .. })) else { return Judged::No };
    let SignalKind::ShippingQuoted { fastest_days: Some(days), .. } = quoted.kind else { return Judged::No };
    let limit = episode.settings.delivery_days;
    let evidence = format!("fastest delivery in {days} days, limit {limit}");
    episode.only_at(Stage::Shipping, measured(days.into(), limit.into(), 55, evidence))
}

pub fn order_tracking(episode: &Episode<'_>) -> Judged {
    episode.left_from(Page::Tracking, 40)
}
