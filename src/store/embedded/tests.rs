//! What only an embedded store does: folders, locks, restarts, batches, copies. What every store does is tested in
//! `tests/it/store`.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use rusqlite::Connection;
use tempfile::TempDir;

use super::fault::Fault;
use super::worker::Batch;
use super::*;
use crate::domain::{
    Content, Covers, Currency, EndpointName, Event, EventKind, Heard, Past, PurchaseMark, Stage, StageSet, State,
    Tally, TallyKey, Trail,
};
use crate::store::{TALLIES_KEPT, Version};

const KEY: [u8; 32] = [7; 32];

fn at(seconds: i64) -> Moment {
    Moment::from_millis(1_790_000_000_000 + seconds * 1_000)
}

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder can be made")
}

fn open(folder: &Path, now: i64) -> EmbeddedStore {
    EmbeddedStore::open(folder, KEY, at(now)).expect("the folder is free")
}

fn refusal(folder: &Path) -> String {
    match EmbeddedStore::open(folder, KEY, at(0)) {
        Ok(_) => panic!("it should not open"),
        Err(StoreError::Unusable(sentence)) => sentence,
        Err(other) => panic!("{other:?}"),
    }
}

fn shop() -> ShopId {
    ShopId::parse("shop").expect("a slug")
}

fn cart(id: &str) -> Cart {
    Cart {
        shop: shop(),
        id: CartId::parse(id).expect("a token"),
        state: State::Active { stalls_at: Some(at(60)) },
        stage: Stage::Cart,
        stages: StageSet(3),
        content: Content::empty(Currency::parse("EUR").expect("known")),
        signals: Vec::new(),
        reasons: Vec::new(),
        created_at: at(0),
        last_activity_at: at(0),
        items_changed_at: at(0),
        occurred_at: at(0),
        revision: None,
        episode_started_at: at(0),
        abandonments: 0,
        last_abandonment: None,
        reminders: Vec::new(),
        order: None,
        expires_at: at(1_000),
        stage_since: at(0),
        heard: Heard::default(),
        furthest_at: at(0),
        trail: Trail::default(),
        past: Past::default(),
    }
}

fn lane() -> Lane {
    Lane { shop: shop(), endpoint: EndpointName::parse("mail").expect("a slug") }
}

fn delivery(cart: &Cart) -> Delivery {
    let event = Event::plain(EventKind::Reminder, at(1));
    Delivery::new(cart, &lane().endpoint, event, at(1), at(900))
}

async fn write(store: &EmbeddedStore, cart: &Cart, outbox: &[Delivery]) -> StoreResult<Committed> {
    let tallies = [Tally { day: at(0).day(), key: TallyKey("carts".to_owned()), by: 1 }];
    let commit = Commit {
        shop: &cart.shop,
        id: &cart.id,
        expected: Version::ABSENT,
        cart: Some(cart),
        outbox,
        begun_until: &[],
        tallies: &tallies,
        census: &[],
        keep: None,
        now: at(0),
    };
    store.commit(commit).await
}

async fn count(store: &EmbeddedStore) -> i64 {
    let tallies = store.tallies(&shop(), at(0).day(), at(0).day()).await.expect("readable");
    tallies.iter().map(|(_, _, n)| n).sum()
}

const DONE: Committed = Committed::Done;

#[tokio::test]
async fn a_folder_has_one_process_at_a_time() {
    let folder = folder();
    let store = open(folder.path(), 0);
    let sentence = refusal(folder.path());
    assert!(sentence.contains("in use by another process"), "{sentence}");
    drop(store);
    open(folder.path(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let parent = folder();
    let path = parent.path().join("a/b");
    let store = open(&path, 0);
    assert_eq!(write(&store, &cart("c-1"), &[]).await.expect("writable"), DONE);
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in std::fs::read_dir(&path).expect("readable") {
        let file = file.expect("readable").path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_dropped_store_is_whole_when_opened_again_and_what_was_leased_is_due() {
    let folder = folder();
    let (cart, store) = (cart("c-1"), open(folder.path(), 0));
    let queued = delivery(&cart);
    write(&store, &cart, std::slice::from_ref(&queued)).await.expect("writable");
    let claims = store.claim(&lane(), at(10), 10, at(1_000)).await.expect("reachable");
    store.begin(&claims[0], at(11), at(2_000)).await.expect("reachable").expect("ours");
    drop(store);

    let store = open(folder.path(), 20);
    assert_eq!(store.next_due(&lane()).await.expect("reachable"), Some(at(20)), "its holder is gone");
    let in_flight = store.sends(&cart.shop, &cart.id, at(21)).await.expect("reachable").in_flight_until;
    assert_eq!(in_flight, Some(at(2_000)), "its bytes may still be on their way");
    let again = store.claim(&lane(), at(20), 10, at(50)).await.expect("reachable");
    let begun = store.begin(&again[0], at(21), at(51)).await.expect("reachable").expect("ours");
    assert_eq!((begun.delivery, begun.cart), (queued, Some(Box::new(cart))));
}

#[tokio::test]
async fn a_thousand_commits_at_once_are_all_true_and_share_their_syncs() {
    let folder = folder();
    let store = open(folder.path(), 0);
    let carts: Vec<Cart> = (0..1_000).map(|n| cart(&format!("c-{n}"))).collect();
    let commits = join_all(carts.iter().map(|cart| write(&store, cart, &[]))).await;
    assert!(commits.iter().all(|commit| matches!(commit, Ok(DONE))));
    assert_eq!(count(&store).await, 1_000);
    let due = store.due_carts(at(60), DUE_MAX, 0).await.expect("reachable");
    assert_eq!(due.len(), 1_000);
}

#[tokio::test]
async fn one_that_fails_harms_no_other_in_its_batch() {
    let folder = folder();
    let store = open(folder.path(), 0);
    let broken = store.writer.run(|db| {
        db.execute("INSERT INTO lanes VALUES ('half', 'done', 0, 0)", [])?;
        Ok(db.execute("INSERT INTO nowhere VALUES (1)", [])?)
    });
    let (one, other) = (cart("c-1"), cart("c-2"));
    let (before, broken, after) = tokio::join!(write(&store, &one, &[]), broken, write(&store, &other, &[]));
    assert!(matches!(broken, Err(StoreError::Unavailable(_))), "{broken:?}");
    assert!(matches!((before, after), (Ok(DONE), Ok(DONE))));
    assert_eq!(count(&store).await, 2);
    assert_eq!(store.lanes().await.expect("reachable"), [], "what it had begun is undone");
}

#[tokio::test]
async fn one_that_panics_harms_no_other_and_ends_no_thread() {
    let folder = folder();
    let store = open(folder.path(), 0);
    let broken = store.writer.run(|db| {
        db.execute("INSERT INTO lanes VALUES ('half', 'done', 0, 0)", [])?;
        assert!(db.is_autocommit(), "on purpose");
        Ok(())
    });
    let (one, other) = (cart("c-1"), cart("c-2"));
    let (before, broken, after) = tokio::join!(write(&store, &one, &[]), broken, write(&store, &other, &[]));
    assert!(matches!(broken, Err(StoreError::Unavailable(_))), "{broken:?}");
    assert!(matches!((before, after), (Ok(DONE), Ok(DONE))));

    let read: StoreResult<()> = store.surveys.run(|_| panic!("on purpose")).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let alone: StoreResult<()> = store.writer.run_alone(|_| panic!("on purpose")).await;
    assert!(matches!(alone, Err(StoreError::Unavailable(_))), "{alone:?}");
    assert_eq!(write(&store, &cart("c-3"), &[]).await.expect("the thread goes on"), DONE);
    assert_eq!(count(&store).await, 3);
    assert_eq!(store.lanes().await.expect("reachable"), [], "what it had begun is undone");
}

#[tokio::test]
async fn what_is_asked_for_together_is_answered_in_its_order_and_harms_no_other() {
    let folder = folder();
    let store = open(folder.path(), 0);
    let pieces = (0..2_000_i64).map(|n| {
        move |db: &Batch<'_>| match n {
            700 => Err(Fault::Sql(rusqlite::Error::InvalidQuery)),
            701 => panic!("on purpose"),
            702 => Err(Fault::Store(StoreError::Corrupt { what: "note" })),
            _ => Ok(db.query_row("SELECT ?", [n], |row| row.get::<_, i64>(0))?),
        }
    });
    let answers = store.writer.run_all(pieces).await;
    assert_eq!(answers.len(), 2_000);
    for (n, answer) in (0..).zip(&answers) {
        assert_eq!(answer.as_ref().ok(), (!(700..=702).contains(&n)).then_some(&n), "{n}: {answer:?}");
    }
    assert!(matches!(answers[702], Err(StoreError::Corrupt { .. })), "its own fault, and not that of the database");
    assert!(store.writer.run_all(Vec::<fn(&Batch<'_>) -> Result<(), Fault>>::new()).await.is_empty());
}

#[tokio::test]
async fn all_that_wait_for_a_locked_file_are_told_at_once() {
    let folder = folder();
    let store = open(folder.path(), 0);
    store.writer.run_alone(|db| db.busy_timeout(Duration::from_millis(100))).await.expect("reachable");
    let other = Connection::open(folder.path().join("cartwake.db")).expect("it is there");
    other.execute_batch("BEGIN IMMEDIATE").expect("free");
    let carts: Vec<Cart> = (0..100).map(|n| cart(&format!("c-{n}"))).collect();
    let commits = join_all(carts.iter().map(|cart| write(&store, cart, &[])));
    // One after the other they would take ten seconds.
    let commits = tokio::time::timeout(Duration::from_secs(5), commits).await.expect("together");
    assert!(commits.iter().all(|commit| matches!(commit, Err(StoreError::Unavailable(_)))));
    assert_eq!(count(&store).await, 0);
    other.execute_batch("ROLLBACK").expect("ours");
    assert_eq!(write(&store, &carts[0], &[]).await.expect("free again"), DONE);
}

#[tokio::test]
async fn a_store_of_a_later_version_is_refused_and_left_alone() {
    let folder = folder();
    drop(open(folder.path(), 0));
    let file = folder.path().join("cartwake.db");
    let raise = |to: i64| {
        let db = Connection::open(&file).expect("it is there");
        db.execute("UPDATE meta SET value = ? WHERE name = 'schema'", [to]).expect("writable");
    };
    raise(99);
    let sentence = refusal(folder.path());
    assert!(sentence.contains("later version") && sentence.contains("99"), "{sentence}");
    raise(3);
    open(folder.path(), 0);
}

#[tokio::test]
async fn a_store_of_the_first_version_is_brought_up_to_date() {
    let folder = folder();
    let mark = Note::Purchase(PurchaseMark {
        order: OrderId::parse("o-1").expect("an id"),
        placed_at: at(5),
        covers: Covers::Everything,
        paid: true,
    });
    let hashes = [IdentifierHash([7; 16])];
    let store = open(folder.path(), 0);
    store.note(&shop(), &hashes, &mark, at(100), at(0)).await.expect("writable");
    drop(store);
    let file = folder.path().join("cartwake.db");
    let db = Connection::open(&file).expect("it is there");
    db.execute_batch(
        "UPDATE meta SET value = 1 WHERE name = 'schema';
         DROP INDEX notes_by_end; ALTER TABLE notes RENAME TO marks; ALTER TABLE marks RENAME COLUMN key TO order_id;
         CREATE INDEX marks_by_end ON marks (until);
         DROP TABLE failing; DROP INDEX deliveries_by_due; ALTER TABLE deliveries DROP COLUMN is_repeat;
         CREATE INDEX deliveries_by_due ON deliveries (shop, endpoint, due_at, is_leased, status) WHERE status = 0;",
    )
    .expect("the tables of schema 1");
    drop(db);
    let store = open(folder.path(), 0);
    assert_eq!(store.failing().await.expect("readable"), []);
    assert_eq!(store.notes(&shop(), &hashes, at(1)).await.expect("readable"), [mark], "who bought is still known");
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused() {
    let folder = folder();
    std::fs::write(folder.path().join("cartwake.db"), "not a database ".repeat(1_000)).expect("writable");
    let sentence = refusal(folder.path());
    assert!(sentence.contains("damaged"), "{sentence}");
    std::fs::remove_file(folder.path().join("cartwake.db")).expect("it is there");
    let other = Connection::open(folder.path().join("cartwake.db")).expect("writable");
    other.execute("CREATE TABLE theirs (x)", []).expect("writable");
    drop(other);
    let sentence = refusal(folder.path());
    assert!(sentence.contains("not made by cartwake"), "{sentence}");
}

#[tokio::test]
async fn a_copy_made_while_writes_go_on_is_a_store_of_one_moment() {
    let (folder, ours, theirs) = (folder(), folder(), folder());
    let store = open(folder.path(), 0);
    let carts: Vec<Cart> = (0..300).map(|n| cart(&format!("c-{n}"))).collect();
    let writes = join_all(carts.iter().map(|cart| write(&store, cart, &[])));
    let (_, copied) = tokio::join!(writes, store.copy_to(ours.path()));
    copied.expect("copied by the one that writes");
    let outside = (folder.path().to_owned(), theirs.path().to_owned());
    let copied = tokio::task::spawn_blocking(move || copy(&outside.0, &outside.1)).await.expect("no panic");
    copied.expect("copied by another");
    let again = store.copy_to(ours.path()).await;
    assert!(matches!(again, Err(StoreError::Unusable(_))), "a copy is never overwritten");
    drop(store);
    for (copy, least) in [(ours.path(), 0), (theirs.path(), 300)] {
        let copy = open(copy, 0);
        let (counted, listed) = (count(&copy).await, copy.list_carts(None, 1_000).await.expect("readable").carts.len());
        assert_eq!(usize::try_from(counted).ok(), Some(listed), "of one moment");
        assert!(listed >= least);
        assert_eq!(copy.identity_key(), KEY);
    }
}

#[tokio::test]
async fn a_sweep_of_much_deletes_it_all() {
    let folder = folder();
    let store = open(folder.path(), 0);
    let hashes: Vec<IdentifierHash> = (0..120).map(|n| IdentifierHash([n; 16])).collect();
    for n in 0..10 {
        let id = cart(&format!("c-{n}")).id;
        store.enroll(&shop(), &hashes, &id, at(5)).await.expect("writable");
    }
    assert_eq!(store.sweep(at(4)).await.expect("reachable"), 0);
    assert_eq!(store.sweep(at(5)).await.expect("reachable"), 1_200);
}

#[tokio::test]
async fn a_sweep_deletes_counts_of_days_long_past_in_every_shop() {
    let folder = folder();
    let store = open(folder.path(), 0);
    let other = ShopId::parse("other").expect("a slug");
    let (first, next) = (at(0).day(), Day::from_number(at(0).day().number() + 1));
    for shop in [shop(), other] {
        let count = |n: i64, day| Tally { day, key: TallyKey(format!("key-{n}")), by: 1 };
        let tallies: Vec<Tally> = (0..700).map(|n| count(n, first)).chain([count(0, next)]).collect();
        let work = move |db: &Batch<'_>| {
            db.counts.add_tallies(&shop, &tallies);
            Ok(())
        };
        store.writer.run(work).await.expect("writable");
    }
    let kept_until = first.starts_at().plus(TALLIES_KEPT);
    assert_eq!(store.sweep(kept_until).await.expect("reachable"), 0);
    assert_eq!(store.sweep(kept_until.plus(Duration::from_hours(24))).await.expect("reachable"), 2 * 700);
    assert_eq!(store.tallies(&shop(), first, next).await.expect("reachable").len(), 1, "the next day has its time");
}

#[tokio::test]
async fn a_store_that_works_has_nothing_to_say() {
    let folder = folder();
    let store = open(folder.path(), 0);
    assert_eq!(store.check().await.expect("reachable"), Health::default());
    store.flush().await.expect("reachable");
    let log = folder.path().join("cartwake.db-wal").metadata().expect("it is there");
    assert_eq!(log.len(), 0, "a flush moves everything into the file");
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_is_half_written() {
    let folder = folder();
    let store = open(folder.path(), 0);
    let limit = |pages: i64| {
        store.writer.run_alone(move |db| db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())))
    };
    limit(1).await.expect("it takes the size it has");
    let mut refused = 0;
    for n in 0..200 {
        match write(&store, &cart(&format!("c-{n}")), &[]).await {
            Ok(_) => {}
            Err(StoreError::Full) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused > 0, "the pages ran out");
    assert_eq!(count(&store).await, 200 - refused);
    limit(1_000_000).await.expect("room again");
    tokio::time::timeout(Duration::from_secs(10), write(&store, &cart("late"), &[]))
        .await
        .expect("in time")
        .expect("room");
}
