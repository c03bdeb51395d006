//! The wake index is the carts' own `next_wake()`, and nothing else.

use std::collections::BTreeSet;

use cartwake::domain::{Cart, Moment, NextStep, State};
use cartwake::store::Store;

use super::write::{Write, due, version};
use crate::samples::{at, cart, cart_id, cart_waking, in_state, shop, shop_named, smallest_cart};

async fn next_wake(store: &dyn Store) -> Option<Moment> {
    store.next_wake().await.expect("the store can be reached")
}

pub async fn the_wake_follows_the_cart_through_every_state(store: &dyn Store) {
    let first = cart("c-1");
    for state in crate::samples::states() {
        let cart = in_state(&first, state);
        Write::of(&cart).over(version(store, &cart).await.0).done(store).await;
        assert_eq!(next_wake(store).await, Some(cart.next_wake()), "{:?}", cart.state);
        let wake = cart.next_wake();
        let just_before = store.due_carts(Moment::from_millis(wake.millis() - 1), 10, 0).await;
        assert_eq!(just_before.expect("the store can be reached"), [], "{:?}", cart.state);
        let then = store.due_carts(wake, 10, 0).await.expect("the store can be reached");
        assert_eq!(then, [(shop(), cart_id("c-1"))], "{:?}", cart.state);
    }
}

pub async fn a_wake_may_move_earlier_and_later(store: &dyn Store) {
    for (written, wake) in (0..).zip([500, 100, 900, 901, 1]) {
        Write::of(&cart_waking("c-1", at(wake))).over(written).done(store).await;
        assert_eq!(next_wake(store).await, Some(at(wake)));
    }
}

pub async fn only_what_is_due_wakes(store: &dyn Store) {
    for (id, wake) in [("early", 10), ("now", 20), ("late", 21)] {
        Write::of(&cart_waking(id, at(wake))).done(store).await;
    }
    assert_eq!(due(store, 9, 10).await, Vec::<String>::new());
    let mut woken = due(store, 20, 10).await;
    woken.sort();
    assert_eq!(woken, ["early", "now"]);
}

pub async fn looking_at_due_carts_changes_nothing(store: &dyn Store) {
    Write::of(&cart_waking("c-1", at(10))).done(store).await;
    assert_eq!(due(store, 20, 10).await, ["c-1"]);
    assert_eq!(due(store, 20, 10).await, ["c-1"]);
}

pub async fn due_carts_are_limited(store: &dyn Store) {
    for n in 0..30 {
        Write::of(&cart_waking(&format!("c-{n}"), at(n))).done(store).await;
    }
    for limit in [1, 7, 29] {
        let woken = due(store, 100, limit).await;
        assert!(!woken.is_empty() && woken.len() <= limit, "{limit}: {}", woken.len());
    }
    let mut all = due(store, 100, 100).await;
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 30);
}

pub async fn the_longest_overdue_wakes_first(store: &dyn Store) {
    for wake in [40, 10, 30, 20] {
        Write::of(&cart_waking(&format!("c-{wake}"), at(wake))).done(store).await;
    }
    assert_eq!(due(store, 100, 10).await, ["c-10", "c-20", "c-30", "c-40"]);
    assert_eq!(due(store, 100, 2).await, ["c-10", "c-20"]);
}

pub async fn the_next_wake_is_the_earliest_of_all(store: &dyn Store) {
    assert_eq!(next_wake(store).await, None);
    for (id, wake) in [("a", 300), ("b", 100), ("c", 200), ("d", 400)] {
        Write::of(&cart_waking(id, at(wake))).done(store).await;
    }
    assert_eq!(next_wake(store).await, Some(at(100)));
    Write::removing(&cart("b")).over(1).done(store).await;
    assert_eq!(next_wake(store).await, Some(at(200)));
}

pub async fn a_wake_keeps_its_millisecond(store: &dyn Store) {
    let wake = Moment::from_millis(at(10).millis() + 7);
    let step = NextStep { index: 0, due_at: wake, held: None };
    Write::of(&in_state(&cart("c-1"), State::Abandoned { next_step: Some(step) })).done(store).await;
    assert_eq!(next_wake(store).await, Some(wake));
}

pub async fn a_cart_that_never_stalls_wakes_at_its_expiry(store: &dyn Store) {
    let cart = smallest_cart("c-1");
    Write::of(&cart).done(store).await;
    assert_eq!(next_wake(store).await, Some(cart.expires_at));
}

pub async fn a_postponed_wake_comes_later_until_the_next_write(store: &dyn Store) {
    Write::of(&cart_waking("c-1", at(10))).done(store).await;
    store.postpone(&shop(), &cart_id("c-1"), at(10), at(500)).await.expect("the store can be reached");
    assert_eq!(due(store, 499, 10).await, Vec::<String>::new());
    assert_eq!(due(store, 500, 10).await, ["c-1"]);
    assert_eq!(next_wake(store).await, Some(at(500)));
    Write::of(&cart_waking("c-1", at(20))).over(1).done(store).await;
    assert_eq!(next_wake(store).await, Some(at(20)));
}

pub async fn a_wake_that_has_not_come_is_not_postponed(store: &dyn Store) {
    // Whoever found it due saw the cart as it was before.
    Write::of(&cart_waking("c-1", at(10))).done(store).await;
    Write::of(&cart_waking("c-1", at(9_000))).over(1).done(store).await;
    store.postpone(&shop(), &cart_id("c-1"), at(11), at(500)).await.expect("the store can be reached");
    assert_eq!((due(store, 8_999, 10).await, next_wake(store).await), (Vec::new(), Some(at(9_000))));
}

pub async fn a_removed_cart_cannot_be_postponed_back_to_life(store: &dyn Store) {
    Write::of(&cart("c-1")).done(store).await;
    Write::removing(&cart("c-1")).over(1).done(store).await;
    store.postpone(&shop(), &cart_id("c-1"), at(400), at(500)).await.expect("the store can be reached");
    assert_eq!(due(store, 1_000_000, 10).await, Vec::<String>::new());
}

/// This many carts of a shop, due one second after the other from `first` on.
async fn backlog(store: &dyn Store, shop: &str, first: i64, count: i64) {
    for n in 0..count {
        let cart = Cart { shop: shop_named(shop), ..cart_waking(&format!("c-{n:03}"), at(first + n)) };
        Write::of(&cart).done(store).await;
    }
}

async fn shops_due(store: &dyn Store, now: i64, limit: usize, turn: usize) -> Vec<(String, String)> {
    let due = store.due_carts(at(now), limit, turn).await.expect("the store can be reached");
    due.into_iter().map(|(shop, cart)| (shop.to_string(), cart.to_string())).collect()
}

pub async fn a_backlog_of_one_shop_is_in_no_others_way(store: &dyn Store) {
    backlog(store, "great", 1, 60).await;
    backlog(store, "small", 900, 3).await;
    let due = shops_due(store, 1_000, 20, 0).await;
    let of = |shop: &str| -> Vec<&str> { due.iter().filter(|(of, _)| of == shop).map(|(_, id)| id.as_str()).collect() };
    assert_eq!(of("small"), ["c-000", "c-001", "c-002"], "each shop has its part");
    assert_eq!((of("great").len(), due.len()), (17, 20), "what one leaves empty the other uses");
    assert_eq!(of("great")[0], "c-000", "the longest overdue of a shop come first");
}

pub async fn more_shops_than_places_take_turns(store: &dyn Store) {
    for shop in ["a", "b", "c", "d", "e"] {
        backlog(store, shop, 1, 4).await;
    }
    let mut met = BTreeSet::new();
    for turn in 0..5 {
        let due = shops_due(store, 100, 2, turn).await;
        assert_eq!(due.len(), 2, "{due:?}");
        met.extend(due.into_iter().map(|(shop, _)| shop));
    }
    assert_eq!(met.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
}

pub async fn a_shop_whose_carts_are_gone_is_due_no_more(store: &dyn Store) {
    backlog(store, "great", 1, 2).await;
    backlog(store, "small", 5, 1).await;
    for n in 0..2 {
        let cart = Cart { shop: shop_named("great"), ..cart(&format!("c-{n:03}")) };
        Write::removing(&cart).over(1).done(store).await;
    }
    assert_eq!(next_wake(store).await, Some(at(5)));
    assert_eq!(shops_due(store, 9, 10, 0).await, [("small".to_owned(), "c-000".to_owned())]);
}
