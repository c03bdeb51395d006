//! Who wants no reminders gets none, who is held out gets none, and nobody gets two at a time.
//!
//! A person is judged here by what two carts share: an identifier in plain text, which the engine never sees together.

use cartwake::domain::{Cart, Delivery, HOLDOUT, Identifier, Moment, ReminderId};

use super::Ledger;
use super::purchases::names;
use crate::samples::secs;
use crate::sim::shop::CAP;

/// How much earlier than its start a send was decided on, at most.
const DECIDED_BEFORE: std::time::Duration = secs(3);

impl Ledger {
    /// The engine answered an opt-out.
    pub fn opt_out_was_answered(&mut self, identifier: &Identifier) {
        self.count("opt-outs answered");
        let step = self.step;
        self.opted_out.entry(format!("{}:{}", identifier.kind, identifier.text.reveal())).or_insert(step);
    }

    /// No send of a reminder begins after the person's opt-out was answered.
    pub(super) fn who_opted_out_is_not_reminded(&mut self, delivery: &Delivery, begun: u64, cart: Option<&Cart>) {
        let Some(cart) = cart.filter(|_| delivery.is_reminder()) else { return };
        let of = names(&cart.content.shopper);
        if let Some((name, _)) = self.opted_out.iter().find(|(name, step)| **step < begun && of.contains(*name)) {
            let how = format!("{} starts, {name} opted out before", delivery.id);
            self.broke("who opted out is not reminded", &how);
        }
    }

    /// A cart whose person is held out is never reminded.
    pub(super) fn who_is_held_out_is_not_reminded(&mut self, delivery: &Delivery, cart: Option<&Cart>) {
        let arm = cart.filter(|_| delivery.is_reminder()).and_then(|cart| cart.past.arm.as_ref());
        if arm.is_some_and(|arm| arm.as_str() == HOLDOUT) {
            self.broke("who is held out is not reminded", &delivery.id);
        }
    }

    /// Two reminders to one person are the cap apart, whatever carts, processes and endpoints they come from.
    pub(super) fn a_cap_holds(&mut self, delivery: &Delivery, now: Moment, cart: Option<&Cart>) {
        let (Some(reminder), Some(cart)) = (ReminderId::of(delivery).filter(|_| delivery.is_reminder()), cart) else {
            return;
        };
        for name in names(&cart.content.shopper) {
            let sent = self.reminded.entry(name.clone()).or_default();
            let close = sent.iter().find(|(other, at)| *other != reminder && now.since(*at) + DECIDED_BEFORE < CAP);
            let how = close.map(|(other, at)| format!("{name}: {reminder:?} now, {other:?} at {at}"));
            sent.push((reminder.clone(), now));
            if let Some(how) = how {
                self.broke("a cap holds", &how);
            }
        }
    }
}
