//! A visit to the shop, told as the calls that a storefront would make: step by step, with its moments.
//!
//! Now and then a call is sent twice, or an old one again late, as real storefronts do: the service must not care.

use serde_json::{Value, json};

use super::dice::Dice;
use super::motive::Hint;
use super::shopper::Shopper;
use crate::domain::{PaymentClass, ReasonCode, Stage};
use crate::replay::{Kind, Operation};

pub const MINUTE_MS: i64 = 60_000;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;

/// A call, and how many times the storefront makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    pub operation: Operation,
    pub copies: u8,
}

/// A visit in the telling.
pub struct Visit<'a> {
    shopper: &'a Shopper,
    dice: &'a mut Dice,
    at_ms: i64,
    /// The payment gateway processes nothing from, until.
    gateway_down_ms: (i64, i64),
    told: Vec<Happening>,
}

impl<'a> Visit<'a> {
    pub const fn new(shopper: &'a Shopper, dice: &'a mut Dice, at_ms: i64, gateway_down_ms: (i64, i64)) -> Self {
        Self { shopper, dice, at_ms, gateway_down_ms, told: Vec::new() }
    }

    /// The first visit: to the order, or to where the shopper leaves.
    pub fn first(mut self) -> Vec<Happening> {
        let first_at_ms = self.at_ms;
        self.say(Kind::Put, self.shopper.snapshot(1));
        if self.shopper.has_more_lines() {
            self.pause(20, 240);
            self.say(Kind::Put, self.shopper.snapshot(usize::MAX));
        }
        let goal = self.shopper.leaves.map_or(Stage::Payment, |(stage, _)| stage);
        self.walk_to(goal);
        match self.shopper.leaves {
            None => self.pay(),
            // Whatever they would have found fault with: they cannot even try to pay.
            Some((Stage::Payment, _)) if self.is_gateway_down() => self.pay(),
            Some((_, motive)) => {
                self.pause(5, 90);
                if let Some(signal) = motive.hint.signal(self.shopper.subtotal(), self.shopper.total()) {
                    self.say(Kind::Signal, signal);
                }
                self.perhaps_say_why(motive.code);
            }
        }
        if self.dice.percent(3) {
            self.late_echo(first_at_ms);
        }
        self.told
    }

    /// The shopper is back and buys.
    pub fn buy(mut self) -> Vec<Happening> {
        self.say(Kind::Patch, self.shopper.step_to(Stage::Shipping));
        self.pause(20, 200);
        self.say(Kind::Patch, self.shopper.step_to(Stage::Payment));
        self.pay();
        self.told
    }

    /// The shopper is back, looks, and leaves again.
    pub fn look(mut self) -> Vec<Happening> {
        self.say(Kind::Signal, json!({"kind": "page_viewed", "page": "product"}));
        self.pause(30, 400);
        self.say(Kind::Signal, json!({"kind": "page_viewed", "page": "shipping_info"}));
        self.told
    }

    /// The whole way in one go, as on a second device.
    pub fn straight_to_order(mut self) -> Vec<Happening> {
        self.say(Kind::Put, self.shopper.snapshot(usize::MAX));
        self.walk_to(Stage::Payment);
        self.pay();
        self.told
    }

    fn walk_to(&mut self, goal: Stage) {
        for stage in [Stage::Contact, Stage::Shipping, Stage::Payment] {
            if stage > goal {
                return;
            }
            self.pause(15, 180);
            self.say(Kind::Patch, self.shopper.step_to(stage));
            if stage == Stage::Shipping {
                self.pause(2, 4);
                let quote = json!({
                    "kind": "shipping_quoted", "lowest_minor": self.shopper.shipping(), "fastest_days": 3, "rates": 2,
                });
                self.say(Kind::Signal, quote);
            }
        }
    }

    fn pay(&mut self) {
        self.pause(15, 120);
        self.say(Kind::Signal, json!({"kind": "payment_attempted"}));
        self.pause(3, 20);
        if !self.is_gateway_down() {
            self.say(Kind::Order, self.shopper.order());
            return;
        }
        // They try again, as everybody does.
        for _ in 0..2 {
            self.say(Kind::Signal, Hint::PaymentFailed(PaymentClass::Processing).signal(0, 0).unwrap_or_default());
            self.pause(20, 90);
        }
        self.perhaps_say_why(ReasonCode::PaymentError);
    }

    const fn is_gateway_down(&self) -> bool {
        self.gateway_down_ms.0 <= self.at_ms && self.at_ms < self.gateway_down_ms.1
    }

    /// The exit survey: few answer, and not all of them say the real reason.
    fn perhaps_say_why(&mut self, code: ReasonCode) {
        if !self.dice.percent(18) {
            return;
        }
        let code = if self.dice.percent(85) { code.as_str() } else { "other" };
        self.pause(5, 60);
        self.say(Kind::Reason, json!({"code": code, "source": "reported"}));
    }

    /// The first snapshot once more, late and with its old time: it must change nothing.
    fn late_echo(&mut self, first_at_ms: i64) {
        let old = Operation::new(first_at_ms, Kind::Put, &self.shopper.cart_id, self.shopper.snapshot(1));
        self.pause(5, 40);
        self.say(Kind::Put, old.body.unwrap_or_default());
    }

    fn say(&mut self, kind: Kind, body: Value) {
        let operation = Operation::new(self.at_ms, kind, &self.shopper.cart_id, body);
        let copies = if self.dice.percent(4) { 2 } else { 1 };
        self.told.push(Happening { operation, copies });
    }

    fn pause(&mut self, low_s: u64, high_s: u64) {
        let pause_ms = self.dice.between(low_s * 1_000, high_s * 1_000);
        self.at_ms = self.at_ms.saturating_add_unsigned(pause_ms);
    }
}
