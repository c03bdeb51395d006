//! Deliveries that are due: claim, begin, look once more, send, settle. One lane for each endpoint.
//!
//! Nothing here decides: whether to send is `domain::before_send`, what follows is `domain::after_attempt`. A process
//! that dies at any point leaves a lease behind, and the delivery falls due again by itself. Read next: `engine/vetting.rs`,
//! the last look; `engine/lane.rs`, the loop around it; and `engine/endpoints.rs`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tracing::{info, warn};

use super::digests::Told;
use super::doors::{Handed, Offer};
use super::endpoints::Stopped;
use super::inbox::Engine;
use super::policies::EndpointPolicy;
use crate::domain::{self, Cart, Delivery, Fact, Moment, Outcome, Person, Stock, Tally, Verdict, Why};
use crate::store::{BATCH_MAX, Begun, Claim, Lane, Settled, Settlement, StoreResult};
use crate::webhook::Message;

/// How much longer a send's lease is than its deadline: time to settle.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);
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
    /// Held back without an attempt.
    Held(Why),
    /// It cannot be read, and is among the dead.
    Buried,
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
    pub(super) begun_at: Moment,
    /// What becomes true with its attempt.
    pub(super) facts: Vec<Fact>,
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

/// An attempt that was made.
pub struct Sent {
    pub ready: Box<Ready>,
    pub started_at: Moment,
    pub outcome: Outcome,
}

/// What is known of a delivery that has begun.
pub(super) enum Vetted {
    /// It may go out.
    Passed(Box<Passed>),
    /// It ends here.
    Ended(Box<Conclusion>),
    /// To be looked at again then.
    Later(Claim, Moment),
}

/// A delivery that may go out, and what its body is made of.
pub(super) struct Passed {
    pub claim: Claim,
    pub delivery: Delivery,
    pub cart: Option<Box<Cart>>,
    pub person: Person,
    pub stock: Stock,
    pub endpoint: Arc<EndpointPolicy>,
    pub facts: Vec<Fact>,
}

/// A verdict on its way into the store.
pub(super) struct Conclusion {
    claim: Claim,
    delivery: Delivery,
    verdict: Verdict,
    facts: Vec<Fact>,
    tallies: Vec<Tally>,
    keep_until: Moment,
    /// When an attempt ended that nobody answered.
    unanswered_at: Option<Moment>,
}

impl Conclusion {
    fn settlement(&self) -> Settlement<'_> {
        let Self { claim, delivery, tallies, keep_until, unanswered_at, .. } = self;
        Settlement { claim, delivery, keep_until: *keep_until, tallies, unanswered_at: *unanswered_at }
    }
}

/// How deliveries are handled, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct DispatchSettings {
    /// How long a claimed delivery may wait for its turn.
    pub lease: Duration,
    /// How long after its last look at the cart a send may still start.
    pub start_within: Duration,
    /// After how long of nothing but failure an endpoint is disabled.
    pub disable_after: Option<Duration>,
    /// How long deliveries that have ended stay readable.
    pub keep: Duration,
}

/// Sends what is due.
pub struct Dispatcher {
    pub(super) engine: Arc<Engine>,
    pub(super) settings: DispatchSettings,
    pub(super) stopped: Stopped,
    pub(super) told: Told,
}

impl Dispatcher {
    /// A dispatcher that knows of no paused endpoint until [`Dispatcher::refresh`].
    #[must_use]
    pub fn new(engine: Arc<Engine>, settings: DispatchSettings) -> Self {
        Self { engine, settings, stopped: Stopped::default(), told: Told::default() }
    }

    /// Handles everything that is due now in every lane. For tests and the demo; servers run lanes side by side.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn run_once(&self) -> StoreResult<Vec<Dispatched>> {
        let mut done = Vec::new();
        for lane in self.refresh().await? {
            // What waits for a stopped endpoint stays due; only the loops look at it now and then.
            while !self.is_stopped(&lane) {
                let claims = self.claim(&lane, BATCH_MAX).await?;
                if claims.is_empty() {
                    break;
                }
                for claim in &claims {
                    done.extend(self.handle(claim).await?);
                }
            }
        }
        Ok(done)
    }

    /// Handles one claim to its end.
    async fn handle(&self, claim: &Claim) -> StoreResult<Vec<Dispatched>> {
        let mut done = Vec::new();
        for looked in self.look(&claim.lane, std::slice::from_ref(claim)).await {
            match looked? {
                Looked::Done(dispatched) => done.push(dispatched),
                Looked::Ready(ready) => match self.post(ready).await {
                    Err(ready) => done.push(self.give_back(ready).await?),
                    Ok(sent) => {
                        for dispatched in self.finish(vec![sent]).await {
                            done.push(dispatched?);
                        }
                    }
                },
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

    /// Begins claimed deliveries of one lane and decides, by everything known now, which of them go out.
    pub async fn look(&self, lane: &Lane, claims: &[Claim]) -> Vec<StoreResult<Looked>> {
        let (now, span) = (self.engine.clock.now(), self.send_span(lane));
        let begun = self.engine.store.begin_all(claims, now, now.plus(span)).await;
        let mut looked = Vec::with_capacity(claims.len());
        let mut ours = Vec::with_capacity(claims.len());
        for (claim, begun) in claims.iter().zip(begun) {
            match begun {
                Ok(Some(begun)) => ours.push(begun),
                Ok(None) => looked.push(Ok(Looked::Done(Dispatched::Lost))),
                Err(error) => looked.push(self.unread(claim, error, now, span).await),
            }
        }
        looked.extend(self.look_at(lane, ours, now).await);
        looked
    }

    /// How long a send of this lane is leased: that covers the latest start, the longest attempt and its record, so that
    /// an order that sees no send in flight after it can rely on that.
    pub(super) fn send_span(&self, lane: &Lane) -> Duration {
        let timeout = self.engine.policies().endpoint(lane).map_or(Duration::ZERO, |endpoint| endpoint.timeout);
        self.settings.start_within + timeout + SETTLE_WITHIN
    }

    /// Offers so many places in a lane to what is decided from now on. For tests: lanes that run do so by themselves.
    pub fn offer(&self, lane: &Lane, places: usize) {
        self.engine.doors.of(lane).offer(Offer { places, span: self.send_span(lane), is_fast: false });
    }

    /// What was handed over to a lane since. For tests, as is [`Dispatcher::offer`].
    #[must_use]
    pub fn handed(&self, lane: &Lane) -> Vec<Handed> {
        self.engine.doors.of(lane).let_in()
    }

    /// Decides, by everything known now, which of these go out that have begun at that moment.
    pub async fn look_at(&self, lane: &Lane, ours: Vec<Begun>, now: Moment) -> Vec<StoreResult<Looked>> {
        let (policies, span) = (self.engine.policies(), self.send_span(lane));
        let endpoint = policies.endpoint(lane);
        let shop = policies.shops.get(&lane.shop).map(Arc::as_ref);
        let mut looked = Vec::new();
        let persons = self.persons(&ours, shop, now).await;
        let stocks = self.stocks(&ours, now).await;
        let (mut passed, mut ended, mut later) = (Vec::new(), Vec::new(), Vec::new());
        for ((begun, person), stock) in ours.into_iter().zip(persons).zip(stocks) {
            let known = person.and_then(|person| Ok((person, stock?)));
            let (person, stock) = match known {
                Ok(known) => known,
                Err(error) => {
                    looked.push(self.unread(&begun.claim, error, now, span).await);
                    continue;
                }
            };
            match self.vet(begun, (shop, endpoint), (person, stock), now).await {
                Vetted::Passed(one) => passed.push(one),
                Vetted::Ended(conclusion) => ended.push(*conclusion),
                Vetted::Later(claim, until) => later.push((claim, until)),
            }
        }
        if let Some(shop) = shop {
            for one in self.granted(passed, shop, now).await {
                match one {
                    Ok(one) => match self.ready(one, shop, now).await {
                        Ok(ready) => looked.push(Ok(Looked::Ready(ready))),
                        Err(conclusion) => ended.push(*conclusion),
                    },
                    Err((claim, error)) => looked.push(self.unread(&claim, error, now, span).await),
                }
            }
        }
        let released = join_all(later.iter().map(|(claim, until)| self.release(claim, *until))).await;
        looked.extend(released.into_iter().chain(self.settle(ended).await).map(|done| done.map(Looked::Done)));
        looked
    }

    /// Makes the POST of a delivery, or gives it back when it is not to be started any more.
    pub(super) async fn post(&self, ready: Box<Ready>) -> Result<Sent, Box<Ready>> {
        let Some(started_at) = self.start(&ready) else { return Err(ready) };
        let outcome = ready.endpoint.sender.send(ready.message(), started_at).await;
        Ok(Sent { ready, started_at, outcome })
    }

    /// When the POST of this delivery starts: now, or never when its endpoint stopped meanwhile, or what we know of the
    /// cart is too old to start writing on.
    #[must_use]
    pub fn start(&self, ready: &Ready) -> Option<Moment> {
        let now = self.engine.clock.now();
        if now.since(ready.begun_at) > self.settings.start_within {
            return None;
        }
        self.open_endpoint(&ready.claim.lane)?;
        self.engine.metrics.sending(now.since(ready.delivery.due_at));
        Some(now)
    }

    /// Gives back what was not started, to be looked at again.
    ///
    /// # Errors
    /// When the store cannot be asked; the lease then runs out.
    pub async fn give_back(&self, ready: Box<Ready>) -> StoreResult<Dispatched> {
        self.release(&ready.claim, self.engine.clock.now().plus(TOO_SLOW_WAIT)).await
    }

    /// Records what attempts came to, and what follows from it.
    pub async fn finish(&self, attempts: Vec<Sent>) -> Vec<StoreResult<Dispatched>> {
        let mut conclusions = Vec::with_capacity(attempts.len());
        for Sent { ready, started_at, outcome } in attempts {
            let Ready { claim, mut delivery, mut facts, .. } = *ready;
            let now = self.engine.clock.now();
            let verdict = domain::after_attempt(&delivery, &outcome, now);
            delivery.note(&outcome, started_at);
            self.engine.metrics.attempted(&delivery.shop, &delivery.endpoint, outcome.name, outcome.duration);
            log_attempt(&delivery, &outcome, verdict);
            if let Err(error) = self.watch_health(&claim.lane, outcome.name, now).await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "an endpoint's health could not be recorded; with its next"
                );
            }
            facts.push(Fact::AttemptMade { endpoint: delivery.endpoint.clone(), outcome: outcome.name });
            let conclusion = self.conclusion(claim, delivery, verdict, facts);
            conclusions.push(Conclusion { unanswered_at: outcome.is_unanswered().then_some(now), ..conclusion });
        }
        self.settle(conclusions).await
    }

    pub(super) fn conclusion(
        &self,
        claim: Claim,
        mut delivery: Delivery,
        verdict: Verdict,
        mut facts: Vec<Fact>,
    ) -> Conclusion {
        let now = self.engine.clock.now();
        facts.extend(delivery.conclude(verdict));
        let tallies = domain::tallies(&facts, now.day());
        let keep_until = now.plus(self.settings.keep);
        Conclusion { claim, delivery, verdict, facts, tallies, keep_until, unanswered_at: None }
    }

    /// Records conclusions. Attempts were perhaps made, so a store that stumbles is asked again; when it stays down, the
    /// lease runs out and the same id is sent again.
    async fn settle(&self, mut left: Vec<Conclusion>) -> Vec<StoreResult<Dispatched>> {
        let mut done = Vec::with_capacity(left.len());
        for (n, wait) in SETTLE_TRIES.into_iter().enumerate() {
            if left.is_empty() {
                break;
            }
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let settled = self.engine.store.settle_all(left.iter().map(Conclusion::settlement).collect()).await;
            let mut failed = Vec::new();
            for (conclusion, settled) in left.into_iter().zip(settled) {
                match settled {
                    Ok(Settled::Done) => done.push(Ok(self.became_true(&conclusion))),
                    Ok(Settled::Lost) => done.push(Ok(Dispatched::Lost)),
                    Err(error) if n + 1 == SETTLE_TRIES.len() => done.push(Err(error)),
                    Err(_) => failed.push(conclusion),
                }
            }
            left = failed;
        }
        done
    }

    fn became_true(&self, conclusion: &Conclusion) -> Dispatched {
        let Conclusion { delivery, verdict, facts, .. } = conclusion;
        self.engine.publish(&delivery.shop, &delivery.cart, facts);
        match *verdict {
            Verdict::Suppressed(why) => Dispatched::Suppressed(why),
            Verdict::Deferred { why, .. } => Dispatched::Held(why),
            Verdict::Delivered | Verdict::RetryAt(_) | Verdict::Dead(_) => Dispatched::Attempted(*verdict),
        }
    }

    pub(super) async fn release(&self, claim: &Claim, due_at: Moment) -> StoreResult<Dispatched> {
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
