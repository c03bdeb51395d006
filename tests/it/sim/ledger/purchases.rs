//! Promise 1: an order that was answered is never followed by the start of a reminder for what it covers.
//!
//! What an order covers is judged here by the words of the promise, not by the marks that the engine leaves: the cart it
//! names, and every cart of that person whose lines it bought. A cart that changes afterwards is judged anew.

use std::collections::BTreeSet;

use cartwake::domain::{
    Applied, Cart, CartId, Delivery, Identifier, Moment, OrderId, OrderNews, OrderStatus, PurchaseMark, Shopper,
};
use cartwake::store::{InFlight, OrderReceipt};

use super::Ledger;
use crate::memory::Book;

/// An order that is paid or on its way, as it was acknowledged.
pub struct Acknowledged {
    status: OrderStatus,
    mark: PurchaseMark,
    /// The cart it names, when that cart was made, and when its lines had last changed.
    named: Option<(CartId, Moment, Moment)>,
    /// The person, as far as the order and the carts it led to said.
    person: BTreeSet<String>,
}

impl Acknowledged {
    fn covers(&self, cart: &Cart) -> bool {
        // A payment on its way is for the lines as they were; a paid cart stays closed whatever becomes of them.
        let is_named = self.named.as_ref().is_some_and(|(id, made_at, changed_at)| {
            let is_same = *id == cart.id && *made_at == cart.created_at;
            is_same && (self.status == OrderStatus::Paid || *changed_at == cart.items_changed_at)
        });
        is_named || (self.mark.settles(cart) && !self.person.is_disjoint(&names(&cart.content.shopper)))
    }
}

/// Who was behind an order when it came in, and when that was.
pub struct Asked {
    step: u64,
    person: BTreeSet<String>,
}

/// Since when an order covers a cart.
pub struct Cover {
    step: u64,
    /// Covered when the order was answered: not even a send that had begun may start. Otherwise the cart came to be
    /// covered by its own change, and the next look must see it.
    by_answer: bool,
}

pub(super) fn names(shopper: &Shopper) -> BTreeSet<String> {
    Identifier::of(shopper).iter().map(|one| format!("{}:{}", one.kind, one.text.reveal())).collect()
}

/// The person behind an order, one step further than it says, as `engine/orders.rs` promises.
fn person_of(news: &OrderNews, book: &Book) -> BTreeSet<String> {
    let mut person = names(&news.shopper);
    let named = book.carts.values().filter(|row| news.cart.as_ref() == Some(&row.cart.id));
    person.extend(named.flat_map(|row| names(&row.cart.content.shopper)));
    let mut further = person.clone();
    for row in book.carts.values() {
        let theirs = names(&row.cart.content.shopper);
        if !theirs.is_disjoint(&person) {
            further.extend(theirs);
        }
    }
    further
}

impl Ledger {
    /// A failed payment is on its way in: from now on the carts of this order may be open again.
    fn order_may_fail(&mut self, id: &OrderId) {
        if self.orders.get(id).is_none_or(|order| order.status != OrderStatus::Paid) {
            self.orders.remove(id);
            self.covered.retain(|(_, order, _), _| order != id);
            self.failed.insert(id.clone());
            if self.marked.get(id).is_some_and(|(_, mark)| !mark.paid) {
                self.marked.remove(id);
            }
        }
    }

    /// An order is on its way in.
    pub fn order_comes(&mut self, news: &OrderNews, book: &Book) -> Asked {
        if news.status == OrderStatus::Failed {
            self.order_may_fail(&news.id);
        }
        self.buyers.insert(news.id.clone(), names(&news.shopper));
        Asked { step: self.step, person: person_of(news, book) }
    }

    /// A purchase was left on its buyer, answered or not.
    pub fn marked(&mut self, mark: &PurchaseMark) {
        if mark.paid || !self.failed.contains(&mark.order) {
            let known = self.marked.entry(mark.order.clone()).or_insert_with(|| (self.step, mark.clone()));
            known.1.paid |= mark.paid;
        }
        if mark.paid {
            self.marked_paid.entry(mark.order.clone()).or_insert(self.step);
        }
    }

    /// No send of a reminder starts after a look that could see a purchase of what is in the cart.
    pub(super) fn a_purchase_that_can_be_seen_is_seen(&mut self, delivery: &Delivery, begun: u64, cart: Option<&Cart>) {
        let Some(cart) = cart.filter(|_| delivery.is_reminder()) else { return };
        let of = names(&cart.content.shopper);
        let seen = self.marked.iter().find(|(order, (step, mark))| {
            let is_buyer = self.buyers.get(*order).is_some_and(|buyer| !buyer.is_disjoint(&of));
            // A payment on its way is what its own reminder is about.
            let seen_since = if delivery.is_of_payment() { self.marked_paid.get(*order) } else { Some(step) };
            is_buyer && seen_since.is_some_and(|step| *step < begun) && mark.settles(cart)
        });
        if let Some(how) = seen.map(|(order, _)| format!("{} starts, order {order} was marked before", delivery.id)) {
            self.broke("a purchase that can be seen is seen", &how);
        }
    }

    /// The engine answered an order.
    pub fn order_was_answered(
        &mut self,
        news: &OrderNews,
        receipt: &OrderReceipt,
        asked: &Asked,
        book: &Book,
        now: Moment,
    ) {
        self.count("orders answered");
        self.saw("in flight", &format_args!("{:?}", receipt.in_flight));
        let Some(mark) = news.mark().filter(|_| receipt.applied == Applied::Applied) else { return };
        if !mark.paid && self.failed.contains(&news.id) {
            return;
        }
        // A repeat gets the first answer: it looks for nobody who became known since.
        let is_repeat = self.orders_written.get(&news.id).is_none_or(|step| *step < asked.step);
        let now_known = if is_repeat { names(&news.shopper) } else { person_of(news, book) };
        let person = now_known.intersection(&asked.person).cloned().collect();
        let row = book.carts.values().find(|row| news.cart.as_ref() == Some(&row.cart.id));
        let named = row.map(|row| (row.cart.id.clone(), row.cart.created_at, row.cart.items_changed_at));
        let order = Acknowledged { status: news.status, mark, named, person };
        for row in book.carts.values().filter(|row| order.covers(&row.cart)) {
            let at = (row.cart.id.clone(), news.id.clone(), order.status == OrderStatus::Paid);
            if !is_repeat {
                self.nothing_arrives_that_was_not_told(&at.0, now, receipt.in_flight);
            }
            let may_start = receipt.in_flight == InFlight::Possible && self.is_being_sent(&at.0, now);
            let by_answer = !may_start;
            self.covered.entry(at).or_insert(Cover { step: self.step, by_answer });
        }
        self.orders.insert(news.id.clone(), order);
    }

    /// A cart that changed may no longer be what an order covers, or only now.
    pub(super) fn judge_cover(&mut self, id: &CartId, cart: Option<&Cart>) {
        for (order_id, order) in &self.orders {
            let at = (id.clone(), order_id.clone(), order.status == OrderStatus::Paid);
            if cart.is_some_and(|cart| order.covers(cart)) {
                self.covered.entry(at).or_insert(Cover { step: self.step, by_answer: false });
            } else {
                self.covered.remove(&at);
                self.covered.remove(&(at.0, at.1, !at.2));
            }
        }
    }

    /// No send of a reminder starts after an order that covers its cart was answered, nor after a look that had to see it.
    pub(super) fn a_buyer_is_never_reminded(&mut self, delivery: &Delivery, begun: u64) {
        if !delivery.is_reminder() {
            return;
        }
        let mut broken = None;
        for ((cart, order, is_paid), cover) in &self.covered {
            if *cart != delivery.cart || (delivery.is_of_payment() && !is_paid) {
                continue;
            }
            if cover.by_answer || cover.step < begun {
                let by = if cover.by_answer { "its answer" } else { "its change" };
                broken = Some(format!("{} starts for cart {cart}, bought by order {order}, since {by}", delivery.id));
            } else {
                self.possible += 1;
            }
        }
        if let Some(how) = broken {
            self.broke("a buyer is never reminded", &how);
        }
    }
}
