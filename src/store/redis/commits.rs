//! Carts and orders: what is known of one, and the one atomic write that changes it.
//!
//! A record is 8 bytes of version and the stored form. The script compares those bytes, so a version is never a number in
//! Lua. Which commits may go beyond `maxmemory` is decided here. Read next: `redis/commit.lua`.

use std::time::Duration;

use redis::{Cmd, Value};

use super::batch::{NO_ANSWER, all_failed, scatter, together};
use super::keys::{Shard, Subject, census_field, delivery_member, lane_member, send_mark};
use super::script::{COMMIT, COMMIT_ALL, COMMIT_ALL_EVEN_WHEN_FULL, COMMIT_EVEN_WHEN_FULL, Gathered, Script};
use super::sends::write_delivery;
use super::{RedisStore, life_ms, score};
use crate::domain::{Cart, CartId, Census, EventKey, Moment, Order, OrderId, ShopId, Tally};
use crate::store::{
    Commit, Committed, Keep, Lane, Loaded, OrderCommit, Queue, StoreError, StoreResult, Stored, Version, record,
};

const HEAD_BYTES: usize = 8;
/// The census by its number in a call.
const CENSUS: usize = 1;

/// A cart's record outlives its retention by this; until then its own wake ends it, and its counts with it.
const CART_SLACK: Duration = Duration::from_hours(7 * 24);
const ORDER_SLACK: Duration = Duration::from_hours(24);

impl RedisStore {
    pub(super) async fn load_cart(
        &self,
        shop: &ShopId,
        id: &CartId,
        key: Option<&EventKey>,
    ) -> StoreResult<Loaded<Cart>> {
        let shard = self.shards.of(shop, id.as_str());
        let answer = key.map(|key| shard.answer(Subject::Cart(shop, id), key));
        let read = |bytes: &[u8]| record::decode_cart(shop, id, bytes);
        self.load_record(shard.cart(shop, id), answer, "cart", read).await
    }

    pub(super) async fn load_stored_order(
        &self,
        shop: &ShopId,
        id: &OrderId,
        key: Option<&EventKey>,
    ) -> StoreResult<Loaded<Order>> {
        let shard = self.shards.of(shop, id.as_str());
        let answer = key.map(|key| shard.answer(Subject::Order(shop, id), key));
        let read = |bytes: &[u8]| record::decode_order(shop, id, bytes);
        self.load_record(shard.order(shop, id), answer, "order", read).await
    }

    async fn load_record<T>(
        &self,
        key: String,
        answer: Option<String>,
        what: &'static str,
        read: impl Fn(&[u8]) -> StoreResult<T>,
    ) -> StoreResult<Loaded<T>> {
        let mut get = redis::cmd("MGET");
        get.arg(key).arg(answer);
        let mut found = self.redis.read::<Vec<Option<Vec<u8>>>>(&get).await?.into_iter();
        let record = found.next().flatten();
        let answered = found.next().flatten();
        Ok(Loaded {
            record: record.map(|bytes| stored(&bytes, what, read)).transpose()?,
            answered: answered.map(|bytes| record::decode_answered(&bytes)).transpose()?,
        })
    }

    pub(super) async fn load_carts(&self, carts: &[(ShopId, CartId)]) -> Vec<StoreResult<Loaded<Cart>>> {
        let groups = together(carts.iter().map(|(shop, id)| self.shards.of(shop, id.as_str())));
        let gets = groups.iter().map(|(shard, indices)| {
            let keys = indices.iter().map(|&index| &carts[index]).map(|(shop, id)| shard.cart(shop, id));
            redis::cmd("MGET").arg(keys.collect::<Vec<_>>()).to_owned()
        });
        let found = scatter(carts.len(), &groups, self.redis.read_each(gets.collect()).await);
        let read = |((shop, id), found): (&(ShopId, CartId), StoreResult<Value>)| {
            let bytes: Option<Vec<u8>> = redis::from_redis_value(found?).map_err(|_| NO_ANSWER)?;
            let read = |bytes: &[u8]| record::decode_cart(shop, id, bytes);
            let record = bytes.map(|bytes| stored(&bytes, "cart", read)).transpose()?;
            Ok(Loaded { record, answered: None })
        };
        carts.iter().zip(found).map(read).collect()
    }

    pub(super) async fn commit_carts(&self, commits: Vec<Commit<'_>>) -> Vec<StoreResult<Committed>> {
        for commit in &commits {
            self.saw(commit.now);
            if let Err(error) = self.know_lanes_of(commit).await {
                return all_failed(commits.len(), error);
            }
        }
        let places =
            commits.iter().map(|commit| (self.shards.of(commit.shop, commit.id.as_str()), adds_memory(commit)));
        let groups = together(places);
        let calls: Vec<_> = groups
            .iter()
            .map(|((shard, adds_memory), indices)| {
                let mut call = Writes::new(*shard, commits[indices[0]].now, indices.len());
                for &index in indices {
                    call.add_cart(&commits[index]);
                }
                call.on(*adds_memory)
            })
            .collect();
        let answers = scatter(commits.len(), &groups, self.redis.run_all(&calls).await);
        answers.into_iter().map(|answer| committed(answer?)).collect()
    }

    async fn know_lanes_of(&self, commit: &Commit<'_>) -> StoreResult<()> {
        for delivery in commit.outbox {
            self.know_lane(&Lane { shop: delivery.shop.clone(), endpoint: delivery.endpoint.clone() }).await?;
        }
        Ok(())
    }

    pub(super) async fn commit_stored_order(&self, commit: OrderCommit<'_>) -> StoreResult<Committed> {
        self.saw(commit.now);
        let shard = self.shards.of(&commit.order.shop, commit.order.id.as_str());
        let mut call = Writes::new(shard, commit.now, 1);
        call.add_order(&commit);
        let (script, call) = call.on(false);
        let answer = self.redis.run::<Vec<Value>>(script, &call).await?.pop();
        committed(answer.ok_or(NO_ANSWER)?)
    }
}

/// Whether a full Redis is to refuse this: a new cart, or an answer to keep beside one that stays open. What the loops
/// write and what closes a cart goes on, for it is what makes room again.
fn adds_memory(commit: &Commit<'_>) -> bool {
    let stays_open = commit.cart.is_some_and(|cart| cart.state.is_open());
    stays_open && (commit.expected == Version::ABSENT || commit.keep.is_some())
}

/// Reads a stored cart whose version does not matter.
pub(super) fn read_cart(shop: &ShopId, id: &CartId, bytes: &[u8]) -> StoreResult<Box<Cart>> {
    stored(bytes, "cart", |record| record::decode_cart(shop, id, record)).map(|stored| stored.value)
}

fn stored<T>(bytes: &[u8], what: &'static str, read: impl Fn(&[u8]) -> StoreResult<T>) -> StoreResult<Stored<T>> {
    let (head, record) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(StoreError::Corrupt { what })?;
    Ok(Stored { value: Box::new(read(record)?), version: Version(u64::from_be_bytes(*head)) })
}

/// Writes of one shard on their way into one call, as `commit_all.lua` reads them.
struct Writes<'a> {
    shard: Shard,
    count: usize,
    call: Gathered,
    /// What is counted with each, every set once: in a burst most writes count the same.
    counts: Vec<Counts<'a>>,
}

/// What is counted with a write.
#[derive(PartialEq)]
struct Counts<'a> {
    shop: &'a ShopId,
    tallies: &'a [Tally],
    census: &'a [Census],
}

impl<'a> Writes<'a> {
    fn new(shard: Shard, now: Moment, count: usize) -> Self {
        let mut call = Gathered::default();
        call.keys([shard.census(), shard.shops(), shard.lanes(), shard.begun()]);
        call.arg(now.millis()).arg(count);
        Self { shard, count, call, counts: Vec::new() }
    }

    fn on(mut self, adds_memory: bool) -> (&'static Script, Cmd) {
        for counts in &self.counts {
            self.call.arg(counts.tallies.len() + counts.census.len());
            add_tallies(self.shard, &mut self.call, counts.shop, counts.tallies);
            for moved in counts.census {
                self.call.arg(CENSUS).arg(census_field(counts.shop, moved.state)).arg(moved.by);
            }
        }
        let script: &Script = match (self.count, adds_memory) {
            (1, true) => &COMMIT,
            (1, false) => &COMMIT_EVEN_WHEN_FULL,
            (_, true) => &COMMIT_ALL,
            (_, false) => &COMMIT_ALL_EVEN_WHEN_FULL,
        };
        (script, script.with(&self.call))
    }

    fn add_cart(&mut self, commit: &'a Commit<'_>) {
        let counts = self.number_of(Counts { shop: commit.shop, tallies: commit.tallies, census: commit.census });
        let Self { shard, call, .. } = self;
        let (shop, id) = (commit.shop, commit.id);
        let record = call.key(shard.cart(shop, id));
        let life = commit.cart.map_or(0, |cart| life_ms(commit.now, cart.expires_at, CART_SLACK));
        let bytes = commit.cart.map(record::encode_cart);
        add_record(call, record, commit.expected, bytes.as_deref(), life);
        add_answer(call, commit.keep.map(|keep| (keep, shard.answer(Subject::Cart(shop, id), &keep.key))), commit.now);
        let wakes = call.shared_key(shard.wakes(shop));
        call.arg(wakes).arg(shop.as_str()).arg(id.as_str());
        call.arg(commit.cart.map_or(0, |cart| score(cart.next_wake())));
        call.arg(counts).arg(commit.outbox.len());
        for (n, delivery) in commit.outbox.iter().enumerate() {
            let begun_until = commit.begun_until.get(n).copied().flatten();
            let lane = Lane { shop: delivery.shop.clone(), endpoint: delivery.endpoint.clone() };
            let record = call.key(shard.delivery(&delivery.id));
            let queue = call.shared_key(shard.queue(&lane, Queue::First));
            call.arg(record).arg(queue).arg(lane_member(&lane)).arg(write_delivery(delivery, None));
            call.arg(delivery_member(&delivery.id, &delivery.cart)).arg(score(begun_until.unwrap_or(delivery.due_at)));
            let marked_until = begun_until.filter(|_| delivery.id.is_reminder()).map(score);
            call.arg(u8::from(begun_until.is_some()));
            call.arg(marked_until.map(|until| send_mark(shop, id, &delivery.id, until)).unwrap_or_default());
        }
    }

    fn add_order(&mut self, commit: &'a OrderCommit<'_>) {
        let order = commit.order;
        let (shop, id) = (&order.shop, &order.id);
        let counts = self.number_of(Counts { shop, tallies: commit.tallies, census: &[] });
        let Self { shard, call, .. } = self;
        let record = call.key(shard.order(shop, id));
        let life = life_ms(commit.now, order.expires_at, ORDER_SLACK);
        add_record(call, record, commit.expected, Some(&record::encode_order(order)), life);
        add_answer(call, commit.keep.map(|keep| (keep, shard.answer(Subject::Order(shop, id), &keep.key))), commit.now);
        call.arg(0).arg("").arg("").arg(0);
        call.arg(counts).arg(0);
    }

    /// The number of this set, from 1.
    fn number_of(&mut self, counts: Counts<'a>) -> usize {
        let known = self.counts.iter().position(|known| *known == counts);
        known.unwrap_or_else(|| {
            self.counts.push(counts);
            self.counts.len() - 1
        }) + 1
    }
}

fn add_record(call: &mut Gathered, key: usize, expected: Version, record: Option<&[u8]>, life_ms: u64) {
    let head = expected.0.to_be_bytes();
    call.arg(key).arg(if expected == Version::ABSENT { &[][..] } else { &head[..] });
    match record {
        Some(record) => {
            let mut bytes = Vec::with_capacity(HEAD_BYTES + record.len());
            bytes.extend_from_slice(&expected.next().0.to_be_bytes());
            bytes.extend_from_slice(record);
            call.arg(bytes);
        }
        None => {
            call.arg("");
        }
    }
    call.arg(life_ms);
}

fn add_answer(call: &mut Gathered, keep: Option<(&Keep, String)>, now: Moment) {
    match keep {
        Some((keep, key)) => {
            let key = call.key(key);
            call.arg(key).arg(record::encode_answered(&keep.answered)).arg(life_ms(now, keep.until, Duration::ZERO));
        }
        None => {
            call.arg(0).arg("").arg(0);
        }
    }
}

/// Each tally as the number of its day's key, its name, and by how much it moves.
pub(super) fn add_tallies(shard: Shard, call: &mut Gathered, shop: &ShopId, tallies: &[Tally]) {
    for tally in tallies {
        let day = call.shared_key(shard.tallies(shop, tally.day));
        call.arg(day).arg(&tally.key.0).arg(tally.by);
    }
}

fn committed(reply: Value) -> StoreResult<Committed> {
    if let Value::BulkString(answer) = &reply {
        return Ok(Committed::Duplicate(record::decode_answered(answer)?));
    }
    Ok(match redis::from_redis_value::<i64>(reply).map_err(|_| NO_ANSWER)? {
        -1 => Committed::Conflict,
        1 => Committed::DoneNotBegun,
        _ => Committed::Done,
    })
}
