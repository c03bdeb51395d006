//! The wakes of carts: what is due, what comes next, and the list of all.
//!
//! Each shard has its own sorted set. A look at all of them is one exchange and not atomic: what moves meanwhile is seen
//! where it was or where it is, and the commit decides. Read next: `redis/lanes.rs`, the same for deliveries.

use redis::Cmd;

use super::commits::read_cart;
use super::keys::{Shard, cart_member, parse_cart_member};
use super::script::WRITE;
use super::{RedisStore, score};
use crate::domain::{CartId, Moment, ShopId};
use crate::store::{BATCH_MAX, Page, StoreResult};

/// A member of a sorted set, and its score in ms.
pub(super) type Scored = (String, i64);

impl RedisStore {
    pub(super) async fn due_wakes(&self, now: Moment, limit: usize) -> StoreResult<Vec<(ShopId, CartId)>> {
        let keys: Vec<String> = self.shards.all().map(Shard::wakes).collect();
        let first_look = first_look(limit, keys.len());
        let looks = keys.iter().map(|key| due(key, now, 0, first_look)).collect();
        let seen: Vec<Vec<Scored>> = self.redis.read_all(looks).await?;

        let mut found: Vec<Scored> = Vec::new();
        let mut more = Vec::new();
        for (key, seen) in keys.iter().zip(seen) {
            if seen.len() == first_look {
                more.push(key);
            }
            found.extend(seen);
        }
        let rest = limit.saturating_sub(found.len()).min(BATCH_MAX - first_look);
        if rest > 0 {
            let looks = more.into_iter().map(|key| due(key, now, first_look, rest)).collect();
            found.extend(self.redis.read_all::<Vec<Scored>>(looks).await?.into_iter().flatten());
        }
        found.sort_by_key(|&(_, at)| at);
        found.truncate(limit);
        Ok(found.iter().filter_map(|(member, _)| parse_cart_member(member)).collect())
    }

    pub(super) async fn first_wake(&self) -> StoreResult<Option<Moment>> {
        self.first_of(self.shards.all().map(Shard::wakes)).await
    }

    /// The lowest score in any of these sorted sets.
    pub(super) async fn first_of(&self, keys: impl Iterator<Item = String>) -> StoreResult<Option<Moment>> {
        let looks = keys.map(|key| redis::cmd("ZRANGE").arg(key).arg(0).arg(0).arg("WITHSCORES").to_owned()).collect();
        let heads: Vec<Vec<Scored>> = self.redis.read_all(looks).await?;
        Ok(heads.into_iter().flatten().map(|(_, at)| Moment::from_millis(at)).min())
    }

    pub(super) async fn move_wake(&self, shop: &ShopId, id: &CartId, until: Moment) -> StoreResult<()> {
        let mut call = WRITE.on(&[self.shards.of(shop, id.as_str()).wakes()]);
        call.arg("ZADD").arg("XX").arg(score(until)).arg(cart_member(shop, id));
        self.redis.run(&WRITE, &call).await
    }

    pub(super) async fn page_of_carts(&self, cursor: Option<&str>, limit: usize) -> StoreResult<Page> {
        let start = Place { shard: 0, at: None, skip: 0 };
        // What is no cursor of ours is an end, so that nobody pages in circles.
        let Some(mut place) = cursor.map_or(Some(start), Place::parse) else { return Ok(Page::default()) };
        let limit = limit.max(1);
        let mut page = Page::default();
        let mut listed = 0;
        while place.shard < self.shards.0 {
            // One more than wanted: whether there is a next page.
            let wanted = limit - listed;
            let mut seen: Vec<Scored> = self.redis.read(&place.look(wanted + 1)).await?;
            let next = (seen.len() > wanted).then(|| place.after(&seen[..wanted], seen[wanted].1));
            seen.truncate(wanted);
            listed += seen.len();
            self.read_carts(Shard(place.shard), &seen, &mut page).await?;
            if let Some(next) = next {
                page.next = Some(next.to_string());
                break;
            }
            place = Place { shard: place.shard + 1, at: None, skip: 0 };
        }
        Ok(page)
    }

    /// Carts that went since their wake was read are left out.
    async fn read_carts(&self, shard: Shard, seen: &[Scored], page: &mut Page) -> StoreResult<()> {
        let names: Vec<(ShopId, CartId)> = seen.iter().filter_map(|(member, _)| parse_cart_member(member)).collect();
        if names.is_empty() {
            return Ok(());
        }
        let mut get = redis::cmd("MGET");
        for (shop, id) in &names {
            get.arg(shard.cart(shop, id));
        }
        let records: Vec<Option<Vec<u8>>> = self.redis.read(&get).await?;
        for ((shop, id), bytes) in names.iter().zip(records) {
            match bytes.map(|bytes| read_cart(shop, id, &bytes)) {
                Some(Ok(cart)) => page.carts.push(cart),
                Some(Err(_)) => page.unreadable += 1,
                None => {}
            }
        }
        Ok(())
    }
}

/// What is due in one sorted set, the longest overdue first.
pub(super) fn due(key: &str, now: Moment, skip: usize, count: usize) -> Cmd {
    let mut look = redis::cmd("ZRANGE");
    look.arg(key).arg("-inf").arg(score(now)).arg("BYSCORE").arg("LIMIT").arg(skip).arg(count).arg("WITHSCORES");
    look
}

/// How many to look at in each shard, to find the `limit` longest overdue of all without reading `limit` from each.
pub(super) fn first_look(limit: usize, shards: usize) -> usize {
    limit.min((2 * limit.div_ceil(shards)).max(4)).min(BATCH_MAX)
}

/// Where in the list of carts: a shard, a score in it, and how many of that score are behind us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    shard: u16,
    /// `None`: at its beginning.
    at: Option<i64>,
    skip: usize,
}

impl Place {
    fn look(&self, count: usize) -> Cmd {
        let mut look = redis::cmd("ZRANGE");
        look.arg(Shard(self.shard).wakes());
        match self.at {
            Some(at) => look.arg(at),
            None => look.arg("-inf"),
        };
        look.arg("+inf").arg("BYSCORE").arg("LIMIT").arg(self.skip).arg(count).arg("WITHSCORES");
        look
    }

    /// The place of the first one not listed, whose score is `at`, behind those `listed`.
    fn after(&self, listed: &[Scored], at: i64) -> Self {
        let same = listed.iter().filter(|&&(_, score)| score == at).count();
        let before = if self.at == Some(at) { self.skip } else { 0 };
        Self { shard: self.shard, at: Some(at), skip: before + same }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let place = Self {
            shard: parts.next()?.parse().ok()?,
            at: Some(parts.next()?.parse().ok()?),
            skip: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(place)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.shard, self.at.unwrap_or(i64::MIN), self.skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_nothing_else_is() {
        let place = Place { shard: 3, at: Some(-5), skip: 17 };
        assert_eq!(Place::parse(&place.to_string()), Some(place));
        for text in ["", "1", "1.2", "1.2.3.4", "a.b.c", "1.2.-3", "99999.1.1"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_place_after_a_page_counts_equal_scores() {
        let scored = |scores: &[i64]| scores.iter().map(|&at| (String::new(), at)).collect::<Vec<Scored>>();
        let start = Place { shard: 0, at: None, skip: 0 };
        assert_eq!(start.after(&scored(&[1, 2, 2]), 2), Place { shard: 0, at: Some(2), skip: 2 });
        assert_eq!(start.after(&scored(&[1, 2, 2]), 3), Place { shard: 0, at: Some(3), skip: 0 });
        let within = Place { shard: 0, at: Some(2), skip: 2 };
        assert_eq!(within.after(&scored(&[2, 2]), 2), Place { shard: 0, at: Some(2), skip: 4 });
        assert_eq!(within.after(&[], 2), within);
    }

    #[test]
    fn a_look_is_never_wider_than_it_must_be() {
        assert_eq!(first_look(1, 16), 1);
        assert_eq!(first_look(4, 16), 4);
        assert_eq!(first_look(100, 16), 14);
        assert_eq!(first_look(100, 1), 100);
        assert_eq!(first_look(1_000, 1), 100);
        assert_eq!(first_look(0, 16), 0);
    }
}
