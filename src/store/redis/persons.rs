//! Identifiers: the carts enrolled under them and the purchases left on them.
//!
//! Each identifier has its own shard, so a call on several is several independent exchanges at the same time. An enrolment
//! returns the marks it found in the same step; together with "mark first, then look at the enrolled carts" at least one
//! side sees the other. Never here: identifiers themselves, only their keyed hashes.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::commits::all_failed;
use super::script::{ENROLL, MARK, UNMARK};
use super::{RedisStore, score};
use crate::domain::{CartId, IdentifierHash, Moment, OrderId, Person, PurchaseMark, ShopId};
use crate::store::{StoreError, StoreResult, record};

/// Carts of one identifier: the one whose retention ends first makes room.
const CARTS_MAX: usize = 200;
/// Marks on one identifier.
const MARKS_MAX: usize = 100;
const SLACK: Duration = Duration::from_hours(24);

impl RedisStore {
    pub(super) async fn enroll_cart(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        cart: &CartId,
        until: Moment,
    ) -> StoreResult<Person> {
        let life = self.life_ms(until, SLACK);
        let calls = hashes.iter().map(async |hash| {
            let shard = self.shards.of_identifier(hash);
            let mut call = ENROLL.on(&[shard.carts_of(shop, hash), shard.marks_of(shop, hash)]);
            call.arg(cart.as_str()).arg(score(until)).arg(life).arg(self.latest_score()).arg(CARTS_MAX);
            self.redis.run::<Vec<Vec<u8>>>(&ENROLL, &call).await
        });
        let marks = try_join_all(calls).await?;
        person(marks, self.latest_at())
    }

    pub(super) async fn marks_of(&self, shop: &ShopId, hashes: &[IdentifierHash], now: Moment) -> StoreResult<Person> {
        let looks = hashes
            .iter()
            .map(|hash| redis::cmd("HVALS").arg(self.shards.of_identifier(hash).marks_of(shop, hash)).to_owned());
        let marks = self.redis.read_all(looks.collect()).await?;
        person(marks, Some(now))
    }

    pub(super) async fn marks_of_all(
        &self,
        asked: &[(&ShopId, Vec<IdentifierHash>)],
        now: Moment,
    ) -> Vec<StoreResult<Person>> {
        let look = |shop: &ShopId, hash: &IdentifierHash| {
            redis::cmd("HVALS").arg(self.shards.of_identifier(hash).marks_of(shop, hash)).to_owned()
        };
        let looks = asked.iter().flat_map(|(shop, hashes)| hashes.iter().map(move |hash| look(shop, hash)));
        let mut found = match self.redis.read_all::<Vec<Vec<u8>>>(looks.collect()).await {
            Ok(found) => found.into_iter(),
            Err(error) => return all_failed(asked.len(), error),
        };
        let persons = asked.iter().map(|(_, hashes)| person(found.by_ref().take(hashes.len()).collect(), Some(now)));
        persons.collect()
    }

    pub(super) async fn leave_mark(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        mark: &PurchaseMark,
        until: Moment,
    ) -> StoreResult<()> {
        let value = write_mark(mark, until);
        let life = self.life_ms(until, SLACK);
        let calls = hashes.iter().map(async |hash| {
            let mut call = MARK.on(&[self.shards.of_identifier(hash).marks_of(shop, hash)]);
            call.arg(mark.order.as_str()).arg(&value).arg(life).arg(MARKS_MAX);
            self.redis.run::<()>(&MARK, &call).await
        });
        try_join_all(calls).await.map(|_| ())
    }

    pub(super) async fn take_mark_off(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        order: &OrderId,
    ) -> StoreResult<()> {
        let calls = hashes.iter().map(async |hash| {
            let mut call = UNMARK.on(&[self.shards.of_identifier(hash).marks_of(shop, hash)]);
            call.arg(order.as_str());
            self.redis.run::<()>(&UNMARK, &call).await
        });
        try_join_all(calls).await.map(|_| ())
    }

    pub(super) async fn enrolled_carts(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        now: Moment,
    ) -> StoreResult<Vec<CartId>> {
        let looks = hashes.iter().map(|hash| {
            let mut look = redis::cmd("ZRANGE");
            look.arg(self.shards.of_identifier(hash).carts_of(shop, hash)).arg("+inf").arg(format!("({}", score(now)));
            look.arg("BYSCORE").arg("REV").arg("LIMIT").arg(0).arg(CARTS_MAX);
            look
        });
        let found: Vec<Vec<String>> = self.redis.read_all(looks.collect()).await?;
        let mut carts: Vec<CartId> = found.iter().flatten().filter_map(|id| CartId::parse(id).ok()).collect();
        carts.sort();
        carts.dedup();
        carts.truncate(CARTS_MAX);
        Ok(carts)
    }
}

/// The end in digits, a space (or a `?` while unpaid), the record: the scripts read what comes first, and so does an
/// operator.
fn write_mark(mark: &PurchaseMark, until: Moment) -> Vec<u8> {
    let mut value = format!("{}{}", until.millis(), if mark.paid { ' ' } else { '?' }).into_bytes();
    value.extend(record::encode_marks(std::slice::from_ref(mark)));
    value
}

/// What is known from the marks of several identifiers: each order once, none that is over.
fn person(found: Vec<Vec<Vec<u8>>>, now: Option<Moment>) -> StoreResult<Person> {
    let mut marks: Vec<PurchaseMark> = Vec::new();
    for value in found.into_iter().flatten() {
        let (until, read) = read_mark(&value)?;
        if now.is_some_and(|now| until <= now) {
            continue;
        }
        for mark in read {
            match marks.iter_mut().find(|known| known.order == mark.order) {
                // One identifier may have heard of the payment before another.
                Some(known) if mark.paid => *known = mark,
                Some(_) => {}
                None => marks.push(mark),
            }
        }
    }
    marks.sort_by(|a, b| (a.placed_at, &a.order).cmp(&(b.placed_at, &b.order)));
    Ok(Person { marks })
}

fn read_mark(value: &[u8]) -> StoreResult<(Moment, Vec<PurchaseMark>)> {
    let corrupt = StoreError::Corrupt { what: "purchase mark" };
    let Some(space) = value.iter().position(|&byte| matches!(byte, b' ' | b'?')) else { return Err(corrupt) };
    let until = std::str::from_utf8(&value[..space]).ok().and_then(|digits| digits.parse().ok());
    let until = until.map(Moment::from_millis).ok_or(corrupt)?;
    Ok((until, record::decode_marks(&value[space + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Covers;

    fn mark(order: &str) -> PurchaseMark {
        let order = OrderId::parse(order).expect("a literal id");
        PurchaseMark { order, placed_at: Moment::from_millis(5), covers: Covers::Everything, paid: true }
    }

    #[test]
    fn a_mark_on_two_identifiers_is_one_purchase_until_it_is_over() {
        let until = Moment::from_millis(100);
        let value = write_mark(&mark("o-1"), until);
        let found = vec![vec![value.clone()], vec![value, write_mark(&mark("o-2"), Moment::from_millis(200))]];
        let known = |now| person(found.clone(), Some(Moment::from_millis(now))).expect("the marks are readable").marks;
        assert_eq!(known(99), [mark("o-1"), mark("o-2")]);
        assert_eq!(known(100), [mark("o-2")]);
        assert_eq!(known(200), []);
    }

    #[test]
    fn a_mark_that_cannot_be_read_is_an_error_and_not_nothing() {
        for value in [&b""[..], b"12", b"x y", b"12 y"] {
            assert!(person(vec![vec![value.to_vec()]], None).is_err(), "{value:?}");
        }
    }
}
