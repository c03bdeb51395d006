//! What Redis is asked while there is nothing to do: entries of lanes that came to be outdated, however they did, do not
//! stay so, and stand in no other lane's way; and counting what waits does not take longer with every lane.

use std::collections::BTreeSet;

use cartwake::store::redis::RedisStore;
use cartwake::store::{Commit, Committed, DueLanes, Lane, Store, Version};

use crate::redis_only::{lane, settings, tell};
use crate::samples::{at, cart, endpoint, reminder, shop};
use crate::servers::{RedisServer, own_database};

/// More than one look sees in one shard.
const MANY: usize = 1_001;

async fn open(url: &str, shards: u16) -> RedisStore {
    RedisStore::open(settings(url, shards), [7; 32], at(0)).await.expect("the server is ours")
}

/// Claims a few in each lane that a look names, as their loops do; gives the lanes.
async fn look(store: &RedisStore, now: i64) -> BTreeSet<Lane> {
    let lanes = store.due_lanes(at(now)).await.expect("reachable").lanes;
    for lane in &lanes {
        store.claim(lane, at(now), 4, at(now + 30)).await.expect("reachable");
    }
    lanes.into_iter().collect()
}

#[tokio::test]
async fn an_outdated_entry_of_an_idle_lane_is_gone_after_one_look() {
    let url = own_database();
    let store = open(&url, 16).await;
    for shard in 0..16 {
        tell(&url, &format!("ZADD {{cw:{shard:02}}}:l {} shop/mail", at(1).millis())).await;
    }
    assert_eq!(look(&store, 10).await, BTreeSet::from([lane()]));
    assert_eq!(store.due_lanes(at(1_000)).await.expect("reachable"), DueLanes::default());
}

#[tokio::test]
async fn outdated_entries_of_very_many_lanes_hide_no_lane_for_long() {
    let url = own_database();
    let store = open(&url, 2).await;
    let outdated: Vec<String> = (0..MANY).map(|n| format!("{} shop/idle-{n}", at(1).millis())).collect();
    for shard in 0..2 {
        tell(&url, &format!("ZADD {{cw:0{shard}}}:l {}", outdated.join(" "))).await;
    }
    let (cart, other) = (cart("c-1"), Lane { shop: shop(), endpoint: endpoint("mail") });
    let commit = Commit {
        expected: Version::ABSENT,
        cart: Some(&cart),
        outbox: &[reminder(&cart, 0, at(5))],
        ..Commit::removal(&cart.shop, &cart.id, at(2))
    };
    assert_eq!(store.commit(commit).await.expect("reachable"), Committed::Done);
    let (first, second) = (look(&store, 10).await, look(&store, 11).await);
    assert!(!first.contains(&other), "this test no longer hides the lane: {}", first.len());
    assert!(second.contains(&other), "{} lanes hide it still", second.len());
    assert_eq!(store.due_lanes(at(12)).await.expect("reachable").lanes, []);
}

/// What the server has done so far, as it says itself.
async fn done(url: &str, what: &str) -> u64 {
    let info: String = redis::from_redis_value(tell(url, "INFO stats").await).expect("a text");
    let line = info.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).expect("it counts that");
    line.parse().expect("a number")
}

#[tokio::test]
async fn what_waits_in_many_lanes_is_counted_in_a_few_exchanges() {
    let server = RedisServer::start();
    let url = server.url(0);
    let store = open(&url, 16).await;
    let lanes: Vec<String> = (0..100).map(|n| format!("shop/lane-{n}")).collect();
    tell(&url, &format!("SADD cw:lanes {}", lanes.join(" "))).await;
    store.outbox_counts().await.expect("reachable");
    let before = [done(&url, "total_reads_processed").await, done(&url, "total_commands_processed").await];
    assert_eq!(store.outbox_counts().await.expect("reachable").pending.len(), 100);
    let after = [done(&url, "total_reads_processed").await, done(&url, "total_commands_processed").await];
    let [reads, commands] = [after[0] - before[0], after[1] - before[1]];
    assert!(reads < 60, "{reads} reads, {commands} commands");
    assert!(commands < 3 * 16 * 100 + 100, "{reads} reads, {commands} commands");
}
