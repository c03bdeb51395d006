//! A keyring in a Redis, best another one than the store's: a copy of both together is worth no less than before.
//!
//! `cw:k:…` is a key under its name, `cw:keyring` says which keyring this is. Read next: `store/keyring.rs`.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::try_join_all;

use super::connection::Connections;
use super::{RedisSettings, life_ms};
use crate::domain::Moment;
use crate::store::{KeyName, Keyring, NewKey, SealKey, StoreError, StoreResult};

const ID: &str = "cw:keyring";
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

fn key(bytes: Vec<u8>) -> StoreResult<SealKey> {
    bytes.try_into().map(SealKey).map_err(|_| BROKEN)
}

#[async_trait]
impl Keyring for RedisKeyring {
    fn id(&self) -> [u8; 8] {
        self.id
    }

    async fn ensure(&self, wanted: Vec<NewKey>, now: Moment) -> StoreResult<Vec<SealKey>> {
        let each = wanted.iter().map(async |NewKey { name, fresh, until }| {
            let life = life_ms(now, *until, std::time::Duration::ZERO);
            let mut set = redis::cmd("SET");
            set.arg(place(*name)).arg(&fresh.0[..]).arg("NX").arg("GET").arg("PX").arg(life);
            let known: Option<Vec<u8>> = self.redis.write(&set).await?;
            let Some(known) = known else { return Ok(*fresh) };
            let mut prolong = redis::cmd("PEXPIRE");
            prolong.arg(place(*name)).arg(life).arg("GT");
            let _is_longer: i64 = self.redis.write(&prolong).await?;
            key(known)
        });
        try_join_all(each).await
    }

    async fn find(&self, names: &[KeyName]) -> StoreResult<Vec<Option<SealKey>>> {
        let looks = names.iter().map(|name| redis::cmd("GET").arg(place(*name)).to_owned());
        let found: Vec<Option<Vec<u8>>> = self.redis.read_all(looks.collect()).await?;
        found.into_iter().map(|found| found.map(key).transpose()).collect()
    }

    async fn shred(&self, names: &[KeyName]) -> StoreResult<usize> {
        let mut gone = 0;
        for name in names {
            gone += self.redis.write::<usize>(redis::cmd("DEL").arg(place(*name))).await?;
        }
        Ok(gone)
    }

    /// Redis expires by itself.
    async fn sweep(&self, _now: Moment) -> StoreResult<()> {
        Ok(())
    }
}
