//! Deciding about deliveries: is this still right to send, and what follows from an attempt.
//!
//! Pure. The engine asks [`before_send`] at the last moment before each attempt, retries too, and [`after_attempt`] when
//! the attempt has an outcome. Retry delays are facts of the product (`docs/webhooks.md`), jitter comes from the id.

use std::borrow::Cow;
use std::time::Duration;

use super::cart::{Cart, State};
use super::delivery::{ATTEMPTS_MAX, Attempt, Delivery, REPLIES_MAX, Reply, Status, Why};
use super::fact::{Fact, ReminderResult};
use super::guard::{Known, Look};
use super::names::named;
use super::note::ReminderId;
use super::program::{Conditions, Step};
use super::reason::ReasonCode;
use super::time::Moment;

named! {
    /// What an attempt came to, as a label.
    pub enum OutcomeName {
        Success = "success",
        Gone = "gone",
        Throttled = "throttled",
        Rejected = "rejected",
        ServerError = "server_error",
        Redirected = "redirected",
        TimedOut = "timed_out",
        ConnectFailed = "connect_failed",
        TlsFailed = "tls_failed",
        AddressRefused = "address_refused",
        /// The connection broke after the request had begun to leave.
        ConnectionLost = "connection_lost",
    }
}

/// What one POST came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub name: OutcomeName,
    pub status: Option<u16>,
    /// What the receiver asked for, with 429 or 503.
    pub retry_after: Option<Duration>,
    pub duration: Duration,
    pub reply: Option<Reply>,
}

impl Outcome {
    /// Whether the request may have left and nobody answered for it: then it can still arrive. A gateway that says it
    /// lost its receiver (502, 504) does not answer for it.
    #[must_use]
    pub const fn is_unanswered(&self) -> bool {
        matches!(self.name, OutcomeName::TimedOut | OutcomeName::ConnectionLost)
            || matches!(self.status, Some(502 | 504))
    }
}

/// Whether a delivery may go out now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vetting {
    Proceed,
    Defer { until: Moment, why: Why },
    Suppress(Why),
}

/// What follows from an attempt, or from not making it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Delivered,
    RetryAt(Moment),
    /// Held back without an attempt.
    Deferred {
        until: Moment,
        why: Why,
    },
    Dead(Why),
    Suppressed(Why),
}

const REMINDER_LADDER: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(1_800),
    Duration::from_secs(3_600),
    Duration::from_secs(7_200),
    Duration::from_secs(14_400),
];

const STATE_LADDER: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_secs(300),
    Duration::from_secs(1_800),
    Duration::from_secs(7_200),
    Duration::from_secs(18_000),
    Duration::from_secs(36_000),
    Duration::from_secs(50_400),
    Duration::from_secs(72_000),
    Duration::from_secs(86_400),
];

/// How long a state event is worth telling: its whole ladder with jitter, and no longer.
pub const STATE_EVENT_LIFE: Duration = Duration::from_secs(4 * 86_400);

/// The delays between the attempts of a delivery, before jitter.
#[must_use]
pub const fn retry_ladder(delivery: &Delivery) -> &'static [Duration] {
    if delivery.is_reminder() { REMINDER_LADDER } else { STATE_LADDER }
}

/// Whether this delivery is still right to send, by everything known now: asked at the last moment before each attempt,
/// and by a receiver that is about to deliver it to the shopper.
#[must_use]
pub fn before_send(delivery: &Delivery, cart: Option<&Cart>, known: Known<'_>, now: Moment) -> Vetting {
    if delivery.event.kind.is_about_no_cart() {
        return if now > delivery.send_not_after { Vetting::Suppress(Why::Stale) } else { Vetting::Proceed };
    }
    let Some(cart) = cart else { return Vetting::Suppress(Why::Erased) };
    if matches!(cart.state, State::Erased) {
        return Vetting::Suppress(Why::Erased);
    }
    match look_at(delivery, cart, known, now) {
        Some(look) => look.verdict(),
        None if now > delivery.send_not_after => Vetting::Suppress(Why::Stale),
        None => Vetting::Proceed,
    }
}

/// The look at a reminder that is about to be sent; nothing of what is no reminder.
#[must_use]
pub fn look_at<'a>(delivery: &Delivery, cart: &'a Cart, known: Known<'a>, now: Moment) -> Option<Look<'a>> {
    let (reminder, brief) = (ReminderId::of(delivery)?, delivery.event.step.as_ref()?);
    let reason = cart.last_abandonment.map_or(ReasonCode::Unknown, |a| a.reason.code);
    let policy = known.program.step(reason, brief.index).filter(|step| step.name == brief.name);
    // The program may have changed since it was decided: then nothing but the channel is known of the step.
    let step = policy.map_or_else(
        || {
            let conditions = Conditions::default();
            Cow::Owned(Step { name: brief.name.clone(), delay: Duration::ZERO, channel: brief.channel, conditions })
        },
        Cow::Borrowed,
    );
    let order = delivery.event.order.as_ref().filter(|_| delivery.is_of_payment());
    let (since, stale_at) = (delivery.event.at, delivery.send_not_after);
    Some(Look { cart, known, step, reminder, order: order.cloned(), since, stale_at, now })
}

/// Why a cart in this state is not reminded; `None` for an abandoned one.
#[must_use]
pub fn why_state_forbids(state: &State) -> Option<Why> {
    match state {
        State::Abandoned { .. } => None,
        State::Active { .. } => Some(Why::ShopperReturned),
        State::PaymentPending { .. } => Some(Why::PaymentPending),
        State::Converted { .. } | State::Reverted => Some(Why::Purchased),
        State::Dismissed => Some(Why::Dismissed),
        State::OptedOut => Some(Why::OptedOut),
        State::Suppressed { why } => Some(*why),
        State::MergedInto(_) => Some(Why::Merged),
        State::Expired => Some(Why::Expired),
        State::Erased => Some(Why::Erased),
    }
}

/// What follows from an attempt's outcome. `delivery` is as it was before the attempt.
#[must_use]
pub fn after_attempt(delivery: &Delivery, outcome: &Outcome, now: Moment) -> Verdict {
    match outcome.name {
        OutcomeName::Success => Verdict::Delivered,
        OutcomeName::Gone => Verdict::Dead(Why::EndpointGone),
        OutcomeName::Rejected => Verdict::Dead(Why::Rejected),
        OutcomeName::Throttled
        | OutcomeName::ServerError
        | OutcomeName::Redirected
        | OutcomeName::TimedOut
        | OutcomeName::ConnectFailed
        | OutcomeName::TlsFailed
        | OutcomeName::AddressRefused
        | OutcomeName::ConnectionLost => retry(delivery, outcome.retry_after, now),
    }
}

fn retry(delivery: &Delivery, asked: Option<Duration>, now: Moment) -> Verdict {
    let ladder = retry_ladder(delivery);
    let index = usize::try_from(delivery.attempt_count).unwrap_or(usize::MAX);
    let Some(step) = ladder.get(index) else { return Verdict::Dead(Why::RetriesExhausted) };
    let jittered = step.mul_f64(0.8 + 0.4 * delivery.id.fraction(delivery.attempt_count));
    // Retry-After may only postpone, and by no more than the next two steps: it cannot stretch a delivery's life.
    let cap = ladder[index..].iter().take(2).sum::<Duration>();
    let wait = asked.map_or(jittered, |asked| jittered.max(asked.min(cap)));
    let at = now.plus(wait);
    if at > delivery.send_not_after { Verdict::Suppressed(Why::Stale) } else { Verdict::RetryAt(at) }
}

impl Delivery {
    /// Records an attempt that was sent at this moment.
    pub fn note(&mut self, outcome: &Outcome, at: Moment) {
        let duration_ms = u32::try_from(outcome.duration.as_millis()).unwrap_or(u32::MAX);
        self.attempt_count = self.attempt_count.saturating_add(1);
        if self.attempts.len() == ATTEMPTS_MAX {
            self.attempts.remove(0);
        }
        let reply = outcome.reply.clone();
        self.attempts.push(Attempt { at, outcome: outcome.name, status: outcome.status, duration_ms, reply });
        for older in self.attempts.iter_mut().rev().skip(REPLIES_MAX) {
            older.reply = None;
        }
    }

    /// Takes a verdict; gives what became true.
    #[must_use]
    pub fn conclude(&mut self, verdict: Verdict) -> Vec<Fact> {
        let (result, why) = match verdict {
            Verdict::RetryAt(at) => {
                self.due_at = at;
                return Vec::new();
            }
            Verdict::Deferred { until, why } => {
                // What is held on purpose grows no older meanwhile; how long it may be held is the guards' business.
                self.send_not_after = self.send_not_after.max(until).plus(until.since(self.due_at));
                self.due_at = until;
                let step = self.event.step.as_ref().map(|step| step.name.clone());
                return step.map(|step| Fact::ReminderDeferred { step, why }).into_iter().collect();
            }
            Verdict::Delivered => (ReminderResult::Delivered, None),
            Verdict::Dead(why) => (ReminderResult::Dead, Some(why)),
            Verdict::Suppressed(why) => (ReminderResult::Suppressed, Some(why)),
        };
        self.status = match (result, why) {
            (ReminderResult::Dead, Some(why)) => Status::Dead(why),
            (ReminderResult::Suppressed, Some(why)) => Status::Suppressed(why),
            _ => Status::Delivered,
        };
        let ended = Fact::DeliveryEnded { endpoint: self.endpoint.clone(), event: self.event.kind, result, why };
        let reminder = self.event.step.as_ref().map(|step| Fact::Reminder { step: step.name.clone(), result, why });
        std::iter::once(ended).chain(reminder).collect()
    }
}
