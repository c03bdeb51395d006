//! What an order owes to us. Recorded on the order when it is paid, and never reconstructed later.
//!
//! The rule, shown beside every number that follows from it: an order inside the attribution window of an abandonment
//! recovers the cart. Whether that is due to a reminder is a claim of its own: `clicked` when the shopper came back by its
//! link, `assisted` when one was sent before the order, `returned` when there was none. A claim is no proof: what the
//! reminders changed is for the holdout to say (`domain/lift.rs`).

use super::cart::Cart;
use super::id::StepName;
use super::names::named;
use super::person::Person;
use super::program::{PENDING_INDEX, Program};
use super::time::Moment;

named! {
    /// How a conversion came about. A later member is the stronger claim.
    pub enum Attribution {
        /// No abandonment went before, or it was too long ago.
        Organic = "organic",
        /// After an abandonment, without a reminder: the shopper came back alone.
        Returned = "returned",
        /// After an abandonment and a reminder to this person.
        Assisted = "assisted",
        /// By the link of a reminder.
        Clicked = "clicked",
    }
}

impl Attribution {
    /// Whether it followed an abandonment inside the window.
    #[must_use]
    pub const fn is_recovered(self) -> bool {
        !matches!(self, Self::Organic)
    }
}

/// A claim, and the step of the sequence that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    pub attribution: Attribution,
    /// Of the reminder clicked, or else of the last one before the order.
    pub step: Option<StepName>,
}

impl Credit {
    /// Nothing is claimed.
    pub const NONE: Self = Self { attribution: Attribution::Organic, step: None };

    /// Judges an order of this cart, placed at `placed_at` by `person`. What happened after it counts for nothing.
    #[must_use]
    pub fn judge(cart: &Cart, person: &Person, placed_at: Moment, program: &Program) -> Self {
        let inside = |at: Moment| at <= placed_at && placed_at <= at.plus(program.attribution_window);
        let Some(abandonment) = cart.last_abandonment.filter(|last| inside(last.abandoned_at)) else {
            return Self::NONE;
        };
        let name = |index| program.step(abandonment.reason.code, index).map(|step| step.name.clone());
        // A reminder of a payment is of an order that was placed: it brings nobody back.
        let follows = cart.trail.follows.iter().filter(|follow| follow.reminder.step != PENDING_INDEX);
        let clicks = follows.filter_map(|follow| Some((follow.clicked_at?, follow.reminder)));
        if let Some((_, reminder)) = clicks.filter(|(at, _)| inside(*at)).max_by_key(|(at, _)| *at) {
            return Self { attribution: Attribution::Clicked, step: name(reminder.step) };
        }
        let sent = person.reminded.iter().filter(|reminded| reminded.reminder.step != PENDING_INDEX);
        let sent = sent.filter(|reminded| inside(reminded.at)).max_by_key(|reminded| reminded.at);
        match sent {
            Some(reminded) => Self { attribution: Attribution::Assisted, step: name(reminded.reminder.step) },
            None => Self { attribution: Attribution::Returned, step: None },
        }
    }

    /// The stronger of two claims.
    #[must_use]
    pub fn stronger(self, other: Self) -> Self {
        if other.attribution > self.attribution { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stronger_claim_outranks_a_weaker_one_and_keeps_its_step() {
        let step = |name| StepName::parse(name).ok();
        let clicked = Credit { attribution: Attribution::Clicked, step: step("first") };
        let assisted = Credit { attribution: Attribution::Assisted, step: step("second") };
        let credits = [Credit::NONE, clicked.clone(), assisted.clone()];
        assert_eq!(credits.into_iter().fold(Credit::NONE, Credit::stronger), clicked);
        assert_eq!(assisted.clone().stronger(Credit::NONE), assisted);
    }
}
