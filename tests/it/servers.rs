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

const DATABASES: u32 = 2_000;
const START_TRIES: u32 = 5;
const PORT_END: u16 = 55_000;
/// 1,000 looks of 10 ms.
const LOOKS_MAX: u32 = 1_000;
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running redis-server of our own. Ends when dropped.
pub struct RedisServer {
    process: Child,
    watchdog: Child,
    pub address: SocketAddr,
    folder: TempDir,
    program: String,
    options: Vec<String>,
}

impl RedisServer {
    /// A server without persistence, answering when this returns.
    pub fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"])
    }

    /// A server with these options on top of ours; a later option wins.
    pub fn start_with(options: &[&str]) -> Self {
        Self::start_program("redis-server", options)
    }

    /// A server of this program: Redis, or one that takes its options.
    pub fn start_program(program: &str, options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        Self::start_in(TempDir::new().expect("a temporary folder can be made"), program, options)
    }

    /// A sentinel that watches this primary as `main`, with two of its like.
    pub fn start_sentinel(primary: SocketAddr) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let settings = format!(
            "sentinel monitor main {} {} 2\nsentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 3000\n",
            primary.ip(),
            primary.port()
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, settings).expect("the folder is ours");
        let options = vec![file.display().to_string(), "--sentinel".to_owned()];
        Self::start_in(folder, "redis-server", options)
    }

    fn start_in(folder: TempDir, program: &str, options: Vec<String>) -> Self {
        for _ in 0..START_TRIES {
            let address = free_address();
            let mut process = spawn(program, address, &folder, &options);
            if answers(address, &mut process) {
                let watchdog = watch(process.id());
                return Self { process, watchdog, address, folder, program: program.to_owned(), options };
            }
            end(&mut process);
        }
        panic!("{program} did not start in {START_TRIES} tries; its log is in {}", folder.path().display());
    }

    /// `redis://…` of a database of this server.
    pub fn url(&self, database: u32) -> String {
        format!("redis://{}/{database}", self.address)
    }

    /// Kills the server at once, as a crash would.
    pub fn kill(&mut self) {
        // The watchdog first: later the process id might belong to somebody else.
        end(&mut self.watchdog);
        end(&mut self.process);
    }

    /// What the server says to a command of one line; of a longer answer the beginning.
    pub fn tell(&self, command: &str) -> String {
        say(self.address, command).unwrap_or_else(|| panic!("no answer to {command}"))
    }

    /// Kills the server at once, as a crash would, and starts it again on the same port and folder.
    pub fn crash_and_restart(&mut self) {
        self.kill();
        self.process = spawn(&self.program, self.address, &self.folder, &self.options);
        self.watchdog = watch(self.process.id());
        assert!(answers(self.address, &mut self.process), "redis-server did not come back on {}", self.address);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
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

/// One that leaves room for the port of a cluster's bus, 10,000 above.
fn free_address() -> SocketAddr {
    for _ in 0..LOOKS_MAX {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        if address.port() < PORT_END {
            return address;
        }
    }
    panic!("loopback has no free port below {PORT_END}");
}

fn spawn(program: &str, address: SocketAddr, folder: &TempDir, options: &[String]) -> Child {
    let (file, options) = match options {
        [file, mode, ..] if mode == "--sentinel" => (Some(file), &options[1..]),
        _ => (None, options),
    };
    let mut command = Command::new(program);
    command.args(file);
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--daemonize", "no"]);
    command.arg("--dir").arg(folder.path()).arg("--logfile").arg(folder.path().join("redis.log"));
    if file.is_none() {
        command.args(["--databases", &DATABASES.to_string(), "--maxmemory-policy", "noeviction"]);
    }
    let spawned = command.args(options).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    match spawned {
        Ok(process) => process,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("these tests need {program}; scripts/test installs it and runs them")
        }
        Err(error) => panic!("{program} cannot be started: {error}"),
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
    (say(address, "PING")? == "+PONG").then_some(())
}

fn say(address: SocketAddr, command: &str) -> Option<String> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    socket.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let mut answer = vec![0; 64 * 1024];
    let length = socket.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..length]).trim_end().to_owned()).filter(|answer| !answer.is_empty())
}

/// Kills by process id and waits for the end; one that has ended already is fine.
fn end(process: &mut Child) {
    drop(process.kill());
    drop(process.wait());
}
