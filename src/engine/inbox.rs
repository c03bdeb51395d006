//! The way in: load, decide, commit; again when somebody else was faster. Handlers call this and nothing else.
//!
//! What is answered is stored. A repeat of a write whose answer was lost gets the first answer; when the store itself
//! does not answer a commit, the answer is read back by its key before anything is said.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use thiserror::Error;
use tokio::sync::Notify;
use tracing::debug;

use super::answers::{keep_answer, replay};
use super::calibration::Calibration;
use super::doors::Doors;
use super::identity::Identity;
use super::incentives::Pools;
use super::observed::Observed;
use super::policies::{Policies, ShopPolicy};
use super::stock::StockShops;
use crate::clock::Clock;
use crate::domain::{
    self, Cart, CartId, Decision, EventKey, Fact, Input, Moment, Person, Receipt, Refusal, ShopId, Shopper, What,
};
use crate::links::{LinkSettings, Links};
use crate::metrics::Metrics;
use crate::store::{Answer, Commit, Committed, Keep, Lane, Store, StoreError, StoreResult, Stored, Version};

/// How often a write is decided anew when others keep being faster.
const CONFLICTS_MAX: usize = 5;
/// What makes a write repeatable.
#[derive(Clone, Debug)]
pub struct Once {
    pub key: EventKey,
    /// Of the whole request: a key used for another one is named as a mistake.
    pub fingerprint: u64,
}

/// Why a write was not made.
#[derive(Debug, Error)]
pub enum WriteError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("this key was used for another request")]
    KeyReused,
    /// Others kept changing the cart: try again.
    #[error("the cart is being changed by too many writers")]
    Busy,
    /// Nobody can say whose it is.
    #[error("the device is used by several people")]
    SharedDevice,
    #[error("there is no such shop")]
    UnknownShop,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl WriteError {
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Store(_) | Self::Busy => "failed",
            Self::Refused(_) | Self::KeyReused | Self::SharedDevice | Self::UnknownShop => "refused",
        }
    }
}

/// What a cart write came to.
pub(super) struct Written {
    pub receipt: Receipt,
    /// The cart after the write.
    pub cart: Option<Cart>,
}

/// Everything a decision needs to be made true. Shared by all requests and loops.
pub struct Engine {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) identity: Identity,
    pub(super) stock_shops: StockShops,
    pub(super) pools: Pools,
    policies: RwLock<Arc<Policies>>,
    pub(super) calibration: Calibration,
    pub(super) links: RwLock<Arc<Links>>,
    /// Wakes the scheduler when a cart's wake comes before the one it waits for.
    pub(super) sooner: Notify,
    pub(super) waits_until: Mutex<Option<Moment>>,
    pub(super) doors: Doors,
}

impl Engine {
    /// An engine on this store, with no shop until [`Engine::set_policies`].
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        let identity = Identity::new(store.identity_key());
        let links = RwLock::new(Arc::new(Links::new(LinkSettings::default(), &store.identity_key())));
        let store: Arc<dyn Store> = Arc::new(Observed::new(store, Arc::clone(&metrics)));
        Self {
            store,
            clock,
            metrics,
            identity,
            stock_shops: StockShops::default(),
            pools: Pools::default(),
            policies: RwLock::default(),
            calibration: Calibration::default(),
            links,
            sooner: Notify::new(),
            waits_until: Mutex::new(None),
            doors: Doors::default(),
        }
    }

    /// What time it is for decisions.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// For reads.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Moves a clock that follows events; any other ignores it.
    pub fn observe(&self, at: Moment) {
        self.clock.observe(at);
    }

    /// Replaces every policy at once.
    pub fn set_policies(&self, policies: Policies) {
        let policies = self.calibration.applied_to(policies);
        let links = Links::new(policies.links.clone(), &self.store.identity_key());
        self.pools.set(&policies, &self.identity);
        *self.links.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(links);
        *self.policies.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
        // An endpoint that was switched on again has a backlog.
        self.doors.ring_all();
    }

    /// Brings what was learned of the agreement with shoppers into the policies in force.
    pub(super) fn recalibrate(&self) {
        let mut policies = self.policies.write().unwrap_or_else(PoisonError::into_inner);
        *policies = Arc::new(self.calibration.applied_to(Policies::clone(&policies)));
    }

    /// The policies in force.
    #[must_use]
    pub fn policies(&self) -> Arc<Policies> {
        Arc::clone(&self.policies.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells this cart something, once.
    ///
    /// # Errors
    /// When the input is refused, its key was used for something else, or the store cannot take it now.
    pub async fn write(
        &self,
        shop: &ShopId,
        id: &CartId,
        input: Input,
        once: Option<Once>,
    ) -> Result<Receipt, WriteError> {
        let kind = input.what.kind();
        let result = self.apply(shop, id, &input, once.as_ref(), |_| true).await;
        let label = match &result {
            Ok(Some(written)) => written.receipt.applied.as_str(),
            Ok(None) => "ignored",
            Err(error) => error.label(),
        };
        self.metrics.cart_event(shop, kind, label);
        match result? {
            Some(written) => Ok(written.receipt),
            None => Err(WriteError::Busy),
        }
    }

    /// Load, decide, commit. `concerns` says whether the cart as it is now is meant at all.
    pub(super) async fn apply(
        &self,
        shop: &ShopId,
        id: &CartId,
        input: &Input,
        once: Option<&Once>,
        concerns: impl Fn(Option<&Cart>) -> bool,
    ) -> Result<Option<Written>, WriteError> {
        let policy = self.shop(shop)?;
        self.clock.observe(input.at);
        for _ in 0..CONFLICTS_MAX {
            let loaded = self.store.load(shop, id, once.map(|once| &once.key)).await?;
            if let (Some(answered), Some(once)) = (loaded.answered, once) {
                return replay(answered, once).map(Some);
            }
            if !concerns(loaded.record.as_ref().map(|stored| &*stored.value)) {
                return Ok(None);
            }
            let now = self.clock.now();
            let person = self.meet(shop, id, loaded.record.as_ref(), input, &policy, now).await?;
            let (version, cart) = split(loaded.record);
            let decision = domain::decide((shop, id), cart, input, &person, now, &policy.program)?;
            if decision.is_noop {
                return Ok(Some(Written { receipt: decision.receipt, cart: decision.cart }));
            }
            let keep = once.map(|once| keep_answer(once, Answer::Cart(decision.receipt.clone()), now));
            match self.commit(shop, id, version, &decision, keep.as_ref(), now).await {
                Ok(Committed::Done | Committed::DoneNotBegun) => {
                    let Decision { cart, receipt, .. } = decision;
                    return Ok(Some(Written { receipt, cart }));
                }
                Ok(Committed::Duplicate(answered)) => {
                    if let Some(once) = once {
                        return replay(answered, once).map(Some);
                    }
                }
                Ok(Committed::Conflict) => self.metrics.commit_conflict(),
                Err(error) => return Box::pin(self.read_back(shop, id, once, error)).await.map(Some),
            }
        }
        Err(WriteError::Busy)
    }

    /// Makes a decision true: one write, then what follows from its facts.
    pub(super) async fn commit(
        &self,
        shop: &ShopId,
        id: &CartId,
        expected: Version,
        decision: &Decision,
        keep: Option<&Keep>,
        now: Moment,
    ) -> StoreResult<Committed> {
        let tallies = domain::tallies(&decision.facts, now.day());
        let census = domain::census(&decision.facts);
        let commit = Commit {
            shop,
            id,
            expected,
            cart: decision.cart.as_ref(),
            outbox: &decision.outbox,
            begun_until: &[],
            tallies: &tallies,
            census: &census,
            keep,
            now,
        };
        let committed = self.store.commit(commit).await?;
        if committed.is_done() {
            self.became_true(shop, id, decision);
            for delivery in &decision.outbox {
                self.nudge(&Lane { shop: shop.clone(), endpoint: delivery.endpoint.clone() });
            }
        }
        Ok(committed)
    }

    /// What follows from a decision that is stored now, but for its deliveries.
    pub(super) fn became_true(&self, shop: &ShopId, id: &CartId, decision: &Decision) {
        self.publish(shop, id, &decision.facts);
        if decision.cart.is_some() {
            self.wake_by(decision.receipt.next_wake_at);
        }
    }

    /// Facts that are true now, for whoever watches.
    pub(super) fn publish(&self, shop: &ShopId, id: &CartId, facts: &[Fact]) {
        self.metrics.facts(shop, facts);
        for fact in facts {
            debug!(shop = %shop, cart.id = %id, ?fact, "became true");
        }
    }

    /// A commit that got no answer may have happened: its key tells.
    async fn read_back(
        &self,
        shop: &ShopId,
        id: &CartId,
        once: Option<&Once>,
        error: StoreError,
    ) -> Result<Written, WriteError> {
        let Some(once) = once else { return Err(error.into()) };
        if !matches!(error, StoreError::Unavailable(_)) {
            return Err(error.into());
        }
        match self.store.load(shop, id, Some(&once.key)).await {
            Ok(loaded) => match loaded.answered {
                Some(answered) => replay(answered, once),
                None => Err(error.into()),
            },
            Err(_) => Err(error.into()),
        }
    }

    /// What is known of the person behind this input, where the decision could depend on it. Identifiers that the cart
    /// did not have are enrolled first: an order that comes right after must find this cart. What most writes do not need
    /// is boxed: they do not carry the room for it.
    async fn meet(
        &self,
        shop: &ShopId,
        id: &CartId,
        record: Option<&Stored<Cart>>,
        input: &Input,
        policy: &ShopPolicy,
        now: Moment,
    ) -> StoreResult<Person> {
        let known = record.map(|stored| &stored.value.content.shopper);
        if let Some(shopper) = shopper_after(record.map(|stored| &*stored.value), input)
            && known != Some(&*shopper)
        {
            let old = known.map(|shopper| self.identity.hashes(shop, shopper)).unwrap_or_default();
            let mut new = self.identity.hashes(shop, &shopper);
            new.retain(|hash| !old.contains(hash));
            if !new.is_empty() {
                let until = now.plus(policy.program.retention.converted);
                return Box::pin(self.introduce((shop, id), &shopper, &new, (now, until))).await;
            }
        }
        match record {
            // An opt-out was noted before its carts are told; whom reminders went to says what a purchase owes to them.
            Some(stored)
                if stored.value.next_wake() <= now
                    || matches!(input.what, What::OptOut | What::Order(_) | What::Cancel(_)) =>
            {
                Box::pin(self.person_of(shop, &stored.value, now)).await
            }
            _ => Ok(Person::nobody()),
        }
    }

    /// What this cart's identifiers are known for.
    pub(super) async fn person_of(&self, shop: &ShopId, cart: &Cart, now: Moment) -> StoreResult<Person> {
        let hashes = self.identity.hashes(shop, &cart.content.shopper);
        Ok(self.person_behind(shop, &hashes, now).await?.0)
    }

    pub(super) fn shop(&self, shop: &ShopId) -> Result<Arc<ShopPolicy>, WriteError> {
        self.policies().shops.get(shop).cloned().ok_or(WriteError::UnknownShop)
    }

    /// Says that a lane has something due. Carries no data: what is due is in the store.
    pub(super) fn nudge(&self, lane: &Lane) {
        self.doors.of(lane).ring();
    }

    fn wake_by(&self, at: Moment) {
        let waits_until = *self.waits_until.lock().unwrap_or_else(PoisonError::into_inner);
        if waits_until.is_some_and(|until| at < until) {
            self.sooner.notify_one();
        }
    }
}

/// The shopper as the cart will have it, when this input says anything about that.
fn shopper_after<'a>(cart: Option<&Cart>, input: &'a Input) -> Option<Cow<'a, Shopper>> {
    match &input.what {
        What::Snapshot { content, .. } => Some(Cow::Borrowed(&content.shopper)),
        What::Absorb { content, .. } => Some(Cow::Owned(cart.map_or_else(
            || content.shopper.clone(),
            |cart| cart.content.shopper.clone().filled_from(&content.shopper),
        ))),
        What::Patch(patch) => cart.map(|cart| Cow::Owned(patch.applied_to(&cart.content).shopper)),
        What::Signal(_)
        | What::Reason(_)
        | What::SurveyShown
        | What::Cancel(_)
        | What::Order(_)
        | What::Dismiss
        | What::MergeInto(_)
        | What::OptOut
        | What::Restocked
        | What::Delete
        | What::Touch(_)
        | What::Click(_) => None,
    }
}

fn split(record: Option<Stored<Cart>>) -> (Version, Option<Cart>) {
    record.map_or((Version::ABSENT, None), |stored| (stored.version, Some(*stored.value)))
}
