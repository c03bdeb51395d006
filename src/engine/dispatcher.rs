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
use crate::domain::{
    self, Cart, Delivery, EventKind, Fact, Moment, Outcome, OutcomeName, Person, ReminderResult, Verdict, Vetting, Why,
};
use crate::store::{Begun, Burial, Claim, Lane, Pause, Settled, Settlement, StoreError, StoreResult};
use crate::webhook::{Message, payload};

/// How much longer a send's lease is than its deadline: time to settle.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);
/// How long a delivery to a paused endpoint waits before it is looked at again.
const PAUSED_WAIT: Duration = Duration::from_secs(60);
/// How long what a newer version wrote is left to processes of that version.
const NEWER_WAIT: Duration = Duration::from_secs(600);
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
    /// It cannot be read, and is among the dead.
    Buried,
    /// Given back without an attempt.
    Released,
    /// The claim had passed to somebody else.
    Lost,
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

    pub(super) async fn claim(&self, lane: &Lane, limit: usize) -> StoreResult<Vec<Claim>> {
        let now = self.engine.clock.now();
        self.engine.store.claim(lane, now, limit, now.plus(self.settings.lease)).await
    }

    /// Handles one claim to its end.
    pub(super) async fn handle(&self, claim: Claim) -> StoreResult<Dispatched> {
        let policies = self.engine.policies();
        let endpoint = policies.endpoint(&claim.lane);
        let now = self.engine.clock.now();
        // The lease covers the latest start, the longest attempt and its record: an order that sees no send in flight after
        // it can rely on that.
        let span = endpoint.map_or(SETTLE_WITHIN, |e| self.settings.start_within + e.timeout + SETTLE_WITHIN);
        let begun = match self.engine.store.begin(&claim, now, now.plus(span)).await {
            Err(StoreError::Corrupt { what }) => {
                error!(delivery.id = %claim.delivery, what, "a stored record cannot be read; moved to the dead");
                return self.bury(claim, now, span).await;
            }
            Err(StoreError::Newer { what }) => {
                warn!(delivery.id = %claim.delivery, what, "a record of a newer version; left to a process of that version");
                return self.set_aside(claim, now, span).await;
            }
            other => other?,
        };
        let Some(Begun { claim, delivery, cart }) = begun else { return Ok(Dispatched::Lost) };
        let Some(endpoint) = endpoint else {
            return self.conclude(&claim, delivery, Verdict::Suppressed(Why::EndpointRemoved)).await;
        };
        let person = self.person(&delivery, cart.as_ref(), now).await?;
        match domain::before_send(&delivery, cart.as_ref(), &person, now) {
            Vetting::Suppress(why) => self.conclude(&claim, delivery, Verdict::Suppressed(why)).await,
            Vetting::Defer { until, .. } => self.release(&claim, until).await,
            Vetting::Proceed if endpoint.disabled || self.is_paused(&claim.lane) => {
                let until = now.plus(PAUSED_WAIT).min(delivery.send_not_after.plus(Duration::from_millis(1)));
                self.release(&claim, until).await
            }
            Vetting::Proceed => match cart {
                Some(cart) => self.attempt(&claim, delivery, &cart, endpoint, now).await,
                None => self.conclude(&claim, delivery, Verdict::Suppressed(Why::Erased)).await,
            },
        }
    }

    /// Marks are read after the send has begun: an order that is not seen here will see the send.
    async fn person(&self, delivery: &Delivery, cart: Option<&Cart>, now: Moment) -> StoreResult<Person> {
        match cart {
            Some(cart) if delivery.is_reminder() => self.engine.person_of(&delivery.shop, cart, now).await,
            _ => Ok(Person::nobody()),
        }
    }

    async fn attempt(
        &self,
        claim: &Claim,
        mut delivery: Delivery,
        cart: &Cart,
        endpoint: &EndpointPolicy,
        begun_at: Moment,
    ) -> StoreResult<Dispatched> {
        let Ok(body) = payload::render(&delivery, cart, endpoint.thin) else {
            return self.conclude(claim, delivery, Verdict::Dead(Why::PayloadTooLarge)).await;
        };
        let now = self.engine.clock.now();
        if now.since(begun_at) > self.settings.start_within {
            // What we know of the cart is too old to start writing on; look again.
            return self.release(claim, now.plus(TOO_SLOW_WAIT)).await;
        }
        self.engine.metrics.sending(now.since(delivery.due_at));
        let message = Message {
            url: &endpoint.url,
            id: delivery.id.as_str(),
            secrets: &endpoint.secrets,
            body,
            timeout: endpoint.timeout,
        };
        let outcome = endpoint.sender.send(message, now).await;
        let (sent_at, now) = (now, self.engine.clock.now());
        let verdict = domain::after_attempt(&delivery, &outcome, now);
        delivery.note(&outcome, sent_at);
        self.engine.metrics.attempted(&delivery.shop, &delivery.endpoint, outcome.name, outcome.duration);
        log_attempt(&delivery, &outcome, verdict);
        if outcome.name == OutcomeName::Gone {
            self.stop_endpoint(&claim.lane, now).await?;
        }
        let made = Fact::AttemptMade { endpoint: delivery.endpoint.clone(), outcome: outcome.name };
        self.settle(claim, delivery, verdict, vec![made]).await
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
        let released = self.release(&renewed, now.plus(NEWER_WAIT)).await?;
        if released == Dispatched::Lost {
            return self.release(&claim, now.plus(NEWER_WAIT)).await;
        }
        Ok(released)
    }

    /// As [`Self::set_aside`], for good.
    async fn bury(&self, claim: Claim, now: Moment, span: Duration) -> StoreResult<Dispatched> {
        let ended = Fact::DeliveryEnded {
            endpoint: claim.lane.endpoint.clone(),
            event: if claim.delivery.is_reminder() { EventKind::Reminder } else { EventKind::Abandoned },
            result: ReminderResult::Dead,
            why: Some(Why::Unreadable),
        };
        let facts = [ended];
        let tallies = domain::tallies(&facts, now.day());
        let keep_until = now.plus(self.settings.keep);
        for until in [now.plus(span), claim.until] {
            let claim = Claim { until, ..claim.clone() };
            if self.engine.store.bury(Burial { claim: &claim, keep_until, tallies: &tallies }).await? == Settled::Done {
                self.engine.publish(&claim.lane.shop, &claim.cart, &facts);
                return Ok(Dispatched::Buried);
            }
        }
        Ok(Dispatched::Lost)
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
