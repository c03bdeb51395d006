//! The wakes of carts: what is due, what comes next, and the list of all.
//!
//! Each shop has a sorted set in each shard, and each shard one of its shops by their first wake: a look reads that one, and
//! then only what is due. A look at several is one exchange and not atomic: what moves meanwhile is seen where it was or
//! where it is, and the commit decides. Read next: `redis/lanes.rs`, the same for deliveries.

use std::collections::BTreeMap;

use redis::Cmd;

use super::attendance::{Sought, View};
use super::commits::read_cart;
use super::keys::Shard;
use super::script::POSTPONE;
use super::{RedisStore, score};
use crate::domain::{CartId, Moment, ShopId};
use crate::store::{DUE_MAX, Page, StoreResult, turns};

/// As many shops as a configuration can have.
const SHOPS_SEEN_MAX: usize = 1_000;

/// A member of a sorted set, and its score in ms.
pub(super) type Scored = (String, i64);

/// The wakes of a shop in one shard, as far as a look goes, the first ones first.
struct Look {
    shop: usize,
    key: String,
    until: Moment,
    limit: usize,
    seen: Vec<Scored>,
}

impl RedisStore {
    pub(super) async fn due_wakes(&self, now: Moment, limit: usize, turn: usize) -> StoreResult<Vec<(ShopId, CartId)>> {
        let due_shops = self.due_shops(now).await?;
        let all: Vec<(&ShopId, &Vec<View>)> = due_shops.iter().collect();
        let shops: Vec<_> = turns::whose(all.len(), limit, turn).map(|shop| all[shop]).collect();
        let share = limit.div_ceil(shops.len().max(1));
        let mut looks: Vec<Look> = Vec::new();
        for (index, (shop, views)) in shops.iter().enumerate() {
            let limit = first_look(share, views.len(), DUE_MAX);
            looks.extend(views.iter().map(|&View { shard, until }| {
                let key = shard.wakes(shop);
                Look { shop: index, key, until, limit, seen: Vec::new() }
            }));
        }
        let found = self.look(&mut looks.iter_mut().collect::<Vec<_>>()).await?;
        let mut deep: Vec<&mut Look> = looks.iter_mut().filter(|look| look.seen.len() == look.limit).collect();
        if found < limit && !deep.is_empty() {
            let more = (limit - found).div_ceil(deep.len()).max(share / 2);
            for look in &mut deep {
                look.limit = (look.limit + more).min(DUE_MAX);
            }
            self.look(&mut deep).await?;
        }
        Ok(shared(&shops.iter().map(|(shop, _)| *shop).collect::<Vec<_>>(), looks, limit))
    }

    /// The shops with something due, and in which shards.
    async fn due_shops(&self, now: Moment) -> StoreResult<BTreeMap<ShopId, Vec<View>>> {
        let views = self.attendance.views(Sought::Wakes, now);
        let looks = views.iter().map(|view| due(&view.shard.shops(), view.until, 0, SHOPS_SEEN_MAX)).collect();
        let mut shops: BTreeMap<ShopId, Vec<View>> = BTreeMap::new();
        for (view, seen) in views.into_iter().zip(self.redis.read_those_up::<Vec<Scored>>(looks).await?) {
            for shop in seen.into_iter().flatten().filter_map(|(shop, _)| ShopId::parse(&shop).ok()) {
                shops.entry(shop).or_default().push(view);
            }
        }
        Ok(shops)
    }

    /// Looks on from where each look ended, up to its limit; how many that found.
    async fn look(&self, looks: &mut [&mut Look]) -> StoreResult<usize> {
        let commands = looks
            .iter()
            .map(|look| due(&look.key, look.until, look.seen.len(), look.limit - look.seen.len()))
            .collect();
        let mut found = 0;
        for (look, seen) in looks.iter_mut().zip(self.redis.read_those_up::<Vec<Scored>>(commands).await?) {
            found += seen.as_ref().map_or(0, Vec::len);
            look.seen.extend(seen.into_iter().flatten());
        }
        Ok(found)
    }

    /// Of this process's part; what others should long have looked after comes up in a look.
    pub(super) async fn first_wake(&self) -> StoreResult<Option<Moment>> {
        self.first_of(self.attendance.ours().map(Shard::shops)).await
    }

    /// Of all parts.
    pub(super) async fn first_wake_of_all(&self) -> StoreResult<Option<Moment>> {
        self.first_of(self.shards.all().map(Shard::shops)).await
    }

    /// The lowest score in any of these sorted sets.
    pub(super) async fn first_of(&self, keys: impl Iterator<Item = String>) -> StoreResult<Option<Moment>> {
        let looks = keys.map(|key| redis::cmd("ZRANGE").arg(key).arg(0).arg(0).arg("WITHSCORES").to_owned()).collect();
        let heads = self.redis.read_those_up::<Vec<Scored>>(looks).await?;
        Ok(heads.into_iter().flatten().flatten().map(|(_, at)| Moment::from_millis(at)).min())
    }

    pub(super) async fn move_wake(&self, shop: &ShopId, id: &CartId, now: Moment, until: Moment) -> StoreResult<()> {
        let shard = self.shards.of(shop, id.as_str());
        let mut call = POSTPONE.on(&[shard.wakes(shop), shard.shops()]);
        call.arg(id.as_str()).arg(score(now)).arg(score(until)).arg(shop.as_str());
        self.redis.run(&POSTPONE, &call).await
    }

    pub(super) async fn page_of_carts(&self, cursor: Option<&str>, limit: usize) -> StoreResult<Page> {
        // What is no cursor of ours is an end, so that nobody pages in circles.
        let Some(mut place) = cursor.map_or(Some(Place::start(0)), Place::parse) else { return Ok(Page::default()) };
        let limit = limit.max(1);
        let mut page = Page::default();
        let mut listed = 0;
        while place.shard < self.shards.0 {
            for shop in self.shops_from(&place).await? {
                if shop.as_str() != place.shop {
                    place = Place { shop: shop.to_string(), ..Place::start(place.shard) };
                }
                // One more than wanted: whether there is a next page.
                let wanted = limit - listed;
                let mut seen: Vec<Scored> = self.redis.read(&place.look(&shop, wanted + 1)).await?;
                let next = (seen.len() > wanted).then(|| place.after(&seen[..wanted], seen[wanted].1));
                seen.truncate(wanted);
                listed += seen.len();
                self.read_carts(Shard(place.shard), &shop, &seen, &mut page).await?;
                if let Some(next) = next {
                    page.next = Some(next.to_string());
                    return Ok(page);
                }
            }
            place = Place::start(place.shard + 1);
        }
        Ok(page)
    }

    /// The shops of the shard that a place is in, by name, from the one it is at.
    async fn shops_from(&self, place: &Place) -> StoreResult<Vec<ShopId>> {
        let names: Vec<String> =
            self.redis.read(redis::cmd("ZRANGE").arg(Shard(place.shard).shops()).arg(0).arg(-1)).await?;
        let mut shops: Vec<ShopId> = names.iter().filter_map(|name| ShopId::parse(name).ok()).collect();
        shops.retain(|shop| shop.as_str() >= place.shop.as_str());
        shops.sort_unstable();
        Ok(shops)
    }

    /// Carts that went since their wake was read are left out.
    async fn read_carts(&self, shard: Shard, shop: &ShopId, seen: &[Scored], page: &mut Page) -> StoreResult<()> {
        let ids: Vec<CartId> = seen.iter().filter_map(|(member, _)| CartId::parse(member).ok()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut get = redis::cmd("MGET");
        for id in &ids {
            get.arg(shard.cart(shop, id));
        }
        let records: Vec<Option<Vec<u8>>> = self.redis.read(&get).await?;
        for (id, bytes) in ids.iter().zip(records) {
            match bytes.map(|bytes| read_cart(shop, id, &bytes)) {
                Some(Ok(cart)) => page.carts.push(*cart),
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

/// How many to look at in each shard, at most `most`, to find the `limit` longest overdue of all without reading `limit`
/// from each.
pub(super) fn first_look(limit: usize, shards: usize, most: usize) -> usize {
    let share = limit.div_ceil(shards);
    limit.min((2 * share).min(share + share / 4 + 16).max(4)).min(most)
}

/// What each shop gets of the `limit` places, its longest overdue carts; all in the order of their wakes.
fn shared(shops: &[&ShopId], looks: Vec<Look>, limit: usize) -> Vec<(ShopId, CartId)> {
    let mut found: Vec<Vec<Scored>> = vec![Vec::new(); shops.len()];
    for look in looks {
        found[look.shop].extend(look.seen);
    }
    for carts in &mut found {
        carts.sort_by_key(|&(_, at)| at);
    }
    let shares = turns::shares(&found.iter().map(Vec::len).collect::<Vec<_>>(), limit);
    let taken = shops.iter().zip(found).zip(shares);
    let mut due: Vec<(i64, &ShopId, String)> = taken
        .flat_map(|((&shop, carts), share)| carts.into_iter().take(share).map(move |(cart, at)| (at, shop, cart)))
        .collect();
    due.sort_by_key(|&(at, ..)| at);
    let names = due.into_iter().map(|(_, shop, cart)| Some((shop.clone(), CartId::parse(&cart).ok()?)));
    names.flatten().collect()
}

/// Where in the list of carts: a shard, a shop in it, a score there, and how many of that score are behind us.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    shard: u16,
    shop: String,
    /// `None`: at its beginning.
    at: Option<i64>,
    skip: u32,
}

impl Place {
    const fn start(shard: u16) -> Self {
        Self { shard, shop: String::new(), at: None, skip: 0 }
    }

    fn look(&self, shop: &ShopId, count: usize) -> Cmd {
        let mut look = redis::cmd("ZRANGE");
        look.arg(Shard(self.shard).wakes(shop));
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
        let skip = before.saturating_add(u32::try_from(same).unwrap_or(u32::MAX));
        Self { at: Some(at), skip, ..self.clone() }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        Some(Self {
            shard: parts.next()?.parse().ok()?,
            at: Some(parts.next()?.parse().ok()?),
            skip: parts.next()?.parse().ok()?,
            shop: parts.next().filter(|shop| ShopId::parse(shop).is_ok())?.to_owned(),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}.{}", self.shard, self.at.unwrap_or(i64::MIN), self.skip, self.shop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(at: Option<i64>, skip: u32) -> Place {
        Place { at, skip, shop: "shop".to_owned(), ..Place::start(3) }
    }

    #[test]
    fn a_place_is_read_back_and_nothing_else_is() {
        let place = place(Some(-5), 17);
        assert_eq!(Place::parse(&place.to_string()), Some(place));
        let others =
            ["", "1", "1.2", "1.2.3", "1.2.3.", "1.2.3.No Shop", "a.b.c.shop", "1.2.-3.shop", "99999.1.1.shop"];
        for text in others.into_iter().chain(["1.2.9999999999.shop"]) {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_place_after_a_page_counts_equal_scores() {
        let scored = |scores: &[i64]| scores.iter().map(|&at| (String::new(), at)).collect::<Vec<Scored>>();
        let start = place(None, 0);
        assert_eq!(start.after(&scored(&[1, 2, 2]), 2), place(Some(2), 2));
        assert_eq!(start.after(&scored(&[1, 2, 2]), 3), place(Some(3), 0));
        let within = place(Some(2), 2);
        assert_eq!(within.after(&scored(&[2, 2]), 2), place(Some(2), 4));
        assert_eq!(within.after(&[], 2), within);
    }

    #[test]
    fn a_look_is_never_wider_than_it_must_be() {
        assert_eq!(first_look(1, 16, 100), 1);
        assert_eq!(first_look(4, 16, 100), 4);
        assert_eq!(first_look(100, 16, 100), 14);
        assert_eq!(first_look(100, 1, 100), 100);
        assert_eq!(first_look(1_000, 1, 100), 100);
        assert_eq!(first_look(0, 16, 100), 0);
    }
}
