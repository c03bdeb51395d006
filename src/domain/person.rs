//! Who is in front of a cart, without saying so: identifiers, their hashes, and what was bought under them.
//!
//! Indexes hold only keyed hashes of identifiers; the key belongs to the store and the hashing to the engine. A purchase
//! leaves a mark on each identifier of the buyer, and a mark is what stops a reminder at the last moment.

use std::collections::BTreeSet;

use super::cart::Cart;
use super::content::{PersonalText, Shopper};
use super::id::{OrderId, ProductId};
use super::names::named;
use super::time::Moment;

named! {
    /// What kind of identifier it is.
    pub enum IdentifierKind {
        Email = "email",
        Phone = "phone",
        Customer = "customer",
        Anonymous = "anonymous",
    }
}

/// One way to recognise a shopper, normalised so that the same person gives the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    pub kind: IdentifierKind,
    pub text: PersonalText,
}

impl Identifier {
    /// Every identifier a shopper gives: mail addresses in lower case, phone numbers as digits.
    #[must_use]
    pub fn of(shopper: &Shopper) -> Vec<Self> {
        let given = [
            (IdentifierKind::Email, &shopper.email),
            (IdentifierKind::Phone, &shopper.phone),
            (IdentifierKind::Customer, &shopper.customer_id),
            (IdentifierKind::Anonymous, &shopper.anonymous_id),
        ];
        given.into_iter().filter_map(|(kind, text)| Self::new(kind, text.as_ref()?.reveal())).collect()
    }

    /// Normalises; nothing is left of a text without substance.
    #[must_use]
    pub fn new(kind: IdentifierKind, text: &str) -> Option<Self> {
        let text = match kind {
            IdentifierKind::Email => text.trim().to_lowercase(),
            IdentifierKind::Phone => {
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                digits.strip_prefix("00").map_or_else(|| digits.clone(), str::to_owned)
            }
            IdentifierKind::Customer | IdentifierKind::Anonymous => text.trim().to_owned(),
        };
        (!text.is_empty()).then(|| Self { kind, text: PersonalText::new(&text) })
    }
}

/// A keyed hash of a shop's identifier: what indexes hold instead of the identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentifierHash(pub [u8; 16]);

/// What an order paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Covers {
    /// The order did not say, so it covers whatever was in the cart.
    Everything,
    /// These products only.
    Products(BTreeSet<ProductId>),
}

/// A purchase, as remembered on an identifier of the buyer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurchaseMark {
    pub order: OrderId,
    /// When it was placed, by the storefront's clock.
    pub placed_at: Moment,
    pub covers: Covers,
    /// Paid; otherwise the payment is still on its way.
    pub paid: bool,
}

impl PurchaseMark {
    /// Whether this purchase settles what is in the cart: placed after the lines last changed, and covering them all.
    #[must_use]
    pub fn settles(&self, cart: &Cart) -> bool {
        self.placed_at >= cart.items_changed_at && self.covers_lines(cart)
    }

    /// Whether every line of the cart is among what was bought. An empty cart has nothing to cover.
    #[must_use]
    pub fn covers_lines(&self, cart: &Cart) -> bool {
        !cart.content.items.is_empty()
            && match &self.covers {
                Covers::Everything => true,
                Covers::Products(products) => cart.content.items.iter().all(|i| products.contains(&i.product_id)),
            }
    }
}

/// What the shopper's identifiers are known for in this shop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub marks: Vec<PurchaseMark>,
}

impl Person {
    /// Nobody known.
    #[must_use]
    pub const fn nobody() -> Self {
        Self { marks: Vec::new() }
    }

    /// The purchase that settles this cart, a paid one before one on its way.
    #[must_use]
    pub fn purchase_settling(&self, cart: &Cart) -> Option<&PurchaseMark> {
        self.marks.iter().filter(|mark| mark.settles(cart)).max_by_key(|mark| mark.paid)
    }

    /// Whether a paid order other than this one came before `at`.
    #[must_use]
    pub fn bought_before(&self, order: &OrderId, at: Moment) -> bool {
        self.marks.iter().any(|mark| mark.paid && mark.order != *order && mark.placed_at <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_identifier_become_one() {
        let email = |text| Identifier::new(IdentifierKind::Email, text).expect("has substance");
        assert_eq!(email(" Joe@Example.COM "), email("joe@example.com"));
        let phone = |text| Identifier::new(IdentifierKind::Phone, text).expect("has substance");
        assert_eq!(phone("+49 (151) 123-45"), phone("004915112345"));
        assert_eq!(Identifier::new(IdentifierKind::Phone, "n/a"), None);
    }
}
