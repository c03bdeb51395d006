//! Whether this Redis can be relied on, and what an operator should know about it.
//!
//! From `INFO` alone: `CONFIG` is often forbidden. What each setting loses is in docs/redis.md.

use futures_util::future::join;

use super::RedisStore;
use super::connection::Connections;
use super::meta::Standing;
use crate::store::{Health, StoreError, StoreResult};

/// How the servers are.
pub struct Condition {
    pub health: Health,
    /// Whether every primary answered.
    pub is_whole: bool,
}

/// Scripts say `allow-oom` from here on.
const VERSION_MIN: u32 = 7;

/// Asks Redis about itself. Of several primaries, some may be down: were every process to call itself unfit for that,
/// what lies on the others would stand still too. Most must answer, as for a cluster to work at all.
///
/// # Errors
/// [`StoreError::Unusable`] when it would lose carts or cannot run our scripts.
pub async fn check(redis: &Connections, allow_volatile: bool) -> StoreResult<Condition> {
    let answers = redis.read_everywhere::<String>(&redis::cmd("INFO")).await?;
    let all = answers.len();
    let (mut health, mut down, mut failed) = (Health::default(), 0, None);
    for info in answers {
        let info = match info {
            Err(error @ StoreError::Unavailable(_)) => {
                (down, failed) = (down + 1, Some(error));
                continue;
            }
            other => other?,
        };
        for note in judge(&info, redis.is_cluster(), allow_volatile)?.notes {
            if !health.notes.contains(&note) {
                health.notes.push(note);
            }
        }
    }
    match failed {
        Some(error) if 2 * down >= all => return Err(error),
        Some(_) => health.notes.push(format!(
            "{down} of {all} primaries of the cluster cannot be reached from here: what lies there is refused until they \
             are back or their replicas take over. What lies on the others goes on."
        )),
        None => {}
    }
    Ok(Condition { health, is_whole: down == 0 })
}

impl RedisStore {
    /// The servers, and whether the store on them is the one that was opened.
    pub(super) async fn look_at_servers(&self) -> StoreResult<Health> {
        let (condition, standing) = join(check(&self.redis, self.allow_volatile), self.confirm()).await;
        let Condition { mut health, is_whole } = condition?;
        let standing = match standing {
            // The marker lies with what cannot be reached.
            Err(StoreError::Unavailable(_)) if !is_whole => Standing::AsOpened,
            standing => standing?,
        };
        if let Standing::Emptied(at) = standing {
            health.notes.push(format!(
                "Redis was found empty at {at}: it was emptied, or came back without its data. What was kept there is gone, \
                 and what comes in is kept since. Bring its data back if there is a copy; this is shown until then, or \
                 until cartwake is started anew."
            ));
        }
        Ok(health)
    }
}

fn judge(info: &str, as_cluster: bool, allow_volatile: bool) -> StoreResult<Health> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let refuse = |sentence: &str| Err(StoreError::Unusable(sentence.to_owned()));

    let major = field("redis_version").and_then(|version| version.split('.').next()?.parse().ok());
    if major.is_none_or(|major: u32| major < VERSION_MIN) {
        let found = field("redis_version").unwrap_or("unknown");
        return refuse(&format!("cartwake needs Redis 7.0 or Valkey 7.2, or later; this server is {found}."));
    }
    if field("cluster_enabled") == Some("1") && !as_cluster {
        return refuse("This Redis is part of a cluster; write [store] url as redis-cluster://host1:port,host2:port.");
    }
    if field("cluster_enabled") == Some("0") && as_cluster {
        return refuse("This Redis is not part of a cluster; write [store] url as redis://host:port.");
    }
    let policy = field("maxmemory_policy").unwrap_or("unknown");
    if policy != "noeviction" {
        return refuse(&format!(
            "Redis would throw carts away when its memory is full (maxmemory-policy {policy}); run `CONFIG SET \
             maxmemory-policy noeviction` and write `maxmemory-policy noeviction` into redis.conf."
        ));
    }
    if field("role") == Some("slave") {
        return refuse("This Redis is a replica and takes no writes; let [store] url name the primary.");
    }

    let known = [
        (
            field("aof_enabled") == Some("0") && !allow_volatile,
            "Redis keeps no append-only file: what it acknowledged since its last snapshot is lost when it stops; set \
             `appendonly yes` and `appendfsync everysec`, or [store] allow_volatile = true if that is as meant.",
        ),
        (
            field("aof_enabled") == Some("1") && field("aof_last_write_status") == Some("err"),
            "Redis cannot write its append-only file and refuses writes; look at its disk and its log.",
        ),
        (
            field("rdb_last_bgsave_status") == Some("err"),
            "The last snapshot of Redis failed; it may refuse writes until one succeeds. Look at its disk and its log.",
        ),
        (
            field("maxmemory") == Some("0"),
            "Redis has no memory limit: it will be ended by the system instead of refusing new carts; set `maxmemory`.",
        ),
    ];
    let notes = known.iter().filter(|(applies, _)| *applies).map(|(_, note)| (*note).to_owned()).collect();
    Ok(Health { notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory:1000\r\nmaxmemory_policy:noeviction\r\n\
        # Persistence\r\naof_enabled:1\r\naof_last_write_status:ok\r\nrdb_last_bgsave_status:ok\r\nrole:master\r\n\
        cluster_enabled:0\r\n";

    #[test]
    fn a_redis_as_it_should_be_needs_no_note() {
        assert_eq!(judge(GOOD, false, false).expect("usable"), Health::default());
    }

    #[test]
    fn what_loses_carts_is_refused_and_says_what_to_do() {
        for (from, to, says) in [
            ("policy:noeviction", "policy:allkeys-lru", "CONFIG SET maxmemory-policy noeviction"),
            ("redis_version:7.0.15", "redis_version:6.2.1", "6.2.1"),
            ("role:master", "role:slave", "primary"),
            ("cluster_enabled:0", "cluster_enabled:1", "redis-cluster://"),
        ] {
            let error = judge(&GOOD.replace(from, to), false, false).expect_err(to);
            assert!(error.to_string().contains(says), "{error}");
        }
        assert!(judge("", false, false).is_err());
    }

    #[test]
    fn what_may_lose_carts_is_noted() {
        for (from, to, says) in [
            ("aof_enabled:1", "aof_enabled:0", "appendonly yes"),
            ("aof_last_write_status:ok", "aof_last_write_status:err", "append-only"),
            ("rdb_last_bgsave_status:ok", "rdb_last_bgsave_status:err", "snapshot"),
            ("maxmemory:1000", "maxmemory:0", "maxmemory"),
        ] {
            let notes = judge(&GOOD.replace(from, to), false, false).expect(to).notes;
            assert!(matches!(&notes[..], [note] if note.contains(says)), "{notes:?}");
        }
    }
}
