//! Orders: versioned and answered like carts, but without a wake.

use cartwake::domain::{Applied, Attribution, Credit, Order, OrderKind, OrderStatus, Paid};
use cartwake::store::{Answer, Answered, Committed, InFlight, Keep, OrderReceipt, Store, Version};

use super::write::{DONE, counted, write_order};
use crate::samples::{at, cart_id, key, order, order_id, shop, shop_named};

async fn stored(store: &dyn Store, order: &Order) -> Option<(Order, Version)> {
    let loaded = store.load_order(&order.shop, &order.id, None).await.expect("reachable");
    loaded.record.map(|stored| (*stored.value, stored.version))
}

fn keep(name: &str, fingerprint: u64) -> Keep {
    let receipt = OrderReceipt {
        applied: Applied::Applied,
        carts: vec![cart_id("c-1"), cart_id("c-2")],
        attribution: Some(Attribution::Assisted),
        in_flight: InFlight::Possible,
    };
    Keep { key: key(name), answered: Answered { fingerprint, answer: Answer::Order(receipt) }, until: at(86_400) }
}

pub async fn an_order_reads_back_as_written(store: &dyn Store) {
    let plain = Order { carts: Vec::new(), paid_as: None, status: OrderStatus::Pending, ..order("o-2") };
    for order in [order("o-1#7"), plain] {
        assert_eq!(stored(store, &order).await, None);
        assert_eq!(write_order(store, &order, 0, None).await, DONE);
        assert_eq!(stored(store, &order).await, Some((order, Version(1))));
    }
}

pub async fn every_status_and_kind_of_an_order_is_kept(store: &dyn Store) {
    let mut written = 0;
    for status in OrderStatus::ALL {
        for kind in OrderKind::ALL {
            for attribution in Attribution::ALL {
                let credit = Credit { attribution: *attribution, step: None };
                let paid_as = Some(Paid { kind: *kind, credit, arms: Vec::new() });
                let order = Order { status: *status, paid_as, ..order("o-1") };
                write_order(store, &order, written, None).await;
                written += 1;
                assert_eq!(stored(store, &order).await, Some((order, Version(written))));
            }
        }
    }
}

pub async fn an_order_over_another_version_is_a_conflict(store: &dyn Store) {
    let paid = order("o-1");
    write_order(store, &paid, 0, None).await;
    let refunded = Order { status: OrderStatus::Refunded, ..paid.clone() };
    assert_eq!(write_order(store, &refunded, 0, Some(&keep("k-1", 1))).await, Committed::Conflict);
    assert_eq!(stored(store, &paid).await, Some((paid.clone(), Version(1))));
    assert_eq!(counted(store).await, [("orders/first".to_owned(), 1)]);
    let loaded = store.load_order(&shop(), &paid.id, Some(&key("k-1"))).await.expect("reachable");
    assert_eq!(loaded.answered, None);
    assert_eq!(write_order(store, &refunded, 1, None).await, DONE);
}

pub async fn a_repeated_order_gets_the_first_answer(store: &dyn Store) {
    let (order, first) = (order("o-1"), keep("k-1", 1));
    write_order(store, &order, 0, Some(&first)).await;
    let loaded = store.load_order(&shop(), &order.id, Some(&key("k-1"))).await.expect("reachable");
    assert_eq!(loaded.answered.as_ref(), Some(&first.answered));
    for expected in [0, 1] {
        let repeat = write_order(store, &order, expected, Some(&keep("k-1", 2))).await;
        assert_eq!(repeat, Committed::Duplicate(first.answered.clone()));
    }
    assert_eq!(counted(store).await, [("orders/first".to_owned(), 1)]);
}

pub async fn of_many_writes_of_an_order_at_once_one_wins(store: &dyn Store) {
    let order = order("o-1");
    let writes = (0..12).map(|_| write_order(store, &order, 0, None));
    let results = futures_util::future::join_all(writes).await;
    assert_eq!(results.iter().filter(|r| **r == DONE).count(), 1);
    assert_eq!(counted(store).await, [("orders/first".to_owned(), 1)]);
}

pub async fn an_order_never_wakes_anybody(store: &dyn Store) {
    write_order(store, &order("o-1"), 0, None).await;
    assert_eq!(store.next_wake().await.expect("reachable"), None);
    assert_eq!(store.list_carts(None, 10).await.expect("reachable").carts, []);
}

pub async fn an_order_and_a_cart_of_one_id_are_two_things(store: &dyn Store) {
    let order = order("same");
    write_order(store, &order, 0, Some(&keep("k-1", 1))).await;
    let cart = crate::samples::cart("same");
    super::write::Write::of(&cart).answers("k-1", 2).done(store).await;
    assert_eq!(super::write::stored(store, &cart).await, Some(cart));
    assert_eq!(stored(store, &order).await.map(|o| o.0), Some(order));
    let elsewhere = store.load_order(&shop_named("other"), &order_id("same"), None).await.expect("reachable");
    assert_eq!(elsewhere.record, None);
}
