//! Merging two carts at a login: what one holds goes to the other, and nothing is lost.
//!
//! Lines of the same product, variant and sku become one with the larger quantity: the shopper put the thing into both
//! carts, and did not ask for the sum. What the target knows about the shopper stands, the source fills the gaps. The
//! source ends as `MergedInto` only after the target has it all, and the target takes a cart once, so a repeat after a
//! crash finishes what the first try began.

use super::cart::Cart;
use super::content::{Content, Item, Shopper, Totals};
use super::id::CartId;

/// How many lines a cart has at most.
pub const LINES_MAX: usize = 200;
/// How many carts a cart remembers to have taken.
const ABSORBED_MAX: usize = 16;

impl Cart {
    /// Whether it took this cart before.
    #[must_use]
    pub fn has_absorbed(&self, other: &CartId) -> bool {
        self.past.absorbed.contains(other)
    }

    /// Takes the content of another cart; whether the lines changed.
    pub fn absorb(&mut self, other: &CartId, content: &Content) -> bool {
        if self.past.absorbed.len() == ABSORBED_MAX {
            self.past.absorbed.remove(0);
        }
        self.past.absorbed.push(other.clone());
        let items = union(&self.content.items, &content.items);
        let is_new = items != self.content.items;
        if is_new {
            // No storefront has shown a sum of both.
            self.content.totals = Totals::default();
            self.content.items = items;
        }
        let Content { shopper, consent, checkout_url, coupons, attributes, .. } = content;
        self.content.shopper = std::mem::take(&mut self.content.shopper).filled_from(shopper);
        let mut consents: Vec<_> = consent.iter().filter(|entry| !self.says(entry.channel)).cloned().collect();
        self.content.consent.append(&mut consents);
        self.content.checkout_url = self.content.checkout_url.take().or_else(|| checkout_url.clone());
        for coupon in coupons {
            if !self.content.coupons.contains(coupon) && self.content.coupons.len() < COUPONS_MAX {
                self.content.coupons.push(coupon.clone());
            }
        }
        for (name, value) in attributes {
            if self.content.attributes.len() < super::decide::ATTRIBUTES_MAX {
                self.content.attributes.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        is_new
    }

    fn says(&self, channel: super::content::Channel) -> bool {
        self.content.consent.iter().any(|entry| entry.channel == channel)
    }
}

const COUPONS_MAX: usize = 16;

/// The lines of both, those of the first in their order.
#[must_use]
pub fn union(ours: &[Item], theirs: &[Item]) -> Vec<Item> {
    let mut all = ours.to_vec();
    for item in theirs {
        let same = |known: &&mut Item| {
            (&known.product_id, &known.variant, &known.sku) == (&item.product_id, &item.variant, &item.sku)
        };
        match all.iter_mut().find(same) {
            Some(known) => known.quantity = known.quantity.max(item.quantity),
            None => all.push(item.clone()),
        }
    }
    all
}

impl Shopper {
    /// The shopper, with what the other knows where this one does not.
    #[must_use]
    pub fn filled_from(self, other: &Self) -> Self {
        let or = |known: Option<_>, other: &Option<_>| known.or_else(|| other.clone());
        let text = |known: Option<String>, other: &Option<String>| known.or_else(|| other.clone());
        Self {
            email: or(self.email, &other.email),
            phone: or(self.phone, &other.phone),
            customer_id: or(self.customer_id, &other.customer_id),
            anonymous_id: or(self.anonymous_id, &other.anonymous_id),
            first_name: or(self.first_name, &other.first_name),
            locale: text(self.locale, &other.locale),
            time_zone: text(self.time_zone, &other.time_zone),
            country: text(self.country, &other.country),
            existing_customer: self.existing_customer.or(other.existing_customer),
        }
    }
}
