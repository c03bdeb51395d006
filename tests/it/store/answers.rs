//! A repeated write gets the first answer, and nothing is done twice.

use cartwake::store::{Committed, Store, Version};

use super::write::{Write, answered, claim, counted, stored, version};
use crate::samples::{at, cart, cart_waking, key, reminder};

pub async fn a_repeat_gets_the_first_answer_and_writes_nothing(store: &dyn Store) {
    let cart = cart("c-1");
    Write::of(&cart).counts("carts", 1).answers("k-1", 7).done(store).await;
    let mut repeat = Write::of(&cart_waking("c-1", at(9)))
        .over(1)
        .queues(&[reminder(&cart, 0, at(1))])
        .counts("carts", 1)
        .answers("k-1", 8);
    assert_eq!(repeat.to(store).await, Committed::Duplicate(answered(&cart, 7)));
    // The repeat may have read the cart before the first write came through.
    repeat.expected = Version::ABSENT;
    assert_eq!(repeat.to(store).await, Committed::Duplicate(answered(&cart, 7)), "a repeat is no conflict");
    assert_eq!(stored(store, &cart).await.as_ref(), Some(&cart));
    assert_eq!(version(store, &cart).await, Version(1));
    assert_eq!(counted(store).await, [("carts".to_owned(), 1)]);
    assert_eq!(claim(store, 10, 10).await, []);
}

pub async fn each_key_has_its_own_answer_and_fingerprint(store: &dyn Store) {
    let (first, second) = (cart("c-1"), cart_waking("c-1", at(99)));
    Write::of(&first).answers("k-1", 1).done(store).await;
    Write::of(&second).over(1).answers("k-2", u64::MAX).done(store).await;
    for (name, cart, fingerprint) in [("k-1", &first, 1), ("k-2", &second, u64::MAX)] {
        let loaded = store.load(&cart.shop, &cart.id, Some(&key(name))).await.expect("the store can be reached");
        assert_eq!(loaded.answered, Some(answered(cart, fingerprint)), "{name}");
        assert_eq!(loaded.record.map(|r| *r.value).as_ref(), Some(&second), "{name}");
    }
}

pub async fn a_key_of_one_cart_says_nothing_about_another(store: &dyn Store) {
    let (one, other) = (cart("c-1"), cart("c-2"));
    Write::of(&one).answers("k-1", 1).done(store).await;
    let loaded = store.load(&other.shop, &other.id, Some(&key("k-1"))).await.expect("the store can be reached");
    assert_eq!(loaded.answered, None);
    Write::of(&other).answers("k-1", 1).done(store).await;
}

pub async fn an_answer_outlives_its_cart(store: &dyn Store) {
    let cart = cart("c-1");
    Write::of(&cart).answers("k-1", 1).done(store).await;
    Write::removing(&cart).over(1).done(store).await;
    let loaded = store.load(&cart.shop, &cart.id, Some(&key("k-1"))).await.expect("the store can be reached");
    assert_eq!((loaded.record, loaded.answered), (None, Some(answered(&cart, 1))));
}

pub async fn an_answer_is_gone_when_its_time_is_over(store: &dyn Store) {
    let cart = cart("c-1");
    let mut write = Write::of(&cart).answers("k-1", 1);
    if let Some(keep) = &mut write.keep {
        keep.until = at(0).plus(std::time::Duration::from_millis(40));
    }
    write.done(store).await;
    // A backend may expire by its own clock, so a little real time has to pass.
    for _ in 0..200 {
        store.sweep(at(1)).await.expect("the store can be reached");
        let loaded = store.load(&cart.shop, &cart.id, Some(&key("k-1"))).await.expect("the store can be reached");
        if loaded.answered.is_none() {
            return Write::of(&cart).over(1).now(at(1)).answers("k-1", 2).done(store).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the answer is still there");
}

pub async fn a_sweep_leaves_answers_whose_time_is_not_over(store: &dyn Store) {
    let cart = cart("c-1");
    Write::of(&cart).answers("k-1", 1).done(store).await;
    store.sweep(at(86_399)).await.expect("the store can be reached");
    let loaded = store.load(&cart.shop, &cart.id, Some(&key("k-1"))).await.expect("the store can be reached");
    assert_eq!(loaded.answered, Some(answered(&cart, 1)));
}
