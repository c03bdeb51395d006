//! Who a person is: the identifiers of a cart, and those that are linked to them.
//!
//! Two identifiers are linked when a cart has both, or when an order or the storefront says so. A device is not a person:
//! an anonymous id links nobody by itself, for families share them. Links are followed two steps and to 16 identifiers,
//! so that no chain of mistakes makes a crowd one person. Never here: what is remembered; that is `domain/note.rs`.

use std::collections::BTreeSet;

use super::inbox::Engine;
use crate::domain::{CartId, Identifier, IdentifierHash, IdentifierKind, Moment, Note, Person, ShopId, Shopper};
use crate::store::{Asked, StoreResult};

/// How many links in a row are followed.
pub(super) const STEPS_MAX: usize = 2;
/// How many identifiers a person has at most.
const IDENTIFIERS_MAX: usize = 16;

/// A person on the way to being known.
struct Known {
    person: Person,
    identifiers: BTreeSet<IdentifierHash>,
    notes: Vec<Note>,
}

impl Known {
    fn of(hashes: &[IdentifierHash], notes: Vec<Note>) -> Self {
        let mut known = Self { person: Person::nobody(), identifiers: hashes.iter().copied().collect(), notes };
        known.person = known.so_far(hashes.first().copied());
        known
    }

    fn so_far(&self, who: Option<IdentifierHash>) -> Person {
        Person { who, ..self.notes.iter().cloned().collect() }
    }

    /// The identifiers linked to those known, as far as there is room for them; known from now on.
    fn next(&mut self) -> Vec<IdentifierHash> {
        let room = IDENTIFIERS_MAX.saturating_sub(self.identifiers.len());
        let new: Vec<_> = self.person.links.difference(&self.identifiers).copied().take(room).collect();
        self.identifiers.extend(&new);
        new
    }

    fn learn(&mut self, notes: Vec<Note>) {
        self.notes.extend(notes);
        self.person = self.so_far(self.person.who);
    }
}

impl Engine {
    /// What each of these is known for, with what is left on the way; links are followed.
    pub(super) async fn persons(&self, asked: &[Asked<'_>], now: Moment) -> Vec<StoreResult<Person>> {
        if asked.iter().all(|asked| asked.hashes.is_empty()) {
            return asked.iter().map(|_| Ok(Person::nobody())).collect();
        }
        let found = self.store.notes_all(asked, now).await;
        let known = asked.iter().zip(found).map(|(asked, notes)| Ok(Known::of(&asked.hashes, notes?)));
        let mut known: Vec<StoreResult<Known>> = known.collect();
        for _ in 0..STEPS_MAX {
            let mut whose = Vec::new();
            let mut further = Vec::new();
            for (place, one) in known.iter_mut().enumerate() {
                let Ok(one) = one else { continue };
                let hashes = one.next();
                if !hashes.is_empty() {
                    whose.push(place);
                    further.push(Asked::look(asked[place].shop, hashes));
                }
            }
            if further.is_empty() {
                break;
            }
            let found = self.store.notes_all(&further, now).await;
            for (place, notes) in whose.into_iter().zip(found) {
                match (&mut known[place], notes) {
                    (Ok(one), Ok(notes)) => one.learn(notes),
                    (one, Err(error)) => *one = Err(error),
                    (Err(_), Ok(_)) => {}
                }
            }
        }
        known.into_iter().map(|one| one.map(|one| one.person)).collect()
    }

    /// What these identifiers are known for, and all identifiers of that person.
    pub(super) async fn person_behind(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        now: Moment,
    ) -> StoreResult<(Person, Vec<IdentifierHash>)> {
        if hashes.is_empty() {
            return Ok((Person::nobody(), Vec::new()));
        }
        let notes = self.store.notes(shop, hashes, now).await?;
        self.follow(shop, hashes, notes, now).await
    }

    /// The rest of a person of whom some notes are known.
    async fn follow(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        notes: Vec<Note>,
        now: Moment,
    ) -> StoreResult<(Person, Vec<IdentifierHash>)> {
        let mut known = Known::of(hashes, notes);
        for _ in 0..STEPS_MAX {
            let further = known.next();
            if further.is_empty() {
                break;
            }
            known.learn(self.store.notes(shop, &further, now).await?);
        }
        Ok((known.person, known.identifiers.into_iter().collect()))
    }

    /// Notes that a cart has these identifiers, `new` of which it did not have before, and gives who that is.
    pub(super) async fn introduce(
        &self,
        (shop, cart): (&ShopId, &CartId),
        shopper: &Shopper,
        new: &[IdentifierHash],
        (now, until): (Moment, Moment),
    ) -> StoreResult<Person> {
        // Before the look: whoever marks one of them from now on reaches the others, too.
        let by_name = self.by_name(shop, shopper);
        if by_name.iter().any(|hash| new.contains(hash)) {
            self.link(shop, &by_name, until, now).await?;
        }
        let notes = self.store.enroll(shop, new, cart, until).await?;
        Ok(self.follow(shop, new, notes, now).await?.0)
    }

    /// Remembers that these identifiers are one person's.
    pub(super) async fn link(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        until: Moment,
        now: Moment,
    ) -> StoreResult<()> {
        if hashes.len() < 2 {
            return Ok(());
        }
        let links = hashes.iter().map(|hash| Asked {
            shop,
            hashes: hashes.iter().filter(|other| *other != hash).copied().collect(),
            leave: Some((Note::Linked(*hash), until)),
        });
        let links: Vec<_> = links.collect();
        self.store.notes_all(&links, now).await.into_iter().try_for_each(|left| left.map(drop))
    }

    /// The identifiers that name a person, and not a device.
    pub(super) fn by_name(&self, shop: &ShopId, shopper: &Shopper) -> Vec<IdentifierHash> {
        let named = Identifier::of(shopper).into_iter().filter(|i| i.kind != IdentifierKind::Anonymous);
        named.map(|identifier| self.identity.hash(shop, &identifier)).collect()
    }
}
