//! What only Redis can do to us: races of several processes, lost scripts, full memory, restarts, a cluster's slots.
//!
//! What every store must do is in `store.rs`. Each test here that changes its server has one of its own.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cartwake::domain::{Cart, Census, Delivery, Moment, Note, State, StateName, Status, Tally, TallyKey, Why};
use cartwake::store::redis::{RedisSettings, RedisStore};
use cartwake::store::{
    Answer, Answered, Commit, Committed, Keep, Lane, OrderCommit, Pause, Settled, Settlement, Store, StoreError,
    StoreResult, Version,
};
use futures_util::future::join_all;

use crate::groups::advised_user;
use crate::samples::{at, cart, cart_waking, endpoint, hash, key, mark, order, receipt, reminder, shop};
use crate::servers::{RedisServer, own_database};

pub fn settings(url: &str, shards: u16) -> RedisSettings {
    RedisSettings {
        url: url.to_owned(),
        tls_ca: None,
        allow_volatile: false,
        shards,
        command_timeout: Duration::from_secs(10),
        connections: 2,
    }
}

async fn open(url: &str) -> Arc<RedisStore> {
    Arc::new(RedisStore::open(settings(url, 16), [7; 32], at(0)).await.expect("the server is ours"))
}

/// A command of an operator's.
pub async fn tell(url: &str, command: &str) -> redis::Value {
    let client = redis::Client::open(url).expect("a url of ours");
    let mut connection = client.get_multiplexed_async_connection().await.expect("the server is ours");
    let mut words = command.split(' ');
    let mut call = redis::cmd(words.next().unwrap_or_default());
    for word in words {
        call.arg(word);
    }
    call.query_async(&mut connection).await.expect(command)
}

async fn write(store: &RedisStore, cart: &Cart, expected: u64, outbox: &[Delivery]) -> StoreResult<Committed> {
    let commit = Commit {
        shop: &cart.shop,
        id: &cart.id,
        expected: Version(expected),
        cart: Some(cart),
        outbox,
        begun_until: &[],
        tallies: &[Tally { day: at(0).day(), key: TallyKey("carts".to_owned()), by: 1 }],
        census: &[Census { state: StateName::Active, by: 1 }],
        keep: None,
        now: at(0),
    };
    store.commit(commit).await
}

pub fn lane() -> Lane {
    Lane { shop: shop(), endpoint: endpoint("mail") }
}

/// Writes this many carts with a due reminder each.
async fn queue(store: &RedisStore, count: usize) {
    let carts: Vec<Cart> = (0..count).map(|n| cart(&format!("c-{n}"))).collect();
    let writes = carts.iter().map(async |cart| write(store, cart, 0, &[reminder(cart, 0, at(1))]).await);
    for committed in join_all(writes).await {
        assert_eq!(committed.expect("reachable"), Committed::Done);
    }
}

/// What the store has counted as `carts` on the first day.
async fn carts_counted(store: &RedisStore) -> i64 {
    let counts = store.tallies(&shop(), at(0).day(), at(0).day()).await.expect("reachable");
    counts.into_iter().map(|(_, _, count)| count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_that_another_process_moves_are_read_anew() {
    let url = own_database();
    let (reader, writer) = (open(&url).await, open(&url).await);
    for n in 0..4 {
        assert_eq!(carts_counted(&reader).await, n);
        write(&writer, &cart(&format!("c-{n}")), 0, &[]).await.expect("reachable");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_of_a_store_that_is_emptied_are_gone() {
    let url = own_database();
    let store = open(&url).await;
    write(&store, &cart("c-1"), 0, &[]).await.expect("reachable");
    assert_eq!(carts_counted(&store).await, 1);
    tell(&url, "FLUSHDB").await;
    assert_eq!(carts_counted(&store).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_processes_that_write_one_version_one_wins() {
    let url = own_database();
    let stores = join_all((0..8).map(|_| open(&url))).await;
    for version in 0..20 {
        let writes = stores.iter().cloned().zip(0_i64..).map(|(store, n)| {
            tokio::spawn(async move { write(&store, &cart_waking("c-1", at(n)), version, &[]).await })
        });
        let results = join_all(writes.collect::<Vec<_>>()).await;
        let results: Vec<Committed> = results.into_iter().map(|r| r.expect("ran").expect("reachable")).collect();
        let won = results.iter().filter(|result| matches!(result, Committed::Done)).count();
        assert_eq!(won, 1, "{results:?}");
    }
    let tallies = stores[0].tallies(&shop(), at(0).day(), at(0).day()).await.expect("reachable");
    assert_eq!(tallies, [(at(0).day(), TallyKey("carts".to_owned()), 20)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_processes_that_claim_no_two_get_the_same() {
    let url = own_database();
    let stores = join_all((0..8).map(|_| open(&url))).await;
    queue(&stores[0], 400).await;
    let workers = stores.into_iter().map(|store| {
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            for _ in 0..200 {
                let claims = store.claim(&lane(), at(2), 9, at(60)).await.expect("reachable");
                if claims.is_empty() {
                    break;
                }
                claimed.extend(claims.into_iter().map(|claim| claim.delivery));
            }
            claimed
        })
    });
    let claimed = join_all(workers.collect::<Vec<_>>()).await;
    let claimed: Vec<_> = claimed.into_iter().flat_map(|claims| claims.expect("ran")).collect();
    assert_eq!(claimed.len(), 400);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), 400);
}

#[tokio::test]
async fn a_stale_claim_neither_begins_nor_settles_nor_releases() {
    let store = open(&own_database()).await;
    queue(&store, 1).await;
    let first = store.claim(&lane(), at(2), 1, at(32)).await.expect("reachable").remove(0);
    let second = store.claim(&lane(), at(40), 1, at(70)).await.expect("reachable").remove(0);
    assert!(store.begin(&first, at(41), at(51)).await.expect("reachable").is_none());
    let begun = store.begin(&second, at(41), at(51)).await.expect("reachable").expect("ours");
    let mut delivery = begun.delivery.clone();
    delivery.status = Status::Delivered;
    for stale in [&first, &second] {
        let settlement =
            Settlement { claim: stale, delivery: &delivery, keep_until: at(1000), tallies: &[], unanswered_at: None };
        assert_eq!(store.settle(settlement).await.expect("reachable"), Settled::Lost);
        assert_eq!(store.release(stale, at(1)).await.expect("reachable"), Settled::Lost);
    }
    let settlement = Settlement {
        claim: &begun.claim,
        delivery: &delivery,
        keep_until: at(1000),
        tallies: &[],
        unanswered_at: None,
    };
    assert_eq!(store.settle(settlement).await.expect("reachable"), Settled::Done);
}

#[tokio::test]
async fn flushed_scripts_are_loaded_again() {
    let server = RedisServer::start();
    let url = server.url(0);
    let store = open(&url).await;
    for n in 0..20 {
        tell(&url, "SCRIPT FLUSH").await;
        let cart = cart(&format!("c-{n}"));
        write(&store, &cart, 0, &[reminder(&cart, 0, at(1))]).await.expect("reachable");
    }
    tell(&url, "SCRIPT FLUSH").await;
    assert_eq!(store.claim(&lane(), at(2), 20, at(60)).await.expect("reachable").len(), 20);
}

#[tokio::test]
async fn a_full_redis_refuses_new_carts_and_nothing_else() {
    let server = RedisServer::start();
    let url = server.url(0);
    let store = open(&url).await;
    queue(&store, 2).await;
    let [one, other] = [cart("c-0"), cart("c-1")];
    tell(&url, "CONFIG SET maxmemory 1").await;

    assert!(matches!(write(&store, &cart("new"), 0, &[]).await, Err(StoreError::Full)));
    let answered = Answered { fingerprint: 1, answer: Answer::Cart(receipt(&one)) };
    let keep = Keep { key: key("k"), answered, until: at(100) };
    let update = |cart, keep| Commit {
        shop: &one.shop,
        id: &one.id,
        expected: Version(1),
        cart,
        outbox: &[],
        begun_until: &[],
        tallies: &[],
        census: &[],
        keep,
        now: at(2),
    };
    assert!(matches!(store.commit(update(Some(&one), Some(&keep))).await, Err(StoreError::Full)));

    store.enroll(&shop(), &[hash(1)], &one.id, at(1000)).await.expect_err("an enrolment takes memory");
    let purchase = Note::Purchase(mark("o-1", at(1)));
    store.note(&shop(), &[hash(1)], &purchase, at(1000), at(2)).await.expect("an order must not fail");
    let bought = order("o-1");
    let commit = OrderCommit { order: &bought, expected: Version::ABSENT, tallies: &[], keep: Some(&keep), now: at(2) };
    assert_eq!(store.commit_order(commit).await.expect("reachable"), Committed::Done);
    let closed = Cart { state: State::Dismissed, ..one.clone() };
    let done = store.commit(update(Some(&closed), Some(&keep))).await.expect("closing makes room");
    assert_eq!(done, Committed::Done);
    let woken = [reminder(&other, 1, at(3))];
    write(&store, &other, 1, &woken).await.expect("a wake goes on");
    store.postpone(&shop(), &other.id, at(10_000), at(10_001)).await.expect("a wake goes on");

    let claims = store.claim(&lane(), at(2), 10, at(32)).await.expect("sending goes on");
    assert_eq!(claims.len(), 2);
    let begun = store.begin(&claims[0], at(3), at(13)).await.expect("sending goes on").expect("ours");
    let delivery = Delivery { status: Status::Delivered, ..begun.delivery };
    let settlement = Settlement {
        claim: &begun.claim,
        delivery: &delivery,
        keep_until: at(1000),
        tallies: &[],
        unanswered_at: None,
    };
    assert_eq!(store.settle(settlement).await.expect("sending goes on"), Settled::Done);
    assert_eq!(store.release(&claims[1], at(4)).await.expect("sending goes on"), Settled::Done);
    let pause = Pause { lane: lane(), why: Why::EndpointGone, since: at(4) };
    store.pause(&pause).await.expect("an endpoint can be stopped");
    assert_eq!(store.paused().await.expect("reachable"), [pause]);
}

#[tokio::test]
async fn a_store_made_otherwise_is_refused() {
    let url = own_database();
    drop(open(&url).await);
    let refused = RedisStore::open(settings(&url, 8), [1; 32], at(0)).await.err().expect("8 is not 16");
    assert!(matches!(&refused, StoreError::Unusable(sentence) if sentence.contains("shards = 16")), "{refused}");

    let url = own_database();
    tell(&url, "SET cw:meta something-else").await;
    let refused = RedisStore::open(settings(&url, 16), [1; 32], at(0)).await.err().expect("not ours");
    assert!(matches!(&refused, StoreError::Unusable(_)), "{refused}");
}

#[tokio::test]
async fn a_redis_that_evicts_is_refused() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let refused = open(&server.url(0)).await.check().await.expect_err("it evicts");
    assert!(matches!(&refused, StoreError::Unusable(sentence) if sentence.contains("noeviction")), "{refused}");
    let server = RedisServer::start();
    let notes = open(&server.url(0)).await.check().await.expect("usable").notes;
    assert!(notes.iter().any(|note| note.contains("appendonly yes")), "{notes:?}");
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let server = RedisServer::start();
    tell(&server.url(0), "CONFIG SET requirepass secret").await;
    let refused = RedisStore::open(settings(&server.url(0), 16), [1; 32], at(0)).await.err().expect("no password");
    assert!(matches!(&refused, StoreError::Unusable(sentence) if sentence.contains("login")), "{refused}");
    let url = server.url(0).replace("redis://", "redis://:secret@");
    assert!(open(&url).await.check().await.is_ok());
}

#[tokio::test]
async fn a_killed_redis_loses_nothing_it_acknowledged_and_is_found_again() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]);
    let store = open(&server.url(0)).await;
    queue(&store, 50).await;
    server.crash_and_restart();
    for n in 0..50 {
        let loaded = store.load(&shop(), &cart(&format!("c-{n}")).id, None).await.expect("the connection is made anew");
        assert_eq!(loaded.record.map(|stored| stored.version), Some(Version(1)));
    }
    assert_eq!(store.claim(&lane(), at(2), 100, at(60)).await.expect("reachable").len(), 50);
}

/// The connection's driver runs where it was made: there it may end before others are done.
#[test]
fn a_store_outlives_the_runtime_that_opened_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = own_database();
    let first = runtime();
    let settings = RedisSettings { connections: 1, ..settings(&url, 16) };
    let store = first.block_on(RedisStore::open(settings, [7; 32], at(0))).expect("the server is ours");
    drop(first);
    runtime().block_on(async {
        store.load(&shop(), &cart("c-1").id, None).await.expect("the connection is made anew");
        write(&store, &cart("c-1"), 0, &[]).await.expect("reachable");
    });
}

#[tokio::test]
async fn a_redis_that_never_answers_costs_one_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let url = format!("redis://{}", listener.local_addr().expect("bound"));
    let settings = RedisSettings { command_timeout: Duration::from_millis(80), ..settings(&url, 16) };
    let started = Instant::now();
    let refused = RedisStore::open(settings, [1; 32], at(0)).await.err().expect("nobody answers");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

/// In cluster mode a server refuses keys of two slots in one command, and scripts that touch what they did not name.
#[tokio::test]
async fn no_command_spans_two_slots() {
    let server = RedisServer::start_with(&["--save", "", "--databases", "1", "--cluster-enabled", "yes"]);
    let url = server.url(0);
    tell(&url, "CLUSTER ADDSLOTSRANGE 0 16383").await;
    for _ in 0..200 {
        if format!("{:?}", tell(&url, "CLUSTER INFO").await).contains("cluster_state:ok") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    use_all_of_it(&*open(&url).await).await;
}

/// An operator who copies the line from docs/redis.md has given rights enough.
#[tokio::test]
async fn the_rights_in_the_manual_are_enough() {
    let server = RedisServer::start();
    tell(&server.url(0), &advised_user()).await;
    let url = server.url(3).replace("redis://", "redis://cartwake:PASSWORD@");
    let store = open(&url).await;
    use_all_of_it(&store).await;
    store.check().await.expect("allowed");

    tell(&server.url(0), "ACL SETUSER cartwake -zadd").await;
    let refused = write(&store, &cart("new"), 0, &[]).await.expect_err("a right is missing");
    assert!(matches!(&refused, StoreError::Unusable(sentence) if sentence.contains("ACL")), "{refused:?}");
}

/// Every command and every script, on keys of many shards.
async fn use_all_of_it(store: &RedisStore) {
    queue(store, 20).await;
    let (id, hashes) = (cart("c-1").id, [hash(1), hash(2), hash(3)]);
    let far: Moment = at(1_000_000);
    store.enroll(&shop(), &hashes, &id, far).await.expect("allowed");
    let purchase = Note::Purchase(mark("o-1", at(1)));
    assert_eq!(store.note(&shop(), &hashes, &purchase, far, at(2)).await.expect("allowed").len(), 3);
    assert_eq!(store.notes(&shop(), &hashes, at(2)).await.expect("allowed").len(), 3);
    assert_eq!(store.carts_of(&shop(), &hashes, at(2)).await.expect("allowed"), std::slice::from_ref(&id));
    store.unnote(&shop(), &hashes, &purchase.key()).await.expect("allowed");
    let bought = order("o-1");
    let answered = Answered { fingerprint: 1, answer: Answer::Cart(receipt(&cart("c-1"))) };
    let keep = Keep { key: key("k"), answered, until: at(100) };
    let tallies = [Tally { day: at(0).day(), key: TallyKey("orders".to_owned()), by: 1 }];
    let commit =
        OrderCommit { order: &bought, expected: Version::ABSENT, tallies: &tallies, keep: Some(&keep), now: at(2) };
    store.commit_order(commit).await.expect("allowed");
    assert!(store.load_order(&shop(), &bought.id, Some(&keep.key)).await.expect("allowed").answered.is_some());
    assert_eq!(store.due_carts(at(10_000), 100, 0).await.expect("allowed").len(), 20);
    assert_eq!(store.list_carts(None, 100).await.expect("allowed").carts.len(), 20);
    store.postpone(&shop(), &id, at(10_000), at(10_001)).await.expect("allowed");
    let claims = store.claim(&lane(), at(2), 100, at(60)).await.expect("allowed");
    assert_eq!(claims.len(), 20);
    for claim in &claims[1..] {
        let begun = store.begin(claim, at(3), at(13)).await.expect("allowed").expect("ours");
        let delivery = Delivery { status: Status::Dead(Why::Rejected), ..begun.delivery };
        let settlement = Settlement {
            claim: &begun.claim,
            delivery: &delivery,
            keep_until: far,
            tallies: &tallies,
            unanswered_at: None,
        };
        assert_eq!(store.settle(settlement).await.expect("allowed"), Settled::Done);
    }
    store.release(&claims[0], at(4)).await.expect("allowed");
    let counts = store.outbox_counts().await.expect("allowed");
    assert_eq!((counts.pending, counts.dead), (vec![(lane(), 1)], vec![(lane(), 19)]));
    assert_eq!(store.census().await.expect("allowed"), [(shop(), StateName::Active, 20)]);
    assert_eq!(store.tallies(&shop(), at(0).day(), at(0).day()).await.expect("allowed").len(), 2);
    let pause = Pause { lane: lane(), why: Why::EndpointGone, since: at(4) };
    store.pause(&pause).await.expect("allowed");
    assert_eq!(store.paused().await.expect("allowed"), [pause]);
    store.resume(&lane()).await.expect("allowed");
    let removal = Commit {
        shop: &shop(),
        id: &id,
        expected: Version(1),
        cart: None,
        outbox: &[],
        begun_until: &[],
        tallies: &[],
        census: &[],
        keep: None,
        now: at(5),
    };
    assert_eq!(store.commit(removal).await.expect("allowed"), Committed::Done);
}
