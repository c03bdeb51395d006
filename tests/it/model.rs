//! The domain against a naive model of it: random lives of a cart, told to both.
//!
//! - The model keeps no state but the list of all that happened, and works out from the start what should have become of
//!   the cart. The domain may notice idleness on time, late or only when the shopper is back: the outcome is the same.
//! - The laws hold for any life, also with clocks that disagree: progress, counts that add up, ends that stay ends.
//!
//! Never here: what a webhook looks like, or which reason a rule finds.

mod life;
mod naive;

use std::collections::{BTreeMap, HashMap, HashSet};

use cartwake::domain::{
    Applied, Cart, CartId, Decision, DeliveryId, Event, EventKind, Fact, FunnelCell, Known, Moment, ReminderResult,
    ShopId, State, StateName, StepName, Stock, What, census,
};
use proptest::prelude::*;

use self::life::{Happening, Life, Looks, lives, orderly_lives};
use crate::samples::at;

/// What the domain made of a life.
#[derive(Debug, Default)]
struct Outcome {
    /// The moment of each abandonment, as the endpoints are told.
    abandoned_at: Vec<Moment>,
    state: Option<StateName>,
    /// Where it lies in the funnel at the end, of which the model knows nothing.
    cell: Option<FunnelCell>,
}

/// Plays a life to its end and holds the laws after every decision.
struct Player<'a> {
    life: &'a Life,
    shop: ShopId,
    id: CartId,
    cart: Option<Cart>,
    purged: bool,
    census: BTreeMap<StateName, i64>,
    funnel: BTreeMap<FunnelCell, i64>,
    told: HashMap<DeliveryId, Event>,
    steps: HashSet<(u32, StepName)>,
    outcome: Outcome,
}

impl<'a> Player<'a> {
    fn play(life: &'a Life, looks: &[Looks]) -> Outcome {
        let mut player = Self {
            life,
            shop: crate::samples::shop(),
            id: crate::samples::cart_id("c-1"),
            cart: None,
            purged: false,
            census: BTreeMap::new(),
            funnel: BTreeMap::new(),
            told: HashMap::new(),
            steps: HashSet::new(),
            outcome: Outcome::default(),
        };
        let mut last = at(0);
        for (n, happening) in life.happenings.iter().enumerate() {
            let look = looks.get(n).copied().unwrap_or(Looks::Never);
            player.look(look, last, happening.now);
            if player.purged {
                // What is told now begins another life.
                return player.outcome;
            }
            player.tell(happening);
            last = happening.now;
        }
        player.wake(life.ends_at);
        player.outcome.state = player.cart.as_ref().map(|cart| cart.state.name());
        player.outcome.cell = player.funnel.keys().next().copied();
        player.outcome
    }

    /// Looks at the cart between two happenings, as a scheduler would that is quick, slow or down.
    fn look(&mut self, looks: Looks, from: Moment, until: Moment) {
        match looks {
            Looks::Never => {}
            Looks::OnTime => {
                // Every look ends with a later wake, so this ends as well; the bound is far above any life's wakes.
                for _ in 0..100 {
                    let Some(wake) = self.cart.as_ref().map(Cart::next_wake).filter(|wake| *wake < until) else {
                        return;
                    };
                    self.wake(wake);
                }
                panic!("100 wakes and no end");
            }
            Looks::Late { percent } => {
                let span = until.since(from).as_millis();
                let late = i64::try_from(span * u128::from(percent) / 100).expect("lives are short");
                self.wake(Moment::from_millis(from.millis() + late));
            }
        }
    }

    fn wake(&mut self, now: Moment) {
        let Some(cart) = self.cart.clone() else { return };
        let stock = Stock::unknown();
        let known = Known { person: &self.life.person, stock: &stock, program: &self.life.program };
        let Some(decision) = cartwake::domain::on_wake(cart.clone(), known, now) else {
            assert!(cart.next_wake() > now, "a wake that has come is decided on");
            return;
        };
        let again = cartwake::domain::on_wake(cart.clone(), known, now).expect("decided just now");
        assert_same(&decision, &again);
        if let Some(next) = &decision.cart {
            assert!(next.next_wake() > now, "a wake leads to a later one: {:?} at {now}", next.state);
        }
        self.take(Some(&cart), decision);
    }

    fn tell(&mut self, happening: &Happening) {
        let before = self.cart.clone();
        let decide = |cart| {
            let about = (&self.shop, &self.id);
            cartwake::domain::decide(
                about,
                cart,
                &happening.input,
                &self.life.person,
                happening.now,
                &self.life.program,
            )
        };
        let Ok(decision) = decide(before.clone()) else { return };
        assert_same(&decision, &decide(before.clone()).expect("decided just now"));
        if let Some(before) = &before {
            ends_stay_ends(before, happening, &decision);
        }
        if decision.is_noop {
            assert_eq!(decision.cart, before, "nothing changed");
            assert!(decision.facts.is_empty() && decision.outbox.is_empty(), "what is not written is not true");
        }
        self.take(before.as_ref(), decision);
    }

    fn take(&mut self, before: Option<&Cart>, decision: Decision) {
        for census in census(&decision.facts) {
            *self.census.entry(census.state).or_default() += census.by;
        }
        self.census.retain(|_, n| *n != 0);
        self.move_in_funnel(&decision);
        for delivery in &decision.outbox {
            let known = self.told.insert(delivery.id.clone(), delivery.event.clone());
            // The same reason given twice in one millisecond is one event.
            let is_new = known.is_none() || delivery.event.kind == EventKind::ReasonRecorded;
            assert!(is_new, "{} came twice: {known:?} and {:?}", delivery.id, delivery.event);
            if delivery.event.kind == EventKind::Abandoned {
                self.outcome.abandoned_at.push(delivery.event.at);
            }
        }
        self.count(before, &decision);
        self.purged = decision.cart.is_none();
        self.cart = decision.cart;
        let here: BTreeMap<_, _> = self.cart.iter().map(|cart| (cart.state.name(), 1)).collect();
        assert_eq!(self.census, here, "the census counts this cart once, where it is");
    }

    /// A cart lies in one cell at most, and in the one that it says.
    fn move_in_funnel(&mut self, decision: &Decision) {
        for fact in &decision.facts {
            if let Fact::FunnelMoved { from, to, .. } = fact {
                for (cell, by) in from.iter().map(|cell| (cell, -1)).chain(to.iter().map(|cell| (cell, 1))) {
                    *self.funnel.entry(*cell).or_default() += by;
                }
            }
        }
        self.funnel.retain(|_, n| *n != 0);
        assert!(self.funnel.len() <= 1 && self.funnel.values().all(|n| *n == 1), "{:?}", self.funnel);
        let cell = decision.cart.as_ref().filter(|cart| cart.state != State::Reverted).and_then(FunnelCell::of);
        assert!(cell.is_none_or(|cell| self.funnel.contains_key(&cell)), "{cell:?} is not in {:?}", self.funnel);
    }

    fn count(&mut self, before: Option<&Cart>, decision: &Decision) {
        let number = decision.receipt.abandonments;
        let abandoned = decision.facts.iter().filter(|fact| matches!(fact, Fact::Abandoned { .. })).count();
        let grown = number - before.map_or(0, |cart| cart.abandonments);
        assert_eq!(u32::try_from(abandoned), Ok(grown), "each abandonment is one fact");
        for fact in &decision.facts {
            if let Fact::Reminder { step, result, .. } = fact {
                assert!(matches!(result, ReminderResult::Decided | ReminderResult::Suppressed));
                assert!(self.steps.insert((number, step.clone())), "step {step} of abandonment {number} came twice");
            }
        }
    }
}

fn assert_same(one: &Decision, other: &Decision) {
    assert_eq!(one.cart, other.cart);
    assert_eq!((&one.outbox, &one.facts, &one.receipt), (&other.outbox, &other.facts, &other.receipt));
}

fn ends_stay_ends(before: &Cart, happening: &Happening, decision: &Decision) {
    let moves = !matches!(happening.input.what, What::Reason { .. } | What::Cancel(_) | What::Order(_) | What::Delete);
    if moves && !before.state.is_open() {
        assert_eq!(decision.receipt.applied, Applied::Closed);
        assert_eq!(decision.cart.as_ref(), Some(before), "nothing of an ended cart moves");
    }
    if before.state.is_tombstone() {
        let state = decision.cart.as_ref().map(|cart| &cart.state);
        assert!(state == Some(&before.state) || state == Some(&State::Erased), "only erasure follows: {state:?}");
    }
}

proptest! {
    #[test]
    fn idleness_is_counted_the_same_whenever_it_is_noticed(
        (life, looks) in orderly_lives(),
    ) {
        let expected = naive::outcome(&life);
        let plans = [vec![Looks::OnTime; life.happenings.len()], Vec::new(), looks];
        let on_time = Player::play(&life, &plans[0]);
        for plan in &plans {
            let outcome = Player::play(&life, plan);
            prop_assert_eq!(outcome.cell, on_time.cell, "looking {:?}", plan);
            prop_assert_eq!(&outcome.abandoned_at, &expected.abandoned_at, "looking {:?}", plan);
            prop_assert_eq!(outcome.state, expected.state, "looking {:?}", plan);
        }
    }

    #[test]
    fn the_laws_hold_for_any_life((life, looks) in lives()) {
        Player::play(&life, &looks);
    }
}
