//! Sends: from a claim to its settlement, and the deliveries themselves.
//!
//! The score of a delivery in its lane is the end of its lease, so holding the lease is one comparison in the script. Read
//! next: `redis/begin.lua`, `redis/settle.lua`.

use std::time::Duration;

use redis::{Cmd, Value};

use super::batch::{NO_ANSWER, scatter, together};
use super::commits::read_cart;
use super::keys::{Shard, cart_mark, delivery_mark, delivery_member, lane_member, send_mark};
use super::script::{BEGIN, Gathered, RELEASE, SENDS, SETTLE};
use super::{RedisStore, life_ms, millis, score};
use crate::domain::{CartId, Day, Delivery, DeliveryId, Moment, ShopId, Status, Tally};
use crate::store::{
    Begun, Claim, Lane, Queue, Sends, Settled, Settlement, StoreError, StoreResult, UNANSWERED_FOR, record,
};

/// A send says nothing any more `UNANSWERED_FOR` after its end; Redis may forget it this long after it.
pub(super) const KNOWN_FOR: Duration = UNANSWERED_FOR.saturating_add(Duration::from_hours(1));
pub(super) const DELIVERY_SLACK: Duration = Duration::from_hours(1);

impl RedisStore {
    pub(super) async fn begin_sends(
        &self,
        claims: &[Claim],
        now: Moment,
        until: Moment,
    ) -> Vec<StoreResult<Option<Begun>>> {
        let groups = together(claims.iter().map(|claim| (self.shard_of(claim), &claim.lane)));
        let calls: Vec<_> = groups
            .iter()
            .map(|((shard, lane), indices)| {
                let claims = indices.iter().map(|&index| &claims[index]);
                (&*BEGIN, begin_call(*shard, lane, claims, now, until))
            })
            .collect();
        let answers = scatter(claims.len(), &groups, self.redis.run_all(&calls).await);
        claims.iter().zip(answers).map(|(claim, answer)| begun(claim, until, answer?)).collect()
    }

    pub(super) async fn release_claim(&self, claim: &Claim, due_at: Moment) -> StoreResult<Settled> {
        let shard = self.shard_of(claim);
        let [first, again] = Queue::ALL.map(|queue| shard.queue(&claim.lane, queue));
        let mut call = RELEASE.on(&[first, again, shard.begun(), shard.lanes()]);
        call.arg(number(claim.queue)).arg(delivery_member(&claim.delivery, &claim.cart)).arg(score(claim.until));
        call.arg(score(due_at)).arg(mark_of(claim)).arg(lane_member(&claim.lane));
        Ok(settled(self.redis.run(&RELEASE, &call).await?))
    }

    pub(super) async fn settle_claims(&self, settlements: Vec<Settlement<'_>>) -> Vec<StoreResult<Settled>> {
        let groups = together(settlements.iter().map(|one| (self.shard_of(one.claim), &one.claim.lane)));
        let calls: Vec<_> = groups
            .iter()
            .map(|((shard, lane), indices)| {
                let settlements: Vec<&Settlement<'_>> = indices.iter().map(|&index| &settlements[index]).collect();
                (&*SETTLE, self.settle_call(*shard, lane, &settlements))
            })
            .collect();
        let answers = scatter(settlements.len(), &groups, self.redis.run_all(&calls).await);
        let settled = |answer| Ok(settled(redis::from_redis_value(answer).map_err(|_| NO_ANSWER)?));
        answers.into_iter().map(|answer| settled(answer?)).collect()
    }

    fn settle_call(&self, shard: Shard, lane: &Lane, settlements: &[&Settlement<'_>]) -> Cmd {
        let mut days: Vec<Day> = Vec::new();
        let mut sets: Vec<&[Tally]> = Vec::new();
        for settlement in settlements {
            days.extend(settlement.tallies.iter().map(|tally| tally.day));
            if !sets.contains(&settlement.tallies) {
                sets.push(settlement.tallies);
            }
        }
        days.sort_unstable();
        days.dedup();

        let mut call = Gathered::default();
        let queues = Queue::ALL.map(|queue| shard.queue(lane, queue));
        call.keys(queues.into_iter().chain([shard.dead(lane), shard.lanes(), shard.begun()]));
        call.keys(days.iter().map(|&day| shard.tallies(&lane.shop, day)));
        call.arg(lane_member(lane)).arg(self.latest_score()).arg(millis(KNOWN_FOR));
        call.arg(days.len()).arg(sets.len());
        for set in &sets {
            call.arg(set.len());
            for tally in *set {
                let day = days.iter().position(|&day| day == tally.day).unwrap_or_default() + 1;
                call.arg(day).arg(&tally.key.0).arg(tally.by);
            }
        }
        for settlement in settlements {
            self.add_settlement(&mut call, shard, settlement);
            call.arg(sets.iter().position(|set| *set == settlement.tallies).unwrap_or_default() + 1);
        }
        SETTLE.with(&call)
    }

    fn add_settlement(&self, call: &mut Gathered, shard: Shard, settlement: &Settlement<'_>) {
        let Settlement { claim, delivery, keep_until, unanswered_at, .. } = *settlement;
        call.keys([shard.delivery(&claim.delivery), shard.unanswered(&claim.lane.shop, &claim.cart)]);
        call.arg(number(claim.queue)).arg(delivery_member(&claim.delivery, &claim.cart)).arg(score(claim.until));
        let ended = delivery.status.is_final();
        call.arg(claim.delivery.as_str()).arg(write_delivery(delivery, ended.then_some(keep_until)));
        if ended {
            call.arg("").arg(self.life_ms(keep_until, DELIVERY_SLACK));
        } else {
            call.arg(score(delivery.due_at)).arg(0);
        }
        if matches!(delivery.status, Status::Dead(_)) {
            call.arg(score(keep_until));
        } else {
            call.arg("");
        }
        match (unanswered_at, delivery.status) {
            (Some(at), _) => call.arg(score(at)),
            (None, Status::Delivered) => call.arg("delivered"),
            (None, Status::Pending | Status::Dead(_) | Status::Suppressed(_)) => call.arg(""),
        };
        call.arg(mark_of(claim));
    }

    pub(super) async fn sends_of(&self, shop: &ShopId, id: &CartId, now: Moment) -> StoreResult<Sends> {
        let shard = self.shards.of(shop, id.as_str());
        let mut call = SENDS.on(&[shard.begun(), shard.unanswered(shop, id)]);
        call.arg(cart_mark(shop, id));
        let ends = self.redis.read_by::<Vec<i64>>(&[(&*SENDS, call)]).await?.pop().ok_or(NO_ANSWER)?;
        Ok(Sends::of(ends.into_iter().map(Moment::from_millis), now))
    }

    pub(super) async fn stored_delivery(
        &self,
        shop: &ShopId,
        cart: &CartId,
        id: &DeliveryId,
    ) -> StoreResult<Option<Delivery>> {
        let key = self.shards.of(shop, cart.as_str()).delivery(id);
        let bytes: Option<Vec<u8>> = self.redis.read(redis::cmd("GET").arg(key)).await?;
        let Some((delivery, keep_until)) = bytes.map(|bytes| read_delivery(&bytes)).transpose()? else {
            return Ok(None);
        };
        let is_over = keep_until.is_some_and(|until| self.latest_at().is_some_and(|now| until <= now));
        // The shard holds those of other carts, too.
        let is_its = delivery.shop == *shop && delivery.cart == *cart;
        Ok((is_its && !is_over).then_some(delivery))
    }

    /// The latest moment known, as the end of a range of scores.
    pub(super) fn latest_score(&self) -> String {
        self.latest_at().map_or_else(|| "-inf".to_owned(), |at| score(at).to_string())
    }

    fn shard_of(&self, claim: &Claim) -> Shard {
        self.shards.of(&claim.lane.shop, claim.cart.as_str())
    }
}

fn begin_call<'a>(
    shard: Shard,
    lane: &Lane,
    claims: impl Iterator<Item = &'a Claim>,
    now: Moment,
    until: Moment,
) -> Cmd {
    let mut call = Gathered::default();
    call.keys(Queue::ALL.map(|queue| shard.queue(lane, queue)).into_iter().chain([shard.lanes(), shard.begun()]));
    call.arg(lane_member(lane)).arg(score(until)).arg(life_ms(now, until, KNOWN_FOR));
    for claim in claims {
        call.keys([
            shard.delivery(&claim.delivery),
            shard.unanswered(&lane.shop, &claim.cart),
            shard.cart(&lane.shop, &claim.cart),
        ]);
        call.arg(number(claim.queue)).arg(delivery_member(&claim.delivery, &claim.cart)).arg(score(claim.until));
        let marked = Some(&claim.delivery).filter(|id| id.is_reminder());
        call.arg(marked.map(|id| delivery_mark(&lane.shop, &claim.cart, id)).unwrap_or_default());
    }
    BEGIN.with(&call)
}

/// The mark that a send under this claim has.
pub(super) fn mark_of(claim: &Claim) -> String {
    send_mark(&claim.lane.shop, &claim.cart, &claim.delivery, score(claim.until))
}

/// A queue as the scripts name it: the number of its key.
pub(super) const fn number(queue: Queue) -> usize {
    match queue {
        Queue::First => 1,
        Queue::Again => 2,
    }
}

/// What `begin.lua` says of one: a delivery and its cart.
type BeginReply = Option<(Vec<u8>, Option<Vec<u8>>)>;

fn begun(claim: &Claim, until: Moment, reply: Value) -> StoreResult<Option<Begun>> {
    let reply: BeginReply = redis::from_redis_value(reply).map_err(|_| NO_ANSWER)?;
    let Some((delivery, cart_record)) = reply else { return Ok(None) };
    Ok(Some(Begun {
        claim: Claim { until: Moment::from_millis(score(until)), ..claim.clone() },
        delivery: read_delivery(&delivery)?.0,
        cart: cart_record.map(|bytes| read_cart(&claim.lane.shop, &claim.cart, &bytes)).transpose()?,
    }))
}

/// 8 bytes of the moment it is kept until, 0 for one that has not ended, and the stored form.
pub(super) fn write_delivery(delivery: &Delivery, keep_until: Option<Moment>) -> Vec<u8> {
    let mut bytes = keep_until.map_or(0, Moment::millis).to_be_bytes().to_vec();
    bytes.extend(record::encode_delivery(delivery));
    bytes
}

pub(super) fn read_delivery(bytes: &[u8]) -> StoreResult<(Delivery, Option<Moment>)> {
    let (head, record) = bytes.split_first_chunk().ok_or(StoreError::Corrupt { what: "delivery" })?;
    let keep_until = Some(i64::from_be_bytes(*head)).filter(|&until| until != 0).map(Moment::from_millis);
    Ok((record::decode_delivery(record)?, keep_until))
}

pub(super) fn settled(reply: i64) -> Settled {
    if reply == 1 { Settled::Done } else { Settled::Lost }
}
