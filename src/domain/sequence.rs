//! A sequence in the making: which step comes next, and what becomes of one that has come due.
//!
//! Part of a decision (`domain/draft.rs`). Whether a reminder may go out is for the guards to say (`domain/guard.rs`).

use super::cart::{Abandonment, Held, NextStep, REMINDERS_MAX, ReminderMark, State};
use super::delivery::{Event, EventKind, StepBrief, Why};
use super::draft::Draft;
use super::fact::{Fact, ReminderResult};
use super::guard::{Known, Look};
use super::person::Person;
use super::program::{PENDING_INDEX, Step};
use super::send::Vetting;
use super::time::Moment;

impl Draft<'_> {
    pub fn step_after(&self, index: Option<u32>, abandonment: &Abandonment, person: &Person) -> Option<NextStep> {
        let reason = abandonment.reason.code;
        let index = self.program.index_after(reason, index);
        let delay = self.program.delay(reason, index, person)?;
        Some(NextStep { index, due_at: abandonment.abandoned_at.plus(delay), held: None })
    }

    /// The shopper was back before we looked: a step that came due meanwhile is not sent.
    pub fn skip(&mut self, step: NextStep, person: &Person) {
        let Some(abandonment) = self.cart.last_abandonment else { return };
        let next_step = self.step_after(Some(step.index), &abandonment, person);
        self.cart.state = State::Abandoned { next_step };
        if let Some(policy) = self.program.step(abandonment.reason.code, step.index) {
            let (step, why) = (policy.name.clone(), Some(Why::ShopperReturned));
            self.facts.push(Fact::Reminder { step, result: ReminderResult::Suppressed, why });
        }
    }

    /// The reminder of a payment that is on its way since then: one in an abandonment, or before any.
    pub fn step_of_payment(&self, placed_at: Moment) -> Option<NextStep> {
        let step = self.program.payment_pending.as_ref()?;
        let episode = self.cart.last_abandonment.map_or(0, |last| last.number);
        let is_new = self.cart.past.payment_decided != Some(episode);
        is_new.then(|| NextStep { index: PENDING_INDEX, due_at: placed_at.plus(step.delay), held: None })
    }

    /// What follows a step that was decided; nothing follows the reminder of a payment.
    fn follows(&self, step: NextStep, person: &Person) -> Option<NextStep> {
        let abandonment = self.cart.last_abandonment.filter(|_| step.index != PENDING_INDEX)?;
        self.step_after(Some(step.index), &abandonment, person)
    }

    fn wait_for(&mut self, next: Option<NextStep>) {
        if let State::Abandoned { next_step } | State::PaymentPending { next_step } = &mut self.cart.state {
            *next_step = next;
        }
    }

    /// A step came due: decide its reminder once and move on to the next step, or hold it.
    pub fn remind(&mut self, step: NextStep, known: Known<'_>) {
        let next_step = self.follows(step, known.person);
        let Some(look) = Look::at_step(&self.cart, known, step, self.now) else { return self.wait_for(next_step) };
        let is_overtaken = next_step.is_some_and(|next| next.due_at <= self.now);
        let vetting = if is_overtaken { Vetting::Suppress(Why::Superseded) } else { look.verdict() };
        let is_exposed = !is_overtaken && look.is_exposed();
        let (since, reminder, policy) = (look.since, look.reminder.clone(), look.step.into_owned());
        let name = policy.name.clone();
        if is_exposed {
            self.expose(known.person);
        }
        let (result, why) = match vetting {
            Vetting::Defer { until, why } => {
                let held = Some(Held { since, why });
                self.wait_for(Some(NextStep { index: step.index, due_at: until, held }));
                if step.held.map(|held| held.why) != Some(why) {
                    self.facts.push(Fact::ReminderDeferred { step: name, why });
                }
                return;
            }
            Vetting::Suppress(why) => (ReminderResult::Suppressed, Some(why)),
            Vetting::Proceed if self.queue_reminder(step, &policy, reminder.abandonment) > 0 => {
                (ReminderResult::Decided, None)
            }
            Vetting::Proceed => (ReminderResult::Suppressed, Some(Why::NoEndpoint)),
        };
        self.wait_for(next_step);
        if reminder.step == PENDING_INDEX {
            self.cart.past.payment_decided = Some(reminder.abandonment);
        }
        self.facts.push(Fact::Reminder { step: name, result, why });
    }

    /// The person's exposure to the experiment becomes this cart's, and a fact of the cart where it began.
    fn expose(&mut self, person: &Person) {
        let Some(experiment) = &self.program.experiment else { return };
        let (arm, exposure) = (experiment.arm_of(person), experiment.exposure_of(person));
        let exposed_at = exposure.map_or(self.now, |exposure| exposure.at);
        let past = &mut self.cart.past;
        if past.arm.is_some() && past.exposed_at.is_none_or(|known| known == exposed_at) {
            return;
        }
        if exposure.is_none_or(|exposure| exposure.cart == self.cart.id) {
            self.facts.push(Fact::Exposed { experiment: experiment.name.clone(), arm: arm.clone() });
        }
        (past.arm, past.exposed_at) = (Some(arm), Some(exposed_at));
    }

    fn queue_reminder(&mut self, step: NextStep, policy: &Step, abandonment: u32) -> usize {
        let is_of_payment = step.index == PENDING_INDEX;
        let sequence = self.cart.last_abandonment.filter(|_| !is_of_payment);
        let of = sequence.map_or(0, |last| self.program.steps_for(last.reason.code).len());
        let brief = StepBrief {
            index: step.index,
            of: u32::try_from(of).unwrap_or(u32::MAX),
            name: policy.name.clone(),
            channel: policy.channel,
        };
        if self.cart.reminders.len() == REMINDERS_MAX {
            self.cart.reminders.remove(0);
        }
        let mark = ReminderMark { abandonment, step: step.index, decided_at: self.now };
        self.cart.reminders.push(mark);
        let before = self.outbox.len();
        let event = self.event(EventKind::Reminder, step.due_at);
        let order = self.cart.order.clone().filter(|_| is_of_payment);
        // Why the cart was left before is no reason why a payment takes its time.
        let reason = event.reason.filter(|_| !is_of_payment);
        self.announce(&Event { step: Some(brief), order, reason, ..event });
        self.outbox.len() - before
    }

    /// A step that waits for stock is looked at again now. One that is just coming due counts as waiting: whoever decides
    /// about it at this moment may not know of the restock yet, and will have to decide anew.
    pub fn resume_step(&mut self) -> bool {
        let State::Abandoned { next_step: Some(step) } = &mut self.cart.state else { return false };
        let waits = step.held.is_some_and(|held| held.why == Why::OutOfStock);
        if waits {
            step.due_at = self.now;
        }
        waits || step.due_at <= self.now
    }
}

#[cfg(test)]
mod tests;
