//! Promises 3 and 5: what was acknowledged is stored, once, and the counts are exact.
//!
//! Each write of content carries a mark of its own among the cart's attributes, so that one can see in any later state
//! whether it got there and whether another write took it away. Counts are taken anew from the two states of a record.

use std::collections::BTreeMap;

use cartwake::domain::{
    Applied, Cart, CartId, Delivery, EventKind, Moment, Order, OrderId, OrderStatus, Receipt, ShopId, State, StateName,
    Tally, What,
};
use cartwake::engine::Once;
use cartwake::store::{Answer, Answered, Commit, OrderCommit, OrderReceipt};

use super::Ledger;
use crate::memory::{About, Book, CartRow};

/// The attribute that names the last snapshot.
pub const SNAPSHOT: &str = "snapshot";

fn rank(status: OrderStatus) -> u8 {
    match status {
        OrderStatus::Pending => 0,
        OrderStatus::Failed => 1,
        OrderStatus::Paid => 2,
        OrderStatus::Cancelled | OrderStatus::Refunded => 3,
    }
}

fn sum(tallies: &[Tally], family: &str) -> i64 {
    tallies
        .iter()
        .filter(|tally| tally.key.0 == family || tally.key.0.starts_with(&format!("{family}/")))
        .map(|t| t.by)
        .sum()
}

impl Ledger {
    pub fn cart_was_postponed(&mut self, id: &CartId) {
        self.postponed.insert(id.clone());
    }

    /// A commit of a cart took place.
    pub fn cart_was_written(&mut self, before: Option<&CartRow>, commit: &Commit<'_>, book: &Book) {
        let (old, new) = (before.map(|row| &row.cart), commit.cart);
        self.count("commits");
        self.postponed.remove(commit.id);
        self.no_update_is_lost(commit.id, before, commit);
        self.a_key_is_used_once(commit.id.as_str(), commit.keep.map(|keep| keep.key.as_str()));
        self.the_census_follows_the_states(old, commit);
        self.a_commit_counts_what_it_did(old, commit);
        self.note_tallies(commit.tallies);
        for delivery in commit.outbox {
            self.queued(delivery);
        }
        if let Some(cart) = new {
            let seen = self.marks_seen.entry(commit.id.clone()).or_default();
            seen.extend(cart.content.attributes.iter().map(|(key, value)| format!("{key}={value}")));
            seen.extend(cart.signals.iter().map(|s| format!("{}@{}", s.kind.name(), s.at.millis())));
            seen.insert(format!("state {}", cart.state.name()));
            self.saw("state", &cart.state.name());
            self.came_into_an_arm(old, cart);
        }
        self.judge_cover(commit.id, new);
        let row = book.carts.get(&(commit.shop.clone(), commit.id.clone()));
        if row.is_some_and(|row| row.wake_at != row.cart.next_wake()) {
            self.broke("the wake index is the carts' own next wake", &commit.id);
        }
    }

    /// A write is made over the state that it was decided on; what others wrote meanwhile stays.
    fn no_update_is_lost(&mut self, id: &CartId, before: Option<&CartRow>, commit: &Commit<'_>) {
        let read = before.map_or(0, |row| row.version.0);
        if commit.expected.0 != read {
            self.broke(
                "no update is lost",
                &format_args!("{id} was decided at {} and is at {read}", commit.expected.0),
            );
        }
        let (Some(before), Some(after)) = (before, commit.cart) else { return };
        let (old, new) = (&before.cart.content.attributes, &after.content.attributes);
        if old.get(SNAPSHOT) == new.get(SNAPSHOT) && !after.state.is_tombstone() {
            let gone = old.iter().find(|(key, value)| new.get(*key) != Some(value));
            if let Some((key, _)) = gone {
                self.broke("no update is lost", &format_args!("{key} of {id} is gone without a new snapshot"));
            }
        }
    }

    /// One key makes one write, however often it is repeated.
    fn a_key_is_used_once(&mut self, about: &str, key: Option<&str>) {
        let Some(key) = key else { return };
        let used = self.keys_used.entry(format!("{about}/{key}")).or_default();
        *used += 1;
        if *used > 1 {
            self.broke("a repeated write is made once", &format_args!("{key} of {about}"));
        }
    }

    fn the_census_follows_the_states(&mut self, old: Option<&Cart>, commit: &Commit<'_>) {
        let mut moved: BTreeMap<StateName, i64> = BTreeMap::new();
        if let Some(old) = old {
            *moved.entry(old.state.name()).or_default() += 1;
        }
        if let Some(new) = commit.cart {
            *moved.entry(new.state.name()).or_default() -= 1;
        }
        for census in commit.census {
            *moved.entry(census.state).or_default() += census.by;
        }
        if moved.values().any(|by| *by != 0) {
            self.broke("the census follows the states", &format_args!("{} is off by {moved:?}", commit.id));
        }
    }

    /// The counts of a commit are those that follow from the state before and after it.
    fn a_commit_counts_what_it_did(&mut self, old: Option<&Cart>, commit: &Commit<'_>) {
        let Some(new) = commit.cart else { return };
        let is_converted = |cart: &Cart| matches!(cart.state, State::Converted { .. });
        let was_converted = old.is_some_and(is_converted);
        let stages = |cart: Option<&Cart>| cart.map_or(0, |cart| i64::from(cart.stages.0.count_ones()));
        let abandonments = |cart: Option<&Cart>| cart.map_or(0, |cart| i64::from(cart.abandonments));
        let expected = [
            ("carts", i64::from(old.is_none() && new.state.name() != StateName::Suppressed)),
            ("abandonments", abandonments(Some(new)) - abandonments(old)),
            ("conversions", i64::from(is_converted(new) && !was_converted)),
            ("reversions", i64::from(was_converted && new.state == State::Reverted)),
            ("stage_entered", stages(Some(new)) - stages(old)),
        ];
        for (family, expected) in expected {
            let counted = sum(commit.tallies, family);
            if counted != expected {
                let how = format!("{} of {}: {counted} counted, {expected} happened", family, commit.id);
                self.broke("counts are the facts", &how);
            }
        }
    }

    pub(super) fn note_tallies(&mut self, tallies: &[Tally]) {
        for tally in tallies {
            *self.tallies.entry(tally.key.0.clone()).or_default() += tally.by;
            let mut parts = tally.key.0.split('/');
            let family = parts.next().unwrap_or_default();
            self.saw("tally", &family);
            match family {
                "attempts" => self.saw("outcome", &parts.next_back().unwrap_or_default()),
                "reminders_suppressed" => self.saw("why", &parts.next_back().unwrap_or_default()),
                "deliveries" | "reminders" => self.saw(family, &parts.next_back().unwrap_or_default()),
                _ => {}
            }
        }
    }

    /// A commit of an order took place.
    pub fn order_was_written(&mut self, before: Option<&Order>, commit: &OrderCommit<'_>) {
        let after = commit.order;
        self.orders_written.insert(after.id.clone(), self.step);
        self.a_key_is_used_once(after.id.as_str(), commit.keep.map(|keep| keep.key.as_str()));
        let first_paid = i64::from(after.paid_as.is_some() && before.is_none_or(|order| order.paid_as.is_none()));
        let was_paid = before.is_some_and(|order| order.status == OrderStatus::Paid && order.paid_as.is_some());
        let reverted = i64::from(was_paid && rank(after.status) == 3);
        for (family, expected) in [("orders", first_paid), ("orders_reverted", reverted)] {
            let counted = sum(commit.tallies, family);
            if counted != expected {
                let how = format!("{family} of order {}: {counted} counted, {expected} happened", after.id);
                self.broke("counts are the facts", &how);
            }
        }
        if before.is_some_and(|order| rank(order.status) > rank(after.status)) {
            self.broke("an order only advances", &after.id);
        }
        self.note_tallies(commit.tallies);
        self.note_worth(after);
    }

    /// The engine acknowledged a write: it is in the store, and so is its answer.
    pub fn what_was_acknowledged_is_stored(
        &mut self,
        (shop, id): (&ShopId, &CartId),
        (what, at): (&What, Moment),
        receipt: &Receipt,
        once: Option<&Once>,
        book: &Book,
    ) {
        self.count("writes answered");
        self.saw("applied", &receipt.applied);
        let kept = self.the_answer_is_the_first((shop, About::Cart(id.clone())), once, receipt.applied, book);
        if let Some(Answer::Cart(first)) = &kept
            && first != receipt
        {
            self.broke("a repeat gets the first answer", id);
        }
        if receipt.applied != Applied::Applied {
            return;
        }
        let mark = match what {
            What::Snapshot { content, .. } => {
                format!("{SNAPSHOT}={}", content.attributes.get(SNAPSHOT).cloned().unwrap_or_default())
            }
            What::Patch(patch) => match &patch.attributes {
                cartwake::domain::Field::Set(changes) => {
                    changes.keys().next().map(|key| format!("{key}=1")).unwrap_or_default()
                }
                cartwake::domain::Field::Keep | cartwake::domain::Field::Clear => return,
            },
            What::Signal(signal) => format!("{}@{}", signal.kind.name(), at.millis()),
            What::Dismiss => "state dismissed".to_owned(),
            What::Delete => "state erased".to_owned(),
            What::Reason(_)
            | What::SurveyShown
            | What::Cancel(_)
            | What::Order(_)
            | What::OptOut
            | What::Restocked
            | What::Absorb { .. }
            | What::MergeInto(_)
            | What::Touch(_)
            | What::Click(_) => return,
        };
        if !self.marks_seen.get(id).is_some_and(|seen| seen.contains(&mark)) {
            self.broke("what was acknowledged is stored", &format_args!("{mark} of {id} is nowhere"));
        }
    }

    fn the_answer_is_the_first(
        &mut self,
        (shop, about): (&ShopId, About),
        once: Option<&Once>,
        applied: Applied,
        book: &Book,
    ) -> Option<Answer> {
        let once = once?;
        let (Answered { fingerprint, answer }, _) = book.answers.get(&(shop.clone(), about, once.key.clone()))?;
        if *fingerprint != once.fingerprint {
            // What changes nothing keeps no answer, so it cannot meet another request of its key that is on its way too.
            if applied != Applied::Applied {
                return None;
            }
            self.broke("a key used for another request is named", &once.key.as_str());
        }
        Some(answer.clone())
    }

    /// The engine acknowledged an order: it is recorded, at least as far as this news.
    pub fn the_order_is_stored(
        &mut self,
        shop: &ShopId,
        (id, status): (&OrderId, OrderStatus),
        receipt: &OrderReceipt,
        once: Option<&Once>,
        book: &Book,
    ) {
        let kept = self.the_answer_is_the_first((shop, About::Order(id.clone())), once, receipt.applied, book);
        if let Some(Answer::Order(first)) = &kept
            && first != receipt
        {
            self.broke("a repeat gets the first answer", id);
        }
        let stored = book.orders.get(&(shop.clone(), id.clone())).map(|stored| stored.value.status);
        if stored.is_none_or(|stored| rank(stored) < rank(status)) {
            self.broke("what was acknowledged is stored", &format_args!("order {id} {status}: {stored:?}"));
        }
        let known = self.paid.entry(id.clone()).or_insert(status);
        if rank(status) > rank(*known) {
            *known = status;
        }
    }

    /// Views of the whole: the census is the states, the wake index the wakes, the counts what was counted.
    pub fn the_views_agree(&mut self, book: &Book) {
        let mut states: BTreeMap<(ShopId, StateName), i64> = BTreeMap::new();
        for row in book.carts.values() {
            *states.entry((row.cart.shop.clone(), row.cart.state.name())).or_default() += 1;
            if row.wake_at != row.cart.next_wake() && !self.postponed.contains(&row.cart.id) {
                self.broke("the wake index is the carts' own next wake", &row.cart.id);
            }
        }
        let census: BTreeMap<_, _> =
            book.census.iter().filter(|(_, n)| **n != 0).map(|(k, n)| (k.clone(), *n)).collect();
        if census != states {
            self.broke("the census is the states", &format_args!("{census:?} instead of {states:?}"));
        }
        let mut tallies: BTreeMap<String, i64> = BTreeMap::new();
        for ((_, _, key), value) in &book.tallies {
            *tallies.entry(key.0.clone()).or_default() += value;
        }
        if tallies != self.tallies {
            self.broke("the counts are those of the commits", &"a tally differs");
        }
        self.recovered_value_is_that_of_the_orders();
        self.an_arm_has_the_outcomes_of_its_orders();
    }

    /// At the end of everything every order is at least where it was acknowledged to be.
    pub fn no_order_was_lost(&mut self, book: &Book) {
        let lost = self.paid.iter().find(|(id, status)| {
            let stored = book.orders.values().find(|stored| stored.value.id == **id);
            stored.is_some_and(|stored| rank(stored.value.status) < rank(**status))
        });
        if let Some(how) = lost.map(|(id, _)| id.clone()) {
            self.broke("no order is lost", &how);
        }
    }

    fn queued(&mut self, delivery: &Delivery) {
        self.count("deliveries queued");
        self.saw("event", &delivery.event.kind);
        self.saw("tally", &"queued");
        self.a_reminder_is_decided_once(delivery);
        let about = format!("{} {} {}", delivery.cart, delivery.created_at.millis(), delivery.event.about());
        let again = self.queued.insert(delivery.id.clone(), about);
        // Two reports of one reason at one millisecond are one event, and whoever finds an endpoint stopped may tell of it.
        let may_repeat = delivery.event.kind == EventKind::ReasonRecorded || delivery.event.kind.is_about_no_cart();
        if let Some(first) = again.filter(|_| !may_repeat) {
            self.broke("an event is told once", &format_args!("{} first for {first}", delivery.id));
        }
    }
}
