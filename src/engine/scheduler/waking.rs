//! What a decision about a due cart needs to know: the cart, its person, what can be had of it. All is asked of many carts
//! at once, and what fails for one of them fails for that one alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tracing::error;

use super::{SET_ASIDE, Scheduler};
use crate::domain::{
    self, Cart, CartId, Exposure, Fact, IdentifierHash, Known, Moment, Note, Person, ShopId, State, Stock, Why,
};
use crate::engine::deed::{Deed, Starts};
use crate::engine::policies::ShopPolicy;
use crate::store::{Asked, Commit, Loaded, StoreError, StoreResult, Stored, Version};

/// When one is that could not be asked about while others could.
const PUT_OFF: Duration = Duration::from_secs(5);

/// What of a look could not be asked about.
#[derive(Default)]
pub(super) struct Missed<'a> {
    pub carts: Vec<(&'a ShopId, &'a CartId)>,
    pub failure: Option<StoreError>,
}

impl<'a> Missed<'a> {
    fn note(&mut self, shop: &'a ShopId, id: &'a CartId, error: StoreError) {
        self.carts.push((shop, id));
        self.failure = Some(error);
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

/// What is known when a cart's wake has come.
struct Waking {
    person: Person,
    stock: Stock,
    /// What the person was found by.
    hashes: Vec<IdentifierHash>,
}

impl Scheduler {
    /// What is to become of each of these, where that could be asked.
    pub(super) async fn deeds<'a>(
        &self,
        due: &'a [(ShopId, CartId)],
        missed: &mut Missed<'a>,
        now: Moment,
    ) -> Vec<Deed<'a>> {
        let engine = &self.engine;
        let mut sleepers = Vec::with_capacity(due.len());
        for ((shop, id), loaded) in due.iter().zip(engine.store.load_all(due).await) {
            match self.sleeper(shop, id, loaded, now).await {
                Ok(sleeper) => sleepers.extend(sleeper),
                Err(error) => missed.note(shop, id, error),
            }
        }
        let asked: Vec<_> = sleepers.iter().map(|s| Asked::look(s.whose.shop, self.identifiers(s))).collect();
        let persons = engine.persons(&asked, now).await;
        let carts: Vec<_> = sleepers.iter().map(|s| is_due(&s.cart).then_some(&*s.cart)).collect();
        let stocks = engine.stocks(&carts, now).await;
        let hashes = asked.into_iter().map(|asked| asked.hashes);
        let known = persons.into_iter().zip(stocks).zip(hashes);
        let known =
            known.map(|((person, stock), hashes)| Ok(Waking { person: person?, stock: stock?, hashes })).collect();
        self.decide_all(sleepers, known, missed, now).await
    }

    /// Decides about each. Who becomes part of an experiment by it is noted before that is stored, and decided about anew
    /// where the note found others: from then on every cart of theirs finds them in the same arm.
    async fn decide_all<'a>(
        &self,
        sleepers: Vec<Sleeper<'a>>,
        known: Vec<StoreResult<Waking>>,
        missed: &mut Missed<'a>,
        now: Moment,
    ) -> Vec<Deed<'a>> {
        let mut deeds = Vec::with_capacity(sleepers.len());
        let (mut exposed, mut asked) = (Vec::new(), Vec::new());
        for (Sleeper { whose, cart }, known) in sleepers.into_iter().zip(known) {
            let Waking { person, stock, hashes } = match known {
                Ok(known) => known,
                Err(error) => {
                    self.not_known(&whose, error, missed, now).await;
                    continue;
                }
            };
            let deed = match self.decide_with_stock(&whose, cart, &person, &stock, now).await {
                Ok(deed) => deed,
                Err(error) => {
                    self.not_known(&whose, error, missed, now).await;
                    continue;
                }
            };
            match deed.as_ref().and_then(|deed| exposure(&whose, deed, &person, now)) {
                Some(exposure) => {
                    let until = now.plus(whose.policy.program.retention.converted);
                    let mut then = person;
                    then.learn(Note::Exposed(exposure.clone()));
                    asked.push(Asked { shop: whose.shop, hashes, leave: Some((Note::Exposed(exposure), until)) });
                    exposed.push((whose, deed, then, stock));
                }
                None => deeds.extend(deed),
            }
        }
        let persons = self.engine.persons(&asked, now).await;
        for ((whose, deed, then, stock), person) in exposed.into_iter().zip(persons) {
            let decided = match person {
                // Nothing but the note is new, and it says what was decided by.
                Ok(person) if person == then => Ok(deed),
                Ok(person) => self.decide_again(&whose, &person, &stock, now).await,
                Err(error) => Err(error),
            };
            match decided {
                Ok(deed) => deeds.extend(deed),
                Err(error) => self.not_known(&whose, error, missed, now).await,
            }
        }
        deeds
    }

    /// Decides by what became known since the cart was read. One that was written meanwhile stays due: of what it says now
    /// nobody has asked.
    async fn decide_again<'a>(
        &self,
        whose: &Whose<'a>,
        person: &Person,
        stock: &Stock,
        now: Moment,
    ) -> StoreResult<Option<Deed<'a>>> {
        let loaded = self.engine.store.load(whose.shop, whose.id, None).await;
        match self.sleeper(whose.shop, whose.id, loaded, now).await? {
            Some(again) if again.whose.version == whose.version => {
                self.decide_with_stock(&again.whose, again.cart, person, stock, now).await
            }
            Some(_) | None => Ok(None),
        }
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
        let store = &self.engine.store;
        let loaded = match loaded {
            Err(StoreError::Corrupt { what } | StoreError::Newer { what }) => {
                self.set_aside(shop, id, what, now).await?;
                return Ok(None);
            }
            other => other?,
        };
        let Some(stored) = loaded.record else {
            // The record went by its own expiry while no process ran for long: its wake goes too.
            store.commit(Commit::removal(shop, id, now)).await?;
            return Ok(None);
        };
        // Written meanwhile, or it says less than when its wake was stored, for its key is gone.
        let next_wake = stored.value.next_wake();
        if next_wake > now {
            store.postpone(shop, id, now, next_wake).await?;
            return Ok(None);
        }
        let Ok(policy) = self.engine.shop(shop) else {
            self.engine.look_after_leftover(shop, id, stored, now).await?;
            return Ok(None);
        };
        let Stored { value: cart, version } = stored;
        Ok(Some(Sleeper { whose: Whose { shop, id, version, policy }, cart }))
    }

    /// What cannot be read is set aside; what cannot be reached is missed.
    async fn not_known<'a>(&self, whose: &Whose<'a>, error: StoreError, missed: &mut Missed<'a>, now: Moment) {
        let Whose { shop, id, .. } = *whose;
        let failed = match error {
            StoreError::Corrupt { what } | StoreError::Newer { what } => {
                self.set_aside(shop, id, what, now).await.err()
            }
            other @ (StoreError::Unavailable(_) | StoreError::Full | StoreError::Unusable(_)) => Some(other),
        };
        if let Some(error) = failed {
            missed.note(shop, id, error);
        }
    }

    async fn set_aside(&self, shop: &ShopId, id: &CartId, what: &'static str, now: Moment) -> StoreResult<()> {
        error!(shop = %shop, cart.id = %id, what, "a stored record cannot be read; set aside");
        self.engine.store.postpone(shop, id, now, now.plus(SET_ASIDE)).await
    }

    /// Moves carts that could not be asked about out of the way of others for a moment.
    pub(super) async fn put_off(&self, carts: Vec<(&ShopId, &CartId)>, now: Moment) {
        let put_off = carts.iter().map(|(shop, id)| self.engine.store.postpone(shop, id, now, now.plus(PUT_OFF)));
        // Where that fails, too, they stay due.
        let _failures = join_all(put_off).await;
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

impl Whose<'_> {
    /// Whether a decision may make somebody part of the experiment who was not before.
    fn may_expose(&self, person: &Person) -> bool {
        self.policy.program.experiment.as_ref().is_some_and(|experiment| experiment.exposure_of(person).is_none())
    }
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
