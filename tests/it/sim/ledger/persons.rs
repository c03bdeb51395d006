//! Who wants no reminders gets none, who is held out gets none, and nobody gets two at a time.
//!
//! A person is judged here by what two carts share: an identifier in plain text, which the engine never sees together.

use std::collections::BTreeSet;

use cartwake::domain::{
    Cart, CartId, Delivery, Exposure, HOLDOUT, Identifier, IdentifierHash, Moment, Note, ReminderId,
};

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

    /// A note was left on these hashes, answered or not.
    pub fn noted(&mut self, hashes: &[IdentifierHash], note: &Note) {
        for hash in hashes {
            if let Note::Exposed(exposure) = note {
                self.exposed.entry(*hash).or_default().push(exposure.clone());
            } else if let Note::Linked(other) = note {
                self.linked.entry(*hash).or_default().insert(*other);
            }
        }
    }

    /// A cart was enrolled under these hashes, answered or not.
    pub fn enrolled(&mut self, hashes: &[IdentifierHash], cart: &CartId) {
        self.hashes.entry(cart.clone()).or_default().extend(hashes);
    }

    /// Every exposure of whoever a cart may be of.
    fn exposures_of(&self, cart: &CartId) -> Vec<&Exposure> {
        let mut person = self.hashes.get(cart).cloned().unwrap_or_default();
        for _ in 0..2 {
            let further: Vec<_> = person.iter().filter_map(|hash| self.linked.get(hash)).flatten().copied().collect();
            person.extend(further);
        }
        person.iter().filter_map(|hash| self.exposed.get(hash)).flatten().collect()
    }

    /// A cart came into an arm, as a cart of these.
    pub(super) fn came_into_an_arm(&mut self, before: Option<&Cart>, cart: &Cart) {
        if cart.past.arm.is_some() && before.is_none_or(|before| before.past.arm.is_none()) {
            self.exposed_as.insert(cart.id.clone(), names(&cart.content.shopper));
        }
    }

    /// A cart whose person is held out is never reminded. One who turns out to be another person too, who was not held out
    /// before, is that person; and a cart that is somebody else's now is theirs.
    pub(super) fn who_is_held_out_is_not_reminded(&mut self, delivery: &Delivery, cart: Option<&Cart>) {
        let Some(cart) = cart.filter(|_| delivery.is_reminder()) else { return };
        let is_held_out = cart.past.arm.as_ref().is_some_and(|arm| arm.as_str() == HOLDOUT);
        let of = names(&cart.content.shopper);
        let is_theirs = self.exposed_as.get(&cart.id).is_none_or(|then| !then.is_disjoint(&of));
        if is_held_out
            && is_theirs
            && self.exposures_of(&cart.id).iter().all(|exposure| exposure.arm.as_str() == HOLDOUT)
        {
            self.broke("who is held out is not reminded", &delivery.id);
        }
    }

    /// How many times somebody came into an arm.
    pub(super) fn exposures_to(&self, arm: &str) -> usize {
        let of_arm = self.exposed.values().flatten().filter(|exposure| exposure.arm.as_str() == arm);
        of_arm.map(|exposure| (&exposure.cart, exposure.at)).collect::<BTreeSet<_>>().len()
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
