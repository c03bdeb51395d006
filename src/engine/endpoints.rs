//! Which endpoints are sent to: paused by hand, disabled after nothing but failure, held back for a moment.
//!
//! What is paused and since when an endpoint fails is in the store, for every process and over restarts; what is held back
//! is known to this process alone (`domain/breaker.rs`). Never here: deliveries, but for the news that one was disabled.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tracing::{info, warn};

use super::dispatcher::Dispatcher;
use super::policies::EndpointPolicy;
use crate::domain::{self, CartId, Delivery, EndpointBrief, EventKind, Moment, OutcomeName, Why};
use crate::store::{Commit, Committed, Lane, Pause, StoreResult};

/// What stands in the place of a cart's id where there is none, before the endpoint's name.
const NO_CART: &str = "endpoint:";
/// A pause that is older was told about, or is known.
const TOLD_WITHIN: Duration = Duration::from_secs(3_600);

/// Endpoints in trouble, as last read.
#[derive(Default)]
pub(super) struct Stopped {
    paused: RwLock<HashSet<Lane>>,
    failing: RwLock<HashMap<Lane, Moment>>,
    held_back: RwLock<HashSet<Lane>>,
    /// Whose health is shown.
    shown: RwLock<HashSet<Lane>>,
}

impl Dispatcher {
    /// Tells of the day where that is due, learns which endpoints are paused, and gives every lane there is: configured now, or with something left in it.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn refresh(&self) -> StoreResult<BTreeSet<Lane>> {
        if let Err(error) = self.tell_of_days().await {
            let error = &error as &dyn std::error::Error;
            warn!(error, "a day could not be told of; tried again with the next look");
        }
        let stops = self.engine.store.paused().await?;
        for pause in &stops {
            // Whoever stopped it may have died before it told.
            if !self.is_paused(&pause.lane) && self.engine.now().since(pause.since) < TOLD_WITHIN {
                self.announce(pause).await?;
            }
        }
        let paused: HashSet<Lane> = stops.into_iter().map(|pause| pause.lane).collect();
        let failing: HashMap<Lane, Moment> = self.engine.store.failing().await?.into_iter().collect();
        *self.stopped.failing.write().unwrap_or_else(PoisonError::into_inner) = failing;
        let policies = self.engine.policies();
        let mut lanes: BTreeSet<Lane> = self.engine.store.lanes().await?.into_iter().collect();
        lanes.extend(policies.lanes());
        let shown: HashSet<Lane> = policies.lanes().collect();
        for lane in &shown {
            let is_held = self.stopped.held_back.read().unwrap_or_else(PoisonError::into_inner).contains(lane);
            let up = !is_held && !paused.contains(lane) && policies.endpoint(lane).is_some_and(|e| !e.disabled);
            self.engine.metrics.endpoint_up(&lane.shop, &lane.endpoint, up);
        }
        let before =
            std::mem::replace(&mut *self.stopped.shown.write().unwrap_or_else(PoisonError::into_inner), shown.clone());
        for removed in before.difference(&shown) {
            self.engine.metrics.endpoint_removed(&removed.shop, &removed.endpoint);
        }
        let before =
            std::mem::replace(&mut *self.stopped.paused.write().unwrap_or_else(PoisonError::into_inner), paused);
        let paused = self.stopped.paused.read().unwrap_or_else(PoisonError::into_inner);
        before.difference(&paused).for_each(|resumed| self.engine.nudge(resumed));
        Ok(lanes)
    }

    /// Remembers since when an endpoint fails, and stops it when it says that it is gone, or fails for too long.
    pub(super) async fn watch_health(&self, lane: &Lane, outcome: OutcomeName, now: Moment) -> StoreResult<()> {
        if outcome == OutcomeName::Gone {
            // Sends that were on their way together say it together.
            let is_known = self.is_paused(lane);
            return if is_known { Ok(()) } else { self.stop_endpoint(lane, Why::EndpointGone, now).await };
        }
        let known = self.stopped.failing.read().unwrap_or_else(PoisonError::into_inner).get(lane).copied();
        match (domain::is_failure(outcome), known) {
            (false, None) => Ok(()),
            (false, Some(_)) => {
                self.stopped.failing.write().unwrap_or_else(PoisonError::into_inner).remove(lane);
                self.engine.store.note_working(lane).await
            }
            (true, None) => {
                self.stopped.failing.write().unwrap_or_else(PoisonError::into_inner).insert(lane.clone(), now);
                self.engine.store.note_failing(lane, now).await
            }
            (true, Some(since)) => {
                let too_long = self.settings.disable_after.is_some_and(|bound| now.since(since) >= bound);
                if too_long && !self.is_paused(lane) {
                    self.stop_endpoint(lane, Why::EndpointFailing, now).await?;
                }
                Ok(())
            }
        }
    }

    /// The endpoint is paused, loudly, until somebody resumes it.
    async fn stop_endpoint(&self, lane: &Lane, why: Why, now: Moment) -> StoreResult<()> {
        let (shop, endpoint) = (&lane.shop, &lane.endpoint);
        warn!(%shop, %endpoint, %why, "the endpoint is disabled until it is resumed; what is due to it waits");
        self.stopped.paused.write().unwrap_or_else(PoisonError::into_inner).insert(lane.clone());
        self.engine.metrics.endpoint_up(shop, endpoint, false);
        self.engine.metrics.endpoint_disabled(shop, endpoint, why);
        self.engine.store.pause(&Pause { lane: lane.clone(), why, since: now }).await?;
        // Of two processes that stop it the first one's words stand, so both tell the same.
        match self.engine.store.paused().await?.iter().find(|pause| pause.lane == *lane) {
            Some(pause) => self.announce(pause).await,
            None => Ok(()),
        }
    }

    /// Tells those other endpoints of the shop that want to know. To tell it twice is to tell it once: the ids are the
    /// same.
    async fn announce(&self, pause: &Pause) -> StoreResult<()> {
        let Pause { lane: Lane { shop, endpoint }, why, since } = pause;
        if !matches!(why, Why::EndpointGone | Why::EndpointFailing) {
            return Ok(());
        }
        let policies = self.engine.policies();
        let (Some(policy), Ok(subject)) = (policies.shops.get(shop), CartId::parse(&format!("{NO_CART}{endpoint}")))
        else {
            return Ok(());
        };
        let about = EndpointBrief { name: endpoint.clone(), why: *why };
        let wanted = policy.program.subscriptions.iter();
        let notices: Vec<Delivery> = wanted
            .filter(|other| other.endpoint != *endpoint && other.events.contains(EventKind::EndpointDisabled))
            .map(|other| Delivery::notice(shop, &subject, &other.endpoint, about.clone(), *since))
            .collect();
        if notices.is_empty() {
            return Ok(());
        }
        let told = Commit { outbox: &notices, ..Commit::removal(shop, &subject, self.engine.now()) };
        if self.engine.store.commit(told).await? == Committed::Conflict {
            warn!(%shop, %endpoint, "nobody is told that the endpoint is disabled: there is a cart of the id {subject}");
        }
        for notice in notices {
            self.engine.nudge(&Lane { shop: shop.clone(), endpoint: notice.endpoint });
        }
        Ok(())
    }

    /// Says whether an endpoint is held back after failures in a row.
    pub(super) fn hold_back(&self, lane: &Lane, is_held: bool) {
        let (shop, endpoint) = (&lane.shop, &lane.endpoint);
        let mut held_back = self.stopped.held_back.write().unwrap_or_else(PoisonError::into_inner);
        if is_held {
            warn!(%shop, %endpoint, "the endpoint failed several times in a row and gets one send at a time until it answers");
            held_back.insert(lane.clone());
        } else {
            info!(%shop, %endpoint, "the endpoint answers again");
            held_back.remove(lane);
        }
        self.engine.metrics.endpoint_up(shop, endpoint, !is_held);
    }

    pub(super) fn is_paused(&self, lane: &Lane) -> bool {
        self.stopped.paused.read().unwrap_or_else(PoisonError::into_inner).contains(lane)
    }

    /// Where deliveries of a lane are sent to; `None` where nothing is, and what is due is only looked at.
    pub(super) fn open_endpoint(&self, lane: &Lane) -> Option<Arc<EndpointPolicy>> {
        let policies = self.engine.policies();
        let endpoint = policies.endpoint(lane).filter(|endpoint| !endpoint.disabled);
        endpoint.filter(|_| !self.is_paused(lane)).cloned()
    }

    /// Whether nothing is sent to an endpoint that is still configured.
    #[must_use]
    pub fn is_stopped(&self, lane: &Lane) -> bool {
        let policies = self.engine.policies();
        policies.endpoint(lane).is_some_and(|endpoint| endpoint.disabled || self.is_paused(lane))
    }
}
