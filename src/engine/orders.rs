//! An order, in the sequence of writes that keeps "a buyer is never reminded" true whatever fails in between.
//!
//! 1. The purchase is marked on every identifier of the buyer: from now on the last look before a send stops it.
//! 2. Every cart it settles is closed, and of others the lines that it covers go. A send that had begun before is known
//!    from that same commit.
//! 3. Sends in flight are waited out, bounded; one that nobody answered may arrive later still, and the answer says so.
//! 4. The order itself is recorded, with its counts and its answer, and answered.
//!
//! Each write is idempotent, so a repeat after a crash finishes what the first one began. A sender reads in the
//! opposite order (begin, then marks): at least one of the two sees the other.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::warn;

use super::answers::{keep_answer, replay_order};
use super::inbox::{Engine, Once, WriteError};
use crate::domain::{
    self, Applied, ArmName, Cart, CartId, Credit, ExperimentName, IdentifierHash, Input, Moment, Note, NoteKey, Order,
    OrderNews, OrderStatus, Person, Program, ShopId, State, What,
};
use crate::store::{Answer, Asked, Committed, InFlight, OrderCommit, OrderReceipt, Sends, Version};

/// How often a send in flight is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(15);
/// The longest an order waits for a send to end, whatever its lease says.
const WAIT_MAX: Duration = Duration::from_secs(15);
const CONFLICTS_MAX: usize = 5;

/// A cart that this order settled, or that something else had closed while a send to it was on its way.
struct Closed {
    id: CartId,
    /// As it is now, when it was bought.
    bought: Option<Cart>,
    /// Whether a reminder of it was on its way, or still may be.
    is_sent: bool,
    is_settled: bool,
    /// Only some of its lines were bought: they went, and it stays open.
    is_trimmed: bool,
}

impl Engine {
    /// Takes news of an order, once. When this returns, no reminder for what the order covers will start.
    ///
    /// # Errors
    /// When its key was used for something else, or the store cannot take it now: then it is to be repeated.
    pub async fn order(&self, shop: &ShopId, news: OrderNews, once: Option<Once>) -> Result<OrderReceipt, WriteError> {
        let result = self.take_order(shop, news, once).await;
        let label = match &result {
            Ok(receipt) => receipt.applied.as_str(),
            Err(error) => error.label(),
        };
        self.metrics.cart_event(shop, "order", label);
        result
    }

    async fn take_order(
        &self,
        shop: &ShopId,
        mut news: OrderNews,
        once: Option<Once>,
    ) -> Result<OrderReceipt, WriteError> {
        let policy = self.shop(shop)?;
        self.clock.observe(news.placed_at);
        for _ in 0..CONFLICTS_MAX {
            let loaded = self.store.load_order(shop, &news.id, once.as_ref().map(|once| &once.key)).await?;
            if let (Some(answered), Some(once)) = (loaded.answered, once.as_ref()) {
                return replay_order(answered, once);
            }
            let (version, prior) = loaded.record.map_or((Version::ABSENT, None), |s| (s.version, Some(*s.value)));
            if let Some(order) = prior.as_ref().filter(|order| order.outdates(&news)) {
                return Ok(receipt(order, Applied::Stale, order.carts.clone(), InFlight::None));
            }
            if let Some(order) = &prior {
                // An order is placed once; later news of it that does not say when must not move it.
                news.placed_at = order.placed_at;
            }
            let (person, hashes) = self.buyer(shop, &news, prior.as_ref()).await?;
            self.remember(shop, &news, &hashes, policy.program.retention.converted).await?;
            let mut closed = self.close_carts(shop, &news, prior.as_ref(), &hashes).await?;
            let in_flight = self.wait_out(shop, &closed).await?;
            closed.retain(|cart| cart.is_settled);

            let program = &policy.program;
            let credit = |cart: &Cart| Credit::judge(cart, &person, news.placed_at, program);
            let touched: Vec<_> = closed.iter().map(|c| (c.id.clone(), c.bought.as_ref().map(credit))).collect();
            let now = self.clock.now();
            let expires_at = now.plus(program.retention.converted);
            let arms = match &prior {
                Some(order) if order.paid_as.is_some() => Vec::new(),
                Some(_) | None => self.arms_decided(shop, &news, &person, program, now).await?,
            };
            let (order, facts) = Order::after(prior, shop, &news, &touched, (&person, arms), expires_at);
            let carts = closed.into_iter().filter(|c| !c.is_trimmed).map(|c| c.id).collect();
            let receipt = receipt(&order, Applied::Applied, carts, in_flight);
            let keep = once.as_ref().map(|once| keep_answer(once, Answer::Order(receipt.clone()), now));
            let tallies = domain::tallies(&facts, now.day());
            let commit = OrderCommit { order: &order, expected: version, tallies: &tallies, keep: keep.as_ref(), now };
            match (self.store.commit_order(commit).await?, once.as_ref()) {
                (Committed::Done | Committed::DoneNotBegun, _) => {
                    self.metrics.facts(shop, &facts);
                    return Ok(receipt);
                }
                (Committed::Duplicate(answered), Some(once)) => return replay_order(answered, once),
                (Committed::Duplicate(_) | Committed::Conflict, _) => self.metrics.commit_conflict(),
            }
        }
        Err(WriteError::Busy)
    }

    /// Who the buyer is, and every identifier they are known by: those of the order, of the carts it names or touched
    /// before, of the carts that share one of these, and those linked to any of them. One step further by carts than the
    /// order itself says, and no more: beyond it, people who share a telephone would become one.
    async fn buyer(
        &self,
        shop: &ShopId,
        news: &OrderNews,
        prior: Option<&Order>,
    ) -> Result<(Person, Vec<IdentifierHash>), WriteError> {
        let mut hashes: BTreeSet<_> = self.identity.hashes(shop, &news.shopper).into_iter().collect();
        let mut seen: BTreeSet<CartId> = news.cart.iter().cloned().collect();
        seen.extend(prior.iter().flat_map(|order| order.carts.iter().cloned()));
        for cart in &seen {
            hashes.extend(self.hashes_of(shop, cart).await?);
        }
        let known: Vec<_> = hashes.iter().copied().collect();
        if !known.is_empty() {
            for cart in self.store.carts_of(shop, &known, self.clock.now()).await? {
                if seen.insert(cart.clone()) {
                    hashes.extend(self.hashes_of(shop, &cart).await?);
                }
            }
        }
        let hashes: Vec<_> = hashes.into_iter().collect();
        let now = self.clock.now();
        self.link_buyer(shop, news, now).await?;
        Ok(self.person_behind(shop, &hashes, now).await?)
    }

    /// Who bought under another name than the cart was filled under is known by both from now on.
    async fn link_buyer(&self, shop: &ShopId, news: &OrderNews, now: Moment) -> Result<(), WriteError> {
        let Some(cart) = &news.cart else { return Ok(()) };
        let Some(stored) = self.store.load(shop, cart, None).await?.record else { return Ok(()) };
        let filled_by = self.by_name(shop, &stored.value.content.shopper);
        let bought_by = self.by_name(shop, &news.shopper);
        if bought_by.iter().all(|hash| filled_by.contains(hash)) {
            return Ok(());
        }
        let all: BTreeSet<_> = filled_by.into_iter().chain(bought_by).collect();
        let until = now.plus(self.shop(shop)?.program.retention.converted);
        let all: Vec<_> = all.into_iter().collect();
        Ok(self.link(shop, &all, until, now).await?)
    }

    async fn hashes_of(&self, shop: &ShopId, cart: &CartId) -> Result<Vec<IdentifierHash>, WriteError> {
        let record = self.store.load(shop, cart, None).await?.record;
        Ok(record.map(|stored| self.identity.hashes(shop, &stored.value.content.shopper)).unwrap_or_default())
    }

    async fn remember(
        &self,
        shop: &ShopId,
        news: &OrderNews,
        hashes: &[IdentifierHash],
        span: Duration,
    ) -> Result<(), WriteError> {
        if hashes.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        if let Some(mark) = news.mark() {
            self.store.note(shop, hashes, &Note::Purchase(mark), now.plus(span), now).await?;
        } else if news.status == OrderStatus::Failed {
            self.store.unnote(shop, hashes, &NoteKey::purchase(&news.id)).await?;
        }
        Ok(())
    }

    /// The arms of which this order is its buyer's first outcome: the first to be heard of that could be stays it, whatever
    /// arrives later. Two at once find one note.
    async fn arms_decided(
        &self,
        shop: &ShopId,
        news: &OrderNews,
        buyer: &Person,
        program: &Program,
        now: Moment,
    ) -> Result<Vec<(ExperimentName, ArmName)>, WriteError> {
        if news.status != OrderStatus::Paid {
            return Ok(Vec::new());
        }
        let open: Vec<_> = buyer.exposures_open_at(news.placed_at, program.attribution_window).collect();
        let ours = Note::Decided(news.id.clone());
        let until = now.plus(program.retention.converted);
        let asked = open.iter().map(|exposure| Asked {
            shop,
            hashes: vec![self.identity.exposure(shop, exposure)],
            leave: Some((ours.clone(), until)),
        });
        let asked: Vec<_> = asked.collect();
        let mut arms = Vec::new();
        if !asked.is_empty() {
            for (exposure, notes) in open.into_iter().zip(self.store.notes_all(&asked, now).await) {
                if notes?.contains(&ours) {
                    arms.push((exposure.experiment.clone(), exposure.arm.clone()));
                }
            }
        }
        Ok(arms)
    }

    /// Applies the order to the cart it names, to the carts it settled before, and to every cart of the buyer whose
    /// lines it covers.
    async fn close_carts(
        &self,
        shop: &ShopId,
        news: &OrderNews,
        prior: Option<&Order>,
        hashes: &[IdentifierHash],
    ) -> Result<Vec<Closed>, WriteError> {
        let mut named: BTreeSet<CartId> = news.cart.iter().cloned().collect();
        named.extend(prior.iter().flat_map(|order| order.carts.iter().cloned()));
        let mut closed = Vec::new();
        for id in &named {
            closed.extend(self.close(shop, id, news, |_| true).await?);
        }
        let mark = news.mark();
        // What it covers and something else closed a moment ago: a reminder of it may have begun before that.
        let is_passed_over = AtomicBool::new(false);
        let covered = |cart: Option<&Cart>| {
            cart.is_some_and(|cart| {
                let is_covered = mark.as_ref().is_some_and(|mark| mark.touches(cart));
                let is_concerned = is_by(cart, news) || (cart.state.is_open() && is_covered);
                let has_reminders = is_covered && !cart.reminders.is_empty();
                is_passed_over.store(!is_concerned && has_reminders, Ordering::Relaxed);
                is_concerned
            })
        };
        let mut others = BTreeSet::new();
        if !hashes.is_empty() {
            others.extend(self.store.carts_of(shop, hashes, self.clock.now()).await?);
        }
        // The cart whose reminder brought the buyer back is theirs too, under whatever name they buy.
        others.extend(news.recovery.iter().map(|recovery| recovery.cart.clone()));
        for id in others {
            if !named.contains(&id) {
                closed.extend(self.close(shop, &id, news, covered).await?);
                if is_passed_over.swap(false, Ordering::Relaxed) {
                    closed.extend(self.still_sent(shop, &id).await?);
                }
            }
        }
        Ok(closed)
    }

    async fn close(
        &self,
        shop: &ShopId,
        id: &CartId,
        news: &OrderNews,
        concerns: impl Fn(Option<&Cart>) -> bool,
    ) -> Result<Option<Closed>, WriteError> {
        let at = match news.status {
            OrderStatus::Paid | OrderStatus::Pending => news.placed_at,
            OrderStatus::Failed | OrderStatus::Cancelled | OrderStatus::Refunded => self.clock.now(),
        };
        let input = Input::new(at, What::Order(Box::new(news.clone())));
        let written = match self.apply(shop, id, &input, None, concerns).await {
            // A refund of what was never seen, a failed payment of an unknown cart: nothing to close.
            Err(WriteError::Refused(_)) | Ok(None) => return Ok(None),
            other => other?,
        };
        let Some(written) = written else { return Ok(None) };
        let changed = written.receipt.applied == Applied::Applied;
        let Some(cart) = written.cart.filter(|cart| changed || is_by(cart, news)) else {
            return self.still_sent(shop, id).await;
        };
        // After the write, and also when it changed nothing: an earlier try of this order may have left a send.
        let is_sent = self.is_sent(shop, id).await?;
        let is_trimmed = news.mark().is_some() && !is_by(&cart, news);
        let bought = matches!(cart.state, State::Converted { .. }).then_some(cart);
        Ok(Some(Closed { id: id.clone(), bought, is_sent, is_settled: true, is_trimmed }))
    }

    /// A cart that this order had nothing to close in, while a send to it is on its way: that is waited out all the same.
    async fn still_sent(&self, shop: &ShopId, id: &CartId) -> Result<Option<Closed>, WriteError> {
        let sent = Closed { id: id.clone(), bought: None, is_sent: true, is_settled: false, is_trimmed: false };
        Ok(self.is_sent(shop, id).await?.then_some(sent))
    }

    async fn is_sent(&self, shop: &ShopId, id: &CartId) -> Result<bool, WriteError> {
        Ok(!self.store.sends(shop, id, self.clock.now()).await?.is_none())
    }

    /// Waits until no send of these carts is in flight any more, or its lease is over.
    async fn wait_out(&self, shop: &ShopId, closed: &[Closed]) -> Result<InFlight, WriteError> {
        let mut worst = InFlight::None;
        for cart in closed.iter().filter(|cart| cart.is_sent) {
            worst = worst.worst(InFlight::Finished).worst(self.wait_out_cart(shop, &cart.id).await?);
        }
        Ok(worst)
    }

    /// Waits until no send of this cart is in flight any more, or its lease is over.
    pub(super) async fn wait_out_cart(&self, shop: &ShopId, cart: &CartId) -> Result<InFlight, WriteError> {
        if !self.is_sent(shop, cart).await? {
            return Ok(InFlight::None);
        }
        let sends = match tokio::time::timeout(WAIT_MAX, self.landed(shop, cart)).await {
            Ok(sends) => Some(sends?),
            Err(_) => None,
        };
        if sends.is_some_and(|sends| sends.is_none()) {
            return Ok(InFlight::Finished);
        }
        warn!(shop = %shop, cart.id = %cart, "a send begun before this write may still arrive: nobody answered it");
        Ok(InFlight::Possible)
    }

    /// What is left to know of the sends of a cart once none is in flight any more.
    async fn landed(&self, shop: &ShopId, id: &CartId) -> Result<Sends, WriteError> {
        loop {
            let sends = self.store.sends(shop, id, self.clock.now()).await?;
            if sends.in_flight_until.is_none() {
                return Ok(sends);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn is_by(cart: &Cart, news: &OrderNews) -> bool {
    cart.order.as_ref().is_some_and(|order| order.id == news.id)
}

fn receipt(order: &Order, applied: Applied, carts: Vec<CartId>, in_flight: InFlight) -> OrderReceipt {
    OrderReceipt { applied, carts, attribution: order.paid_as.as_ref().map(|paid| paid.credit.attribution), in_flight }
}
