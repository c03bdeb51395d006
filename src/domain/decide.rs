//! The decision: what an input makes of a cart.
//!
//! Pure and total: every input to every cart has an answer, and the same arguments give the same answer. What a
//! transition entails is in `domain/draft.rs`; what makes it true in `engine/inbox.rs`. What time alone
//! makes of a cart is in `domain/wake.rs`.

use std::time::Duration;

use thiserror::Error;

use super::cart::{Cart, Stage, State, StateName};
use super::content::Content;
use super::delivery::Delivery;
use super::draft::Draft;
use super::fact::Fact;
use super::id::{CartId, ShopId};
use super::input::{Input, What};
use super::names::named;
use super::order::OrderStatus;
use super::person::Person;
use super::program::Program;
use super::reason::{ReasonCode, ReasonSource};
use super::settle::{absorb, apply_order, settle_by_purchase};
use super::shoppers;
use super::signal::{self, Signal, SignalKind};
use super::time::Moment;
use super::trail;
use super::wake::catch_up;

/// How far the clock of a storefront, or of a shopper, may be from ours.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(300);
/// How many attributes a cart keeps.
pub const ATTRIBUTES_MAX: usize = 32;

named! {
    /// Whether an input changed anything.
    pub enum Applied {
        Applied = "applied",
        /// Older than the last one applied.
        Stale = "stale",
        /// The cart has ended; nothing re-opens it.
        Closed = "closed",
    }
}

/// The answer to an input, complete enough to be given again when the caller did not get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub created: bool,
    pub applied: Applied,
    pub state: StateName,
    pub stage: Stage,
    pub abandonments: u32,
    pub revision: Option<u64>,
    pub next_wake_at: Moment,
}

/// What is to be made true, in one atomic commit.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The next cart; `None` removes the record.
    pub cart: Option<Cart>,
    pub outbox: Vec<Delivery>,
    pub facts: Vec<Fact>,
    pub receipt: Receipt,
    /// Nothing changed: there is nothing to write.
    pub is_noop: bool,
}

/// Why an input cannot be decided on at all.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// Only a snapshot or an order makes a cart.
    #[error("there is no such cart")]
    NoSuchCart,
    /// Amounts are never re-labelled.
    #[error("a new currency needs the items and totals in that currency")]
    CurrencyWithoutAmounts,
    /// Two carts of different currencies have no sum.
    #[error("carts of different currencies cannot be merged")]
    CurrenciesDiffer,
    /// The lines of both together.
    #[error("a cart keeps at most 200 lines")]
    TooManyLines,
    /// The attributes of the cart and of the patch together.
    #[error("a cart keeps at most 32 attributes")]
    TooManyAttributes,
}

/// What this input makes of the cart.
///
/// # Errors
/// When the input needs a cart and there is none, or would break an invariant of the cart.
pub fn decide(
    (shop, id): (&ShopId, &CartId),
    cart: Option<Cart>,
    input: &Input,
    person: &Person,
    now: Moment,
    program: &Program,
) -> Result<Decision, Refusal> {
    let at = input.at.min(now.plus(CLOCKS_APART_MAX));
    let created = cart.is_none();
    let Some(cart) = cart else {
        let draft = first_sight(shop, id, input, at, now, program).ok_or(Refusal::NoSuchCart)?;
        return Ok(finish(draft, person, Applied::Applied, created));
    };
    let state_before = cart.state.clone();
    let mut draft = Draft::of(cart, now, program);
    let applied = apply(&mut draft, input, at, person)?;
    if let Some(what) = input.unmapped.filter(|_| applied == Applied::Applied) {
        draft.facts.push(Fact::Unmapped { what });
    }
    // An input that was not applied may still bring to light what was due before it: with a fact, or without one where
    // the sequence of a reason has no step to pass over.
    let has_moved = draft.cart.state != state_before;
    let mut decision = finish(draft, person, applied, created);
    decision.is_noop = applied != Applied::Applied && decision.facts.is_empty() && !has_moved;
    Ok(decision)
}

pub(super) fn finish(mut draft: Draft<'_>, person: &Person, applied: Applied, created: bool) -> Decision {
    draft.set_moments();
    // A purchase under the same identifiers may be known before the cart is, or before the cart has its identifiers.
    if applied == Applied::Applied && draft.cart.state.is_open() {
        draft.trim_by(person);
        if settle_by_purchase(&mut draft, person) {
            draft.set_moments();
        }
    }
    draft.move_in_funnel();
    let Draft { mut cart, facts, outbox, program, now, .. } = draft;
    trail::note(&mut cart, &facts, now, program);
    let receipt = Receipt {
        created,
        applied,
        state: cart.state.name(),
        stage: cart.stage,
        abandonments: cart.abandonments,
        revision: cart.revision,
        next_wake_at: cart.next_wake(),
    };
    Decision { cart: Some(cart), outbox, facts, receipt, is_noop: false }
}

/// The first thing heard of a cart.
fn first_sight<'a>(
    shop: &ShopId,
    id: &CartId,
    input: &Input,
    at: Moment,
    now: Moment,
    program: &'a Program,
) -> Option<Draft<'a>> {
    match &input.what {
        What::Snapshot { stage, content } => {
            let mut draft = Draft::born(shop, id, (**content).clone(), at, now, program);
            draft.cart.revision = input.revision;
            match shoppers::why_not_real(&draft.cart.content, &program.shoppers) {
                Some(why) => draft.born_apart(why, *stage),
                None => draft.enter_stage(*stage, at),
            }
            Some(draft)
        }
        What::Absorb { from, stage, content } => {
            let mut draft = Draft::born(shop, id, (**content).clone(), at, now, program);
            draft.cart.past.absorbed.push(from.clone());
            draft.enter_stage(*stage, at);
            Some(draft)
        }
        // The order came before its cart: what is left is a closed cart that a late snapshot cannot open.
        What::Order(news) if matches!(news.status, OrderStatus::Paid | OrderStatus::Pending) => {
            let mut draft = Draft::born(shop, id, Content::empty(news.currency), at, now, program);
            apply_order(&mut draft, news, at, &Person::nobody());
            Some(draft)
        }
        What::Order(_)
        | What::Patch(_)
        | What::Signal(_)
        | What::Reason(_)
        | What::SurveyShown
        | What::Cancel(_)
        | What::Dismiss
        | What::MergeInto(_)
        | What::OptOut
        | What::Restocked
        | What::Delete
        | What::Touch(_)
        | What::Click(_) => None,
    }
}

fn apply(draft: &mut Draft<'_>, input: &Input, at: Moment, person: &Person) -> Result<Applied, Refusal> {
    match &input.what {
        What::Delete => {
            if matches!(draft.cart.state, State::Erased) {
                return Ok(Applied::Closed);
            }
            catch_up(draft, at, person);
            draft.bury(State::Erased, at);
        }
        What::Order(news) => {
            if draft.cart.state.is_tombstone() || matches!(draft.cart.state, State::MergedInto(_)) {
                return Ok(Applied::Closed);
            }
            catch_up(draft, at, person);
            return Ok(apply_order(draft, news, at, person));
        }
        What::MergeInto(other) if draft.cart.state == State::MergedInto(other.clone()) => {}
        What::Absorb { from, .. } if draft.cart.has_absorbed(from) => {}
        What::Reason(said) => {
            if draft.cart.state.is_tombstone() {
                return Ok(Applied::Closed);
            }
            catch_up(draft, at, person);
            draft.hear(said, at);
        }
        What::Cancel(said) => {
            catch_up(draft, at, person);
            return Ok(draft.cancel(said.as_ref(), at, person));
        }
        _ if !draft.cart.state.is_open() => return Ok(Applied::Closed),
        // What is in it is ordered: it stays with its order, and nothing of it is wanted elsewhere.
        What::MergeInto(_) if matches!(draft.cart.state, State::PaymentPending { .. }) => return Ok(Applied::Closed),
        What::Dismiss if is_of_earlier(&draft.cart, input, at) => return Ok(Applied::Stale),
        What::Dismiss => {
            catch_up(draft, at, person);
            draft.dismiss(at);
        }
        What::SurveyShown => {
            catch_up(draft, at, person);
            draft.survey_shown();
        }
        What::OptOut => {
            catch_up(draft, at, person);
            let is_silent = draft.program.channels().all(|channel| person.opted_out_of(channel));
            if !(is_silent && matches!(draft.cart.state, State::Abandoned { .. })) {
                return Ok(Applied::Closed);
            }
            draft.opt_out(at);
        }
        What::Restocked => {
            if !draft.resume_step() {
                return Ok(Applied::Closed);
            }
        }
        What::MergeInto(other) => {
            catch_up(draft, at, person);
            draft.merge_into(other);
        }
        What::Absorb { from, stage, content } => return absorb(draft, (from, *stage, content), at, person),
        What::Signal(signal) => {
            catch_up(draft, at, person);
            apply_signal(draft, signal.clone(), at);
        }
        // Machines look at links too: nothing but a count follows from a touch.
        What::Touch(reminder) => return Ok(if draft.touch(*reminder, at) { Applied::Applied } else { Applied::Stale }),
        What::Click(reminder) => {
            catch_up(draft, at, person);
            draft.click(*reminder, at);
            draft.activity(at);
        }
        What::Snapshot { .. } | What::Patch(_) => return apply_content(draft, input, at, person),
    }
    Ok(Applied::Applied)
}

fn apply_content(draft: &mut Draft<'_>, input: &Input, at: Moment, person: &Person) -> Result<Applied, Refusal> {
    let (stage, content) = match &input.what {
        What::Patch(patch) => {
            let relabels = patch.currency.is_some_and(|c| c != draft.cart.content.currency);
            if relabels && !(patch.items.is_said() && patch.totals.is_said()) {
                return Err(Refusal::CurrencyWithoutAmounts);
            }
            (patch.stage.unwrap_or(draft.cart.stage), patch.applied_to(&draft.cart.content))
        }
        What::Snapshot { stage, content } => (*stage, (**content).clone()),
        What::Signal(_)
        | What::Reason(_)
        | What::SurveyShown
        | What::Cancel(_)
        | What::Order(_)
        | What::Dismiss
        | What::OptOut
        | What::Restocked
        | What::Absorb { .. }
        | What::MergeInto(_)
        | What::Delete
        | What::Touch(_)
        | What::Click(_) => {
            return Ok(Applied::Applied);
        }
    };
    if content.attributes.len() > ATTRIBUTES_MAX {
        return Err(Refusal::TooManyAttributes);
    }
    if is_stale(&draft.cart, input, at) {
        return Ok(Applied::Stale);
    }
    catch_up(draft, at, person);
    let content = draft.cart.without_bought(content);
    if content.items != draft.cart.content.items {
        draft.cart.items_changed_at = at;
    }
    draft.cart.content = content;
    draft.cart.occurred_at = at;
    draft.cart.revision = input.revision.max(draft.cart.revision);
    draft.activity(at);
    draft.enter_stage(stage, at);
    if let Some(why) = shoppers::why_not_real(&draft.cart.content, &draft.program.shoppers) {
        draft.set_apart(why);
    }
    Ok(Applied::Applied)
}

/// Revisions decide where both sides count them; the storefront's clock does otherwise.
fn is_stale(cart: &Cart, input: &Input, at: Moment) -> bool {
    match (input.revision, cart.revision) {
        (Some(new), Some(last)) => new <= last,
        (Some(_), None) | (None, _) => at < cart.occurred_at,
    }
}

/// Whether the shopper has changed the cart since. A no is said on a device whose clock may be behind, and one too few
/// reminders is better than one to somebody who said no: only what is clearly earlier is.
fn is_of_earlier(cart: &Cart, input: &Input, at: Moment) -> bool {
    match (input.revision, cart.revision) {
        (Some(seen), Some(last)) => seen < last,
        (Some(_), None) | (None, _) => at.plus(CLOCKS_APART_MAX) < cart.occurred_at,
    }
}

fn apply_signal(draft: &mut Draft<'_>, signal: Signal, at: Moment) {
    if let SignalKind::PaymentFailed { class } = signal.kind {
        draft.facts.push(Fact::PaymentFailed { class });
    }
    let is_news = signal.kind.is_activity() && at >= draft.cart.last_activity_at;
    let error = signal.kind.error();
    signal::keep(&mut draft.cart.signals, Signal { at, ..signal });
    if is_news {
        draft.activity(at);
    }
    if let Some(code) = error {
        draft.meet_error(code, at);
    }
}

/// A reason that a caller may report: `unknown` is for us to say.
#[must_use]
pub fn is_reportable(code: ReasonCode, source: ReasonSource) -> bool {
    code != ReasonCode::Unknown && matches!(source, ReasonSource::Reported | ReasonSource::Agent)
}
