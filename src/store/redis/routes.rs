//! Which server a key is on: the one there is, the primary the sentinels name, or the master of the key's slot.
//!
//! Routes are learnt when first needed and again when an answer showed that they are old; of many who notice at once, one
//! asks. Never here: commands of the store. Read next: `redis/connection.rs`.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, select_ok};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, Value};
use tokio::sync::Mutex;

use super::address::{Address, Host, Kind};
use super::node::{self, Node};

const SLOTS: u16 = 16_384;

/// Which server has which slots.
#[derive(Debug, Default)]
struct Map {
    /// Rises with each time it was learnt; zero: never.
    generation: u64,
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

    /// The server of this slot; learns the routes where there are none.
    pub async fn of(&self, slot: u16) -> RedisResult<Route> {
        if let Some(route) = self.known(slot)? {
            return Ok(route);
        }
        let generation = self.map.read().unwrap_or_else(PoisonError::into_inner).generation;
        self.learn(generation).await?;
        self.known(slot)?.ok_or_else(|| (ErrorKind::Server(redis::ServerErrorKind::ClusterDown), "no server has this slot").into())
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
    pub async fn learn(&self, generation: u64) -> RedisResult<()> {
        let _one = self.learning.lock().await;
        if self.map.read().unwrap_or_else(PoisonError::into_inner).generation > generation {
            return Ok(());
        }
        let ranges = match &self.address.kind {
            Kind::Single => vec![(SLOTS - 1, self.address.hosts[0].clone())],
            Kind::Cluster => self.ask_cluster().await?,
            Kind::Sentinel(name) => vec![(SLOTS - 1, self.ask_sentinels(name).await?)],
        };
        self.nodes.write().unwrap_or_else(PoisonError::into_inner).retain(|host, _| {
            ranges.iter().any(|(_, current)| current == host)
        });
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = Map { generation: generation + 1, ranges };
        Ok(())
    }

    /// The next call learns the routes anew: what they led to swallows commands.
    pub fn distrust(&self, generation: Option<u64>) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if self.may_move() && generation == Some(map.generation) {
            map.ranges.clear();
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

    /// The first server to answer is believed; what it does not know yet, a redirection tells.
    async fn ask_cluster(&self) -> RedisResult<Vec<(u16, Host)>> {
        let mut hosts: Vec<Host> = self.map.read().unwrap_or_else(PoisonError::into_inner).ranges.iter().map(|(_, host)| host.clone()).collect();
        hosts.extend(self.address.hosts.iter().cloned());
        let mut asked: Vec<Host> = Vec::new();
        let mut looks: Vec<BoxFuture<'_, RedisResult<Vec<(u16, Host)>>>> = Vec::new();
        for host in hosts {
            if !asked.contains(&host) {
                asked.push(host.clone());
                let node = self.node(&host)?;
                looks.push(Box::pin(async move {
                    let line = node.line();
                    let look = async { node::ask(&mut node.open(&line).await?, redis::cmd("CLUSTER").arg("SLOTS"), false).await };
                    let answer = look.await.inspect_err(|_| node.give_up(&line))?;
                    ranges(answer, &node.host)
                }));
            }
        }
        select_ok(looks).await.map(|(ranges, _)| ranges)
    }

    async fn ask_sentinels(&self, name: &str) -> RedisResult<Host> {
        let look = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).to_owned();
        let looks = self.address.hosts.iter().map(|host| -> BoxFuture<'_, RedisResult<Host>> {
            let look: &Cmd = &look;
            Box::pin(async move {
                let client = self.address.sentinel_client(host, self.tls_ca.as_deref())?;
                let sentinel = Node::new(host.clone(), client, self.timeout, 1, false);
                let answer = node::ask(&mut sentinel.open(&sentinel.line()).await?, look, false).await?;
                let found: Option<(String, u16)> = redis::from_redis_value(answer)?;
                let unknown = (ErrorKind::InvalidClientConfig, "the sentinels know no primary of this name");
                found.map(|(name, port)| Host { name, port }).ok_or_else(|| unknown.into())
            })
        });
        select_ok(looks).await.map(|(host, _)| host)
    }
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
        return Err((ErrorKind::Server(redis::ServerErrorKind::ClusterDown), "the cluster has no slots").into());
    }
    Ok(ranges)
}

/// The slot of a command's first key; 0 of one without.
pub fn slot_of(command: &Cmd) -> u16 {
    let mut words = command.args_iter().map(|word| match word {
        redis::Arg::Simple(bytes) => bytes,
        redis::Arg::Cursor => &[],
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
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
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
