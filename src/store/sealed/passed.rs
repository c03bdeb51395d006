//! The store that seals, call by call: carts are sealed on their way in and opened on their way out, all else passes.

use async_trait::async_trait;

use super::SealedStore;
use crate::domain::{
    Cart, CartId, Day, Delivery, DeliveryId, EventKey, IdentifierHash, Moment, Note, NoteKey, Order, OrderId, ShopId,
    StateName, TallyKey,
};
use crate::store::{
    Asked, Begun, Burial, Claim, Commit, Committed, DueLanes, Erase, Health, KeyName, Lane, Letter, LetterPage, Loaded,
    OrderCommit, OutboxCounts, Page, Pause, Revival, Sends, Settled, Settlement, Shelf, Store, StoreError, StoreResult,
};

/// Passes each call on; those before it are this store's own.
macro_rules! pass {
    (
        { $($own:item)+ }
        $($name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)+
        --
        $($all:ident($($part:ident: $part_kind:ty),*) -> $each:ty;)+
        --
        { $($erase:item)+ }
        $($rare:ident($($given:ident: $given_kind:ty),*) -> $result:ty;)+
    ) => {
        #[async_trait]
        impl Store for SealedStore {
            $($own)+
            $(async fn $name(&self $(, $arg: $kind)*) -> StoreResult<$out> {
                self.inner.$name($($arg),*).await
            })+
            $(async fn $all(&self $(, $part: $part_kind)*) -> Vec<StoreResult<$each>> {
                self.inner.$all($($part),*).await
            })+
        }

        #[async_trait]
        impl Erase for SealedStore {
            $($erase)+
            $(async fn $rare(&self $(, $given: $given_kind)*) -> StoreResult<$result> {
                self.inner.$rare($($given),*).await
            })+
        }
    };
}

fn only<T>(answers: Vec<StoreResult<T>>) -> StoreResult<T> {
    answers.into_iter().next().unwrap_or(Err(StoreError::Corrupt { what: "answer" }))
}

fn in_loaded(loaded: &mut Loaded<Cart>) -> Option<&mut Cart> {
    loaded.record.as_mut().map(|stored| &mut *stored.value)
}

fn in_begun(begun: &mut Option<Begun>) -> Option<&mut Cart> {
    begun.as_mut().and_then(|begun| begun.cart.as_deref_mut())
}

pass! {
    {
        fn name(&self) -> &'static str {
            self.inner.name()
        }

        fn identity_key(&self) -> [u8; 32] {
            self.inner.identity_key()
        }

        async fn load(&self, shop: &ShopId, id: &CartId, key: Option<&EventKey>) -> StoreResult<Loaded<Cart>> {
            let (loaded, keys) = self.beside(&[(shop, id)], self.inner.load(shop, id, key)).await;
            only(self.open_all((vec![loaded], keys), in_loaded).await)
        }

        async fn load_all(&self, carts: &[(ShopId, CartId)]) -> Vec<StoreResult<Loaded<Cart>>> {
            let named: Vec<_> = carts.iter().map(|(shop, cart)| (shop, cart)).collect();
            let found = self.beside(&named, self.inner.load_all(carts)).await;
            self.open_all(found, in_loaded).await
        }

        async fn commit(&self, commit: Commit<'_>) -> StoreResult<Committed> {
            if self.keyring.is_none() {
                return self.inner.commit(commit).await;
            }
            only(self.commit_sealed(vec![commit]).await)
        }

        async fn commit_all(&self, commits: Vec<Commit<'_>>) -> Vec<StoreResult<Committed>> {
            self.commit_sealed(commits).await
        }

        async fn begin(&self, claim: &Claim, now: Moment, until: Moment) -> StoreResult<Option<Begun>> {
            only(self.begin_all(std::slice::from_ref(claim), now, until).await)
        }

        async fn begin_all(&self, claims: &[Claim], now: Moment, until: Moment) -> Vec<StoreResult<Option<Begun>>> {
            let named: Vec<_> = claims.iter().map(|claim| (&claim.lane.shop, &claim.cart)).collect();
            let begun = self.beside(&named, self.inner.begin_all(claims, now, until)).await;
            self.open_all(begun, in_begun).await
        }

        async fn list_carts(&self, cursor: Option<&str>, limit: usize) -> StoreResult<Page> {
            let mut page = self.inner.list_carts(cursor, limit).await?;
            let carts: Vec<_> = std::mem::take(&mut page.carts).into_iter().map(Ok).collect();
            for cart in self.open_all((carts, Ok(())), |cart| Some(cart)).await {
                match cart {
                    Ok(cart) => page.carts.push(cart),
                    Err(StoreError::Corrupt { .. }) => page.unreadable += 1,
                    Err(error) => return Err(error),
                }
            }
            Ok(page)
        }

        async fn sweep(&self, now: Moment) -> StoreResult<u64> {
            if let Some(keyring) = &self.keyring {
                keyring.sweep(now).await?;
            }
            self.inner.sweep(now).await
        }
    }
    sends(shop: &ShopId, id: &CartId, now: Moment) -> Sends;
    load_order(shop: &ShopId, id: &OrderId, key: Option<&EventKey>) -> Loaded<Order>;
    commit_order(commit: OrderCommit<'_>) -> Committed;
    enroll(shop: &ShopId, hashes: &[IdentifierHash], cart: &CartId, until: Moment) -> Vec<Note>;
    notes(shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> Vec<Note>;
    note(shop: &ShopId, hashes: &[IdentifierHash], note: &Note, until: Moment, now: Moment) -> Vec<Note>;
    unnote(shop: &ShopId, hashes: &[IdentifierHash], key: &NoteKey) -> ();
    carts_of(shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> Vec<CartId>;
    attend(now: Moment) -> ();
    depart() -> ();
    look_around() -> ();
    due_carts(now: Moment, limit: usize, turn: usize) -> Vec<(ShopId, CartId)>;
    next_wake() -> Option<Moment>;
    postpone(shop: &ShopId, id: &CartId, now: Moment, until: Moment) -> ();
    lanes() -> Vec<Lane>;
    due_lanes(now: Moment) -> DueLanes;
    claim(lane: &Lane, now: Moment, limit: usize, until: Moment) -> Vec<Claim>;
    release(claim: &Claim, due_at: Moment) -> Settled;
    settle(settlement: Settlement<'_>) -> Settled;
    next_due(lane: &Lane) -> Option<Moment>;
    pause(pause: &Pause) -> ();
    resume(lane: &Lane) -> ();
    paused() -> Vec<Pause>;
    note_failing(lane: &Lane, since: Moment) -> ();
    note_working(lane: &Lane) -> ();
    failing() -> Vec<(Lane, Moment)>;
    delivery(shop: &ShopId, cart: &CartId, id: &DeliveryId) -> Option<Delivery>;
    list_deliveries(lane: &Lane, which: Shelf, cursor: Option<&str>, limit: usize) -> LetterPage;
    find_delivery(id: &DeliveryId) -> Option<Letter>;
    deliveries_of(shop: &ShopId, cart: &CartId, ids: &[DeliveryId]) -> Vec<Letter>;
    revive(lane: &Lane, revivals: &[Revival]) -> usize;
    bury(burial: Burial<'_>) -> Settled;
    tallies(shop: &ShopId, from: Day, to: Day) -> Vec<(Day, TallyKey, i64)>;
    census() -> Vec<(ShopId, StateName, i64)>;
    outbox_counts() -> OutboxCounts;
    check() -> Health;
    flush() -> ();
    --
    notes_all(asked: &[Asked<'_>], now: Moment) -> Vec<Note>;
    settle_all(settlements: Vec<Settlement<'_>>) -> Settled;
    --
    {
        async fn shred(&self, shop: &ShopId, carts: &[CartId]) -> StoreResult<bool> {
            let names: Vec<_> = carts.iter().map(|cart| KeyName::of(shop, cart)).collect();
            self.shred_names(&names).await?;
            Ok(self.keyring.is_some())
        }
    }
    letters_about(shop: &ShopId, carts: &[CartId]) -> Vec<Letter>;
    expunge(letters: &[Letter]) -> usize;
    forget_answers(shop: &ShopId, carts: &[CartId], orders: &[OrderId]) -> usize;
    withdraw(shop: &ShopId, hashes: &[IdentifierHash], carts: &[CartId]) -> usize;
    forget(shop: &ShopId, hashes: &[IdentifierHash], keep: &[NoteKey]) -> usize;
}
