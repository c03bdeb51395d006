//! What can be had, and for how much, as far as a cart's lines are concerned.
//!
//! Three sources speak of a product: the cart's own line, a signal, and the shop's stock news. The newest has the word;
//! silence is no objection.

use std::collections::BTreeMap;

use super::cart::Cart;
use super::content::Item;
use super::id::ProductId;
use super::note::{Note, StockLevel};
use super::signal::SignalKind;
use super::time::Moment;

/// What the shop told about products.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stock(BTreeMap<ProductId, StockLevel>);

impl FromIterator<Note> for Stock {
    fn from_iter<I: IntoIterator<Item = Note>>(notes: I) -> Self {
        let levels = notes.into_iter().filter_map(|note| match note {
            Note::Stock(level) => Some((level.product.clone(), level)),
            Note::Purchase(_)
            | Note::OptedOut(_)
            | Note::Reminded(_)
            | Note::Exposed(_)
            | Note::Granted(_)
            | Note::Linked(_)
            | Note::Reserved(_)
            | Note::Decided(_) => None,
        });
        Self(levels.collect())
    }
}

impl Stock {
    /// Nothing told.
    #[must_use]
    pub const fn unknown() -> Self {
        Self(BTreeMap::new())
    }

    /// What was told of a product.
    #[must_use]
    pub fn of(&self, product: &ProductId) -> Option<&StockLevel> {
        self.0.get(product)
    }

    /// Whether a line of the cart cannot be bought now.
    #[must_use]
    pub fn is_missing_a_line_of(&self, cart: &Cart) -> bool {
        cart.content.items.iter().any(|item| self.has(cart, item) == Some(false))
    }

    /// Whether a line of the cart can be bought now; nothing when nobody said.
    #[must_use]
    pub fn has(&self, cart: &Cart, item: &Item) -> Option<bool> {
        let line = item.in_stock.map(|in_stock| (cart.occurred_at, in_stock));
        let gone = |kind: &SignalKind| matches!(kind, SignalKind::ItemUnavailable { product: Some(product) } if *product == item.product_id);
        let signal = cart.signals.iter().rev().find(|signal| gone(&signal.kind)).map(|signal| (signal.at, false));
        let told = self.of(&item.product_id).map(|level| (level.at, level.in_stock));
        let newest = line.into_iter().chain(signal).chain(told).max_by_key(|(at, _): &(Moment, bool)| *at);
        newest.map(|(_, in_stock)| in_stock)
    }
}
