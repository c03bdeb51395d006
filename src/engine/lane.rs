//! The loop of one lane: looks, sends and records go on side by side, so that none of them waits for another.
//!
//! - It begins no more than can start soon: what its places take, and ahead of that what the endpoint took since the last
//!   look. What waits too long all the same is given back.
//! - Sends that ended while a record was being written are recorded together with the next one.
//! - A breaker, the endpoint's own limits and its pace say how many sends may be on their way.
//!
//! Nothing is decided here about a delivery. Read next: `engine/dispatcher.rs`, `domain/breaker.rs`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::dispatcher::{Dispatcher, Looked, Ready, Sent};
use super::policies::EndpointPolicy;
use super::pulse::Backoff;
use crate::domain::Breaker;
use crate::store::{Claim, Lane, StoreError, StoreResult};

/// The fewest that are claimed at a time: with fewer, repeats would get no share of the places.
const CLAIM_MIN: usize = 4;
/// The most that one look begins, and one record ends.
const TOGETHER_MAX: usize = 256;
/// How often the oldest that waits for a stopped endpoint is looked at: what is too old ends there, too.
const STOPPED_LOOK: Duration = Duration::from_secs(3_600);

/// What a look found.
#[derive(Default)]
struct Found {
    ready: Vec<Ready>,
    /// Leased, but not looked at yet.
    claimed: Vec<Claim>,
    /// How long nothing is due, when nothing was.
    quiet: Option<Duration>,
    failure: Option<StoreError>,
}

pub(super) struct LaneLoop {
    dispatcher: Arc<Dispatcher>,
    lane: Lane,
    poll: Duration,
    /// A claim that waits too long is void, and nothing is lost.
    claimed: Vec<Claim>,
    /// Begun, and waiting for a place.
    ready: VecDeque<Ready>,
    looking: JoinSet<StoreResult<Found>>,
    sending: JoinSet<StoreResult<Option<Sent>>>,
    /// Made, and waiting to be recorded.
    sent: Vec<Sent>,
    recording: JoinSet<Vec<StoreError>>,
    breaker: Breaker,
    /// Sends that ended since the last look.
    taken: usize,
    look_at: Instant,
    start_at: Instant,
    backoff: Backoff,
}

impl LaneLoop {
    pub(super) fn new(dispatcher: Arc<Dispatcher>, lane: Lane, poll: Duration) -> Self {
        Self {
            dispatcher,
            lane,
            poll,
            claimed: Vec::new(),
            ready: VecDeque::new(),
            looking: JoinSet::new(),
            sending: JoinSet::new(),
            sent: Vec::new(),
            recording: JoinSet::new(),
            breaker: Breaker::default(),
            taken: 0,
            look_at: instant(),
            start_at: instant(),
            backoff: Backoff::new(),
        }
    }

    /// Runs until it is told to stop; then lets sends on their way end, and gives back what has not started.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let bell = self.dispatcher.engine.lane_bell(&self.lane);
        while !stop.is_cancelled() {
            self.start_sends();
            self.record();
            let until = self.look();
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.looking.join_next(), if !self.looking.is_empty() => self.found(ended),
                Some(ended) = self.sending.join_next(), if !self.sending.is_empty() => {
                    self.ended(ended);
                    while let Some(ended) = self.sending.try_join_next() {
                        self.ended(ended);
                    }
                }
                Some(ended) = self.recording.join_next(), if !self.recording.is_empty() => self.recorded(ended),
                () = bell.notified(), if self.looking.is_empty() => self.nudged(),
                () = sleep_until(until) => {}
            }
        }
        self.end().await;
    }

    async fn end(&mut self) {
        while let Some(ended) = self.looking.join_next().await {
            self.found(ended);
        }
        let now = self.dispatcher.engine.now();
        let begun: Vec<Claim> = self.ready.drain(..).map(|ready| ready.claim).collect();
        for claim in begun.into_iter().chain(std::mem::take(&mut self.claimed)) {
            if let Err(error) = self.dispatcher.release(&claim, now).await {
                self.tell(&error);
            }
        }
        while let Some(ended) = self.sending.join_next().await {
            self.ended(ended);
        }
        while !self.sent.is_empty() || !self.recording.is_empty() {
            self.record();
            if let Some(ended) = self.recording.join_next().await {
                self.recorded(ended);
            }
        }
    }

    /// Where it is sent to; `None` where nothing is, and what is due is only looked at.
    fn endpoint(&self) -> Option<Arc<EndpointPolicy>> {
        let policies = self.dispatcher.engine.policies();
        let endpoint = policies.endpoint(&self.lane).filter(|endpoint| !endpoint.disabled);
        endpoint.filter(|_| !self.dispatcher.is_paused(&self.lane)).cloned()
    }

    fn nudged(&mut self) {
        if !self.dispatcher.is_stopped(&self.lane) {
            self.look_at = instant();
        }
    }

    fn start_sends(&mut self) {
        let Some(endpoint) = self.endpoint() else { return self.start_all() };
        let allowed = self.breaker.allows(self.dispatcher.engine.now(), endpoint.concurrency);
        while self.sending.len() < allowed {
            let now = instant();
            if endpoint.rate_limit.is_some() && now < self.start_at {
                return;
            }
            let Some(ready) = self.ready.pop_front() else { return };
            if let Some(limit) = endpoint.rate_limit {
                self.start_at = self.start_at.max(now) + Duration::from_secs(1) / limit;
            }
            self.send(ready);
        }
    }

    /// What was begun before the endpoint stopped: each is the dispatcher's to send or to give back.
    fn start_all(&mut self) {
        while let Some(ready) = self.ready.pop_front() {
            self.send(ready);
        }
    }

    fn send(&mut self, ready: Ready) {
        let dispatcher = Arc::clone(&self.dispatcher);
        self.sending.spawn(async move {
            match dispatcher.post(ready).await {
                Ok(sent) => Ok(Some(sent)),
                Err(ready) => dispatcher.give_back(ready).await.map(|_| None),
            }
        });
    }

    fn ended(&mut self, ended: Result<StoreResult<Option<Sent>>, JoinError>) {
        self.taken += 1;
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

    /// Records what has ended, in one go.
    fn record(&mut self) {
        if self.sent.is_empty() || !self.recording.is_empty() {
            return;
        }
        let rest = self.sent.split_off(self.sent.len().min(TOGETHER_MAX));
        let batch = std::mem::replace(&mut self.sent, rest);
        let dispatcher = Arc::clone(&self.dispatcher);
        self.recording
            .spawn(async move { dispatcher.finish(batch).await.into_iter().filter_map(Result::err).collect() });
    }

    fn recorded(&self, ended: Result<Vec<StoreError>, JoinError>) {
        match ended {
            Ok(failures) => failures.iter().for_each(|error| self.tell(error)),
            Err(error) => error!(lane = ?self.lane, %error, "a record ended abnormally; the leases will run out"),
        }
    }

    /// Begins more where there is room for it; when to come back by ourselves.
    fn look(&mut self) -> Instant {
        let now = instant();
        let wanted = self.wanted();
        if wanted > 0 && self.looking.is_empty() && self.look_at <= now {
            self.taken = 0;
            let held = std::mem::take(&mut self.claimed);
            self.looking.spawn(find(Arc::clone(&self.dispatcher), self.lane.clone(), held, wanted, self.poll));
        }
        let next_look = if wanted > 0 && self.looking.is_empty() { self.look_at.max(now) } else { now + self.poll };
        let next_start = if self.ready.is_empty() { next_look } else { next_look.min(self.start_at.max(now)) };
        match self.breaker.probe_at() {
            Some(probe_at) => next_start.max(now + probe_at.since(self.dispatcher.engine.now()).min(self.poll)),
            None => next_start,
        }
    }

    fn wanted(&self) -> usize {
        if self.sent.len() >= TOGETHER_MAX {
            return 0;
        }
        let Some(endpoint) = self.endpoint() else { return TOGETHER_MAX };
        let allowed = self.breaker.allows(self.dispatcher.engine.now(), endpoint.concurrency);
        let ahead = if self.breaker.probe_at().is_some() || allowed == 0 { 0 } else { self.taken };
        let paced = endpoint.rate_limit.map_or(TOGETHER_MAX, |limit| usize::try_from(limit).unwrap_or(TOGETHER_MAX));
        (allowed + ahead).saturating_sub(self.sending.len() + self.ready.len()).min(paced).min(TOGETHER_MAX)
    }

    fn found(&mut self, ended: Result<StoreResult<Found>, JoinError>) {
        let found = match ended {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => Found { failure: Some(error), ..Found::default() },
            Err(error) => {
                error!(lane = ?self.lane, %error, "a look ended abnormally; the leases will run out");
                Found { quiet: Some(self.poll), ..Found::default() }
            }
        };
        self.ready.extend(found.ready);
        self.claimed = found.claimed;
        let wait = if let Some(error) = &found.failure {
            self.tell(error);
            self.backoff.next()
        } else {
            self.backoff = Backoff::new();
            found.quiet.unwrap_or_default()
        };
        self.look_at = instant() + wait;
    }

    fn tell(&self, error: &StoreError) {
        error!(lane = ?self.lane, error = error as &dyn std::error::Error, "a lane could not use the store");
    }
}

/// Claims up to `wanted` deliveries and looks at them, those `held` from before first.
async fn find(
    dispatcher: Arc<Dispatcher>,
    lane: Lane,
    mut held: Vec<Claim>,
    wanted: usize,
    poll: Duration,
) -> StoreResult<Found> {
    let now = dispatcher.engine.now();
    held.retain(|claim| claim.until > now);
    if held.len() < wanted {
        held.extend(dispatcher.claim(&lane, (wanted - held.len()).max(CLAIM_MIN)).await?);
    }
    if held.is_empty() {
        let next = dispatcher.engine.store.next_due(&lane).await?;
        let wait = next.map_or(poll, |next| next.since(dispatcher.engine.now()).clamp(Duration::from_millis(1), poll));
        return Ok(Found { quiet: Some(wait), ..Found::default() });
    }
    let claimed = held.split_off(held.len().min(wanted));
    let quiet = dispatcher.is_stopped(&lane).then_some(STOPPED_LOOK);
    let mut found = Found { claimed, quiet, ..Found::default() };
    for looked in dispatcher.look(&lane, &held).await {
        match looked {
            Ok(Looked::Ready(ready)) => found.ready.push(*ready),
            Ok(Looked::Done(_)) => {}
            Err(error) => found.failure = Some(error),
        }
    }
    Ok(found)
}

fn instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "paces and waits; nothing is decided by it")]
    Instant::now()
}
