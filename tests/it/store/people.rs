//! What is known under a shopper's identifiers: purchases, and carts.

use cartwake::domain::{Person, PurchaseMark};
use cartwake::store::Store;

use super::write::carts_of;
use crate::samples::{at, cart_id, hash, mark, mark_of, order_id, shop, shop_named};

async fn enroll(store: &dyn Store, hashes: &[u8], cart: &str) -> Person {
    let hashes: Vec<_> = hashes.iter().map(|n| hash(*n)).collect();
    store.enroll(&shop(), &hashes, &cart_id(cart), at(1000)).await.expect("reachable")
}

async fn leave(store: &dyn Store, hashes: &[u8], mark: &PurchaseMark) {
    let hashes: Vec<_> = hashes.iter().map(|n| hash(*n)).collect();
    store.mark(&shop(), &hashes, mark, at(1000)).await.expect("reachable");
}

/// The marks on these identifiers, each once, in the order of their orders.
async fn marks(store: &dyn Store, hashes: &[u8], now: i64) -> Vec<PurchaseMark> {
    let hashes: Vec<_> = hashes.iter().map(|n| hash(*n)).collect();
    sorted(store.person(&shop(), &hashes, at(now)).await.expect("reachable"))
}

fn sorted(person: Person) -> Vec<PurchaseMark> {
    let mut marks = person.marks;
    marks.sort_by(|a, b| a.order.cmp(&b.order));
    marks.dedup();
    marks
}

pub async fn nobody_is_known_for_anything(store: &dyn Store) {
    assert_eq!(marks(store, &[1, 2], 0).await, []);
    assert_eq!(marks(store, &[], 0).await, []);
    assert_eq!(carts_of(store, &[], 0).await, Vec::<String>::new());
    assert_eq!(enroll(store, &[], "c-1").await, Person::nobody());
}

pub async fn a_mark_is_read_under_each_identifier(store: &dyn Store) {
    let (all, some) = (mark("o-1", at(50)), mark_of("o-2", &["p-1", "p-2/\"x\""]));
    leave(store, &[1, 2], &all).await;
    leave(store, &[2, 3], &some).await;
    assert_eq!(marks(store, &[1], 60).await, std::slice::from_ref(&all));
    assert_eq!(marks(store, &[2], 60).await, [all.clone(), some.clone()]);
    assert_eq!(marks(store, &[3], 60).await, std::slice::from_ref(&some));
    assert_eq!(marks(store, &[1, 2, 3], 60).await, [all, some]);
}

pub async fn a_later_mark_of_an_order_replaces_the_earlier(store: &dyn Store) {
    let pending = PurchaseMark { paid: false, ..mark("o-1", at(50)) };
    leave(store, &[1], &pending).await;
    assert_eq!(marks(store, &[1], 60).await, [pending]);
    leave(store, &[1], &mark("o-1", at(50))).await;
    assert_eq!(marks(store, &[1], 60).await, [mark("o-1", at(50))]);
}

pub async fn unmark_takes_off_one_order_only(store: &dyn Store) {
    leave(store, &[1, 2], &PurchaseMark { paid: false, ..mark("o-1", at(50)) }).await;
    leave(store, &[1], &mark("o-2", at(51))).await;
    store.unmark(&shop(), &[hash(1), hash(2)], &order_id("o-1")).await.expect("reachable");
    store.unmark(&shop(), &[hash(1), hash(2)], &order_id("o-1")).await.expect("a second time is fine");
    assert_eq!(marks(store, &[1], 60).await, [mark("o-2", at(51))]);
    assert_eq!(marks(store, &[2], 60).await, []);
}

pub async fn late_news_does_not_undo_a_payment(store: &dyn Store) {
    leave(store, &[1], &mark("o-1", at(50))).await;
    leave(store, &[1], &PurchaseMark { paid: false, ..mark("o-1", at(60)) }).await;
    store.unmark(&shop(), &[hash(1)], &order_id("o-1")).await.expect("reachable");
    assert_eq!(marks(store, &[1], 60).await, [mark("o-1", at(50))]);
}

pub async fn a_mark_is_not_read_when_its_time_is_over(store: &dyn Store) {
    leave(store, &[1], &mark("o-1", at(50))).await;
    assert_eq!(marks(store, &[1], 999).await.len(), 1);
    assert_eq!(marks(store, &[1], 1001).await, []);
}

pub async fn enrolling_gives_what_the_identifiers_are_known_for(store: &dyn Store) {
    leave(store, &[1], &mark("o-1", at(50))).await;
    leave(store, &[2], &mark("o-2", at(51))).await;
    let person = enroll(store, &[1, 2], "c-1").await;
    assert_eq!(sorted(person), [mark("o-1", at(50)), mark("o-2", at(51))]);
}

pub async fn enrolling_twice_is_enrolling_once(store: &dyn Store) {
    for _ in 0..3 {
        enroll(store, &[1, 2], "c-1").await;
    }
    assert_eq!(carts_of(store, &[hash(1)], 60).await, ["c-1"]);
    assert_eq!(carts_of(store, &[hash(1), hash(2)], 60).await, ["c-1"]);
}

pub async fn the_carts_of_several_identifiers_come_each_once(store: &dyn Store) {
    enroll(store, &[1], "c-1").await;
    enroll(store, &[2], "c-2").await;
    enroll(store, &[1, 2], "c-3").await;
    assert_eq!(carts_of(store, &[hash(1)], 60).await, ["c-1", "c-3"]);
    assert_eq!(carts_of(store, &[hash(1), hash(2), hash(9)], 60).await, ["c-1", "c-2", "c-3"]);
}

pub async fn the_carts_of_a_person_are_at_most_two_hundred(store: &dyn Store) {
    for n in 0..130 {
        enroll(store, &[1], &format!("a-{n}")).await;
        enroll(store, &[2], &format!("b-{n}")).await;
    }
    let carts = carts_of(store, &[hash(1), hash(2)], 60).await;
    assert!((130..=200).contains(&carts.len()), "{}", carts.len());
}

pub async fn an_enrolment_is_not_read_when_its_time_is_over(store: &dyn Store) {
    enroll(store, &[1], "c-1").await;
    assert_eq!(carts_of(store, &[hash(1)], 999).await, ["c-1"]);
    assert_eq!(carts_of(store, &[hash(1)], 1001).await, Vec::<String>::new());
}

pub async fn a_later_enrolment_prolongs_an_earlier(store: &dyn Store) {
    enroll(store, &[1], "c-1").await;
    store.enroll(&shop(), &[hash(1)], &cart_id("c-1"), at(2000)).await.expect("reachable");
    assert_eq!(carts_of(store, &[hash(1)], 1500).await, ["c-1"]);
    leave(store, &[1], &mark("o-1", at(50))).await;
    store.mark(&shop(), &[hash(1)], &mark("o-1", at(50)), at(2000)).await.expect("reachable");
    assert_eq!(marks(store, &[1], 1500).await.len(), 1);
}

pub async fn people_of_two_shops_are_strangers(store: &dyn Store) {
    enroll(store, &[1], "c-1").await;
    leave(store, &[1], &mark("o-1", at(50))).await;
    let other = shop_named("other");
    assert_eq!(store.person(&other, &[hash(1)], at(60)).await.expect("reachable"), Person::nobody());
    assert_eq!(store.carts_of(&other, &[hash(1)], at(60)).await.expect("reachable"), []);
}

pub async fn a_sweep_leaves_what_is_still_known(store: &dyn Store) {
    enroll(store, &[1], "c-1").await;
    leave(store, &[1], &mark("o-1", at(50))).await;
    store.sweep(at(999)).await.expect("reachable");
    assert_eq!(marks(store, &[1], 999).await.len(), 1);
    assert_eq!(carts_of(store, &[hash(1)], 999).await, ["c-1"]);
    store.sweep(at(1001)).await.expect("reachable");
    assert_eq!(marks(store, &[1], 1001).await, []);
}
