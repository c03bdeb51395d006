//! Carts whose wake has come: load, decide, commit. No lease: a race with another process ends in a conflict, and the
//! loser lets go, for the winner has decided.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::error;

use super::deed::{Deed, Starts};
use super::inbox::Engine;
use super::policies::ShopPolicy;
use crate::domain::{
    self, Cart, CartId, Exposure, Fact, IdentifierHash, Known, Moment, Note, Person, ShopId, State, Stock, Why,
};
use crate::store::{Asked, BATCH_MAX, Commit, Committed, Loaded, StoreError, StoreResult, Stored, Version};

/// When a cart that cannot be decided on is looked at again.
const SET_ASIDE: Duration = Duration::from_secs(600);

/// Looks after carts that are due.
pub struct Scheduler {
    engine: Arc<Engine>,
    batch: usize,
    /// Counts the looks.
    turn: AtomicUsize,
    /// One look at a time: the next one leaves out what this one found.
    looking: tokio::sync::Mutex<()>,
    busy: Mutex<Busy>,
    /// Carts that were found and not decided on yet.
    undecided: AtomicUsize,
    /// Whether the last look left something.
    is_behind: AtomicBool,
    /// When nothing was due: what was due before and is found later was told to us later.
    clear_at: AtomicI64,
}

/// Carts that no look is to find.
#[derive(Default)]
struct Busy {
    /// What is being decided on.
    now: HashSet<(ShopId, CartId)>,
    /// What was when the look under way began, which may still find it as it was then.
    until_lately: HashSet<(ShopId, CartId)>,
}

/// What one look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// Carts found due.
    pub found: usize,
    /// Of those, decided by us.
    pub decided: usize,
    /// Whether the look was not full: there is hardly more.
    pub is_all: bool,
}

/// Carts that this scheduler decides on and no other look of its own finds.
struct Taken<'a> {
    scheduler: &'a Scheduler,
    carts: Vec<(ShopId, CartId)>,
    /// Whether there is hardly more.
    is_all: bool,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut busy = self.scheduler.busy.lock().unwrap_or_else(PoisonError::into_inner);
        for cart in self.carts.drain(..) {
            busy.now.remove(&cart);
            busy.until_lately.insert(cart);
        }
    }
}

/// Carts that may want a place in a lane and have not taken it yet.
struct Undecided<'a> {
    all: &'a AtomicUsize,
    these: usize,
}

impl Drop for Undecided<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.these, Ordering::Relaxed);
    }
}

impl Scheduler {
    /// Decides up to `batch` carts at a time.
    #[must_use]
    pub fn new(engine: Arc<Engine>, batch: usize) -> Self {
        let clear_at = AtomicI64::new(i64::MIN);
        Self {
            engine,
            batch,
            turn: AtomicUsize::default(),
            looking: tokio::sync::Mutex::default(),
            busy: Mutex::default(),
            undecided: AtomicUsize::default(),
            is_behind: AtomicBool::default(),
            clear_at,
        }
    }

    /// Decides what is due now, one batch. Two at once are about different carts.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn run_once(&self) -> StoreResult<Woken> {
        let now = self.engine.clock.now();
        let (taken, undecided) = self.take(now).await?;
        let found = taken.carts.len();
        let decided = self.wake_all(&taken.carts, undecided, now).await?;
        self.engine.metrics.scheduler_ran(now);
        Ok(Woken { found, decided, is_all: taken.is_all })
    }

    /// What is due and not being decided on.
    async fn take(&self, now: Moment) -> StoreResult<(Taken<'_>, Undecided<'_>)> {
        let _one = self.looking.lock().await;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let busy_count = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            busy.until_lately.clear();
            busy.now.len()
        };
        // As long as one look finds all that is due, nobody waits for the places of somebody else's lane.
        let room = if self.is_behind.load(Ordering::Relaxed) {
            self.engine.doors.room(self.undecided.load(Ordering::Relaxed)).await
        } else {
            usize::MAX
        };
        let batch = self.batch.min(room);
        let mut carts = self.engine.store.due_carts(now, batch + busy_count, turn).await?;
        if carts.is_empty() {
            self.found_nothing(now);
        }
        let is_all = carts.len() < busy_count + batch.min(BATCH_MAX);
        self.is_behind.store(!is_all, Ordering::Relaxed);
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = batch;
        carts.retain(|cart| {
            let is_ours = left > 0 && !busy.until_lately.contains(cart) && busy.now.insert(cart.clone());
            left -= usize::from(is_ours);
            is_ours
        });
        self.undecided.fetch_add(carts.len(), Ordering::Relaxed);
        let undecided = Undecided { all: &self.undecided, these: carts.len() };
        Ok((Taken { scheduler: self, carts, is_all }, undecided))
    }

    fn found_nothing(&self, now: Moment) {
        self.clear_at.store(now.millis(), Ordering::Relaxed);
        self.engine.metrics.scheduler_ran(now);
    }

    /// The earliest moment at which a cart is due.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn next(&self) -> StoreResult<Option<Moment>> {
        let now = self.engine.clock.now();
        let next = self.engine.store.next_wake().await?;
        if next.is_none_or(|next| next > now) {
            self.found_nothing(now);
        }
        Ok(next)
    }

    /// How many of these carts were decided by us.
    async fn wake_all(&self, due: &[(ShopId, CartId)], undecided: Undecided<'_>, now: Moment) -> StoreResult<usize> {
        let engine = &self.engine;
        let mut sleepers = Vec::with_capacity(due.len());
        for ((shop, id), loaded) in due.iter().zip(engine.store.load_all(due).await) {
            sleepers.extend(self.sleeper(shop, id, loaded, now).await?);
        }
        let asked: Vec<_> = sleepers.iter().map(|s| Asked::look(s.whose.shop, self.identifiers(s))).collect();
        let persons = engine.persons(&asked, now).await;
        let carts: Vec<_> = sleepers.iter().map(|s| is_due(&s.cart).then_some(&*s.cart)).collect();
        let stocks = engine.stocks(&carts, now).await;
        let hashes = asked.into_iter().map(|asked| asked.hashes);
        let known = persons.into_iter().zip(stocks).zip(hashes);
        let known =
            known.map(|((person, stock), hashes)| Ok(Waking { person: person?, stock: stock?, hashes })).collect();
        let mut deeds = self.decide_all(sleepers, known, now).await?;
        let begun_at = engine.clock.now();
        for deed in &mut deeds {
            deed.take_places(&engine.doors, begun_at);
        }
        drop(undecided);
        let committed = engine.store.commit_all(deeds.iter().map(|deed| deed.commit(now)).collect()).await;
        let mut decided = 0;
        let mut failure = None;
        for (deed, committed) in deeds.into_iter().zip(committed) {
            match committed {
                Ok(Committed::Done) => {
                    self.became_true(&deed);
                    deed.hand_over(&engine.doors, begun_at);
                    decided += 1;
                }
                Ok(Committed::DoneNotBegun) => {
                    self.became_true(&deed);
                    deed.leave(&engine.doors);
                    decided += 1;
                }
                Ok(Committed::Duplicate(_) | Committed::Conflict) => engine.metrics.commit_conflict(),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(decided), Err)
    }

    fn became_true(&self, deed: &Deed<'_>) {
        self.engine.became_true(deed.shop, deed.id, &deed.decision);
        let could_be_known = deed.due_at.max(Moment::from_millis(self.clear_at.load(Ordering::Relaxed)));
        self.engine.metrics.woke(self.engine.clock.now().since(could_be_known));
    }

    /// Decides about each. Who becomes part of an experiment by it is noted first, and decided about anew: from then on
    /// every cart of theirs finds them in the same arm.
    async fn decide_all<'a>(
        &self,
        sleepers: Vec<Sleeper<'a>>,
        known: Vec<StoreResult<Waking>>,
        now: Moment,
    ) -> StoreResult<Vec<Deed<'a>>> {
        let mut deeds = Vec::with_capacity(sleepers.len());
        let (mut exposed, mut asked) = (Vec::new(), Vec::new());
        for (Sleeper { whose, cart }, known) in sleepers.into_iter().zip(known) {
            let Waking { person, stock, hashes } = match known {
                Ok(known) => known,
                Err(StoreError::Corrupt { what } | StoreError::Newer { what }) => {
                    self.set_aside(whose.shop, whose.id, what, now).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let again = whose.may_expose(&person).then(|| cart.clone());
            let deed = self.decide_with_stock(&whose, cart, &person, &stock, now).await?;
            let exposure = deed.as_ref().and_then(|deed| exposure(&whose, deed, &person, now));
            match (again, exposure) {
                (Some(cart), Some(exposure)) => {
                    let until = now.plus(whose.policy.program.retention.converted);
                    asked.push(Asked { shop: whose.shop, hashes, leave: Some((Note::Exposed(exposure), until)) });
                    exposed.push((whose, cart, stock));
                }
                _ => deeds.extend(deed),
            }
        }
        let persons = self.engine.persons(&asked, now).await;
        for ((whose, cart, stock), person) in exposed.into_iter().zip(persons) {
            deeds.extend(self.decide_with_stock(&whose, cart, &person?, &stock, now).await?);
        }
        Ok(deeds)
    }

    /// Decides; a cart that is held for something that cannot be had is enrolled under it before that is stored, so that
    /// no restock passes it by.
    async fn decide_with_stock<'a>(
        &self,
        whose: &Whose<'a>,
        cart: Box<Cart>,
        person: &Person,
        stock: &Stock,
        now: Moment,
    ) -> StoreResult<Option<Deed<'a>>> {
        let again = stock.is_missing_a_line_of(&cart).then(|| cart.clone());
        let deed = decide(whose, *cart, person, stock, now);
        let waits =
            |deed: &Deed<'_>| deed.decision.cart.as_ref().is_some_and(|cart| cart.held_by() == Some(Why::OutOfStock));
        let Some(cart) = again.filter(|_| deed.as_ref().is_some_and(waits)) else { return Ok(deed) };
        let until = now.plus(whose.policy.program.restock_window);
        let stock = self.engine.await_stock(&cart, until).await?;
        Ok(decide(whose, *cart, person, &stock, now))
    }

    /// A cart that can be decided on; what cannot be is moved out of the way.
    async fn sleeper<'a>(
        &self,
        shop: &'a ShopId,
        id: &'a CartId,
        loaded: StoreResult<Loaded<Cart>>,
        now: Moment,
    ) -> StoreResult<Option<Sleeper<'a>>> {
        let loaded = match loaded {
            Err(StoreError::Corrupt { what } | StoreError::Newer { what }) => {
                self.set_aside(shop, id, what, now).await?;
                return Ok(None);
            }
            other => other?,
        };
        let Some(stored) = loaded.record else {
            // The record went by its own expiry while no process ran for long: its wake goes too.
            self.engine.store.commit(Commit::removal(shop, id, now)).await?;
            return Ok(None);
        };
        let Ok(policy) = self.engine.shop(shop) else {
            self.engine.store.postpone(shop, id, now, now.plus(SET_ASIDE)).await?;
            return Ok(None);
        };
        let Stored { value: cart, version } = stored;
        Ok(Some(Sleeper { whose: Whose { shop, id, version, policy }, cart }))
    }

    async fn set_aside(&self, shop: &ShopId, id: &CartId, what: &'static str, now: Moment) -> StoreResult<()> {
        error!(shop = %shop, cart.id = %id, what, "a stored record cannot be read; set aside");
        self.engine.store.postpone(shop, id, now, now.plus(SET_ASIDE)).await
    }

    /// What tells who the shopper is, where the decision could depend on it.
    fn identifiers(&self, sleeper: &Sleeper<'_>) -> Vec<IdentifierHash> {
        let cart = &sleeper.cart;
        match cart.state {
            State::Active { .. } | State::Abandoned { .. } | State::PaymentPending { next_step: Some(_) } => {
                self.engine.identity.hashes(sleeper.whose.shop, &cart.content.shopper)
            }
            State::PaymentPending { next_step: None }
            | State::Converted { .. }
            | State::Reverted
            | State::Dismissed
            | State::OptedOut
            | State::Suppressed { .. }
            | State::MergedInto(_)
            | State::Expired
            | State::Erased => Vec::new(),
        }
    }
}

/// A cart whose wake has come.
struct Sleeper<'a> {
    whose: Whose<'a>,
    cart: Box<Cart>,
}

/// Where a cart belongs, and as what version it was read.
struct Whose<'a> {
    shop: &'a ShopId,
    id: &'a CartId,
    version: Version,
    policy: Arc<ShopPolicy>,
}

impl Whose<'_> {
    /// Whether a decision may make somebody part of the experiment who was not before.
    fn may_expose(&self, person: &Person) -> bool {
        self.policy.program.experiment.as_ref().is_some_and(|experiment| experiment.exposure_of(person).is_none())
    }
}

/// What is known when a cart's wake has come.
struct Waking {
    person: Person,
    stock: Stock,
    /// What the person was found by.
    hashes: Vec<IdentifierHash>,
}

fn decide<'a>(whose: &Whose<'a>, cart: Cart, person: &Person, stock: &Stock, now: Moment) -> Option<Deed<'a>> {
    let Whose { shop, id, version, policy } = whose;
    let due_at = cart.next_wake();
    let known = Known { person, stock, program: &policy.program };
    let decision = domain::on_wake(cart, known, now)?;
    let tallies = domain::tallies(&decision.facts, now.day());
    let census = domain::census(&decision.facts);
    Some(Deed { shop, id, expected: *version, due_at, decision, tallies, census, starts: Starts::default() })
}

/// Whether a reminder of this cart is due, or may be once it is found idle.
const fn is_due(cart: &Cart) -> bool {
    matches!(cart.state, State::Abandoned { .. } | State::Active { .. })
}

/// The exposure that a decision makes of somebody who was not part of the experiment before.
fn exposure(whose: &Whose<'_>, deed: &Deed<'_>, person: &Person, now: Moment) -> Option<Exposure> {
    if !whose.may_expose(person) {
        return None;
    }
    deed.decision.facts.iter().find_map(|fact| {
        let Fact::Exposed { experiment, arm } = fact else { return None };
        Some(Exposure { experiment: experiment.clone(), arm: arm.clone(), cart: whose.id.clone(), at: now })
    })
}
