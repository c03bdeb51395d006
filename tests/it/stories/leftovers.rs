//! What a shop left behind that is not in the configuration any more: it ends with its retention, as everybody's does.

use std::time::Duration;

use cartwake::domain::{Cart, CartId, Moment, ShopId, StateName};

use crate::shop::{Backend, HOUR, MINUTE, Shop, cart_of, order_of};

/// Longer than what was bought is kept.
const ALL_TIME: Duration = Duration::from_secs(200 * 86_400);

/// Joe left his cart c-1 and Ann has bought c-2; then the shop goes.
async fn a_shop_that_is_gone(on: Backend) -> Shop {
    let mut shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.puts("c-2", cart_of("ann@example.com")).await;
    assert!(shop.orders(order_of("o-1", "ann@example.com", &["p-1", "p-2"], shop.now())).await.status < 300);
    shop.renames("test", "other");
    shop
}

/// What is left in the store.
async fn left(shop: &Shop) -> Vec<Cart> {
    shop.app.engine().store().list_carts(None, 10).await.expect("the store answers").carts
}

async fn jump(shop: &Shop, at: Moment) {
    shop.clock.set(at);
    shop.settle().await;
}

/// The keys of sealed carts that there are.
async fn keys(shop: &Shop) -> usize {
    let url = shop.store.rsplit('"').next().unwrap_or_default();
    let client = redis::Client::open(url).expect("a url of ours");
    let mut redis = client.get_multiplexed_async_connection().await.expect("the server is ours");
    let keys: Vec<String> = redis::cmd("KEYS").arg("cw:k:*").query_async(&mut redis).await.expect("keys");
    keys.len()
}

pub async fn carts_of_a_shop_that_is_gone_end_with_their_retention(on: Backend) {
    let shop = a_shop_that_is_gone(on).await;
    let carts = left(&shop).await;
    assert_eq!(carts.len(), 2);
    let store = shop.app.engine().store();
    let census = async || {
        let mut census = store.census().await.expect("the store answers");
        census.retain(|(_, _, count)| *count != 0);
        census.into_iter().map(|(_, state, count)| (state, count)).collect::<Vec<_>>()
    };
    let until = carts.iter().map(|cart| cart.expires_at).min().expect("two carts");
    jump(&shop, until.minus(MINUTE)).await;
    assert_eq!(left(&shop).await.len(), 2, "their time is not over");
    assert_eq!(shop.app.next_moment().await.expect("the store answers"), Some(until), "and no look is later than that");
    jump(&shop, until).await;
    assert_eq!(left(&shop).await.iter().map(|cart| cart.id.as_str()).collect::<Vec<_>>(), ["c-2"]);
    assert_eq!(census().await, [(StateName::Converted, 1)]);
    jump(&shop, shop.now().plus(ALL_TIME)).await;
    assert_eq!(left(&shop).await, []);
    assert_eq!(census().await, []);
    if matches!(on, Backend::Sealed) {
        assert_eq!(keys(&shop).await, 0, "what copies hold of them cannot be read any more");
    }
    let (gone, id) = (ShopId::parse("test").expect("a slug"), CartId::parse("c-1").expect("an id"));
    assert!(store.load(&gone, &id, None).await.expect("the store answers").record.is_none());
    let told = shop.receiver.received();
    assert!(told.iter().all(|one| one.json()["data"]["cart_id"] != "c-1"), "nobody is told: {told:?}");
}

pub async fn a_shop_that_comes_back_finds_its_carts(on: Backend) {
    let mut shop = a_shop_that_is_gone(on).await;
    shop.advance(2 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.abandoned").len(), 0);
    shop.renames("other", "test");
    shop.advance(4 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.abandoned").len(), 1);
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1, "of what was due meanwhile, nothing is lost");
    assert_eq!((shop.state("c-1").await, shop.state("c-2").await), ("abandoned".to_owned(), "converted".to_owned()));
}
