//! Carts and orders: what is known of one, and the one atomic write that changes it.
//!
//! A record is 8 bytes of version and the stored form. The script compares those bytes, so a version is never a number in
//! Lua. Which commits may go beyond `maxmemory` is decided here. Read next: `redis/commit.lua`.

use std::time::Duration;

use redis::{Cmd, Value};

use super::keys::{Shard, Subject, cart_member, census_field, delivery_member};
use super::script::{COMMIT, COMMIT_EVEN_WHEN_FULL, Script};
use super::sends::write_delivery;
use super::{RedisStore, life_ms, score};
use crate::domain::{Cart, CartId, Day, EventKey, Moment, Order, OrderId, ShopId, Tally};
use crate::store::{
    Commit, Committed, Keep, Lane, Loaded, OrderCommit, Sends, StoreError, StoreResult, Stored, Version, record,
};

const HEAD_BYTES: usize = 8;

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
        let gets = carts
            .iter()
            .map(|(shop, id)| redis::cmd("GET").arg(self.shards.of(shop, id.as_str()).cart(shop, id)).to_owned());
        let found: Vec<Option<Vec<u8>>> = match self.redis.read_all(gets.collect()).await {
            Ok(found) => found,
            Err(error) => return all_failed(carts.len(), error),
        };
        let read = |((shop, id), bytes): (&(ShopId, CartId), Option<Vec<u8>>)| {
            let read = |bytes: &[u8]| record::decode_cart(shop, id, bytes);
            let record = bytes.map(|bytes| stored(&bytes, "cart", read)).transpose()?;
            Ok(Loaded { record, answered: None })
        };
        carts.iter().zip(found).map(read).collect()
    }

    pub(super) async fn commit_cart(&self, commit: Commit<'_>) -> StoreResult<Committed> {
        self.know_lanes_of(&commit).await?;
        let (script, call) = self.cart_commit(&commit);
        committed(self.redis.run(script, &call).await?)
    }

    pub(super) async fn commit_carts(&self, commits: Vec<Commit<'_>>) -> Vec<StoreResult<Committed>> {
        for commit in &commits {
            if let Err(error) = self.know_lanes_of(commit).await {
                return all_failed(commits.len(), error);
            }
        }
        let calls: Vec<_> = commits.iter().map(|commit| self.cart_commit(commit)).collect();
        let replies = self.redis.run_all::<Value>(&calls).await;
        replies.into_iter().map(|reply| committed(reply?)).collect()
    }

    async fn know_lanes_of(&self, commit: &Commit<'_>) -> StoreResult<()> {
        for delivery in commit.outbox {
            self.know_lane(&Lane { shop: delivery.shop.clone(), endpoint: delivery.endpoint.clone() }).await?;
        }
        Ok(())
    }

    fn cart_commit(&self, commit: &Commit<'_>) -> (&'static Script, Cmd) {
        self.saw(commit.now);
        let (shop, id) = (commit.shop, commit.id);
        let shard = self.shards.of(shop, id.as_str());
        let days = days(commit.tallies);

        let mut keys = vec![shard.cart(shop, id), shard.wakes(), shard.sends(shop, id), shard.census()];
        keys.extend(commit.keep.map(|keep| shard.answer(Subject::Cart(shop, id), &keep.key)));
        keys.extend(days.iter().map(|&day| shard.tallies(shop, day)));
        for delivery in commit.outbox {
            keys.push(shard.delivery(&delivery.id));
            keys.push(shard.lane(&delivery.shop, &delivery.endpoint));
        }

        let script = if adds_memory(commit) { &*COMMIT } else { &*COMMIT_EVEN_WHEN_FULL };
        let mut call = script.on(&keys);
        let bytes = commit.cart.map(record::encode_cart);
        let life = commit.cart.map_or(0, |cart| life_ms(commit.now, cart.expires_at, CART_SLACK));
        add_record(&mut call, commit.expected, bytes.as_deref(), life, commit.now);
        call.arg(cart_member(shop, id)).arg(commit.cart.map_or(0, |cart| score(cart.next_wake())));
        add_answer(&mut call, commit.keep, commit.now);
        call.arg(days.len()).arg(commit.tallies.len()).arg(commit.census.len()).arg(commit.outbox.len());
        add_tallies(&mut call, &days, commit.tallies);
        for moved in commit.census {
            call.arg(census_field(shop, moved.state)).arg(moved.by);
        }
        for delivery in commit.outbox {
            call.arg(write_delivery(delivery, None)).arg(delivery_member(&delivery.id, &delivery.cart));
            call.arg(score(delivery.due_at));
        }
        (script, call)
    }

    pub(super) async fn commit_stored_order(&self, commit: OrderCommit<'_>) -> StoreResult<Committed> {
        self.saw(commit.now);
        let order = commit.order;
        let (shop, id) = (&order.shop, &order.id);
        let shard = self.shards.of(shop, id.as_str());
        let days = days(commit.tallies);

        let mut keys = vec![shard.order(shop, id)];
        keys.extend(commit.keep.map(|keep| shard.answer(Subject::Order(shop, id), &keep.key)));
        keys.extend(days.iter().map(|&day| shard.tallies(shop, day)));

        let mut call = COMMIT_EVEN_WHEN_FULL.on(&keys);
        let life = life_ms(commit.now, order.expires_at, ORDER_SLACK);
        add_record(&mut call, commit.expected, Some(&record::encode_order(order)), life, commit.now);
        call.arg("").arg(0);
        add_answer(&mut call, commit.keep, commit.now);
        call.arg(days.len()).arg(commit.tallies.len()).arg(0).arg(0);
        add_tallies(&mut call, &days, commit.tallies);
        committed(self.redis.run(&COMMIT_EVEN_WHEN_FULL, &call).await?)
    }

    pub(super) async fn sends_of(&self, shop: &ShopId, id: &CartId, now: Moment) -> StoreResult<Sends> {
        let shard: Shard = self.shards.of(shop, id.as_str());
        let ends: Vec<i64> = self.redis.read(redis::cmd("HVALS").arg(shard.sends(shop, id))).await?;
        Ok(Sends::of(ends.into_iter().map(Moment::from_millis), now))
    }
}

/// Whether a full Redis is to refuse this: a new cart, or an answer to keep beside one that stays open. What the loops
/// write and what closes a cart goes on, for it is what makes room again.
fn adds_memory(commit: &Commit<'_>) -> bool {
    let stays_open = commit.cart.is_some_and(|cart| cart.state.is_open());
    stays_open && (commit.expected == Version::ABSENT || commit.keep.is_some())
}

/// Reads a stored cart whose version does not matter.
pub(super) fn read_cart(shop: &ShopId, id: &CartId, bytes: &[u8]) -> StoreResult<Cart> {
    stored(bytes, "cart", |record| record::decode_cart(shop, id, record)).map(|stored| stored.value)
}

fn stored<T>(bytes: &[u8], what: &'static str, read: impl Fn(&[u8]) -> StoreResult<T>) -> StoreResult<Stored<T>> {
    let (head, record) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(StoreError::Corrupt { what })?;
    Ok(Stored { value: read(record)?, version: Version(u64::from_be_bytes(*head)) })
}

fn add_record(call: &mut Cmd, expected: Version, record: Option<&[u8]>, life_ms: u64, now: Moment) {
    let head = expected.0.to_be_bytes();
    call.arg(if expected == Version::ABSENT { &[][..] } else { &head[..] });
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
    call.arg(life_ms).arg(now.millis());
}

fn add_answer(call: &mut Cmd, keep: Option<&Keep>, now: Moment) {
    match keep {
        Some(keep) => {
            call.arg(record::encode_answered(&keep.answered)).arg(life_ms(now, keep.until, Duration::ZERO));
        }
        None => {
            call.arg("").arg(0);
        }
    }
}

/// The days these counts are of, each once.
pub(super) fn days(tallies: &[Tally]) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for tally in tallies {
        if !days.contains(&tally.day) {
            days.push(tally.day);
        }
    }
    days
}

/// Each tally as the number of its day (from 1), its name, and by how much it moves.
pub(super) fn add_tallies(call: &mut Cmd, days: &[Day], tallies: &[Tally]) {
    for tally in tallies {
        let day = days.iter().position(|&day| day == tally.day).unwrap_or_default() + 1;
        call.arg(day).arg(&tally.key.0).arg(tally.by);
    }
}

/// One failure that is everybody's.
pub(super) fn all_failed<T>(count: usize, error: StoreError) -> Vec<StoreResult<T>> {
    let why = error.to_string();
    let same = |_| Err(StoreError::Unavailable(anyhow::anyhow!(why.clone())));
    std::iter::once(Err(error)).chain((1..count).map(same)).take(count).collect()
}

fn committed(reply: Value) -> StoreResult<Committed> {
    if let Value::BulkString(answer) = &reply {
        return Ok(Committed::Duplicate(record::decode_answered(answer)?));
    }
    let end: i64 = redis::from_redis_value(reply).map_err(|_| StoreError::Corrupt { what: "answer" })?;
    Ok(match end {
        -1 => Committed::Conflict,
        0 => Committed::Done { in_flight_until: None },
        end => Committed::Done { in_flight_until: Some(Moment::from_millis(end)) },
    })
}
