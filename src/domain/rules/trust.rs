//! Trust: of the shop with card data, and of what happens when the goods do not fit.

use super::episode::{Episode, Judged, holds};
use crate::domain::cart::Stage;
use crate::domain::signal::Page;

/// At the payment step the shopper read what becomes of their data, and did not try to pay.
pub fn trust_security(episode: &Episode<'_>) -> Judged {
    let Some(at) = episode.viewed(Page::Privacy) else { return Judged::No };
    if let Some(attempt) = episode.payment_attempt() {
        return Judged::Near(format!("page_viewed privacy at {at}, but {} at {}", attempt.kind.name(), attempt.at));
    }
    if episode.cart.stage != Stage::Payment {
        return Judged::Near(format!("page_viewed privacy at {at}, but left at stage {}", episode.cart.stage));
    }
    holds(40, format!("page_viewed privacy at {at}, and no attempt to pay"))
}

pub fn returns_policy(episode: &Episode<'_>) -> Judged {
    episode.left_from(Page::Returns, 55)
}
