//! What Redis ends by itself: whatever is written there for a time has a life, whichever way it was written.

use std::time::Duration;

use cartwake::domain::{Day, Delivery, Status, Tally, TallyKey, Why};
use cartwake::store::redis::RedisStore;
use cartwake::store::{Begun, Burial, Commit, Committed, Settled, Settlement, Store, TALLIES_KEPT, Version};

use crate::redis_only::{lane, settings, tell};
use crate::samples::{at, cart, reminder};
use crate::servers::own_database;

/// How long each key like this lives on.
async fn lives(url: &str, pattern: &str) -> Vec<Duration> {
    let keys: Vec<String> = redis::from_redis_value(tell(url, &format!("KEYS {pattern}")).await).expect("keys");
    let mut lives = Vec::new();
    for key in keys {
        let seconds: i64 = redis::from_redis_value(tell(url, &format!("TTL {key}")).await).expect("a number");
        lives.push(Duration::from_secs(u64::try_from(seconds).unwrap_or_else(|_| panic!("{key} lives for ever"))));
    }
    lives
}

/// Writes this many carts with a due reminder each, and begins those.
async fn begun(store: &RedisStore, count: usize) -> Vec<Begun> {
    for n in 0..count {
        let cart = cart(&format!("c-{n}"));
        let outbox = [reminder(&cart, 0, at(1))];
        let commit = Commit {
            expected: Version::ABSENT,
            cart: Some(&cart),
            outbox: &outbox,
            ..Commit::removal(&cart.shop, &cart.id, at(2))
        };
        assert_eq!(store.commit(commit).await.expect("reachable"), Committed::Done);
    }
    let claims = store.claim(&lane(), at(10), count, at(40)).await.expect("reachable");
    let begun = store.begin_all(&claims, at(11), at(41)).await;
    begun.into_iter().map(|begun| begun.expect("reachable").expect("ours")).collect()
}

#[tokio::test]
async fn the_dead_of_a_lane_end_with_the_last_of_them_also_where_no_others_come() {
    let url = own_database();
    let store = RedisStore::open(settings(&url, 1), [7; 32], at(0)).await.expect("the server is ours");
    let mut begun = begun(&store, 3).await;
    let buried = begun.pop().expect("three were begun");
    for (begun, keep_until) in begun.iter().zip([at(90_000), at(1_000)]) {
        let delivery = Delivery { status: Status::Dead(Why::Rejected), ..begun.delivery.clone() };
        let settlement =
            Settlement { claim: &begun.claim, delivery: &delivery, keep_until, tallies: &[], unanswered_at: None };
        assert_eq!(store.settle(settlement).await.expect("reachable"), Settled::Done);
        let lives = lives(&url, "{cw:*}:x:*").await;
        assert!(matches!(&lives[..], [life] if *life > Duration::from_secs(89_000)), "{lives:?}");
    }
    let burial = Burial { claim: &buried.claim, keep_until: at(900_000), tallies: &[] };
    assert_eq!(store.bury(burial).await.expect("reachable"), Settled::Done);
    let lives = lives(&url, "{cw:*}:x:*").await;
    assert!(matches!(&lives[..], [life] if *life > Duration::from_secs(899_000)), "{lives:?}");
}

/// Something that is counted on the day so many days from the first.
fn counted(days: i32) -> [Tally; 1] {
    [Tally { day: Day::from_number(at(0).day().number() + days), key: TallyKey("seen".to_owned()), by: 1 }]
}

#[tokio::test]
async fn counts_end_in_time_however_they_were_made() {
    let url = own_database();
    let store = RedisStore::open(settings(&url, 1), [7; 32], at(0)).await.expect("the server is ours");
    let carts = ["c-1", "c-2", "c-3"].map(cart);
    let queued: Vec<Delivery> = carts.iter().map(|cart| reminder(cart, 0, at(1))).collect();
    let (alone, together, settled, buried) = (counted(0), counted(1), counted(2), counted(3));
    let write = |n: usize| Commit {
        expected: Version::ABSENT,
        cart: Some(&carts[n]),
        outbox: std::slice::from_ref(&queued[n]),
        tallies: if n == 0 { &alone } else { &together },
        ..Commit::removal(&carts[n].shop, &carts[n].id, at(2))
    };
    assert_eq!(store.commit(write(0)).await.expect("reachable"), Committed::Done);
    for committed in store.commit_all(vec![write(1), write(2)]).await {
        assert_eq!(committed.expect("reachable"), Committed::Done);
    }
    let claims = store.claim(&lane(), at(10), 10, at(40)).await.expect("reachable");
    let burial = Burial { claim: &claims[0], keep_until: at(1_000), tallies: &buried };
    assert_eq!(store.bury(burial).await.expect("reachable"), Settled::Done);
    let begun = store.begin(&claims[1], at(11), at(41)).await.expect("reachable").expect("ours");
    let settlement = Settlement {
        claim: &begun.claim,
        delivery: &Delivery { status: Status::Dead(Why::Rejected), ..begun.delivery },
        keep_until: at(1_000),
        tallies: &settled,
        unanswered_at: None,
    };
    assert_eq!(store.settle(settlement).await.expect("reachable"), Settled::Done);
    let lives = lives(&url, "{cw:*}:t:*").await;
    assert_eq!(lives.len(), 4);
    let is_just_made = |life: &Duration| *life <= TALLIES_KEPT && *life + Duration::from_secs(600) > TALLIES_KEPT;
    assert!(lives.iter().all(is_just_made), "{lives:?}");
}

/// The reminders that Redis holds as in flight.
async fn in_flight(url: &str) -> Vec<String> {
    redis::from_redis_value(tell(url, "ZRANGE {cw:00}:b 0 -1").await).expect("members")
}

#[tokio::test]
async fn a_cart_that_is_removed_takes_along_what_a_dead_process_left_in_flight_and_not_what_may_still_arrive() {
    let url = own_database();
    let store = RedisStore::open(settings(&url, 1), [7; 32], at(0)).await.expect("the server is ours");
    let begun = begun(&store, 4).await;
    assert_eq!(in_flight(&url).await.len(), 4);
    let settlement = Settlement {
        claim: &begun[0].claim,
        delivery: &Delivery { status: Status::Delivered, ..begun[0].delivery.clone() },
        keep_until: at(1_000),
        tallies: &[],
        unanswered_at: None,
    };
    assert_eq!(store.settle(settlement).await.expect("reachable"), Settled::Done);
    assert_eq!(in_flight(&url).await.len(), 3);

    // Alone, two together, and one while its bytes may still be on their way.
    let remove = |n: usize, now| {
        let claim = &begun[n].claim;
        Commit { expected: Version(1), ..Commit::removal(&claim.lane.shop, &claim.cart, at(now)) }
    };
    assert_eq!(store.commit(remove(1, 50)).await.expect("reachable"), Committed::Done);
    assert_eq!(in_flight(&url).await.len(), 3);
    for committed in store.commit_all(vec![remove(0, 90_000), remove(2, 90_000)]).await {
        assert_eq!(committed.expect("reachable"), Committed::Done);
    }
    assert_eq!(in_flight(&url).await.len(), 2);
    assert_eq!(store.commit(remove(3, 90_000)).await.expect("reachable"), Committed::Done);
    let left = in_flight(&url).await;
    assert!(matches!(&left[..], [mark] if mark.contains(begun[1].claim.cart.as_str())), "{left:?}");
}
