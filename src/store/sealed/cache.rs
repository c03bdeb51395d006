//! Keys used lately, so that a burst of reminders asks the keyring once. Bounded: of two halves the older one goes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Kept;
use crate::store::KeyName;

/// How many keys each half holds.
const HALF_MAX: usize = 8_192;

#[derive(Default)]
struct Halves {
    young: HashMap<KeyName, Kept>,
    old: HashMap<KeyName, Kept>,
}

#[derive(Default)]
pub(super) struct Cache(Mutex<Halves>);

impl Cache {
    pub(super) fn get(&self, name: KeyName) -> Option<Kept> {
        let halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        halves.young.get(&name).or_else(|| halves.old.get(&name)).copied()
    }

    pub(super) fn put(&self, name: KeyName, kept: Kept) {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if halves.young.len() >= HALF_MAX {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(name, kept);
    }

    pub(super) fn forget(&self, name: KeyName) {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        halves.young.remove(&name);
        halves.old.remove(&name);
    }
}
