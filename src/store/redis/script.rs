//! The scripts: each is one atomic transition on the keys of one shard.
//!
//! Every key a script touches is passed to it, every moment too, and none does more than 100 steps. At `maxmemory` Redis
//! refuses scripts unless they say `allow-oom`: what frees memory, or must not fail, says so. Sources: `redis/*.lua`.

use std::sync::LazyLock;

use redis::Cmd;

const WITHIN_MEMORY: &str = "#!lua\n";
const EVEN_WHEN_FULL: &str = "#!lua flags=allow-oom\n";

/// Commits that add to memory: new carts, and answers to keep.
pub static COMMIT: LazyLock<Script> = LazyLock::new(|| Script::new(WITHIN_MEMORY, include_str!("commit.lua")));
/// Every other commit.
pub static COMMIT_EVEN_WHEN_FULL: LazyLock<Script> =
    LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("commit.lua")));
pub static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("claim.lua")));
pub static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("begin.lua")));
pub static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("settle.lua")));
pub static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("release.lua")));
pub static SEEK: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("seek.lua")));
pub static REVIVE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("revive.lua")));
pub static BURY: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("bury.lua")));
pub static ENROLL: LazyLock<Script> = LazyLock::new(|| Script::new(WITHIN_MEMORY, include_str!("enroll.lua")));
pub static NOTE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("note.lua")));
pub static UNNOTE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("unnote.lua")));
/// One write command that must not fail at `maxmemory`: its name, then what follows the key.
pub static WRITE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("write.lua")));

/// A script and the name Redis knows it by.
#[derive(Debug)]
pub struct Script {
    source: String,
    sha1: String,
}

impl Script {
    fn new(flags: &str, body: &str) -> Self {
        let source = format!("{flags}{body}");
        let sha1 = redis::Script::new(&source).get_hash().to_owned();
        Self { source, sha1 }
    }

    /// A call on these keys, which must share a tag; the arguments follow with [`Cmd::arg`].
    #[must_use]
    pub fn on<K: AsRef<str>>(&self, keys: &[K]) -> Cmd {
        let mut call = Cmd::with_capacity(keys.len() + 16, 1_024);
        call.arg("EVALSHA").arg(&self.sha1).arg(keys.len());
        for key in keys {
            call.arg(key.as_ref());
        }
        call
    }

    /// What makes the script known to Redis; it forgets at a restart and at `SCRIPT FLUSH`.
    #[must_use]
    pub fn load(&self) -> Cmd {
        let mut load = Cmd::new();
        load.arg("SCRIPT").arg("LOAD").arg(&self.source);
        load
    }
}
