//! The simulated shop: some hundred shoppers over a day and a half, and what they do when a reminder reaches them.
//!
//! Shaped by published figures: about 70 in 100 carts are left, most of them before the checkout; arrivals follow the day.
//! Everything follows from the seed: a reaction from (seed, cart, abandonment, step), never from the order of answers.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::shopper::Shopper;
use super::visit::{HOUR_MS, Happening, MINUTE_MS, Visit};
use crate::domain::Stage;

/// Shoppers that arrive in each hour, from the opening at 7 in the morning to noon of the next day.
const ARRIVALS: [u64; 30] =
    [2, 3, 5, 6, 7, 8, 7, 6, 6, 7, 7, 8, 10, 12, 12, 9, 6, 3, 1, 1, 0, 0, 0, 1, 2, 3, 4, 4, 3, 2];
/// Of 100 reminded shoppers, how many buy and how many only look, by step.
const REACTIONS: [(u64, u64); 3] = [(6, 6), (4, 4), (2, 3)];
/// The payment gateway is out of order in the evening of the first day, the busiest hours.
const GATEWAY_DOWN_MS: (i64, i64) = (12 * HOUR_MS, 14 * HOUR_MS + 30 * MINUTE_MS);
/// Nobody comes back a third time: the show must end.
const ABANDONMENTS_MAX: u64 = 2;

/// The shop: what will happen, in order of time.
#[derive(Debug)]
pub struct Shop {
    seed: u64,
    /// From, until.
    gateway_down_ms: (i64, i64),
    coming: BTreeMap<(i64, u64), Happening>,
    told: u64,
    shoppers: BTreeMap<String, Shopper>,
}

impl Shop {
    /// A shop that opens at this moment for this many shoppers.
    pub fn open(seed: u64, shopper_count: u64, opens_at_ms: i64) -> Self {
        let gateway_down_ms = (opens_at_ms + GATEWAY_DOWN_MS.0, opens_at_ms + GATEWAY_DOWN_MS.1);
        let (coming, shoppers) = (BTreeMap::new(), BTreeMap::new());
        let mut shop = Self { seed, gateway_down_ms, coming, told: 0, shoppers };
        let hours: Vec<(u64, i64)> = ARRIVALS.into_iter().zip(0..).collect();
        for number in 1..=shopper_count {
            let mut dice = Dice::about(&[seed, number]);
            let hour = *dice.pick(&hours);
            let within = i64::try_from(dice.between(0, 3_599_999)).unwrap_or(0);
            let mut shopper = Shopper::arrive(number, &mut dice);
            shop.plan(&mut shopper, &mut dice, opens_at_ms + hour * HOUR_MS + within);
            shop.shoppers.insert(shopper.cart_id.clone(), shopper);
        }
        shop
    }

    /// When something happens next.
    pub fn next_at_ms(&self) -> Option<i64> {
        self.coming.keys().next().map(|(at_ms, _)| *at_ms)
    }

    /// What happens next.
    pub fn take_next(&mut self) -> Option<Happening> {
        self.coming.pop_first().map(|(_, happening)| happening)
    }

    /// Whether nobody can pay at this moment.
    pub const fn is_gateway_down(&self, at_ms: i64) -> bool {
        self.gateway_down_ms.0 <= at_ms && at_ms < self.gateway_down_ms.1
    }

    /// A reminder reached its shopper, who may come back minutes later to buy or to look.
    pub fn reminded(&mut self, cart_id: &str, abandonment: u64, step: usize, at_ms: i64) {
        let Some(shopper) = self.shoppers.get_mut(cart_id) else { return };
        let Some((buys, looks)) = REACTIONS.get(step).copied() else { return };
        if shopper.is_decided || abandonment > ABANDONMENTS_MAX {
            return;
        }
        // Who stumbled over the payment wanted the thing; most of all who was turned away.
        let eager = if shopper.was_turned_away {
            6
        } else if matches!(shopper.leaves, Some((Stage::Payment, _))) {
            2
        } else {
            1
        };
        let step = u64::try_from(step).unwrap_or(u64::MAX);
        let mut dice = Dice::about(&[self.seed, shopper.number, abandonment, step, 7]);
        let rolled = dice.between(0, 99);
        let back_at_ms = at_ms + minutes(&mut dice, 3, 95);
        let visit = if rolled < buys * eager {
            shopper.is_decided = true;
            Visit::new(shopper, &mut dice, back_at_ms, self.gateway_down_ms).buy()
        } else if rolled < buys * eager + looks && abandonment < ABANDONMENTS_MAX {
            Visit::new(shopper, &mut dice, back_at_ms, self.gateway_down_ms).look()
        } else {
            return;
        };
        self.expect(visit);
    }

    /// The first visit, and what the shopper will do without being asked to.
    fn plan(&mut self, shopper: &mut Shopper, dice: &mut Dice, at_ms: i64) {
        let visit = Visit::new(shopper, dice, at_ms, self.gateway_down_ms).first();
        let failed = |happening: &Happening| {
            let body = happening.operation.body.as_ref();
            body.is_some_and(|body| body["kind"] == "payment_failed" && body["class"] == "processing")
        };
        shopper.was_turned_away = visit.iter().any(|h| failed(h) && self.is_gateway_down(h.operation.at_ms));
        let left_at_ms = visit.last().map_or(at_ms, |happening| happening.operation.at_ms);
        self.expect(visit);
        let Some((stage, _)) = shopper.leaves else { return };
        if stage >= Stage::Shipping && dice.percent(12) {
            // Buys on the phone; the cart on the laptop must fall silent.
            shopper.is_decided = true;
            let phone = shopper.on_the_phone();
            let back_at_ms = left_at_ms + minutes(dice, 50, 600);
            self.expect(Visit::new(&phone, dice, back_at_ms, self.gateway_down_ms).straight_to_order());
        } else if dice.percent(8) {
            shopper.is_decided = true;
            let back_at_ms = left_at_ms + minutes(dice, 40, 1_200);
            let visit = Visit::new(shopper, dice, back_at_ms, self.gateway_down_ms);
            let visit = if shopper.number.is_multiple_of(2) { visit.buy() } else { visit.look() };
            self.expect(visit);
        }
    }

    fn expect(&mut self, visit: Vec<Happening>) {
        for happening in visit {
            self.told += 1;
            self.coming.insert((happening.operation.at_ms, self.told), happening);
        }
    }
}

fn minutes(dice: &mut Dice, low: u64, high: u64) -> i64 {
    i64::try_from(dice.between(low, high)).unwrap_or(0) * MINUTE_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Kind;

    fn script(seed: u64, shopper_count: u64) -> Vec<Happening> {
        let mut shop = Shop::open(seed, shopper_count, 0);
        std::iter::from_fn(|| shop.take_next()).collect()
    }

    #[test]
    fn the_same_seed_plays_the_same_script() {
        assert_eq!(script(7, 50), script(7, 50));
        assert_ne!(script(7, 50), script(8, 50));
    }

    #[test]
    fn a_script_is_told_in_order_of_time() {
        let moments: Vec<i64> = script(1, 100).iter().map(|h| h.operation.at_ms).collect();
        assert!(moments.is_sorted());
    }

    #[test]
    fn a_reaction_depends_on_the_cart_and_the_step_alone() {
        let mut one = Shop::open(3, 200, 0);
        let mut other = Shop::open(3, 200, 0);
        let names: Vec<String> = one.shoppers.keys().cloned().collect();
        for name in &names {
            one.reminded(name, 1, 0, 9 * HOUR_MS);
        }
        for name in names.iter().rev() {
            other.reminded(name, 1, 0, 9 * HOUR_MS);
        }
        let key = |h: &Happening| (h.operation.at_ms, h.operation.cart_id.clone());
        let mut first: Vec<_> = std::iter::from_fn(|| one.take_next()).map(|h| key(&h)).collect();
        let mut second: Vec<_> = std::iter::from_fn(|| other.take_next()).map(|h| key(&h)).collect();
        first.sort();
        second.sort();
        assert_eq!(first, second);
    }

    #[test]
    fn seven_in_ten_leave_and_half_of_those_at_the_cart_page() {
        let shop = Shop::open(11, 4_000, 0);
        let left: Vec<Stage> = shop.shoppers.values().filter_map(|s| s.leaves.map(|(stage, _)| stage)).collect();
        assert!((2_680..2_920).contains(&left.len()), "{} of 4,000 leave", left.len());
        let at_cart = left.iter().filter(|stage| **stage == Stage::Cart).count();
        let share = at_cart * 100 / left.len();
        assert!((48..55).contains(&share), "{share} % of them at the cart page");
    }

    #[test]
    fn while_the_gateway_is_down_nobody_orders_and_many_are_turned_away() {
        let told = script(1, 400);
        let is_down = |h: &&Happening| GATEWAY_DOWN_MS.0 <= h.operation.at_ms && h.operation.at_ms < GATEWAY_DOWN_MS.1;
        assert_eq!(told.iter().filter(is_down).filter(|h| h.operation.kind == Kind::Order).count(), 0);
        let shop = Shop::open(1, 400, 0);
        assert!(shop.shoppers.values().filter(|shopper| shopper.was_turned_away).count() > 15);
    }

    #[test]
    fn storefronts_repeat_themselves_and_echo_late() {
        let told = script(5, 400);
        assert!(told.iter().any(|h| h.copies == 2));
        let late = |h: &&Happening| {
            let said = h.operation.body.as_ref().and_then(|body| body["occurred_at"].as_str());
            h.operation.kind == Kind::Put && said.is_some_and(|said| said != h.operation.at)
        };
        assert!(told.iter().filter(late).count() > 3);
    }
}
