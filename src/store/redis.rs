//! The store for more than one machine: Redis 7 or Valkey, one atomic script for each transition.
//!
//! A cart, its wake, deliveries, answers and counts lie in one of S shards and share its tag (`redis/keys.rs`); notes
//! and enrolments lie in the shard of their identifier, and what touches both is a sequence of idempotent writes.
//! Every moment comes from the caller. Expirations only tidy up, with slack, and count from the caller's `now`: no moment
//! of the core's depends on the clock of Redis, and nothing listens for an `expired` event.
//!
//! Never here: decisions, `now()`, a blocking command, pub/sub. Read next: `redis/keys.rs`, `redis/commit.lua`, then
//! docs/redis.md for what an operator must know.

mod address;
mod attendance;
mod batch;
mod commits;
mod connection;
mod counts;
mod days;
mod erasure;
mod failure;
mod health;
mod keyring;
mod keys;
mod lanes;
mod letters;
mod meta;
mod node;
mod persons;
mod routes;
mod script;
mod sends;
mod wakes;

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;

pub use self::address::Address;
use self::attendance::Attendance;
use self::batch::only;
use self::connection::Connections;
use self::days::Days;
pub use self::keyring::RedisKeyring;
use self::keys::Shards;
use self::meta::{Meta, Standing};
use super::{
    Asked, Begun, Burial, Claim, Commit, Committed, DueLanes, Health, Lane, Letter, LetterPage, Loaded, OrderCommit,
    OutboxCounts, Page, Pause, Revival, Sends, Settled, Settlement, Shelf, Store, StoreError, StoreResult,
};
use crate::domain::{
    Cart, CartId, Day, Delivery, DeliveryId, EventKey, IdentifierHash, Moment, Note, NoteKey, Order, OrderId, ShopId,
    StateName, TallyKey,
};

/// Nothing lives longer in Redis without being written again.
const LIFE_MAX: Duration = Duration::from_hours(24 * 3_650);

/// How to reach a Redis store, and what it must be like.
#[derive(Clone)]
pub struct RedisSettings {
    /// As [`Address`] reads it; may hold a password.
    pub url: String,
    /// Who vouches for the servers over TLS, as PEM; by default the authorities the machine trusts.
    pub tls_ca: Option<Vec<u8>>,
    /// Whether a server without persistence is as meant.
    pub allow_volatile: bool,
    /// Fixed when the store is made.
    pub shards: u16,
    /// Bound on every exchange, connecting included.
    pub command_timeout: Duration,
    /// Connections at most: one for each runtime that uses the store, until there are that many.
    pub connections: usize,
}

/// Carts in Redis. Any number of processes may share one.
pub struct RedisStore {
    redis: Connections,
    shards: Shards,
    allow_volatile: bool,
    meta: Meta,
    attendance: Attendance,
    /// Lanes that `cw:lanes` is known to have.
    lanes: RwLock<HashSet<Lane>>,
    days: Days,
    /// The `now` of the latest call, in ms; `i64::MIN` before the first. What a call without one counts its life from. It
    /// follows a clock that jumped ahead back again: until then, what has not ended would be taken for over.
    latest_at: AtomicI64,
}

impl RedisStore {
    /// Opens the store, and makes it where there is none. `fresh_identity_key` is used only then.
    ///
    /// # Errors
    /// [`super::StoreError::Unusable`] when the store was made otherwise than these settings say, or by a newer version.
    pub async fn open(settings: RedisSettings, fresh_identity_key: [u8; 32], now: Moment) -> StoreResult<Self> {
        let redis = Connections::new(&settings.url, settings.tls_ca, settings.command_timeout, settings.connections)?;
        let meta = match meta::agree(&redis, settings.shards, fresh_identity_key, now).await {
            // Of a replica, or of one server of a cluster, its own words say more.
            Err(StoreError::Unavailable(why)) => match health::check(&redis, true).await {
                Err(unusable @ StoreError::Unusable(_)) => return Err(unusable),
                Ok(_) | Err(_) => return Err(StoreError::Unavailable(why)),
            },
            agreed => agreed?,
        };
        Ok(Self {
            redis,
            shards: Shards(settings.shards),
            allow_volatile: settings.allow_volatile,
            meta,
            // Used as a key only where it is the first; a name for this process can be made of it in any case.
            attendance: Attendance::new(fresh_identity_key, Shards(settings.shards)),
            lanes: RwLock::default(),
            days: Days::new(),
            latest_at: AtomicI64::new(i64::MIN),
        })
    }

    async fn confirm(&self) -> StoreResult<Standing> {
        let now = self.latest_at().unwrap_or(Moment::from_millis(0));
        let standing = meta::confirm(&self.redis, &self.meta, now).await?;
        if let Standing::Emptied(_) = standing {
            // Of what is known of it nothing is there any more.
            self.lanes.write().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(standing)
    }

    fn saw(&self, now: Moment) {
        self.latest_at.store(now.millis(), Ordering::Relaxed);
    }

    fn latest_at(&self) -> Option<Moment> {
        Some(self.latest_at.load(Ordering::Relaxed)).filter(|&at| at != i64::MIN).map(Moment::from_millis)
    }

    /// For how many ms Redis is to keep what ends at `until`, for calls that say no `now`.
    fn life_ms(&self, until: Moment, slack: Duration) -> u64 {
        self.latest_at().map_or_else(|| millis(LIFE_MAX), |now| life_ms(now, until, slack))
    }
}

/// For how many ms Redis is to keep what ends at `until`. Counted, not a moment: the caller's clock may not be its.
fn life_ms(now: Moment, until: Moment, slack: Duration) -> u64 {
    millis(until.since(now).saturating_add(slack).clamp(Duration::from_millis(1), LIFE_MAX))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A moment as a score. Scores are doubles, exact to 2^53: some 285,000 years.
fn score(at: Moment) -> i64 {
    const EXACT_MAX: i64 = 1 << 53;
    at.millis().clamp(-EXACT_MAX, EXACT_MAX)
}

#[async_trait]
impl Store for RedisStore {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn identity_key(&self) -> [u8; 32] {
        self.meta.identity_key
    }

    async fn load(&self, shop: &ShopId, id: &CartId, key: Option<&EventKey>) -> StoreResult<Loaded<Cart>> {
        self.load_cart(shop, id, key).await
    }

    async fn commit(&self, commit: Commit<'_>) -> StoreResult<Committed> {
        only(self.commit_carts(vec![commit]).await)
    }

    async fn load_all(&self, carts: &[(ShopId, CartId)]) -> Vec<StoreResult<Loaded<Cart>>> {
        self.load_carts(carts).await
    }

    async fn commit_all(&self, commits: Vec<Commit<'_>>) -> Vec<StoreResult<Committed>> {
        self.commit_carts(commits).await
    }

    async fn sends(&self, shop: &ShopId, id: &CartId, now: Moment) -> StoreResult<Sends> {
        self.saw(now);
        self.sends_of(shop, id, now).await
    }

    async fn load_order(&self, shop: &ShopId, id: &OrderId, key: Option<&EventKey>) -> StoreResult<Loaded<Order>> {
        self.load_stored_order(shop, id, key).await
    }

    async fn commit_order(&self, commit: OrderCommit<'_>) -> StoreResult<Committed> {
        self.commit_stored_order(commit).await
    }

    async fn enroll(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        cart: &CartId,
        until: Moment,
    ) -> StoreResult<Vec<Note>> {
        self.enroll_cart(shop, hashes, cart, until).await
    }

    async fn notes(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> StoreResult<Vec<Note>> {
        self.saw(now);
        self.notes_on(shop, hashes, now).await
    }

    async fn note(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        note: &Note,
        until: Moment,
        now: Moment,
    ) -> StoreResult<Vec<Note>> {
        self.saw(now);
        self.leave_note(shop, hashes, note, until, now).await
    }

    async fn notes_all(&self, asked: &[Asked<'_>], now: Moment) -> Vec<StoreResult<Vec<Note>>> {
        self.saw(now);
        self.notes_of_all(asked, now).await
    }

    async fn unnote(&self, shop: &ShopId, hashes: &[IdentifierHash], key: &NoteKey) -> StoreResult<()> {
        self.take_note_off(shop, hashes, key).await
    }

    async fn carts_of(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> StoreResult<Vec<CartId>> {
        self.saw(now);
        self.enrolled_carts(shop, hashes, now).await
    }

    async fn due_carts(&self, now: Moment, limit: usize, turn: usize) -> StoreResult<Vec<(ShopId, CartId)>> {
        self.saw(now);
        self.due_wakes(now, limit, turn).await
    }

    async fn next_wake(&self) -> StoreResult<Option<Moment>> {
        self.first_wake().await
    }

    async fn postpone(&self, shop: &ShopId, id: &CartId, now: Moment, until: Moment) -> StoreResult<()> {
        self.move_wake(shop, id, now, until).await
    }

    async fn attend(&self, now: Moment) -> StoreResult<()> {
        self.saw(now);
        self.show_life(now).await
    }

    async fn depart(&self) -> StoreResult<()> {
        self.take_leave().await
    }

    async fn look_around(&self) -> StoreResult<()> {
        self.redis.look_around().await;
        Ok(())
    }

    async fn lanes(&self) -> StoreResult<Vec<Lane>> {
        self.all_lanes().await
    }

    async fn due_lanes(&self, now: Moment) -> StoreResult<DueLanes> {
        self.saw(now);
        self.lanes_due(now).await
    }

    async fn claim(&self, lane: &Lane, now: Moment, limit: usize, until: Moment) -> StoreResult<Vec<Claim>> {
        self.saw(now);
        self.claim_due(lane, now, limit, until).await
    }

    async fn begin(&self, claim: &Claim, now: Moment, until: Moment) -> StoreResult<Option<Begun>> {
        self.saw(now);
        only(self.begin_sends(std::slice::from_ref(claim), now, until).await)
    }

    async fn begin_all(&self, claims: &[Claim], now: Moment, until: Moment) -> Vec<StoreResult<Option<Begun>>> {
        self.saw(now);
        self.begin_sends(claims, now, until).await
    }

    async fn release(&self, claim: &Claim, due_at: Moment) -> StoreResult<Settled> {
        self.release_claim(claim, due_at).await
    }

    async fn settle(&self, settlement: Settlement<'_>) -> StoreResult<Settled> {
        only(self.settle_claims(vec![settlement]).await)
    }

    async fn settle_all(&self, settlements: Vec<Settlement<'_>>) -> Vec<StoreResult<Settled>> {
        self.settle_claims(settlements).await
    }

    async fn next_due(&self, lane: &Lane) -> StoreResult<Option<Moment>> {
        self.first_due(lane).await
    }

    async fn pause(&self, pause: &Pause) -> StoreResult<()> {
        self.stop_lane(pause).await
    }

    async fn resume(&self, lane: &Lane) -> StoreResult<()> {
        self.start_lane(lane).await
    }

    async fn paused(&self) -> StoreResult<Vec<Pause>> {
        self.stopped_lanes().await
    }

    async fn note_failing(&self, lane: &Lane, since: Moment) -> StoreResult<()> {
        self.fails_since(lane, since).await
    }

    async fn note_working(&self, lane: &Lane) -> StoreResult<()> {
        self.works(lane).await
    }

    async fn failing(&self) -> StoreResult<Vec<(Lane, Moment)>> {
        self.failing_lanes().await
    }

    async fn list_carts(&self, cursor: Option<&str>, limit: usize) -> StoreResult<Page> {
        self.page_of_carts(cursor, limit).await
    }

    async fn delivery(&self, shop: &ShopId, cart: &CartId, id: &DeliveryId) -> StoreResult<Option<Delivery>> {
        self.stored_delivery(shop, cart, id).await
    }

    async fn list_deliveries(
        &self,
        lane: &Lane,
        which: Shelf,
        cursor: Option<&str>,
        limit: usize,
    ) -> StoreResult<LetterPage> {
        self.page_of_letters(lane, which, cursor, limit).await
    }

    async fn find_delivery(&self, id: &DeliveryId) -> StoreResult<Option<Letter>> {
        self.find_letter(id).await
    }

    async fn deliveries_of(&self, shop: &ShopId, cart: &CartId, ids: &[DeliveryId]) -> StoreResult<Vec<Letter>> {
        self.letters_of_cart(shop, cart, ids).await
    }

    async fn revive(&self, lane: &Lane, revivals: &[Revival]) -> StoreResult<usize> {
        self.revive_letters(lane, revivals).await
    }

    async fn bury(&self, burial: Burial<'_>) -> StoreResult<Settled> {
        self.bury_claim(burial).await
    }

    async fn tallies(&self, shop: &ShopId, from: Day, to: Day) -> StoreResult<Vec<(Day, TallyKey, i64)>> {
        self.sum_tallies(shop, from, to).await
    }

    async fn census(&self) -> StoreResult<Vec<(ShopId, StateName, i64)>> {
        self.sum_census().await
    }

    async fn outbox_counts(&self) -> StoreResult<OutboxCounts> {
        self.count_outbox().await
    }

    async fn check(&self) -> StoreResult<Health> {
        self.look_at_servers().await
    }

    /// Redis expires by itself; that it was emptied is seen to. Enrolments and dead deliveries are trimmed where new ones come in.
    async fn sweep(&self, now: Moment) -> StoreResult<u64> {
        self.saw(now);
        self.confirm().await?;
        Ok(0)
    }

    /// Nothing is held back here: when an answer is on disk is for the `appendfsync` of Redis to say (docs/redis.md).
    async fn flush(&self) -> StoreResult<()> {
        Ok(())
    }
}
