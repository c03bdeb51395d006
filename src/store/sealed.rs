//! A store whose carts keep their personal part sealed, each with a key of its own out of a keyring.
//!
//! - A key is on disk before the first record that needs it, and gone with its cart: also what a copy of the store holds
//!   of it cannot be read any more. A record whose key is gone reads as erased. A cart that takes the id of another has
//!   another key.
//! - A look asks the keyring beside the store and not after it; keys used lately are remembered.
//! - Another keyring than a record was sealed with, or none, is an error and never an erasure.
//!
//! Without a keyring nothing is sealed. Records that were written unsealed stay readable. Read next: `store/keyring.rs`.

mod cipher;
mod passed;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;

use self::cipher::{Blob, Opened};
use super::lately::Lately;
use super::{Commit, Committed, KeyName, Keyring, NewKey, SealKey, Store, StoreError, StoreResult, Version, record};
use crate::domain::{Cart, CartId, Content, Heard, Moment, Past, ShopId, State};

/// A key outlives its cart by this much, should nobody delete it.
const LIFE_BEYOND: Duration = Duration::from_hours(90 * 24);
/// With less than this left it is prolonged.
const PROLONGED_BELOW: Duration = Duration::from_hours(30 * 24);

/// Keys remembered, twice this at most.
const LATELY_MAX: usize = 8_192;

/// 32 bytes that nobody can guess.
pub type Random = fn() -> anyhow::Result<[u8; 32]>;

/// A store that seals.
pub struct SealedStore {
    inner: Arc<dyn Store>,
    keyring: Option<Arc<dyn Keyring>>,
    random: Random,
    /// Keys used lately, so that a burst of reminders asks the keyring once.
    lately: Lately<KeyName, Remembered>,
}

/// A key, and how long it is kept for sure.
type Kept = (SealKey, Moment);

/// What is remembered of a name.
#[derive(Clone, Copy)]
enum Remembered {
    Key(Kept),
    /// Its cart names nobody yet: a key that there is of it is that of an earlier cart of this id, and may go with it.
    NoKey,
}

impl SealedStore {
    /// Seals what this store keeps with keys out of this keyring.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, keyring: Option<Arc<dyn Keyring>>, random: Random) -> Self {
        Self { inner, keyring, random, lately: Lately::new(LATELY_MAX) }
    }

    fn fresh(&self) -> StoreResult<[u8; 32]> {
        (self.random)().map_err(StoreError::Unavailable)
    }

    /// These commits with the personal part of their carts sealed.
    async fn seal(&self, commits: &[Commit<'_>]) -> StoreResult<Vec<Option<Cart>>> {
        let Some(keyring) = &self.keyring else { return Ok(commits.iter().map(|_| None).collect()) };
        let (mut parts, mut wanted) = (Vec::with_capacity(commits.len()), Vec::new());
        for commit in commits {
            let personal = commit.cart.and_then(record::encode_personal);
            let name = KeyName::of(commit.shop, commit.id);
            let needed = commit.cart.map(|cart| cart.expires_at.plus(PROLONGED_BELOW)).filter(|_| personal.is_some());
            let known = needed.and_then(|until| self.known(name, commit.expected, until));
            if let (Some(cart), None, true) = (commit.cart, &known, personal.is_some()) {
                let until = cart.expires_at.plus(LIFE_BEYOND);
                let is_first =
                    commit.expected == Version::ABSENT || matches!(self.lately.get(&name), Some(Remembered::NoKey));
                wanted.push(NewKey { name, fresh: SealKey(self.fresh()?), until, is_first });
            }
            parts.push((name, personal, known));
        }
        let untils: Vec<_> = wanted.iter().map(|one| one.until).collect();
        let made = match commits.first() {
            Some(first) if !wanted.is_empty() => keyring.ensure(wanted, first.now).await?,
            Some(_) | None => Vec::new(),
        };
        let mut made = made.into_iter().zip(untils);
        let mut sealed = Vec::with_capacity(commits.len());
        for (commit, (name, personal, known)) in commits.iter().zip(parts) {
            let (Some(cart), Some(personal)) = (commit.cart, personal) else {
                sealed.push(None);
                continue;
            };
            let (key, until) = known.or_else(|| made.next()).ok_or(StoreError::Corrupt { what: "key" })?;
            self.lately.put(name, Remembered::Key((key, until)));
            let blob = cipher::seal(keyring.id(), (name, key, until), personal, self.fresh()?)?;
            sealed.push(Some(record::with_sealed(cart, blob)));
        }
        Ok(sealed)
    }

    /// A key of which it is known that it stays: of a new cart none is, for another of its id may have been erased.
    fn known(&self, name: KeyName, expected: Version, until: Moment) -> Option<Kept> {
        self.key_of(&name).filter(|(_, kept)| expected != Version::ABSENT && *kept >= until)
    }

    fn key_of(&self, name: &KeyName) -> Option<Kept> {
        match self.lately.get(name)? {
            Remembered::Key(kept) => Some(kept),
            Remembered::NoKey => None,
        }
    }

    async fn commit_sealed(&self, commits: Vec<Commit<'_>>) -> Vec<StoreResult<Committed>> {
        if self.keyring.is_none() {
            return self.inner.commit_all(commits).await;
        }
        let sealed = match self.seal(&commits).await {
            Ok(sealed) => sealed,
            Err(error) => return all_failed(commits.len(), error),
        };
        // A cart of the same id cannot be made while the name of this one is there.
        let ends = |(commit, sealed): (&Commit<'_>, &Option<Cart>)| {
            sealed.is_none() && commit.cart.is_some_and(|cart| cart.state.is_tombstone())
        };
        let ends: Vec<_> = commits.iter().zip(&sealed).map(ends).collect();
        let names: Vec<_> = commits.iter().map(|commit| KeyName::of(commit.shop, commit.id)).collect();
        let removed = self.keys_of_removed(&commits).await;
        let passed = commits.into_iter().zip(&sealed).map(|(commit, sealed)| Commit {
            cart: sealed.as_ref().or(commit.cart),
            shop: commit.shop,
            id: commit.id,
            expected: commit.expected,
            outbox: commit.outbox,
            begun_until: commit.begun_until,
            tallies: commit.tallies,
            census: commit.census,
            keep: commit.keep,
            now: commit.now,
        });
        let done = self.inner.commit_all(passed.collect()).await;
        let is_done = |name: &KeyName| {
            let place = names.iter().position(|one| one == name);
            place.is_some_and(|place| done[place].as_ref().is_ok_and(Committed::is_done))
        };
        let over: Vec<KeyName> =
            names.iter().zip(ends).filter(|(name, ends)| *ends && is_done(name)).map(|(name, _)| *name).collect();
        let removed: Vec<_> = removed.into_iter().filter(|(name, _)| is_done(name)).collect();
        let shredded = match self.shred_names(&over).await {
            Ok(_) => self.shred_keys(&removed).await,
            Err(error) => Err(error),
        };
        if let Err(error) = shredded {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "keys of ended carts could not be deleted; they end by themselves");
        }
        done
    }

    /// The keys that there are of carts about to be removed. Another cart may take the id as soon as one is gone, and has a
    /// key of its own: that is none of these.
    async fn keys_of_removed(&self, commits: &[Commit<'_>]) -> Vec<(KeyName, SealKey)> {
        let removed = commits.iter().filter(|commit| commit.cart.is_none() && commit.expected != Version::ABSENT);
        let names: Vec<_> = removed.map(|commit| KeyName::of(commit.shop, commit.id)).collect();
        let Some(keyring) = self.keyring.as_ref().filter(|_| !names.is_empty()) else { return Vec::new() };
        match keyring.find(&names).await {
            Ok(found) => {
                names.iter().zip(found).flat_map(|(name, keys)| keys.into_iter().map(|key| (*name, key))).collect()
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "keys of carts that are removed could not be found; they end by themselves");
                Vec::new()
            }
        }
    }

    async fn shred_keys(&self, keys: &[(KeyName, SealKey)]) -> StoreResult<()> {
        let Some(keyring) = self.keyring.as_ref().filter(|_| !keys.is_empty()) else { return Ok(()) };
        for (name, _) in keys {
            self.lately.forget(name);
        }
        keyring.shred_keys(keys).await
    }

    async fn shred_names(&self, names: &[KeyName]) -> StoreResult<usize> {
        let Some(keyring) = self.keyring.as_ref().filter(|_| !names.is_empty()) else { return Ok(0) };
        for name in names {
            self.lately.forget(name);
        }
        keyring.shred(names).await
    }

    /// What a look at these carts gives, with the keys that it will need asked for meanwhile.
    async fn beside<T>(
        &self,
        carts: &[(&ShopId, &CartId)],
        look: impl Future<Output = T> + Send,
    ) -> (T, StoreResult<()>) {
        let Some(keyring) = &self.keyring else { return (look.await, Ok(())) };
        let names = carts.iter().map(|(shop, cart)| KeyName::of(shop, cart));
        let names: Vec<_> = names.filter(|name| self.lately.get(name).is_none()).collect();
        if names.is_empty() {
            return (look.await, Ok(()));
        }
        let (seen, found) = join(look, keyring.find(&names)).await;
        let learnt = found.map(|found| {
            for (name, mut keys) in names.into_iter().zip(found) {
                if let Some(key) = keys.pop() {
                    // How long it is kept its record will say.
                    self.lately.put(name, Remembered::Key((key, Moment::from_millis(i64::MIN))));
                }
            }
        });
        (seen, learnt)
    }

    /// The cart with its personal part; erased, when its key is gone.
    async fn open(&self, mut cart: Cart) -> StoreResult<Cart> {
        let Some(sealed) = cart.content.sealed.take() else { return Ok(cart) };
        let blob = Blob::parse(&sealed).ok_or(StoreError::Corrupt { what: "cart" })?;
        let keyring = self.keyring.as_ref().filter(|keyring| keyring.id() == blob.keyring);
        let Some(keyring) = keyring else {
            let why = "a cart is sealed with a key of another keyring: name that one in [store] keyring_url";
            return Err(StoreError::Unusable(why.to_owned()));
        };
        let name = KeyName::of(&cart.shop, &cart.id);
        if let Some((key, _)) = self.key_of(&name)
            && let Opened::Open(personal) = blob.open(name, key)
        {
            self.lately.put(name, Remembered::Key((key, blob.until)));
            record::restore_personal(&mut cart, &personal)?;
            return Ok(cart);
        }
        // Remembered from another life of this id, or not asked for yet.
        for key in keyring.find(&[name]).await?.pop().unwrap_or_default().into_iter().rev() {
            if let Opened::Open(personal) = blob.open(name, key) {
                self.lately.put(name, Remembered::Key((key, blob.until)));
                record::restore_personal(&mut cart, &personal)?;
                return Ok(cart);
            }
        }
        Ok(erased(cart))
    }

    async fn open_all<T>(
        &self,
        (mut found, keys): (Vec<StoreResult<T>>, StoreResult<()>),
        cart_of: impl Fn(&mut T) -> Option<&mut Cart> + Send,
    ) -> Vec<StoreResult<T>>
    where
        T: Send,
    {
        if let Err(error) = keys {
            return all_failed(found.len(), error);
        }
        for one in &mut found {
            let Ok(holder) = one else { continue };
            let Some(cart) = cart_of(holder) else { continue };
            if cart.content.sealed.is_none() {
                if self.keyring.is_some() {
                    self.lately.put(KeyName::of(&cart.shop, &cart.id), Remembered::NoKey);
                }
                continue;
            }
            let sealed = cart.clone();
            match (self.open(sealed).await, cart_of(holder)) {
                (Ok(open), Some(cart)) => *cart = open,
                (Err(error), _) => *one = Err(error),
                (Ok(_), None) => {}
            }
        }
        found
    }
}

/// What is left of a cart whose key is gone: its name.
fn erased(mut cart: Cart) -> Cart {
    cart.state = State::Erased;
    cart.content = Content::empty(cart.content.currency);
    cart.signals.clear();
    cart.reasons.clear();
    cart.reminders.clear();
    (cart.last_abandonment, cart.order) = (None, None);
    (cart.past, cart.heard) = (Past::default(), Heard::default());
    cart
}

fn all_failed<T>(count: usize, error: StoreError) -> Vec<StoreResult<T>> {
    let again = || StoreError::Unavailable(anyhow::anyhow!("the call that it shared failed"));
    std::iter::once(Err(error)).chain((1..count).map(|_| Err(again()))).take(count).collect()
}
