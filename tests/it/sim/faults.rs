//! The store as a process sees it through a bad line: slow, away, refusing, or forgetting to answer.
//!
//! A call waits, then happens as one step of the store in memory or not at all, then its answer waits or is lost. The
//! ledger sees what truly happened. A process that is stopped or killed while it waits is the rest of what can go wrong.
//! Never here: opinions; those are in `ledger.rs`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cartwake::domain::{
    Cart, CartId, Day, Delivery, DeliveryId, EventKey, IdentifierHash, Moment, Note, NoteKey, Order, OrderId, ShopId,
    StateName, TallyKey,
};
use cartwake::store::{
    Begun, Burial, Claim, Commit, Committed, DueLanes, Health, Lane, Letter, LetterPage, Loaded, OrderCommit,
    OutboxCounts, Page, Pause, Revival, Sends, Settled, Settlement, Shelf, Store, StoreError, StoreResult,
};

use super::dice::Dice;
use super::ledger::Ledger;
use super::world::World;
use crate::memory::Book;

/// How bad the line is; each out of a thousand calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub refuses: u64,
    pub loses_the_answer: u64,
    pub conflicts: u64,
    /// Calls that take long, and how long at most.
    pub stalls: u64,
    pub stall_ms: u64,
}

impl Weather {
    pub fn of(dice: &mut Dice) -> Self {
        let worst = *dice.pick(&[0, 5, 20, 60]);
        let mut some = || dice.below(worst + 1);
        let (refuses, loses_the_answer, conflicts, stalls) = (some(), some(), some(), some());
        Self { refuses, loses_the_answer, conflicts, stalls, stall_ms: *dice.pick(&[200, 1_500, 6_000]) }
    }
}

/// What becomes of one call.
struct Fate {
    before: Duration,
    after: Duration,
    refused: bool,
    answer_lost: bool,
    conflict: bool,
}

impl Fate {
    fn of(weather: &Weather, is_away: bool, dice: &mut Dice) -> Self {
        let mut wait = || {
            let millis =
                if dice.chance(weather.stalls) { dice.below(weather.stall_ms) } else { [0, 0, 1, 3][dice.index(4)] };
            Duration::from_millis(millis)
        };
        let (before, after) = (wait(), wait());
        Self {
            before,
            after,
            refused: is_away || dice.chance(weather.refuses),
            answer_lost: dice.chance(weather.loses_the_answer),
            conflict: dice.chance(weather.conflicts),
        }
    }
}

/// The store behind a bad line.
pub struct Line {
    pub world: Arc<World>,
    pub process: usize,
}

impl Line {
    pub(super) async fn call<T>(
        &self,
        op: &'static str,
        step: impl FnOnce(&mut Book, &mut Ledger) -> T + Send,
    ) -> StoreResult<T> {
        self.call_or(op, |book, ledger, _| step(book, ledger)).await
    }

    /// Whether the parts of the store that these are in answer.
    fn reach(&self, hashes: &[IdentifierHash]) -> StoreResult<()> {
        let is_dark = self.world.with(|inner| hashes.iter().any(|hash| inner.dark.contains(hash)));
        if is_dark { Err(StoreError::Unavailable(anyhow::anyhow!("a part of the store is dark"))) } else { Ok(()) }
    }

    async fn call_or<T>(
        &self,
        op: &'static str,
        step: impl FnOnce(&mut Book, &mut Ledger, bool) -> T + Send,
    ) -> StoreResult<T> {
        let away = || StoreError::Unavailable(anyhow::anyhow!("a fault of the simulation"));
        let now = self.world.now();
        let fate = self.world.with(|inner| {
            let mut fate = Fate::of(&inner.weather, now < inner.away_until, &mut inner.dice);
            if matches!(op, "note" | "notes") && inner.lingers.remove(&self.process) {
                fate.after = Duration::from_millis(100 + inner.dice.below(1_850));
            }
            fate
        });
        wait(fate.before).await;
        if fate.refused {
            self.world.with(|inner| inner.ledger.note(now, &format_args!("p{} {op} refused", self.process)));
            return Err(away());
        }
        let now = self.world.now();
        let done = self.world.with(|inner| {
            let ledger = &mut inner.ledger;
            ledger.note(now, &format_args!("p{} {op}", self.process));
            self.world.store.with(|book| step(book, ledger, fate.conflict))
        });
        wait(fate.after).await;
        if fate.answer_lost {
            self.world.with(|inner| inner.ledger.note(now, &format_args!("p{} {op} answer lost", self.process)));
            return Err(away());
        }
        Ok(done)
    }
}

async fn wait(span: Duration) {
    if !span.is_zero() {
        tokio::time::sleep(span).await;
    }
}

#[async_trait]
impl Store for Line {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn identity_key(&self) -> [u8; 32] {
        self.world.store.identity_key()
    }

    async fn load(&self, shop: &ShopId, id: &CartId, key: Option<&EventKey>) -> StoreResult<Loaded<Cart>> {
        self.call("load", |book, _| book.load(shop, id, key)).await
    }

    async fn commit(&self, commit: Commit<'_>) -> StoreResult<Committed> {
        let committed = self
            .call_or("commit", |book, ledger, conflict| {
                if conflict {
                    return Committed::Conflict;
                }
                let before = book.carts.get(&(commit.shop.clone(), commit.id.clone())).cloned();
                let new: Vec<bool> =
                    commit.outbox.iter().map(|delivery| !book.deliveries.contains_key(&delivery.id)).collect();
                let committed = book.commit(&commit);
                if committed.is_done() {
                    ledger.started(&commit, &new);
                    ledger.cart_was_written(before.as_ref(), &commit, book);
                }
                committed
            })
            .await;
        self.world.bell.notify_waiters();
        committed
    }

    async fn sends(&self, shop: &ShopId, id: &CartId, now: Moment) -> StoreResult<Sends> {
        self.call("sends", |book, _| book.sends_of(shop, id, now)).await
    }

    async fn load_order(&self, shop: &ShopId, id: &OrderId, key: Option<&EventKey>) -> StoreResult<Loaded<Order>> {
        self.call("load_order", |book, _| book.load_order(shop, id, key)).await
    }

    async fn commit_order(&self, commit: OrderCommit<'_>) -> StoreResult<Committed> {
        self.call_or("commit_order", |book, ledger, conflict| {
            if conflict {
                return Committed::Conflict;
            }
            let at = (commit.order.shop.clone(), commit.order.id.clone());
            let before = book.orders.get(&at).map(|stored| stored.value.clone());
            let committed = book.commit_order(&commit);
            if matches!(committed, Committed::Done) {
                ledger.order_was_written(before.as_deref(), &commit);
            }
            committed
        })
        .await
    }

    async fn enroll(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        cart: &CartId,
        until: Moment,
    ) -> StoreResult<Vec<Note>> {
        self.reach(hashes)?;
        self.call("enroll", |book, ledger| {
            book.enroll(shop, hashes, cart, until);
            ledger.enrolled(hashes, cart);
            book.notes(shop, hashes, Moment::from_millis(i64::MIN))
        })
        .await
    }

    async fn notes(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> StoreResult<Vec<Note>> {
        self.reach(hashes)?;
        self.call("notes", |book, _| book.notes(shop, hashes, now)).await
    }

    async fn note(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        note: &Note,
        until: Moment,
        now: Moment,
    ) -> StoreResult<Vec<Note>> {
        self.reach(hashes)?;
        self.call("note", |book, ledger| {
            book.note(shop, hashes, note, until, now);
            ledger.noted(hashes, note);
            if let Note::Purchase(mark) = note {
                ledger.marked(mark);
            }
            book.notes(shop, hashes, now)
        })
        .await
    }

    async fn unnote(&self, shop: &ShopId, hashes: &[IdentifierHash], key: &NoteKey) -> StoreResult<()> {
        self.call("unnote", |book, _| book.unnote(shop, hashes, key)).await
    }

    async fn carts_of(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> StoreResult<Vec<CartId>> {
        self.call("carts_of", |book, _| book.carts_of(shop, hashes, now)).await
    }

    async fn due_carts(&self, now: Moment, limit: usize, turn: usize) -> StoreResult<Vec<(ShopId, CartId)>> {
        self.call("due_carts", |book, _| book.due_carts(now, limit, turn)).await
    }

    async fn next_wake(&self) -> StoreResult<Option<Moment>> {
        self.call("next_wake", |book, _| book.next_wake()).await
    }

    async fn postpone(&self, shop: &ShopId, id: &CartId, now: Moment, until: Moment) -> StoreResult<()> {
        self.call("postpone", |book, ledger| {
            let row = book.carts.get_mut(&(shop.clone(), id.clone()));
            if let Some(row) = row.filter(|row| row.wake_at <= now) {
                row.wake_at = until;
                ledger.cart_was_postponed(id);
            }
        })
        .await
    }

    async fn lanes(&self) -> StoreResult<Vec<Lane>> {
        self.call("lanes", |book, _| book.lanes.iter().cloned().collect()).await
    }

    async fn due_lanes(&self, now: Moment) -> StoreResult<DueLanes> {
        self.call("due_lanes", |book, _| book.due_lanes(now)).await
    }

    async fn claim(&self, lane: &Lane, now: Moment, limit: usize, until: Moment) -> StoreResult<Vec<Claim>> {
        self.call("claim", |book, ledger| {
            let claims = book.claim(lane, now, limit, until);
            ledger.claimed(&claims, now);
            claims
        })
        .await
    }

    async fn begin(&self, claim: &Claim, _now: Moment, until: Moment) -> StoreResult<Option<Begun>> {
        self.call("begin", |book, ledger| {
            let begun = book.begin(claim, until);
            ledger.begun(claim, begun.as_ref());
            begun
        })
        .await
    }

    async fn release(&self, claim: &Claim, due_at: Moment) -> StoreResult<Settled> {
        let released = self
            .call("release", |book, ledger| {
                let before = book.deliveries.get(&claim.delivery).cloned();
                let released = book.release(claim, due_at);
                ledger.released(claim, before.as_ref(), released, book);
                released
            })
            .await;
        self.world.bell.notify_waiters();
        released
    }

    async fn settle(&self, settlement: Settlement<'_>) -> StoreResult<Settled> {
        let settled = self
            .call("settle", |book, ledger| {
                let before = book.deliveries.get(&settlement.claim.delivery).cloned();
                let counted: i64 = book.tallies.values().sum();
                let settled = book.settle(&settlement);
                ledger.settled(&settlement, before.as_ref(), settled, counted, book);
                settled
            })
            .await;
        self.world.bell.notify_waiters();
        settled
    }

    async fn next_due(&self, lane: &Lane) -> StoreResult<Option<Moment>> {
        self.call("next_due", |book, _| book.next_due(lane)).await
    }

    async fn pause(&self, pause: &Pause) -> StoreResult<()> {
        self.call("pause", |book, _| {
            book.pauses.entry(pause.lane.clone()).or_insert_with(|| pause.clone());
        })
        .await
    }

    async fn resume(&self, lane: &Lane) -> StoreResult<()> {
        self.call("resume", |book, _| drop(book.pauses.remove(lane))).await
    }

    async fn paused(&self) -> StoreResult<Vec<Pause>> {
        self.call("paused", |book, _| book.pauses.values().cloned().collect()).await
    }

    async fn note_failing(&self, lane: &Lane, since: Moment) -> StoreResult<()> {
        self.call("note_failing", |book, _| *book.failing.entry(lane.clone()).or_insert(since)).await.map(|_| ())
    }

    async fn note_working(&self, lane: &Lane) -> StoreResult<()> {
        self.call("note_working", |book, _| book.failing.remove(lane)).await.map(|_| ())
    }

    async fn failing(&self) -> StoreResult<Vec<(Lane, Moment)>> {
        self.call("failing", |book, _| book.failing.iter().map(|(lane, since)| (lane.clone(), *since)).collect()).await
    }

    async fn list_deliveries(
        &self,
        lane: &Lane,
        which: Shelf,
        cursor: Option<&str>,
        limit: usize,
    ) -> StoreResult<LetterPage> {
        self.world.store.list_deliveries(lane, which, cursor, limit).await
    }

    async fn find_delivery(&self, id: &DeliveryId) -> StoreResult<Option<Letter>> {
        self.world.store.find_delivery(id).await
    }

    async fn deliveries_of(&self, shop: &ShopId, cart: &CartId, ids: &[DeliveryId]) -> StoreResult<Vec<Letter>> {
        self.world.store.deliveries_of(shop, cart, ids).await
    }

    async fn revive(&self, lane: &Lane, revivals: &[Revival]) -> StoreResult<usize> {
        self.world.store.revive(lane, revivals).await
    }

    async fn bury(&self, burial: Burial<'_>) -> StoreResult<Settled> {
        self.world.store.bury(burial).await
    }

    async fn list_carts(&self, cursor: Option<&str>, limit: usize) -> StoreResult<Page> {
        self.world.store.list_carts(cursor, limit).await
    }

    async fn delivery(&self, shop: &ShopId, cart: &CartId, id: &DeliveryId) -> StoreResult<Option<Delivery>> {
        self.world.store.delivery(shop, cart, id).await
    }

    async fn tallies(&self, shop: &ShopId, from: Day, to: Day) -> StoreResult<Vec<(Day, TallyKey, i64)>> {
        self.world.store.tallies(shop, from, to).await
    }

    async fn census(&self) -> StoreResult<Vec<(ShopId, StateName, i64)>> {
        self.world.store.census().await
    }

    async fn outbox_counts(&self) -> StoreResult<OutboxCounts> {
        self.world.store.outbox_counts().await
    }

    async fn check(&self) -> StoreResult<Health> {
        self.world.store.check().await
    }

    async fn sweep(&self, now: Moment) -> StoreResult<u64> {
        self.call("sweep", |book, _| book.sweep(now)).await
    }

    async fn flush(&self) -> StoreResult<()> {
        self.call("flush", |_, _| ()).await
    }
}
