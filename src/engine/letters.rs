//! What people do with deliveries: send one again, replay the dead of an endpoint, start one again, try one out.
//!
//! Nothing is sent from here but the test event: what is sent again is made due, and the dispatcher does the rest, with
//! every look and limit it has. Read next: `domain/resend.rs`.

use super::inbox::Engine;
use crate::domain::{self, AsItIs, Cart, CartId, Delivery, DeliveryId, EventKind, Moment, Outcome, Status, Why};
use crate::store::{BATCH_MAX, Lane, Letter, LetterPage, Revival, Shelf, StoreResult};
use crate::webhook::{Message, payload};

/// How many batches of the dead one replay looks through; the next one goes on from there.
const BATCHES_MAX: usize = 20;

/// What became of a wish to send again.
#[derive(Clone, Debug)]
pub enum Retried {
    /// Due now.
    Queued(Box<Delivery>),
    AsItIs(AsItIs),
    /// The record cannot be read, so nothing can be sent from it.
    Unreadable,
}

/// What became of a replay.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Due again.
    pub queued: usize,
    /// Dead since that moment and left so: stale, or unreadable.
    pub kept: usize,
    /// Where to go on, when this was not all.
    pub next: Option<String>,
}

impl Engine {
    /// Makes a delivery due again now.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn retry(&self, letter: &Letter) -> StoreResult<Retried> {
        let (Some(lane), Some(delivery)) = (&letter.lane, letter.as_it_stands()) else {
            return Ok(Retried::Unreadable);
        };
        if self.policies().endpoint(lane).is_none() {
            return Ok(Retried::AsItIs(AsItIs::Stays(Why::EndpointRemoved)));
        }
        let again = match domain::resend(&delivery, self.now()) {
            Ok(again) => again,
            Err(why) => return Ok(Retried::AsItIs(why)),
        };
        let revival = Revival { letter: letter.clone(), delivery: again.clone() };
        if self.store.revive(lane, &[revival]).await? == 0 {
            // Somebody else was faster, with the same wish or with an end.
            return Ok(Retried::AsItIs(AsItIs::Pending));
        }
        self.nudge(lane);
        Ok(Retried::Queued(Box::new(again)))
    }

    /// Makes the dead of a lane that were last tried since that moment due again.
    ///
    /// # Errors
    /// When the store cannot be asked; what was made due stays so, and a repeat goes on.
    pub async fn replay(&self, lane: &Lane, since: Moment, cursor: Option<String>) -> StoreResult<Replayed> {
        let mut replayed = Replayed { next: cursor, ..Replayed::default() };
        for _ in 0..BATCHES_MAX {
            let cursor = replayed.next.take();
            let LetterPage { letters, next } =
                self.store.list_deliveries(lane, Shelf::Dead, cursor.as_deref(), BATCH_MAX).await?;
            let (revivals, kept) = self.revivals(letters, since);
            let queued = self.store.revive(lane, &revivals).await?;
            replayed.queued += queued;
            replayed.kept += kept;
            if queued > 0 {
                self.nudge(lane);
            }
            replayed.next = next;
            if replayed.next.is_none() {
                break;
            }
        }
        Ok(replayed)
    }

    fn revivals(&self, letters: Vec<Letter>, since: Moment) -> (Vec<Revival>, usize) {
        let now = self.now();
        let mut kept = 0;
        let mut revivals = Vec::new();
        for letter in letters {
            match letter.as_it_stands() {
                Some(delivery) if domain::tried_at(&delivery) < since => {}
                Some(delivery) => match domain::resend(&delivery, now) {
                    Ok(delivery) => revivals.push(Revival { letter, delivery }),
                    Err(_) => kept += 1,
                },
                None => kept += 1,
            }
        }
        (revivals, kept)
    }

    /// Starts an endpoint again, and what it failed before counts no more.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn resume(&self, lane: &Lane) -> StoreResult<()> {
        self.store.note_working(lane).await?;
        self.store.resume(lane).await
    }

    /// Sends an `endpoint.test` event now, also to an endpoint that is paused; `None` when there is no such endpoint.
    pub async fn test_endpoint(&self, lane: &Lane) -> Option<Outcome> {
        let policies = self.policies();
        let endpoint = policies.endpoint(lane)?;
        let now = self.now();
        let nobody = CartId::parse("endpoint.test").ok()?;
        let about = format!("{}/{}", EventKind::EndpointTest, now.millis());
        let id = DeliveryId::derive(EventKind::EndpointTest, &lane.shop, &nobody, &about, &lane.endpoint);
        let message = Message {
            url: &endpoint.url,
            id: id.as_str(),
            secrets: &endpoint.secrets,
            body: payload::test(lane.shop.as_str(), lane.endpoint.as_str(), now),
            timeout: endpoint.timeout,
        };
        let outcome = endpoint.sender.send(message, now).await;
        self.metrics.attempted(&lane.shop, &lane.endpoint, outcome.name, outcome.duration);
        Some(outcome)
    }

    /// The deliveries that a cart has, as far as they follow from what it holds; `None` when there is no such cart.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn deliveries_of(&self, shop: &domain::ShopId, cart: &CartId) -> StoreResult<Option<Vec<Letter>>> {
        let Some(stored) = self.store.load(shop, cart, None).await?.record else { return Ok(None) };
        if self.shop(shop).is_err() {
            return Ok(None);
        }
        let ids = self.delivery_ids(shop, &stored.value);
        let mut letters = Vec::new();
        for some in ids.chunks(BATCH_MAX) {
            letters.extend(self.store.deliveries_of(shop, cart, some).await?);
        }
        letters.retain(|letter| letter.lane.as_ref().is_none_or(|lane| lane.shop == *shop));
        letters.sort_by_key(|letter| letter.delivery.as_ref().map(|delivery| delivery.created_at));
        Ok(Some(letters))
    }
}

impl Engine {
    /// The ids of the deliveries that this cart can have, as far as they follow from what it holds.
    pub(super) fn delivery_ids(&self, shop: &domain::ShopId, cart: &Cart) -> Vec<DeliveryId> {
        let policies = self.policies();
        let Some(policy) = policies.shops.get(shop) else { return Vec::new() };
        let endpoints: Vec<_> = policy.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
        let steps = u32::try_from(policy.program.steps_max()).unwrap_or(u32::MAX);
        domain::deliveries_of(cart, &endpoints, steps)
    }
}

/// The name of a status, and why.
#[must_use]
pub const fn status_parts(status: Status) -> (&'static str, Option<Why>) {
    match status {
        Status::Pending => ("pending", None),
        Status::Delivered => ("delivered", None),
        Status::Dead(why) => ("dead", Some(why)),
        Status::Suppressed(why) => ("suppressed", Some(why)),
    }
}
