//! Sends: from a claim to its settlement, and the deliveries themselves.
//!
//! The score of a delivery in its lane is the end of its lease, so holding the lease is one comparison in the script. Read
//! next: `redis/begin.lua`, `redis/settle.lua`.

use std::time::Duration;

use redis::Cmd;

use super::commits::{add_tallies, days, read_cart};
use super::keys::{Shard, delivery_member};
use super::script::{BEGIN, RELEASE, SETTLE};
use super::{RedisStore, life_ms, score};
use crate::domain::{CartId, Delivery, DeliveryId, Moment, ShopId, Status};
use crate::store::{Begun, Claim, Queue, Settled, Settlement, StoreError, StoreResult, UNANSWERED_FOR, record};

/// A send mark says nothing any more after its lease and `UNANSWERED_FOR`; Redis may forget it this much later than the
/// lease, and later than the other.
const SEND_SLACK: Duration = Duration::from_hours(1);
pub(super) const DELIVERY_SLACK: Duration = Duration::from_hours(1);

impl RedisStore {
    pub(super) async fn begin_send(&self, claim: &Claim, now: Moment, until: Moment) -> StoreResult<Option<Begun>> {
        let call = self.begin_call(claim, now, until);
        begun(claim, until, self.redis.run(&BEGIN, &call).await?)
    }

    pub(super) async fn begin_sends(
        &self,
        claims: &[Claim],
        now: Moment,
        until: Moment,
    ) -> Vec<StoreResult<Option<Begun>>> {
        let calls: Vec<_> = claims.iter().map(|claim| (&*BEGIN, self.begin_call(claim, now, until))).collect();
        let replies = self.redis.run_all::<BeginReply>(&calls).await;
        claims.iter().zip(replies).map(|(claim, reply)| begun(claim, until, reply?)).collect()
    }

    fn begin_call(&self, claim: &Claim, now: Moment, until: Moment) -> Cmd {
        let (shop, cart) = (&claim.lane.shop, &claim.cart);
        let shard = self.shard_of(claim);
        let keys = [
            shard.queue(shop, &claim.lane.endpoint, claim.queue),
            shard.delivery(&claim.delivery),
            shard.sends(shop, cart),
            shard.cart(shop, cart),
        ];
        let mut call = BEGIN.on(&keys);
        call.arg(delivery_member(&claim.delivery, cart)).arg(score(claim.until)).arg(score(until));
        let reminder = if claim.delivery.is_reminder() { claim.delivery.as_str() } else { "" };
        call.arg(reminder).arg(life_ms(now, until, SEND_SLACK));
        call
    }

    pub(super) async fn release_claim(&self, claim: &Claim, due_at: Moment) -> StoreResult<Settled> {
        let (shop, cart) = (&claim.lane.shop, &claim.cart);
        let shard = self.shard_of(claim);
        let mut call = RELEASE.on(&[shard.queue(shop, &claim.lane.endpoint, claim.queue), shard.sends(shop, cart)]);
        call.arg(delivery_member(&claim.delivery, cart)).arg(score(claim.until)).arg(score(due_at));
        call.arg(claim.delivery.as_str());
        Ok(settled(self.redis.run(&RELEASE, &call).await?))
    }

    pub(super) async fn settle_claim(&self, settlement: Settlement<'_>) -> StoreResult<Settled> {
        Ok(settled(self.redis.run(&SETTLE, &self.settle_call(&settlement)).await?))
    }

    pub(super) async fn settle_claims(&self, settlements: Vec<Settlement<'_>>) -> Vec<StoreResult<Settled>> {
        let calls: Vec<_> = settlements.iter().map(|settlement| (&*SETTLE, self.settle_call(settlement))).collect();
        let replies = self.redis.run_all(&calls).await;
        replies.into_iter().map(|reply| Ok(settled(reply?))).collect()
    }

    fn settle_call(&self, settlement: &Settlement<'_>) -> Cmd {
        let Settlement { claim, delivery, keep_until, tallies, unanswered_at } = *settlement;
        let (shop, cart) = (&claim.lane.shop, &claim.cart);
        let shard = self.shard_of(claim);
        let days = days(tallies);
        let mut keys = vec![
            shard.queue(shop, &claim.lane.endpoint, claim.queue),
            shard.delivery(&claim.delivery),
            shard.sends(shop, cart),
            shard.dead(&claim.lane),
            shard.queue(shop, &claim.lane.endpoint, Queue::Again),
        ];
        keys.extend(days.iter().map(|&day| shard.tallies(shop, day)));

        let mut call = SETTLE.on(&keys);
        call.arg(delivery_member(&claim.delivery, cart)).arg(score(claim.until)).arg(claim.delivery.as_str());
        let ended = delivery.status.is_final();
        call.arg(write_delivery(delivery, ended.then_some(keep_until)));
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
        call.arg(self.latest_score());
        match (unanswered_at, delivery.status) {
            (Some(at), _) => call.arg(score(at)),
            (None, Status::Delivered) => call.arg("delivered"),
            (None, Status::Pending | Status::Dead(_) | Status::Suppressed(_)) => call.arg(""),
        };
        call.arg((UNANSWERED_FOR + SEND_SLACK).as_millis().to_string());
        add_tallies(&mut call, &days, tallies);
        call
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

/// What `begin.lua` returns: a delivery and its cart.
type BeginReply = Option<(Vec<u8>, Option<Vec<u8>>)>;

fn begun(claim: &Claim, until: Moment, reply: BeginReply) -> StoreResult<Option<Begun>> {
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
