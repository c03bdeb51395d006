//! Carts and orders of the store in memory: a commit checks everything first and then writes everything.
//!
//! Read next: `memory/deliveries.rs`.

use std::collections::BTreeMap;

use cartwake::domain::{Cart, CartId, EventKey, Moment, Order, OrderId, ShopId, Tally};
use cartwake::store::{
    Answered, Commit, Committed, Keep, Loaded, OrderCommit, Page, Stored, TALLIES_KEPT, UNANSWERED_FOR, Version,
};

use super::{About, Book, CartRow};

impl Book {
    pub fn load(&self, shop: &ShopId, id: &CartId, key: Option<&EventKey>) -> Loaded<Cart> {
        let row = self.carts.get(&(shop.clone(), id.clone()));
        let record = row.map(|row| Stored { value: Box::new(row.cart.clone()), version: row.version });
        Loaded { record, answered: self.answer(shop, About::Cart(id.clone()), key, Moment::from_millis(i64::MIN)) }
    }

    pub fn load_order(&self, shop: &ShopId, id: &OrderId, key: Option<&EventKey>) -> Loaded<Order> {
        let record = self.orders.get(&(shop.clone(), id.clone())).cloned();
        Loaded { record, answered: self.answer(shop, About::Order(id.clone()), key, Moment::from_millis(i64::MIN)) }
    }

    fn answer(&self, shop: &ShopId, about: About, key: Option<&EventKey>, now: Moment) -> Option<Answered> {
        let (answered, until) = self.answers.get(&(shop.clone(), about, key?.clone()))?;
        (*until > now).then(|| answered.clone())
    }

    fn keep(&mut self, shop: &ShopId, about: About, keep: Option<&Keep>) {
        if let Some(keep) = keep {
            self.answers.insert((shop.clone(), about, keep.key.clone()), (keep.answered.clone(), keep.until));
        }
    }

    fn count(&mut self, shop: &ShopId, tallies: &[Tally]) {
        for tally in tallies {
            *self.tallies.entry((shop.clone(), tally.day, tally.key.clone())).or_default() += tally.by;
        }
    }

    pub fn commit(&mut self, commit: &Commit<'_>) -> Committed {
        let (shop, id) = (commit.shop, commit.id);
        let about = About::Cart(id.clone());
        let key = commit.keep.map(|keep| &keep.key);
        if let Some(answered) = self.answer(shop, about.clone(), key, commit.now) {
            return Committed::Duplicate(answered);
        }
        let at = (shop.clone(), id.clone());
        if self.carts.get(&at).map_or(Version::ABSENT, |row| row.version) != commit.expected {
            return Committed::Conflict;
        }
        match commit.cart {
            Some(cart) => {
                let row = CartRow { version: commit.expected.next(), wake_at: cart.next_wake(), cart: cart.clone() };
                self.carts.insert(at, row);
            }
            None => drop(self.carts.remove(&at)),
        }
        let mut committed = Committed::Done;
        for (n, delivery) in commit.outbox.iter().enumerate() {
            let begun_until = commit.begun_until.get(n).copied().flatten();
            if !self.queue(delivery, begun_until) && begun_until.is_some() {
                committed = Committed::DoneNotBegun;
            }
        }
        for moved in commit.census {
            *self.census.entry((shop.clone(), moved.state)).or_default() += moved.by;
        }
        self.count(shop, commit.tallies);
        self.keep(shop, about, commit.keep);
        committed
    }

    pub fn commit_order(&mut self, commit: &OrderCommit<'_>) -> Committed {
        let (shop, id) = (&commit.order.shop, &commit.order.id);
        let about = About::Order(id.clone());
        let key = commit.keep.map(|keep| &keep.key);
        if let Some(answered) = self.answer(shop, about.clone(), key, commit.now) {
            return Committed::Duplicate(answered);
        }
        let at = (shop.clone(), id.clone());
        if self.orders.get(&at).map_or(Version::ABSENT, |stored| stored.version) != commit.expected {
            return Committed::Conflict;
        }
        self.orders.insert(at, Stored { value: Box::new(commit.order.clone()), version: commit.expected.next() });
        self.count(shop, commit.tallies);
        self.keep(shop, about, commit.keep);
        Committed::Done
    }

    /// A settlement's counts, for the other half of the book.
    pub(super) fn count_settled(&mut self, shop: &ShopId, tallies: &[Tally]) {
        self.count(shop, tallies);
    }

    /// One cart of each shop in turn, its longest overdue, until the places are taken.
    pub fn due_carts(&self, now: Moment, limit: usize, turn: usize) -> Vec<(ShopId, CartId)> {
        let mut of_shops: BTreeMap<&ShopId, Vec<(Moment, &CartId)>> = BTreeMap::new();
        for ((shop, id), row) in self.carts.iter().filter(|(_, row)| row.wake_at <= now) {
            of_shops.entry(shop).or_default().push((row.wake_at, id));
        }
        let mut shops: Vec<_> = of_shops.into_iter().collect();
        for (_, carts) in &mut shops {
            carts.sort();
        }
        if !shops.is_empty() && shops.len() > limit {
            let first = turn * limit % shops.len();
            shops.rotate_left(first);
        }
        let most = shops.iter().map(|(_, carts)| carts.len()).max().unwrap_or_default();
        let in_turn =
            (0..most).flat_map(|n| shops.iter().filter_map(move |(shop, carts)| Some((carts.get(n)?, *shop))));
        let mut due: Vec<_> = in_turn.take(limit).collect();
        due.sort();
        due.into_iter().map(|((_, id), shop)| (shop.clone(), (*id).clone())).collect()
    }

    pub fn next_wake(&self) -> Option<Moment> {
        self.carts.values().map(|row| row.wake_at).min()
    }

    /// A cursor is the place of the last cart given out; one that is not ours gives an end.
    pub fn page(&self, cursor: Option<&str>, limit: usize) -> Page {
        let mut all: Vec<_> = self.carts.iter().map(|((shop, id), row)| (row.wake_at, shop, id, &row.cart)).collect();
        all.sort_by_key(|(wake_at, shop, id, _)| (*wake_at, *shop, *id));
        let place = |wake_at: Moment, shop: &ShopId, id: &CartId| format!("{}:{shop}:{id}", wake_at.millis());
        let from = match cursor {
            None => 0,
            Some(cursor) => match all.iter().position(|(wake_at, shop, id, _)| place(*wake_at, shop, id) == cursor) {
                Some(last) => last + 1,
                None => return Page::default(),
            },
        };
        let page = &all[from..all.len().min(from + limit)];
        let is_last = from + page.len() == all.len();
        let next = page.last().filter(|_| !is_last).map(|(wake_at, shop, id, _)| place(*wake_at, shop, id));
        Page { carts: page.iter().map(|(.., cart)| (*cart).clone()).collect(), next, unreadable: 0 }
    }

    /// Forgets what has expired.
    pub fn sweep(&mut self, now: Moment) -> u64 {
        let before = self.expirable();
        self.answers.retain(|_, (_, until)| *until > now);
        self.orders.retain(|_, stored| stored.value.expires_at > now);
        for carts in self.enrolled.values_mut() {
            carts.retain(|_, until| *until > now);
        }
        for notes in self.notes.values_mut() {
            notes.retain(|_, (_, until)| *until > now);
        }
        let is_told = |until: &mut Moment| until.plus(UNANSWERED_FOR) > now;
        self.sends.retain(|_, until| is_told(until));
        self.unanswered.retain(|_, at| is_told(at));
        self.deliveries.retain(|_, row| row.purge_at.is_none_or(|at| at > now));
        self.tallies.retain(|(_, day, _), _| *day >= now.minus(TALLIES_KEPT).day());
        u64::try_from(before - self.expirable()).unwrap_or(u64::MAX)
    }

    fn expirable(&self) -> usize {
        let people = self.enrolled.values().map(BTreeMap::len).sum::<usize>()
            + self.notes.values().map(BTreeMap::len).sum::<usize>();
        people
            + self.answers.len()
            + self.orders.len()
            + self.sends.len()
            + self.unanswered.len()
            + self.deliveries.len()
            + self.tallies.len()
    }
}
