//! What ends a cart, or part of it, from outside: an order, a purchase under the shopper's identifiers, a login merge.
//!
//! Part of a decision (`domain/decide.rs`, which knows when). Read next: `domain/trim.rs` and `domain/merge.rs`.

use super::cart::{Stage, State};
use super::content::Content;
use super::decide::{Applied, Refusal};
use super::draft::Draft;
use super::id::CartId;
use super::merge;
use super::order::{OrderNews, OrderStatus};
use super::person::Person;
use super::shoppers;
use super::signal::{self, PaymentClass, Signal, SignalKind};
use super::time::Moment;
use super::trail::ReminderRef;
use super::wake::catch_up;

pub(super) fn apply_order(draft: &mut Draft<'_>, news: &OrderNews, at: Moment, person: &Person) -> Applied {
    let by_this = draft.cart.order.as_ref().is_some_and(|o| o.id == news.id);
    let is_named = by_this || news.cart.as_ref() == Some(&draft.cart.id);
    let clicked = news.recovery.as_ref().filter(|recovery| recovery.cart == draft.cart.id);
    if let (Some(recovery), OrderStatus::Paid | OrderStatus::Pending) = (clicked, news.status) {
        draft.click(ReminderRef::from(recovery), at);
    }
    if let Some(mark) = news.mark().filter(|_| !is_named) {
        if draft.cart.state.is_open() && draft.trim(&mark) {
            return Applied::Applied;
        }
        // It took what it covers of this cart before.
        if draft.cart.past.bought.iter().any(|line| line.order == news.id) {
            return Applied::Closed;
        }
    }
    let is_pending = matches!(draft.cart.state, State::PaymentPending { .. });
    let comes_back = news.status == OrderStatus::Failed && draft.cart.state.is_open() && draft.cart.untrim(&news.id);
    // A cart that waits for this order opens again, too, whether the order took all of it or a part.
    if comes_back && !(by_this && is_pending) {
        return Applied::Applied;
    }
    let is_converted = matches!(draft.cart.state, State::Converted { .. });
    let is_reverted = matches!(draft.cart.state, State::Reverted);
    match news.status {
        OrderStatus::Paid if !is_converted && !is_reverted => draft.convert(news.brief(), at, person),
        // A cart that waits for the payment of one order is not another's because that covers everything.
        OrderStatus::Pending if draft.cart.state.is_open() && (is_named || !is_pending) => {
            draft.await_payment(news.brief(), at);
        }
        OrderStatus::Failed if by_this && is_pending => {
            let kind = SignalKind::PaymentFailed { class: PaymentClass::IssuerDeclined };
            draft.reopen(at);
            signal::keep(&mut draft.cart.signals, Signal { kind, at });
        }
        OrderStatus::Cancelled | OrderStatus::Refunded if by_this && (is_converted || is_pending) => {
            draft.revert(at);
        }
        OrderStatus::Paid
        | OrderStatus::Pending
        | OrderStatus::Failed
        | OrderStatus::Cancelled
        | OrderStatus::Refunded => return Applied::Closed,
    }
    Applied::Applied
}

/// Closes the cart when its lines were bought under the shopper's identifiers.
pub(super) fn settle_by_purchase(draft: &mut Draft<'_>, person: &Person) -> bool {
    let Some(mark) = person.purchase_settling(&draft.cart) else { return false };
    let (brief, placed_at) = (mark.brief(&draft.cart), mark.placed_at);
    if mark.paid {
        draft.convert(brief, placed_at, person);
        true
    } else if matches!(draft.cart.state, State::PaymentPending { .. }) {
        false
    } else {
        draft.await_payment(brief, placed_at);
        true
    }
}

/// Takes what another cart of the same shopper holds.
pub(super) fn absorb(
    draft: &mut Draft<'_>,
    (from, stage, content): (&CartId, Stage, &Content),
    at: Moment,
    person: &Person,
) -> Result<Applied, Refusal> {
    let ours = &draft.cart.content;
    if ours.currency != content.currency && !content.items.is_empty() {
        return Err(Refusal::CurrenciesDiffer);
    }
    if merge::union(&ours.items, &content.items).len() > merge::LINES_MAX {
        return Err(Refusal::TooManyLines);
    }
    catch_up(draft, at, person);
    if draft.cart.absorb(from, content) {
        draft.cart.items_changed_at = at;
    }
    draft.activity(at);
    draft.enter_stage(stage.max(draft.cart.stage), at);
    if let Some(why) = shoppers::why_not_real(&draft.cart.content, &draft.program.shoppers) {
        draft.set_apart(why);
    }
    Ok(Applied::Applied)
}
