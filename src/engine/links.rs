//! What follows from a link of a reminder: a touch is counted, a click is told to the cart, and a mailer learns whether the
//! reminder is still right to send.
//!
//! Never here: what a token looks like (`links/token.rs`), or what a shopper is shown (`api/`).

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use super::inbox::{Engine, Once, WriteError};
use crate::domain::{
    self, Cart, CartId, Channel, CodeLink, Delivery, Input, Known, Moment, Offer, ReminderRef, ShopId, State, Status,
    Stock, Vetting, What, Why,
};
use crate::links::{Links, ReminderLinks, Target, Ticket};
use crate::store::StoreResult;

/// How many carts a chain of merges is followed through.
const MERGES_MAX: usize = 4;

/// How a link was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Opened, perhaps by a machine that looks at links.
    Touched,
    /// By a person.
    Clicked,
    /// Looked at without a trace.
    Seen,
}

/// Whether a reminder is still right to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StillRight {
    Go,
    Stop { why: Why, until: Option<Moment> },
}

impl StillRight {
    /// Not to be sent any more.
    #[must_use]
    pub const fn never(why: Why) -> Self {
        Self::Stop { why, until: None }
    }
}

impl Engine {
    /// The links of reminders, by the policies in force.
    #[must_use]
    pub fn links(&self) -> Arc<Links> {
        Arc::clone(&self.links.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The links that this delivery bears, when it is a reminder.
    pub(super) fn links_of(&self, delivery: &Delivery, cart: &Cart) -> ReminderLinks {
        let Some(step) = &delivery.event.step else { return ReminderLinks::default() };
        let address = self.identity.address(&cart.shop, &cart.content.shopper, step.channel);
        self.links().of_reminder(delivery, cart, address)
    }

    /// The cart that a link leads to, as it is after it was followed; `None` when it is gone. A repeat counts nothing.
    ///
    /// # Errors
    /// When the store cannot be asked, or cannot take what a person did.
    pub async fn follow_link(
        &self,
        ticket: &Ticket,
        how: Followed,
        once: Option<Once>,
    ) -> Result<Option<Cart>, WriteError> {
        let Some(cart) = self.cart_of(ticket).await? else { return Ok(None) };
        let Target::Recover(reminder) = ticket.target else { return Ok(Some(cart)) };
        let what = match how {
            Followed::Touched if is_news(&cart, reminder) => What::Touch(reminder),
            Followed::Clicked => What::Click(reminder),
            Followed::Touched | Followed::Seen => return self.whither(cart).await,
        };
        if !cart.state.is_open() {
            return self.whither(cart).await;
        }
        let input = Input { at: self.now(), revision: None, what, unmapped: None };
        self.write(&ticket.shop, &ticket.cart, input, once).await?;
        match self.cart_of(ticket).await? {
            Some(cart) => self.whither(cart).await,
            None => Ok(None),
        }
    }

    /// What the reminder of this link offers to who follows it now, and how its code gets into the cart.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn offer_of(&self, ticket: &Ticket, cart: &Cart) -> StoreResult<Option<(Offer, Option<CodeLink>)>> {
        let (Target::Recover(reminder), Ok(policy)) = (&ticket.target, self.shop(&ticket.shop)) else {
            return Ok(None);
        };
        if policy.program.incentives.is_empty() {
            return Ok(None);
        }
        let (now, reminder) = (self.now(), reminder.of(ticket.cart.clone()));
        let person = self.person_of(&ticket.shop, cart, now).await?;
        // Of a cart that had this id before, the code is over or was another's.
        let given =
            person.granted.iter().filter(|granted| granted.to.reminder == reminder).max_by_key(|given| given.at);
        let Some(given) = given else { return Ok(None) };
        let Some(incentive) = policy.program.incentive(&given.incentive) else { return Ok(None) };
        let grant = incentive.offer(given.code.clone(), given.at);
        Ok(grant.offer_at(now).map(|offer| (offer.clone(), incentive.link.clone())))
    }

    /// The cart that this link was made for, while there is more of it than a name.
    async fn cart_of(&self, ticket: &Ticket) -> StoreResult<Option<Cart>> {
        let record = self.store.load(&ticket.shop, &ticket.cart, None).await?.record;
        let cart = record.map(|stored| *stored.value).filter(|cart| ticket.is_for(cart));
        Ok(cart.filter(|cart| !cart.state.is_tombstone()))
    }

    /// Where what was in this cart is now.
    async fn whither(&self, mut cart: Cart) -> Result<Option<Cart>, WriteError> {
        for _ in 0..MERGES_MAX {
            let State::MergedInto(next) = &cart.state else { return Ok(Some(cart)) };
            let Some(stored) = self.store.load(&cart.shop, next, None).await?.record else { return Ok(None) };
            cart = *stored.value;
        }
        Ok(None)
    }

    /// Whether this delivery is still right to send, by everything known now.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn still_right(&self, ticket: &Ticket) -> StoreResult<StillRight> {
        let Target::Check(id) = &ticket.target else { return Ok(StillRight::never(Why::Expired)) };
        let (shop, cart): (&ShopId, &CartId) = (&ticket.shop, &ticket.cart);
        let (delivery, loaded) =
            tokio::try_join!(self.store.delivery(shop, cart, id), self.store.load(shop, cart, None))?;
        // Kept for days after its end: what is gone is too late.
        let Some(delivery) = delivery else { return Ok(StillRight::never(Why::Stale)) };
        if let Status::Suppressed(why) = delivery.status {
            return Ok(StillRight::never(why));
        }
        let mut cart = loaded.record.map(|stored| *stored.value);
        let now = self.now();
        let Ok(policy) = self.shop(shop) else { return Ok(StillRight::never(Why::EndpointRemoved)) };
        let person = match &cart {
            Some(cart) => self.person_of(shop, cart, now).await?,
            None => domain::Person::nobody(),
        };
        let stock = self.stock_of(cart.as_ref(), now).await?;
        if let Some(cart) = &mut cart {
            cart.leave_out_bought(&person);
        }
        let known = Known { person: &person, stock: &stock, program: &policy.program };
        Ok(match domain::before_send(&delivery, cart.as_ref(), known, now) {
            Vetting::Proceed => StillRight::Go,
            Vetting::Defer { until, why } => StillRight::Stop { why, until: Some(until) },
            Vetting::Suppress(why) => StillRight::never(why),
        })
    }
}

impl Engine {
    /// What is known of the lines of a cart.
    pub(super) async fn stock_of(&self, cart: Option<&Cart>, now: Moment) -> StoreResult<Stock> {
        self.stocks(&[cart], now).await.pop().unwrap_or_else(|| Ok(Stock::unknown()))
    }

    /// The person behind a link wants no reminders on this channel, or on none: who the cart is of, and who the token says
    /// when the cart is gone.
    ///
    /// # Errors
    /// When the store cannot take it now: then it is to be repeated.
    pub async fn opt_out_by_link(&self, ticket: &Ticket, channel: Option<Channel>) -> Result<(), WriteError> {
        let Target::Unsubscribe { address, .. } = &ticket.target else { return Ok(()) };
        let mut hashes: BTreeSet<_> = address.iter().copied().collect();
        if let Some(cart) = self.cart_of(ticket).await? {
            hashes.extend(self.identity.hashes(&cart.shop, &cart.content.shopper));
        }
        let hashes: Vec<_> = hashes.into_iter().collect();
        self.opt_out_of(&ticket.shop, &hashes, channel).await.map(drop)
    }
}

fn is_news(cart: &Cart, reminder: ReminderRef) -> bool {
    !cart.trail.follows.iter().any(|follow| follow.reminder == reminder && follow.touched_at.is_some())
}
