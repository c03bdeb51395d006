//! A cart that was bought in part: the lines that an order covers go, and the rest stays alive with its sequence.
//!
//! The storefront of another device does not know of the order and sends the bought lines again; they are known by being
//! as they were, and stay out. A line that changed is wanted anew. Read next: `domain/decide.rs`, which calls this.

use super::cart::{Cart, State};
use super::content::{Content, Item, Totals};
use super::id::OrderId;
use super::money::Minor;
use super::person::{Person, PurchaseMark};

/// A line that left the cart because it was bought elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoughtLine {
    pub order: OrderId,
    pub item: Item,
}

/// How many bought lines a cart remembers.
const BOUGHT_MAX: usize = 200;

impl Cart {
    /// Takes out the lines that a purchase covers, when it covers some and not all; whether any went.
    pub fn trim(&mut self, mark: &PurchaseMark) -> bool {
        if mark.placed_at < self.items_changed_at || mark.covers_lines(self) {
            return false;
        }
        let is_bought = |item: &Item| mark.covers_line(item);
        let (gone, left): (Vec<Item>, Vec<Item>) = self.content.items.drain(..).partition(is_bought);
        self.content.items = left;
        if gone.is_empty() {
            return false;
        }
        self.content.totals = self.content.totals.without(&gone);
        let bought = gone.into_iter().map(|item| BoughtLine { order: mark.order.clone(), item });
        self.past.bought.extend(bought);
        let over = self.past.bought.len().saturating_sub(BOUGHT_MAX);
        self.past.bought.drain(..over);
        true
    }

    /// Leaves out what the person is known to have bought: of the rest a reminder may speak.
    pub fn leave_out_bought(&mut self, person: &Person) {
        if matches!(self.state, State::PaymentPending { .. }) {
            // What is bought of it is what its payment is for.
            return;
        }
        for mark in &person.marks {
            self.trim(mark);
        }
    }

    /// Puts back what an order took that was not paid in the end; whether anything came back.
    pub fn untrim(&mut self, order: &OrderId) -> bool {
        let (back, still): (Vec<_>, Vec<_>) = self.past.bought.drain(..).partition(|line| line.order == *order);
        self.past.bought = still;
        if back.is_empty() {
            return false;
        }
        self.content.items.extend(back.into_iter().map(|line| line.item));
        self.content.totals = Totals { shipping: self.content.totals.shipping, ..Totals::default() };
        true
    }

    /// The content that a storefront sends, without the lines that were bought elsewhere and are as they were.
    #[must_use]
    pub fn without_bought(&mut self, mut content: Content) -> Content {
        // What the storefront dropped or changed is no longer what was bought: if it comes again, it is wanted anew.
        self.past.bought.retain(|line| content.items.iter().any(|item| line.is_still(item)));
        let is_bought = |item: &Item| self.past.bought.iter().any(|line| line.is_still(item));
        let (gone, left): (Vec<Item>, Vec<Item>) = content.items.drain(..).partition(is_bought);
        content.items = left;
        if !gone.is_empty() {
            content.totals = content.totals.without(&gone);
        }
        content
    }
}

impl BoughtLine {
    fn is_still(&self, item: &Item) -> bool {
        let bought = &self.item;
        (&bought.product_id, &bought.variant, &bought.sku) == (&item.product_id, &item.variant, &item.sku)
            && item.quantity <= bought.quantity
    }
}

impl Totals {
    /// What is left of the sums when these lines are gone. Shipping and tax are the storefront's to say again.
    fn without(self, gone: &[Item]) -> Self {
        let worth =
            gone.iter().try_fold(Minor::default(), |sum, item| Some(sum.plus(item.unit_price?.times(item.quantity))));
        let Some(worth) = worth else { return Self { shipping: self.shipping, ..Self::default() } };
        let less = |sum: Option<Minor>| sum.map(|sum| sum.minus(worth));
        Self { subtotal: less(self.subtotal), total: less(self.total), tax: None, tax_included: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::{CartId, Covers, Currency, Moment, ProductId, Program, ShopId, Stage, What};
    use crate::domain::{Input, decide};

    fn item(product: &str, quantity: u32) -> Item {
        Item {
            id: None,
            product_id: ProductId::parse(product).expect("an id"),
            sku: None,
            title: None,
            variant: None,
            quantity,
            unit_price: Minor::new(100).ok(),
            url: None,
            image_url: None,
            in_stock: None,
        }
    }

    fn content(items: &[(&str, u32)]) -> Content {
        let items = items.iter().map(|(product, quantity)| item(product, *quantity)).collect();
        let totals = Totals { total: Minor::new(1_000).ok(), ..Totals::default() };
        Content { items, totals, ..Content::empty(Currency::parse("EUR").expect("a code")) }
    }

    fn cart(items: &[(&str, u32)]) -> Cart {
        let (shop, id) = (ShopId::parse("s").expect("a slug"), CartId::parse("c").expect("an id"));
        let what = What::Snapshot { stage: Stage::Cart, content: Box::new(content(items)) };
        let now = Moment::from_millis(0);
        let input = Input { at: now, revision: None, what, unmapped: None };
        let decision = decide((&shop, &id), None, &input, &Person::nobody(), now, &Program::default());
        decision.expect("a snapshot makes a cart").cart.expect("a cart")
    }

    fn mark(order: &str, products: &[&str]) -> PurchaseMark {
        let products: BTreeSet<_> = products.iter().map(|p| ProductId::parse(p).expect("an id")).collect();
        let order = OrderId::parse(order).expect("an id");
        PurchaseMark { order, placed_at: Moment::from_millis(5), covers: Covers::Products(products), paid: true }
    }

    fn lines(content: &Content) -> Vec<(&str, u32)> {
        content.items.iter().map(|item| (item.product_id.as_str(), item.quantity)).collect()
    }

    #[test]
    fn what_was_bought_goes_and_the_rest_stays() {
        let mut cart = cart(&[("a", 1), ("b", 2)]);
        assert!(!cart.trim(&mark("o", &["x"])) && !cart.trim(&mark("o", &["a", "b"])), "nothing of it, or all of it");
        assert!(cart.trim(&mark("o", &["a", "x"])));
        assert_eq!(lines(&cart.content), [("b", 2)]);
        assert_eq!(cart.content.value(), Minor::new(900).expect("in range"));
        assert!(!cart.trim(&mark("o", &["a"])), "twice is once");
    }

    #[test]
    fn a_bought_line_that_is_sent_again_stays_out_and_one_that_changed_comes_back() {
        let mut cart = cart(&[("a", 1), ("b", 2)]);
        cart.trim(&mark("o", &["a"]));
        assert_eq!(lines(&cart.without_bought(content(&[("a", 1), ("b", 3)]))), [("b", 3)]);
        assert_eq!(lines(&cart.without_bought(content(&[("a", 2), ("b", 3)]))), [("a", 2), ("b", 3)]);
        assert_eq!(lines(&cart.without_bought(content(&[("a", 1)]))), [("a", 1)], "it was wanted anew before");
    }

    #[test]
    fn what_was_not_paid_comes_back() {
        let mut cart = cart(&[("a", 1), ("b", 2)]);
        cart.trim(&mark("o", &["a"]));
        assert!(!cart.untrim(&OrderId::parse("other").expect("an id")));
        assert!(cart.untrim(&OrderId::parse("o").expect("an id")));
        assert_eq!(lines(&cart.content), [("b", 2), ("a", 1)]);
    }
}
