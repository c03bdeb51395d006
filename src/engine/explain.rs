//! Why a shopper was or was not reminded: what became of a cart, and what would be decided about it now.
//!
//! Asks the same guards that decide, on the same knowledge, and changes nothing. Never here: sentences for people
//! (`api/explain.rs`).

use super::inbox::Engine;
use crate::domain::{
    self, Abandonment, Cart, CartId, Channel, Considered, GUARDS, Known, Look, Moment, NextStep, PENDING_INDEX, Reason,
    ReasonCode, ShopId, State, StepName, Vetting,
};
use crate::store::{Letter, StoreResult};

/// What there is to tell of a cart.
pub struct Explanation {
    pub cart: Cart,
    pub letters: Vec<Letter>,
    pub outlook: Outlook,
    /// Every rule, and how near it is to holding in the current episode.
    pub rules: Vec<Considered>,
    /// Names of the program's steps, by their index.
    pub steps: Vec<(u32, StepName)>,
}

/// What would be decided now.
pub struct Outlook {
    pub asked_at: Moment,
    /// `None`: no reminder is to come.
    pub verdict: Option<Vetting>,
    /// For a cart that is not abandoned: as if it were, at the end of its idle window.
    pub assumes_abandoned_at: Option<Moment>,
    pub step: Option<StepOutlook>,
    /// Every guard in the order in which they are asked, and its objection.
    pub guards: Vec<(&'static str, Option<Vetting>)>,
}

/// The step that the outlook is about.
pub struct StepOutlook {
    pub index: u32,
    pub name: StepName,
    pub channel: Channel,
    pub due_at: Moment,
}

impl Engine {
    /// Everything there is to tell of a cart; `None` when there is no such cart.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn explain(&self, shop: &ShopId, id: &CartId) -> StoreResult<Option<Explanation>> {
        let Some(stored) = self.store.load(shop, id, None).await?.record else { return Ok(None) };
        let Ok(policy) = self.shop(shop) else { return Ok(None) };
        let (cart, program, now) = (*stored.value, &policy.program, self.now());
        let person = self.person_of(shop, &cart, now).await?;
        let stock = self.stock_of(Some(&cart), now).await?;
        let outlook = outlook(&cart, Known { person: &person, stock: &stock, program }, now);
        let letters = self.deliveries_of(shop, id).await?.unwrap_or_default();
        let rules = domain::consider(&cart, &program.rules);
        let reason = cart.last_abandonment.map_or(ReasonCode::Unknown, |abandonment| abandonment.reason.code);
        let named = |index| program.step(reason, index).map(|step| (index, step.name.clone()));
        let steps = (0..=PENDING_INDEX).filter_map(named).collect();
        Ok(Some(Explanation { cart, letters, outlook, rules, steps }))
    }
}

fn outlook(cart: &Cart, known: Known<'_>, now: Moment) -> Outlook {
    let silent =
        |verdict| Outlook { asked_at: now, verdict, assumes_abandoned_at: None, step: None, guards: Vec::new() };
    match &cart.state {
        State::Abandoned { next_step: Some(next) } | State::PaymentPending { next_step: Some(next) } => {
            look(cart, known, *next, now).unwrap_or_else(|| silent(None))
        }
        State::Active { stalls_at: Some(stalls_at) } => {
            let assumed = as_if_abandoned(cart, *stalls_at);
            let first = assumed.last_abandonment.and_then(|a| known.program.step(a.reason.code, 0));
            let next = first.map(|step| NextStep { index: 0, due_at: stalls_at.plus(step.delay), held: None });
            let outlook = next.and_then(|next| look(&assumed, known, next, now));
            outlook
                .map_or_else(|| silent(None), |outlook| Outlook { assumes_abandoned_at: Some(*stalls_at), ..outlook })
        }
        // The sequence is over, or nothing would ever begin it.
        State::Abandoned { next_step: None } | State::Active { stalls_at: None } => silent(None),
        State::PaymentPending { .. }
        | State::Converted { .. }
        | State::Reverted
        | State::Dismissed
        | State::OptedOut
        | State::Suppressed { .. }
        | State::MergedInto(_)
        | State::Expired
        | State::Erased => silent(domain::why_state_forbids(&cart.state).map(Vetting::Suppress)),
    }
}

fn look(cart: &Cart, known: Known<'_>, next: NextStep, now: Moment) -> Option<Outlook> {
    let look = Look::at_step(cart, known, next, now)?;
    let step = StepOutlook {
        index: next.index,
        name: look.step.name.clone(),
        channel: look.step.channel,
        due_at: next.due_at,
    };
    Some(Outlook {
        asked_at: now,
        verdict: Some(look.verdict()),
        assumes_abandoned_at: None,
        step: Some(step),
        guards: GUARDS.iter().map(|(name, guard)| (*name, guard(&look))).collect(),
    })
}

/// The cart as it will be when nothing more is heard of it.
fn as_if_abandoned(cart: &Cart, at: Moment) -> Cart {
    let mut assumed = cart.clone();
    assumed.state = State::Abandoned { next_step: None };
    assumed.abandonments += 1;
    assumed.last_abandonment = Some(Abandonment {
        number: assumed.abandonments,
        abandoned_at: at,
        stage: cart.stage,
        value: cart.content.value(),
        reason: cart.primary_reason().copied().unwrap_or_else(|| Reason::unknown(at)),
    });
    assumed
}
