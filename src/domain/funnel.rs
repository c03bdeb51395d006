//! The funnel: how far the carts of a day came, and how it ended.
//!
//! Every cart lies in exactly one cell of the day it began: the furthest stage it was seen in, and how it stands. A
//! decision moves it from one cell to another, so the funnel adds up by construction: what reached a stage went on, was
//! abandoned there, is still open there, or ended there. Read next: `reports/funnel.rs`, which adds the cells up.

use super::cart::{Cart, Stage, State};
use super::draft::Draft;
use super::fact::Fact;
use super::money::Currency;
use super::names::named;
use super::span::SpanBucket;
use super::time::Moment;

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
            State::Active { .. } | State::PaymentPending { .. } => Standing::Open,
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

/// What a decision notes for the funnel on its way.
impl Draft<'_> {
    /// The cart goes on from its furthest stage. A storefront that names a stage only afterwards passes it in no time.
    pub fn pass_stage(&mut self, furthest: Option<Stage>, at: Moment) {
        if let Some(stage) = furthest
            && FunnelCell::of(&self.cart).is_some()
        {
            let took = SpanBucket::of(at.since(self.cart.furthest_at));
            self.facts.push(Fact::StagePassed { stage, took, begun_at: self.cart.created_at });
        }
    }

    /// Moves the cart in the funnel to where it lies now: when everything else is decided, and before only its name is left.
    pub fn move_in_funnel(&mut self) {
        let (from, to) = (self.lay_in, FunnelCell::after(self.lay_in, &self.cart));
        if from != to {
            self.facts.push(Fact::FunnelMoved { from, to, begun_at: self.cart.created_at });
            self.lay_in = to;
        }
    }

    /// The cart is bought: its last stage is over. An order without a cart took no time that anybody saw.
    pub fn time_order(&mut self, placed_at: Moment) {
        let furthest = self.cart.stages.furthest();
        self.pass_stage(furthest, placed_at);
        if furthest.is_some() && FunnelCell::of(&self.cart).is_some() {
            let took = SpanBucket::of(placed_at.since(self.cart.created_at));
            self.facts.push(Fact::OrderTook { took, begun_at: self.cart.created_at });
        }
    }
}
