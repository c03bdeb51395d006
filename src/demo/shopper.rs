//! One simulated shopper: who they are, what is in their cart, and the bodies that a storefront would send for them.
//!
//! Everybody is made up: addresses are of `example.com`, names are left out.

use serde_json::{Value, json};

use super::dice::Dice;
use super::motive::Motive;
use crate::domain::Stage;

/// Title and price in minor units.
const CATALOGUE: &[(&str, u64)] = &[
    ("Linen shirt", 3_990),
    ("Rain jacket", 11_900),
    ("Wool socks, 3 pairs", 2_490),
    ("Trail shoes", 12_950),
    ("Day pack", 6_900),
    ("Enamel mug", 1_890),
    ("Head torch", 4_450),
    ("Camping stove", 5_990),
];

/// Currency, country, locale, time zone.
const PLACES: &[(u64, [&str; 4])] = &[
    (44, ["EUR", "DE", "de-DE", "Europe/Berlin"]),
    (20, ["EUR", "FR", "fr-FR", "Europe/Paris"]),
    (16, ["EUR", "ES", "es-ES", "Europe/Madrid"]),
    (12, ["USD", "US", "en-US", "America/New_York"]),
    (8, ["GBP", "GB", "en-GB", "Europe/London"]),
];

/// A shopper and their cart.
#[derive(Clone, Debug)]
pub struct Shopper {
    pub number: u64,
    pub cart_id: String,
    place: [&'static str; 4],
    /// Index into the catalogue, and how many.
    lines: Vec<(usize, u64)>,
    email: String,
    /// The storefront knows the address from the start.
    pub is_known: bool,
    consents: Option<&'static str>,
    /// Where and why they leave; `None` buys.
    pub leaves: Option<(Stage, &'static Motive)>,
    /// They have bought, or have made up their mind to, whatever we send.
    pub is_decided: bool,
    /// They wanted to pay and could not.
    pub was_turned_away: bool,
}

impl Shopper {
    /// Somebody, by the dice.
    pub fn arrive(number: u64, dice: &mut Dice) -> Self {
        let mut lines = vec![(roll_product(dice), dice.between(1, 2))];
        while lines.len() < 4 && dice.percent(38) {
            let product = roll_product(dice);
            if lines.iter().all(|(known, _)| *known != product) {
                lines.push((product, 1));
            }
        }
        let fates = [
            (30, None),
            (36, Some(Stage::Cart)),
            (9, Some(Stage::Contact)),
            (12, Some(Stage::Shipping)),
            (13, Some(Stage::Payment)),
        ];
        let leaves = dice.pick(&fates).map(|stage| (stage, dice.pick(Motive::of(stage))));
        Self {
            number,
            cart_id: format!("c-{number:04}"),
            place: *dice.pick(PLACES),
            lines,
            email: format!("shopper-{number:04}@example.com"),
            is_known: dice.percent(40),
            consents: *dice.pick(&[(86, Some("granted")), (7, Some("denied")), (7, None)]),
            leaves,
            is_decided: false,
            was_turned_away: false,
        }
    }

    /// The same person with the same things on another device: another cart.
    pub fn on_the_phone(&self) -> Self {
        Self { cart_id: format!("{}-phone", self.cart_id), is_known: true, leaves: None, ..self.clone() }
    }

    pub fn subtotal(&self) -> u64 {
        self.lines.iter().map(|(product, quantity)| CATALOGUE[*product].1 * quantity).sum()
    }

    /// With shipping, at 6 % of the subtotal.
    pub fn total(&self) -> u64 {
        self.subtotal() + self.shipping()
    }

    pub fn shipping(&self) -> u64 {
        self.subtotal() * 6 / 100
    }

    /// Whether there is more than one line.
    pub const fn has_more_lines(&self) -> bool {
        self.lines.len() > 1
    }

    /// The whole cart at the cart page; at first with one line only.
    pub fn snapshot(&self, line_count: usize) -> Value {
        let lines = self.lines.iter().take(line_count).map(|(product, quantity)| {
            let (title, price) = CATALOGUE[*product];
            json!({
                "id": format!("line-{product}"), "product_id": format!("p-{product}"), "title": title,
                "quantity": quantity, "unit_price_minor": price,
            })
        });
        let mut body = json!({
            "currency": self.place[0],
            "stage": "cart",
            "items": lines.collect::<Vec<_>>(),
            "shopper": {"country": self.place[1], "locale": self.place[2], "time_zone": self.place[3]},
            "checkout_url": format!("https://shop.example/checkout/{}", self.cart_id),
        });
        if self.is_known {
            body["shopper"]["email"] = json!(self.email);
            body["consent"] = self.consent();
        }
        body
    }

    /// A step on: the stage, and what the shopper has told by then.
    pub fn step_to(&self, stage: Stage) -> Value {
        let mut body = json!({"stage": stage.as_str()});
        if stage == Stage::Shipping {
            body["shopper"] = json!({"email": self.email});
            body["consent"] = self.consent();
        }
        if stage == Stage::Payment {
            body["totals"] = json!({
                "subtotal_minor": self.subtotal(), "shipping_minor": self.shipping(), "total_minor": self.total(),
            });
        }
        body
    }

    /// The paid order.
    pub fn order(&self) -> Value {
        let items = self
            .lines
            .iter()
            .map(|(product, quantity)| json!({"product_id": format!("p-{product}"), "quantity": quantity}));
        json!({
            "order_id": format!("o-{}", self.cart_id.trim_start_matches("c-")), "cart_id": self.cart_id,
            "status": "paid", "currency": self.place[0], "total_minor": self.total(),
            "items": items.collect::<Vec<_>>(), "shopper": {"email": self.email},
        })
    }

    fn consent(&self) -> Value {
        let said = self.consents.map(
            |status| json!({"channel": "email", "status": status, "basis": "opt_in", "source": "checkout checkbox"}),
        );
        json!(said.into_iter().collect::<Vec<_>>())
    }
}

fn roll_product(dice: &mut Dice) -> usize {
    let end = u64::try_from(CATALOGUE.len()).unwrap_or(1) - 1;
    usize::try_from(dice.between(0, end)).unwrap_or(0)
}
