//! Counts: tallies and census summed over the shards, and what waits in the outbox.
//!
//! A sum over shards is not one moment's, but every count in it is exact: each was written in the commit it counts.

use std::collections::{BTreeMap, HashMap};

use redis::Cmd;

use super::RedisStore;
use super::keys::{Shard, parse_census_field};
use crate::domain::{Day, ShopId, StateName, TallyKey};
use crate::store::{Lane, OutboxCounts, StoreResult};

/// Commands in one exchange at most.
const LOOKS_MAX: usize = 512;

impl RedisStore {
    pub(super) async fn sum_tallies(
        &self,
        shop: &ShopId,
        from: Day,
        to: Day,
    ) -> StoreResult<Vec<(Day, TallyKey, i64)>> {
        let days: Vec<Day> = (from.number()..=to.number()).map(Day::from_number).collect();
        let mut summed = Vec::new();
        for days in days.chunks((LOOKS_MAX / usize::from(self.shards.0)).max(1)) {
            let looks = days.iter().flat_map(|&day| {
                self.shards.all().map(move |shard| redis::cmd("HGETALL").arg(shard.tallies(shop, day)).to_owned())
            });
            let found: Vec<Vec<(String, i64)>> = self.redis.read_all(looks.collect()).await?;
            let mut found = found.into_iter();
            for &day in days {
                let counts = sums(found.by_ref().take(usize::from(self.shards.0)));
                summed.extend(counts.into_iter().map(|(key, count)| (day, TallyKey(key), count)));
            }
        }
        Ok(summed)
    }

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

/// What the shards of one day counted, by name.
fn sums(shards: impl Iterator<Item = Vec<(String, i64)>>) -> Vec<(String, i64)> {
    let mut sums: HashMap<String, i64> = HashMap::new();
    for (key, count) in shards.flatten() {
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(count);
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable();
    sums
}

fn counting(key: &str, above: &str) -> Cmd {
    redis::cmd("ZCOUNT").arg(key).arg(above).arg("+inf").to_owned()
}
