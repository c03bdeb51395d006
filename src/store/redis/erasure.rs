//! Finding and removing all that is held of a person, in Redis.
//!
//! A lane's lists name the cart of each delivery, so they are walked through in steps; what was delivered lies in no list
//! and is found by its id alone. Answers lie under one-way hashes and are not found: they hold nobody's data. Read next:
//! `redis/trace.lua`, `redis/forget.lua`.

use async_trait::async_trait;

use super::RedisStore;
use super::keys::{Shard, delivery_member, lane_member};
use super::script::{EXPUNGE, FORGET, Script, TRACE};
use crate::domain::{CartId, IdentifierHash, NoteKey, OrderId, ShopId};
use crate::store::{Erase, Lane, Letter, Queue, StoreError, StoreResult};

/// How many members one step looks at: a few milliseconds of Redis.
const STEP: usize = 2_000;

#[async_trait]
impl Erase for RedisStore {
    async fn letters_about(&self, shop: &ShopId, carts: &[CartId]) -> StoreResult<Vec<Letter>> {
        let lanes: Vec<Lane> = self.all_lanes().await?.into_iter().filter(|lane| lane.shop == *shop).collect();
        let mut letters = Vec::new();
        for shard in self.shards.all() {
            let here: Vec<&CartId> = carts.iter().filter(|c| self.shards.of(shop, c.as_str()) == shard).collect();
            if here.is_empty() {
                continue;
            }
            for lane in &lanes {
                // In the order in which a delivery moves on, so that one that does meanwhile is met all the same.
                for list in lists(shard, lane) {
                    letters.extend(self.trace(shard, lane, &list, &here).await?);
                }
            }
        }
        letters.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
        letters.dedup_by(|a, b| a.id == b.id);
        Ok(letters)
    }

    async fn expunge(&self, letters: &[Letter]) -> StoreResult<usize> {
        let calls = letters.iter().filter_map(|letter| self.expunge_call(letter));
        let gone = self.redis.run_all::<usize>(&calls.collect::<Vec<_>>()).await;
        gone.into_iter().sum()
    }

    async fn forget_answers(&self, _shop: &ShopId, _carts: &[CartId], _orders: &[OrderId]) -> StoreResult<usize> {
        Ok(0)
    }

    async fn withdraw(&self, shop: &ShopId, hashes: &[IdentifierHash], carts: &[CartId]) -> StoreResult<usize> {
        let mut gone = 0;
        for hash in hashes.iter().filter(|_| !carts.is_empty()) {
            let mut take = redis::cmd("ZREM");
            take.arg(self.shards.of_identifier(hash).carts_of(shop, hash));
            for cart in carts {
                take.arg(cart.as_str());
            }
            gone += self.redis.write::<usize>(&take).await?;
        }
        Ok(gone)
    }

    async fn forget(&self, shop: &ShopId, hashes: &[IdentifierHash], keep: &[NoteKey]) -> StoreResult<usize> {
        let mut gone = 0;
        for hash in hashes {
            let mut call = FORGET.on(&[self.shards.of_identifier(hash).notes_of(shop, hash)]);
            for key in keep {
                call.arg(key.as_str());
            }
            gone += self.redis.run::<usize>(&FORGET, &call).await?;
        }
        Ok(gone)
    }
}

impl RedisStore {
    /// The deliveries of these carts in one list.
    async fn trace(&self, shard: Shard, lane: &Lane, list: &str, carts: &[&CartId]) -> StoreResult<Vec<Letter>> {
        let mut members = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let mut call = TRACE.on(&[list]);
            call.arg(&cursor).arg(STEP);
            for cart in carts {
                call.arg(cart.as_str());
            }
            let mut found = self.redis.run::<Vec<String>>(&TRACE, &call).await?.into_iter();
            cursor = found.next().ok_or(StoreError::Corrupt { what: "answer" })?;
            members.extend(found.map(|member| (0, member, shard)));
            if cursor == "0" {
                return self.read_letters(lane, &members).await;
            }
        }
    }

    fn expunge_call(&self, letter: &Letter) -> Option<(&'static Script, redis::Cmd)> {
        let cart = letter.cart.as_ref()?;
        let lane = letter.lane.as_ref()?;
        let shard = self.shards.of(&lane.shop, cart.as_str());
        let [first, again, dead] = lists(shard, lane);
        let mut call = EXPUNGE.on(&[shard.delivery(&letter.id), first, again, dead, shard.lanes()]);
        call.arg(delivery_member(&letter.id, cart)).arg(lane_member(lane));
        Some((&EXPUNGE, call))
    }
}

/// The queues of a lane in one shard, and its dead.
fn lists(shard: Shard, lane: &Lane) -> [String; 3] {
    let [first, again] = Queue::ALL.map(|queue| shard.queue(lane, queue));
    [first, again, shard.dead(lane)]
}
