//! What a store is: `cw:meta`, written once by whoever comes first and checked at every start.
//!
//! `schema=2 shards=16 made_at=1772352000000 identity=<64 hex digits>`. The identity key is a secret: with it, hashes of
//! guessed addresses can be compared with those in the store.

use redis::Cmd;

use super::connection::Connections;
use super::keys::META;
use crate::domain::Moment;
use crate::store::{StoreError, StoreResult};

/// Of keys and records. A store with a higher one is left alone.
const SCHEMA: u32 = 2;

/// What is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    schema: u32,
    shards: u16,
    made_at: Moment,
    pub identity_key: [u8; 32],
}

/// Makes the store, or checks that it is the one meant.
///
/// # Errors
/// [`StoreError::Unusable`] when it is another.
pub async fn agree(redis: &Connections, shards: u16, fresh_key: [u8; 32], now: Moment) -> StoreResult<Meta> {
    if shards == 0 {
        return Err(StoreError::Unusable("[store] shards must be at least 1.".to_owned()));
    }
    let ours = Meta { schema: SCHEMA, shards, made_at: now, identity_key: fresh_key };
    let get = redis::cmd("GET").arg(META).to_owned();
    let mut found: Option<String> = redis.read(&get).await?;
    if found.is_none() {
        let _was_first: Option<String> =
            redis.write(Cmd::new().arg("SET").arg(META).arg(ours.write()).arg("NX")).await?;
        found = redis.read(&get).await?;
    }
    let found = found.as_deref().and_then(Meta::read).ok_or_else(|| {
        StoreError::Unusable(format!(
            "The key {META} in this Redis is not one of cartwake's; name another database in [store] url."
        ))
    })?;
    found.check(shards)
}

/// How a store stands that was opened before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    AsOpened,
    /// It was found without its marker since; from then on it is ours again, and empty.
    Emptied(Moment),
}

/// Whether the store is still the one that was opened. Where its marker is gone, so is all else: it is made anew under
/// the same key, so that every process goes on with one and the same store.
///
/// # Errors
/// [`StoreError::Unusable`] when it is another.
pub async fn confirm(redis: &Connections, ours: &Meta, now: Moment) -> StoreResult<Standing> {
    let get = redis::cmd("GET").arg(META).to_owned();
    let mut found: Option<String> = redis.read(&get).await?;
    if found.is_none() {
        // A marker of its own: who opened the store before tells by it that there was another.
        let made_at = now.max(Moment::from_millis(ours.made_at.millis() + 1));
        let anew = Meta { made_at, ..*ours };
        let _was_first: Option<String> =
            redis.write(Cmd::new().arg("SET").arg(META).arg(anew.write()).arg("NX")).await?;
        found = redis.read(&get).await?;
    }
    match found.as_deref().and_then(Meta::read) {
        Some(found) if found.check(ours.shards)?.identity_key == ours.identity_key => {
            let is_as_opened = found.made_at == ours.made_at;
            Ok(if is_as_opened { Standing::AsOpened } else { Standing::Emptied(found.made_at) })
        }
        _ => Err(StoreError::Unusable(format!(
            "The key {META} in this Redis is another store's: Redis was replaced. Bring its data back, or start cartwake \
             anew to use the store that is there."
        ))),
    }
}

impl Meta {
    fn check(self, shards: u16) -> StoreResult<Self> {
        if self.schema > SCHEMA {
            return Err(StoreError::Unusable(format!(
                "This Redis was written by a newer cartwake (schema {}, this one knows {SCHEMA}); run that version, or \
                 name another database in [store] url.",
                self.schema
            )));
        }
        if self.schema < SCHEMA {
            return Err(StoreError::Unusable(format!(
                "This Redis was written by a cartwake from before the first release (schema {}, this one knows {SCHEMA}); \
                 empty it, or name another database in [store] url.",
                self.schema
            )));
        }
        if self.shards != shards {
            return Err(StoreError::Unusable(format!(
                "This Redis was made with {made} shards and [store] shards says {shards}; set shards = {made}, or name an \
                 empty database in [store] url: the number of shards cannot change.",
                made = self.shards
            )));
        }
        Ok(self)
    }

    fn write(&self) -> String {
        let hex = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]));
        let identity: String = self.identity_key.iter().flat_map(hex).collect();
        format!("schema={} shards={} made_at={} identity={identity}", self.schema, self.shards, self.made_at.millis())
    }

    fn read(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.split(' ')
                .find_map(|part| part.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
        };
        let schema: u32 = field("schema")?.parse().ok()?;
        if schema != SCHEMA {
            // Only its number can be relied on.
            return Some(Self { schema, shards: 0, made_at: Moment::from_millis(0), identity_key: [0; 32] });
        }
        Some(Self {
            schema,
            shards: field("shards")?.parse().ok()?,
            made_at: Moment::from_millis(field("made_at")?.parse().ok()?),
            identity_key: parse_key(field("identity")?)?,
        })
    }
}

fn parse_key(hex: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta {
        Meta { schema: SCHEMA, shards: 16, made_at: Moment::from_millis(1_772_352_000_000), identity_key: [0xa7; 32] }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(Meta::read(&meta().write()), Some(meta()));
        assert_eq!(meta().check(16).ok(), Some(meta()));
    }

    #[test]
    fn another_shard_count_and_a_newer_schema_are_named() {
        let sentence = |result: StoreResult<Meta>| result.expect_err("it is unusable").to_string();
        assert!(sentence(meta().check(8)).contains("set shards = 16"));
        let newer = Meta::read("schema=3 anything else").expect("the schema is there");
        assert!(sentence(newer.check(16)).contains("schema 3"));
        let older = Meta::read("schema=1 anything else").expect("the schema is there");
        assert!(sentence(older.check(16)).contains("empty it"));
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        let short = meta().write().replace("a7a7", "a7");
        for text in ["", "hello", "schema=2", "schema=2 shards=x made_at=1 identity=00", &short] {
            assert_eq!(Meta::read(text), None, "{text}");
        }
    }
}
