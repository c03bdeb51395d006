//! Counts are exact: tallies by day, the census of states, and which endpoints are stopped.

use cartwake::domain::{Day, OutcomeName, StateName, Verdict, Why};
use cartwake::store::{Burial, Lane, Pause, Settled, Store};

use super::settling::attempted;
use super::write::{
    DONE, Write, begin, census, claim, counted, counted_over, day, lane, lane_to, queue, settle, tally,
};
use crate::samples::{at, cart, reminder, shop, shop_named};

fn day_after(days: i32) -> Day {
    Day::from_number(day().number() + days)
}

pub async fn tallies_add_up_over_carts(store: &dyn Store) {
    for n in 0..20 {
        let cart = cart(&format!("c-{n}"));
        let write = Write::of(&cart).counts("carts", 1).counts("abandoned_value_minor/EUR/cart", 4_000_000_000_000);
        assert_eq!(write.counts("carts", 1).to(store).await, DONE);
    }
    let counts = counted_over(store, day(), day()).await;
    let value = "abandoned_value_minor/EUR/cart".to_owned();
    assert_eq!(counts, [(day(), value, 80_000_000_000_000), (day(), "carts".to_owned(), 40)]);
}

pub async fn a_tally_may_go_down(store: &dyn Store) {
    Write::of(&cart("c-1")).counts("recovered_value_minor/EUR", 4488).done(store).await;
    Write::of(&cart("c-2")).counts("recovered_value_minor/EUR", -5000).done(store).await;
    let counts = counted_over(store, day(), day()).await;
    assert_eq!(counts, [(day(), "recovered_value_minor/EUR".to_owned(), -512)]);
}

pub async fn a_range_of_days_has_both_its_ends(store: &dyn Store) {
    for (n, days) in (0..).zip([-1, 0, 1, 5, 6]) {
        Write::of(&cart(&format!("c-{n}"))).counts_on(day_after(days), "carts", n + 1).done(store).await;
    }
    let name = || "carts".to_owned();
    let range = counted_over(store, day_after(0), day_after(5)).await;
    assert_eq!(range, [(day_after(0), name(), 2), (day_after(1), name(), 3), (day_after(5), name(), 4)]);
    assert_eq!(counted_over(store, day_after(6), day_after(6)).await, [(day_after(6), name(), 5)]);
    assert_eq!(counted_over(store, day_after(5), day_after(0)).await, []);
}

pub async fn counts_that_were_read_are_read_as_they_are_now(store: &dyn Store) {
    let cart = cart("c-1");
    let queued: Vec<_> = (0..2).map(|step| reminder(&cart, step, at(1))).collect();
    queue(store, &cart, &queued).await;
    assert_eq!(counted(store).await, []);
    Write::of(&cart).over(1).counts("carts", 1).done(store).await;
    assert_eq!(counted(store).await, [("carts".to_owned(), 1)]);
    Write::of(&cart).over(2).counts("carts", 1).done(store).await;
    assert_eq!(counted(store).await, [("carts".to_owned(), 2)]);

    let mut claims = claim(store, 10, 2).await.into_iter();
    let (sent, unreadable) = (claims.next().expect("two are due"), claims.next().expect("two are due"));
    let begun = begin(store, &sent, 11).await.expect("ours");
    let ended = attempted(&begun.delivery, OutcomeName::Success, Verdict::Delivered, at(12));
    assert_eq!(settle(store, &begun.claim, &ended, &[tally(day(), "settled", 1)]).await, Settled::Done);
    assert_eq!(counted(store).await, [("carts".to_owned(), 2), ("settled".to_owned(), 1)]);
    let tallies = [tally(day(), "buried", 1)];
    let burial = Burial { claim: &unreadable, keep_until: at(50_000), tallies: &tallies };
    assert_eq!(store.bury(burial).await.expect("reachable"), Settled::Done);
    let counts = [("buried".to_owned(), 1), ("carts".to_owned(), 2), ("settled".to_owned(), 1)];
    assert_eq!(counted(store).await, counts);
}

pub async fn a_sweep_leaves_the_counts_of_two_years(store: &dyn Store) {
    Write::of(&cart("c-1")).counts("carts", 1).done(store).await;
    store.sweep(day_after(799).starts_at()).await.expect("reachable");
    assert_eq!(counted(store).await, [("carts".to_owned(), 1)]);
}

pub async fn tallies_belong_to_their_shop(store: &dyn Store) {
    Write::of(&cart("c-1")).counts("carts", 1).done(store).await;
    let elsewhere = store.tallies(&shop_named("other"), day(), day()).await.expect("reachable");
    assert_eq!(elsewhere, []);
}

pub async fn the_census_moves_with_the_carts(store: &dyn Store) {
    let mut theirs = cart("c-1");
    theirs.shop = shop_named("other");
    for n in 0..5 {
        Write::of(&cart(&format!("c-{n}"))).moves(StateName::Active, 1).done(store).await;
    }
    Write::of(&theirs).moves(StateName::Active, 1).done(store).await;
    let moved = Write::of(&cart("c-1")).over(1).moves(StateName::Active, -1).moves(StateName::Abandoned, 1);
    moved.done(store).await;
    let expected =
        [(theirs.shop, StateName::Active, 1), (shop(), StateName::Active, 4), (shop(), StateName::Abandoned, 1)];
    assert_eq!(census(store).await, expected);
}

fn pause(lane: Lane, since: i64) -> Pause {
    Pause { lane, why: Why::EndpointGone, since: at(since) }
}

async fn paused(store: &dyn Store) -> Vec<Pause> {
    let mut paused = store.paused().await.expect("reachable");
    paused.sort_by(|a, b| a.lane.cmp(&b.lane));
    paused
}

pub async fn a_stopped_endpoint_stays_stopped_until_it_is_resumed(store: &dyn Store) {
    assert_eq!(paused(store).await, []);
    for lane in [lane(), lane(), lane_to("sms")] {
        store.pause(&pause(lane, 5)).await.expect("reachable");
    }
    store.pause(&pause(lane(), 9)).await.expect("reachable");
    assert_eq!(paused(store).await, [pause(lane(), 5), pause(lane_to("sms"), 5)]);
    store.resume(&lane()).await.expect("reachable");
    store.resume(&lane()).await.expect("a second time is fine");
    assert_eq!(paused(store).await, [pause(lane_to("sms"), 5)]);
}

pub async fn an_empty_store_is_empty_in_every_view(store: &dyn Store) {
    assert_eq!(counted_over(store, day(), day()).await, []);
    assert_eq!(census(store).await, []);
    assert_eq!(store.lanes().await.expect("reachable"), []);
    assert_eq!(store.next_due(&lane()).await.expect("reachable"), None);
    assert_eq!(store.list_carts(None, 10).await.expect("reachable").carts, []);
    assert_eq!(store.sweep(at(1)).await.expect("reachable"), 0);
    store.check().await.expect("reachable");
    store.flush().await.expect("reachable");
}
