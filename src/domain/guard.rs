//! The guards: whether a reminder may go out now, later, or never, and why.
//!
//! One list in one order, asked when a step comes due, at the last moment before each attempt, when a receiver asks once
//! more, and when somebody asks for an explanation; so all four say the same. What forbids comes before what defers, and
//! quiet hours last: whatever else holds a reminder until the night holds it until the morning.
//! The table for people is in docs/programs.md.

use std::borrow::Cow;
use std::time::Duration;

use super::cart::{Cart, NextStep, State};
use super::consent;
use super::content::Channel;
use super::delivery::{OrderBrief, Why};
use super::note::{Reminded, ReminderId};
use super::person::{Person, PurchaseMark};
use super::program::{PENDING_INDEX, Program, SERVICE_INDEX, Step};
use super::quiet::{QuietHours, SPREAD};
use super::reason::ReasonCode;
use super::send::{Vetting, why_state_forbids};
use super::shoppers;
use super::signal::{PaymentClass, SignalKind};
use super::stock::Stock;
use super::time::Moment;
use super::zone::Zone;

/// A reminder of another cart that began this short a time ago may still fail; then this one's turn comes.
const MAY_STILL_FAIL: Duration = Duration::from_secs(30);
/// When a cart whose lines are not to be had is looked at again, if nobody tells us of a restock.
const STOCK_LOOK: Duration = Duration::from_hours(6);
/// The span in which a payment is reminded of once: longer than anything may be held.
const ONCE: Duration = Duration::from_hours(365 * 24);

/// What is known beyond the cart.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub person: &'a Person,
    pub stock: &'a Stock,
    pub program: &'a Program,
}

/// One look at a reminder.
#[derive(Debug)]
pub struct Look<'a> {
    pub cart: &'a Cart,
    pub known: Known<'a>,
    pub step: Cow<'a, Step>,
    pub reminder: ReminderId,
    /// Of whose payment it is; nothing of a reminder of an abandonment.
    pub order: Option<OrderBrief>,
    /// When it first came due.
    pub since: Moment,
    /// From when on it is too late, unless it was held.
    pub stale_at: Moment,
    pub now: Moment,
}

type Guard = fn(&Look<'_>) -> Option<Vetting>;

/// Every guard by name, in the order in which they are asked; the first to object has the say.
pub const GUARDS: &[(&str, Guard)] = &[
    ("purchase", purchase),
    ("state", state),
    ("episode", episode),
    ("shopper", shopper),
    ("activation", activation),
    ("stale", stale),
    ("fraud", fraud),
    ("lines", lines),
    ("contact", contact),
    ("opt_out", opt_out),
    ("consent", consent_given),
    ("conditions", conditions),
    ("link", link),
    ("holdout", holdout),
    ("stock", stock),
    ("cap", cap),
    ("quiet_hours", quiet_hours),
];

impl<'a> Look<'a> {
    /// The look at a step that has come due.
    #[must_use]
    pub fn at_step(cart: &'a Cart, known: Known<'a>, next: NextStep, now: Moment) -> Option<Self> {
        let left = cart.last_abandonment;
        let order = cart.order.clone().filter(|_| next.index == PENDING_INDEX);
        if left.is_none() && order.is_none() {
            return None;
        }
        let step = known.program.step(left.map_or(ReasonCode::Unknown, |left| left.reason.code), next.index)?;
        let abandonment = left.map_or(0, |left| left.number);
        Some(Self {
            cart,
            known,
            step: Cow::Borrowed(step),
            reminder: ReminderId { cart: cart.id.clone(), abandonment, step: next.index },
            order,
            since: next.held.map_or(next.due_at, |held| held.since),
            stale_at: next.due_at.plus(known.program.stale_after),
            now,
        })
    }

    /// What the guards say.
    #[must_use]
    pub fn verdict(&self) -> Vetting {
        GUARDS.iter().find_map(|(_, guard)| guard(self)).unwrap_or(Vetting::Proceed)
    }

    /// Whether nothing but an experiment keeps the reminder from going out: who is asked here is part of it.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let mut before = GUARDS.iter().take_while(|(name, _)| *name != "holdout");
        before.all(|(_, guard)| guard(self).is_none())
    }

    /// Held until then; for good when that is later than it may be held.
    fn defer(&self, until: Moment, why: Why, held_max: Duration) -> Vetting {
        if until > self.since.plus(held_max) { Vetting::Suppress(why) } else { Vetting::Defer { until, why } }
    }

    /// Belongs to this reminder alone: spreads without dice.
    fn share(&self, of: Duration) -> Duration {
        of.mul_f64(self.reminder.fraction())
    }
}

/// Nothing when a guard has no objection.
fn suppress_if(holds: bool, why: Why) -> Option<Vetting> {
    holds.then_some(Vetting::Suppress(why))
}

fn purchase(look: &Look<'_>) -> Option<Vetting> {
    if let Some(order) = &look.order {
        // A cart that was emptied since is paid for all the same.
        let pays = |mark: &PurchaseMark| mark.paid && (mark.order == order.id || mark.settles(look.cart));
        return suppress_if(look.known.person.marks.iter().any(pays), Why::Purchased);
    }
    let mark = look.known.person.purchase_settling(look.cart)?;
    Some(Vetting::Suppress(if mark.paid { Why::Purchased } else { Why::PaymentPending }))
}

fn state(look: &Look<'_>) -> Option<Vetting> {
    let why = match (&look.order, &look.cart.state) {
        (Some(_), State::PaymentPending { .. }) => None,
        // A payment that was on its way leads back to an open cart only by failing.
        (Some(_), State::Active { .. } | State::Abandoned { .. }) => Some(Why::PaymentFailed),
        (Some(_), State::Reverted) => Some(Why::OrderCancelled),
        (_, state) => why_state_forbids(state),
    };
    why.map(Vetting::Suppress)
}

fn episode(look: &Look<'_>) -> Option<Vetting> {
    if let Some(order) = &look.order {
        let is_awaited = look.cart.order.as_ref().is_some_and(|awaited| awaited.id == order.id);
        return suppress_if(!is_awaited, Why::Superseded);
    }
    let number = look.cart.last_abandonment.map(|a| a.number);
    suppress_if(number != Some(look.reminder.abandonment), Why::ShopperReturned)
}

fn shopper(look: &Look<'_>) -> Option<Vetting> {
    shoppers::why_not_real(&look.cart.content, &look.known.program.shoppers).map(Vetting::Suppress)
}

fn activation(look: &Look<'_>) -> Option<Vetting> {
    let begun_at = match &look.order {
        Some(order) => order.placed_at,
        None => look.cart.last_abandonment?.abandoned_at,
    };
    let activated_at = look.known.program.activated_at?;
    suppress_if(begun_at < activated_at, Why::BeforeActivation)
}

fn stale(look: &Look<'_>) -> Option<Vetting> {
    suppress_if(look.now > look.stale_at, Why::Stale)
}

fn fraud(look: &Look<'_>) -> Option<Vetting> {
    let last = look.cart.signals.iter().rev().find_map(|signal| {
        let SignalKind::PaymentFailed { class } = signal.kind else { return None };
        (signal.at >= look.cart.episode_started_at).then_some(class)
    });
    suppress_if(last == Some(PaymentClass::FraudSuspected), Why::FraudSuspected)
}

fn lines(look: &Look<'_>) -> Option<Vetting> {
    // Shops empty the cart when the order is placed, and the order is what a payment is for.
    suppress_if(look.order.is_none() && look.cart.content.items.is_empty(), Why::NoItems)
}

fn contact(look: &Look<'_>) -> Option<Vetting> {
    suppress_if(!look.cart.content.shopper.is_reached_by(look.step.channel), Why::NoContact)
}

fn opt_out(look: &Look<'_>) -> Option<Vetting> {
    suppress_if(look.known.person.opted_out_of(look.step.channel), Why::OptedOut)
}

fn consent_given(look: &Look<'_>) -> Option<Vetting> {
    let Known { person, program, .. } = look.known;
    let allows = consent::allows(program.consent, &look.cart.content, person, look.step.channel);
    suppress_if(!allows, Why::NoConsent)
}

fn conditions(look: &Look<'_>) -> Option<Vetting> {
    suppress_if(!look.step.conditions.hold(look.cart, look.known.person), Why::ConditionsNotMet)
}

fn link(look: &Look<'_>) -> Option<Vetting> {
    // Where an order was placed there is nothing to come back to.
    suppress_if(look.order.is_none() && look.cart.content.checkout_url.is_none(), Why::NoCheckoutUrl)
}

fn holdout(look: &Look<'_>) -> Option<Vetting> {
    let experiment = look.known.program.experiment.as_ref()?;
    suppress_if(experiment.holds_out(look.known.person), Why::Holdout)
}

fn stock(look: &Look<'_>) -> Option<Vetting> {
    let window = look.known.program.restock_window;
    // What was ordered is the buyer's, whatever became of the rest.
    if look.order.is_some() || !look.known.stock.is_missing_a_line_of(look.cart) {
        return None;
    }
    let last = look.since.plus(window);
    if look.now >= last {
        return Some(Vetting::Suppress(Why::OutOfStock));
    }
    Some(Vetting::Defer { until: look.now.plus(STOCK_LOOK).min(last), why: Why::OutOfStock })
}

fn cap(look: &Look<'_>) -> Option<Vetting> {
    let Known { person, program, .. } = look.known;
    let others = || person.reminded.iter().filter(|reminded| reminded.reminder != look.reminder);
    let full = |count: u32, within: Duration, counts: &dyn Fn(&Reminded) -> bool| {
        let mut moments: Vec<Moment> =
            others().filter(|r| counts(r) && r.at > look.now.minus(within)).map(|r| r.at).collect();
        moments.sort();
        let freed = moments.len().checked_sub(usize::try_from(count).unwrap_or(usize::MAX))?;
        moments.get(freed).map(|at| at.plus(within))
    };
    let of_all = program.caps.iter().filter_map(|cap| full(cap.count, cap.within, &|_| true));
    let of_cart = consent::cart_cap(program.consent, look.step.channel).and_then(|within| {
        let channel = look.step.channel;
        full(1, within, &|r| r.reminder.cart == look.cart.id && r.channel == channel)
    });
    // An order may have closed several carts of its buyer; one of them reminds of its payment.
    let of_order = look.order.as_ref().and_then(|order| full(1, ONCE, &|r| r.order.as_ref() == Some(&order.id)));
    let until = of_all.chain(of_cart).chain(of_order).max()?;
    let newest = others().map(|reminded| reminded.at).max()?;
    if look.now.since(newest) < MAY_STILL_FAIL {
        let soon = look.now.plus(MAY_STILL_FAIL).plus(look.share(MAY_STILL_FAIL));
        return Some(look.defer(soon.min(until), Why::FrequencyCap, program.held_max));
    }
    Some(look.defer(until, Why::FrequencyCap, program.held_max))
}

fn quiet_hours(look: &Look<'_>) -> Option<Vetting> {
    let program = look.known.program;
    let is_service = look.reminder.step == SERVICE_INDEX;
    let ignores = is_service && program.service.as_ref().is_some_and(|service| !service.keeps_quiet);
    let general = program.quiet.filter(|_| !ignores || look.step.channel == Channel::Sms);
    let legal = consent::quiet_hours(program.consent, look.step.channel);
    let zones = || Zone::of(&look.cart.content.shopper, &program.zone);
    let opening = |hours: QuietHours| hours.open_at(&zones(), look.now);
    let open_at = general.into_iter().chain(legal).filter_map(opening).max()?;
    let until = open_at.plus(look.share(SPREAD));
    Some(look.defer(until, Why::QuietHours, program.held_max))
}
