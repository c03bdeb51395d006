//! Several processes on one Redis: they share the looking, and nothing that is due depends on it.

use std::collections::HashSet;
use std::time::Duration;

use cartwake::domain::Cart;
use cartwake::store::redis::{RedisSettings, RedisStore};
use cartwake::store::{Commit, Committed, Store, Version};
use futures_util::future::join_all;

use crate::samples::{at, cart_waking};
use crate::servers::own_database;

async fn process(url: &str, number: u8) -> RedisStore {
    let settings = RedisSettings {
        url: url.to_owned(),
        tls_ca: None,
        allow_volatile: false,
        shards: 16,
        command_timeout: Duration::from_secs(10),
        connections: 2,
    };
    RedisStore::open(settings, [number; 32], at(0)).await.expect("the server is ours")
}

async fn write(store: &RedisStore, cart: &Cart) {
    let commit = Commit { expected: Version::ABSENT, cart: Some(cart), ..Commit::removal(&cart.shop, &cart.id, at(0)) };
    let committed = store.commit(commit).await.expect("reachable");
    assert_eq!(committed, Committed::Done);
}

/// The carts that a look finds.
async fn found(store: &RedisStore, now: i64) -> HashSet<String> {
    let due = store.due_carts(at(now), 1_000, 0).await.expect("reachable");
    due.into_iter().map(|(_, cart)| cart.to_string()).collect()
}

#[tokio::test]
async fn processes_share_the_looking_and_cover_for_one_that_is_gone() {
    let url = own_database();
    let stores = join_all((1..=3).map(|number| process(&url, number))).await;
    let carts: Vec<Cart> = (0..100).map(|n| cart_waking(&format!("c-{n}"), at(9))).collect();
    join_all(carts.iter().map(|cart| write(&stores[0], cart))).await;
    assert_eq!(found(&stores[2], 10).await.len(), 100, "who never showed life looks everywhere");

    for store in stores.iter().chain(&stores) {
        store.attend(at(10)).await.expect("reachable");
    }
    let parts = join_all(stores.iter().map(|store| found(store, 10))).await;
    assert_eq!(parts.iter().map(HashSet::len).sum::<usize>(), 100, "nothing is found twice");
    assert_eq!(parts.iter().flatten().collect::<HashSet<_>>().len(), 100, "and nothing is left out");
    assert_eq!(found(&stores[0], 20).await.len(), 100, "what others left alone is everybody's");
    assert!(found(&stores[0], 21).await.len() < 100, "but not at every look");

    stores[1].depart().await.expect("reachable");
    stores[0].attend(at(12)).await.expect("reachable");
    stores[2].attend(at(12)).await.expect("reachable");
    let parts = join_all([&stores[0], &stores[2]].map(|store| found(store, 12))).await;
    assert_eq!(parts.iter().map(HashSet::len).sum::<usize>(), 100, "the others have its part at once");
    stores[0].attend(at(60)).await.expect("reachable");
    assert_eq!(found(&stores[0], 60).await.len(), 100, "a process that showed no life is taken for dead");
}
