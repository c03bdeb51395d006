//! Which server a key is on: the one there is, the primary the sentinels name, or the master of the key's slot.
//!
//! Routes are learnt when first needed and again when an answer showed that they are old; of many who notice at once, one
//! asks. Never here: commands of the store. Read next: `redis/connection.rs`.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::sync::Mutex;

use super::address::{Address, Host, Kind};
use super::node::{self, Node};

const SLOTS: u16 = 16_384;
/// How long after the first answer others are waited for.
const LATE_MAX: Duration = Duration::from_millis(100);

/// Which server has which slots.
#[derive(Debug, Default)]
struct Map {
    /// Rises with each time it was learnt; zero: never.
    generation: u64,
    /// An answer showed that it is old.
    is_stale: bool,
    /// Last slot and server, rising.
    ranges: Vec<(u16, Host)>,
}

/// The servers of a store, and what lies where.
pub struct Routes {
    address: Address,
    tls_ca: Option<Vec<u8>>,
    timeout: Duration,
    links_max: usize,
    nodes: RwLock<HashMap<Host, Arc<Node>>>,
    map: RwLock<Map>,
    learning: Mutex<()>,
}

/// A server, and how old what led to it is.
pub struct Route {
    pub node: Arc<Node>,
    pub generation: u64,
}

impl Routes {
    pub fn new(address: Address, tls_ca: Option<Vec<u8>>, timeout: Duration, links_max: usize) -> Self {
        let map = RwLock::default();
        Self { address, tls_ca, timeout, links_max, nodes: RwLock::default(), map, learning: Mutex::default() }
    }

    /// Whether another server may take over.
    pub fn may_move(&self) -> bool {
        self.address.kind != Kind::Single
    }

    pub fn is_cluster(&self) -> bool {
        self.address.kind == Kind::Cluster
    }

    /// The server of this slot; learns the routes where there are none. Old ones are better than none.
    pub async fn of(&self, slot: u16) -> RedisResult<Route> {
        let (generation, is_stale) = {
            let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
            (map.generation, map.is_stale || map.ranges.is_empty())
        };
        // Boxed, so that every other call does not carry the room for it.
        let learnt = if is_stale { Box::pin(self.learn(generation)).await } else { Ok(()) };
        if let Some(route) = self.known(slot)? {
            return Ok(route);
        }
        learnt?;
        Err((ErrorKind::Server(ServerErrorKind::ClusterDown), "no server has this slot").into())
    }

    /// Every master.
    pub async fn all(&self) -> RedisResult<Vec<Arc<Node>>> {
        self.of(0).await?;
        let mut hosts: Vec<Host> = Vec::new();
        for (_, host) in &self.map.read().unwrap_or_else(PoisonError::into_inner).ranges {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        hosts.iter().map(|host| self.node(host)).collect()
    }

    /// A server that an answer names, as `host:port`; without a host it is where the answer came from.
    pub fn named(&self, name: &str, by: &Node) -> RedisResult<Arc<Node>> {
        let (host, port) = name.rsplit_once(':').unwrap_or((name, ""));
        let port = port.parse().map_err(|_| (ErrorKind::Parse, "a redirection to nowhere"))?;
        let name = if host.is_empty() { by.host.name.clone() } else { host.to_owned() };
        self.node(&Host { name, port })
    }

    /// Learns the routes anew, unless somebody did since `generation`.
    async fn learn(&self, generation: u64) -> RedisResult<()> {
        let _one = self.learning.lock().await;
        if self.map.read().unwrap_or_else(PoisonError::into_inner).generation > generation {
            return Ok(());
        }
        let ranges = match &self.address.kind {
            Kind::Single => vec![(SLOTS - 1, self.address.hosts[0].clone())],
            Kind::Cluster => self.ask_cluster().await?,
            Kind::Sentinel(name) => vec![(SLOTS - 1, self.ask_sentinels(name).await?.0)],
        };
        self.nodes.write().unwrap_or_else(PoisonError::into_inner).retain(|host, node| {
            let stays = ranges.iter().any(|(_, current)| current == host);
            // Of a cluster, a server that has given its last slot away still answers what it was asked.
            if !stays && matches!(self.address.kind, Kind::Sentinel(_)) {
                node.retire();
            }
            stays
        });
        *self.map.write().unwrap_or_else(PoisonError::into_inner) =
            Map { generation: generation + 1, is_stale: false, ranges };
        Ok(())
    }

    /// The next call learns the routes anew.
    pub fn distrust(&self, generation: u64) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.is_stale |= self.may_move() && generation == map.generation;
    }

    /// Asks again who the primary is, where others decide that: one that is cut off from them goes on answering, and what
    /// it takes is lost. Only what most sentinels say is believed here, for nothing has failed yet.
    pub async fn look_around(&self) {
        let Kind::Sentinel(name) = &self.address.kind else { return };
        let Ok((primary, votes)) = self.ask_sentinels(name).await else { return };
        let (generation, known) = {
            let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
            (map.generation, map.ranges.first().map(|(_, host)| host.clone()))
        };
        if 2 * votes > self.address.hosts.len() && known.is_some_and(|known| known != primary) {
            self.distrust(generation);
            // Learnt at once: what hangs on the old one is to be let go before that answers.
            if let Err(error) = self.learn(generation).await {
                tracing::warn!(%error, "the sentinels named another primary, and could not be asked again");
            }
        }
    }

    fn known(&self, slot: u16) -> RedisResult<Option<Route>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let found = map.ranges.get(map.ranges.partition_point(|&(last, _)| last < slot));
        let Some((_, host)) = found else { return Ok(None) };
        Ok(Some(Route { node: self.node(host)?, generation: map.generation }))
    }

    fn node(&self, host: &Host) -> RedisResult<Arc<Node>> {
        if let Some(node) = self.nodes.read().unwrap_or_else(PoisonError::into_inner).get(host) {
            return Ok(Arc::clone(node));
        }
        let client = self.address.client(host, self.tls_ca.as_deref())?;
        let must_be_primary = matches!(self.address.kind, Kind::Sentinel(_));
        let node = Arc::new(Node::new(host.clone(), client, self.timeout, self.links_max, must_be_primary));
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(nodes.entry(host.clone()).or_insert(node)))
    }

    /// Of those that answer, the one that works and knows the latest epoch is believed: one that is cut off from the
    /// others tells old news.
    async fn ask_cluster(&self) -> RedisResult<Vec<(u16, Host)>> {
        let mut hosts: Vec<Host> = Vec::new();
        {
            let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
            for host in map.ranges.iter().map(|(_, host)| host).chain(&self.address.hosts) {
                if !hosts.contains(host) {
                    hosts.push(host.clone());
                }
            }
        }
        let looks = hosts.into_iter().map(async |host| {
            let node = self.node(&host)?;
            let line = node.line();
            let look = async {
                let mut connection = node.open(&line).await?;
                let info = node::ask(&mut connection, redis::cmd("CLUSTER").arg("INFO"), false).await?;
                let slots = node::ask(&mut connection, redis::cmd("CLUSTER").arg("SLOTS"), false).await?;
                Ok((standing(&String::from_redis_value(info)?), ranges(slots, &node.host)?))
            };
            look.await.inspect_err(|_: &RedisError| node.give_up(&line))
        });
        let answers = gather(looks).await?;
        let best = answers.into_iter().max_by_key(|(standing, _)| *standing);
        best.map(|(_, ranges)| ranges).ok_or_else(nobody)
    }

    /// The primary, and how many say so. Of those that answer, most are right: one that is cut off from the others names
    /// the old primary.
    async fn ask_sentinels(&self, name: &str) -> RedisResult<(Host, usize)> {
        let look = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).to_owned();
        let look = &look;
        let looks = self.address.hosts.iter().map(async |host| {
            let client = self.address.sentinel_client(host, self.tls_ca.as_deref())?;
            let sentinel = Node::new(host.clone(), client, self.timeout, 1, false);
            let answer = node::ask(&mut sentinel.open(&sentinel.line()).await?, look, false).await?;
            let found: Option<(String, u16)> = redis::from_redis_value(answer)?;
            let unknown = (ErrorKind::InvalidClientConfig, "the sentinels know no primary of this name");
            found.map(|(name, port)| Host { name, port }).ok_or_else(|| unknown.into())
        });
        let answers = gather(looks).await?;
        let votes = |host: &Host| answers.iter().filter(|answer| *answer == host).count();
        answers.iter().map(|host| (host.clone(), votes(host))).max_by_key(|(_, votes)| *votes).ok_or_else(nobody)
    }
}

/// What is answered until a little after the first answer; the last error where nobody answers.
async fn gather<T>(looks: impl Iterator<Item = impl Future<Output = RedisResult<T>>>) -> RedisResult<Vec<T>> {
    let mut looks: FuturesUnordered<_> = looks.collect();
    let mut answers = Vec::new();
    let mut failed = None;
    let mut patience = std::pin::pin!(tokio::time::sleep(Duration::MAX));
    loop {
        let look = tokio::select! {
            look = looks.next() => look,
            () = &mut patience => None,
        };
        match look {
            Some(Ok(answer)) => {
                if answers.is_empty() {
                    patience.set(tokio::time::sleep(LATE_MAX));
                }
                answers.push(answer);
            }
            Some(Err(error)) => failed = Some(error),
            None => break,
        }
    }
    match failed {
        Some(error) if answers.is_empty() => Err(error),
        _ => Ok(answers),
    }
}

fn nobody() -> RedisError {
    (ErrorKind::Io, "no server answered").into()
}

/// Whether a server sees the cluster work, and the epoch it knows: the more, the better.
fn standing(info: &str) -> (bool, u64) {
    let field = |name: &str| info.lines().find_map(|line| line.trim().strip_prefix(name));
    (field("cluster_state:") == Some("ok"), field("cluster_current_epoch:").and_then(|e| e.parse().ok()).unwrap_or(0))
}

/// What `CLUSTER SLOTS` says. A server without a name is the one that was asked.
fn ranges(answer: Value, asked: &Host) -> RedisResult<Vec<(u16, Host)>> {
    let mut ranges = Vec::new();
    for range in Vec::<Vec<Value>>::from_redis_value(answer)? {
        let [_, last, master, ..] = range.as_slice() else { continue };
        let last = u16::from_redis_value_ref(last)?;
        let master = Vec::<Value>::from_redis_value_ref(master)?;
        let [name, port, ..] = master.as_slice() else { continue };
        let name = Option::<String>::from_redis_value_ref(name)?.filter(|name| !name.is_empty() && name != "?");
        let name = name.unwrap_or_else(|| asked.name.clone());
        ranges.push((last, Host { name, port: u16::from_redis_value_ref(port)? }));
    }
    ranges.sort_by_key(|&(last, _)| last);
    if ranges.is_empty() {
        return Err((ErrorKind::Server(ServerErrorKind::ClusterDown), "the cluster has no slots").into());
    }
    Ok(ranges)
}

/// The slot of a command's first key; 0 of one without.
pub fn slot_of(command: &Cmd) -> u16 {
    let mut words = command.args_iter().map(|word| match word {
        redis::Arg::Simple(bytes) => bytes,
        redis::Arg::Cursor | _ => &[],
    });
    let name = words.next().unwrap_or_default();
    let key = if name == b"EVALSHA" { words.nth(2) } else { words.next() };
    key.map_or(0, |key| crc16(tag(key)) % SLOTS)
}

/// What counts for the slot: what stands between the first braces, if anything does.
fn tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&byte| byte == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|&byte| byte == b'}') {
        Some(close) if close > 0 => &rest[..close],
        _ => key,
    }
}

/// CRC-16/XMODEM, as the specification of Redis Cluster says.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, &byte| {
        (0..8)
            .fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(tag(b"{cw:07}:c:x{y}"), b"cw:07");
        assert_eq!(tag(b"{}x"), b"{}x");
        let call = redis::cmd("EVALSHA").arg("sha").arg(1).arg("foo").to_owned();
        assert_eq!(slot_of(&call), slot_of(redis::cmd("GET").arg("foo")));
        assert_eq!(slot_of(redis::cmd("GET").arg("foo")), 12_182);
    }
}
