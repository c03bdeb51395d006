//! The cases' way to write: a commit that says only what it is about.
//!
//! Never here: expectations about what a store answers; see the cases.

use cartwake::domain::{
    Cart, CartId, Census, Day, Delivery, IdentifierHash, Moment, Order, ShopId, StateName, Tally, TallyKey,
};
use cartwake::store::{
    Answer, Answered, Begun, Claim, Commit, Committed, Keep, Lane, OrderCommit, Settled, Settlement, Store, Version,
};

use crate::samples::{at, endpoint, key, receipt, shop};

/// How long the cases lease, in seconds.
pub const LEASE: i64 = 30;

/// A commit in the making.
pub struct Write {
    pub shop: ShopId,
    pub id: CartId,
    pub cart: Option<Cart>,
    pub expected: Version,
    pub outbox: Vec<Delivery>,
    pub begun_until: Vec<Option<Moment>>,
    pub tallies: Vec<Tally>,
    pub census: Vec<Census>,
    pub keep: Option<Keep>,
    pub now: Moment,
}

impl Write {
    /// The first write of this cart.
    pub fn of(cart: &Cart) -> Self {
        Self {
            shop: cart.shop.clone(),
            id: cart.id.clone(),
            cart: Some(cart.clone()),
            expected: Version::ABSENT,
            outbox: Vec::new(),
            begun_until: Vec::new(),
            tallies: Vec::new(),
            census: Vec::new(),
            keep: None,
            now: at(0),
        }
    }

    /// The end of this cart's record.
    pub fn removing(cart: &Cart) -> Self {
        Self { cart: None, ..Self::of(cart) }
    }

    pub const fn over(mut self, version: u64) -> Self {
        self.expected = Version(version);
        self
    }

    pub const fn now(mut self, now: Moment) -> Self {
        self.now = now;
        self
    }

    pub fn queues(mut self, deliveries: &[Delivery]) -> Self {
        self.outbox.extend_from_slice(deliveries);
        self
    }

    pub fn counts(mut self, name: &str, by: i64) -> Self {
        self.tallies.push(tally(day(), name, by));
        self
    }

    pub fn counts_on(mut self, day: Day, name: &str, by: i64) -> Self {
        self.tallies.push(tally(day, name, by));
        self
    }

    pub fn moves(mut self, state: StateName, by: i64) -> Self {
        self.census.push(Census { state, by });
        self
    }

    /// Keeps an answer to this key; the fingerprint stands for the request.
    pub fn answers(mut self, name: &str, fingerprint: u64) -> Self {
        let cart = self.cart.as_ref().expect("only a write of a cart is answered here");
        self.keep = Some(Keep { key: key(name), answered: answered(cart, fingerprint), until: at(86_400) });
        self
    }

    pub fn commit(&self) -> Commit<'_> {
        Commit {
            shop: &self.shop,
            id: &self.id,
            expected: self.expected,
            cart: self.cart.as_ref(),
            outbox: &self.outbox,
            begun_until: &self.begun_until,
            tallies: &self.tallies,
            census: &self.census,
            keep: self.keep.as_ref(),
            now: self.now,
        }
    }

    pub async fn to(&self, store: &dyn Store) -> Committed {
        store.commit(self.commit()).await.expect("the store can be reached")
    }

    /// Writes what must be written.
    pub async fn done(&self, store: &dyn Store) {
        let committed = self.to(store).await;
        assert!(matches!(committed, Committed::Done), "{:?} was not written: {committed:?}", self.id);
    }
}

pub const DONE: Committed = Committed::Done;

pub fn answered(cart: &Cart, fingerprint: u64) -> Answered {
    Answered { fingerprint, answer: Answer::Cart(receipt(cart)) }
}

pub fn day() -> Day {
    at(0).day()
}

pub fn tally(day: Day, name: &str, by: i64) -> Tally {
    Tally { day, key: TallyKey(name.to_owned()), by }
}

pub async fn write_order(store: &dyn Store, order: &Order, expected: u64, keep: Option<&Keep>) -> Committed {
    let tallies = [tally(day(), "orders/first", 1)];
    let commit = OrderCommit { order, expected: Version(expected), tallies: &tallies, keep, now: at(0) };
    store.commit_order(commit).await.expect("the store can be reached")
}

/// The lane of the samples' reminders.
pub fn lane() -> Lane {
    lane_to("mail")
}

pub fn lane_to(name: &str) -> Lane {
    Lane { shop: shop(), endpoint: endpoint(name) }
}

/// Writes a cart with these deliveries.
pub async fn queue(store: &dyn Store, cart: &Cart, deliveries: &[Delivery]) {
    Write::of(cart).queues(deliveries).done(store).await;
}

/// Claims from the samples' lane, for [`LEASE`] seconds.
pub async fn claim(store: &dyn Store, now: i64, limit: usize) -> Vec<Claim> {
    store.claim(&lane(), at(now), limit, at(now + LEASE)).await.expect("the store can be reached")
}

/// Claims the one delivery that is due.
pub async fn claim_one(store: &dyn Store, now: i64) -> Claim {
    let mut claims = claim(store, now, 10).await;
    assert_eq!(claims.len(), 1, "exactly one delivery is due at {now}");
    claims.remove(0)
}

/// Begins a claim, for [`LEASE`] seconds.
pub async fn begin(store: &dyn Store, claim: &Claim, now: i64) -> Option<Begun> {
    store.begin(claim, at(now), at(now + LEASE)).await.expect("the store can be reached")
}

pub async fn settle(store: &dyn Store, claim: &Claim, delivery: &Delivery, tallies: &[Tally]) -> Settled {
    let settlement = Settlement { claim, delivery, keep_until: at(30 * 86_400), tallies, unanswered_at: None };
    store.settle(settlement).await.expect("the store can be reached")
}

pub async fn version(store: &dyn Store, cart: &Cart) -> Version {
    let loaded = store.load(&cart.shop, &cart.id, None).await.expect("the store can be reached");
    loaded.record.map_or(Version::ABSENT, |stored| stored.version)
}

pub async fn stored(store: &dyn Store, cart: &Cart) -> Option<Cart> {
    let loaded = store.load(&cart.shop, &cart.id, None).await.expect("the store can be reached");
    loaded.record.map(|stored| *stored.value)
}

pub async fn delivery(store: &dyn Store, of: &Delivery) -> Option<Delivery> {
    store.delivery(&of.shop, &of.cart, &of.id).await.expect("the store can be reached")
}

pub async fn due(store: &dyn Store, now: i64, limit: usize) -> Vec<String> {
    let due = store.due_carts(at(now), limit, 0).await.expect("the store can be reached");
    due.into_iter().map(|(_, id)| id.to_string()).collect()
}

/// The counts of the samples' shop on the samples' day, in the order of their names.
pub async fn counted(store: &dyn Store) -> Vec<(String, i64)> {
    counted_over(store, day(), day()).await.into_iter().map(|(_, name, n)| (name, n)).collect()
}

pub async fn counted_over(store: &dyn Store, from: Day, to: Day) -> Vec<(Day, String, i64)> {
    let tallies = store.tallies(&shop(), from, to).await.expect("the store can be reached");
    let mut counts: Vec<_> = tallies.into_iter().map(|(day, key, n)| (day, key.0, n)).filter(|c| c.2 != 0).collect();
    counts.sort();
    counts
}

/// How many carts are in each state, without the states that are empty.
pub async fn census(store: &dyn Store) -> Vec<(ShopId, StateName, i64)> {
    let mut census = store.census().await.expect("the store can be reached");
    census.retain(|c| c.2 != 0);
    census.sort();
    census
}

pub async fn carts_of(store: &dyn Store, hashes: &[IdentifierHash], now: i64) -> Vec<String> {
    let carts = store.carts_of(&shop(), hashes, at(now)).await.expect("the store can be reached");
    let mut carts: Vec<String> = carts.iter().map(ToString::to_string).collect();
    carts.sort();
    carts
}
