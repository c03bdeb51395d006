//! The funnel: how far the carts of a day came, and how it ended.
//!
//! Every cart lies in exactly one cell of the day it began: the furthest stage it was seen in, and how it stands. A
//! decision moves it from one cell to another, so the funnel adds up by construction: what reached a stage went on, was
//! abandoned there, is still open there, or ended there. Read next: `reports/funnel.rs`, which adds the cells up.

use super::cart::{Cart, Stage, State};
use super::money::Currency;
use super::names::named;

named! {
    /// How a cart of the funnel stands.
    pub enum Standing {
        /// The shopper is at it, or its payment is on its way.
        Open = "open",
        /// Left, and not back so far.
        Abandoned = "abandoned",
        Bought = "bought",
        /// Bought, then refunded or cancelled.
        Reverted = "reverted",
        /// Neither left nor bought: emptied, erased, or an order that was cancelled before it was paid.
        Ended = "ended",
    }
}

/// Where a cart lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunnelCell {
    pub currency: Currency,
    /// The furthest it was seen in; an order without a cart went through the payment unseen.
    pub furthest: Stage,
    pub standing: Standing,
}

impl FunnelCell {
    /// The cell of a cart; `None` for a test, a bot or a fraud, for one that lives on in another, and for what has only its
    /// name left: such a cart stays in the cell it was in.
    #[must_use]
    pub fn of(cart: &Cart) -> Option<Self> {
        let standing = match cart.state {
            State::Active { .. } | State::PaymentPending => Standing::Open,
            State::Abandoned { .. } | State::Dismissed | State::OptedOut => Standing::Abandoned,
            State::Converted { .. } => Standing::Bought,
            State::Reverted => Standing::Reverted,
            State::Suppressed { .. } | State::MergedInto(_) | State::Expired | State::Erased => return None,
        };
        let furthest = cart.stages.furthest().unwrap_or(Stage::Payment);
        (!cart.content.test).then_some(Self { currency: cart.content.currency, furthest, standing })
    }

    /// The cell of a cart that lay in `was` before this decision.
    #[must_use]
    pub fn after(was: Option<Self>, cart: &Cart) -> Option<Self> {
        let ended = |was: Self| match was.standing {
            Standing::Open => Self { standing: Standing::Ended, ..was },
            Standing::Abandoned | Standing::Bought | Standing::Reverted | Standing::Ended => was,
        };
        match (was, &cart.state) {
            (Some(was), State::Expired | State::Erased) => Some(ended(was)),
            // Never paid, so nothing was bought.
            (Some(was), State::Reverted) if was.standing == Standing::Open => Some(ended(was)),
            _ => Self::of(cart),
        }
    }
}
