//! What waits to be sent: lanes and their queues, claims and leases, settlements.
//!
//! A claim is a wake: it moves the due moment to the end of the lease, so that a worker that dies loses nothing. Never
//! here: what a delivery is (`domain/delivery.rs`), or how a lane is kept.

use std::time::Duration;

use crate::domain::{Cart, CartId, Delivery, DeliveryId, EndpointName, Moment, ShopId, Tally, Why};

/// The queue of one endpoint. A slow one is never in another's way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    pub shop: ShopId,
    pub endpoint: EndpointName,
}

/// Where in its lane a delivery waits: fresh ones are not held up by those that failed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// For its first attempt.
    First,
    /// For another one.
    Again,
}

impl Queue {
    /// Both.
    pub const ALL: [Self; 2] = [Self::First, Self::Again];

    /// How many of `limit` places each gets: a quarter is for repeats, the rest for first attempts, and neither leaves a
    /// place empty that the other could use.
    #[must_use]
    pub fn places(first: usize, again: usize, limit: usize) -> (usize, usize) {
        let again = again.min((limit / 4).max(limit.saturating_sub(first)));
        (first.min(limit - again), again)
    }
}

/// The right to look at a delivery until `until`; worth nothing once somebody else claimed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub lane: Lane,
    pub delivery: DeliveryId,
    pub cart: CartId,
    pub queue: Queue,
    pub until: Moment,
}

/// A delivery at the moment of sending, and its cart as it is then.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The claim under its new, shorter lease.
    pub claim: Claim,
    pub delivery: Delivery,
    pub cart: Option<Box<Cart>>,
}

/// How a delivery goes on after an attempt, or a refusal to make one.
#[derive(Clone, Debug)]
pub struct Settlement<'a> {
    pub claim: &'a Claim,
    /// As it is from now on.
    pub delivery: &'a Delivery,
    /// How long a delivery that has ended stays readable.
    pub keep_until: Moment,
    pub tallies: &'a [Tally],
    /// When an attempt ended whose request may still arrive, because nobody answered it; see [`Sends`].
    pub unanswered_at: Option<Moment>,
}

/// How long a request that nobody answered counts as one that may still arrive: longer than a kernel tries to pass on
/// what a closed connection had left to send (Linux gives up after some 100 s).
pub const UNANSWERED_FOR: Duration = Duration::from_secs(120);

/// The reminders of a cart that have begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sends {
    /// When the last one that was not settled is over.
    pub in_flight_until: Option<Moment>,
    /// Until when one that ended without an answer may still arrive, as long as its delivery was not delivered.
    pub unanswered_until: Option<Moment>,
}

impl Sends {
    /// From when each of those known is over, or was, as of `now`.
    #[must_use]
    pub fn of(ends: impl IntoIterator<Item = Moment>, now: Moment) -> Self {
        let (mut running, mut over) = (None, None);
        for end in ends {
            let latest = if end > now { &mut running } else { &mut over };
            *latest = (*latest).max(Some(end));
        }
        let unanswered_until = over.map(|end| end.plus(UNANSWERED_FOR)).filter(|until| *until > now);
        Self { in_flight_until: running, unanswered_until }
    }

    /// Whether nothing is on its way, as far as anybody can know.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.in_flight_until.is_none() && self.unanswered_until.is_none()
    }
}

/// Whether a settlement held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    Done,
    /// The lease had passed to somebody else; nothing was written.
    Lost,
}

/// Where something is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueLanes {
    /// Every lane with something due; one may be named whose last has just gone.
    pub lanes: Vec<Lane>,
    /// When something falls due that is not yet, or a little before.
    pub next: Option<Moment>,
}

/// An endpoint that is not sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub lane: Lane,
    pub why: Why,
    pub since: Moment,
}

/// What waits in the outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Of each lane: waiting or leased.
    pub pending: Vec<(Lane, u64)>,
    /// Of each lane: given up and kept.
    pub dead: Vec<(Lane, u64)>,
    /// The due moment of the most overdue entry, carts and deliveries together.
    pub oldest_due: Option<Moment>,
}
