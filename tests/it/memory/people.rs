//! What the store in memory knows under hashes of identifiers: purchases, and carts.

use cartwake::domain::{CartId, IdentifierHash, Moment, OrderId, Person, PurchaseMark, ShopId};

use super::Book;

/// The most carts that one look gives.
const CARTS_MAX: usize = 200;

impl Book {
    pub fn enroll(&mut self, shop: &ShopId, hashes: &[IdentifierHash], cart: &CartId, until: Moment) {
        for hash in hashes {
            let carts = self.enrolled.entry((shop.clone(), *hash)).or_default();
            let known = carts.entry(cart.clone()).or_insert(until);
            *known = until.max(*known);
        }
    }

    pub fn person(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> Person {
        let mut person = Person::nobody();
        for hash in hashes {
            let marks = self.marks.get(&(shop.clone(), *hash)).into_iter().flat_map(|marks| marks.values());
            for (mark, until) in marks {
                if *until > now && !person.marks.contains(mark) {
                    person.marks.push(mark.clone());
                }
            }
        }
        person
    }

    /// Leaves a purchase on each, where it is not known to be paid already.
    pub fn mark(&mut self, shop: &ShopId, hashes: &[IdentifierHash], mark: &PurchaseMark, until: Moment) {
        for hash in hashes {
            let marks = self.marks.entry((shop.clone(), *hash)).or_default();
            if mark.paid || !marks.get(&mark.order).is_some_and(|(known, _)| known.paid) {
                marks.insert(mark.order.clone(), (mark.clone(), until));
            }
        }
    }

    pub fn unmark(&mut self, shop: &ShopId, hashes: &[IdentifierHash], order: &OrderId) {
        for hash in hashes {
            if let Some(marks) = self.marks.get_mut(&(shop.clone(), *hash)) {
                marks.retain(|id, (mark, _)| id != order || mark.paid);
            }
        }
    }

    /// Those kept longest first.
    pub fn carts_of(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> Vec<CartId> {
        let mut found: Vec<CartId> = Vec::new();
        for hash in hashes {
            let Some(carts) = self.enrolled.get(&(shop.clone(), *hash)) else { continue };
            let mut known: Vec<_> = carts.iter().filter(|(_, until)| **until > now).collect();
            known.sort_by_key(|(_, until)| std::cmp::Reverse(**until));
            for (cart, _) in known {
                if found.len() < CARTS_MAX && !found.contains(cart) {
                    found.push(cart.clone());
                }
            }
        }
        found
    }
}
