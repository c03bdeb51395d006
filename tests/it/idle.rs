//! What Redis is asked while there is nothing to do: entries of lanes that came to be outdated, however they did, do not
//! stay so, and stand in no other lane's way.

use std::collections::BTreeSet;

use cartwake::store::redis::RedisStore;
use cartwake::store::{Commit, Committed, DueLanes, Lane, Store, Version};

use crate::redis_only::{lane, settings, tell};
use crate::samples::{at, cart, endpoint, reminder, shop};
use crate::servers::own_database;

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
