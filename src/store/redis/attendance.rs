//! Who looks where: the processes that show life divide the shards among them, so that more of them do not look more often.
//!
//! It only saves looking. Claims and versions decide who gets what, whoever looks; no process leads, and none waits for
//! another: a shard goes to the live one that is nearest to it, and what lies overdue in another's is looked for now and then.
//! A process that never showed life looks everywhere. Never here: what is due.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::keys::{LIVE, Shard, Shards, fnv};
use super::script::{ATTEND, WRITE};
use super::{RedisStore, score};
use crate::domain::Moment;
use crate::store::StoreResult;

/// Who showed no life for this long is taken for dead.
const LIFE: Duration = Duration::from_secs(5);
/// What is overdue for longer in another's shard is everybody's.
const GRACE: Duration = Duration::from_secs(2);
/// How often one process looks into the shards of others. Each of several does so as much more rarely.
const LOOK_WIDE_EVERY: Duration = Duration::from_secs(2);
/// A look that is planned so much later than one ever is was planned by a clock that has gone back since.
const WENT_BACK: Duration = Duration::from_secs(60);

/// What is looked for.
#[derive(Clone, Copy)]
pub enum Sought {
    Wakes,
    Lanes,
}

/// One shard to look into, and up to which moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    pub shard: Shard,
    pub until: Moment,
}

/// What this process knows of the others.
pub struct Attendance {
    process: String,
    shards: Shards,
    /// All that are alive, this one too; none before it showed life itself.
    live: RwLock<Vec<String>>,
    wide_at: [AtomicI64; 2],
}

impl Attendance {
    /// `seed` is drawn anew for each process.
    pub fn new(seed: [u8; 32], shards: Shards) -> Self {
        let hash = Sha256::new().chain_update("process").chain_update(seed).finalize();
        let wide_at = [AtomicI64::new(i64::MIN), AtomicI64::new(i64::MIN)];
        Self { process: URL_SAFE_NO_PAD.encode(&hash[..9]), shards, live: RwLock::default(), wide_at }
    }

    /// Where to look at `now`: everywhere that is ours, and now and then for what lies overdue elsewhere.
    pub fn views(&self, sought: Sought, now: Moment) -> Vec<View> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let is_wide = self.is_wide(sought, now, live.len());
        let view = |shard: Shard| {
            let is_ours = self.is_ours(&live, shard);
            let until = if is_ours { now } else { before(now, GRACE) };
            (is_ours || is_wide).then_some(View { shard, until })
        };
        self.shards.all().filter_map(view).collect()
    }

    /// The shards of this process.
    pub fn ours(&self) -> impl Iterator<Item = Shard> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.shards.all().filter(move |&shard| self.is_ours(&live, shard))
    }

    fn is_ours(&self, live: &[String], shard: Shard) -> bool {
        live.iter().max_by_key(|process| nearness(process, shard)).is_none_or(|nearest| *nearest == self.process)
    }

    fn is_wide(&self, sought: Sought, now: Moment, live: usize) -> bool {
        let wide_at = &self.wide_at[sought as usize];
        let next = now.plus(LOOK_WIDE_EVERY * u32::try_from(live).unwrap_or(u32::MAX));
        let at = Moment::from_millis(wide_at.load(Ordering::Relaxed));
        let is_time = live > 1 && (at <= now || at > next.plus(WENT_BACK));
        if is_time {
            wide_at.store(next.millis(), Ordering::Relaxed);
        }
        is_time
    }
}

/// The shard comes first: what comes last in this hash moves its high digits hardly at all, and one would be the nearest to
/// most shards.
fn nearness(process: &str, shard: Shard) -> (u32, &str) {
    (fnv(&shard.0.to_string(), process), process)
}

fn before(now: Moment, span: Duration) -> Moment {
    Moment::from_millis(now.millis().saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
}

impl RedisStore {
    pub(super) async fn show_life(&self, now: Moment) -> StoreResult<()> {
        let mut call = ATTEND.on(&[LIVE]);
        call.arg(&self.attendance.process).arg(score(now)).arg(score(before(now, LIFE)));
        let live = self.redis.run(&ATTEND, &call).await?;
        *self.attendance.live.write().unwrap_or_else(PoisonError::into_inner) = live;
        Ok(())
    }

    pub(super) async fn take_leave(&self) -> StoreResult<()> {
        self.attendance.live.write().unwrap_or_else(PoisonError::into_inner).clear();
        let mut call = WRITE.on(&[LIVE]);
        call.arg("ZREM").arg(&self.attendance.process);
        self.redis.run(&WRITE, &call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Moment {
        Moment::from_millis(s * 1_000)
    }

    fn shards_of(attendance: &Attendance, now: Moment) -> Vec<Shard> {
        attendance.views(Sought::Wakes, now).iter().filter(|view| view.until == now).map(|view| view.shard).collect()
    }

    #[test]
    fn the_live_divide_the_shards_and_leave_none_out() {
        let all: Vec<Attendance> = (0..3).map(|n| Attendance::new([n; 32], Shards(16))).collect();
        assert_eq!(shards_of(&all[0], at(1)).len(), 16, "who knows of nobody looks everywhere");
        let live: Vec<String> = all.iter().map(|one| one.process.clone()).collect();
        for one in &all {
            *one.live.write().expect("no thread panics with it") = live.clone();
        }
        let mut shards: Vec<Shard> = all.iter().flat_map(|one| shards_of(one, at(1))).collect();
        shards.sort_unstable();
        assert_eq!(shards, Shards(16).all().collect::<Vec<_>>());
    }

    #[test]
    fn every_process_gets_about_its_part() {
        let mut largest = 0;
        for round in 0..50 {
            let all: Vec<Attendance> = (0..4).map(|n| Attendance::new([4 * round + n; 32], Shards(16))).collect();
            let live: Vec<String> = all.iter().map(|one| one.process.clone()).collect();
            let shares = all.iter().map(|one| Shards(16).all().filter(|&shard| one.is_ours(&live, shard)).count());
            largest += shares.max().unwrap_or_default();
        }
        assert!(
            largest < 50 * 7,
            "the busiest of four has {largest} of 800; even shares would be 200, dice give some 310"
        );
    }

    #[test]
    fn a_clock_that_jumped_ahead_and_back_stops_no_look_elsewhere() {
        let one = Attendance::new([1; 32], Shards(16));
        *one.live.write().expect("no thread panics with it") = vec![one.process.clone(), "other".to_owned()];
        for now in [10, 10_000_000, 20] {
            assert_eq!(one.views(Sought::Wakes, at(now)).len(), 16, "{now}");
        }
    }

    #[test]
    fn now_and_then_the_overdue_of_others_are_looked_for() {
        let one = Attendance::new([1; 32], Shards(16));
        *one.live.write().expect("no thread panics with it") = vec![one.process.clone(), "other".to_owned()];
        let ours = shards_of(&one, at(1)).len();
        let wide = |now| one.views(Sought::Lanes, at(now)).len() - ours;
        assert_eq!([wide(10), wide(11), wide(13), wide(14)], [16 - ours, 0, 0, 16 - ours]);
        assert!(one.views(Sought::Wakes, at(20)).iter().all(|view| [at(20), at(18)].contains(&view.until)));
    }
}
