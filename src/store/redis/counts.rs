//! The census summed over the shards, and what waits in the outbox. Read next: `redis/days.rs` for the counts of days.

use std::collections::BTreeMap;

use redis::Cmd;

use super::RedisStore;
use super::keys::{Shard, parse_census_field};
use crate::domain::{ShopId, StateName};
use crate::store::{Lane, OutboxCounts, StoreResult};

impl RedisStore {
    pub(super) async fn sum_census(&self) -> StoreResult<Vec<(ShopId, StateName, i64)>> {
        let looks = self.shards.all().map(|shard| redis::cmd("HGETALL").arg(shard.census()).to_owned()).collect();
        let found: Vec<Vec<(String, i64)>> = self.redis.read_all(looks).await?;
        let mut sums: BTreeMap<(ShopId, StateName), i64> = BTreeMap::new();
        for (field, count) in found.into_iter().flatten() {
            if let Some(place) = parse_census_field(&field) {
                *sums.entry(place).or_default() += count;
            }
        }
        Ok(sums.into_iter().map(|((shop, state), count)| (shop, state, count)).collect())
    }

    pub(super) async fn count_outbox(&self) -> StoreResult<OutboxCounts> {
        let mut counts = OutboxCounts { oldest_due: self.first_wake_of_all().await?, ..OutboxCounts::default() };
        for lane in self.all_lanes().await? {
            let pending = self.count(self.queues_of(&lane).map(|key| counting(&key, "-inf"))).await?;
            let dead = self.count(self.shards.all().map(|shard| self.counting_dead(shard, &lane))).await?;
            let oldest = self.first_due(&lane).await?;
            counts.oldest_due = [counts.oldest_due, oldest].into_iter().flatten().min();
            counts.pending.push((lane.clone(), pending));
            counts.dead.push((lane, dead));
        }
        Ok(counts)
    }

    async fn count(&self, looks: impl Iterator<Item = Cmd>) -> StoreResult<u64> {
        Ok(self.redis.read_all::<u64>(looks.collect()).await?.into_iter().sum())
    }

    /// Those still kept: what is over is trimmed only when the next one comes.
    fn counting_dead(&self, shard: Shard, lane: &Lane) -> Cmd {
        let over = self.latest_score();
        counting(&shard.dead(lane), &format!("({over}"))
    }
}

fn counting(key: &str, above: &str) -> Cmd {
    redis::cmd("ZCOUNT").arg(key).arg(above).arg("+inf").to_owned()
}
