//! A keyring in a Redis, best another one than the store's: a copy of both together is worth no less than before.
//!
//! `cw:k:…` are the keys under a name, one after the other, `cw:keyring` says which keyring this is. Read next: `store/keyring.rs`.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::connection::Connections;
use super::script::{KEY, UNKEY};
use super::{RedisSettings, life_ms};
use crate::domain::Moment;
use crate::store::{KeyName, Keyring, NewKey, SealKey, StoreError, StoreResult, keyring};

const ID: &str = "cw:keyring";
const BYTES_MAX: usize = keyring::KEYS_MAX * size_of::<SealKey>();
const BROKEN: StoreError = StoreError::Corrupt { what: "key" };

/// Keys in a Redis.
pub struct RedisKeyring {
    id: [u8; 8],
    redis: Connections,
}

impl RedisKeyring {
    /// Opens the keyring, or makes one under this id.
    ///
    /// # Errors
    /// When the Redis cannot be used.
    pub async fn open(settings: RedisSettings, fresh_id: [u8; 8]) -> StoreResult<Self> {
        let redis = Connections::new(&settings.url, settings.tls_ca, settings.command_timeout, settings.connections)?;
        let mut make = redis::cmd("SET");
        make.arg(ID).arg(&fresh_id[..]).arg("NX");
        let _was_first: Option<String> = redis.write(&make).await?;
        let found: Vec<u8> = redis.read(redis::cmd("GET").arg(ID)).await?;
        Ok(Self { id: found.try_into().map_err(|_| BROKEN)?, redis })
    }
}

fn place(name: KeyName) -> String {
    format!("cw:k:{}", URL_SAFE_NO_PAD.encode(name.0))
}

fn keys(bytes: Option<Vec<u8>>) -> StoreResult<Vec<SealKey>> {
    bytes.map_or(Ok(Vec::new()), |bytes| SealKey::parse_all(&bytes).ok_or(BROKEN))
}

#[async_trait]
impl Keyring for RedisKeyring {
    fn id(&self) -> [u8; 8] {
        self.id
    }

    async fn ensure(&self, wanted: Vec<NewKey>, now: Moment) -> StoreResult<Vec<SealKey>> {
        let calls = wanted.iter().map(|NewKey { name, fresh, until, is_first }| {
            let mut call = KEY.on(&[place(*name)]);
            call.arg(&fresh.0[..]).arg(life_ms(now, *until, Duration::ZERO)).arg(u8::from(*is_first)).arg(BYTES_MAX);
            (&*KEY, call)
        });
        let found = self.redis.run_all::<Vec<u8>>(&calls.collect::<Vec<_>>()).await;
        found.into_iter().map(|found| keys(Some(found?))?.pop().ok_or(BROKEN)).collect()
    }

    async fn find(&self, names: &[KeyName]) -> StoreResult<Vec<Vec<SealKey>>> {
        let looks = names.iter().map(|name| redis::cmd("GET").arg(place(*name)).to_owned());
        let found: Vec<Option<Vec<u8>>> = self.redis.read_all(looks.collect()).await?;
        found.into_iter().map(keys).collect()
    }

    async fn shred(&self, names: &[KeyName]) -> StoreResult<usize> {
        let mut gone = 0;
        for name in names {
            gone += self.redis.write::<usize>(redis::cmd("DEL").arg(place(*name))).await?;
        }
        Ok(gone)
    }

    async fn shred_keys(&self, keys: &[(KeyName, SealKey)]) -> StoreResult<()> {
        let calls = keys.iter().map(|(name, key)| {
            let mut call = UNKEY.on(&[place(*name)]);
            call.arg(&key.0[..]);
            (&*UNKEY, call)
        });
        self.redis.run_all::<()>(&calls.collect::<Vec<_>>()).await.into_iter().collect()
    }

    /// Redis expires by itself.
    async fn sweep(&self, _now: Moment) -> StoreResult<()> {
        Ok(())
    }
}
