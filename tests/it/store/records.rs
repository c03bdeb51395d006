//! What is written is what is read: whole records, and pages of them.

use cartwake::domain::{Cart, Content};
use cartwake::store::Store;

use super::write::{Write, begin, claim_one, queue, stored, version};
use crate::samples::{at, cart, cart_waking, eur, in_state, largest_cart, reminder, smallest_cart, states};

async fn round_trip(store: &dyn Store, cart: &Cart) {
    Write::of(cart).over(version(store, cart).await.0).done(store).await;
    // `Debug` hides what is personal, so a difference is found field by field.
    let read = stored(store, cart).await.expect("it was just written");
    assert_eq!(read.content.items, cart.content.items);
    assert!(read.content == cart.content, "the content differs");
    assert_eq!(&read, cart);
}

pub async fn the_largest_cart_reads_back_as_written(store: &dyn Store) {
    round_trip(store, &largest_cart("c-1")).await;
    let longest = "x".repeat(cartwake::domain::CartId::MAX);
    round_trip(store, &largest_cart(&longest)).await;
}

pub async fn the_smallest_cart_reads_back_as_written(store: &dyn Store) {
    round_trip(store, &smallest_cart("c")).await;
}

pub async fn every_state_reads_back_as_written(store: &dyn Store) {
    for state in states() {
        round_trip(store, &in_state(&cart("c-1"), state)).await;
    }
}

pub async fn every_character_of_an_id_is_kept_apart(store: &dyn Store) {
    let ids = ["a", "A", "a:b", "a.b", "a~b", "a=b", "a-b", "a_b", "1", "01", "a:", ":a", "::"];
    for (n, id) in (0..).zip(ids) {
        Write::of(&cart_waking(id, at(n))).done(store).await;
    }
    for (n, id) in (0..).zip(ids) {
        assert_eq!(stored(store, &cart(id)).await, Some(cart_waking(id, at(n))), "{id}");
    }
}

pub async fn a_record_may_shrink_and_grow(store: &dyn Store) {
    for cart in [largest_cart("c-1"), smallest_cart("c-1"), cart("c-1"), largest_cart("c-1")] {
        round_trip(store, &cart).await;
    }
}

pub async fn begin_reads_the_largest_cart(store: &dyn Store) {
    let cart = largest_cart("c-1");
    queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
    let begun = begin(store, &claim_one(store, 10).await, 11).await.expect("ours");
    assert!(begun.cart.as_deref() == Some(&cart), "the cart at the moment of sending is the cart");
}

pub async fn a_page_through_all_carts_meets_each_once(store: &dyn Store) {
    let empty = Cart { content: Content::empty(eur()), ..cart("x") };
    for n in 0..37 {
        let wake = at(if n % 3 == 0 { 100 } else { n });
        let cart = Cart { id: cart(&format!("c-{n:02}")).id, ..cart_waking("x", wake) };
        Write::of(&Cart { content: empty.content.clone(), ..cart }).done(store).await;
    }
    for limit in [1, 5, 37, 100] {
        let mut met = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..200 {
            let page = store.list_carts(cursor.as_deref(), limit).await.expect("reachable");
            assert!(page.carts.len() <= limit, "{} of {limit}", page.carts.len());
            met.extend(page.carts.iter().map(|c| c.id.to_string()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(cursor, None, "paging by {limit} comes to an end");
        met.sort();
        let all: Vec<String> = (0..37).map(|n| format!("c-{n:02}")).collect();
        assert_eq!(met, all, "by {limit}");
    }
}

pub async fn a_nonsense_cursor_does_no_harm(store: &dyn Store) {
    Write::of(&cart("c-1")).done(store).await;
    for cursor in ["", "x", "9999999999999999999999", "-1:2:3", "\u{0}", "0-0-0-0"] {
        // Refused or answered with some page: a caller sent it, so it must not break anything.
        drop(store.list_carts(Some(cursor), 10).await);
    }
    assert_eq!(store.list_carts(None, 10).await.expect("reachable").carts.len(), 1);
}
