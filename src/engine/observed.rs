//! The store as the engine sees it: every call timed, every failure counted. It changes nothing else.
//!
//! One wrapper instead of a timer at each call, so that no call can be forgotten.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::domain::{
    Cart, CartId, Day, Delivery, DeliveryId, EventKey, IdentifierHash, Moment, Note, NoteKey, Order, OrderId, ShopId,
    StateName, TallyKey,
};
use crate::metrics::Metrics;
use crate::store::{
    Asked, Begun, Burial, Claim, Commit, Committed, DueLanes, Erase, Health, Lane, Letter, LetterPage, Loaded,
    OrderCommit, OutboxCounts, Page, Pause, Revival, Sends, Settled, Settlement, Shelf, Store, StoreResult,
};

/// A store whose calls are measured.
pub struct Observed {
    inner: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

impl Observed {
    /// Measures the calls of this store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        metrics.expect_store_calls(CALLS);
        Self { inner, metrics }
    }

    async fn timed<T>(&self, op: &str, call: impl Future<Output = StoreResult<T>> + Send) -> StoreResult<T> {
        #[expect(clippy::disallowed_methods, reason = "measures a call; nothing is decided by it")]
        let started = Instant::now();
        let result = call.await;
        self.metrics.store_call(op, started.elapsed());
        if let Err(error) = &result {
            self.metrics.store_error(op, error);
        }
        result
    }

    async fn timed_all<T>(
        &self,
        op: &str,
        call: impl Future<Output = Vec<StoreResult<T>>> + Send,
    ) -> Vec<StoreResult<T>> {
        #[expect(clippy::disallowed_methods, reason = "measures a call; nothing is decided by it")]
        let started = Instant::now();
        let results = call.await;
        self.metrics.store_call(op, started.elapsed());
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            self.metrics.store_error(op, error);
        }
        results
    }
}

/// Passes each call on, under its own name.
macro_rules! observe {
    (
        $($name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)+
        --
        $($all:ident($($part:ident: $part_kind:ty),*) -> $each:ty;)+
        --
        $($rare:ident($($given:ident: $given_kind:ty),*) -> $result:ty;)+
    ) => {
        /// The calls, by the names that the metrics know them under.
        const CALLS: &[&str] = &[$(stringify!($name),)+ $(stringify!($all),)+ $(stringify!($rare)),+];

        #[async_trait]
        impl Store for Observed {
            fn name(&self) -> &'static str {
                self.inner.name()
            }

            fn identity_key(&self) -> [u8; 32] {
                self.inner.identity_key()
            }

            $(async fn $name(&self $(, $arg: $kind)*) -> StoreResult<$out> {
                self.timed(stringify!($name), self.inner.$name($($arg),*)).await
            })+

            $(async fn $all(&self $(, $part: $part_kind)*) -> Vec<StoreResult<$each>> {
                self.timed_all(stringify!($all), self.inner.$all($($part),*)).await
            })+
        }

        #[async_trait]
        impl Erase for Observed {
            $(async fn $rare(&self $(, $given: $given_kind)*) -> StoreResult<$result> {
                self.timed(stringify!($rare), self.inner.$rare($($given),*)).await
            })+
        }
    };
}

observe! {
    load(shop: &ShopId, id: &CartId, key: Option<&EventKey>) -> Loaded<Cart>;
    commit(commit: Commit<'_>) -> Committed;
    sends(shop: &ShopId, id: &CartId, now: Moment) -> Sends;
    load_order(shop: &ShopId, id: &OrderId, key: Option<&EventKey>) -> Loaded<Order>;
    commit_order(commit: OrderCommit<'_>) -> Committed;
    enroll(shop: &ShopId, hashes: &[IdentifierHash], cart: &CartId, until: Moment) -> Vec<Note>;
    notes(shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> Vec<Note>;
    note(shop: &ShopId, hashes: &[IdentifierHash], note: &Note, until: Moment, now: Moment) -> Vec<Note>;
    unnote(shop: &ShopId, hashes: &[IdentifierHash], key: &NoteKey) -> ();
    carts_of(shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> Vec<CartId>;
    attend(now: Moment) -> ();
    depart() -> ();
    look_around() -> ();
    due_carts(now: Moment, limit: usize, turn: usize) -> Vec<(ShopId, CartId)>;
    next_wake() -> Option<Moment>;
    postpone(shop: &ShopId, id: &CartId, now: Moment, until: Moment) -> ();
    lanes() -> Vec<Lane>;
    due_lanes(now: Moment) -> DueLanes;
    claim(lane: &Lane, now: Moment, limit: usize, until: Moment) -> Vec<Claim>;
    begin(claim: &Claim, now: Moment, until: Moment) -> Option<Begun>;
    release(claim: &Claim, due_at: Moment) -> Settled;
    settle(settlement: Settlement<'_>) -> Settled;
    next_due(lane: &Lane) -> Option<Moment>;
    pause(pause: &Pause) -> ();
    resume(lane: &Lane) -> ();
    paused() -> Vec<Pause>;
    note_failing(lane: &Lane, since: Moment) -> ();
    note_working(lane: &Lane) -> ();
    failing() -> Vec<(Lane, Moment)>;
    list_carts(cursor: Option<&str>, limit: usize) -> Page;
    delivery(shop: &ShopId, cart: &CartId, id: &DeliveryId) -> Option<Delivery>;
    list_deliveries(lane: &Lane, which: Shelf, cursor: Option<&str>, limit: usize) -> LetterPage;
    find_delivery(id: &DeliveryId) -> Option<Letter>;
    deliveries_of(shop: &ShopId, cart: &CartId, ids: &[DeliveryId]) -> Vec<Letter>;
    revive(lane: &Lane, revivals: &[Revival]) -> usize;
    bury(burial: Burial<'_>) -> Settled;
    tallies(shop: &ShopId, from: Day, to: Day) -> Vec<(Day, TallyKey, i64)>;
    census() -> Vec<(ShopId, StateName, i64)>;
    outbox_counts() -> OutboxCounts;
    check() -> Health;
    sweep(now: Moment) -> u64;
    flush() -> ();
    --
    load_all(carts: &[(ShopId, CartId)]) -> Loaded<Cart>;
    commit_all(commits: Vec<Commit<'_>>) -> Committed;
    notes_all(asked: &[Asked<'_>], now: Moment) -> Vec<Note>;
    begin_all(claims: &[Claim], now: Moment, until: Moment) -> Option<Begun>;
    settle_all(settlements: Vec<Settlement<'_>>) -> Settled;
    --
    letters_about(shop: &ShopId, carts: &[CartId]) -> Vec<Letter>;
    expunge(letters: &[Letter]) -> usize;
    forget_answers(shop: &ShopId, carts: &[CartId], orders: &[OrderId]) -> usize;
    shred(shop: &ShopId, carts: &[CartId]) -> bool;
    withdraw(shop: &ShopId, hashes: &[IdentifierHash], carts: &[CartId]) -> usize;
    forget(shop: &ShopId, hashes: &[IdentifierHash], keep: &[NoteKey]) -> usize;
}
