//! A cart as stored. Its shop and id are its key and not repeated here.
//!
//! Read next: `record/content.rs` for what the storefront told, `record/signal.rs` for what was observed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::code::{Coded, known};
use super::content::ContentRecord;
use super::delivery::{AbandonmentRecord, OrderBriefRecord, ReasonRecord};
use super::heard::HeardRecord;
use super::past::PastRecord;
use super::signal::SignalRecord;
use super::trail::TrailRecord;
use crate::domain::{
    Attribution, Cart, CartId, Held, Moment, NextStep, Past, ReminderMark, ShopId, Stage, StageSet, State, StateName,
    Why,
};

#[derive(Serialize, Deserialize)]
pub struct CartRecord<'a> {
    #[serde(borrow)]
    state: StateRecord<'a>,
    stage: u8,
    stages: u8,
    #[serde(borrow)]
    content: ContentRecord<'a>,
    #[serde(borrow)]
    signals: Vec<SignalRecord<'a>>,
    reasons: Vec<ReasonRecord>,
    created_at: i64,
    last_activity_at: i64,
    items_changed_at: i64,
    occurred_at: i64,
    revision: Option<u64>,
    episode_started_at: i64,
    abandonments: u32,
    last_abandonment: Option<AbandonmentRecord>,
    reminders: Vec<(u32, u32, i64)>,
    #[serde(borrow)]
    order: Option<OrderBriefRecord<'a>>,
    expires_at: i64,
    #[serde(default)]
    stage_since: i64,
    #[serde(default, borrow)]
    heard: Option<HeardRecord<'a>>,
    #[serde(default)]
    furthest_at: Option<i64>,
    #[serde(default)]
    trail: TrailRecord,
    #[serde(default, borrow)]
    past: Option<PastRecord<'a>>,
}

/// A state's code and what it carries; each state reads only its own.
#[derive(Serialize, Deserialize)]
struct StateRecord<'a> {
    code: u8,
    /// Active: when it stalls.
    #[serde(default)]
    at: Option<i64>,
    /// Abandoned, payment pending: the step that comes next.
    #[serde(default)]
    step: Option<(u32, i64)>,
    /// Converted: the attribution. Suppressed: the why.
    #[serde(default)]
    detail: u8,
    /// Merged: the other cart.
    #[serde(default, borrow)]
    into: Option<Cow<'a, str>>,
    /// Since when something holds the step back, and what.
    #[serde(default)]
    held: Option<(i64, u8)>,
}

impl<'a> StateRecord<'a> {
    fn of(state: &'a State) -> Self {
        let mut record = Self { code: state.name().code(), at: None, step: None, detail: 0, into: None, held: None };
        match state {
            State::Active { stalls_at } => record.at = stalls_at.map(Moment::millis),
            State::Abandoned { next_step } | State::PaymentPending { next_step } => {
                record.step = next_step.map(|step| (step.index, step.due_at.millis()));
                let held = next_step.and_then(|step| step.held);
                record.held = held.map(|held| (held.since.millis(), held.why.code()));
            }
            State::Converted { attribution } => record.detail = attribution.code(),
            State::Suppressed { why } => record.detail = why.code(),
            State::MergedInto(cart) => record.into = Some(Cow::Borrowed(cart.as_str())),
            State::Reverted | State::Dismissed | State::OptedOut | State::Expired | State::Erased => {}
        }
        record
    }

    fn into_state(self) -> Option<State> {
        Some(match StateName::from_code(self.code)? {
            StateName::Active => State::Active { stalls_at: self.at.map(Moment::from_millis) },
            StateName::Abandoned => State::Abandoned { next_step: self.next_step()? },
            StateName::PaymentPending => State::PaymentPending { next_step: self.next_step()? },
            StateName::Converted => State::Converted { attribution: Attribution::from_code(self.detail)? },
            StateName::Reverted => State::Reverted,
            StateName::Dismissed => State::Dismissed,
            StateName::OptedOut => State::OptedOut,
            StateName::Suppressed => State::Suppressed { why: Why::from_code(self.detail)? },
            StateName::Merged => State::MergedInto(CartId::parse(&self.into?).ok()?),
            StateName::Expired => State::Expired,
            StateName::Erased => State::Erased,
        })
    }
}

impl StateRecord<'_> {
    #[expect(clippy::option_option, reason = "absent and unreadable are two things")]
    fn next_step(&self) -> Option<Option<NextStep>> {
        let held = |(since, why)| Some(Held { since: Moment::from_millis(since), why: Why::from_code(why)? });
        let held = known(self.held, held)?;
        let step = |(index, due_at)| NextStep { index, due_at: Moment::from_millis(due_at), held };
        Some(self.step.map(step))
    }
}

impl<'a> CartRecord<'a> {
    pub fn of(cart: &'a Cart) -> Self {
        Self {
            state: StateRecord::of(&cart.state),
            stage: cart.stage.code(),
            stages: cart.stages.0,
            content: ContentRecord::of(&cart.content),
            signals: cart.signals.iter().map(SignalRecord::of).collect(),
            reasons: cart.reasons.iter().map(ReasonRecord::of).collect(),
            created_at: cart.created_at.millis(),
            last_activity_at: cart.last_activity_at.millis(),
            items_changed_at: cart.items_changed_at.millis(),
            occurred_at: cart.occurred_at.millis(),
            revision: cart.revision,
            episode_started_at: cart.episode_started_at.millis(),
            abandonments: cart.abandonments,
            last_abandonment: cart.last_abandonment.as_ref().map(AbandonmentRecord::of),
            reminders: cart.reminders.iter().map(|r| (r.abandonment, r.step, r.decided_at.millis())).collect(),
            order: cart.order.as_ref().map(OrderBriefRecord::of),
            expires_at: cart.expires_at.millis(),
            stage_since: cart.stage_since.millis(),
            heard: HeardRecord::of(&cart.heard),
            furthest_at: Some(cart.furthest_at.millis()),
            trail: TrailRecord::of(&cart.trail, cart.created_at),
            past: (cart.past != Past::default()).then(|| PastRecord::of(&cart.past)),
        }
    }

    pub fn into_cart(self, shop: &ShopId, id: &CartId) -> Option<Cart> {
        let reminder =
            |(abandonment, step, at)| ReminderMark { abandonment, step, decided_at: Moment::from_millis(at) };
        Some(Cart {
            shop: shop.clone(),
            id: id.clone(),
            state: self.state.into_state()?,
            stage: Stage::from_code(self.stage)?,
            stages: StageSet(self.stages),
            content: self.content.into_content()?,
            signals: self.signals.into_iter().map(SignalRecord::into_signal).collect::<Option<_>>()?,
            reasons: self.reasons.into_iter().map(ReasonRecord::into_reason).collect::<Option<_>>()?,
            created_at: Moment::from_millis(self.created_at),
            last_activity_at: Moment::from_millis(self.last_activity_at),
            items_changed_at: Moment::from_millis(self.items_changed_at),
            occurred_at: Moment::from_millis(self.occurred_at),
            revision: self.revision,
            episode_started_at: Moment::from_millis(self.episode_started_at),
            abandonments: self.abandonments,
            last_abandonment: known(self.last_abandonment, AbandonmentRecord::into_abandonment)?,
            reminders: self.reminders.into_iter().map(reminder).collect(),
            order: known(self.order, OrderBriefRecord::into_order_brief)?,
            expires_at: Moment::from_millis(self.expires_at),
            stage_since: Moment::from_millis(self.stage_since),
            heard: known(self.heard, HeardRecord::into_heard)?.unwrap_or_default(),
            furthest_at: Moment::from_millis(self.furthest_at.unwrap_or(self.created_at)),
            trail: self.trail.into_trail(Moment::from_millis(self.created_at)),
            past: known(self.past, PastRecord::into_past)?.unwrap_or_default(),
        })
    }
}
