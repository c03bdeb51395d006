//! Servers that die and slots that move while carts are written all the time.
//!
//! What was acknowledged is found afterwards, no call outlasts its timeout, and service is back by itself. A replica is
//! let catch up before its primary is killed: what is acknowledged and not replicated may be lost (docs/redis.md).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cartwake::domain::Cart;
use cartwake::engine::Scheduler;
use cartwake::store::redis::{RedisSettings, RedisStore};
use cartwake::store::{Commit, Committed, Store, StoreError, Version};

use serde_json::json;

use crate::groups::{RedisCluster, RedisSentinels, wait_until};
use crate::samples::{at, cart, reminder};
use crate::servers::RedisServer;
use crate::shop::{HOUR, Shop, cart_of};

const TIMEOUT: Duration = Duration::from_secs(2);
/// What a busy machine may add to it.
const GRACE: Duration = Duration::from_secs(2);
const SHARDS: u16 = 16;
const WRITERS: usize = 4;
/// Carts in a row without a failure: then every shard serves again, but for one chance in ten thousand million.
const IN_A_ROW: usize = 400;
const WRITES_MAX: usize = 200_000;

async fn open(url: &str) -> Arc<RedisStore> {
    let settings = RedisSettings {
        url: url.to_owned(),
        tls_ca: None,
        allow_volatile: false,
        shards: SHARDS,
        command_timeout: TIMEOUT,
        connections: 2,
    };
    Arc::new(RedisStore::open(settings, [7; 32], at(0)).await.expect("the servers are ours"))
}

/// What became of many writes.
#[derive(Default)]
struct Ledger {
    acknowledged: Vec<Cart>,
    failed: usize,
    longest: Duration,
    /// Since the writing began.
    last_failure: Duration,
}

async fn write(store: &RedisStore, cart: &Cart) -> Result<(), StoreError> {
    let outbox = [reminder(cart, 0, at(1))];
    let commit = Commit {
        shop: &cart.shop,
        id: &cart.id,
        expected: Version::ABSENT,
        cart: Some(cart),
        outbox: &outbox,
        begun_until: &[],
        tallies: &[],
        census: &[],
        keep: None,
        now: at(0),
    };
    assert_eq!(store.commit(commit).await?, Committed::Done);
    Ok(())
}

/// Writes carts of this name until told that it is over, and then until all goes well.
async fn write_on(store: Arc<RedisStore>, name: String, is_over: Arc<AtomicBool>) -> Ledger {
    let began = Instant::now();
    let mut ledger = Ledger::default();
    let mut in_a_row = 0;
    for n in 0..WRITES_MAX {
        if is_over.load(Ordering::Relaxed) && in_a_row >= IN_A_ROW {
            return ledger;
        }
        let cart = cart(&format!("{name}-{n}"));
        let asked = Instant::now();
        match write(&store, &cart).await {
            Ok(()) => {
                ledger.acknowledged.push(cart);
                in_a_row += usize::from(is_over.load(Ordering::Relaxed));
            }
            Err(StoreError::Unavailable(_)) => {
                ledger.failed += 1;
                ledger.last_failure = began.elapsed();
                in_a_row = 0;
            }
            Err(error) => panic!("{error:?}"),
        }
        ledger.longest = ledger.longest.max(asked.elapsed());
    }
    panic!("service did not come back within {WRITES_MAX} writes");
}

struct Writers {
    is_over: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Ledger>>,
}

impl Writers {
    fn start(store: &Arc<RedisStore>, name: &str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let task = |n| tokio::spawn(write_on(Arc::clone(store), format!("{name}{n}"), Arc::clone(&is_over)));
        Self { tasks: (0..WRITERS).map(task).collect(), is_over }
    }

    /// Lets them end once all goes well, and holds them to what was promised.
    async fn end(self, what: &str) -> Vec<Cart> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut all = Ledger::default();
        for task in self.tasks {
            let ledger = task.await.expect("ran");
            all.acknowledged.extend(ledger.acknowledged);
            all.failed += ledger.failed;
            all.longest = all.longest.max(ledger.longest);
            all.last_failure = all.last_failure.max(ledger.last_failure);
        }
        println(&format!(
            "{what}: {} acknowledged, {} failed, the longest call {:?}, back after {:?}",
            all.acknowledged.len(),
            all.failed,
            all.longest,
            all.last_failure
        ));
        assert!(all.longest < TIMEOUT + GRACE, "a call took {:?}", all.longest);
        all.acknowledged
    }
}

#[expect(clippy::print_stdout, reason = "shown with --nocapture: how long recovery took")]
fn println(line: &str) {
    println!("{line}");
}

/// Every one is there, with its reminder.
async fn all_found(store: &RedisStore, carts: &[Cart]) {
    let ids: BTreeSet<_> = carts.iter().map(|cart| cart.id.clone()).collect();
    assert_eq!(ids.len(), carts.len());
    for some in carts.chunks(100) {
        let names: Vec<_> = some.iter().map(|cart| (cart.shop.clone(), cart.id.clone())).collect();
        for (cart, loaded) in some.iter().zip(store.load_all(&names).await) {
            let record = loaded.expect("service is back").record;
            assert_eq!(record.map(|stored| stored.version), Some(Version(1)), "{:?} was acknowledged", cart.id);
        }
    }
    for cart in carts.iter().step_by(50) {
        let id = reminder(cart, 0, at(1)).id;
        assert!(store.delivery(&cart.shop, &cart.id, &id).await.expect("service is back").is_some());
    }
}

fn replicated(primary: &RedisServer) {
    wait_until("the replica has caught up", || {
        let told = primary.tell("INFO replication");
        let field = |name: &str| Some(told.split_once(name)?.1.split([',', '\r']).next()?.to_owned());
        field(",offset=").is_some() && field(",offset=") == field("master_repl_offset:")
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_of_a_cluster_is_replaced_and_nothing_acknowledged_is_lost() {
    let mut cluster = RedisCluster::start();
    let store = open(&cluster.url()).await;
    let writers = Writers::start(&store, "before");
    let mut carts = writers.end("a whole cluster").await;
    for master in cluster.masters() {
        replicated(master);
    }
    let victim = cluster.servers.iter().position(|server| server.tell("ROLE").contains("master"));
    cluster.servers[victim.expect("a cluster has masters")].kill();
    let writers = Writers::start(&store, "after");
    carts.extend(writers.end("a master killed").await);
    all_found(&store, &carts).await;
}

/// Whose cart, notes and goods are elsewhere is looked after: of a hundred those are 30 to 44.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_nobody_replaces_holds_up_only_its_own() {
    let mut cluster = RedisCluster::start_with(&["--cluster-require-full-coverage", "no"]);
    let shop = Shop::open_behind(&cluster.url()).await;
    for n in 0..100 {
        let mut cart = cart_of(&format!("{n}@example.com"));
        cart["items"] = json!([{"product_id": format!("p-{n}"), "quantity": 1, "unit_price_minor": 500}]);
        assert!(shop.puts(&format!("c-{n}"), cart).await.status < 300);
    }
    cluster.lose_a_master();
    shop.clock.set(shop.now().plus(HOUR));
    let scheduler = Scheduler::new(Arc::clone(shop.app.engine()), 100);
    let began = Instant::now();
    let woken = scheduler.run_once().await.expect("most can be asked about");
    println(&format!("a master lost: {woken:?} in {:?}", began.elapsed()));
    assert!(woken.decided > 5 && woken.decided < woken.found, "{woken:?}");
    assert!(began.elapsed() < 10 * TIMEOUT, "what does not answer is not waited for once for each cart");
    let again = scheduler.run_once().await.expect("nothing is due");
    assert_eq!(again.found, 0, "who could not be asked about is out of the way for some seconds");
}

/// Of the shards of the others nothing is lost: were every process to call itself unfit, all would stand still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_one_primary_is_relied_on_and_says_so_and_without_most_it_is_not() {
    let mut cluster = RedisCluster::start();
    for server in &cluster.servers {
        for setting in ["cluster-require-full-coverage no", "cluster-replica-no-failover yes"] {
            assert_eq!(server.tell(&format!("CONFIG SET {setting}")), "+OK");
        }
    }
    let store = open(&cluster.url()).await;
    let whole = store.check().await.expect("all answer").notes;
    let masters: Vec<usize> = (0..6).filter(|&n| cluster.servers[n].tell("ROLE").contains("master")).collect();
    // First the one that has the marker of the store.
    let marked = masters.iter().position(|&n| cluster.servers[n].tell("EXISTS cw:meta").starts_with(':'));
    let mut masters = masters;
    masters.rotate_left(marked.expect("a master has it"));
    cluster.servers[masters[0]].kill();
    let notes = store.check().await.expect("two of three answer").notes;
    let new: Vec<&String> = notes.iter().filter(|note| !whole.contains(note)).collect();
    assert!(matches!(&new[..], [note] if note.contains("1 of 3")), "{notes:?}");
    cluster.servers[masters[1]].kill();
    let unfit = store.check().await.expect_err("one of three is not enough");
    assert!(matches!(unfit, StoreError::Unavailable(_)), "{unfit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_by_sentinels_loses_nothing_acknowledged() {
    let mut servers = RedisSentinels::start();
    let store = open(&servers.url(1)).await;
    let writers = Writers::start(&store, "before");
    let mut carts = writers.end("a primary").await;
    replicated(&servers.primary);
    servers.primary.kill();
    let writers = Writers::start(&store, "after");
    carts.extend(writers.end("a primary killed").await);
    assert!(servers.replica.tell("ROLE").contains("master"));
    all_found(&store, &carts).await;
}

/// A primary that is cut off from its sentinels answers on; what it takes then is lost, so it is not to be asked for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_the_sentinels_replaced_is_left_although_it_answers() {
    let servers = RedisSentinels::start();
    let store = open(&servers.url(1)).await;
    write(&store, &cart("before")).await.expect("a primary");
    replicated(&servers.primary);
    servers.name_the_replica();
    // What every process does twice a second.
    store.look_around().await.expect("the sentinels answer");
    write(&store, &cart("after")).await.expect("the new primary");
    let both = [cart("before"), cart("after")];
    all_found(&*open(&servers.replica.url(1)).await, &both).await;
    let old = open(&servers.primary.url(1)).await;
    let after = old.load(&both[1].shop, &both[1].id, None).await.expect("it answers still");
    assert_eq!(after.record, None, "nothing was told to the one that is out of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_under_load_lose_nothing_and_make_no_call_hang() {
    let cluster = RedisCluster::start();
    let store = open(&cluster.url()).await;
    let mut carts = Writers::start(&store, "before").end("a whole cluster").await;
    let writers = Writers::start(&store, "meanwhile");
    let cluster = tokio::task::spawn_blocking(move || {
        for shard in 0..SHARDS / 2 {
            move_slot(&cluster, &format!("{{cw:{shard:02}}}"));
        }
        cluster
    });
    let cluster = cluster.await.expect("ran");
    carts.extend(writers.end("eight slots moved").await);
    all_found(&store, &carts).await;
    // A process that starts afterwards finds its way too.
    all_found(&*open(&cluster.url()).await, &carts).await;
}

/// As `redis-cli --cluster reshard` does it, key by key, to the next master.
fn move_slot(cluster: &RedisCluster, tag: &str) {
    let masters: Vec<&RedisServer> = cluster.masters().collect();
    let slot = masters[0].tell(&format!("CLUSTER KEYSLOT {tag}")).trim_start_matches(':').to_owned();
    let has_it = |server: &RedisServer| !server.tell(&format!("EXISTS {tag}")).starts_with("-MOVED");
    let from = masters.iter().position(|server| has_it(server)).expect("a master has the slot");
    let (source, target) = (masters[from], masters[(from + 1) % masters.len()]);
    let id = |server: &RedisServer| server.tell("CLUSTER MYID").lines().last().unwrap_or_default().to_owned();
    assert_eq!(target.tell(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(source))), "+OK");
    assert_eq!(source.tell(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(target))), "+OK");
    wait_until("the slot is empty", || {
        let found = source.tell(&format!("CLUSTER GETKEYSINSLOT {slot} 50"));
        let keys: Vec<&str> = found.lines().map(str::trim).filter(|line| line.starts_with('{')).collect();
        if !keys.is_empty() {
            let call = format!("MIGRATE 127.0.0.1 {} \"\" 0 5000 KEYS {}", target.address.port(), keys.join(" "));
            let moved = source.tell(&call);
            assert!(moved == "+OK" || moved == "+NOKEY", "{moved}");
        }
        keys.is_empty()
    });
    let owner = format!("CLUSTER SETSLOT {slot} NODE {}", id(target));
    assert_eq!(target.tell(&owner), "+OK");
    assert_eq!(source.tell(&owner), "+OK");
}
