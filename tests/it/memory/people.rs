//! What the store in memory knows under hashes: notes, and carts.

use cartwake::domain::{CartId, IdentifierHash, Moment, Note, NoteKey, ShopId};

use super::Book;

/// The most carts that one look gives.
const CARTS_MAX: usize = 200;
/// Notes on one hash.
const NOTES_MAX: usize = 100;

impl Book {
    pub fn enroll(&mut self, shop: &ShopId, hashes: &[IdentifierHash], cart: &CartId, until: Moment) {
        for hash in hashes {
            let carts = self.enrolled.entry((shop.clone(), *hash)).or_default();
            let known = carts.entry(cart.clone()).or_insert(until);
            *known = until.max(*known);
        }
    }

    pub fn notes(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> Vec<Note> {
        let on = |hash: &IdentifierHash| self.notes.get(&(shop.clone(), *hash)).into_iter().flatten();
        let notes = hashes.iter().flat_map(on).filter(|(_, (_, until))| *until > now);
        notes.map(|(_, (note, _))| note.clone()).collect()
    }

    /// Leaves a note on each, where the one that is there gives way.
    pub fn note(&mut self, shop: &ShopId, hashes: &[IdentifierHash], note: &Note, until: Moment, now: Moment) {
        for hash in hashes {
            let notes = self.notes.entry((shop.clone(), *hash)).or_default();
            if notes.get(&note.key()).is_some_and(|(known, ends_at)| *ends_at > now && !note.replaces(known)) {
                continue;
            }
            notes.insert(note.key(), (note.clone(), until));
            while notes.len() > NOTES_MAX {
                let first = notes.iter().min_by_key(|(_, (_, until))| *until).map(|(key, _)| key.clone());
                first.map(|key| notes.remove(&key));
            }
        }
    }

    pub fn unnote(&mut self, shop: &ShopId, hashes: &[IdentifierHash], key: &NoteKey) {
        for hash in hashes {
            if let Some(notes) = self.notes.get_mut(&(shop.clone(), *hash)) {
                notes.retain(|id, (note, _)| id != key || !note.is_removable());
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
