//! What a rule may look at: the cart, and the signals since it was made or the shopper last came back.
//!
//! Evidence is written here and in the rules: which signal, when, against what threshold; never anything personal.

use std::time::Duration;

use super::RuleSettings;
use crate::domain::cart::{Cart, Stage};
use crate::domain::signal::{Page, PaymentClass, Signal, SignalKind};
use crate::domain::time::Moment;

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    Holds { confidence: u8, evidence: String },
    Near(String),
    No,
}

/// A rule that holds.
pub const fn holds(confidence: u8, evidence: String) -> Judged {
    Judged::Holds { confidence, evidence }
}

/// One idle episode.
pub struct Episode<'a> {
    pub cart: &'a Cart,
    /// In order of time.
    pub signals: Vec<&'a Signal>,
    pub settings: &'a RuleSettings,
}

impl<'a> Episode<'a> {
    pub fn of(cart: &'a Cart, settings: &'a RuleSettings) -> Self {
        let signals = cart.signals.iter().filter(|s| s.at >= cart.episode_started_at).collect();
        Self { cart, signals, settings }
    }

    pub fn newest(&self, accepts: fn(&SignalKind) -> bool) -> Option<&'a Signal> {
        self.signals.iter().rev().find(|s| accepts(&s.kind)).copied()
    }

    pub fn count(&self, accepts: impl Fn(&SignalKind) -> bool) -> usize {
        self.signals.iter().filter(|s| accepts(&s.kind)).count()
    }

    /// The newest `bad` signal, and the newest `good` one when that is at or after it.
    pub fn answered(
        &self,
        bad: fn(&SignalKind) -> bool,
        good: fn(&SignalKind) -> bool,
    ) -> Option<(&'a Signal, Option<&'a Signal>)> {
        let bad = self.newest(bad)?;
        Some((bad, self.newest(good).filter(|good| good.at >= bad.at)))
    }

    /// The newest failed payment.
    pub fn failure(&self) -> Option<(&'a Signal, PaymentClass)> {
        self.signals.iter().rev().find_map(|signal| {
            let SignalKind::PaymentFailed { class } = signal.kind else { return None };
            Some((*signal, class))
        })
    }

    /// The newest page of those that hint at a worry.
    pub fn last_page(&self) -> Option<(&'a Signal, Page)> {
        self.signals.iter().rev().find_map(|signal| {
            let SignalKind::PageViewed { page, .. } = signal.kind else { return None };
            Some((*signal, page))
        })
    }

    /// When this page was last looked at.
    pub fn viewed(&self, wanted: Page) -> Option<Moment> {
        let is_it = |s: &&&Signal| matches!(s.kind, SignalKind::PageViewed { page, .. } if page == wanted);
        self.signals.iter().rev().find(is_it).map(|s| s.at)
    }

    /// The shopper began to pay; what came of it is another question.
    pub fn payment_attempt(&self) -> Option<&'a Signal> {
        self.newest(|k| {
            matches!(
                k,
                SignalKind::PaymentAttempted
                    | SignalKind::PaymentRedirected
                    | SignalKind::PaymentReturned
                    | SignalKind::PaymentFailed { .. }
            )
        })
    }

    /// This page was the last thing that the shopper looked at.
    pub fn left_from(&self, wanted: Page, confidence: u8) -> Judged {
        let Some(at) = self.viewed(wanted) else { return Judged::No };
        let is_last = self.last_page().is_some_and(|(_, page)| page == wanted) && at >= self.cart.last_activity_at;
        if is_last {
            holds(confidence, format!("page_viewed {wanted} was the last thing looked at, at {at}"))
        } else {
            Judged::Near(format!("page_viewed {wanted} at {at}, but the shopper went on"))
        }
    }

    /// What holds only at one step nearly holds at another.
    pub fn only_at(&self, wanted: Stage, judged: Judged) -> Judged {
        match judged {
            Judged::Holds { evidence, .. } if self.cart.stage != wanted => {
                Judged::Near(format!("{evidence}, but left at stage {}", self.cart.stage))
            }
            Judged::Near(_) if self.cart.stage != wanted => Judged::No,
            Judged::Holds { .. } | Judged::Near(_) | Judged::No => judged,
        }
    }

    /// How long the shopper has been at work at this step of the checkout.
    pub fn step_time(&self) -> Option<Duration> {
        let is_checkout = matches!(self.cart.stage, Stage::Contact | Stage::Shipping | Stage::Payment);
        let since = self.cart.stage_since.max(self.cart.episode_started_at);
        is_checkout.then(|| self.cart.last_activity_at.since(since))
    }
}

/// A measure against its threshold: held from the threshold on, near from half of it.
pub fn measured(value: u64, threshold: u64, confidence: u8, evidence: String) -> Judged {
    if value >= threshold {
        holds(confidence, evidence)
    } else if value.saturating_mul(2) >= threshold && value > 0 {
        Judged::Near(evidence)
    } else {
        Judged::No
    }
}
