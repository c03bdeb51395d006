//! The embedded store: `SQLite` in a folder, durable on one box with nothing else. Why: `docs/decisions/0001`.
//!
//! - `PATH/cartwake.db` is an ordinary `SQLite` database: look inside with `sqlite3 -readonly`, also while we run.
//! - One thread writes, with everything that waits in one transaction; what was answered is synced to disk.
//! - One thread looks things up, another does what takes longer. Neither waits for the writer, nor it for them.
//! - One process at a time has the folder, so at opening all leases are void: their holders are gone.
//!
//! Never here: decisions, clocks. Read next: `embedded/schema.rs`, then `embedded/worker.rs`.

mod carts;
mod counts;
mod erasure;
mod fault;
mod folder;
mod keyring;
mod lanes;
mod letters;
mod outbox;
mod people;
mod schema;
mod sends;
#[cfg(test)]
mod tests;
mod upkeep;
mod worker;

use std::path::Path;

use async_trait::async_trait;

use self::carts::{CartWrite, Cursor, OrderWrite, RawLoaded, Subject};
use self::folder::Folder;
use self::letters::{Burying, Reviving};
use self::outbox::Settling;
use self::people::Hashes;
use self::worker::{Access, Batch, Worker};
use super::letters::Mark;
use super::{
    Asked, BATCH_MAX, Begun, Burial, Claim, Commit, Committed, DUE_MAX, DueLanes, Health, Lane, Letter, LetterPage,
    Loaded, OrderCommit, OutboxCounts, Page, Pause, Revival, Sends, Settled, Settlement, Shelf, Store, StoreError,
    StoreResult, Stored, record,
};
use crate::domain::{
    Cart, CartId, Day, Delivery, DeliveryId, EventKey, IdentifierHash, Moment, Note, NoteKey, Order, OrderId, ShopId,
    StateName, TallyKey,
};

pub use self::keyring::FileKeyring;
pub use self::upkeep::copy;

/// A store in a folder. Dropping it finishes what is queued, closes the file and gives the folder free.
pub struct EmbeddedStore {
    identity_key: [u8; 32],
    lookups: Worker,
    surveys: Worker,
    /// After the readers, so that its last checkpoint finds nobody in the way.
    writer: Worker,
    /// Last: nobody gets the folder before the file is closed.
    _folder: Folder,
}

impl EmbeddedStore {
    /// Opens the store in this folder, or makes one. The identity key is used only where there is none yet.
    ///
    /// # Errors
    /// [`StoreError::Unusable`], with what to do, when another process has the folder, the file is not ours, damaged, or
    /// of a later version.
    pub fn open(path: &Path, fresh_identity_key: [u8; 32], now: Moment) -> StoreResult<Self> {
        let folder = Folder::take(path)?;
        let file = folder.database();
        let (connection, identity_key) = schema::open_writer(&file, fresh_identity_key, now)?;
        let reader = || schema::open_reader(&file).map_err(|error| fault::explain(&error));
        Ok(Self {
            identity_key,
            lookups: Worker::start("lookups", reader()?, Access::Read)?,
            surveys: Worker::start("surveys", reader()?, Access::Read)?,
            writer: Worker::start("writer", connection, Access::Write)?,
            _folder: folder,
        })
    }

    /// Copies the store as it is at this moment into another folder, where it can be opened; writes go on meanwhile.
    ///
    /// # Errors
    /// When there is a store in that folder already, or no room.
    pub async fn copy_to(&self, folder: &Path) -> StoreResult<()> {
        let folder = folder.to_owned();
        self.surveys.run_alone(move |db| Ok(upkeep::copy_over(db, &folder))).await?
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn identity_key(&self) -> [u8; 32] {
        self.identity_key
    }

    async fn load(&self, shop: &ShopId, id: &CartId, key: Option<&EventKey>) -> StoreResult<Loaded<Cart>> {
        let (subject, key) = (Subject::Cart(shop.clone(), id.clone()), key.cloned());
        let raw = self.lookups.run(move |db| Ok(subject.load(db, key.as_ref())?)).await?;
        decode(raw, |bytes| record::decode_cart(shop, id, bytes))
    }

    async fn commit(&self, commit: Commit<'_>) -> StoreResult<Committed> {
        let write = CartWrite::of(&commit);
        self.writer.run(move |db| write.apply(db)).await
    }

    async fn load_all(&self, carts: &[(ShopId, CartId)]) -> Vec<StoreResult<Loaded<Cart>>> {
        let subjects = carts.iter().map(|(shop, id)| Subject::Cart(shop.clone(), id.clone()));
        let loaded = self.lookups.run_all(subjects.map(|subject| move |db: &Batch<'_>| Ok(subject.load(db, None)?)));
        let decode =
            |(raw, (shop, id)): (_, &(ShopId, CartId))| decode(raw?, |bytes| record::decode_cart(shop, id, bytes));
        loaded.await.into_iter().zip(carts).map(decode).collect()
    }

    async fn commit_all(&self, commits: Vec<Commit<'_>>) -> Vec<StoreResult<Committed>> {
        let writes: Vec<_> = commits.iter().map(CartWrite::of).collect();
        self.writer.run_all(writes.into_iter().map(|write| move |db: &Batch<'_>| write.apply(db))).await
    }

    async fn sends(&self, shop: &ShopId, id: &CartId, now: Moment) -> StoreResult<Sends> {
        let (shop, id) = (shop.clone(), id.clone());
        self.lookups.run(move |db| sends::of(db, &shop, &id, now)).await
    }

    async fn load_order(&self, shop: &ShopId, id: &OrderId, key: Option<&EventKey>) -> StoreResult<Loaded<Order>> {
        let (subject, key) = (Subject::Order(shop.clone(), id.clone()), key.cloned());
        let raw = self.lookups.run(move |db| Ok(subject.load(db, key.as_ref())?)).await?;
        decode(raw, |bytes| record::decode_order(shop, id, bytes))
    }

    async fn commit_order(&self, commit: OrderCommit<'_>) -> StoreResult<Committed> {
        let write = OrderWrite::of(&commit);
        self.writer.run(move |db| write.apply(db)).await
    }

    async fn enroll(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        cart: &CartId,
        until: Moment,
    ) -> StoreResult<Vec<Note>> {
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        let (hashes, cart) = (Hashes::of(shop, hashes), cart.clone());
        let work = move |db: &Batch<'_>| {
            // What is known is read first: it may turn out unreadable, and then nothing is written.
            let notes = hashes.notes(db, Moment::from_millis(i64::MIN))?;
            hashes.enroll(db, &cart, until)?;
            Ok(notes)
        };
        self.writer.run(work).await
    }

    async fn notes(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> StoreResult<Vec<Note>> {
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        let hashes = Hashes::of(shop, hashes);
        self.lookups.run(move |db| hashes.notes(db, now)).await
    }

    async fn note(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        note: &Note,
        until: Moment,
        now: Moment,
    ) -> StoreResult<Vec<Note>> {
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        let (hashes, note) = (Hashes::of(shop, hashes), note.clone());
        self.writer.run(move |db| hashes.leave(db, &note, until, now)).await
    }

    async fn notes_all(&self, asked: &[Asked<'_>], now: Moment) -> Vec<StoreResult<Vec<Note>>> {
        people::notes_all((&self.lookups, &self.writer), asked, now).await
    }

    async fn unnote(&self, shop: &ShopId, hashes: &[IdentifierHash], key: &NoteKey) -> StoreResult<()> {
        let (hashes, key) = (Hashes::of(shop, hashes), key.clone());
        self.writer.run(move |db| hashes.unnote(db, &key)).await
    }

    async fn carts_of(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> StoreResult<Vec<CartId>> {
        let hashes = Hashes::of(shop, hashes);
        self.lookups.run(move |db| hashes.carts(db, now)).await
    }

    async fn due_carts(&self, now: Moment, limit: usize, turn: usize) -> StoreResult<Vec<(ShopId, CartId)>> {
        let limit = limit.min(DUE_MAX);
        self.lookups.run(move |db| carts::due(db, now, limit, turn)).await
    }

    async fn next_wake(&self) -> StoreResult<Option<Moment>> {
        self.lookups.run(|db| Ok(carts::next_wake(db)?)).await
    }

    async fn postpone(&self, shop: &ShopId, id: &CartId, now: Moment, until: Moment) -> StoreResult<()> {
        let (shop, id) = (shop.clone(), id.clone());
        self.writer.run(move |db| Ok(carts::postpone(db, (&shop, &id), now, until)?)).await
    }

    async fn lanes(&self) -> StoreResult<Vec<Lane>> {
        self.lookups.run(|db| lanes::lanes(db)).await
    }

    async fn due_lanes(&self, now: Moment) -> StoreResult<DueLanes> {
        self.lookups.run(move |db| lanes::due(db, now)).await
    }

    async fn claim(&self, lane: &Lane, now: Moment, limit: usize, until: Moment) -> StoreResult<Vec<Claim>> {
        let (lane, limit) = (lane.clone(), limit.min(BATCH_MAX));
        self.writer.run(move |db| outbox::claim(db, &lane, now, limit, until)).await
    }

    async fn begin(&self, claim: &Claim, _now: Moment, until: Moment) -> StoreResult<Option<Begun>> {
        let claim = claim.clone();
        self.writer.run(move |db| outbox::begin(db, &claim, until)).await
    }

    async fn begin_all(&self, claims: &[Claim], _now: Moment, until: Moment) -> Vec<StoreResult<Option<Begun>>> {
        let claims: Vec<Claim> = claims.to_vec();
        self.writer
            .run_all(claims.into_iter().map(|claim| move |db: &Batch<'_>| outbox::begin(db, &claim, until)))
            .await
    }

    async fn release(&self, claim: &Claim, due_at: Moment) -> StoreResult<Settled> {
        let claim = claim.clone();
        self.writer.run(move |db| Ok(outbox::release(db, &claim, due_at)?)).await
    }

    async fn settle(&self, settlement: Settlement<'_>) -> StoreResult<Settled> {
        let settling = Settling::of(&settlement);
        self.writer.run(move |db| Ok(settling.apply(db)?)).await
    }

    async fn settle_all(&self, settlements: Vec<Settlement<'_>>) -> Vec<StoreResult<Settled>> {
        let settlings: Vec<_> = settlements.iter().map(Settling::of).collect();
        self.writer.run_all(settlings.into_iter().map(|one| move |db: &Batch<'_>| Ok(one.apply(db)?))).await
    }

    async fn next_due(&self, lane: &Lane) -> StoreResult<Option<Moment>> {
        let lane = lane.clone();
        self.lookups.run(move |db| Ok(outbox::next_due(db, &lane, Moment::from_millis(i64::MIN))?)).await
    }

    async fn pause(&self, pause: &Pause) -> StoreResult<()> {
        let pause = pause.clone();
        self.writer.run(move |db| Ok(lanes::pause(db, &pause)?)).await
    }

    async fn resume(&self, lane: &Lane) -> StoreResult<()> {
        let lane = lane.clone();
        self.writer.run(move |db| Ok(lanes::resume(db, &lane)?)).await
    }

    async fn paused(&self) -> StoreResult<Vec<Pause>> {
        self.lookups.run(|db| lanes::paused(db)).await
    }

    async fn note_failing(&self, lane: &Lane, since: Moment) -> StoreResult<()> {
        let lane = lane.clone();
        self.writer.run(move |db| Ok(lanes::note_failing(db, &lane, since)?)).await
    }

    async fn note_working(&self, lane: &Lane) -> StoreResult<()> {
        let lane = lane.clone();
        self.writer.run(move |db| Ok(lanes::note_working(db, &lane)?)).await
    }

    async fn failing(&self) -> StoreResult<Vec<(Lane, Moment)>> {
        self.lookups.run(|db| lanes::failing(db)).await
    }

    async fn list_carts(&self, cursor: Option<&str>, limit: usize) -> StoreResult<Page> {
        let after = match cursor {
            None => Cursor::start(),
            Some(text) => match Cursor::parse(text) {
                Some(cursor) => cursor,
                // Not one of ours: an end, so that nobody pages in circles.
                None => return Ok(Page::default()),
            },
        };
        self.surveys.run(move |db| carts::list(db, &after, limit)).await
    }

    async fn delivery(&self, shop: &ShopId, cart: &CartId, id: &DeliveryId) -> StoreResult<Option<Delivery>> {
        let (shop, cart, id) = (shop.clone(), cart.clone(), id.clone());
        let bytes = self.lookups.run(move |db| Ok(outbox::find(db, &shop, &cart, &id)?)).await?;
        bytes.map(|bytes| record::decode_delivery(&bytes)).transpose()
    }

    async fn list_deliveries(
        &self,
        lane: &Lane,
        which: Shelf,
        cursor: Option<&str>,
        limit: usize,
    ) -> StoreResult<LetterPage> {
        let mark = match cursor.map(Mark::parse) {
            // Not one of ours: an end, so that nobody pages in circles.
            Some(None) => return Ok(LetterPage::default()),
            mark => mark.flatten(),
        };
        let (lane, limit) = (lane.clone(), limit.max(1));
        self.surveys.run(move |db| letters::page(db, &lane, which, mark.as_ref(), limit)).await
    }

    async fn find_delivery(&self, id: &DeliveryId) -> StoreResult<Option<Letter>> {
        let id = id.clone();
        self.lookups.run(move |db| letters::find(db, &id)).await
    }

    async fn deliveries_of(&self, shop: &ShopId, cart: &CartId, ids: &[DeliveryId]) -> StoreResult<Vec<Letter>> {
        let (shop, cart, ids) = (shop.clone(), cart.clone(), ids.to_vec());
        self.surveys.run(move |db| letters::of_cart(db, &shop, &cart, &ids)).await
    }

    async fn revive(&self, _lane: &Lane, revivals: &[Revival]) -> StoreResult<usize> {
        let revivals: Vec<Reviving> = revivals.iter().map(Reviving::of).collect();
        let work = move |db: &Batch<'_>| {
            let mut revived = 0;
            for one in &revivals {
                revived += usize::from(one.apply(db)?);
            }
            Ok(revived)
        };
        self.writer.run(work).await
    }

    async fn bury(&self, burial: Burial<'_>) -> StoreResult<Settled> {
        let burying = Burying::of(&burial);
        self.writer.run(move |db| Ok(burying.apply(db)?)).await
    }

    async fn tallies(&self, shop: &ShopId, from: Day, to: Day) -> StoreResult<Vec<(Day, TallyKey, i64)>> {
        let shop = shop.clone();
        self.surveys.run(move |db| Ok(counts::tallies(db, &shop, from, to)?)).await
    }

    async fn census(&self) -> StoreResult<Vec<(ShopId, StateName, i64)>> {
        self.surveys.run(|db| counts::census(db)).await
    }

    async fn outbox_counts(&self) -> StoreResult<OutboxCounts> {
        self.surveys.run(|db| lanes::counts(db)).await
    }

    async fn check(&self) -> StoreResult<Health> {
        self.lookups.run(|db| Ok(carts::next_wake(db)?)).await?;
        match self.writer.run(|db| Ok(upkeep::probe(db)?)).await {
            Ok(()) => Ok(Health::default()),
            Err(StoreError::Full) => {
                let note = "the disk of the store is full: nothing can be written until there is room again";
                Ok(Health { notes: vec![note.to_owned()] })
            }
            Err(error) => Err(error),
        }
    }

    async fn sweep(&self, now: Moment) -> StoreResult<u64> {
        let mut deleted = 0_u64;
        loop {
            let (some, is_more) = self.writer.run(move |db| upkeep::sweep(db, now)).await?;
            deleted += u64::try_from(some).unwrap_or(u64::MAX);
            if !is_more {
                return Ok(deleted);
            }
        }
    }

    async fn flush(&self) -> StoreResult<()> {
        self.writer.run_alone(upkeep::checkpoint).await
    }
}

fn decode<T>(raw: RawLoaded, read: impl FnOnce(&[u8]) -> StoreResult<T>) -> StoreResult<Loaded<T>> {
    let record = match raw.record {
        Some(raw) => Some(Stored { value: Box::new(read(&raw.bytes)?), version: raw.version }),
        None => None,
    };
    let answered = raw.answered.map(|bytes| record::decode_answered(&bytes)).transpose()?;
    Ok(Loaded { record, answered })
}
