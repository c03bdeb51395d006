//! The last look before a send: who the person is by now, and whether the delivery may still go out.
//!
//! A reminder leaves a note on its person before that look: of two carts of one person whose reminders are about to go
//! out at the same time, on whatever machines, at least one sees the other and waits. What does not go out takes its note
//! off again. Of what passes, the incentive is decided last (`engine/incentives.rs`). Never here: the guards themselves;
//! they are `domain/guard.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::warn;

use super::dispatcher::{Conclusion, Dispatcher, Passed, Ready, Vetted};
use super::incentives::Ask;
use super::policies::{EndpointPolicy, ShopPolicy};
use crate::domain::{
    self, Cart, Choice, Delivery, Fact, Grant, Grantee, IdentifierHash, Known, Moment, Note, NoteKey, Person, Reminded,
    ReminderId, Stock, Verdict, Vetting, Why,
};
use crate::store::{Asked, Begun, Claim, Lane, StoreError, StoreResult};
use crate::webhook::payload::{self, Beside, PayloadError};

impl Dispatcher {
    /// Who is behind each of these. Notes are read after the sends have begun: an order or an opt-out that is not seen
    /// here will see the send.
    pub(super) async fn persons(
        &self,
        begun: &[Begun],
        shop: Option<&ShopPolicy>,
        now: Moment,
    ) -> Vec<StoreResult<Person>> {
        let remembered = shop.map(|shop| shop.program.remembers_for());
        let ask = |begun: &'_ Begun| -> (Vec<IdentifierHash>, Option<(Note, Moment)>) {
            let (Some(reminded), Some(cart)) = (reminded(&begun.delivery, now), &begun.cart) else {
                return (Vec::new(), None);
            };
            let hashes = self.engine.identity.hashes(&cart.shop, &cart.content.shopper);
            (hashes, remembered.map(|span| (Note::Reminded(reminded), now.plus(span))))
        };
        let asked = begun.iter().map(|begun| {
            let (hashes, leave) = ask(begun);
            Asked { shop: &begun.claim.lane.shop, hashes, leave }
        });
        self.engine.persons(&asked.collect::<Vec<_>>(), now).await
    }

    /// What can be had of the lines of each of these, where that is asked.
    pub(super) async fn stocks(&self, begun: &[Begun], now: Moment) -> Vec<StoreResult<Stock>> {
        let carts = begun.iter().map(|begun| begun.cart.as_deref().filter(|_| begun.delivery.is_reminder()));
        self.engine.stocks(&carts.collect::<Vec<_>>(), now).await
    }

    /// What becomes of a delivery that has begun.
    pub(super) async fn vet(
        &self,
        begun: Begun,
        (shop, endpoint): (Option<&ShopPolicy>, Option<&Arc<EndpointPolicy>>),
        (person, stock): (Person, Stock),
        now: Moment,
    ) -> Vetted {
        let Begun { claim, delivery, mut cart } = begun;
        let (Some(shop), Some(endpoint)) = (shop, endpoint) else {
            return self.ended((claim, delivery), Verdict::Suppressed(Why::EndpointRemoved));
        };
        // Of a cart that was bought in part, a reminder speaks of the rest.
        if let Some(cart) = &mut cart {
            cart.leave_out_bought(&person);
        }
        let known = Known { person: &person, stock: &stock, program: &shop.program };
        let verdict = match domain::before_send(&delivery, cart.as_deref(), known, now) {
            Vetting::Proceed if endpoint.disabled || self.is_paused(&claim.lane) => {
                // Still due, so that it goes out at once when the endpoint is started again.
                self.take_note_off(&claim.lane, cart.as_deref(), &delivery).await;
                return Vetted::Later(claim, delivery.due_at.min(now));
            }
            Vetting::Proceed => {
                let (endpoint, facts) = (Arc::clone(endpoint), Vec::new());
                return Vetted::Passed(Box::new(Passed { claim, delivery, cart, person, stock, endpoint, facts }));
            }
            Vetting::Suppress(why) => Verdict::Suppressed(why),
            Vetting::Defer { until, why } => Verdict::Deferred { until, why },
        };
        self.take_note_off(&claim.lane, cart.as_deref(), &delivery).await;
        self.ended((claim, delivery), verdict)
    }

    /// What passed, each with the incentive of its reminder decided. Asks the store nothing where there is none to give.
    #[expect(clippy::vec_box, reason = "each is large, and handed on as it is")]
    pub(super) async fn granted(
        &self,
        mut passed: Vec<Box<Passed>>,
        shop: &ShopPolicy,
        now: Moment,
    ) -> Vec<Result<Box<Passed>, (Claim, StoreError)>> {
        let (mut asks, mut whose) = (Vec::new(), Vec::new());
        for (place, one) in passed.iter_mut().enumerate() {
            let Some(cart) = &one.cart else { continue };
            let choice = domain::choose(&one.delivery, cart, &one.person, &shop.program, now);
            let (incentive, before) = match choice {
                Some(Choice::Wanted(incentive)) => (incentive, None),
                Some(Choice::Again(incentive, granted)) => (incentive, Some(granted)),
                Some(Choice::Withheld(incentive, why)) => {
                    one.note_grant(incentive.withheld(why));
                    continue;
                }
                None => continue,
            };
            let Some(to) = Grantee::of(&one.delivery, cart) else { continue };
            let hashes = self.engine.identity.hashes(&cart.shop, &cart.content.shopper);
            asks.push(Ask { incentive, to, hashes, before });
            whose.push(place);
        }
        let mut failures: BTreeMap<usize, StoreError> = BTreeMap::new();
        if let Some(first) = whose.first() {
            let of = passed[*first].claim.lane.shop.clone();
            for (place, grant) in whose.into_iter().zip(self.engine.give(&of, asks, now).await) {
                match grant {
                    Ok(grant) => passed[place].note_grant(grant),
                    Err(error) => drop(failures.insert(place, error)),
                }
            }
        }
        let each = passed.into_iter().enumerate().map(|(place, one)| match failures.remove(&place) {
            None => Ok(one),
            Some(error) => Err((one.claim, error)),
        });
        each.collect()
    }

    /// The POST to make of what passed.
    pub(super) async fn ready(
        &self,
        passed: Box<Passed>,
        shop: &ShopPolicy,
        now: Moment,
    ) -> Result<Box<Ready>, Box<Conclusion>> {
        let Passed { claim, delivery, cart, stock, endpoint, facts, .. } = *passed;
        let links = cart.as_ref().map(|cart| self.engine.links_of(&delivery, cart)).unwrap_or_default();
        let offer = delivery.incentive.as_ref().and_then(|grant| grant.offer_at(now));
        let responses = &shop.program.responses;
        let beside = Beside { thin: endpoint.thin, stock: &stock, responses, links: &links, offer };
        let verdict = match rendered(&delivery, cart.as_deref(), &beside) {
            Some(Ok(body)) => return Ok(Box::new(Ready { claim, delivery, endpoint, body, begun_at: now, facts })),
            Some(Err(_)) => Verdict::Dead(Why::PayloadTooLarge),
            None => Verdict::Suppressed(Why::Erased),
        };
        self.take_note_off(&claim.lane, cart.as_deref(), &delivery).await;
        Err(Box::new(self.conclusion(claim, delivery, verdict, Vec::new())))
    }

    fn ended(&self, (claim, delivery): (Claim, Delivery), verdict: Verdict) -> Vetted {
        let conclusion: Conclusion = self.conclusion(claim, delivery, verdict, Vec::new());
        Vetted::Ended(Box::new(conclusion))
    }

    /// A reminder that was never tried has reached nobody, and holds nobody else back. One that was tried may have
    /// arrived, and counts.
    async fn take_note_off(&self, lane: &Lane, cart: Option<&Cart>, delivery: &Delivery) {
        let Some(cart) = cart.filter(|_| delivery.is_reminder() && delivery.attempt_count == 0) else { return };
        let hashes = self.engine.identity.hashes(&lane.shop, &cart.content.shopper);
        let key = NoteKey::reminded(&delivery.id);
        if let Err(error) = self.engine.store.unnote(&lane.shop, &hashes, &key).await {
            let error = &error as &dyn std::error::Error;
            warn!(error, delivery.id = %delivery.id, "a note could not be taken off; it ends by itself");
        }
    }
}

impl Passed {
    fn note_grant(&mut self, grant: Grant) {
        self.facts.push(match &grant {
            Grant::Given(offer) => Fact::IncentiveGiven { incentive: offer.incentive.clone() },
            Grant::Withheld { incentive, why } => Fact::IncentiveWithheld { incentive: incentive.clone(), why: *why },
        });
        self.delivery.incentive = Some(grant);
    }
}

fn reminded(delivery: &Delivery, now: Moment) -> Option<Reminded> {
    let channel = delivery.event.step.as_ref()?.channel;
    let order = delivery.event.order.as_ref().filter(|_| delivery.is_of_payment()).map(|order| order.id.clone());
    Some(Reminded { reminder: ReminderId::of(delivery)?, delivery: delivery.id.clone(), channel, at: now, order })
}

/// The body to send; `None` when there is nothing left to tell about.
fn rendered(delivery: &Delivery, cart: Option<&Cart>, beside: &Beside<'_>) -> Option<Result<Vec<u8>, PayloadError>> {
    payload::notice(delivery).map(Ok).or_else(|| cart.map(|cart| payload::render(delivery, cart, beside)))
}
