//! Letters: pages of what waits and of what is dead, one delivery wherever it lies, and what people do with them.
//!
//! The lanes and their dead are sorted sets already; a page is the merge of one page of each shard, so nothing is written
//! for it. Read next: `redis/seek.lua`, `redis/revive.lua`, `redis/bury.lua`.

use futures_util::future::try_join_all;

use super::commits::add_tallies;
use super::keys::{Shard, delivery_member, lane_member, parse_delivery_member};
use super::script::{BURY, Gathered, REVIVE, SEEK};
use super::sends::{DELIVERY_SLACK, mark_of, number, read_delivery, settled, write_delivery};
use super::wakes::Scored;
use super::{RedisStore, score};
use crate::domain::{CartId, DeliveryId, Moment, ShopId};
use crate::store::letters::Mark;
use crate::store::{Burial, Lane, Letter, LetterPage, Queue, Revival, Settled, Shelf, StoreResult};

/// Four steps each, a hundred in one script.
const REVIVED_TOGETHER: usize = 25;

impl RedisStore {
    pub(super) async fn page_of_letters(
        &self,
        lane: &Lane,
        which: Shelf,
        cursor: Option<&str>,
        limit: usize,
    ) -> StoreResult<LetterPage> {
        // What is no cursor of ours is an end, so that nobody pages in circles.
        let mark = match cursor.map(Mark::parse) {
            Some(None) => return Ok(LetterPage::default()),
            mark => mark.flatten(),
        };
        let limit = limit.max(1);
        let lists = self.shards.all().flat_map(|shard| match which {
            Shelf::Pending => Queue::ALL.map(|queue| (shard, shard.queue(lane, queue))).to_vec(),
            Shelf::Dead => vec![(shard, shard.dead(lane))],
        });
        let over = if which == Shelf::Dead { self.latest_score() } else { "-inf".to_owned() };
        let pages = lists.map(async |(shard, key)| {
            let mut call = SEEK.on(&[key]);
            call.arg(&over);
            match &mark {
                Some(mark) => call.arg(mark.at).arg(delivery_member(&mark.id, &mark.cart)),
                None => call.arg("").arg(""),
            };
            call.arg(limit + 1);
            let found: Vec<Scored> = self.redis.run(&SEEK, &call).await?;
            StoreResult::Ok(found.into_iter().map(move |(member, at)| (at, member, shard)).collect::<Vec<_>>())
        });
        let mut found: Vec<(i64, String, Shard)> = try_join_all(pages).await?.into_iter().flatten().collect();
        found.sort();
        let is_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| is_more).and_then(|(at, member, _)| {
            let (id, cart) = parse_delivery_member(member)?;
            Some(Mark { at: *at, id, cart }.to_string())
        });
        Ok(LetterPage { letters: self.read_letters(lane, &found).await?, next })
    }

    /// What went since its place was read is left out.
    pub(super) async fn read_letters(&self, lane: &Lane, found: &[(i64, String, Shard)]) -> StoreResult<Vec<Letter>> {
        let named = found.iter().filter_map(|(_, member, shard)| Some((parse_delivery_member(member)?, *shard)));
        let named: Vec<((DeliveryId, CartId), Shard)> = named.collect();
        let looks = named.iter().map(|((id, _), shard)| redis::cmd("GET").arg(shard.delivery(id)).to_owned());
        let records: Vec<Option<Vec<u8>>> = self.redis.read_all(looks.collect()).await?;
        let letter = |(((id, cart), _), stored): (_, Option<Vec<u8>>)| {
            Some(Letter { lane: Some(lane.clone()), cart: Some(cart), ..self.letter(id, stored?)? })
        };
        Ok(named.into_iter().zip(records).filter_map(letter).collect())
    }

    pub(super) async fn find_letter(&self, id: &DeliveryId) -> StoreResult<Option<Letter>> {
        let looks = self.shards.all().map(|shard| redis::cmd("GET").arg(shard.delivery(id)).to_owned());
        let records: Vec<Option<Vec<u8>>> = self.redis.read_all(looks.collect()).await?;
        Ok(records.into_iter().flatten().find_map(|stored| self.letter(id.clone(), stored)))
    }

    pub(super) async fn letters_of_cart(
        &self,
        shop: &ShopId,
        cart: &CartId,
        ids: &[DeliveryId],
    ) -> StoreResult<Vec<Letter>> {
        let shard = self.shards.of(shop, cart.as_str());
        let looks = ids.iter().map(|id| redis::cmd("GET").arg(shard.delivery(id)).to_owned());
        let records: Vec<Option<Vec<u8>>> = self.redis.read_all(looks.collect()).await?;
        let letter = |(id, stored): (&DeliveryId, Option<Vec<u8>>)| {
            let letter = self.letter(id.clone(), stored?)?;
            Some(Letter { cart: Some(cart.clone()), ..letter })
        };
        Ok(ids.iter().zip(records).filter_map(letter).collect())
    }

    /// Nothing when its time is over and Redis has not noticed.
    fn letter(&self, id: DeliveryId, stored: Vec<u8>) -> Option<Letter> {
        let head = stored.first_chunk().map_or(0, |head| i64::from_be_bytes(*head));
        let is_over = head != 0 && self.latest_at().is_some_and(|now| head <= now.millis());
        let delivery = read_delivery(&stored).ok().map(|(delivery, _)| delivery);
        let lane = delivery.as_ref().map(|d| Lane { shop: d.shop.clone(), endpoint: d.endpoint.clone() });
        let cart = delivery.as_ref().map(|d| d.cart.clone());
        (!is_over).then_some(Letter { id, lane, cart, delivery, has_ended: head != 0, stored })
    }

    pub(super) async fn revive_letters(&self, lane: &Lane, revivals: &[Revival]) -> StoreResult<usize> {
        let mut revived = 0;
        for shard in self.shards.all() {
            let here = |one: &&Revival| self.shards.of(&lane.shop, one.delivery.cart.as_str()) == shard;
            let here: Vec<&Revival> = revivals.iter().filter(here).collect();
            for some in here.chunks(REVIVED_TOGETHER) {
                let mut keys = vec![shard.queue(lane, Queue::First), shard.dead(lane), shard.lanes()];
                keys.extend(some.iter().map(|one| shard.delivery(&one.delivery.id)));
                let mut call = REVIVE.on(&keys);
                call.arg(lane_member(lane));
                for Revival { letter, delivery } in some {
                    call.arg(delivery_member(&delivery.id, &delivery.cart)).arg(&letter.stored);
                    call.arg(write_delivery(delivery, None)).arg(score(delivery.due_at));
                }
                revived += self.redis.run::<Vec<usize>>(&REVIVE, &call).await?.into_iter().sum::<usize>();
            }
        }
        Ok(revived)
    }

    pub(super) async fn bury_claim(&self, burial: Burial<'_>) -> StoreResult<Settled> {
        let Burial { claim, keep_until, tallies } = burial;
        let (shop, cart) = (&claim.lane.shop, &claim.cart);
        let shard = self.shards.of(shop, cart.as_str());
        let mut call = Gathered::default();
        let [first, again] = Queue::ALL.map(|queue| shard.queue(&claim.lane, queue));
        call.keys([first, again, shard.delivery(&claim.delivery), shard.begun(), shard.dead(&claim.lane)]);
        call.keys([shard.lanes()]);
        call.arg(number(claim.queue)).arg(delivery_member(&claim.delivery, cart)).arg(score(claim.until));
        call.arg(mark_of(claim)).arg(score(keep_until)).arg(&head(keep_until)[..]);
        call.arg(self.life_ms(keep_until, DELIVERY_SLACK)).arg(self.latest_score()).arg(lane_member(&claim.lane));
        add_tallies(shard, &mut call, shop, tallies);
        Ok(settled(self.redis.run(&BURY, &BURY.with(&call)).await?))
    }
}

const fn head(keep_until: Moment) -> [u8; 8] {
    keep_until.millis().to_be_bytes()
}
