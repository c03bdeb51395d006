//! A commit is one atomic write, and only of what was read.

use cartwake::domain::{Cart, State, StateName};
use cartwake::store::{Committed, Store, Version};

use super::write::{DONE, Write, answered, census, claim, counted, delivery, due, stored, version};
use crate::samples::{at, cart, cart_id, cart_waking, in_state, reminder, shop, shop_named};

pub async fn a_commit_is_visible_to_the_next_load(store: &dyn Store) {
    let cart = cart("c-1");
    assert_eq!(Write::of(&cart).to(store).await, DONE);
    assert_eq!(stored(store, &cart).await, Some(cart));
}

pub async fn a_cart_that_was_never_written_is_absent(store: &dyn Store) {
    let cart = cart("c-1");
    let loaded = store.load(&cart.shop, &cart.id, None).await.expect("the store can be reached");
    assert_eq!((loaded.record, loaded.answered), (None, None));
}

pub async fn every_commit_raises_the_version_by_one(store: &dyn Store) {
    let cart = cart("c-1");
    for written in 0..5 {
        assert_eq!(version(store, &cart).await, Version(written));
        Write::of(&cart).over(written).done(store).await;
    }
}

pub async fn a_commit_over_another_version_is_a_conflict(store: &dyn Store) {
    let cart = cart("c-1");
    assert_eq!(Write::of(&cart).over(1).to(store).await, Committed::Conflict, "there is no record yet");
    Write::of(&cart).done(store).await;
    Write::of(&cart).over(1).done(store).await;
    for wrong in [0, 1, 3, u64::from(u32::MAX)] {
        assert_eq!(Write::of(&cart).over(wrong).to(store).await, Committed::Conflict, "{wrong}");
    }
    assert_eq!(version(store, &cart).await, Version(2));
}

pub async fn a_conflict_writes_nothing_at_all(store: &dyn Store) {
    let first = cart("c-1");
    Write::of(&first).done(store).await;
    let second = cart_waking("c-1", at(5));
    let queued = reminder(&second, 0, at(1));
    let refused = Write::of(&second)
        .queues(std::slice::from_ref(&queued))
        .counts("carts", 1)
        .moves(StateName::Active, 1)
        .answers("k-1", 7);
    assert_eq!(refused.to(store).await, Committed::Conflict);
    assert_eq!(stored(store, &first).await, Some(first.clone()));
    assert_eq!(due(store, 10, 10).await, Vec::<String>::new());
    assert_eq!(counted(store).await, []);
    assert_eq!(census(store).await, []);
    assert_eq!(claim(store, 10, 10).await, []);
    assert_eq!(delivery(store, &queued).await, None);
    let loaded = store.load(&first.shop, &first.id, refused.keep.as_ref().map(|k| &k.key)).await;
    assert_eq!(loaded.expect("the store can be reached").answered, None);
}

pub async fn a_commit_makes_all_of_its_parts_true(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = [reminder(&cart, 0, at(1)), reminder(&cart, 1, at(2))];
    let write = Write::of(&cart)
        .queues(&queued)
        .counts("carts", 1)
        .counts("stage_entered/shipping", 1)
        .moves(StateName::Active, 1)
        .answers("k-1", 7);
    assert_eq!(write.to(store).await, DONE);
    let keep = write.keep.as_ref().expect("given above");
    let loaded = store.load(&cart.shop, &cart.id, Some(&keep.key)).await.expect("the store can be reached");
    assert_eq!(loaded.answered.as_ref(), Some(&keep.answered));
    assert_eq!(due(store, 1800, 10).await, ["c-1"]);
    assert_eq!(counted(store).await, [("carts".to_owned(), 1), ("stage_entered/shipping".to_owned(), 1)]);
    assert_eq!(census(store).await, [(cart.shop.clone(), StateName::Active, 1)]);
    assert_eq!(claim(store, 10, 10).await.len(), 2);
    for one in &queued {
        assert_eq!(delivery(store, one).await.as_ref(), Some(one));
    }
}

pub async fn of_many_commits_at_once_exactly_one_wins(store: &dyn Store) {
    let cart = cart("c-1");
    for round in 0..5 {
        let writes: Vec<Write> =
            (0..16).map(|n| Write::of(&cart_waking("c-1", at(100 + n))).over(round).counts("carts", 1)).collect();
        let results = futures_util::future::join_all(writes.iter().map(|write| write.to(store))).await;
        let winners: Vec<usize> = (0..16).filter(|&n| results[n] != Committed::Conflict).collect();
        let [winner] = winners[..] else { panic!("round {round}: {winners:?} won") };
        assert_eq!(stored(store, &cart).await, writes[winner].cart);
    }
    assert_eq!(version(store, &cart).await, Version(5));
    assert_eq!(counted(store).await, [("carts".to_owned(), 5)]);
}

pub async fn many_carts_written_at_once_are_all_there(store: &dyn Store) {
    let carts: Vec<_> = (0..50).map(|n| cart(&format!("c-{n}"))).collect();
    let writes: Vec<Write> = carts.iter().map(|c| Write::of(c).counts("carts", 1)).collect();
    let results = futures_util::future::join_all(writes.iter().map(|write| write.to(store))).await;
    assert!(results.iter().all(|result| *result == DONE));
    for cart in &carts {
        assert_eq!(stored(store, cart).await.as_ref(), Some(cart));
    }
    assert_eq!(counted(store).await, [("carts".to_owned(), 50)]);
}

pub async fn removing_a_cart_removes_its_wake(store: &dyn Store) {
    let cart = cart_waking("c-1", at(5));
    Write::of(&cart).moves(StateName::Active, 1).done(store).await;
    let removal = Write::removing(&cart).over(1).moves(StateName::Active, -1);
    assert_eq!(removal.to(store).await, DONE);
    assert_eq!(stored(store, &cart).await, None);
    assert_eq!(due(store, 1_000_000, 10).await, Vec::<String>::new());
    assert_eq!(store.next_wake().await.expect("the store can be reached"), None);
    assert_eq!(census(store).await, []);
}

pub async fn a_removal_over_another_version_is_a_conflict(store: &dyn Store) {
    let cart = cart("c-1");
    Write::of(&cart).done(store).await;
    Write::of(&cart).over(1).done(store).await;
    assert_eq!(Write::removing(&cart).over(1).to(store).await, Committed::Conflict);
    assert_eq!(stored(store, &cart).await, Some(cart));
}

pub async fn a_removed_cart_may_be_written_anew(store: &dyn Store) {
    let cart = cart("c-1");
    Write::of(&cart).done(store).await;
    Write::removing(&cart).over(1).done(store).await;
    assert_eq!(version(store, &cart).await, Version::ABSENT);
    Write::of(&cart).done(store).await;
    assert_eq!(stored(store, &cart).await, Some(cart));
}

pub async fn carts_of_one_id_in_two_shops_are_two_carts(store: &dyn Store) {
    let ours = cart("c-1");
    let mut theirs = in_state(&ours, State::Dismissed);
    theirs.shop = shop_named("other");
    Write::of(&ours).done(store).await;
    Write::of(&theirs).done(store).await;
    assert_eq!(stored(store, &ours).await, Some(ours.clone()));
    assert_eq!(stored(store, &theirs).await, Some(theirs));
    let nobodys = store.load(&shop_named("third"), &cart_id("c-1"), None).await.expect("the store can be reached");
    assert_eq!(nobodys.record, None);
}

pub async fn several_are_written_at_once_and_each_has_its_own_answer(store: &dyn Store) {
    let carts: Vec<Cart> = (0..70).map(|n| cart_waking(&format!("c-{n}"), at(n))).collect();
    for cart in carts.iter().step_by(7) {
        Write::of(cart).done(store).await;
    }
    let writes: Vec<Write> = carts
        .iter()
        .enumerate()
        .map(|(n, cart)| {
            let queued = [reminder(cart, 0, at(5))];
            // One of two that are there already is written over the version that it has.
            Write::of(cart)
                .over(u64::from(n.is_multiple_of(14)))
                .counts("carts", 1)
                .moves(StateName::Active, 1)
                .queues(&queued)
        })
        .collect();
    let committed = store.commit_all(writes.iter().map(Write::commit).collect()).await;
    for (n, committed) in committed.into_iter().enumerate() {
        let conflict = n.is_multiple_of(7) && !n.is_multiple_of(14);
        let expected = if conflict { Committed::Conflict } else { Committed::Done };
        assert_eq!(committed.expect("reachable"), expected, "{n}");
    }
    assert_eq!(counted(store).await, [("carts".to_owned(), 65)]);
    assert_eq!(census(store).await, [(shop(), StateName::Active, 65)]);
    assert_eq!(claim(store, 10, 100).await.len(), 65, "what was not written queued nothing");
    assert_eq!(store.next_wake().await.expect("reachable"), Some(at(0)));
}

/// More than there are shards, so that some share a call.
fn many() -> Vec<Cart> {
    (0..70).map(|n| cart(&format!("c-{n}"))).collect()
}

pub async fn several_that_are_repeated_get_their_first_answers(store: &dyn Store) {
    let carts = many();
    let of = |cart, version, fingerprint| Write::of(cart).over(version).counts("carts", 1).answers("k-1", fingerprint);
    let first: Vec<Write> = carts.iter().map(|cart| of(cart, 0, 7)).collect();
    let again: Vec<Write> = carts.iter().map(|cart| of(cart, 1, 8)).collect();
    for committed in store.commit_all(first.iter().map(Write::commit).collect()).await {
        assert_eq!(committed.expect("reachable"), DONE);
    }
    for (cart, committed) in carts.iter().zip(store.commit_all(again.iter().map(Write::commit).collect()).await) {
        assert_eq!(committed.expect("reachable"), Committed::Duplicate(answered(cart, 7)));
        assert_eq!(version(store, cart).await, Version(1));
    }
    assert_eq!(counted(store).await, [("carts".to_owned(), 70)]);
}

pub async fn what_several_decide_again_stays_as_it_is(store: &dyn Store) {
    let carts = many();
    let of = |cart, version, due| Write::of(cart).over(version).queues(&[reminder(cart, 0, at(due))]);
    let first: Vec<Write> = carts.iter().map(|cart| of(cart, 0, 5)).collect();
    let again: Vec<Write> = carts.iter().map(|cart| of(cart, 1, 3)).collect();
    for writes in [&first, &again] {
        for committed in store.commit_all(writes.iter().map(Write::commit).collect()).await {
            assert_eq!(committed.expect("reachable"), DONE);
        }
    }
    assert_eq!(claim(store, 4, 100).await, [], "none has become due earlier");
    assert_eq!(claim(store, 5, 100).await.len(), 70);
}
