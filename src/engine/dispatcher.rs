//! Deliveries that are due: claim, begin, look once more, send, settle. One lane for each endpoint.
//!
//! Nothing here decides: whether to send is `domain::before_send`, what follows is `domain::after_attempt`. A process
//! that dies at any point leaves a lease behind, and the delivery falls due again by itself.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tracing::{error, info, warn};

use super::inbox::Engine;
use super::policies::EndpointPolicy;
use crate::domain::{self, Cart, Delivery, Fact, Moment, Outcome, OutcomeName, Person, Verdict, Vetting, Why};
use crate::store::{Begun, Claim, Lane, Pause, Settled, Settlement, StoreError, StoreResult};
use crate::webhook::{Message, payload};

/// How much longer a send's lease is than its deadline: time to settle.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);
/// How long a delivery to a paused endpoint waits before it is looked at again.
const PAUSED_WAIT: Duration = Duration::from_secs(60);
/// How long a delivery waits that we were too slow to start: a slow store is not helped by more haste.
const TOO_SLOW_WAIT: Duration = Duration::from_secs(1);
/// Waits between tries to record an attempt that was made.
const SETTLE_TRIES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

/// What became of one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatched {
    /// An attempt was made and its verdict recorded.
    Attempted(Verdict),
    /// Not sent on purpose, for good.
    Suppressed(Why),
    /// Given back without an attempt.
    Released,
    /// The claim had passed to somebody else.
    Lost,
}

/// What a look at a claim came to.
pub enum Looked {
    /// To be sent now.
    Ready(Box<Ready>),
    /// Not to be sent, and that is recorded.
    Done(Dispatched),
}

/// A delivery that may be sent, for as long as [`Dispatcher::start`] says so.
pub struct Ready {
    pub claim: Claim,
    pub delivery: Delivery,
    pub endpoint: Arc<EndpointPolicy>,
    /// What is signed and sent.
    pub body: Vec<u8>,
    begun_at: Moment,
}

impl Ready {
    /// The POST to make.
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        Message {
            url: &self.endpoint.url,
            id: self.delivery.id.as_str(),
            secrets: &self.endpoint.secrets,
            body: self.body.clone(),
            timeout: self.endpoint.timeout,
        }
    }
}

/// How deliveries are handled, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct DispatchSettings {
    /// How long a claimed delivery may wait for its turn.
    pub lease: Duration,
    /// How long after its last look at the cart a send may still start.
    pub start_within: Duration,
    /// Sends at a time in one lane.
    pub concurrency: usize,
    /// How long deliveries that have ended stay readable.
    pub keep: Duration,
}

/// Sends what is due.
pub struct Dispatcher {
    pub(super) engine: Arc<Engine>,
    pub(super) settings: DispatchSettings,
    paused: RwLock<HashSet<Lane>>,
}

impl Dispatcher {
    /// A dispatcher that knows of no paused endpoint until [`Dispatcher::refresh`].
    #[must_use]
    pub fn new(engine: Arc<Engine>, settings: DispatchSettings) -> Self {
        Self { engine, settings, paused: RwLock::default() }
    }

    /// Learns which endpoints are paused, and gives every lane there is: configured now, or with something left in it.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn refresh(&self) -> StoreResult<BTreeSet<Lane>> {
        let paused: HashSet<Lane> = self.engine.store.paused().await?.into_iter().map(|p| p.lane).collect();
        let policies = self.engine.policies();
        let mut lanes: BTreeSet<Lane> = self.engine.store.lanes().await?.into_iter().collect();
        lanes.extend(policies.lanes());
        for lane in policies.lanes() {
            let up = !paused.contains(&lane) && policies.endpoint(&lane).is_some_and(|e| !e.disabled);
            self.engine.metrics.endpoint_up(&lane.shop, &lane.endpoint, up);
        }
        *self.paused.write().unwrap_or_else(PoisonError::into_inner) = paused;
        Ok(lanes)
    }

    /// Handles everything that is due now in every lane. For tests and the demo; servers run lanes side by side.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn run_once(&self) -> StoreResult<Vec<Dispatched>> {
        let mut done = Vec::new();
        for lane in self.refresh().await? {
            loop {
                let claims = self.claim(&lane, self.settings.concurrency).await?;
                if claims.is_empty() {
                    break;
                }
                for claim in claims {
                    done.push(self.handle(claim).await?);
                }
            }
        }
        Ok(done)
    }

    /// Leases what is due in a lane.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn claim(&self, lane: &Lane, limit: usize) -> StoreResult<Vec<Claim>> {
        let now = self.engine.clock.now();
        self.engine.store.claim(lane, now, limit, now.plus(self.settings.lease)).await
    }

    /// Handles one claim to its end.
    pub(super) async fn handle(&self, claim: Claim) -> StoreResult<Dispatched> {
        match self.look(claim).await? {
            Looked::Done(dispatched) => Ok(dispatched),
            Looked::Ready(ready) => self.send(*ready).await,
        }
    }

    /// Begins a claimed delivery and decides, by everything known now, whether it goes out.
    ///
    /// # Errors
    /// When the store cannot be asked; the lease then runs out.
    pub async fn look(&self, claim: Claim) -> StoreResult<Looked> {
        let policies = self.engine.policies();
        let endpoint = policies.endpoint(&claim.lane);
        let now = self.engine.clock.now();
        // The lease covers the latest start, the longest attempt and its record: an order that sees no send in flight after
        // it can rely on that.
        let span = endpoint.map_or(SETTLE_WITHIN, |e| self.settings.start_within + e.timeout + SETTLE_WITHIN);
        let begun = match self.engine.store.begin(&claim, now, now.plus(span)).await {
            Err(StoreError::Corrupt { what }) => {
                error!(delivery.id = %claim.delivery, what, "a stored record cannot be read; set aside");
                return self.set_aside(claim, now, span).await.map(Looked::Done);
            }
            other => other?,
        };
        let Some(begun) = begun else { return Ok(Looked::Done(Dispatched::Lost)) };
        let Some(endpoint) = endpoint else {
            let removed = Verdict::Suppressed(Why::EndpointRemoved);
            return self.conclude(&begun.claim, begun.delivery, removed).await.map(Looked::Done);
        };
        self.vet(begun, endpoint, now).await
    }

    async fn vet(&self, begun: Begun, endpoint: &Arc<EndpointPolicy>, now: Moment) -> StoreResult<Looked> {
        let Begun { claim, delivery, cart } = begun;
        let person = self.person(&delivery, cart.as_ref(), now).await?;
        let done = match domain::before_send(&delivery, cart.as_ref(), &person, now) {
            Vetting::Suppress(why) => self.conclude(&claim, delivery, Verdict::Suppressed(why)).await?,
            Vetting::Defer { until, .. } => self.release(&claim, until).await?,
            Vetting::Proceed if endpoint.disabled || self.is_paused(&claim.lane) => {
                let until = now.plus(PAUSED_WAIT).min(delivery.send_not_after.plus(Duration::from_millis(1)));
                self.release(&claim, until).await?
            }
            Vetting::Proceed => match cart.map(|cart| payload::render(&delivery, &cart, endpoint.thin)) {
                None => self.conclude(&claim, delivery, Verdict::Suppressed(Why::Erased)).await?,
                Some(Err(_)) => self.conclude(&claim, delivery, Verdict::Dead(Why::PayloadTooLarge)).await?,
                Some(Ok(body)) => {
                    let endpoint = Arc::clone(endpoint);
                    return Ok(Looked::Ready(Box::new(Ready { claim, delivery, endpoint, body, begun_at: now })));
                }
            },
        };
        Ok(Looked::Done(done))
    }

    /// Marks are read after the send has begun: an order that is not seen here will see the send.
    async fn person(&self, delivery: &Delivery, cart: Option<&Cart>, now: Moment) -> StoreResult<Person> {
        match cart {
            Some(cart) if delivery.is_reminder() => self.engine.person_of(&delivery.shop, cart, now).await,
            _ => Ok(Person::nobody()),
        }
    }

    async fn send(&self, ready: Ready) -> StoreResult<Dispatched> {
        let Some(now) = self.start(&ready) else { return self.give_back(ready).await };
        let outcome = ready.endpoint.sender.send(ready.message(), now).await;
        self.finish(ready, &outcome).await
    }

    /// When the POST of this delivery starts: now, or never when what we know of the cart is too old to start writing on.
    #[must_use]
    pub fn start(&self, ready: &Ready) -> Option<Moment> {
        let now = self.engine.clock.now();
        if now.since(ready.begun_at) > self.settings.start_within {
            return None;
        }
        self.engine.metrics.sending(now.since(ready.delivery.due_at));
        Some(now)
    }

    /// Gives back what was not started in time, to be looked at again.
    ///
    /// # Errors
    /// When the store cannot be asked; the lease then runs out.
    pub async fn give_back(&self, ready: Ready) -> StoreResult<Dispatched> {
        self.release(&ready.claim, self.engine.clock.now().plus(TOO_SLOW_WAIT)).await
    }

    /// Records what an attempt came to, and what follows from it.
    ///
    /// # Errors
    /// When the store stays down; the lease then runs out and the same id is sent again.
    pub async fn finish(&self, ready: Ready, outcome: &Outcome) -> StoreResult<Dispatched> {
        let Ready { claim, mut delivery, .. } = ready;
        let now = self.engine.clock.now();
        let verdict = domain::after_attempt(&delivery, outcome, now);
        delivery.note(outcome, now);
        self.engine.metrics.attempted(&delivery.shop, &delivery.endpoint, outcome.name, outcome.duration);
        log_attempt(&delivery, outcome, verdict);
        if outcome.name == OutcomeName::Gone {
            self.stop_endpoint(&claim.lane, now).await?;
        }
        let made = Fact::AttemptMade { endpoint: delivery.endpoint.clone(), outcome: outcome.name };
        self.settle(&claim, delivery, verdict, vec![made]).await
    }

    /// The endpoint said 410: it is paused, loudly, until somebody resumes it.
    async fn stop_endpoint(&self, lane: &Lane, now: Moment) -> StoreResult<()> {
        warn!(shop = %lane.shop, endpoint = %lane.endpoint, "endpoint answered 410 Gone and is paused until it is resumed");
        self.paused.write().unwrap_or_else(PoisonError::into_inner).insert(lane.clone());
        self.engine.metrics.endpoint_up(&lane.shop, &lane.endpoint, false);
        self.engine.store.pause(&Pause { lane: lane.clone(), why: Why::EndpointGone, since: now }).await
    }

    fn is_paused(&self, lane: &Lane) -> bool {
        self.paused.read().unwrap_or_else(PoisonError::into_inner).contains(lane)
    }

    async fn conclude(&self, claim: &Claim, delivery: Delivery, verdict: Verdict) -> StoreResult<Dispatched> {
        self.settle(claim, delivery, verdict, Vec::new()).await
    }

    /// Records a verdict. An attempt was perhaps made, so a store that stumbles is asked again; when it stays down, the
    /// lease runs out and the same id is sent again.
    async fn settle(
        &self,
        claim: &Claim,
        mut delivery: Delivery,
        verdict: Verdict,
        mut facts: Vec<Fact>,
    ) -> StoreResult<Dispatched> {
        let now = self.engine.clock.now();
        facts.extend(delivery.conclude(verdict));
        let tallies = domain::tallies(&facts, now.day());
        let keep_until = now.plus(self.settings.keep);
        let mut last = None;
        for wait in SETTLE_TRIES {
            tokio::time::sleep(wait).await;
            let settlement = Settlement { claim, delivery: &delivery, keep_until, tallies: &tallies };
            match self.engine.store.settle(settlement).await {
                Ok(Settled::Done) => {
                    self.engine.publish(&delivery.shop, &delivery.cart, &facts);
                    return Ok(match verdict {
                        Verdict::Suppressed(why) => Dispatched::Suppressed(why),
                        Verdict::Delivered | Verdict::RetryAt(_) | Verdict::Dead(_) => Dispatched::Attempted(verdict),
                    });
                }
                Ok(Settled::Lost) => return Ok(Dispatched::Lost),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(StoreError::Corrupt { what: "delivery" }))
    }

    /// A store may or may not have renewed the lease before it found that it cannot read what is behind it.
    async fn set_aside(&self, claim: Claim, now: Moment, span: Duration) -> StoreResult<Dispatched> {
        let renewed = Claim { until: now.plus(span), ..claim.clone() };
        let released = self.release(&renewed, now.plus(PAUSED_WAIT)).await?;
        if released == Dispatched::Lost {
            return self.release(&claim, now.plus(PAUSED_WAIT)).await;
        }
        Ok(released)
    }

    async fn release(&self, claim: &Claim, due_at: Moment) -> StoreResult<Dispatched> {
        Ok(match self.engine.store.release(claim, due_at).await? {
            Settled::Done => Dispatched::Released,
            Settled::Lost => Dispatched::Lost,
        })
    }
}

fn log_attempt(delivery: &Delivery, outcome: &Outcome, verdict: Verdict) {
    let (shop, endpoint, attempt) = (&delivery.shop, &delivery.endpoint, delivery.attempt_count);
    if verdict == Verdict::Delivered {
        tracing::debug!(%shop, %endpoint, delivery.id = %delivery.id, attempt, "delivered");
    } else {
        info!(
            %shop, %endpoint, delivery.id = %delivery.id, attempt, outcome = %outcome.name, status = outcome.status,
            ?verdict, "attempt failed"
        );
    }
}
