//! What was used lately, kept to be used again. Bounded: of two halves the older one goes.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Values by their key.
pub struct Lately<K, V> {
    /// How many each half holds.
    half_max: usize,
    halves: Mutex<Halves<K, V>>,
}

struct Halves<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash, V: Clone> Lately<K, V> {
    /// Nothing yet; never more than twice as many as this.
    pub fn new(half_max: usize) -> Self {
        Self { half_max, halves: Mutex::new(Halves { young: HashMap::new(), old: HashMap::new() }) }
    }

    pub fn get(&self, key: &K) -> Option<V> {
        let halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        halves.young.get(key).or_else(|| halves.old.get(key)).cloned()
    }

    pub fn put(&self, key: K, value: V) {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if halves.young.len() >= self.half_max && !halves.young.contains_key(&key) {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(key, value);
    }

    pub fn forget(&self, key: &K) {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        halves.young.remove(key);
        halves.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_pushes_out_what_is_old_and_an_update_nothing() {
        let lately = Lately::new(2);
        for n in 0..5 {
            lately.put(n, n);
        }
        assert_eq!((0..5).filter(|n| lately.get(n).is_some()).collect::<Vec<_>>(), [2, 3, 4]);
        lately.put(4, 40);
        lately.put(5, 5);
        lately.put(5, 50);
        assert_eq!((2..6).filter_map(|n| lately.get(&n)).collect::<Vec<_>>(), [2, 3, 40, 50]);
        lately.forget(&4);
        assert_eq!(lately.get(&4), None);
    }
}
