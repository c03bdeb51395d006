//! The outbox of the store in memory: a lease is a look in the future that only its holder can name.
//!
//! Read next: `memory/people.rs`.

use std::collections::{BTreeMap, BTreeSet};

use cartwake::domain::{CartId, Delivery, DeliveryId, Moment, ShopId, Status};
use cartwake::store::{Begun, Claim, DueLanes, Lane, OutboxCounts, Queue, Sends, Settled, Settlement};

use super::{Book, DeliveryRow};

pub(super) fn lane_of(delivery: &Delivery) -> Lane {
    Lane { shop: delivery.shop.clone(), endpoint: delivery.endpoint.clone() }
}

impl DeliveryRow {
    /// Whether it is still to be looked at.
    pub fn is_waiting(&self) -> bool {
        self.is_pending() && !self.is_buried
    }

    pub fn is_pending(&self) -> bool {
        !self.delivery.status.is_final()
    }

    pub(super) fn is_held_by(&self, claim: &Claim) -> bool {
        self.is_pending() && !self.is_buried && self.is_leased && self.look_at == claim.until
    }
}

impl Book {
    /// Puts a delivery into the outbox, begun where it begins at once; one that is known is left alone, and false.
    pub(super) fn queue(&mut self, delivery: &Delivery, begun_until: Option<Moment>) -> bool {
        self.lanes.insert(lane_of(delivery));
        if self.deliveries.contains_key(&delivery.id) {
            return false;
        }
        let row = DeliveryRow {
            delivery: delivery.clone(),
            look_at: begun_until.unwrap_or(delivery.due_at),
            is_leased: begun_until.is_some(),
            purge_at: delivery.status.is_final().then_some(delivery.send_not_after),
            queue: Queue::First,
            is_buried: false,
        };
        self.deliveries.insert(delivery.id.clone(), row);
        if let Some(until) = begun_until.filter(|_| delivery.id.is_reminder()) {
            self.send_begins((delivery.shop.clone(), delivery.cart.clone(), delivery.id.clone()), until);
        }
        true
    }

    /// One that began before and was not settled has ended without an answer.
    fn send_begins(&mut self, send: (ShopId, CartId, DeliveryId), until: Moment) {
        if let Some(lost) = self.sends.insert(send.clone(), until) {
            self.unanswered.insert(send, lost);
        }
    }

    pub fn claim(&mut self, lane: &Lane, now: Moment, limit: usize, until: Moment) -> Vec<Claim> {
        let is_due = |row: &&mut DeliveryRow| row.is_waiting() && row.look_at <= now && lane_of(&row.delivery) == *lane;
        let mut due: Vec<_> = self.deliveries.values_mut().filter(is_due).collect();
        due.sort_by_key(|row| row.look_at);
        let (first, again): (Vec<_>, Vec<_>) = due.into_iter().partition(|row| row.queue == Queue::First);
        let places = Queue::places(first.len(), again.len(), limit);
        let mut due: Vec<_> = first.into_iter().take(places.0).chain(again.into_iter().take(places.1)).collect();
        due.sort_by_key(|row| row.look_at);
        let lease = |row: &mut DeliveryRow| {
            (row.look_at, row.is_leased) = (until, true);
            let (delivery, cart) = (row.delivery.id.clone(), row.delivery.cart.clone());
            Claim { lane: lane.clone(), delivery, cart, queue: row.queue, until }
        };
        due.into_iter().map(lease).collect()
    }

    pub fn begin(&mut self, claim: &Claim, until: Moment) -> Option<Begun> {
        let row = self.deliveries.get_mut(&claim.delivery).filter(|row| row.is_held_by(claim))?;
        row.look_at = until;
        let delivery = row.delivery.clone();
        let at = (claim.lane.shop.clone(), claim.cart.clone());
        let cart = self.carts.get(&at).map(|row| Box::new(row.cart.clone()));
        if claim.delivery.is_reminder() {
            self.send_begins((at.0, at.1, claim.delivery.clone()), until);
        }
        Some(Begun { claim: Claim { until, ..claim.clone() }, delivery, cart })
    }

    pub fn sends_of(&self, shop: &ShopId, cart: &CartId, now: Moment) -> Sends {
        let all = self.sends.iter().chain(&self.unanswered);
        Sends::of(all.filter(|((of, id, _), _)| of == shop && id == cart).map(|(_, end)| *end), now)
    }

    pub(super) fn land(&mut self, claim: &Claim) {
        let send = (claim.lane.shop.clone(), claim.cart.clone(), claim.delivery.clone());
        if self.sends.get(&send) == Some(&claim.until) {
            self.sends.remove(&send);
        }
    }

    pub fn release(&mut self, claim: &Claim, due_at: Moment) -> Settled {
        let Some(row) = self.deliveries.get_mut(&claim.delivery).filter(|row| row.is_held_by(claim)) else {
            return Settled::Lost;
        };
        (row.look_at, row.is_leased) = (due_at, false);
        self.land(claim);
        Settled::Done
    }

    pub fn settle(&mut self, settlement: &Settlement<'_>) -> Settled {
        let (claim, delivery) = (settlement.claim, settlement.delivery);
        let Some(row) = self.deliveries.get_mut(&claim.delivery).filter(|row| row.is_held_by(claim)) else {
            return Settled::Lost;
        };
        *row = DeliveryRow {
            delivery: delivery.clone(),
            look_at: delivery.due_at,
            is_leased: false,
            purge_at: delivery.status.is_final().then_some(settlement.keep_until),
            queue: Queue::Again,
            is_buried: false,
        };
        self.land(claim);
        let send = (claim.lane.shop.clone(), claim.cart.clone(), claim.delivery.clone());
        if let Some(at) = settlement.unanswered_at {
            self.unanswered.insert(send, at);
        } else if delivery.status == Status::Delivered {
            self.unanswered.remove(&send);
        }
        self.count_settled(&claim.lane.shop, settlement.tallies);
        Settled::Done
    }

    pub fn due_lanes(&self, now: Moment) -> DueLanes {
        let waiting = self.deliveries.values().filter(|row| row.is_waiting());
        let (due, later): (Vec<_>, Vec<_>) = waiting.partition(|row| row.look_at <= now);
        let lanes: BTreeSet<Lane> = due.into_iter().map(|row| lane_of(&row.delivery)).collect();
        DueLanes { lanes: lanes.into_iter().collect(), next: later.into_iter().map(|row| row.look_at).min() }
    }

    pub fn next_due(&self, lane: &Lane) -> Option<Moment> {
        let waiting = self.deliveries.values().filter(|row| row.is_waiting() && lane_of(&row.delivery) == *lane);
        waiting.map(|row| row.look_at).min()
    }

    pub fn outbox_counts(&self) -> OutboxCounts {
        let (mut pending, mut dead) = (BTreeMap::new(), BTreeMap::new());
        let mut oldest_due = self.next_wake();
        for row in self.deliveries.values() {
            match row.delivery.status {
                Status::Pending if row.is_buried => *dead.entry(lane_of(&row.delivery)).or_default() += 1,
                Status::Pending => {
                    *pending.entry(lane_of(&row.delivery)).or_default() += 1;
                    oldest_due = oldest_due.into_iter().chain([row.look_at]).min();
                }
                Status::Dead(_) => *dead.entry(lane_of(&row.delivery)).or_default() += 1,
                Status::Delivered | Status::Suppressed(_) => {}
            }
        }
        OutboxCounts { pending: pending.into_iter().collect(), dead: dead.into_iter().collect(), oldest_due }
    }
}
