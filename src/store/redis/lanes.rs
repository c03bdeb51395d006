//! Lanes: which there are, what is due in them, who has leased it, and which are stopped.
//!
//! A lane has two sorted sets in each shard, for first attempts and for repeats; each is both schedule and leases. A claim looks at all of them at once and then runs
//! its script only where something is due. Read next: `redis/sends.rs` for what follows a claim.

use std::sync::PoisonError;

use super::keys::{FAILING, LANES, PAUSES, lane_member, parse_delivery_member, parse_lane_member};
use super::script::{CLAIM, WRITE};
use super::wakes::{Scored, due, first_look};
use super::{RedisStore, score};
use crate::domain::{Moment, Why};
use crate::store::{BATCH_MAX, Claim, Lane, Pause, Queue, StoreResult};

impl RedisStore {
    pub(super) async fn all_lanes(&self) -> StoreResult<Vec<Lane>> {
        let members: Vec<String> = self.redis.read(redis::cmd("SMEMBERS").arg(LANES)).await?;
        let mut lanes: Vec<Lane> = members.iter().filter_map(|member| parse_lane_member(member)).collect();
        lanes.sort();
        Ok(lanes)
    }

    /// Has the lane in the set of lanes before anything is in the lane, so that nothing waits where nobody looks.
    pub(super) async fn know_lane(&self, lane: &Lane) -> StoreResult<()> {
        let is_known = |lane| self.lanes.read().unwrap_or_else(PoisonError::into_inner).contains(lane);
        if is_known(lane) {
            return Ok(());
        }
        let lanes = self.all_lanes().await?;
        self.lanes.write().unwrap_or_else(PoisonError::into_inner).extend(lanes);
        if !is_known(lane) {
            let mut call = WRITE.on(&[LANES]);
            call.arg("SADD").arg(lane_member(lane));
            self.redis.run::<()>(&WRITE, &call).await?;
            self.lanes.write().unwrap_or_else(PoisonError::into_inner).insert(lane.clone());
        }
        Ok(())
    }

    pub(super) async fn first_due(&self, lane: &Lane) -> StoreResult<Option<Moment>> {
        self.first_of(self.queues_of(lane)).await
    }

    /// The sorted sets of a lane: those of first attempts, then those of repeats.
    pub(super) fn queues_of(&self, lane: &Lane) -> impl Iterator<Item = String> {
        Queue::ALL.into_iter().flat_map(move |queue| self.queue_of(lane, queue))
    }

    fn queue_of(&self, lane: &Lane, queue: Queue) -> impl Iterator<Item = String> {
        self.shards.all().map(move |shard| shard.queue(&lane.shop, &lane.endpoint, queue))
    }

    pub(super) async fn claim_due(
        &self,
        lane: &Lane,
        now: Moment,
        limit: usize,
        until: Moment,
    ) -> StoreResult<Vec<Claim>> {
        let keys: Vec<String> = self.queues_of(lane).collect();
        let shards = usize::from(self.shards.0);
        let look = first_look(limit, shards);
        let looks = keys.iter().map(|key| due(key, now, 0, look)).collect();
        let seen: Vec<Vec<Scored>> = self.redis.read_all(looks).await?;
        let (first, again) = seen.split_at(shards);
        let places = Queue::places(at_least(first, limit, look), at_least(again, limit, look), limit);
        let wanted: Vec<usize> = [shares(first, places.0, look), shares(again, places.1, look)].concat();

        let calls = keys.iter().zip(wanted).enumerate().filter(|&(_, (_, share))| share > 0);
        let (places, calls): (Vec<usize>, Vec<_>) = calls
            .map(|(place, (key, share))| {
                let mut call = CLAIM.on(&[key]);
                call.arg(score(now)).arg(share).arg(score(until));
                (place, (&*CLAIM, call))
            })
            .unzip();
        let mut claimed: Vec<(i64, String, Queue)> = Vec::new();
        let mut failed = None;
        for (place, result) in places.into_iter().zip(self.redis.run_all::<Vec<Scored>>(&calls).await) {
            let queue = if place < shards { Queue::First } else { Queue::Again };
            match result {
                Ok(claims) => claimed.extend(claims.into_iter().map(|(member, at)| (at, member, queue))),
                Err(error) => failed = Some(error),
            }
        }
        // What was claimed is ours, also when another shard failed: dropped, it would wait for its lease to end.
        if let (true, Some(error)) = (claimed.is_empty(), failed) {
            return Err(error);
        }
        claimed.sort_by_key(|&(at, _, _)| at);
        let until = Moment::from_millis(score(until));
        let claim = |(_, member, queue): (i64, String, Queue)| {
            let (delivery, cart) = parse_delivery_member(&member)?;
            Some(Claim { lane: lane.clone(), delivery, cart, queue, until })
        };
        Ok(claimed.into_iter().filter_map(claim).collect())
    }

    pub(super) async fn fails_since(&self, lane: &Lane, since: Moment) -> StoreResult<()> {
        let mut call = WRITE.on(&[FAILING]);
        call.arg("HSETNX").arg(lane_member(lane)).arg(since.millis());
        self.redis.run(&WRITE, &call).await
    }

    pub(super) async fn works(&self, lane: &Lane) -> StoreResult<()> {
        self.redis.write(redis::cmd("HDEL").arg(FAILING).arg(lane_member(lane))).await
    }

    pub(super) async fn failing_lanes(&self) -> StoreResult<Vec<(Lane, Moment)>> {
        let found: Vec<(String, i64)> = self.redis.read(redis::cmd("HGETALL").arg(FAILING)).await?;
        let mut failing: Vec<(Lane, Moment)> = found
            .iter()
            .filter_map(|(lane, since)| Some((parse_lane_member(lane)?, Moment::from_millis(*since))))
            .collect();
        failing.sort();
        Ok(failing)
    }

    pub(super) async fn stop_lane(&self, pause: &Pause) -> StoreResult<()> {
        let mut call = WRITE.on(&[PAUSES]);
        call.arg("HSETNX").arg(lane_member(&pause.lane)).arg(format!("{} {}", pause.since.millis(), pause.why));
        self.redis.run(&WRITE, &call).await
    }

    pub(super) async fn start_lane(&self, lane: &Lane) -> StoreResult<()> {
        self.redis.write(redis::cmd("HDEL").arg(PAUSES).arg(lane_member(lane))).await
    }

    pub(super) async fn stopped_lanes(&self) -> StoreResult<Vec<Pause>> {
        let found: Vec<(String, String)> = self.redis.read(redis::cmd("HGETALL").arg(PAUSES)).await?;
        let mut pauses: Vec<Pause> = found.iter().filter_map(|(lane, pause)| parse_pause(lane, pause)).collect();
        pauses.sort_by(|a, b| a.lane.cmp(&b.lane));
        Ok(pauses)
    }
}

fn parse_pause(lane: &str, pause: &str) -> Option<Pause> {
    let (since, why) = pause.split_once(' ')?;
    let since = Moment::from_millis(since.parse().ok()?);
    // A word of a newer version still stops the endpoint.
    Some(Pause { lane: parse_lane_member(lane)?, why: Why::parse(why).unwrap_or(Why::EndpointPaused), since })
}

/// How many are due, as far as a look tells: one that ended early may have seen only a part.
fn at_least(seen: &[Vec<Scored>], limit: usize, look: usize) -> usize {
    if seen.iter().any(|found| found.len() == look) { limit } else { seen.iter().map(Vec::len).sum() }
}

/// How many to claim in each shard: the `limit` longest overdue of those seen, and where fewer were seen, more from the
/// shards in which the look ended early.
fn shares(seen: &[Vec<Scored>], limit: usize, look: usize) -> Vec<usize> {
    let mut order: Vec<(i64, usize)> =
        seen.iter().enumerate().flat_map(|(shard, found)| found.iter().map(move |&(_, at)| (at, shard))).collect();
    order.sort_unstable();
    order.truncate(limit);
    let mut shares = vec![0; seen.len()];
    for &(_, shard) in &order {
        shares[shard] += 1;
    }
    let mut rest = limit - order.len();
    let mut deep = seen.iter().filter(|found| found.len() == look).count();
    for (share, _) in shares.iter_mut().zip(seen).filter(|(_, found)| found.len() == look) {
        let extra = rest.div_ceil(deep).min(BATCH_MAX - *share);
        *share += extra;
        rest -= extra;
        deep -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(scores: &[&[i64]]) -> Vec<Vec<Scored>> {
        scores.iter().map(|found| found.iter().map(|&at| (String::new(), at)).collect()).collect()
    }

    #[test]
    fn the_longest_overdue_are_claimed_wherever_they_are() {
        assert_eq!(shares(&seen(&[&[5, 6], &[1, 2], &[]]), 2, 4), [0, 2, 0]);
        assert_eq!(shares(&seen(&[&[5, 6], &[1, 9], &[7]]), 3, 4), [2, 1, 0]);
    }

    #[test]
    fn a_deep_shard_gives_the_rest() {
        assert_eq!(shares(&seen(&[&[1, 2, 3, 4], &[9]]), 20, 4), [19, 1]);
        assert_eq!(shares(&seen(&[&[1, 2, 3, 4], &[1, 2, 3, 4]]), 11, 4), [6, 5]);
        assert_eq!(shares(&seen(&[&[1], &[2]]), 10, 4), [1, 1]);
        assert_eq!(shares(&seen(&[&[1; 100]]), 300, 100), [100]);
        assert_eq!(shares(&seen(&[&[], &[]]), 0, 0), [0, 0]);
    }
}
