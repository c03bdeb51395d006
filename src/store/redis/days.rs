//! The counts of days, summed over the shards. A report asks for a month again and again, and all but the last days of it
//! are as they were: those are not read again.
//!
//! Beside its names a day has a version in each shard, which every script that counts moves, by a step that depends on
//! the moment: a server that lost its last writes does not come back to a version with other counts. A sum over shards is
//! not one moment's, but every count in it is exact: each was written in the commit it counts.

use std::collections::HashMap;
use std::sync::Arc;

use super::RedisStore;
use super::keys::Shard;
use super::script::TALLIES;
use crate::domain::{Day, ShopId, TallyKey};
use crate::store::StoreResult;
use crate::store::lately::Lately;

/// The name of the version, as the scripts have it; names of counts begin with a letter.
const VERSION: &str = "~";
/// Days that one exchange reads at most: others wait for that.
const DAYS_MAX: usize = 31;
/// Days remembered, twice this at most; a busy one takes some 20 kB.
const KEPT_MAX: usize = 250;

/// The version of a day in each shard; a shard without counts of it has none.
type Versions = Vec<Option<i64>>;

/// A day as it was read.
struct Summed {
    versions: Versions,
    counts: Vec<(TallyKey, i64)>,
}

/// Days read lately.
pub(super) struct Days(Lately<(ShopId, Day), Arc<Summed>>);

impl Days {
    pub(super) fn new() -> Self {
        Self(Lately::new(KEPT_MAX))
    }
}

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
            for (day, known) in days.iter().zip(self.known_days(shop, days).await?) {
                summed.extend(known.counts.iter().map(|(key, count)| (*day, key.clone(), *count)));
            }
        }
        Ok(summed)
    }

    /// These days as they are now: those that did not move since from memory.
    async fn known_days(&self, shop: &ShopId, days: &[Day]) -> StoreResult<Vec<Arc<Summed>>> {
        let versions = self.versions(shop, days).await?;
        let unmoved = |(&day, versions): (&Day, &Versions)| {
            self.days.0.get(&(shop.clone(), day)).filter(|known| known.versions == *versions)
        };
        let known: Vec<Option<Arc<Summed>>> = days.iter().zip(&versions).map(unmoved).collect();
        let moved: Vec<Day> =
            days.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(&day, _)| day).collect();
        let mut read = self.read_days(shop, &moved).await?.into_iter();
        Ok(known.into_iter().filter_map(|known| known.or_else(|| read.next())).collect())
    }

    async fn versions(&self, shop: &ShopId, days: &[Day]) -> StoreResult<Vec<Versions>> {
        let key = |day| move |shard: Shard| shard.tallies(shop, day);
        let keys = days.iter().flat_map(|&day| self.shards.all().map(key(day)));
        let looks = keys.map(|key| redis::cmd("HGET").arg(key).arg(VERSION).to_owned()).collect();
        let versions: Vec<Option<i64>> = self.redis.read_all(looks).await?;
        Ok(versions.chunks(usize::from(self.shards.0)).map(<[_]>::to_vec).collect())
    }

    async fn read_days(&self, shop: &ShopId, days: &[Day]) -> StoreResult<Vec<Arc<Summed>>> {
        if days.is_empty() {
            return Ok(Vec::new());
        }
        let call = |shard: Shard| {
            let keys: Vec<String> = days.iter().map(|&day| shard.tallies(shop, day)).collect();
            (&*TALLIES, TALLIES.on(&keys))
        };
        let found: Vec<Vec<String>> = self.redis.read_by(&self.shards.all().map(call).collect::<Vec<_>>()).await?;
        let read = days.iter().enumerate().map(|(place, &day)| {
            let texts = found.iter().map(|shard| shard.get(place).map_or("", String::as_str));
            let summed = Arc::new(sum(texts));
            self.days.0.put((shop.clone(), day), Arc::clone(&summed));
            summed
        });
        Ok(read.collect())
    }
}

/// What the shards of one day counted, by name. See `redis/tallies.lua`.
fn sum<'a>(shards: impl Iterator<Item = &'a str>) -> Summed {
    let (mut versions, mut sums) = (Versions::new(), HashMap::<&str, i64>::new());
    for text in shards {
        let (mut words, mut version) = (text.split('\n'), None);
        while let (Some(key), Some(count)) = (words.next(), words.next()) {
            if key == VERSION {
                version = count.parse().ok();
            } else {
                let sum = sums.entry(key).or_default();
                *sum = sum.saturating_add(count.parse().unwrap_or(0));
            }
        }
        versions.push(version);
    }
    let mut counts: Vec<_> = sums.into_iter().map(|(key, count)| (TallyKey(key.to_owned()), count)).collect();
    counts.sort_unstable();
    Summed { versions, counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_added_up_and_each_keeps_its_version() {
        let summed = sum(["carts\n2\n~\n70\nstage_entered/cart\n-1", "", "~\n9\ncarts\n3"].into_iter());
        assert_eq!(summed.versions, [Some(70), None, Some(9)]);
        let counts: Vec<_> = summed.counts.iter().map(|(key, count)| (key.0.as_str(), *count)).collect();
        assert_eq!(counts, [("carts", 5), ("stage_entered/cart", -1)]);
    }
}
