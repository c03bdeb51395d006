//! Whom a privacy request is about, and what is held of them: their identifiers, notes and carts.
//!
//! A cart is a person's when it names them, or when it names nobody and lies under an identifier of theirs. A device is
//! not a person: from one that several people use, nobody's name is taken, and what it holds of others stays out. Links
//! are followed as for a reminder (`engine/persons.rs`); what a bound cut off is said. Never here: what is done with it.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use futures_util::future::join_all;

use super::inbox::{Engine, WriteError};
use super::persons::STEPS_MAX;
use crate::domain::{Cart, CartId, Identifier, IdentifierHash, IdentifierKind, Moment, Note, OrderId, ShopId};
use crate::store::{Asked, CARTS_OF_MAX, StoreError, StoreResult};

/// How many identifiers of one person are looked at.
const IDENTIFIERS_MAX: usize = 64;

/// How far from the identifiers that were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only what lies under them.
    Given,
    /// Also what is known to be the same person's.
    Linked,
}

/// A person, as a privacy request names them.
#[derive(Clone, Debug)]
pub struct Whom {
    pub identifiers: Vec<Identifier>,
    pub reach: Reach,
}

/// What kept a search from being complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// More identifiers are linked than are followed: name them.
    Identifiers,
    /// More carts lie under one identifier than are looked at: repeat the call.
    Carts,
    /// Some of it cannot be read, so nobody knows whose it is.
    Unreadable,
}

impl Limit {
    /// As answers name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identifiers => "identifiers",
            Self::Carts => "carts",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Whether the devices of a person's carts are looked at too, where they were not named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Devices {
    /// What nobody is named in may be somebody else's.
    Leave,
    /// What nobody is named in may go.
    Follow,
}

/// What is held of a person.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// Identifiers in the order in which they were found; the first `given` were named in the request.
    pub hashes: Vec<IdentifierHash>,
    pub given: usize,
    /// Devices that others use too.
    pub shared: Vec<IdentifierHash>,
    pub notes: Vec<Note>,
    pub carts: BTreeMap<CartId, Cart>,
    /// Known under their identifiers, and without a record.
    pub gone: Vec<CartId>,
    pub limits: BTreeSet<Limit>,
}

impl Traces {
    /// Every order that is known to be the person's.
    pub fn orders(&self) -> BTreeSet<OrderId> {
        let marked = self.notes.iter().filter_map(|note| match note {
            Note::Purchase(mark) => Some(mark.order.clone()),
            Note::OptedOut(_)
            | Note::Reminded(_)
            | Note::Exposed(_)
            | Note::Granted(_)
            | Note::Linked(_)
            | Note::Stock(_)
            | Note::Reserved(_)
            | Note::Decided(_) => None,
        });
        let of_carts = self.carts.values().flat_map(|cart| {
            let settled = cart.order.iter().map(|order| order.id.clone());
            settled.chain(cart.past.bought.iter().map(|line| line.order.clone()))
        });
        marked.chain(of_carts).collect()
    }
}

/// A search on its way.
struct Search<'a> {
    shop: &'a ShopId,
    now: Moment,
    /// Every cart that was met; nothing where there is no record.
    seen: BTreeMap<CartId, Option<Cart>>,
    limits: BTreeSet<Limit>,
}

impl Engine {
    /// Everything held of a person, as far as it leads from one thing to the next.
    pub(super) async fn trace(
        &self,
        shop: &ShopId,
        whom: &Whom,
        devices: Devices,
        now: Moment,
    ) -> Result<Traces, WriteError> {
        let mut search = Search { shop, now, seen: BTreeMap::new(), limits: BTreeSet::new() };
        let given: Vec<_> = whom.identifiers.iter().map(|identifier| self.identity.hash(shop, identifier)).collect();
        let near = self.look_under(&mut search, &given).await?;
        let is_named = whom.identifiers.iter().any(|identifier| identifier.kind != IdentifierKind::Anonymous);
        let mut names = given.clone();
        if !is_named {
            names.extend(self.only_owner(&mut search, &near, whom.reach).await?);
        }
        let mut traces = Traces { given: given.len(), ..Traces::default() };
        if whom.reach == Reach::Linked {
            let beside: Vec<_> =
                self.own(&search, &names).flat_map(|cart| self.by_name(shop, &cart.content.shopper)).collect();
            add(&mut names, beside);
            (traces.hashes, traces.notes) = self.linked(&mut search, names).await?;
            names = traces.hashes.clone();
            self.look_under(&mut search, &names).await?;
        } else {
            traces.hashes = given;
            (_, traces.notes) = self.notes_on(&mut search, &traces.hashes).await?;
        }
        let absorbed: Vec<_> = self.own(&search, &names).flat_map(|cart| cart.past.absorbed.clone()).collect();
        self.read(&mut search, absorbed.into_iter().collect()).await?;
        if devices == Devices::Follow && whom.reach == Reach::Linked {
            self.look_at_devices(&mut search, &names, &mut traces).await?;
        }
        let is_own = |cart: &Cart| self.is_own(cart, &names);
        for (id, cart) in search.seen {
            match cart {
                Some(cart) if is_own(&cart) => drop(traces.carts.insert(id, cart)),
                Some(_) => {}
                None => traces.gone.push(id),
            }
        }
        traces.limits = search.limits;
        Ok(traces)
    }

    /// The carts under these identifiers; they are read.
    async fn look_under(&self, search: &mut Search<'_>, hashes: &[IdentifierHash]) -> StoreResult<BTreeSet<CartId>> {
        let looks = hashes.iter().map(|hash| self.store.carts_of(search.shop, slice::from_ref(hash), search.now));
        let mut ids = BTreeSet::new();
        for carts in join_all(looks).await {
            let carts = carts?;
            if carts.len() >= CARTS_OF_MAX {
                search.limits.insert(Limit::Carts);
            }
            ids.extend(carts);
        }
        self.read(search, ids.clone()).await?;
        Ok(ids)
    }

    async fn read(&self, search: &mut Search<'_>, ids: BTreeSet<CartId>) -> StoreResult<()> {
        let new = ids.into_iter().filter(|id| !search.seen.contains_key(id));
        let new: Vec<_> = new.map(|id| (search.shop.clone(), id)).collect();
        for ((_, id), loaded) in new.iter().zip(self.store.load_all(&new).await) {
            if let Some(loaded) = readable(loaded, &mut search.limits)? {
                search.seen.insert(id.clone(), loaded.record.map(|stored| *stored.value));
            }
        }
        Ok(())
    }

    /// The carts met so far that are of the person with these names.
    fn own<'s>(&self, search: &'s Search<'_>, names: &[IdentifierHash]) -> impl Iterator<Item = &'s Cart> {
        search.seen.values().flatten().filter(move |cart| self.is_own(cart, names))
    }

    fn is_own(&self, cart: &Cart, names: &[IdentifierHash]) -> bool {
        let borne = self.by_name(&cart.shop, &cart.content.shopper);
        borne.is_empty() || borne.iter().any(|name| names.contains(name))
    }

    /// The names in these carts, which lie under a device, when they are one person's.
    async fn only_owner(
        &self,
        search: &mut Search<'_>,
        near: &BTreeSet<CartId>,
        reach: Reach,
    ) -> Result<Vec<IdentifierHash>, WriteError> {
        let carts = near.iter().filter_map(|id| search.seen.get(id)?.as_ref());
        let mut borne: Vec<_> = carts.map(|cart| self.by_name(search.shop, &cart.content.shopper)).collect();
        borne.retain(|names| !names.is_empty());
        let Some(first) = borne.first() else { return Ok(Vec::new()) };
        let mut owner = first.clone();
        for _ in &borne {
            for names in &borne {
                if names.iter().any(|name| owner.contains(name)) {
                    add(&mut owner, names.clone());
                }
            }
        }
        if reach == Reach::Linked {
            (owner, _) = self.linked(search, owner).await?;
        }
        if borne.iter().any(|names| names.iter().all(|name| !owner.contains(name))) {
            return Err(WriteError::SharedDevice);
        }
        Ok(owner)
    }

    /// These identifiers and those that links lead to, and what all of them are known for.
    async fn linked(
        &self,
        search: &mut Search<'_>,
        from: Vec<IdentifierHash>,
    ) -> StoreResult<(Vec<IdentifierHash>, Vec<Note>)> {
        let (mut all, mut known) = (from.clone(), Vec::new());
        let mut edge = from;
        for step in 0..=STEPS_MAX {
            let (links, notes) = self.notes_on(search, &edge).await?;
            known.extend(notes);
            edge = links.into_iter().filter(|hash| !all.contains(hash)).collect();
            let room = if step == STEPS_MAX { 0 } else { IDENTIFIERS_MAX.saturating_sub(all.len()) };
            if edge.len() > room {
                search.limits.insert(Limit::Identifiers);
                edge.truncate(room);
            }
            if edge.is_empty() {
                break;
            }
            all.extend(&edge);
        }
        Ok((all, known))
    }

    /// What each of these is known for, and the identifiers they are linked to. What cannot be read is as if it was not there.
    async fn notes_on(
        &self,
        search: &mut Search<'_>,
        hashes: &[IdentifierHash],
    ) -> StoreResult<(BTreeSet<IdentifierHash>, Vec<Note>)> {
        let asked: Vec<_> = hashes.iter().map(|hash| Asked::look(search.shop, vec![*hash])).collect();
        let (mut links, mut known) = (BTreeSet::new(), Vec::new());
        for notes in self.store.notes_all(&asked, search.now).await {
            for note in readable(notes, &mut search.limits)?.into_iter().flatten() {
                if let Note::Linked(hash) = &note {
                    links.insert(*hash);
                }
                known.push(note);
            }
        }
        Ok((links, known))
    }

    /// The devices that the person's carts were filled on: what lies there and names nobody, and whether all of it is theirs.
    async fn look_at_devices(
        &self,
        search: &mut Search<'_>,
        names: &[IdentifierHash],
        traces: &mut Traces,
    ) -> StoreResult<()> {
        let shoppers = self.own(search, names).map(|cart| &cart.content.shopper);
        let devices = shoppers
            .filter_map(|shopper| Identifier::new(IdentifierKind::Anonymous, shopper.anonymous_id.as_ref()?.reveal()));
        let mut devices: BTreeSet<_> = devices.map(|device| self.identity.hash(search.shop, &device)).collect();
        devices.retain(|device| !traces.hashes.contains(device));
        if devices.len() > IDENTIFIERS_MAX {
            search.limits.insert(Limit::Identifiers);
        }
        for device in devices.into_iter().take(IDENTIFIERS_MAX) {
            let ids = self.look_under(search, &[device]).await?;
            let mut there = ids.iter().filter_map(|id| search.seen.get(id)?.as_ref());
            if there.all(|cart| self.is_own(cart, names)) {
                let (_, notes) = self.notes_on(search, &[device]).await?;
                traces.notes.extend(notes);
                traces.hashes.push(device);
            } else {
                traces.shared.push(device);
            }
        }
        Ok(())
    }
}

/// Nothing for what cannot be read, which is noted.
pub(super) fn readable<T>(found: StoreResult<T>, limits: &mut BTreeSet<Limit>) -> StoreResult<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::Corrupt { .. } | StoreError::Newer { .. }) => {
            limits.insert(Limit::Unreadable);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn add(all: &mut Vec<IdentifierHash>, more: Vec<IdentifierHash>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}
