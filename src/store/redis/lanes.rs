//! Lanes: which there are, what is due in them, who has leased it, and which are stopped.
//!
//! A lane has two sorted sets in each shard, for first attempts and for repeats; each is both schedule and leases. Each
//! shard has one of its lanes by their first due moment, so that a look for lanes with something due reads that one: what
//! comes lowers it, what goes or is put off sets it right, and so does a claim that finds nothing. Read next: `redis/sends.rs` for what follows a claim.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::attendance::Sought;
use super::keys::{FAILING, LANES, PAUSES, Shard, lane_member, parse_delivery_member, parse_lane_member};
use super::script::{CLAIM, WRITE};
use super::wakes::{Scored, due, first_look};
use super::{RedisStore, score};
use crate::domain::{Moment, Why};
use crate::store::{BATCH_MAX, Claim, DueLanes, Lane, Pause, Queue, StoreResult};

/// Lanes seen in one shard in one look; the next one sees the others.
const LANES_SEEN_MAX: usize = 1_000;
/// From this many for each shard on, a claim asks every shard for its part without looking first.
const PART_MIN: usize = 4;
/// How often what some shards did not have is asked of the others.
const ROUNDS_MAX: usize = 3;

/// How many are claimed in one shard at most: of first attempts, of repeats, of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    shard: Shard,
    first: usize,
    again: usize,
    limit: usize,
}

/// A claimed member, when it was due, and its queue.
type Claimed = (i64, String, Queue);

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
        Queue::ALL.into_iter().flat_map(move |queue| self.shards.all().map(move |shard| shard.queue(lane, queue)))
    }

    pub(super) async fn lanes_due(&self, now: Moment) -> StoreResult<DueLanes> {
        let views = self.attendance.views(Sought::Lanes, now);
        let seen = views.iter().map(|view| due(&view.shard.lanes(), view.until, 0, LANES_SEEN_MAX));
        let next = views.iter().map(|view| {
            let after = format!("({}", score(now));
            let mut look = redis::cmd("ZRANGE");
            look.arg(view.shard.lanes())
                .arg(after)
                .arg("+inf")
                .arg("BYSCORE")
                .arg("LIMIT")
                .arg(0)
                .arg(1)
                .arg("WITHSCORES");
            look
        });
        let mut found = self.redis.read_those_up::<Vec<Scored>>(seen.chain(next).collect()).await?;
        let next = found.split_off(views.len());
        let lanes: BTreeSet<Lane> =
            found.iter().flatten().flatten().filter_map(|(member, _)| parse_lane_member(member)).collect();
        let next = next.into_iter().flatten().flatten().map(|(_, at)| Moment::from_millis(at)).min();
        Ok(DueLanes { lanes: lanes.into_iter().collect(), next })
    }

    pub(super) async fn claim_due(
        &self,
        lane: &Lane,
        now: Moment,
        limit: usize,
        until: Moment,
    ) -> StoreResult<Vec<Claim>> {
        let mut claimed = if limit < PART_MIN * usize::from(self.shards.0) {
            let parts = self.parts_of_the_longest_overdue(lane, now, limit).await?;
            self.claim_parts(lane, &parts, now, until).await?.concat()
        } else {
            self.claim_of_all(lane, now, limit, until).await?
        };
        claimed.sort_by_key(|&(at, _, _)| at);
        let until = Moment::from_millis(score(until));
        let claim = |(_, member, queue): Claimed| {
            let (delivery, cart) = parse_delivery_member(&member)?;
            Some(Claim { lane: lane.clone(), delivery, cart, queue, until })
        };
        Ok(claimed.into_iter().filter_map(claim).collect())
    }

    /// Looks in every shard, so that the few that are claimed are the longest overdue of all.
    async fn parts_of_the_longest_overdue(&self, lane: &Lane, now: Moment, limit: usize) -> StoreResult<Vec<Part>> {
        let count = usize::from(self.shards.0);
        let look = first_look(limit, count, BATCH_MAX);
        let looks = self.queues_of(lane).map(|key| due(&key, now, 0, look)).collect();
        let seen = self.redis.read_those_up::<Vec<Scored>>(looks).await?;
        if seen.iter().all(|found| found.as_ref().is_none_or(Vec::is_empty)) {
            self.set_right(lane, &seen, now).await;
            return Ok(Vec::new());
        }
        let seen: Vec<Vec<Scored>> = seen.into_iter().map(Option::unwrap_or_default).collect();
        let (first, again) = seen.split_at(count);
        let places = Queue::places(at_least(first, limit, look), at_least(again, limit, look), limit);
        let shares = shares(first, places.0, look).into_iter().zip(shares(again, places.1, look));
        let part = |(shard, (first, again))| Part { shard, first, again, limit: first + again };
        Ok(self.shards.all().zip(shares).map(part).filter(|part| part.limit > 0).collect())
    }

    /// Makes the entries true of a lane in which nothing was due: one that says otherwise would lead here again and again.
    /// There is hardly ever one. Where a server did not answer or fails now, that is for a later look.
    async fn set_right(&self, lane: &Lane, seen: &[Option<Vec<Scored>>], now: Moment) {
        let answered = self.shards.all().zip(seen).filter(|(_, found)| found.is_some());
        let shards: Vec<Shard> = answered.map(|(shard, _)| shard).collect();
        let looks =
            shards.iter().map(|shard| redis::cmd("ZSCORE").arg(shard.lanes()).arg(lane_member(lane)).to_owned());
        let entries = self.redis.read_each::<Option<i64>>(looks.collect()).await;
        let is_outdated = |entry: StoreResult<Option<i64>>| entry.is_ok_and(|at| at.is_some_and(|at| at <= score(now)));
        let outdated = shards.into_iter().zip(entries).filter_map(|(shard, entry)| is_outdated(entry).then_some(shard));
        let parts: Vec<Part> = outdated.map(|shard| Part { shard, first: 0, again: 0, limit: 0 }).collect();
        if let Err(error) = self.claim_parts(lane, &parts, now, now).await {
            tracing::debug!(%error, "entries of an idle lane could not be set right");
        }
    }

    /// Asks every shard for its part, and those that had it all for what is left.
    async fn claim_of_all(&self, lane: &Lane, now: Moment, limit: usize, until: Moment) -> StoreResult<Vec<Claimed>> {
        let mut claimed: Vec<Claimed> = Vec::new();
        let mut deep: Vec<Shard> = self.shards.all().collect();
        for _ in 0..ROUNDS_MAX {
            let part = (limit - claimed.len()).checked_div(deep.len()).unwrap_or(0).min(BATCH_MAX);
            if part == 0 {
                break;
            }
            let parts: Vec<Part> =
                deep.iter().map(|&shard| Part { shard, first: part, again: part, limit: part }).collect();
            match self.claim_parts(lane, &parts, now, until).await {
                Ok(found) => {
                    deep =
                        deep.into_iter().zip(&found).filter(|(_, found)| found.len() == part).map(|(s, _)| s).collect();
                    claimed.extend(found.into_iter().flatten());
                }
                Err(error) if claimed.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(claimed)
    }

    /// What was claimed is ours, also when another shard failed: dropped, it would wait for its lease to end.
    async fn claim_parts(
        &self,
        lane: &Lane,
        parts: &[Part],
        now: Moment,
        until: Moment,
    ) -> StoreResult<Vec<Vec<Claimed>>> {
        let calls: Vec<_> = parts
            .iter()
            .map(|part| {
                let [first, again] = Queue::ALL.map(|queue| part.shard.queue(lane, queue));
                let mut call = CLAIM.on(&[first, again, part.shard.lanes()]);
                call.arg(score(now)).arg(part.first).arg(part.again).arg(part.limit).arg(score(until));
                call.arg(lane_member(lane));
                (&*CLAIM, call)
            })
            .collect();
        let mut claimed = Vec::with_capacity(parts.len());
        let mut failed = None;
        for answer in self.redis.run_all::<(Vec<Scored>, Vec<Scored>)>(&calls).await {
            let (first, again) = answer.unwrap_or_else(|error| {
                failed = Some(error);
                Default::default()
            });
            let of = |queue| move |(member, at): Scored| (at, member, queue);
            claimed
                .push(first.into_iter().map(of(Queue::First)).chain(again.into_iter().map(of(Queue::Again))).collect());
        }
        match failed {
            Some(error) if claimed.iter().all(Vec::is_empty) => Err(error),
            _ => Ok(claimed),
        }
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
