//! Private redis-servers for the tests: each on a free loopback port, in its own folder, gone with the tests.
//!
//! A machine without redis-server fails the tests; nothing is skipped. A server is ended by its process id, also when the
//! tests are killed: a watchdog waits on a pipe that closes with us. Never here: a server that was there before.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

const DATABASES: u32 = 512;
const START_TRIES: u32 = 5;
/// 1,000 looks of 10 ms.
const LOOKS_MAX: u32 = 1_000;
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running redis-server of our own. Ends when dropped.
pub struct RedisServer {
    process: Child,
    watchdog: Child,
    address: SocketAddr,
    folder: TempDir,
    options: Vec<String>,
}

impl RedisServer {
    /// A server without persistence, answering when this returns.
    pub fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"])
    }

    /// A server with these options on top of ours; a later option wins.
    pub fn start_with(options: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        for _ in 0..START_TRIES {
            let address = free_address();
            let mut process = spawn(address, &folder, &options);
            if answers(address, &mut process) {
                let watchdog = watch(process.id());
                return Self { process, watchdog, address, folder, options };
            }
            end(&mut process);
        }
        panic!("redis-server did not start in {START_TRIES} tries; its log is in {}", folder.path().display());
    }

    /// `redis://…` of a database of this server.
    pub fn url(&self, database: u32) -> String {
        format!("redis://{}/{database}", self.address)
    }

    /// Kills the server at once, as a crash would, and starts it again on the same port and folder.
    pub fn crash_and_restart(&mut self) {
        end(&mut self.watchdog);
        end(&mut self.process);
        self.process = spawn(self.address, &self.folder, &self.options);
        self.watchdog = watch(self.process.id());
        assert!(answers(self.address, &mut self.process), "redis-server did not come back on {}", self.address);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // The watchdog first: later the process id might belong to somebody else.
        end(&mut self.watchdog);
        end(&mut self.process);
    }
}

/// The url of an empty database of the one server that all tests of this process share.
pub fn own_database() -> String {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let database = TAKEN.fetch_add(1, Ordering::Relaxed);
    assert!(database < DATABASES, "every database of the shared server is taken; raise DATABASES");
    SERVER.get_or_init(RedisServer::start).url(database)
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address")
}

fn spawn(address: SocketAddr, folder: &TempDir, options: &[String]) -> Child {
    let log = folder.path().join("redis.log");
    let spawned = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--daemonize", "no"])
        .args(["--databases", &DATABASES.to_string(), "--maxmemory-policy", "noeviction", "--loglevel", "notice"])
        .arg("--dir")
        .arg(folder.path())
        .arg("--logfile")
        .arg(log)
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match spawned {
        Ok(process) => process,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("these tests need redis-server; scripts/test installs it and runs them")
        }
        Err(error) => panic!("redis-server cannot be started: {error}"),
    }
}

/// Ends the server when our end of the pipe closes, however we end.
fn watch(server: u32) -> Child {
    Command::new("sh")
        .args(["-c", "read -r _; kill -9 \"$0\"", &server.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell can be started")
}

fn answers(address: SocketAddr, process: &mut Child) -> bool {
    for _ in 0..LOOKS_MAX {
        if ping(address).is_some() {
            return true;
        }
        if process.try_wait().is_ok_and(|ended| ended.is_some()) {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    false
}

fn ping(address: SocketAddr) -> Option<()> {
    let timeout = Some(Duration::from_secs(1));
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(timeout).ok()?;
    socket.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 7];
    socket.read_exact(&mut answer).ok()?;
    (&answer == b"+PONG\r\n").then_some(())
}

/// Kills by process id and waits for the end; one that has ended already is fine.
fn end(process: &mut Child) {
    drop(process.kill());
    drop(process.wait());
}
