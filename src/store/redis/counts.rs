//! Counts: tallies and census summed over the shards, and what waits in the outbox.
//!
//! A sum over shards is not one moment's, but every count in it is exact: each was written in the commit it counts.

use std::collections::{BTreeMap, HashMap};

use redis::Cmd;

use super::RedisStore;
use super::keys::{Shard, parse_census_field};
use super::script::TALLIES;
use crate::domain::{Day, ShopId, StateName, TallyKey};
use crate::store::{Lane, OutboxCounts, StoreResult};

/// Days that one script reads at most: others wait for that.
const DAYS_MAX: usize = 31;

impl RedisStore {
    pub(super) async fn sum_tallies(
        &self,
        shop: &ShopId,
        from: Day,
        to: Day,
    ) -> StoreResult<Vec<(Day, TallyKey, i64)>> {
        let days: Vec<Day> = (from.number()..=to.number()).map(Day::from_number).collect();
        let mut summed = Vec::new();
        for days in days.chunks(DAYS_MAX) {
            let calls: Vec<_> = self
                .shards
                .all()
                .map(|shard| {
                    let keys: Vec<String> = days.iter().map(|&day| shard.tallies(shop, day)).collect();
                    (&*TALLIES, TALLIES.on(&keys))
                })
                .collect();
            let found: Vec<Vec<String>> = self.redis.read_by(&calls).await?;
            for (place, &day) in days.iter().enumerate() {
                let texts = found.iter().filter_map(|shard| shard.get(place)).map(String::as_str);
                summed.extend(sums(texts).into_iter().map(|(key, count)| (day, TallyKey(key.to_owned()), count)));
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

/// What the shards of one day counted, by name. See `redis/tallies.lua`.
fn sums<'a>(shards: impl Iterator<Item = &'a str>) -> Vec<(&'a str, i64)> {
    let mut sums: HashMap<&str, i64> = HashMap::new();
    for text in shards {
        let mut words = text.split('\n');
        while let (Some(key), Some(count)) = (words.next(), words.next()) {
            let sum = sums.entry(key).or_default();
            *sum = sum.saturating_add(count.parse().unwrap_or(0));
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable();
    sums
}

fn counting(key: &str, above: &str) -> Cmd {
    redis::cmd("ZCOUNT").arg(key).arg(above).arg("+inf").to_owned()
}
