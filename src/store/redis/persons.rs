//! Identifiers: the carts enrolled under them, and the notes left on them and on other hashes.
//!
//! Each hash has its own shard, so a call on several is several independent exchanges at the same time. An enrolment
//! returns the notes it found in the same step; together with "note first, then look at the enrolled carts" at least one
//! side sees the other. Never here: identifiers themselves, only their keyed hashes.

use std::time::Duration;

use futures_util::future::{join, try_join_all};

use super::batch::{NO_ANSWER, scatter, together};
use super::script::{ENROLL, Gathered, NOTE, UNNOTE};
use super::{RedisStore, score};
use crate::domain::{CartId, Hold, IdentifierHash, Moment, Note, NoteKey, ShopId};
use crate::store::{Asked, CARTS_OF_MAX, StoreError, StoreResult, record};

/// Notes on one hash.
const NOTES_MAX: usize = 100;
const SLACK: Duration = Duration::from_hours(24);

/// What one hash is known for, as stored.
type Values = Vec<Vec<u8>>;

/// A note on its way to a hash.
struct Left<'a> {
    shop: &'a ShopId,
    hash: &'a IdentifierHash,
    note: &'a Note,
    until: Moment,
}

impl RedisStore {
    pub(super) async fn enroll_cart(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        cart: &CartId,
        until: Moment,
    ) -> StoreResult<Vec<Note>> {
        let life = self.life_ms(until, SLACK);
        let calls = hashes.iter().map(async |hash| {
            let shard = self.shards.of_identifier(hash);
            let mut call = ENROLL.on(&[shard.carts_of(shop, hash), shard.notes_of(shop, hash)]);
            call.arg(cart.as_str()).arg(score(until)).arg(life).arg(self.latest_score()).arg(CARTS_OF_MAX);
            self.redis.run::<Values>(&ENROLL, &call).await
        });
        let found = try_join_all(calls).await?;
        notes(found, self.latest_at())
    }

    pub(super) async fn notes_on(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        now: Moment,
    ) -> StoreResult<Vec<Note>> {
        let looks = hashes.iter().map(|hash| self.look_call(shop, hash));
        notes(self.redis.read_all(looks.collect()).await?, Some(now))
    }

    pub(super) async fn leave_note(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        note: &Note,
        until: Moment,
        now: Moment,
    ) -> StoreResult<Vec<Note>> {
        let left: Vec<_> = hashes.iter().map(|hash| Left { shop, hash, note, until }).collect();
        let found: StoreResult<_> = self.leave_all(&left, now).await.into_iter().collect();
        notes(found?, Some(now))
    }

    /// Looks and what is left go out at the same time, and are waited for once.
    pub(super) async fn notes_of_all(&self, asked: &[Asked<'_>], now: Moment) -> Vec<StoreResult<Vec<Note>>> {
        let (mut looks, mut left) = (Vec::new(), Vec::new());
        for Asked { shop, hashes, leave } in asked {
            for hash in hashes {
                match leave {
                    None => looks.push(self.look_call(shop, hash)),
                    Some((note, until)) => left.push(Left { shop, hash, note, until: *until }),
                }
            }
        }
        let (looked, left) = join(self.redis.read_each::<Values>(looks), self.leave_all(&left, now)).await;
        let (mut looked, mut left) = (looked.into_iter(), left.into_iter());
        let each = asked.iter().map(|asked| {
            let answers = if asked.leave.is_some() { &mut left } else { &mut looked };
            // All of them are taken, also behind one that failed.
            let answers: Vec<_> = answers.take(asked.hashes.len()).collect();
            notes(answers.into_iter().collect::<StoreResult<Vec<Values>>>()?, Some(now))
        });
        each.collect()
    }

    /// What each hash is known for once the note is left on it; those of one shard share a call.
    async fn leave_all(&self, left: &[Left<'_>], now: Moment) -> Vec<StoreResult<Values>> {
        let groups = together(left.iter().map(|left| self.shards.of_identifier(left.hash)));
        let calls: Vec<_> = groups
            .iter()
            .map(|(shard, indices)| {
                let mut call = Gathered::default();
                call.arg(NOTES_MAX).arg(score(now));
                for &Left { shop, hash, note, until } in indices.iter().map(|&index| &left[index]) {
                    call.keys([shard.notes_of(shop, hash)]);
                    call.arg(note.key().as_str()).arg(write_note(note, until)).arg(super::life_ms(now, until, SLACK));
                }
                (&*NOTE, NOTE.with(&call))
            })
            .collect();
        let answers = scatter(left.len(), &groups, self.redis.run_all(&calls).await);
        answers.into_iter().map(|answer| redis::from_redis_value(answer?).map_err(|_| NO_ANSWER)).collect()
    }

    fn look_call(&self, shop: &ShopId, hash: &IdentifierHash) -> redis::Cmd {
        redis::cmd("HVALS").arg(self.shards.of_identifier(hash).notes_of(shop, hash)).to_owned()
    }

    pub(super) async fn take_note_off(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        key: &NoteKey,
    ) -> StoreResult<()> {
        let calls = hashes.iter().map(async |hash| {
            let mut call = UNNOTE.on(&[self.shards.of_identifier(hash).notes_of(shop, hash)]);
            call.arg(key.as_str());
            self.redis.run::<()>(&UNNOTE, &call).await
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
            look.arg("BYSCORE").arg("REV").arg("LIMIT").arg(0).arg(CARTS_OF_MAX);
            look
        });
        let found: Vec<Vec<String>> = self.redis.read_all(looks.collect()).await?;
        let mut carts: Vec<CartId> = found.iter().flatten().filter_map(|id| CartId::parse(id).ok()).collect();
        carts.sort();
        carts.dedup();
        carts.truncate(CARTS_OF_MAX);
        Ok(carts)
    }
}

/// The end in digits, a mark that says how it gives way, the record: the script reads what comes first, and so does an
/// operator. See `redis/note.lua`.
fn write_note(note: &Note, until: Moment) -> Vec<u8> {
    let until = until.millis();
    let mut value = match note.hold() {
        Hold::Loose => format!("{until}?"),
        Hold::Firm => format!("{until} "),
        Hold::First => format!("{until}!"),
        Hold::Newest(number) => format!("{until}@{number} "),
    }
    .into_bytes();
    value.extend(record::encode_note(note));
    value
}

/// The notes found on several hashes, none that is over.
fn notes(found: Vec<Values>, now: Option<Moment>) -> StoreResult<Vec<Note>> {
    let mut notes = Vec::new();
    for value in found.into_iter().flatten() {
        let (until, bytes) = split_note(&value).ok_or(StoreError::Corrupt { what: "note" })?;
        if now.is_none_or(|now| until > now) {
            notes.push(record::decode_note(bytes)?);
        }
    }
    Ok(notes)
}

/// When a stored note ends, and its record.
fn split_note(value: &[u8]) -> Option<(Moment, &[u8])> {
    let at = value.iter().position(|&byte| matches!(byte, b' ' | b'?' | b'!' | b'@'))?;
    let until = std::str::from_utf8(&value[..at]).ok()?.parse().ok()?;
    let mut rest = &value[at + 1..];
    if value[at] == b'@' {
        rest = &rest[rest.iter().position(|&byte| byte == b' ')? + 1..];
    }
    Some((Moment::from_millis(until), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Covers, OrderId, Person, ProductId, PurchaseMark, StockLevel};

    fn mark(order: &str) -> PurchaseMark {
        let order = OrderId::parse(order).expect("a literal id");
        PurchaseMark { order, placed_at: Moment::from_millis(5), covers: Covers::Everything, paid: true }
    }

    #[test]
    fn a_mark_on_two_identifiers_is_one_purchase_until_it_is_over() {
        let write = |order, until| write_note(&Note::Purchase(mark(order)), Moment::from_millis(until));
        let value = write("o-1", 100);
        let found = vec![vec![value.clone()], vec![value, write("o-2", 200)]];
        let known = |now| {
            let notes = notes(found.clone(), Some(Moment::from_millis(now))).expect("the notes are readable");
            notes.into_iter().collect::<Person>().marks
        };
        assert_eq!(known(99), [mark("o-1"), mark("o-2")]);
        assert_eq!(known(100), [mark("o-2")]);
        assert_eq!(known(200), []);
    }

    #[test]
    fn a_note_with_a_number_is_read_back() {
        let product = ProductId::parse("p").expect("a literal id");
        let level = StockLevel { product, in_stock: true, price: None, at: Moment::from_millis(-7) };
        let value = write_note(&Note::Stock(level.clone()), Moment::from_millis(100));
        assert_eq!(notes(vec![vec![value]], None).expect("readable"), [Note::Stock(level)]);
    }

    #[test]
    fn a_note_that_cannot_be_read_is_an_error_and_not_nothing() {
        for value in [&b""[..], b"12", b"x y", b"12 y", b"12@7"] {
            assert!(notes(vec![vec![value.to_vec()]], None).is_err(), "{value:?}");
        }
    }
}
