//! Servers that are not as they must be: refused, or noted, with a sentence that says what to do; and full ones.
//!
//! Each test has servers of its own, set up wrongly as an operator might.

use std::time::Duration;

use cartwake::store::redis::{RedisSettings, RedisStore};
use cartwake::store::{Store, StoreError};
use reqwest::Method;

use crate::groups::{RedisCluster, RedisSentinels, TlsServer};
use crate::receiver::Reply;
use crate::samples::at;
use crate::servers::{RedisServer, own_database};
use crate::shop::{HOUR, MINUTE, SERVER_KEY, Shop, cart_of, order_of};

fn settings(url: &str) -> RedisSettings {
    RedisSettings {
        url: url.to_owned(),
        tls_ca: None,
        allow_volatile: false,
        shards: 16,
        command_timeout: Duration::from_secs(1),
        connections: 2,
    }
}

/// Why a store cannot be used: told when it is opened, or by its check.
async fn refusal(settings: RedisSettings) -> String {
    let error = match RedisStore::open(settings, [7; 32], at(0)).await {
        Ok(store) => store.check().await.expect_err("it is unfit"),
        Err(error) => error,
    };
    assert!(matches!(error, StoreError::Unusable(_)), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_replica_is_refused() {
    let servers = RedisSentinels::start();
    let sentence = refusal(settings(&servers.replica.url(0))).await;
    assert!(sentence.contains("let [store] url name the primary"), "{sentence}");
}

#[tokio::test]
async fn a_primary_that_the_sentinels_do_not_know_is_named() {
    let servers = RedisSentinels::start();
    let sentence = refusal(settings(&servers.url(0).replace("/main/", "/other/"))).await;
    assert!(sentence.contains("no primary of this name"), "{sentence}");
}

#[tokio::test]
async fn a_cluster_is_asked_for_as_a_cluster_and_nothing_else_is() {
    let cluster = RedisCluster::start();
    for server in &cluster.servers[..3] {
        let sentence = refusal(settings(&server.url(0))).await;
        assert!(sentence.contains("redis-cluster://"), "{sentence}");
    }
    let store = RedisStore::open(settings(&cluster.url()), [7; 32], at(0)).await.expect("a cluster");
    store.check().await.expect("as it must be");
    let last = cluster.masters().last().expect("a cluster has masters");
    assert_eq!(last.tell("CONFIG SET maxmemory-policy volatile-ttl"), "+OK");
    let sentence = store.check().await.expect_err("one of them evicts").to_string();
    assert!(sentence.contains("noeviction"), "{sentence}");

    let single = own_database().replace("redis://", "redis-cluster://");
    let single = single.rsplit_once('/').map_or("", |(url, _)| url).to_owned();
    let sentence = refusal(settings(&single)).await;
    assert!(sentence.contains("not part of a cluster"), "{sentence}");
}

#[tokio::test]
async fn what_is_kept_nowhere_is_noted_unless_that_is_as_meant() {
    let server = RedisServer::start();
    for (allow_volatile, notes) in [(false, 1), (true, 0)] {
        let settings = RedisSettings { allow_volatile, ..settings(&server.url(0)) };
        let store = RedisStore::open(settings, [7; 32], at(0)).await.expect("usable");
        let seen = store.check().await.expect("usable").notes;
        assert_eq!(seen.iter().filter(|note| note.contains("allow_volatile")).count(), notes, "{seen:?}");
    }
}

#[tokio::test]
async fn a_store_that_was_emptied_or_made_by_a_newer_version_is_noticed() {
    let server = RedisServer::start();
    let store = RedisStore::open(settings(&server.url(0)), [7; 32], at(0)).await.expect("usable");
    store.check().await.expect("usable");
    assert_eq!(server.tell("SET cw:meta \"schema=9 unknown\""), "+OK");
    let sentence = store.check().await.expect_err("newer").to_string();
    assert!(sentence.contains("newer cartwake"), "{sentence}");
    assert!(refusal(settings(&server.url(0))).await.contains("newer cartwake"));
}

/// Whoever empties Redis has lost what was in it; a shop that goes on selling is still served.
#[tokio::test]
async fn an_emptied_redis_is_gone_on_with_under_the_same_key_and_said_to_be() {
    let server = RedisServer::start();
    let open = async || RedisStore::open(settings(&server.url(0)), [7; 32], at(0)).await.expect("usable");
    let (store, other) = (open().await, open().await);
    let shop = Shop::open_behind(&server.url(1)).await;
    assert!(shop.puts("c-1", cart_of("joe@example.com")).await.status < 300);
    assert_eq!(server.tell("FLUSHALL"), "+OK");
    for (store, who) in [(&store, "who finds it empty"), (&other, "who finds it made anew")] {
        let notes = store.check().await.expect("usable").notes;
        assert!(notes.iter().any(|note| note.contains("found empty at")), "{who}: {notes:?}");
    }
    assert_eq!(open().await.identity_key(), store.identity_key(), "who comes later hashes as all others do");
    assert_eq!(server.tell("SET cw:meta \"schema=2 shards=16 made_at=1 identity=00\""), "+OK");
    assert!(store.check().await.expect_err("another store").to_string().contains("another store's"));

    let ready = shop.ops(Method::GET, "/readyz").await;
    let store = ready.body["checks"].as_array().into_iter().flatten().find(|check| check["name"] == "store");
    let store = store.expect("the store is looked at");
    assert_eq!(store["ok"], true, "{ready:?}");
    assert!(store["detail"].to_string().contains("found empty at"), "{ready:?}");
    assert!(shop.puts("c-2", cart_of("ann@example.com")).await.status < 300);
    shop.advance(5 * HOUR).await;
    let reminded = shop.receiver.of_kind("cart.reminder");
    assert_eq!(reminded.len(), 1, "what came before is gone, what came after is looked after");
}

#[tokio::test]
async fn who_is_not_vouched_for_is_not_talked_to() {
    let server = TlsServer::start();
    let refused = RedisStore::open(settings(&server.url(0)), [7; 32], at(0)).await.err().expect("an unknown authority");
    assert!(matches!(&refused, StoreError::Unavailable(_)), "{refused:?}");
    let tls_ca = Some(server.authority.clone().into_bytes());
    let wrong = RedisSettings { tls_ca: tls_ca.clone(), ..settings(&server.url(0).replace("PASSWORD", "guess")) };
    assert!(refusal(wrong).await.contains("login"));
    let store = RedisStore::open(RedisSettings { tls_ca, ..settings(&server.url(0)) }, [7; 32], at(0)).await;
    store.expect("vouched for").check().await.expect("usable");
}

/// New carts are refused; all that ends something, or is owed to a shopper, goes on.
#[tokio::test]
async fn a_full_redis_refuses_new_carts_over_http_and_goes_on_with_the_rest() {
    let server = RedisServer::start();
    let shop = Shop::open_behind(&server.url(0)).await;
    for (id, email) in [("c-1", "joe@example.com"), ("c-2", "ann@example.com")] {
        assert!(shop.puts(id, cart_of(email)).await.status < 300);
    }
    shop.advance(HOUR).await;
    fill(&server);

    let url = format!("{}/v1/carts/new", shop.app.api_url());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
    let refused = client.put(url).bearer_auth(SERVER_KEY).json(&cart_of("eve@example.com")).send().await;
    let refused = refused.expect("the service answers");
    assert_eq!(refused.status().as_u16(), 503);
    assert!(refused.headers().contains_key("retry-after"), "{refused:?}");

    let order = order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now());
    assert!(shop.orders(order).await.status < 300);
    assert_eq!(shop.state("c-1").await, "converted");
    assert_eq!(shop.ops(Method::POST, "/v1/endpoints/test/mail/pause").await.status, 204);
    assert_eq!(shop.ops(Method::POST, "/v1/endpoints/test/mail/resume").await.status, 204);
    shop.receiver.script([Reply::Status(500)]);
    shop.advance(4 * HOUR + MINUTE).await;
    let reminded = shop.receiver.of_kind("cart.reminder");
    assert!(!reminded.is_empty() && reminded.iter().all(|one| one.json()["data"]["cart_id"] == "c-2"));
    let received = shop.receiver.received();
    let ids: std::collections::BTreeSet<&str> = received.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids.len() + 1, received.len(), "what failed was sent again");
    assert!(server.tell("SET filler-x x").starts_with("-OOM"), "it was full to the end");
}

/// As others may fill it: two megabytes over its limit, so that no closing connection makes room.
fn fill(server: &RedisServer) {
    let told = server.tell("INFO memory");
    let used = told.split_once("used_memory:").and_then(|(_, rest)| rest.split('\r').next()?.parse::<u64>().ok());
    let limit = used.expect("Redis knows what it uses") + 1_000_000;
    assert_eq!(server.tell(&format!("CONFIG SET maxmemory {limit}")), "+OK");
    assert_eq!(server.tell("SETRANGE filler 3000000 x"), ":3000001");
    assert!(server.tell("SET filler-x x").starts_with("-OOM"));
}
