//! Product: gone, not in the variant that was wanted, or not described well enough.

use super::episode::{Episode, Judged, holds, measured};
use crate::domain::id::ProductId;
use crate::domain::signal::{Page, SignalKind};

pub fn out_of_stock(episode: &Episode<'_>) -> Judged {
    let items = &episode.cart.content.items;
    if let Some(item) = items.iter().find(|item| item.in_stock == Some(false)) {
        return holds(90, format!("product {} is not in stock", item.product_id));
    }
    let mut elsewhere = None;
    for signal in episode.signals.iter().rev() {
        let SignalKind::ItemUnavailable { product } = &signal.kind else { continue };
        if product.as_ref().is_none_or(|product| items.iter().any(|i| i.product_id == *product)) {
            return holds(90, format!("item_unavailable at {}", signal.at));
        }
        elsewhere = elsewhere.or(Some(signal.at));
    }
    elsewhere
        .map_or(Judged::No, |at| Judged::Near(format!("item_unavailable at {at}, of a product no longer in the cart")))
}

/// The shopper goes back to the page of what is in the cart, or to the size guide.
pub fn product_info_unclear(episode: &Episode<'_>) -> Judged {
    let views = |wanted: &ProductId| {
        episode.count(|kind| {
            matches!(kind, SignalKind::PageViewed { page: Page::Product, product: Some(product) } if product == wanted)
        })
    };
    let products = episode.cart.content.items.iter().map(|item| &item.product_id);
    let most = products.map(|product| (views(product), product)).max_by_key(|(count, _)| *count);
    let limit = episode.settings.product_views;
    let returns = most.map_or(Judged::No, |(count, product)| {
        let evidence = format!("page of product {product} viewed {count} times, limit {limit}");
        measured(u64::try_from(count).unwrap_or(u64::MAX), limit.into(), 50, evidence)
    });
    match (returns, episode.viewed(Page::SizeGuide)) {
        (returns @ Judged::Holds { .. }, _) | (returns, None) => returns,
        (Judged::Near(_) | Judged::No, Some(at)) => holds(45, format!("page_viewed size_guide at {at}")),
    }
}

pub fn limited_selection(episode: &Episode<'_>) -> Judged {
    let missing = episode.newest(|k| matches!(k, SignalKind::VariantUnavailable { .. } | SignalKind::SearchEmpty));
    missing.map_or(Judged::No, |signal| holds(45, format!("{} at {}", signal.kind.name(), signal.at)))
}
