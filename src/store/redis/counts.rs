//! The census summed over the shards, and what waits in the outbox. Read next: `redis/days.rs` for the counts of days.

use std::collections::BTreeMap;

use redis::Cmd;

use super::RedisStore;
use super::keys::{Shard, parse_census_field};
use crate::domain::{ShopId, StateName};
use crate::store::{Lane, OutboxCounts, StoreResult};

/// Counts that one exchange asks for at most, but for those of one lane: a millisecond of Redis.
const COUNTED_TOGETHER: usize = 1_000;

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

    /// Of some lanes at a time, so that others do not wait long and many lanes are not one exchange after another.
    pub(super) async fn count_outbox(&self) -> StoreResult<OutboxCounts> {
        let heads = [self.first_wake_of_all().await?, self.first_of(self.shards.all().map(Shard::lanes)).await?];
        let mut counts = OutboxCounts { oldest_due: heads.into_iter().flatten().min(), ..OutboxCounts::default() };
        let lanes = self.all_lanes().await?;
        let shards = usize::from(self.shards.0);
        for lanes in lanes.chunks((COUNTED_TOGETHER / (3 * shards)).max(1)) {
            let looks = lanes.iter().flat_map(|lane| {
                let waiting = self.queues_of(lane).map(|key| counting(&key, "-inf"));
                waiting.chain(self.shards.all().map(|shard| self.counting_dead(shard, lane)))
            });
            let found: Vec<u64> = self.redis.read_all(looks.collect()).await?;
            for (lane, found) in lanes.iter().zip(found.chunks(3 * shards)) {
                let (pending, dead) = found.split_at((2 * shards).min(found.len()));
                counts.pending.push((lane.clone(), pending.iter().sum()));
                counts.dead.push((lane.clone(), dead.iter().sum()));
            }
        }
        Ok(counts)
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
