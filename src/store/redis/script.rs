//! The scripts: each is one atomic transition on the keys of one shard.
//!
//! Every key a script touches is passed to it, every moment too, and none acts for more than 100 members of a lane, or for
//! more than [`TOGETHER_MAX`] carts. At `maxmemory` Redis refuses scripts unless they say `allow-oom`: what frees memory, or
//! must not fail, says so. Sources: `redis/*.lua`.

use std::sync::LazyLock;

use redis::{Cmd, ToRedisArgs};

use super::sends::KNOWN_FOR;
use crate::store::TALLIES_KEPT;

const WITHIN_MEMORY: &str = "#!lua\n";
const EVEN_WHEN_FULL: &str = "#!lua flags=allow-oom\n";
const READS: &str = "#!lua flags=no-writes\n";

/// How many begin, end or are written in one call: what others wait for is a fraction of a millisecond.
pub const TOGETHER_MAX: usize = 50;

/// A script that has to do with sends that have begun.
fn marking(script: &str) -> String {
    format!("local KNOWN_FOR_MS = {}\n{}{script}", KNOWN_FOR.as_millis(), include_str!("mark.lua"))
}

/// A script after which a lane's entry among the lanes is true.
fn following(script: &str) -> String {
    String::from(include_str!("first_due.lua")) + script
}

/// A script that counts, which knows for how long.
fn counting(script: &str) -> String {
    format!("local TALLIES_KEPT_S = {}\n{script}", TALLIES_KEPT.as_secs())
}

/// Commits that add to memory: new carts, and answers to keep.
pub static COMMIT: LazyLock<Script> =
    LazyLock::new(|| Script::new(WITHIN_MEMORY, &counting(&marking(include_str!("commit.lua")))));
/// Every other commit.
pub static COMMIT_EVEN_WHEN_FULL: LazyLock<Script> =
    LazyLock::new(|| Script::new(EVEN_WHEN_FULL, &counting(&marking(include_str!("commit.lua")))));
/// Several of one shard that add to memory.
pub static COMMIT_ALL: LazyLock<Script> =
    LazyLock::new(|| Script::new(WITHIN_MEMORY, &counting(&marking(include_str!("commit_all.lua")))));
/// Several others of one shard.
pub static COMMIT_ALL_EVEN_WHEN_FULL: LazyLock<Script> =
    LazyLock::new(|| Script::new(EVEN_WHEN_FULL, &counting(&marking(include_str!("commit_all.lua")))));
pub static CLAIM: LazyLock<Script> =
    LazyLock::new(|| Script::new(EVEN_WHEN_FULL, &following(include_str!("claim.lua"))));
pub static BEGIN: LazyLock<Script> =
    LazyLock::new(|| Script::new(EVEN_WHEN_FULL, &following(&marking(include_str!("begin.lua")))));
pub static SETTLE: LazyLock<Script> =
    LazyLock::new(|| Script::new(EVEN_WHEN_FULL, &counting(&following(include_str!("settle.lua")))));
/// What is known of the sends of a cart.
pub static SENDS: LazyLock<Script> = LazyLock::new(|| Script::new(READS, &marking(include_str!("sends.lua"))));
pub static ATTEND: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("attend.lua")));
pub static RELEASE: LazyLock<Script> =
    LazyLock::new(|| Script::new(EVEN_WHEN_FULL, &following(include_str!("release.lua"))));
pub static POSTPONE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("postpone.lua")));
pub static SEEK: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("seek.lua")));
pub static REVIVE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("revive.lua")));
pub static BURY: LazyLock<Script> =
    LazyLock::new(|| Script::new(EVEN_WHEN_FULL, &counting(&following(include_str!("bury.lua")))));
pub static ENROLL: LazyLock<Script> = LazyLock::new(|| Script::new(WITHIN_MEMORY, include_str!("enroll.lua")));
pub static NOTE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("note.lua")));
pub static UNNOTE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("unnote.lua")));
pub static TRACE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("trace.lua")));
pub static EXPUNGE: LazyLock<Script> =
    LazyLock::new(|| Script::new(EVEN_WHEN_FULL, &following(include_str!("expunge.lua"))));
pub static FORGET: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("forget.lua")));
pub static KEY: LazyLock<Script> = LazyLock::new(|| Script::new(WITHIN_MEMORY, include_str!("key.lua")));
pub static UNKEY: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("unkey.lua")));
/// One write command that must not fail at `maxmemory`: its name, then what follows the key.
pub static WRITE: LazyLock<Script> = LazyLock::new(|| Script::new(EVEN_WHEN_FULL, include_str!("write.lua")));

pub static TALLIES: LazyLock<Script> = LazyLock::new(|| Script::new(READS, include_str!("tallies.lua")));

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

    /// The same with keys and arguments gathered before.
    #[must_use]
    pub fn with(&self, gathered: &Gathered) -> Cmd {
        let arguments = gathered.arguments.args_iter().map(|argument| match argument {
            redis::Arg::Simple(bytes) => bytes,
            redis::Arg::Cursor | _ => &[],
        });
        let bytes =
            gathered.keys.iter().map(String::len).sum::<usize>() + arguments.clone().map(<[u8]>::len).sum::<usize>();
        let mut call = Cmd::with_capacity(gathered.keys.len() + arguments.len() + 3, bytes + 64);
        call.arg("EVALSHA").arg(&self.sha1).arg(gathered.keys.len());
        for key in &gathered.keys {
            call.arg(key);
        }
        for argument in arguments {
            call.arg(argument);
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

/// The keys and arguments of a call, gathered side by side.
#[derive(Default)]
pub struct Gathered {
    keys: Vec<String>,
    /// The places of those that several may name.
    shared: Vec<usize>,
    arguments: Cmd,
}

impl Gathered {
    /// One more key; gives its number, from 1.
    pub fn key(&mut self, key: String) -> usize {
        self.keys.push(key);
        self.keys.len()
    }

    /// More keys.
    pub fn keys(&mut self, keys: impl IntoIterator<Item = String>) {
        self.keys.extend(keys);
    }

    /// A key that may be there already; gives its number.
    pub fn shared_key(&mut self, key: String) -> usize {
        let known = self.shared.iter().find(|&&place| self.keys[place] == key);
        if let Some(place) = known {
            return place + 1;
        }
        self.shared.push(self.keys.len());
        self.key(key)
    }

    /// One more argument.
    pub fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        self.arguments.arg(argument);
        self
    }
}
