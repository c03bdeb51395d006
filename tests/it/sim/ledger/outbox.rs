//! Promises 2 and 4: one id for one reminder, one holder for one lease, one end with its why.

use std::time::Duration;

use cartwake::domain::{CartId, Delivery, Moment, Outcome, OutcomeName, Status};
use cartwake::store::{Begun, Claim, Commit, InFlight, Settled, Settlement};

use super::Ledger;
use crate::memory::{Book, DeliveryRow};

/// One POST.
pub struct Send {
    id: cartwake::domain::DeliveryId,
    cart: CartId,
    is_reminder: bool,
    /// Until when nobody else may make another.
    until: Moment,
    is_over: bool,
    /// Until when its request may come through, as far as anybody but the network can know.
    may_arrive_until: Moment,
}

/// How long the network may hold what was given to it. The product counts with more.
const HELD_MAX: Duration = Duration::from_secs(100);

impl Ledger {
    /// One id for one (cart, abandonment, step, endpoint), and each is decided once.
    pub(super) fn a_reminder_is_decided_once(&mut self, delivery: &Delivery) {
        let (Some(step), Some(abandonment)) = (&delivery.event.step, delivery.event.abandonment) else { return };
        // The abandonment's own moment tells carts apart that used one id after each other.
        let about = (
            delivery.cart.clone(),
            abandonment.abandoned_at.millis(),
            abandonment.number,
            step.index,
            delivery.endpoint.clone(),
        );
        if let Some(first) = self.decided.insert(about, delivery.id.clone()) {
            self.broke("a reminder is decided once", &format_args!("{first} and {}", delivery.id));
        }
    }

    /// While a lease runs nobody else gets the delivery.
    pub fn claimed(&mut self, claims: &[Claim], now: Moment) {
        for claim in claims {
            let held = self.leases.insert(claim.delivery.clone(), claim.until);
            if let Some(until) = held.filter(|until| *until > now) {
                self.broke("a lease has one holder", &format_args!("{} is leased until {until}", claim.delivery));
            }
            if self.ended.contains_key(&claim.delivery) {
                self.broke("what has ended stays ended", &claim.delivery);
            }
        }
    }

    pub fn begun(&mut self, claim: &Claim, begun: Option<&Begun>) {
        let is_held = self.leases.get(&claim.delivery) == Some(&claim.until);
        if begun.is_some() != is_held {
            self.broke("only the holder of a lease begins", &claim.delivery);
        }
        if let Some(begun) = begun {
            self.leases.insert(claim.delivery.clone(), begun.claim.until);
            self.begun.insert(claim.delivery.clone(), (self.step, begun.cart.as_deref().cloned()));
        }
    }

    /// What began with the write that decided it; of each of the outbox, whether it is new.
    pub fn started(&mut self, commit: &Commit<'_>, new: &[bool]) {
        let all = commit.outbox.iter().zip(commit.begun_until).zip(new);
        for (delivery, until) in
            all.filter_map(|((delivery, until), is_new)| Some((delivery, (*until).filter(|_| *is_new)?)))
        {
            self.count("sends begun with their decision");
            self.saw("sends", &"begun with their decision");
            self.leases.insert(delivery.id.clone(), until);
            self.begun.insert(delivery.id.clone(), (self.step, commit.cart.cloned()));
        }
    }

    pub fn released(&mut self, claim: &Claim, before: Option<&DeliveryRow>, released: Settled, book: &Book) {
        self.only_the_holder_writes(claim, before, released, book);
        if released == Settled::Done {
            self.leases.remove(&claim.delivery);
        }
    }

    /// One who lost the lease changes nothing.
    fn only_the_holder_writes(&mut self, claim: &Claim, before: Option<&DeliveryRow>, done: Settled, book: &Book) {
        let is_held = self.leases.get(&claim.delivery) == Some(&claim.until);
        if (done == Settled::Done) != is_held {
            self.broke("only the holder of a lease writes", &claim.delivery);
        }
        if done == Settled::Lost {
            self.count("leases lost");
            if before != book.deliveries.get(&claim.delivery) {
                self.broke("who lost the lease writes nothing", &claim.delivery);
            }
        }
    }

    pub fn settled(
        &mut self,
        settlement: &Settlement<'_>,
        before: Option<&DeliveryRow>,
        settled: Settled,
        counted: i64,
        book: &Book,
    ) {
        let (claim, after) = (settlement.claim, settlement.delivery);
        self.only_the_holder_writes(claim, before, settled, book);
        let counts: i64 = book.tallies.values().sum();
        if settled == Settled::Lost {
            if counts != counted {
                self.broke("who lost the lease counts nothing", &claim.delivery);
            }
            return;
        }
        self.leases.remove(&claim.delivery);
        self.a_settlement_counts_what_it_did(settlement, before);
        self.note_tallies(settlement.tallies);
        match after.status {
            Status::Pending => self.saw("verdict", &"retry_at"),
            Status::Delivered => self.saw("verdict", &"delivered"),
            Status::Dead(why) => {
                self.saw("verdict", &"dead");
                self.saw("why", &why);
            }
            Status::Suppressed(why) => {
                self.saw("verdict", &"suppressed");
                self.saw("why", &why);
            }
        }
        if after.status.is_final() && self.ended.insert(after.id.clone(), after.status).is_some() {
            self.broke("what has ended stays ended", &after.id);
        }
    }

    /// An attempt counts once, and so does an end.
    fn a_settlement_counts_what_it_did(&mut self, settlement: &Settlement<'_>, before: Option<&DeliveryRow>) {
        let after = settlement.delivery;
        let sum = |family: &str| -> i64 {
            let of_family = settlement.tallies.iter().filter(|tally| tally.key.0.starts_with(family));
            of_family.map(|tally| tally.by).sum()
        };
        let made = i64::from(after.attempt_count) - before.map_or(0, |row| i64::from(row.delivery.attempt_count));
        let ended = i64::from(after.status.is_final());
        if (sum("attempts/"), sum("deliveries/")) != (made, ended) {
            self.broke("counts are the facts", &format_args!("attempts and ends of {}", after.id));
        }
    }

    /// An order that is told that nothing is on its way, or that what was has ended, can rely on that: every request of
    /// this cart was answered, or is a repeat of what the receiver has.
    pub(super) fn nothing_arrives_that_was_not_told(&mut self, cart: &CartId, now: Moment, told: InFlight) {
        let is_delivered = |send: &Send| self.ended.get(&send.id) == Some(&Status::Delivered);
        let mut of_cart = self.sends.iter().filter(|send| send.is_reminder && send.cart == *cart);
        let held = of_cart.find(|send| send.may_arrive_until > now && !is_delivered(send)).map(|send| send.id.clone());
        if let Some(id) = held {
            self.count("orders while a request may be held");
            if told != InFlight::Possible {
                self.broke("nothing arrives that was not told", &format_args!("{id} of {cart}, told {told:?}"));
            }
        }
    }

    /// Whether a lease runs under which something of this cart was begun.
    pub(super) fn is_being_sent(&self, cart: &CartId, now: Moment) -> bool {
        self.sends.iter().any(|send| send.cart == *cart && !send.is_over && send.until > now)
            || self.begun.iter().any(|(id, (_, of))| {
                of.as_ref().is_some_and(|of| of.id == *cart) && self.leases.get(id).is_some_and(|until| *until > now)
            })
    }

    /// A POST starts; gives a handle for its end.
    pub fn send_starts(
        &mut self,
        process: usize,
        now: Moment,
        limit: Duration,
        claim: &Claim,
        delivery: &Delivery,
    ) -> usize {
        self.count("sends");
        self.note(
            now,
            &format_args!("p{process} SEND {} {} of {}", delivery.event.about(), delivery.id, delivery.cart),
        );
        let (begun, cart) = self.begun.get(&delivery.id).cloned().unwrap_or_default();
        self.a_purchase_that_can_be_seen_is_seen(delivery, begun, cart.as_ref());
        self.a_buyer_is_never_reminded(delivery, begun);
        self.a_payment_is_reminded_of_while_it_is_on_its_way(delivery, cart.as_ref());
        self.a_payment_is_reminded_of_once(delivery, cart.as_ref());
        self.who_opted_out_is_not_reminded(delivery, begun, cart.as_ref());
        self.who_is_held_out_is_not_reminded(delivery, cart.as_ref());
        self.a_cap_holds(delivery, now, cart.as_ref());
        self.no_code_is_given_twice(delivery, cart.as_ref());
        self.what_was_delivered_is_not_sent_again(delivery);
        self.sends_of_one_delivery_do_not_overlap(now, delivery);
        if claim.until <= now {
            self.broke("a send starts inside its lease", &delivery.id);
        }
        if now > delivery.send_not_after {
            self.broke("nothing is sent after its last moment", &delivery.id);
        }
        self.sends.push(Send {
            id: delivery.id.clone(),
            cart: delivery.cart.clone(),
            is_reminder: delivery.is_reminder(),
            until: claim.until,
            is_over: false,
            may_arrive_until: now.plus(limit).plus(HELD_MAX),
        });
        self.sends.len() - 1
    }

    /// What was delivered, and recorded so, is never sent again.
    fn what_was_delivered_is_not_sent_again(&mut self, delivery: &Delivery) {
        if let Some(status) = self.ended.get(&delivery.id).copied() {
            self.broke("what was delivered is not sent again", &format_args!("{} has ended: {status:?}", delivery.id));
        }
    }

    /// A second POST of a delivery starts only when the lease of the first is over.
    fn sends_of_one_delivery_do_not_overlap(&mut self, now: Moment, delivery: &Delivery) {
        let others = self.sends.iter().filter(|send| send.id == delivery.id);
        if others.clone().next().is_some() {
            *self.counts.entry("repeated sends").or_default() += 1;
        }
        if others.clone().any(|send| !send.is_over && send.until > now) {
            self.broke("sends of one delivery do not overlap", &delivery.id);
        }
    }

    pub fn send_ends(&mut self, send: usize, now: Moment, outcome: &Outcome) {
        let id = self.sends[send].id.clone();
        self.sends[send].is_over = true;
        self.sends[send].may_arrive_until = if outcome.is_unanswered() { now.plus(HELD_MAX) } else { now };
        self.note(now, &format_args!("{id} {}", outcome.name));
        if outcome.name == OutcomeName::Success {
            self.count("sends answered 2xx");
        }
    }

    /// Every delivery that was ever queued has ended, with a why where it was not delivered.
    pub fn everything_has_ended(&mut self, book: &Book) {
        let waiting: Vec<_> = book.deliveries.values().filter(|row| row.is_pending()).collect();
        if let Some(row) = waiting.first() {
            let how = format!("{} is to be looked at {}", row.delivery.id, row.look_at);
            self.broke("at the end of time nothing waits", &how);
        }
        if let Some(id) = self.queued.keys().find(|id| !self.ended.contains_key(*id)).cloned() {
            self.broke("everything ends with a why", &id);
        }
        if let Some(row) = book.carts.values().next() {
            self.broke("every cart ends", &format_args!("{} is {}", row.cart.id, row.cart.state.name()));
        }
        if book.census.values().any(|carts| *carts != 0) {
            self.broke("the census is the states", &"somebody is counted who is gone");
        }
    }
}
