//! Who is in front of a cart, without saying so: identifiers, their hashes, and what was bought under them.
//!
//! Indexes hold only keyed hashes of identifiers; the key belongs to the store and the hashing to the engine. A purchase
//! leaves a mark on each identifier of the buyer, and a mark is what stops a reminder at the last moment; so does an
//! opt-out. Read next: `domain/note.rs`, for what is remembered and how.

use std::collections::BTreeSet;
use std::time::Duration;

use super::cart::Cart;
use super::content::{Channel, Item, PersonalText, Shopper};
use super::id::{OrderId, ProductId};
use super::names::named;
use super::note::{Exposure, Granted, Note, OptOut, Reminded};
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
    /// Every identifier a shopper gives, the one that says most about who they are first: mail addresses in lower case,
    /// phone numbers as digits.
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
        !cart.content.items.is_empty() && cart.content.items.iter().all(|item| self.covers_line(item))
    }

    /// Whether this line is among what was bought.
    #[must_use]
    pub fn covers_line(&self, item: &Item) -> bool {
        match &self.covers {
            Covers::Everything => true,
            Covers::Products(products) => products.contains(&item.product_id),
        }
    }

    /// Whether this purchase takes something out of the cart: all of it, or some of its lines.
    #[must_use]
    pub fn touches(&self, cart: &Cart) -> bool {
        self.placed_at >= cart.items_changed_at && cart.content.items.iter().any(|item| self.covers_line(item))
    }
}

/// What the shopper's identifiers are known for in this shop: the union of their notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub marks: Vec<PurchaseMark>,
    pub opt_outs: Vec<OptOut>,
    /// Each reminder once.
    pub reminded: Vec<Reminded>,
    /// Each experiment once.
    pub exposures: Vec<Exposure>,
    /// The incentives they got, each reminder once.
    pub granted: Vec<Granted>,
    /// Further identifiers of the same person.
    pub links: BTreeSet<IdentifierHash>,
    /// The strongest identifier of the cart we look at: where experiments put them.
    pub who: Option<IdentifierHash>,
}

impl Person {
    /// Nobody known.
    #[must_use]
    pub fn nobody() -> Self {
        Self::default()
    }

    /// Adds what is known under one more identifier. Of two notes about one thing the one stays that would have stayed
    /// under one identifier; of two exposures to one experiment the earlier.
    pub fn learn(&mut self, note: Note) {
        match note {
            Note::Purchase(mark) => match self.marks.iter_mut().find(|known| known.order == mark.order) {
                // One identifier may have heard of the payment before another.
                Some(known) if mark.paid && !known.paid => *known = mark,
                Some(_) => {}
                None => self.marks.push(mark),
            },
            Note::OptedOut(opt_out) => {
                if !self.opt_outs.iter().any(|known| known.channel == opt_out.channel) {
                    self.opt_outs.push(opt_out);
                }
            }
            Note::Reminded(reminded) => {
                match self.reminded.iter_mut().find(|known| known.reminder == reminded.reminder) {
                    Some(known) if reminded.at > known.at => *known = reminded,
                    Some(_) => {}
                    None => self.reminded.push(reminded),
                }
            }
            Note::Exposed(exposure) => {
                match self.exposures.iter_mut().find(|known| known.experiment == exposure.experiment) {
                    Some(known) if (exposure.at, &exposure.cart) < (known.at, &known.cart) => *known = exposure,
                    Some(_) => {}
                    None => self.exposures.push(exposure),
                }
            }
            Note::Granted(granted) => {
                if !self.granted.iter().any(|known| known.to == granted.to) {
                    self.granted.push(granted);
                }
            }
            Note::Linked(hash) => {
                self.links.insert(hash);
            }
            // Of products, codes and exposures, not of people.
            Note::Stock(_) | Note::Reserved(_) | Note::Decided(_) => {}
        }
    }

    /// Whether the person wants no reminders on this channel.
    #[must_use]
    pub fn opted_out_of(&self, channel: Channel) -> bool {
        self.opt_outs.iter().any(|opt_out| opt_out.channel.is_none_or(|of| of == channel))
    }

    /// Whether they have bought here before, as far as we or the storefront know.
    #[must_use]
    pub fn is_customer(&self, shopper: &Shopper) -> bool {
        shopper.existing_customer == Some(true) || self.marks.iter().any(|mark| mark.paid)
    }

    /// The purchase that settles this cart, a paid one before one on its way.
    #[must_use]
    pub fn purchase_settling(&self, cart: &Cart) -> Option<&PurchaseMark> {
        self.marks.iter().filter(|mark| mark.settles(cart)).max_by_key(|mark| mark.paid)
    }

    /// The exposures of which a paid order placed at `at` may be the first outcome: inside the window after the person came
    /// into the experiment. Which order is, is for the first of them to say that is heard of (`engine/orders.rs`): orders
    /// arrive in any order, and each person counts once.
    pub fn exposures_open_at(&self, at: Moment, window: Duration) -> impl Iterator<Item = &Exposure> {
        self.exposures.iter().filter(move |exposure| exposure.at <= at && at <= exposure.at.plus(window))
    }

    /// Whether a paid order other than this one came before `at`.
    #[must_use]
    pub fn bought_before(&self, order: &OrderId, at: Moment) -> bool {
        self.marks.iter().any(|mark| mark.paid && mark.order != *order && mark.placed_at <= at)
    }
}

impl FromIterator<Note> for Person {
    fn from_iter<I: IntoIterator<Item = Note>>(notes: I) -> Self {
        let mut person = Self::nobody();
        notes.into_iter().for_each(|note| person.learn(note));
        person.marks.sort_by(|a, b| (a.placed_at, &a.order).cmp(&(b.placed_at, &b.order)));
        person
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_known_under_one_identifier_is_known_of_the_person() {
        let order = OrderId::parse("o-1").expect("a literal id");
        let mark = |paid| PurchaseMark {
            order: order.clone(),
            placed_at: Moment::from_millis(5),
            covers: Covers::Everything,
            paid,
        };
        for (first, second) in [(true, false), (false, true), (true, true)] {
            let person: Person = [Note::Purchase(mark(first)), Note::Purchase(mark(second))].into_iter().collect();
            assert_eq!(person.marks, [mark(true)]);
        }
    }

    #[test]
    fn spellings_of_one_identifier_become_one() {
        let email = |text| Identifier::new(IdentifierKind::Email, text).expect("has substance");
        assert_eq!(email(" Joe@Example.COM "), email("joe@example.com"));
        let phone = |text| Identifier::new(IdentifierKind::Phone, text).expect("has substance");
        assert_eq!(phone("+49 (151) 123-45"), phone("004915112345"));
        assert_eq!(Identifier::new(IdentifierKind::Phone, "n/a"), None);
    }
}
