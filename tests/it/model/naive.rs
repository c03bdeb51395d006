//! The naive model: what should have become of a cart, worked out from everything that happened to it.
//!
//! It knows idleness, ends and orders, and none of reasons, reminders, wakes or storage. It is meant to be read beside
//! the lifecycle in `src/domain.rs`, and to be too plain to be wrong.

use cartwake::domain::{Field, Moment, OrderId, OrderNews, OrderStatus, Program, Stage, StateName, What};

use super::Outcome;
use super::life::Life;

struct Known<'a> {
    program: &'a Program,
    state: StateName,
    stage: Stage,
    has_items: bool,
    is_test: bool,
    last_activity_at: Moment,
    order: Option<OrderId>,
    abandoned_at: Vec<Moment>,
}

/// What an orderly life comes to.
pub fn outcome(life: &Life) -> Outcome {
    let mut known: Option<Known<'_>> = None;
    for happening in &life.happenings {
        let now = happening.now;
        known = match known {
            Some(mut known) => {
                known.idle_until(now);
                known.hear(&happening.input.what, now);
                Some(known)
            }
            None => Known::begin(&life.program, &happening.input.what, now),
        };
    }
    let Some(mut known) = known else { return Outcome::default() };
    known.idle_until(life.ends_at);
    Outcome { abandoned_at: known.abandoned_at, state: Some(known.state), cell: None }
}

impl<'a> Known<'a> {
    /// Only a snapshot, or an order that stands, is the beginning of a cart.
    fn begin(program: &'a Program, what: &What, now: Moment) -> Option<Self> {
        let begins = match what {
            What::Snapshot { .. } | What::Absorb { .. } => true,
            What::Order(news) => matches!(news.status, OrderStatus::Paid | OrderStatus::Pending),
            What::Patch(_)
            | What::Signal(_)
            | What::Reason(_)
            | What::SurveyShown
            | What::Cancel(_)
            | What::Dismiss
            | What::OptOut
            | What::Restocked
            | What::MergeInto(_)
            | What::Delete
            | What::Touch(_)
            | What::Click(_) => false,
        };
        let mut known = Self {
            program,
            state: StateName::Active,
            stage: Stage::Browse,
            has_items: false,
            is_test: false,
            last_activity_at: now,
            order: None,
            abandoned_at: Vec::new(),
        };
        known.hear(what, now);
        begins.then_some(known)
    }

    const fn is_open(&self) -> bool {
        matches!(self.state, StateName::Active | StateName::Abandoned | StateName::PaymentPending)
    }

    fn idle_until(&mut self, now: Moment) {
        let Some(window) = self.program.idle.of(self.stage) else { return };
        let stalls_at = self.last_activity_at.plus(window);
        if self.state == StateName::Active && self.has_items && stalls_at < now {
            self.state = StateName::Abandoned;
            self.abandoned_at.push(stalls_at);
        }
    }

    fn hear(&mut self, what: &What, now: Moment) {
        match what {
            What::Order(news) => return self.hear_order(news, now),
            What::Delete => self.state = StateName::Erased,
            _ if !self.is_open() => {}
            What::Snapshot { stage, content } => {
                self.stage = *stage;
                self.has_items = !content.items.is_empty();
                self.is_test = content.test;
                self.is_active(now);
            }
            What::Patch(patch) => {
                self.stage = patch.stage.unwrap_or(self.stage);
                match &patch.items {
                    Field::Keep => {}
                    Field::Clear => self.has_items = false,
                    Field::Set(items) => self.has_items = !items.is_empty(),
                }
                self.is_test |= patch.test == Field::Set(true);
                self.is_active(now);
            }
            What::Signal(signal) if signal.kind.is_activity() => self.is_active(now),
            What::Click(_) => self.is_active(now),
            What::Signal(_)
            | What::Reason(_)
            | What::SurveyShown
            | What::OptOut
            | What::Restocked
            | What::Absorb { .. }
            | What::MergeInto(_)
            | What::Touch(_) => {}
            What::Cancel(_) => self.hear_cancel(now),
            What::Dismiss => self.state = StateName::Dismissed,
        }
        if self.is_test && self.is_open() {
            self.state = StateName::Suppressed;
        }
    }

    /// Whoever gives up a cart with lines abandons it there and then.
    fn hear_cancel(&mut self, now: Moment) {
        if self.state == StateName::Active && self.has_items {
            self.state = StateName::Abandoned;
            self.abandoned_at.push(now);
        }
    }

    fn is_active(&mut self, now: Moment) {
        self.last_activity_at = now;
        if self.state == StateName::Abandoned {
            self.state = StateName::Active;
        }
    }

    fn hear_order(&mut self, news: &OrderNews, now: Moment) {
        use StateName::{Active, Converted, Erased, PaymentPending, Reverted};
        let is_ours = self.order.as_ref() == Some(&news.id);
        match (news.status, self.state) {
            (_, Erased | Reverted) | (OrderStatus::Paid, Converted) => {}
            (OrderStatus::Paid, _) => {
                self.state = Converted;
                self.order = Some(news.id.clone());
                self.last_activity_at = now;
            }
            // It waits for another order, and this one does not name it.
            (OrderStatus::Pending, PaymentPending) if !is_ours => {}
            (OrderStatus::Pending, _) if self.is_open() => {
                self.state = PaymentPending;
                self.order = Some(news.id.clone());
                self.last_activity_at = now;
            }
            (OrderStatus::Failed, PaymentPending) if is_ours => {
                self.state = Active;
                self.order = None;
                self.last_activity_at = now;
            }
            (OrderStatus::Cancelled | OrderStatus::Refunded, Converted | PaymentPending) if is_ours => {
                self.state = Reverted;
            }
            _ => {}
        }
    }
}
