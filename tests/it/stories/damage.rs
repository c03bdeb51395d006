//! What a bad disk or a stray hand left in the store: it is buried or set aside, with a word, and nobody else notices.
//!
//! The record is overwritten behind the back of the running service, in the store itself.

use reqwest::Method;
use rusqlite::Connection;

use crate::shop::{Backend, HOUR, MINUTE, Shop, cart_of, order_of};

/// No version of ours begins like this, and none that could be to come.
const NO_RECORD: &[u8] = &[0, 255, 255, 255, 255];

/// Overwrites what SQL names in the embedded store.
fn damage_rows(shop: &Shop, sql: &str) -> usize {
    let folder = shop.store.strip_prefix("embedded:").expect("an embedded store");
    let db = Connection::open(format!("{folder}/cartwake.db")).expect("the store is a database");
    db.busy_timeout(std::time::Duration::from_secs(5)).expect("a bound");
    db.execute(sql, []).expect(sql)
}

/// Overwrites what lies under keys like this in Redis, behind their first eight bytes; of hashes the field after a `#`.
async fn damage_keys(shop: &Shop, pattern: &str) -> usize {
    // A sealed store's has that of its keyring behind it.
    let url = shop.store.split('"').next().unwrap_or_default();
    let client = redis::Client::open(url).expect("a url of ours");
    let mut redis = client.get_multiplexed_async_connection().await.expect("the server is ours");
    let (pattern, field) = pattern.split_once('#').unwrap_or((pattern, ""));
    let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut redis).await.expect("keys");
    let mut damaged = 0;
    for key in &keys {
        let kind: String = redis::cmd("TYPE").arg(key).query_async(&mut redis).await.expect("a type");
        if kind == "string" {
            let call = redis::cmd("SETRANGE").arg(key).arg(8).arg(NO_RECORD).to_owned();
            call.query_async::<i64>(&mut redis).await.expect("a string");
            damaged += 1;
        } else if redis::cmd("HEXISTS").arg(key).arg(field).query_async::<bool>(&mut redis).await.expect("a hash") {
            let call = redis::cmd("HSET").arg(key).arg(field).arg("damaged").to_owned();
            call.query_async::<i64>(&mut redis).await.expect("a hash");
            damaged += 1;
        }
    }
    damaged
}

/// Damages one record, or all of a person's; at least one is there.
async fn damage(shop: &Shop, on: Backend, sql: &str, pattern: &str) {
    let damaged = match on {
        Backend::Embedded => damage_rows(shop, sql),
        Backend::Redis | Backend::Sealed => damage_keys(shop, pattern).await,
    };
    assert!(damaged > 0, "{sql} or {pattern} names something");
}

/// Joe's cart c-1 and Ann's c-2, whose reminders wait for a stopped endpoint.
async fn with_two_reminders_waiting(on: Backend) -> Shop {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.puts("c-2", cart_of("ann@example.com")).await;
    shop.advance(HOUR).await;
    assert_eq!(shop.ops(Method::POST, "/v1/endpoints/test/mail/pause").await.status, 204);
    shop.advance(4 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
    shop
}

async fn resume(shop: &Shop) {
    assert_eq!(shop.ops(Method::POST, "/v1/endpoints/test/mail/resume").await.status, 204);
    shop.advance(MINUTE).await;
}

/// Ann alone was reminded; Joe's reminder is among the dead, and says why.
async fn only_ann_is_reminded(shop: &Shop) {
    let sent = shop.receiver.of_kind("cart.reminder");
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].json()["data"]["cart_id"], "c-2");
    let dead = shop.ops(Method::GET, "/v1/deliveries?status=dead&shop=test").await.body;
    assert_eq!(dead["deliveries"].as_array().map(Vec::len), Some(1), "{dead}");
    assert_eq!(
        (&dead["deliveries"][0]["status"], &dead["deliveries"][0]["why"]),
        (&"dead".into(), &"unreadable".into())
    );
    assert_eq!(shop.tally("deliveries/mail/dead").await, 1);
}

pub async fn a_damaged_cart_is_set_aside_and_the_others_are_looked_after(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.puts("c-2", cart_of("ann@example.com")).await;
    damage(&shop, on, "UPDATE carts SET record = x'00ff' WHERE id = 'c-1'", "*:c:test/c-1").await;
    shop.advance(5 * HOUR).await;
    let told = shop.receiver.received();
    let about: Vec<_> = told.iter().map(|one| (one.kind(), one.json()["data"]["cart_id"].clone())).collect();
    assert_eq!(about, [("cart.abandoned".to_owned(), "c-2".into()), ("cart.reminder".to_owned(), "c-2".into())]);
    let read = shop.send(Method::GET, "/v1/carts/c-1", |r| r).await;
    assert_eq!(read.status, 500, "it is not said to be unknown: {read:?}");
    let list = shop.send(Method::GET, "/v1/carts", |r| r).await;
    assert_eq!(list.body["carts"].as_array().map(Vec::len), Some(1), "{list:?}");
    assert!(shop.orders(order_of("o-2", "ann@example.com", &["p-1", "p-2"], shop.now())).await.status < 300);
    assert_eq!(shop.state("c-2").await, "converted");
}

pub async fn a_damaged_delivery_is_buried_and_the_others_are_sent(on: Backend) {
    let shop = with_two_reminders_waiting(on).await;
    let list = shop.ops(Method::GET, "/v1/deliveries?cart_id=c-1&status=pending").await.body;
    let id = list["deliveries"][0]["id"].as_str().expect("one waits").to_owned();
    damage(&shop, on, &format!("UPDATE deliveries SET record = x'00ff' WHERE id = '{id}'"), &format!("*:d:{id}")).await;
    resume(&shop).await;
    only_ann_is_reminded(&shop).await;
}

/// A note may say that they have bought: what cannot be read is not taken for nothing.
pub async fn a_damaged_note_about_a_person_stops_that_reminder_and_no_other(on: Backend) {
    let shop = with_two_reminders_waiting(on).await;
    let other = order_of("o-1", "joe@example.com", &["p-9"], shop.now());
    assert!(shop.orders(other).await.status < 300);
    damage(&shop, on, "UPDATE notes SET record = x'00ff' WHERE key = 'o-1'", "*:m:test/*#o-1").await;
    resume(&shop).await;
    only_ann_is_reminded(&shop).await;
}

pub async fn a_damaged_order_is_refused_news_and_the_others_are_not(on: Backend) {
    let shop = Shop::open(on).await;
    for (cart, order, email) in [("c-1", "o-1", "joe@example.com"), ("c-2", "o-2", "ann@example.com")] {
        shop.puts(cart, cart_of(email)).await;
        assert!(shop.orders(order_of(order, email, &["p-1", "p-2"], shop.now())).await.status < 300);
    }
    damage(&shop, on, "UPDATE orders SET record = x'00ff' WHERE id = 'o-1'", "*:r:test/o-1").await;
    let refund = async |order: &str, email: &str| {
        let mut news = order_of(order, email, &["p-1", "p-2"], shop.now());
        news["status"] = "refunded".into();
        shop.orders(news).await.status
    };
    assert_eq!(refund("o-1", "joe@example.com").await, 500, "never acknowledged over what cannot be read");
    assert_eq!(refund("o-2", "ann@example.com").await, 200);
    assert_eq!(shop.state("c-2").await, "reverted");
}
