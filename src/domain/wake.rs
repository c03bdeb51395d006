//! What time alone makes of a cart: an idle window that ends, a step that comes due, a retention that is over.
//!
//! Asked when a cart's wake has come, and before any input, so that what was late to be noticed is still decided at the
//! moment it was due. Read next: `domain/draft.rs` for what each transition entails.

use super::cart::{Cart, State};
use super::decide::{Applied, Decision, finish};
use super::draft::Draft;
use super::fact::Fact;
use super::guard::Known;
use super::person::Person;
use super::program::Program;
use super::settle::settle_by_purchase;
use super::time::Moment;
/// Lets happen what was due before `at`, at the moments it was due: what we noticed late is still counted right.
/// Reminders that came due unnoticed are not sent, for the shopper is here.
pub(super) fn catch_up(draft: &mut Draft<'_>, at: Moment, person: &Person) {
    loop {
        if let State::Active { stalls_at: Some(stalls_at) } = draft.cart.state
            && stalls_at < at
        {
            stall(draft, stalls_at, person);
        } else if let State::Abandoned { next_step: Some(step) } = draft.cart.state
            && step.due_at < at
        {
            draft.skip(step, person);
        } else {
            return;
        }
    }
}

/// The idle window ended: with a purchase made inside it the cart is bought, otherwise it is abandoned, whenever we look.
fn stall(draft: &mut Draft<'_>, stalls_at: Moment, person: &Person) {
    let in_time = person.purchase_settling(&draft.cart).is_some_and(|mark| mark.placed_at <= stalls_at);
    if !(in_time && settle_by_purchase(draft, person)) {
        draft.abandon(stalls_at, person);
    }
}

/// What being looked at makes of the cart; `None` when nothing is due.
#[must_use]
pub fn on_wake(cart: Cart, known: Known<'_>, now: Moment) -> Option<Decision> {
    if cart.next_wake() > now {
        return None;
    }
    let Known { person, program, .. } = known;
    let mut draft = Draft::of(cart, now, program);
    if draft.cart.state.is_open() {
        draft.trim_by(person);
    }
    loop {
        let wake = draft.cart.next_wake();
        if wake > now {
            break;
        }
        match draft.cart.state {
            State::Active { stalls_at: Some(stalls_at) } if stalls_at == wake => {
                stall(&mut draft, stalls_at, person);
                draft.set_moments();
            }
            State::Abandoned { next_step: Some(step) } | State::PaymentPending { next_step: Some(step) }
                if step.due_at == wake =>
            {
                if !settle_by_purchase(&mut draft, person) {
                    draft.remind(step, known);
                }
                draft.set_moments();
            }
            State::Active { .. } | State::Abandoned { .. } | State::PaymentPending { .. } => {
                draft.bury(State::Expired, wake);
            }
            State::Converted { .. }
            | State::Reverted
            | State::Dismissed
            | State::OptedOut
            | State::Suppressed { .. }
            | State::MergedInto(_)
            | State::Expired
            | State::Erased => return Some(purge(draft)),
        }
    }
    Some(finish(draft, person, Applied::Applied, false))
}

/// What the end of its retention makes of a cart whose shop is not configured any more; `None` before it. Nobody is told,
/// and it leaves no tombstone: there is nobody whose late news could open it again.
#[must_use]
pub fn on_left_behind(cart: Cart, now: Moment) -> Option<Decision> {
    let ends_at = cart.expires_at;
    if ends_at > now {
        return None;
    }
    // Of the whole program only its endpoints would tell here, and it has none.
    let nobodys = Program::default();
    let mut draft = Draft::of(cart, now, &nobodys);
    // Counted as any cart that ends before its shopper came back or bought.
    if matches!(draft.cart.state, State::Active { .. } | State::Abandoned { .. } | State::PaymentPending { .. }) {
        draft.bury(State::Expired, ends_at);
    }
    Some(purge(draft))
}

/// The end of a record: nothing is left but the tallies.
fn purge(mut draft: Draft<'_>) -> Decision {
    draft.facts.push(Fact::StateChanged { from: Some(draft.cart.state.name()), to: None });
    let mut decision = finish(draft, &Person::nobody(), Applied::Applied, false);
    decision.cart = None;
    decision
}
