//! The store: where carts, what is due, and the counts live. One trait, and one conformance suite for all who keep it.
//!
//! The contract:
//! - a commit is one atomic write: record, wake, outbox, tallies, census and answer together, or none of them;
//! - one sorted index is both schedule and lease: claiming moves the due moment to the end of the lease, so a worker
//!   that dies loses nothing, and only the holder of the current lease can begin or settle;
//! - time is an argument; a store never reads a clock, decides nothing, and knows no program;
//! - everything that ends is reachable from an index or has an expiry, so nothing grows without bound.
//!
//! Read next: `store/record.rs` for the stored form, then the backend that interests you.

pub mod embedded;
mod erasure;
mod keyring;
mod lately;
mod letters;
mod notes;
mod outbox;
pub mod record;
pub mod redis;
pub mod sealed;
pub mod turns;

pub use self::erasure::{CARTS_OF_MAX, Erase};
pub use self::keyring::{KeyName, Keyring, NewKey, SealKey};
pub use self::letters::{Burial, Letter, LetterPage, Revival, Shelf};
pub use self::notes::Asked;
pub use self::outbox::{
    Begun, Claim, DueLanes, Lane, OutboxCounts, Pause, Queue, Sends, Settled, Settlement, UNANSWERED_FOR,
};

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use thiserror::Error;

use crate::domain::{
    Applied, Attribution, Cart, CartId, Census, Day, Delivery, DeliveryId, EventKey, IdentifierHash, Moment, Note,
    NoteKey, Order, OrderId, Receipt, ShopId, StateName, Tally, TallyKey,
};

/// The most a single claim may take.
pub const BATCH_MAX: usize = 100;

/// The most a single look for due carts may find in one shard: looks side by side leave out what the others found.
pub const DUE_MAX: usize = 4_000;

/// For how long the counts of a day are kept: a year beside the one before, and a little.
pub const TALLIES_KEPT: Duration = Duration::from_hours(24 * 800);

/// Counts the writes of a record; a commit names the one it read. Zero: there is no record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

impl Version {
    /// The version of a record that does not exist.
    pub const ABSENT: Self = Self(0);

    /// The version after one more write.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A record and the version it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// Apart, for it is large and handed on often.
    pub value: Box<T>,
    pub version: Version,
}

/// What is known of a subject when a write begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<T> {
    pub record: Option<Stored<T>>,
    /// The first answer to this key, when the write was already made.
    pub answered: Option<Answered>,
}

/// A write's answer, kept so that a repeat of the write gets the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Of the request that got this answer: a key used for another request is a mistake to be named.
    pub fingerprint: u64,
    pub answer: Answer,
}

/// What a write was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Cart(Receipt),
    Order(OrderReceipt),
}

/// The answer to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderReceipt {
    pub applied: Applied,
    /// The carts this order settled, reopened or reverted.
    pub carts: Vec<CartId>,
    /// Set once paid.
    pub attribution: Option<Attribution>,
    /// Whether a reminder was on its way when the order came.
    pub in_flight: InFlight,
}

/// What an order found on its way to the shopper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFlight {
    /// Nothing: no reminder starts after this answer.
    None,
    /// A send had begun and the receiver has answered it.
    Finished,
    /// A send had begun and did not end while we waited, or it ended without an answer: it may still arrive.
    Possible,
}

/// An answer to keep with a commit.
#[derive(Clone, Debug)]
pub struct Keep {
    pub key: EventKey,
    pub answered: Answered,
    pub until: Moment,
}

/// One atomic write of a cart and all that follows from it.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    pub shop: &'a ShopId,
    pub id: &'a CartId,
    pub expected: Version,
    /// `None` removes the record and its wake.
    pub cart: Option<&'a Cart>,
    pub outbox: &'a [Delivery],
    /// Until when each of the outbox is begun by this very write, as a claim is by [`Store::begin`]; empty: none is.
    pub begun_until: &'a [Option<Moment>],
    pub tallies: &'a [Tally],
    pub census: &'a [Census],
    pub keep: Option<&'a Keep>,
    pub now: Moment,
}

impl<'a> Commit<'a> {
    /// Removes what is left of a cart that has no record.
    #[must_use]
    pub const fn removal(shop: &'a ShopId, id: &'a CartId, now: Moment) -> Self {
        Self {
            shop,
            id,
            expected: Version::ABSENT,
            cart: None,
            outbox: &[],
            begun_until: &[],
            tallies: &[],
            census: &[],
            keep: None,
            now,
        }
    }
}

/// One atomic write of an order. Orders have no wake: they expire.
#[derive(Clone, Debug)]
pub struct OrderCommit<'a> {
    pub order: &'a Order,
    pub expected: Version,
    pub tallies: &'a [Tally],
    pub keep: Option<&'a Keep>,
    pub now: Moment,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Made true.
    Done,
    /// Made true, but of what was to begin with it something was known already and is somebody else's: what began is not
    /// to be sent, and falls due again by itself.
    DoneNotBegun,
    /// The key was answered before; nothing was written.
    Duplicate(Answered),
    /// Another write came first; nothing was written.
    Conflict,
}

impl Committed {
    /// Whether the write was made.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::DoneNotBegun)
    }
}

/// A page of carts.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub carts: Vec<Cart>,
    /// How many more there are that cannot be read.
    pub unreadable: usize,
    /// Where the next page begins; opaque.
    pub next: Option<String>,
}

/// What the store says about itself; each note is a sentence for an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub notes: Vec<String>,
}

/// Why a store could not do as asked, by what the caller can do about it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Not reachable, or too slow: try again. The write may have happened.
    #[error("the store cannot be reached")]
    Unavailable(#[source] anyhow::Error),
    /// No room for new carts.
    #[error("the store is full")]
    Full,
    /// A record that this version cannot read.
    #[error("a stored {what} cannot be read")]
    Corrupt { what: &'static str },
    /// A record of a later version: one of its processes can read it.
    #[error("a stored {what} was written by a later version")]
    Newer { what: &'static str },
    /// The store is not one we can use; the sentence says what to do.
    #[error("{0}")]
    Unusable(String),
}

/// Shorthand for what every call may fail with.
pub type StoreResult<T> = Result<T, StoreError>;

/// A place that keeps carts. See the contract at the top of this file.
#[async_trait]
pub trait Store: Erase + Send + Sync + 'static {
    /// For logs and readiness: `embedded`, `redis`.
    fn name(&self) -> &'static str;

    /// The key that identifiers are hashed with: random, made with the store, the same for all of its processes.
    fn identity_key(&self) -> [u8; 32];

    /// A cart, and the answer already given to this key.
    async fn load(&self, shop: &ShopId, id: &CartId, key: Option<&EventKey>) -> StoreResult<Loaded<Cart>>;
    /// See [`Commit`].
    async fn commit(&self, commit: Commit<'_>) -> StoreResult<Committed>;
    /// [`Store::load`] of several carts, in their order. Like each `…_all`: what is waited for is waited for once.
    async fn load_all(&self, carts: &[(ShopId, CartId)]) -> Vec<StoreResult<Loaded<Cart>>> {
        join_all(carts.iter().map(|(shop, id)| self.load(shop, id, None))).await
    }
    /// [`Store::commit`] of several carts, in their order. Each is one atomic write; together they are not.
    async fn commit_all(&self, commits: Vec<Commit<'_>>) -> Vec<StoreResult<Committed>> {
        join_all(commits.into_iter().map(|commit| self.commit(commit))).await
    }
    /// What is known of the reminders of this cart that have begun.
    async fn sends(&self, shop: &ShopId, id: &CartId, now: Moment) -> StoreResult<Sends>;

    async fn load_order(&self, shop: &ShopId, id: &OrderId, key: Option<&EventKey>) -> StoreResult<Loaded<Order>>;
    async fn commit_order(&self, commit: OrderCommit<'_>) -> StoreResult<Committed>;

    /// Notes that this cart belongs to these identifiers (idempotent), and gives what they are known for, in one step for
    /// each of them.
    async fn enroll(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        cart: &CartId,
        until: Moment,
    ) -> StoreResult<Vec<Note>>;
    /// What these hashes are known for, as of `now`. A note that lies on several may come several times.
    async fn notes(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> StoreResult<Vec<Note>>;
    /// Leaves a note on each hash, at most a hundred on one: [`Note::replaces`] says which of two with one key stays.
    /// Gives what they are known for then, in one step for each of them.
    async fn note(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        note: &Note,
        until: Moment,
        now: Moment,
    ) -> StoreResult<Vec<Note>>;
    /// [`Store::notes`] or [`Store::note`] of several, in their order.
    async fn notes_all(&self, asked: &[Asked<'_>], now: Moment) -> Vec<StoreResult<Vec<Note>>> {
        let each = asked.iter().map(async |asked| match &asked.leave {
            None => self.notes(asked.shop, &asked.hashes, now).await,
            Some((note, until)) => self.note(asked.shop, &asked.hashes, note, *until, now).await,
        });
        join_all(each).await
    }
    /// Takes a note off each hash, if [`Note::is_removable`].
    async fn unnote(&self, shop: &ShopId, hashes: &[IdentifierHash], key: &NoteKey) -> StoreResult<()>;
    /// The carts enrolled under these identifiers, each once, at most [`CARTS_OF_MAX`].
    async fn carts_of(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> StoreResult<Vec<CartId>>;

    /// Shows that this process looks for what is due, about once a second. Processes that do share the looking: what is due
    /// in one's part of the store, the others need not see within seconds. To one that does not, all of it is shown.
    async fn attend(&self, _now: Moment) -> StoreResult<()> {
        Ok(())
    }
    /// Says that it does so no more.
    async fn depart(&self) -> StoreResult<()> {
        Ok(())
    }
    /// Sees whether another server has taken over, also while the old one hangs or answers on: to be called twice a second,
    /// beside all else.
    async fn look_around(&self) -> StoreResult<()> {
        Ok(())
    }
    /// Carts whose wake has come, at most `limit`, itself at most [`DUE_MAX`] for each shard. Shops share the places
    /// evenly ([`turns`]; `turn` counts the looks), each with its longest overdue as far as shards allow.
    async fn due_carts(&self, now: Moment, limit: usize, turn: usize) -> StoreResult<Vec<(ShopId, CartId)>>;
    /// The earliest wake of any cart.
    async fn next_wake(&self) -> StoreResult<Option<Moment>>;
    /// Moves a wake that has come and cannot be decided on (its record is unreadable, its shop unknown) out of the way. One
    /// that has not come is another by now, and stays.
    async fn postpone(&self, shop: &ShopId, id: &CartId, now: Moment, until: Moment) -> StoreResult<()>;

    /// Every lane that ever had a delivery.
    async fn lanes(&self) -> StoreResult<Vec<Lane>>;
    /// Where something is due, so that a look costs the same however many lanes there are.
    async fn due_lanes(&self, now: Moment) -> StoreResult<DueLanes>;
    /// Leases up to `limit` due deliveries of a lane until `until`, longest overdue first within each [`Queue`] as far as
    /// shards allow; how the two share the limit is [`Queue::places`].
    async fn claim(&self, lane: &Lane, now: Moment, limit: usize, until: Moment) -> StoreResult<Vec<Claim>>;
    /// Renews the lease at the moment of sending and gives what is to be sent; `None`: the claim is no longer ours.
    /// From here to the settlement, or `until`, the cart counts as having a send in flight when it is a reminder; one
    /// that is not settled by then has ended without an answer, see [`Sends`].
    async fn begin(&self, claim: &Claim, now: Moment, until: Moment) -> StoreResult<Option<Begun>>;
    /// [`Store::begin`] of several, in their order.
    async fn begin_all(&self, claims: &[Claim], now: Moment, until: Moment) -> Vec<StoreResult<Option<Begun>>> {
        join_all(claims.iter().map(|claim| self.begin(claim, now, until))).await
    }
    /// Gives a claim back without an attempt: due again at `due_at`.
    async fn release(&self, claim: &Claim, due_at: Moment) -> StoreResult<Settled>;
    /// Records an attempt or an end: `delivery.status` says which, `delivery.due_at` when a pending one is due again.
    async fn settle(&self, settlement: Settlement<'_>) -> StoreResult<Settled>;
    /// [`Store::settle`] of several, in their order.
    async fn settle_all(&self, settlements: Vec<Settlement<'_>>) -> Vec<StoreResult<Settled>> {
        join_all(settlements.into_iter().map(|settlement| self.settle(settlement))).await
    }
    /// The earliest due moment in a lane.
    async fn next_due(&self, lane: &Lane) -> StoreResult<Option<Moment>>;

    /// Stops an endpoint; it stays stopped over restarts. An earlier pause stands.
    async fn pause(&self, pause: &Pause) -> StoreResult<()>;
    /// Starts it again.
    async fn resume(&self, lane: &Lane) -> StoreResult<()>;
    /// Every stopped endpoint.
    async fn paused(&self) -> StoreResult<Vec<Pause>>;

    /// Notes that an endpoint fails since then; an earlier note stays.
    async fn note_failing(&self, lane: &Lane, since: Moment) -> StoreResult<()>;
    /// Notes that it works again.
    async fn note_working(&self, lane: &Lane) -> StoreResult<()>;
    /// Every endpoint that did nothing but fail, and since when.
    async fn failing(&self) -> StoreResult<Vec<(Lane, Moment)>>;

    /// Carts in the order of their next wake, or shard by shard and shop by shop; one that moves meanwhile may come twice
    /// or not at all.
    async fn list_carts(&self, cursor: Option<&str>, limit: usize) -> StoreResult<Page>;
    /// One delivery of a cart, while it is kept.
    async fn delivery(&self, shop: &ShopId, cart: &CartId, id: &DeliveryId) -> StoreResult<Option<Delivery>>;

    /// A page of a lane; stable but for what moves meanwhile, which may come twice or not at all.
    async fn list_deliveries(
        &self,
        lane: &Lane,
        which: Shelf,
        cursor: Option<&str>,
        limit: usize,
    ) -> StoreResult<LetterPage>;
    /// One delivery, wherever it lies, while it is kept.
    async fn find_delivery(&self, id: &DeliveryId) -> StoreResult<Option<Letter>>;
    /// Those of these deliveries of a cart that there are.
    async fn deliveries_of(&self, shop: &ShopId, cart: &CartId, ids: &[DeliveryId]) -> StoreResult<Vec<Letter>>;
    /// Makes letters of a lane that have ended pending again, at most [`BATCH_MAX`], among its first attempts: somebody waits
    /// for them. Gives how many still were as read.
    async fn revive(&self, lane: &Lane, revivals: &[Revival]) -> StoreResult<usize>;
    /// Ends a delivery that cannot be read: its record stays, and its place is among the dead.
    async fn bury(&self, burial: Burial<'_>) -> StoreResult<Settled>;

    /// The counts of a shop over these days, both included, summed over shards.
    async fn tallies(&self, shop: &ShopId, from: Day, to: Day) -> StoreResult<Vec<(Day, TallyKey, i64)>>;
    /// How many carts of each shop are in each state.
    async fn census(&self) -> StoreResult<Vec<(ShopId, StateName, i64)>>;
    /// What waits in the outbox.
    async fn outbox_counts(&self) -> StoreResult<OutboxCounts>;

    /// Whether the store can be relied on now.
    async fn check(&self) -> StoreResult<Health>;
    /// Deletes what has expired and is not removed by the backend itself: old answers, notes, ended deliveries.
    async fn sweep(&self, now: Moment) -> StoreResult<u64>;
    /// Everything acknowledged is on disk when this returns.
    async fn flush(&self) -> StoreResult<()>;
}
