//! A store in memory: naive, obviously right, without a thread or a clock of its own.
//!
//! It is one more place of the conformance suite, so that the suite checks the model and the model the suite, and it is
//! what the simulation runs on. Values are kept as they are, not encoded: the stores that encode are checked by the same
//! suite, and thousands of seeds are to be cheap. Every call is one step under one lock.
//! Never here: faults; those are in `sim/faults.rs`.

mod deliveries;
mod erasure;
mod letters;
mod people;
mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use cartwake::domain::{
    Cart, CartId, Day, Delivery, DeliveryId, EventKey, IdentifierHash, Moment, Note, NoteKey, Order, OrderId, ShopId,
    StateName, TallyKey,
};
use cartwake::store::{
    Answered, BATCH_MAX, Begun, Burial, Claim, Commit, Committed, DUE_MAX, DueLanes, Health, Lane, Letter, LetterPage,
    Loaded, OrderCommit, OutboxCounts, Page, Pause, Queue, Revival, Sends, Settled, Settlement, Shelf, Store,
    StoreResult, Stored, Version,
};

/// A cart, where it is in the index of wakes, and how often it was written.
#[derive(Clone, Debug)]
pub struct CartRow {
    pub version: Version,
    pub wake_at: Moment,
    pub cart: Cart,
}

/// A delivery, and when it is next looked at: its due moment, or the end of its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    pub delivery: Delivery,
    pub look_at: Moment,
    pub is_leased: bool,
    pub purge_at: Option<Moment>,
    /// Whether it was attempted before.
    pub queue: Queue,
    pub is_buried: bool,
}

/// What a key was answered about: carts and orders of one id are two things.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    Cart(CartId),
    Order(OrderId),
}

/// Everything that is kept.
#[derive(Default)]
pub struct Book {
    pub carts: BTreeMap<(ShopId, CartId), CartRow>,
    pub orders: BTreeMap<(ShopId, OrderId), Stored<Order>>,
    pub answers: BTreeMap<(ShopId, About, EventKey), (Answered, Moment)>,
    pub enrolled: BTreeMap<(ShopId, IdentifierHash), BTreeMap<CartId, Moment>>,
    pub notes: BTreeMap<(ShopId, IdentifierHash), BTreeMap<NoteKey, (Note, Moment)>>,
    pub deliveries: BTreeMap<DeliveryId, DeliveryRow>,
    pub lanes: BTreeSet<Lane>,
    /// Sends that began and were not settled.
    pub sends: BTreeMap<(ShopId, CartId, DeliveryId), Moment>,
    /// Sends that ended without an answer.
    pub unanswered: BTreeMap<(ShopId, CartId, DeliveryId), Moment>,
    pub pauses: BTreeMap<Lane, Pause>,
    pub failing: BTreeMap<Lane, Moment>,
    pub tallies: BTreeMap<(ShopId, Day, TallyKey), i64>,
    pub census: BTreeMap<(ShopId, StateName), i64>,
}

/// The store.
pub struct MemoryStore {
    identity_key: [u8; 32],
    book: Mutex<Book>,
}

impl MemoryStore {
    pub fn new(identity_key: [u8; 32]) -> Self {
        Self { identity_key, book: Mutex::default() }
    }

    /// One step: nobody else sees anything of it before it is done.
    pub fn with<T>(&self, step: impl FnOnce(&mut Book) -> T) -> T {
        step(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn identity_key(&self) -> [u8; 32] {
        self.identity_key
    }

    async fn load(&self, shop: &ShopId, id: &CartId, key: Option<&EventKey>) -> StoreResult<Loaded<Cart>> {
        Ok(self.with(|book| book.load(shop, id, key)))
    }

    async fn commit(&self, commit: Commit<'_>) -> StoreResult<Committed> {
        Ok(self.with(|book| book.commit(&commit)))
    }

    async fn sends(&self, shop: &ShopId, id: &CartId, now: Moment) -> StoreResult<Sends> {
        Ok(self.with(|book| book.sends_of(shop, id, now)))
    }

    async fn load_order(&self, shop: &ShopId, id: &OrderId, key: Option<&EventKey>) -> StoreResult<Loaded<Order>> {
        Ok(self.with(|book| book.load_order(shop, id, key)))
    }

    async fn commit_order(&self, commit: OrderCommit<'_>) -> StoreResult<Committed> {
        Ok(self.with(|book| book.commit_order(&commit)))
    }

    async fn enroll(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        cart: &CartId,
        until: Moment,
    ) -> StoreResult<Vec<Note>> {
        Ok(self.with(|book| {
            book.enroll(shop, hashes, cart, until);
            book.notes(shop, hashes, Moment::from_millis(i64::MIN))
        }))
    }

    async fn notes(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> StoreResult<Vec<Note>> {
        Ok(self.with(|book| book.notes(shop, hashes, now)))
    }

    async fn note(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        note: &Note,
        until: Moment,
        now: Moment,
    ) -> StoreResult<Vec<Note>> {
        Ok(self.with(|book| {
            book.note(shop, hashes, note, until, now);
            book.notes(shop, hashes, now)
        }))
    }

    async fn unnote(&self, shop: &ShopId, hashes: &[IdentifierHash], key: &NoteKey) -> StoreResult<()> {
        self.with(|book| book.unnote(shop, hashes, key));
        Ok(())
    }

    async fn carts_of(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> StoreResult<Vec<CartId>> {
        Ok(self.with(|book| book.carts_of(shop, hashes, now)))
    }

    async fn due_carts(&self, now: Moment, limit: usize, turn: usize) -> StoreResult<Vec<(ShopId, CartId)>> {
        Ok(self.with(|book| book.due_carts(now, limit.min(DUE_MAX), turn)))
    }

    async fn next_wake(&self) -> StoreResult<Option<Moment>> {
        Ok(self.with(|book| book.next_wake()))
    }

    async fn postpone(&self, shop: &ShopId, id: &CartId, now: Moment, until: Moment) -> StoreResult<()> {
        self.with(|book| {
            let row = book.carts.get_mut(&(shop.clone(), id.clone()));
            if let Some(row) = row.filter(|row| row.wake_at <= now) {
                row.wake_at = until;
            }
        });
        Ok(())
    }

    async fn lanes(&self) -> StoreResult<Vec<Lane>> {
        Ok(self.with(|book| book.lanes.iter().cloned().collect()))
    }

    async fn due_lanes(&self, now: Moment) -> StoreResult<DueLanes> {
        Ok(self.with(|book| book.due_lanes(now)))
    }

    async fn claim(&self, lane: &Lane, now: Moment, limit: usize, until: Moment) -> StoreResult<Vec<Claim>> {
        Ok(self.with(|book| book.claim(lane, now, limit.min(BATCH_MAX), until)))
    }

    async fn begin(&self, claim: &Claim, _now: Moment, until: Moment) -> StoreResult<Option<Begun>> {
        Ok(self.with(|book| book.begin(claim, until)))
    }

    async fn release(&self, claim: &Claim, due_at: Moment) -> StoreResult<Settled> {
        Ok(self.with(|book| book.release(claim, due_at)))
    }

    async fn settle(&self, settlement: Settlement<'_>) -> StoreResult<Settled> {
        Ok(self.with(|book| book.settle(&settlement)))
    }

    async fn next_due(&self, lane: &Lane) -> StoreResult<Option<Moment>> {
        Ok(self.with(|book| book.next_due(lane)))
    }

    async fn pause(&self, pause: &Pause) -> StoreResult<()> {
        self.with(|book| book.pauses.entry(pause.lane.clone()).or_insert_with(|| pause.clone()).since);
        Ok(())
    }

    async fn resume(&self, lane: &Lane) -> StoreResult<()> {
        self.with(|book| book.pauses.remove(lane));
        Ok(())
    }

    async fn paused(&self) -> StoreResult<Vec<Pause>> {
        Ok(self.with(|book| book.pauses.values().cloned().collect()))
    }

    async fn note_failing(&self, lane: &Lane, since: Moment) -> StoreResult<()> {
        self.with(|book| *book.failing.entry(lane.clone()).or_insert(since));
        Ok(())
    }

    async fn note_working(&self, lane: &Lane) -> StoreResult<()> {
        self.with(|book| book.failing.remove(lane));
        Ok(())
    }

    async fn failing(&self) -> StoreResult<Vec<(Lane, Moment)>> {
        Ok(self.with(|book| book.failing.iter().map(|(lane, since)| (lane.clone(), *since)).collect()))
    }

    async fn list_deliveries(
        &self,
        lane: &Lane,
        which: Shelf,
        cursor: Option<&str>,
        limit: usize,
    ) -> StoreResult<LetterPage> {
        Ok(self.with(|book| book.letters(lane, which, cursor, limit)))
    }

    async fn find_delivery(&self, id: &DeliveryId) -> StoreResult<Option<Letter>> {
        Ok(self.with(|book| book.letter(id)))
    }

    async fn deliveries_of(&self, shop: &ShopId, cart: &CartId, ids: &[DeliveryId]) -> StoreResult<Vec<Letter>> {
        Ok(self.with(|book| book.letters_of(shop, cart, ids)))
    }

    async fn revive(&self, _lane: &Lane, revivals: &[Revival]) -> StoreResult<usize> {
        Ok(self.with(|book| revivals.iter().filter(|revival| book.revive(revival)).count()))
    }

    async fn bury(&self, burial: Burial<'_>) -> StoreResult<Settled> {
        Ok(self.with(|book| book.bury(&burial)))
    }

    async fn list_carts(&self, cursor: Option<&str>, limit: usize) -> StoreResult<Page> {
        Ok(self.with(|book| book.page(cursor, limit)))
    }

    async fn delivery(&self, shop: &ShopId, cart: &CartId, id: &DeliveryId) -> StoreResult<Option<Delivery>> {
        let is_of = |delivery: &Delivery| delivery.shop == *shop && delivery.cart == *cart;
        Ok(self.with(|book| book.deliveries.get(id).map(|row| row.delivery.clone()).filter(is_of)))
    }

    async fn tallies(&self, shop: &ShopId, from: Day, to: Day) -> StoreResult<Vec<(Day, TallyKey, i64)>> {
        let is_asked = |of: &ShopId, day: Day| of == shop && (from..=to).contains(&day);
        Ok(self.with(|book| {
            let asked = book.tallies.iter().filter(|((of, day, _), _)| is_asked(of, *day));
            asked.map(|((_, day, key), value)| (*day, key.clone(), *value)).collect()
        }))
    }

    async fn census(&self) -> StoreResult<Vec<(ShopId, StateName, i64)>> {
        Ok(self.with(|book| {
            let some = book.census.iter().filter(|(_, carts)| **carts != 0);
            some.map(|((shop, state), carts)| (shop.clone(), *state, *carts)).collect()
        }))
    }

    async fn outbox_counts(&self) -> StoreResult<OutboxCounts> {
        Ok(self.with(|book| book.outbox_counts()))
    }

    async fn check(&self) -> StoreResult<Health> {
        Ok(Health::default())
    }

    async fn sweep(&self, now: Moment) -> StoreResult<u64> {
        Ok(self.with(|book| book.sweep(now)))
    }

    async fn flush(&self) -> StoreResult<()> {
        Ok(())
    }
}
