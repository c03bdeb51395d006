//! Groups of private redis-servers: a cluster, a primary with replica and sentinels, a server with certificates.
//!
//! Each is ready when it is handed out and gone with the tests. Never here: single servers; they are in `servers.rs`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::servers::RedisServer;

/// 2,000 looks of 10 ms.
const LOOKS_MAX: u32 = 2_000;
const LOOK_EVERY: Duration = Duration::from_millis(10);
const UNSAVED: [&str; 4] = ["--save", "", "--appendonly", "no"];

/// Three masters and a replica of each.
pub struct RedisCluster {
    pub servers: Vec<RedisServer>,
}

impl RedisCluster {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more options for each server.
    pub fn start_with(more: &[&str]) -> Self {
        let options =
            [&UNSAVED[..], &["--databases", "1", "--cluster-enabled", "yes", "--cluster-node-timeout", "1000"], more];
        let servers: Vec<RedisServer> = (0..6).map(|_| RedisServer::start_with(&options.concat())).collect();
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(servers.iter().map(|server| server.address.to_string()))
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli comes with redis-server");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        wait_until("the cluster is ready", || {
            servers.iter().all(|server| {
                server.tell("CLUSTER INFO").contains("cluster_state:ok")
                    && server.tell("CLUSTER INFO").contains("cluster_known_nodes:6")
            }) && servers
                .iter()
                .filter(|server| server.tell("INFO replication").contains("master_link_status:up"))
                .count()
                == 3
        });
        Self { servers }
    }

    /// `redis-cluster://…` with two of its servers.
    pub fn url(&self) -> String {
        format!("redis-cluster://{},{}", self.servers[3].address, self.servers[1].address)
    }

    /// The servers that are masters now.
    pub fn masters(&self) -> impl Iterator<Item = &RedisServer> {
        self.servers.iter().filter(|server| server.tell("ROLE").contains("master"))
    }

    /// Kills a master with its replicas, so that nobody has its slots.
    pub fn lose_a_master(&mut self) {
        let master = self.servers.iter().position(|server| server.tell("ROLE").contains("master"));
        let master = master.expect("a cluster has masters");
        let port = format!(":{}\r\n", self.servers[master].address.port());
        for server in &mut self.servers {
            let role = server.tell("ROLE");
            if role.contains("slave") && role.contains(&port) {
                server.kill();
            }
        }
        self.servers[master].kill();
    }

    pub fn empty(&self) {
        for master in self.masters() {
            assert_eq!(master.tell("FLUSHALL"), "+OK");
        }
    }
}

/// A primary, its replica, and three sentinels that know it as `main`.
pub struct RedisSentinels {
    pub primary: RedisServer,
    pub replica: RedisServer,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    pub fn start() -> Self {
        let primary = RedisServer::start();
        let port = primary.address.port().to_string();
        let replica = RedisServer::start_with(&[&UNSAVED[..], &["--replicaof", "127.0.0.1", &port]].concat());
        let sentinels: Vec<RedisServer> = (0..3).map(|_| RedisServer::start_sentinel(primary.address)).collect();
        wait_until("the sentinels know each other and the replica", || {
            sentinels.iter().all(|sentinel| {
                let known = sentinel.tell("INFO sentinel");
                known.contains("slaves=1,sentinels=3")
            }) && replica.tell("INFO replication").contains("master_link_status:up")
        });
        Self { primary, replica, sentinels }
    }

    /// Has the replica stand alone and the sentinels name it, while the primary, cut off from them, hears of nothing.
    pub fn name_the_replica(&self) {
        assert_eq!(self.replica.tell("REPLICAOF NO ONE"), "+OK");
        for sentinel in &self.sentinels {
            assert_eq!(sentinel.tell("SENTINEL REMOVE main"), "+OK");
            let monitor = format!("SENTINEL MONITOR main 127.0.0.1 {} 2", self.replica.address.port());
            assert_eq!(sentinel.tell(&monitor), "+OK");
        }
    }

    /// `redis-sentinel://…` of a database.
    pub fn url(&self, database: u32) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|sentinel| sentinel.address.to_string()).collect();
        format!("redis-sentinel://{}/main/{database}", hosts.join(","))
    }
}

/// A server that speaks TLS with a certificate of an authority of its own, and knows the user that docs/redis.md advises.
pub struct TlsServer {
    _server: RedisServer,
    port: u16,
    pub authority: String,
    _folder: TempDir,
}

impl TlsServer {
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let file = |name: &str| folder.path().join(name).display().to_string();
        certify(folder.path());
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.expect("loopback has a free port").port();
        let (cert, key, authority) = (file("server.pem"), file("server.key"), file("ca.pem"));
        let tls = ["--tls-port", &port.to_string(), "--tls-cert-file", &cert, "--tls-key-file", &key]
            .map(str::to_owned)
            .into_iter()
            .chain(["--tls-ca-cert-file", &authority, "--tls-auth-clients", "no"].map(str::to_owned));
        let options: Vec<String> = UNSAVED.map(str::to_owned).into_iter().chain(tls).collect();
        let server = RedisServer::start_with(&options.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(server.tell(&advised_user()), "+OK");
        let authority = std::fs::read_to_string(authority).expect("just made");
        Self { _server: server, port, authority, _folder: folder }
    }

    /// `rediss://…` of a database, as the user that docs/redis.md advises.
    pub fn url(&self, database: u32) -> String {
        format!("rediss://cartwake:PASSWORD@127.0.0.1:{}/{database}", self.port)
    }
}

/// The line of docs/redis.md that makes a user with few rights.
pub fn advised_user() -> String {
    let manual = include_str!("../../docs/redis.md");
    let line = manual.split("```").find(|block| block.trim().starts_with("ACL SETUSER")).expect("the line is there");
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The cluster that the conformance cases share, one after the other.
pub fn shared_cluster() -> &'static RedisCluster {
    static CLUSTER: OnceLock<RedisCluster> = OnceLock::new();
    CLUSTER.get_or_init(RedisCluster::start)
}

pub fn own_database_behind_sentinels() -> String {
    static SERVERS: OnceLock<RedisSentinels> = OnceLock::new();
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    SERVERS.get_or_init(RedisSentinels::start).url(TAKEN.fetch_add(1, Ordering::Relaxed))
}

/// The url of an empty database over TLS, and who vouches for it.
pub fn own_database_over_tls() -> (String, String) {
    static SERVER: OnceLock<TlsServer> = OnceLock::new();
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(TlsServer::start);
    (server.url(TAKEN.fetch_add(1, Ordering::Relaxed)), server.authority.clone())
}

pub fn own_database_on_valkey() -> String {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let packaged = concat!(env!("CARGO_MANIFEST_DIR"), "/target/valkey/root/usr/bin/valkey-server");
    let program = if Path::new(packaged).exists() { packaged } else { "valkey-server" };
    let server = SERVER.get_or_init(|| RedisServer::start_program(program, &UNSAVED));
    server.url(TAKEN.fetch_add(1, Ordering::Relaxed))
}

/// Looks again and again until it is so.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..LOOKS_MAX {
        if is_so() {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("in vain: {what}");
}

/// An authority, and a certificate of its for 127.0.0.1.
fn certify(folder: &Path) {
    let extensions = "subjectAltName=IP:127.0.0.1,DNS:localhost\n";
    std::fs::write(folder.join("names"), extensions).expect("the folder is ours");
    for line in [
        "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        "req -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=server -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    ] {
        let made = Command::new("openssl").args(line.split(' ')).current_dir(folder).stdin(Stdio::null()).output();
        let made = made.expect("these tests need openssl; scripts/test installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}
