//! Orders: what settles carts. An order is counted once, whatever its platform repeats, and its status only advances.
//!
//! The cart's side of an order is in `domain/decide.rs`; the order of writes that keeps "never remind a buyer" true is in
//! `engine/orders.rs`.

use std::collections::BTreeSet;

use super::attribution::Attribution;
use super::content::Shopper;
use super::fact::Fact;
use super::id::{CartId, OrderId, ProductId, ShopId};
use super::money::{Currency, Minor};
use super::names::named;
use super::note::ReminderId;
use super::person::{Covers, Person, PurchaseMark};
use super::time::Moment;

named! {
    /// Where an order stands.
    pub enum OrderStatus {
        Pending = "pending",
        Failed = "failed",
        Paid = "paid",
        Cancelled = "cancelled",
        Refunded = "refunded",
    }
}

named! {
    /// Whether the buyer has bought here before.
    pub enum OrderKind {
        First = "first",
        Repeat = "repeat",
    }
}

/// A product bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderItem {
    pub product_id: ProductId,
    pub quantity: u32,
}

/// What a storefront says about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderNews {
    pub id: OrderId,
    /// The cart it came from, when the storefront knows.
    pub cart: Option<CartId>,
    /// Under which identifiers it was placed.
    pub shopper: Shopper,
    pub status: OrderStatus,
    pub currency: Currency,
    pub total: Minor,
    /// Empty: the storefront did not say, so the order covers whatever was in the cart.
    pub items: Vec<OrderItem>,
    pub placed_at: Moment,
    /// The reminder whose link brought the buyer back.
    pub recovery: Option<ReminderId>,
}

impl OrderNews {
    /// The mark this order leaves on its buyer: a purchase, or one on its way. Later news leaves none: what was bought and
    /// sent back was bought all the same, and is not to be reminded of.
    #[must_use]
    pub fn mark(&self) -> Option<PurchaseMark> {
        let paid = match self.status {
            OrderStatus::Pending => false,
            OrderStatus::Paid => true,
            OrderStatus::Failed | OrderStatus::Cancelled | OrderStatus::Refunded => return None,
        };
        let products: BTreeSet<ProductId> = self.items.iter().map(|i| i.product_id.clone()).collect();
        let covers = if products.is_empty() { Covers::Everything } else { Covers::Products(products) };
        Some(PurchaseMark { order: self.id.clone(), placed_at: self.placed_at, covers, paid })
    }
}

/// An order as remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub shop: ShopId,
    pub id: OrderId,
    pub status: OrderStatus,
    pub currency: Currency,
    pub total: Minor,
    pub placed_at: Moment,
    /// The carts it ever touched, so that later news of it finds them.
    pub carts: Vec<CartId>,
    /// Set when first paid.
    pub paid_as: Option<(OrderKind, Attribution)>,
    pub expires_at: Moment,
    /// The reminder whose link brought the buyer back, once it was said.
    pub recovery: Option<ReminderId>,
}

impl Order {
    /// Whether this news is behind what is already known: a late `pending` after `paid` changes nothing.
    #[must_use]
    pub fn outdates(&self, status: OrderStatus) -> bool {
        let rank = |status| match status {
            OrderStatus::Pending => 0,
            OrderStatus::Failed => 1,
            OrderStatus::Paid => 2,
            OrderStatus::Cancelled | OrderStatus::Refunded => 3,
        };
        rank(status) < rank(self.status)
    }

    /// The order after this news, and what became true. `touched` are the carts it closed, reopened or reverted; those it
    /// converted say how that came about.
    #[must_use]
    pub fn after(
        prior: Option<Self>,
        shop: &ShopId,
        news: &OrderNews,
        touched: &[(CartId, Option<Attribution>)],
        buyer: &Person,
        expires_at: Moment,
    ) -> (Self, Vec<Fact>) {
        let mut order = prior.unwrap_or_else(|| Self {
            shop: shop.clone(),
            id: news.id.clone(),
            status: OrderStatus::Pending,
            currency: news.currency,
            total: news.total,
            placed_at: news.placed_at,
            carts: Vec::new(),
            paid_as: None,
            expires_at,
            recovery: None,
        });
        let was = order.status;
        order.status = news.status;
        order.expires_at = expires_at;
        order.recovery = order.recovery.or_else(|| news.recovery.clone());
        for (cart, _) in touched {
            if !order.carts.contains(cart) {
                order.carts.push(cart.clone());
            }
        }
        let mut facts = Vec::new();
        match news.status {
            OrderStatus::Paid if order.paid_as.is_none() => {
                order.total = news.total;
                order.currency = news.currency;
                let repeat =
                    news.shopper.existing_customer == Some(true) || buyer.bought_before(&news.id, news.placed_at);
                let kind = if repeat { OrderKind::Repeat } else { OrderKind::First };
                let recovered = touched.iter().any(|(_, a)| *a == Some(Attribution::Recovered));
                let attribution = if recovered { Attribution::Recovered } else { Attribution::Organic };
                order.paid_as = Some((kind, attribution));
                facts.push(Fact::OrderPaid { kind, currency: order.currency, value: order.total });
                if recovered {
                    facts.push(Fact::ValueRecovered { currency: order.currency, value: order.total });
                }
            }
            OrderStatus::Cancelled | OrderStatus::Refunded if was == OrderStatus::Paid && order.paid_as.is_some() => {
                let recovered = matches!(order.paid_as, Some((_, Attribution::Recovered)));
                facts.push(Fact::OrderReverted { recovered, currency: order.currency, value: order.total });
            }
            OrderStatus::Pending
            | OrderStatus::Failed
            | OrderStatus::Paid
            | OrderStatus::Cancelled
            | OrderStatus::Refunded => {}
        }
        (order, facts)
    }
}
