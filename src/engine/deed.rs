//! A decision of the scheduler on its way: its cart and counts into the store, its deliveries into their lanes.
//!
//! What is due and finds a place in its lane begins with the commit and is handed over after it; the rest waits in the
//! store. Read next: `engine/doors.rs`.

use super::doors::{Doors, Handed, Place};
use crate::domain::{CartId, Census, Decision, Delivery, Moment, ShopId, Tally};
use crate::store::{Begun, Claim, Commit, Lane, Queue, Version};

/// A decision on its way.
pub(super) struct Deed<'a> {
    pub shop: &'a ShopId,
    pub id: &'a CartId,
    pub expected: Version,
    pub due_at: Moment,
    pub decision: Decision,
    pub tallies: Vec<Tally>,
    pub census: Vec<Census>,
    pub starts: Starts,
}

/// What begins with a commit.
#[derive(Default)]
pub(super) struct Starts {
    /// Of each of the outbox, where it has one.
    places: Vec<Option<Place>>,
    /// The same for the store: how long each is leased.
    until: Vec<Option<Moment>>,
}

impl Deed<'_> {
    /// Has what is due begin with the commit, where its lane has a place for it.
    pub(super) fn take_places(&mut self, doors: &Doors, at: Moment) {
        let is_due = |delivery: &&Delivery| !delivery.status.is_final() && delivery.due_at <= at;
        let place = |one| Some(one).filter(is_due).and_then(|one| doors.of(&self.lane_of(one)).take());
        let places: Vec<Option<Place>> = self.decision.outbox.iter().map(place).collect();
        let until = places.iter().map(|place| place.as_ref().map(|place| place.begun_until(at))).collect();
        self.starts = Starts { places, until };
    }

    pub(super) fn commit(&self, now: Moment) -> Commit<'_> {
        Commit {
            shop: self.shop,
            id: self.id,
            expected: self.expected,
            cart: self.decision.cart.as_ref(),
            outbox: &self.decision.outbox,
            begun_until: &self.starts.until,
            tallies: &self.tallies,
            census: &self.census,
            keep: None,
            now,
        }
    }

    /// Hands over what has begun, and tells the lanes of what waits for them in the store.
    pub(super) fn hand_over(mut self, doors: &Doors, at: Moment) {
        let outbox = std::mem::take(&mut self.decision.outbox);
        let Starts { places, until } = std::mem::take(&mut self.starts);
        let mut cart = self.decision.cart.take().map(Box::new);
        let mut left = places.iter().flatten().count();
        let mut starts = places.into_iter().zip(until);
        for delivery in outbox {
            let lane = self.lane_of(&delivery);
            let Some((Some(place), Some(until))) = starts.next() else {
                doors.of(&lane).ring();
                continue;
            };
            left -= 1;
            // It is large: the last one takes it along.
            let cart = if left == 0 { cart.take() } else { cart.clone() };
            let (id, of) = (delivery.id.clone(), delivery.cart.clone());
            let claim = Claim { lane, delivery: id, cart: of, queue: Queue::First, until };
            place.fill(Handed { begun: Begun { claim, delivery, cart }, at });
        }
    }

    /// Tells the lanes of all that waits for them in the store; what has begun falls due there as its lease ends.
    pub(super) fn leave(&self, doors: &Doors) {
        self.decision.outbox.iter().for_each(|delivery| doors.of(&self.lane_of(delivery)).ring());
    }

    fn lane_of(&self, delivery: &Delivery) -> Lane {
        Lane { shop: self.shop.clone(), endpoint: delivery.endpoint.clone() }
    }
}
