//! What is due and known to be: carts that a look at the store found, until they are decided on.
//!
//! Several batches are decided on side by side, and no cart is in two of them. While more is due than one look holds, a look
//! finds several batches at once, and the next one is made before they are used up: nobody waits for it.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::{CartId, ShopId};

/// A cart, and whose it is.
pub(super) type Due = (ShopId, CartId);

/// Carts that are due.
#[derive(Default)]
pub(super) struct Found(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    /// Found, and not taken yet.
    waiting: VecDeque<Due>,
    /// These, and what is being decided on: no look is to find it again.
    busy: HashSet<Due>,
    /// What was decided on since the look under way began, which may still find it as it was then.
    until_lately: HashSet<Due>,
    /// Whether the last look left something in the store.
    is_behind: bool,
}

/// Carts that one batch decides on.
pub(super) struct Taken<'a> {
    found: &'a Found,
    pub carts: Vec<Due>,
    /// Whether there is hardly more.
    pub is_all: bool,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut inside = self.found.inside();
        for cart in self.carts.drain(..) {
            inside.busy.remove(&cart);
            inside.until_lately.insert(cart);
        }
    }
}

impl Found {
    /// Whether the last look left something in the store.
    pub(super) fn is_behind(&self) -> bool {
        self.inside().is_behind
    }

    /// Whether a look is to be made before so many are taken.
    pub(super) fn runs_out(&self, of: usize) -> bool {
        let inside = self.inside();
        inside.waiting.is_empty() || (inside.is_behind && inside.waiting.len() < of)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inside().waiting.is_empty()
    }

    /// A look begins; how many it will find that are known.
    pub(super) fn begin_look(&self) -> usize {
        let mut inside = self.inside();
        inside.until_lately.clear();
        inside.busy.len()
    }

    /// What a look found, and whether it left something.
    pub(super) fn end_look(&self, carts: Vec<Due>, is_behind: bool) {
        let mut inside = self.inside();
        inside.is_behind = is_behind;
        for cart in carts {
            if !inside.until_lately.contains(&cart) && inside.busy.insert(cart.clone()) {
                inside.waiting.push_back(cart);
            }
        }
    }

    /// Takes as many of those that wait.
    pub(super) fn take(&self, most: usize) -> Taken<'_> {
        let mut inside = self.inside();
        let count = most.min(inside.waiting.len());
        let carts = inside.waiting.drain(..count).collect();
        Taken { found: self, carts, is_all: !inside.is_behind && inside.waiting.is_empty() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(names: &str) -> Vec<Due> {
        let shop = ShopId::parse("s").expect("a literal id");
        names.chars().map(|name| (shop.clone(), CartId::parse(&name.to_string()).expect("a literal id"))).collect()
    }

    fn look(found: &Found, names: &str, is_behind: bool) {
        found.begin_look();
        found.end_look(due(names), is_behind);
    }

    #[test]
    fn what_one_batch_has_no_other_gets() {
        let found = Found::default();
        look(&found, "abc", true);
        let one = found.take(2);
        assert_eq!((one.carts.as_slice(), one.is_all), (due("ab").as_slice(), false));
        assert!(found.runs_out(2), "one is left, and more in the store");
        assert_eq!(found.begin_look(), 3, "known, and not to be counted as news");
        found.end_look(due("abcd"), false);
        let other = found.take(9);
        assert_eq!((other.carts.as_slice(), other.is_all), (due("cd").as_slice(), true));
    }

    #[test]
    fn what_was_decided_on_during_a_look_is_found_by_the_next_one_only() {
        let found = Found::default();
        look(&found, "a", false);
        let one = found.take(1);
        found.begin_look();
        drop(one);
        found.end_look(due("a"), false);
        assert!(found.is_empty(), "it was seen as it was before");
        look(&found, "a", false);
        assert_eq!(found.take(1).carts, due("a"), "still due: it could not be decided on");
    }

    #[test]
    fn nobody_looks_while_enough_waits_or_nothing_is_left_in_the_store() {
        let found = Found::default();
        assert!(found.runs_out(1));
        look(&found, "ab", true);
        assert!(!found.runs_out(2) && found.runs_out(3));
        look(&found, "", false);
        assert!(!found.runs_out(3), "what waits is all there is");
    }
}
