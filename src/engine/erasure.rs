//! Erasing a person: everything held of them goes, in an order that can break off anywhere and be finished by a repeat.
//!
//! 1. Whatever was found is tied to the identifiers that were given, for a repeat that finds less on its own.
//! 2. Their orders forget which carts they were of. An order stays: it is counted once, whatever its platform repeats.
//! 3. Every cart is erased; from then on no send of it begins. One that had begun is waited out, as for an order.
//! 4. Deliveries, dead letters, kept answers and entries in indexes go.
//! 5. The notes go last, the given identifiers' at the very end. An opt-out stays, on every identifier by itself: nothing
//!    would tie it to the others any more.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tracing::info;

use super::answers::ANSWERS_KEPT;
use super::inbox::{Engine, WriteError};
use super::traces::{Devices, Limit, Traces, Whom, readable};
use crate::domain::{
    Cart, CartId, Channel, DeliveryId, IdentifierHash, Input, Moment, Note, NoteKey, OptOut, OrderId, Person, ShopId,
    Status, What,
};
use crate::store::{Asked, BATCH_MAX, Committed, InFlight, Letter, OrderCommit};

/// How many times as many carts as one look gives are erased in one call.
const ROUNDS_MAX: usize = 5;
const CONFLICTS_MAX: usize = 5;
/// For how long an erasure that broke off can be finished from one identifier.
const FINISHED_WITHIN: std::time::Duration = std::time::Duration::from_hours(7 * 24);

/// What an erasure came to. Nothing in it is personal.
#[derive(Clone, Debug)]
pub struct Erased {
    pub id: String,
    pub at: Moment,
    /// Identifiers that it was about, those given among them.
    pub identifiers: usize,
    /// Carts found, also those that were erased before.
    pub found: usize,
    pub carts: usize,
    pub deliveries: usize,
    pub dead_letters: usize,
    pub answers: usize,
    pub notes: usize,
    /// Carts taken from under identifiers, and from under products they waited for.
    pub entries: usize,
    /// Whether carts are sealed, so that copies of them cannot be read any more.
    pub is_sealed: bool,
    /// Kept, and tied to nobody.
    pub orders: usize,
    /// Kept as keyed hashes.
    pub opt_outs: usize,
    pub in_flight: InFlight,
    /// What it could not get at.
    pub limits: BTreeSet<Limit>,
    pub opt_outs_until: Option<Moment>,
    pub tombstones_until: Moment,
    pub orders_until: Moment,
    pub answers_until: Moment,
    pub backups_until: Moment,
}

impl Engine {
    /// Erases everything held of a person. When this returns, no reminder from what was held will start.
    ///
    /// # Errors
    /// When the identifiers are several people's, or the store cannot take it now: then it is to be repeated.
    pub async fn erase(&self, shop: &ShopId, whom: &Whom) -> Result<Erased, WriteError> {
        let result = self.erase_all(shop, whom).await;
        let label = match &result {
            Ok(erased) if erased.limits.is_empty() => "done",
            Ok(_) => "partial",
            Err(error) => error.label(),
        };
        self.metrics.privacy.asked(shop, "erasure", label);
        if let Ok(erased) = &result {
            let Erased { id, carts, deliveries, dead_letters, notes, .. } = erased;
            info!(%shop, erasure.id = %id, carts, deliveries, dead_letters, notes, result = label, "a person was erased");
        }
        result
    }

    async fn erase_all(&self, shop: &ShopId, whom: &Whom) -> Result<Erased, WriteError> {
        let retention = self.shop(shop)?.program.retention;
        let now = self.clock.now();
        let given: Vec<_> = whom.identifiers.iter().map(|identifier| self.identity.hash(shop, identifier)).collect();
        let mut erased = Erased::nothing(self.identity.request(shop, &given, now), now, &retention);
        let (mut hashes, mut opt_outs, mut orders) = (given, Vec::new(), BTreeSet::new());
        for _ in 0..ROUNDS_MAX {
            let traces = self.trace(shop, whom, Devices::Follow, now).await?;
            self.anchor(shop, &traces, now).await?;
            orders.extend(traces.orders());
            self.erase_traces(shop, &traces, &mut erased).await?;
            opt_outs.extend(traces.notes.iter().cloned().collect::<Person>().opt_outs);
            hashes.extend(traces.hashes.iter().filter(|hash| !hashes.contains(hash)).copied().collect::<Vec<_>>());
            // It stays in the receipt: of more, some may have fallen out of the index, and end with their retention.
            let is_more = traces.limits.contains(&Limit::Carts);
            erased.limits.extend(traces.limits);
            if !is_more {
                break;
            }
        }
        (erased.identifiers, erased.orders) = (hashes.len(), orders.len());
        let opt_outs = opt_outs.into_iter().map(Note::OptedOut).collect::<Person>().opt_outs;
        self.keep_opt_outs(shop, &hashes, &opt_outs, &mut erased).await?;
        let kept: Vec<_> =
            [None].into_iter().chain(Channel::ALL.iter().copied().map(Some)).map(NoteKey::opt_out).collect();
        for hash in hashes.iter().rev() {
            erased.notes += self.store.forget(shop, &[*hash], &kept).await?;
        }
        Ok(erased)
    }

    /// Ties all that was found to what was given: an erased cart no longer says whose it was.
    async fn anchor(&self, shop: &ShopId, traces: &Traces, now: Moment) -> Result<(), WriteError> {
        let (given, found) = traces.hashes.split_at(traces.given);
        let links = found.iter().map(|hash| Asked {
            shop,
            hashes: given.to_vec(),
            leave: Some((Note::Linked(*hash), now.plus(FINISHED_WITHIN))),
        });
        for left in self.store.notes_all(&links.collect::<Vec<_>>(), now).await {
            left?;
        }
        Ok(())
    }

    async fn erase_traces(&self, shop: &ShopId, traces: &Traces, erased: &mut Erased) -> Result<(), WriteError> {
        let orders: Vec<_> = traces.orders().into_iter().collect();
        for order in &orders {
            self.detach(shop, order, erased).await?;
        }
        let mut known: Vec<(&CartId, Vec<DeliveryId>)> = Vec::new();
        for (id, cart) in &traces.carts {
            let ids = self.delivery_ids(shop, cart);
            let letters = self.letters_by_id(shop, id, &ids).await?;
            // What has ended is found by what the cart still says, and only by that.
            self.expunge(letters.into_iter().filter(|letter| letter.has_ended).collect(), erased).await?;
            erased.entries += self.store.withdraw(shop, &self.products(cart), std::slice::from_ref(id)).await?;
            erased.carts += usize::from(self.erase_cart(shop, id).await?);
            known.push((id, ids));
        }
        erased.found += known.len();
        let carts: Vec<CartId> = known.iter().map(|(id, _)| (*id).clone()).chain(traces.gone.clone()).collect();
        for in_flight in join_all(carts.iter().map(|cart| self.wait_out_cart(shop, cart))).await {
            erased.in_flight = erased.in_flight.worst(in_flight?);
        }
        for (id, ids) in &known {
            let letters = self.letters_by_id(shop, id, ids).await?;
            self.expunge(letters, erased).await?;
        }
        let letters = self.store.letters_about(shop, &carts).await?;
        self.expunge(letters, erased).await?;
        erased.is_sealed = self.store.shred(shop, &carts).await?;
        erased.answers += self.store.forget_answers(shop, &carts, &orders).await?;
        self.withdraw_carts(shop, traces, erased).await
    }

    /// Whether there was anything to erase.
    async fn erase_cart(&self, shop: &ShopId, id: &CartId) -> Result<bool, WriteError> {
        let input = Input::new(self.clock.now(), What::Delete);
        let is_there = |cart: Option<&Cart>| cart.is_some_and(|cart| !cart.state.is_tombstone());
        let written = self.apply(shop, id, &input, None, is_there).await?;
        if let Some(written) = &written {
            self.metrics.cart_event(shop, input.what.kind(), written.receipt.applied.as_str());
        }
        Ok(written.is_some())
    }

    /// An order that no longer says which carts it was of, nor which reminder brought its buyer.
    async fn detach(&self, shop: &ShopId, id: &OrderId, erased: &mut Erased) -> Result<(), WriteError> {
        for _ in 0..CONFLICTS_MAX {
            let loaded = readable(self.store.load_order(shop, id, None).await, &mut erased.limits)?;
            let Some(stored) = loaded.and_then(|loaded| loaded.record) else { return Ok(()) };
            let mut order = stored.value;
            if order.carts.is_empty() && order.recovery.is_none() {
                return Ok(());
            }
            (order.carts, order.recovery) = (Vec::new(), None);
            let now = self.clock.now();
            let commit = OrderCommit { order: &order, expected: stored.version, tallies: &[], keep: None, now };
            match self.store.commit_order(commit).await? {
                Committed::Done | Committed::DoneNotBegun => return Ok(()),
                Committed::Conflict | Committed::Duplicate(_) => self.metrics.commit_conflict(),
            }
        }
        Err(WriteError::Busy)
    }

    async fn letters_by_id(&self, shop: &ShopId, cart: &CartId, ids: &[DeliveryId]) -> Result<Vec<Letter>, WriteError> {
        let mut letters = Vec::new();
        for some in ids.chunks(BATCH_MAX) {
            letters.extend(self.store.deliveries_of(shop, cart, some).await?);
        }
        Ok(letters)
    }

    async fn expunge(&self, letters: Vec<Letter>, erased: &mut Erased) -> Result<(), WriteError> {
        let (dead, others): (Vec<_>, Vec<_>) =
            letters.into_iter().partition(|letter| matches!(letter.status(), Status::Dead(_)));
        for (letters, count) in [(dead, &mut erased.dead_letters), (others, &mut erased.deliveries)] {
            for some in letters.chunks(BATCH_MAX) {
                *count += self.store.expunge(some).await?;
            }
        }
        Ok(())
    }

    /// A cart without a record may just be being made: such a one stays known under its identifiers.
    async fn withdraw_carts(&self, shop: &ShopId, traces: &Traces, erased: &mut Erased) -> Result<(), WriteError> {
        let own: Vec<_> = traces.carts.keys().cloned().collect();
        let gone: Vec<_> = traces.gone.iter().map(|id| (shop.clone(), id.clone())).collect();
        let mut all = own.clone();
        for ((_, id), loaded) in gone.iter().zip(self.store.load_all(&gone).await) {
            if readable(loaded, &mut erased.limits)?.is_some_and(|loaded| loaded.record.is_none()) {
                all.push(id.clone());
            }
        }
        erased.entries += self.store.withdraw(shop, &traces.hashes, &all).await?;
        erased.entries += self.store.withdraw(shop, &traces.shared, &own).await?;
        Ok(())
    }

    /// Leaves every opt-out on every identifier, for what tied them together goes.
    async fn keep_opt_outs(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        opt_outs: &[OptOut],
        erased: &mut Erased,
    ) -> Result<(), WriteError> {
        let span = self.shop(shop)?.program.retention.opt_out;
        for opt_out in opt_outs {
            let until = opt_out.at.plus(span);
            if until > erased.at {
                self.store.note(shop, hashes, &Note::OptedOut(*opt_out), until, erased.at).await?;
                erased.opt_outs += 1;
                erased.opt_outs_until = erased.opt_outs_until.max(Some(until));
            }
        }
        Ok(())
    }
}

impl Erased {
    fn nothing(id: String, at: Moment, retention: &crate::domain::Retention) -> Self {
        Self {
            id,
            at,
            identifiers: 0,
            found: 0,
            carts: 0,
            deliveries: 0,
            dead_letters: 0,
            answers: 0,
            notes: 0,
            entries: 0,
            is_sealed: false,
            orders: 0,
            opt_outs: 0,
            in_flight: InFlight::None,
            limits: BTreeSet::new(),
            opt_outs_until: None,
            tombstones_until: at.plus(retention.tombstone),
            orders_until: at.plus(retention.converted),
            answers_until: at.plus(ANSWERS_KEPT),
            backups_until: at.plus(retention.backups),
        }
    }
}
