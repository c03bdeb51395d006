//! Orders: what settles carts. An order is counted once, whatever its platform repeats, and its status only advances,
//! but for a payment that is tried again.
//!
//! The cart's side of an order is in `domain/decide.rs`; the order of writes that keeps "never remind a buyer" true is in
//! `engine/orders.rs`.

use std::collections::BTreeSet;

use super::attribution::Credit;
use super::content::Shopper;
use super::fact::Fact;
use super::id::{ArmName, CartId, ExperimentName, OrderId, ProductId, ShopId};
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
    /// When this was so, where the storefront says it.
    pub said_at: Option<Moment>,
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

/// What a paid order was counted as. Kept with it, so that a reversal takes back just that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    pub kind: OrderKind,
    pub credit: Credit,
    /// The arms of experiments that it was the first outcome of.
    pub arms: Vec<(ExperimentName, ArmName)>,
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
    pub paid_as: Option<Paid>,
    pub expires_at: Moment,
    /// The reminder whose link brought the buyer back, once it was said.
    pub recovery: Option<ReminderId>,
    /// When what is known of its payment was so, where that was said.
    pub told_at: Option<Moment>,
}

impl Order {
    /// Whether this news is behind what is already known: a late `pending` after `paid` changes nothing. A payment that
    /// failed may be tried again: of the two, what was so later counts, where both say when.
    #[must_use]
    pub fn outdates(&self, news: &OrderNews) -> bool {
        let is_unpaid = |status| matches!(status, OrderStatus::Pending | OrderStatus::Failed);
        if let (Some(known), Some(said)) = (self.told_at, news.said_at)
            && is_unpaid(self.status)
            && is_unpaid(news.status)
            && known != said
        {
            return said < known;
        }
        let rank = |status| match status {
            OrderStatus::Pending => 0,
            OrderStatus::Failed => 1,
            OrderStatus::Paid => 2,
            OrderStatus::Cancelled | OrderStatus::Refunded => 3,
        };
        rank(news.status) < rank(self.status)
    }

    /// The order after this news, and what became true. `touched` are the carts it closed, reopened or reverted; those it
    /// converted say how that came about; `arms` are those of experiments that it decides.
    #[must_use]
    pub fn after(
        prior: Option<Self>,
        shop: &ShopId,
        news: &OrderNews,
        touched: &[(CartId, Option<Credit>)],
        (buyer, arms): (&Person, Vec<(ExperimentName, ArmName)>),
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
            told_at: None,
        });
        let was = order.status;
        order.status = news.status;
        order.expires_at = expires_at;
        order.told_at = news.said_at.or(order.told_at);
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
                let credits = touched.iter().filter_map(|(_, credit)| credit.clone());
                let credit = credits.fold(Credit::NONE, Credit::stronger);
                facts.extend(order.counted(kind, &credit, &arms));
                order.paid_as = Some(Paid { kind, credit, arms });
            }
            OrderStatus::Cancelled | OrderStatus::Refunded if was == OrderStatus::Paid => {
                facts.extend(order.paid_as.iter().flat_map(|paid| order.taken_back(paid)));
            }
            OrderStatus::Pending
            | OrderStatus::Failed
            | OrderStatus::Paid
            | OrderStatus::Cancelled
            | OrderStatus::Refunded => {}
        }
        (order, facts)
    }

    fn counted(&self, kind: OrderKind, credit: &Credit, arms: &[(ExperimentName, ArmName)]) -> Vec<Fact> {
        let (currency, value) = (self.currency, self.total);
        let paid = [
            Fact::OrderPaid { kind, currency, value },
            Fact::OrderCredited { credit: credit.clone(), currency, value },
        ];
        let outcome = |(experiment, arm): &(ExperimentName, ArmName)| Fact::ExperimentConverted {
            experiment: experiment.clone(),
            arm: arm.clone(),
            currency,
            value,
        };
        paid.into_iter().chain(arms.iter().map(outcome)).collect()
    }

    fn taken_back(&self, paid: &Paid) -> Vec<Fact> {
        let (currency, value) = (self.currency, self.total);
        let outcome = |(experiment, arm): &(ExperimentName, ArmName)| Fact::ExperimentReverted {
            experiment: experiment.clone(),
            arm: arm.clone(),
            currency,
            value,
        };
        let reverted = Fact::OrderReverted { credit: paid.credit.clone(), currency, value };
        std::iter::once(reverted).chain(paid.arms.iter().map(outcome)).collect()
    }
}
