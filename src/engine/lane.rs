//! The loop of one lane: claims, looks, sends and records go on side by side, so that none of them waits for another.
//!
//! - What is decided while it has places comes in by its door, begun already (`engine/doors.rs`); all else is claimed.
//! - It claims ahead, for a claim is only a lease; it begins no more than can start soon: what its places take, and ahead
//!   of that what the endpoint takes in a tenth of a second. What waits too long all the same is given back.
//! - Several looks and several records are on their way at once. The first goes at once, however small; others are made
//!   only when they are worth it.
//! - A breaker, the endpoint's own limits and its pace say how many sends may be on their way.
//!
//! The way of a delivery: `claimed` (or `handed`, which has begun), looked at, `ready`, sending, `sent`, recorded. Nothing is
//! decided here about one. Read next: `engine/lane/room.rs`, `engine/lane/rest.rs`, `engine/dispatcher.rs`, `domain/breaker.rs`.

mod pace;
mod rest;
mod room;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::error;

use self::pace::Pace;
use super::dispatcher::{Dispatched, Dispatcher, Looked, Ready, Sent};
use super::doors::{Door, Handed, Offer};
use super::pulse::Backoff;
use crate::domain::{Breaker, Moment};
use crate::store::{Begun, Claim, Lane, StoreError, StoreResult};

/// The fewest that are claimed at a time: with fewer, repeats would get no share of the places.
const CLAIM_MIN: usize = 4;
/// The most that one look begins, and one record ends.
const TOGETHER_MAX: usize = 256;
/// While one is on its way, the next is made for no fewer than this.
const TOGETHER_MIN: usize = 128;
/// Looks on their way at once, and records.
const AT_ONCE_MAX: usize = 4;
/// How far behind its pace a lane may make up for: about what a timer oversleeps.
const CATCH_UP: Duration = Duration::from_millis(5);

/// How many were looked at, and what that came to.
type Found = (usize, Vec<StoreResult<Looked>>);
/// How many were wanted, and what was leased.
type Leased = (usize, StoreResult<Vec<Claim>>);

pub(super) struct LaneLoop {
    dispatcher: Arc<Dispatcher>,
    lane: Lane,
    door: Arc<Door>,
    /// Handed over, and waiting for a look.
    handed: VecDeque<Handed>,
    claiming: JoinSet<Leased>,
    /// A claim that waits too long is void, and nothing is lost.
    claimed: VecDeque<Claim>,
    looking: JoinSet<Found>,
    looked_at: usize,
    /// Begun, and waiting for a place.
    ready: VecDeque<Box<Ready>>,
    sending: JoinSet<StoreResult<Option<Sent>>>,
    /// Made, and waiting to be recorded.
    sent: Vec<Sent>,
    recording: JoinSet<Vec<StoreError>>,
    breaker: Breaker,
    pace: Pace,
    /// Whether more may be due than is claimed.
    may_be_due: bool,
    /// No claim and no look before this: the store stumbled.
    rests_until: Instant,
    /// The same while its endpoint is stopped: what waits is looked at now and then.
    looks_again_at: Instant,
    /// No send before this: its endpoint's own limit.
    start_at: Instant,
    backoff: Backoff,
}

impl LaneLoop {
    pub(super) fn new(dispatcher: Arc<Dispatcher>, lane: Lane) -> Self {
        Self {
            door: dispatcher.engine.doors.of(&lane),
            handed: VecDeque::new(),
            dispatcher,
            lane,
            claiming: JoinSet::new(),
            claimed: VecDeque::new(),
            looking: JoinSet::new(),
            looked_at: 0,
            ready: VecDeque::new(),
            sending: JoinSet::new(),
            sent: Vec::new(),
            recording: JoinSet::new(),
            breaker: Breaker::default(),
            pace: Pace::new(instant()),
            may_be_due: true,
            rests_until: instant(),
            looks_again_at: instant(),
            start_at: instant(),
            backoff: Backoff::new(),
        }
    }

    /// Runs until it is told to stop; then lets sends on their way end, and gives back what has not started.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let door = Arc::clone(&self.door);
        let mut stopped = std::pin::pin!(stop.cancelled());
        loop {
            let now = self.dispatcher.engine.now();
            self.start_sends(now);
            self.record();
            self.let_in();
            self.look();
            self.claim();
            self.offer();
            let until = self.until(now);
            tokio::select! {
                () = &mut stopped => break,
                Some(ended) = self.sending.join_next(), if !self.sending.is_empty() => {
                    self.ended(ended);
                    while let Some(ended) = self.sending.try_join_next() {
                        self.ended(ended);
                    }
                }
                Some(ended) = self.looking.join_next(), if !self.looking.is_empty() => self.found(ended),
                Some(ended) = self.claiming.join_next(), if !self.claiming.is_empty() => self.leased(ended),
                Some(ended) = self.recording.join_next(), if !self.recording.is_empty() => self.recorded(ended),
                is_told = door.rung() => self.may_be_due |= is_told,
                () = sleep_until(until) => {}
            }
        }
        self.end().await;
    }

    async fn end(&mut self) {
        // What is handed over after this falls due as its lease ends.
        self.door.offer(Offer::default());
        let mut releasing = JoinSet::new();
        loop {
            self.record();
            self.release_all(&mut releasing);
            tokio::select! {
                Some(ended) = self.sending.join_next(), if !self.sending.is_empty() => self.ended(ended),
                Some(ended) = self.recording.join_next(), if !self.recording.is_empty() => self.recorded(ended),
                Some(ended) = self.looking.join_next(), if !self.looking.is_empty() => self.found(ended),
                Some(ended) = self.claiming.join_next(), if !self.claiming.is_empty() => self.leased(ended),
                Some(ended) = releasing.join_next(), if !releasing.is_empty() => self.recorded(ended),
                else => return,
            }
        }
    }

    /// Gives back what has not started.
    fn release_all(&mut self, releasing: &mut JoinSet<Vec<StoreError>>) {
        let mut held: Vec<Claim> = self.ready.drain(..).map(|ready| ready.claim).collect();
        held.extend(self.handed.drain(..).chain(self.door.let_in()).map(|handed| handed.begun.claim));
        held.extend(self.claimed.drain(..));
        for some in held.chunks(TOGETHER_MAX) {
            let (dispatcher, some) = (Arc::clone(&self.dispatcher), some.to_vec());
            releasing.spawn(async move {
                let now = dispatcher.engine.now();
                let released = join_all(some.iter().map(|claim| dispatcher.release(claim, now))).await;
                released.into_iter().filter_map(Result::err).collect()
            });
        }
    }

    fn start_sends(&mut self, at: Moment) {
        if self.ready.is_empty() {
            return;
        }
        let Some(endpoint) = self.endpoint() else { return self.give_all_back() };
        let allowed = self.breaker.allows(at, endpoint.concurrency);
        while self.sending.len() < allowed {
            let now = instant();
            if endpoint.rate_limit.is_some() && now < self.start_at {
                return;
            }
            let Some(ready) = self.ready.pop_front() else { return };
            if let Some(limit) = endpoint.rate_limit {
                self.start_at =
                    self.start_at.max(now.checked_sub(CATCH_UP).unwrap_or(now)) + Duration::from_secs(1) / limit;
            }
            self.send(ready);
        }
    }

    /// What was begun before the endpoint stopped waits in the store: the dispatcher starts none of it.
    fn give_all_back(&mut self) {
        while let Some(ready) = self.ready.pop_front() {
            self.send(ready);
        }
    }

    fn send(&mut self, ready: Box<Ready>) {
        let dispatcher = Arc::clone(&self.dispatcher);
        self.sending.spawn(async move {
            match dispatcher.post(ready).await {
                Ok(sent) => Ok(Some(sent)),
                Err(ready) => dispatcher.give_back(ready).await.map(|_| None),
            }
        });
    }

    fn ended(&mut self, ended: Result<StoreResult<Option<Sent>>, JoinError>) {
        self.pace.note(instant());
        match ended {
            Ok(Ok(Some(sent))) => {
                let was_open = self.breaker.probe_at().is_some();
                self.breaker.note(&sent.outcome, sent.started_at, self.dispatcher.engine.now());
                let is_open = self.breaker.probe_at().is_some();
                if was_open != is_open {
                    self.dispatcher.hold_back(&self.lane, is_open);
                }
                self.sent.push(sent);
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => self.tell(&error),
            Err(error) => error!(lane = ?self.lane, %error, "a send ended abnormally; its lease will run out"),
        }
    }

    /// Records what has ended.
    fn record(&mut self) {
        while is_worth_it(self.sent.len(), self.recording.len()) {
            let rest = self.sent.split_off(self.sent.len().min(TOGETHER_MAX));
            let batch = std::mem::replace(&mut self.sent, rest);
            let dispatcher = Arc::clone(&self.dispatcher);
            self.recording
                .spawn(async move { dispatcher.finish(batch).await.into_iter().filter_map(Result::err).collect() });
        }
    }

    fn recorded(&self, ended: Result<Vec<StoreError>, JoinError>) {
        match ended {
            Ok(failures) => failures.iter().for_each(|error| self.tell(error)),
            Err(error) => error!(lane = ?self.lane, %error, "a record ended abnormally; the leases will run out"),
        }
    }

    /// Looks at what was handed over. It has begun: no rest holds it up.
    fn let_in(&mut self) {
        self.handed.extend(self.door.let_in());
        while is_worth_it(self.handed.len(), self.looking.len()) {
            let handed: Vec<Handed> = self.handed.drain(..self.handed.len().min(TOGETHER_MAX)).collect();
            let Some(at) = handed.iter().map(|handed| handed.at).min() else { return };
            let begun: Vec<Begun> = handed.into_iter().map(|handed| handed.begun).collect();
            self.looked_at += begun.len();
            let (dispatcher, lane) = (Arc::clone(&self.dispatcher), self.lane.clone());
            self.looking.spawn(async move { (begun.len(), dispatcher.look_at(&lane, begun, at).await) });
        }
    }

    /// Begins more where there is room for it.
    fn look(&mut self) {
        if self.claimed.is_empty() || self.is_resting() {
            return;
        }
        let mut room = self.begun_max().saturating_sub(self.begun() + self.door.awaited());
        while is_worth_it(room.min(self.claimed.len()), self.looking.len()) {
            let count = room.min(self.claimed.len()).min(TOGETHER_MAX);
            let now = self.dispatcher.engine.now();
            let claims: Vec<Claim> = self.claimed.drain(..count).filter(|claim| claim.until > now).collect();
            if claims.is_empty() {
                continue;
            }
            room -= claims.len();
            self.looked_at += claims.len();
            let (dispatcher, lane) = (Arc::clone(&self.dispatcher), self.lane.clone());
            self.looking.spawn(async move { (claims.len(), dispatcher.look(&lane, &claims).await) });
        }
    }

    fn found(&mut self, ended: Result<Found, JoinError>) {
        let (count, looked) = match ended {
            Ok(found) => found,
            Err(error) => {
                error!(lane = ?self.lane, %error, "a look ended abnormally; the leases will run out");
                // How many it was for went with it.
                if self.looking.is_empty() {
                    self.looked_at = 0;
                }
                return;
            }
        };
        self.looked_at = self.looked_at.saturating_sub(count);
        let (mut failed, mut stays) = (None, false);
        for looked in looked {
            match looked {
                Ok(Looked::Ready(ready)) => self.ready.push_back(ready),
                Ok(Looked::Done(done)) => stays |= done == Dispatched::Released,
                Err(error) => failed = Some(error),
            }
        }
        self.note_answer(failed);
        if stays {
            self.wait_for_its_endpoint();
        }
    }

    /// Leases more where too little is held.
    fn claim(&mut self) {
        if !self.may_be_due || !self.claiming.is_empty() || self.is_resting() {
            return;
        }
        let held = self.claimed.len() + self.begun();
        let wanted = self.held_max().saturating_sub(held);
        if wanted == 0 || (wanted < TOGETHER_MIN && !self.claimed.is_empty()) {
            return;
        }
        let (dispatcher, lane) = (Arc::clone(&self.dispatcher), self.lane.clone());
        let wanted = wanted.max(CLAIM_MIN);
        // Whoever tells of something due from now on is heard.
        self.may_be_due = false;
        self.claiming.spawn(async move { (wanted, dispatcher.claim(&lane, wanted).await) });
    }

    fn leased(&mut self, ended: Result<Leased, JoinError>) {
        match ended {
            Ok((wanted, Ok(claims))) => {
                self.may_be_due |= room::may_have_left_some(claims.len(), wanted);
                self.claimed.extend(claims);
                self.note_answer(None);
            }
            Ok((_, Err(error))) => self.note_answer(Some(error)),
            Err(error) => error!(lane = ?self.lane, %error, "a claim ended abnormally; the leases will run out"),
        }
    }

    fn tell(&self, error: &StoreError) {
        error!(lane = ?self.lane, error = error as &dyn std::error::Error, "a lane could not use the store");
    }
}

/// Whether so many are worth an exchange, beside those that are on their way.
const fn is_worth_it(count: usize, on_their_way: usize) -> bool {
    count > 0 && (on_their_way == 0 || (count >= TOGETHER_MIN && on_their_way < AT_ONCE_MAX))
}

fn instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "paces and waits; nothing is decided by it")]
    Instant::now()
}
