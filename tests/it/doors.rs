//! The listeners against clients that are slow, many, or speak no HTTP: bytes on a socket, and what comes back.
//!
//! The limits are short by configuration. Every wait is for the service to answer or to hang up, and is bounded.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use cartwake::app::App;
use cartwake::config;
use cartwake::keys;
use serde_json::Value;
use tempfile::TempDir;

const KEY: &str = "cw_server_doors";
/// Well above the limits below: who reaches it was not let go.
const PATIENCE: Duration = Duration::from_secs(10);
const GOOD: &[u8] = b"GET /openapi.json HTTP/1.1\r\nhost: h\r\n\r\n";

struct House {
    address: SocketAddr,
    _app: App,
    _folder: TempDir,
}

/// A service that gives a client a second, and has room for this many.
async fn open(connections_max: usize) -> House {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let file = folder.path().join("cartwake.toml");
    let store = folder.path().join("store");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\nworkers = 1\nclient_timeout = \"1s\"\n\
         connections_max = {connections_max}\nbody_bytes_max = 1024\n[store]\nurl = \"embedded:{}\"\n[[shop]]\n\
         id = \"test\"\nkeys = [{{ role = \"server\", hash = \"{}\" }}]\n",
        store.display(),
        keys::hash(KEY)
    );
    std::fs::write(&file, text).expect("the folder is ours");
    let config = config::load(Some(&file), std::iter::empty()).unwrap_or_else(|problems| panic!("{problems}"));
    let app = App::start(config, None).await.expect("the service starts");
    let address = app.api_url().trim_start_matches("http://").parse().expect("an address");
    House { address, _app: app, _folder: folder }
}

impl House {
    fn client(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("the service listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a bound");
        socket.set_write_timeout(Some(PATIENCE)).expect("a bound");
        socket
    }

    /// All that comes back for these bytes until the service hangs up.
    fn tell(&self, bytes: &[u8]) -> String {
        let mut socket = self.client();
        // The service may have hung up before it took all of them.
        drop(socket.write_all(bytes));
        rest(&mut socket)
    }
}

fn rest(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    match socket.read_to_end(&mut all) {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {}
        Err(error) => panic!("the service did not hang up: {error}"),
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The status and slug of the last answer in these bytes.
fn problem(answer: &str) -> (u16, String) {
    let last = &answer[answer.rfind("HTTP/1.1 ").unwrap_or_else(|| panic!("no answer: {answer:?}"))..];
    let (head, body) = last.split_once("\r\n\r\n").expect("a head ends");
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    let body: Value = serde_json::from_str(body).expect("a problem is JSON");
    let status = head[9..12].parse().expect("a status");
    assert_eq!(body["status"], status);
    (status, body["type"].as_str().expect("a slug").to_owned())
}

fn one_answer(socket: &mut TcpStream) -> String {
    let mut bytes = [0; 1024];
    let count = socket.read(&mut bytes).expect("the service answers");
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_answered_with_a_problem() {
    let house = open(100).await;
    let long_path = format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "a".repeat(70_000));
    let long_header = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "a".repeat(140_000));
    let many = "x: 1\r\n".repeat(97);
    let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{many}\r\n");
    let rows: [(&str, &[u8], u16); 8] = [
        ("noise", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        ("a bad version", b"GET / HTTP/9.9\r\n\r\n", 400),
        ("two lengths", b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        ("a negative length", b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n", 400),
        ("a bad header", b"GET / HTTP/1.1\r\nho st: h\r\n\r\n", 400),
        ("a long first line", long_path.as_bytes(), 400),
        ("a long header", long_header.as_bytes(), 431),
        ("many headers", many.as_bytes(), 431),
    ];
    for (name, bytes, status) in rows {
        let (found, slug) = problem(&house.tell(bytes));
        assert_eq!(found, status, "{name}: {slug}");
    }
    // Behind a good request on the same connection too.
    let both = [GOOD, b"nonsense\r\n\r\n"].concat();
    let answer = house.tell(&both);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer:.60}");
    assert_eq!(problem(&answer), (400, "/problems/bad-request".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_drips_is_cut_off_the_first_and_every_later_one() {
    let house = open(100).await;
    let expected = (408, "/problems/request-timeout".to_owned());
    assert_eq!(problem(&house.tell(b"")), expected);
    assert_eq!(problem(&house.tell(b"GET / HT")), expected);
    let mut later = house.client();
    later.write_all(GOOD).expect("taken");
    assert!(one_answer(&mut later).starts_with("HTTP/1.1 200 OK"));
    let started = Instant::now();
    later.write_all(b"GET /openapi").expect("taken");
    assert_eq!(problem(&rest(&mut later)), expected);
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_drips_or_is_too_large_is_cut_off() {
    let house = open(100).await;
    let head = |more: &str| {
        format!(
            "PUT /v1/carts/c HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n{more}\r\n\r\n"
        )
    };
    let slow = [head("content-length: 100").as_bytes(), b"{\"cur"].concat();
    assert_eq!(problem(&house.tell(&slow)).0, 408);
    let chunked = [head("transfer-encoding: chunked").as_bytes(), b"5\r\n{\"cur\r\n"].concat();
    let answer = house.tell(&chunked);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(problem(&house.tell(head("content-length: 1025").as_bytes())).0, 413);
    let large = format!("{}800\r\n{}\r\n0\r\n\r\n", head("transfer-encoding: chunked"), " ".repeat(0x800));
    let answer = house.tell(large.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_the_answers_is_cut_off() {
    let house = open(100).await;
    let mut deaf = house.client();
    let many = GOOD.repeat(200);
    let started = Instant::now();
    // Once the answers fill the buffers, nothing is taken any more until the service hangs up.
    for _ in 0..10_000 {
        if let Err(error) = deaf.write_all(&many) {
            assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "not cut off: {error}");
            assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
            return;
        }
    }
    panic!("the service takes requests of a client that reads no answer without end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_make_room_the_longest_idle_first() {
    let house = open(8).await;
    let mut idle: Vec<TcpStream> = Vec::new();
    for _ in 0..8 {
        let mut socket = house.client();
        socket.write_all(GOOD).expect("taken");
        assert!(one_answer(&mut socket).starts_with("HTTP/1.1 200 OK"));
        idle.push(socket);
    }
    for _ in 0..20 {
        let mut next = house.client();
        next.write_all(GOOD).expect("taken");
        assert!(one_answer(&mut next).starts_with("HTTP/1.1 200 OK"), "a new client is served beside idle ones");
        idle.push(next);
    }
    // The first is gone: behind the rest of its answer is the end.
    rest(&mut idle[0]);
    let newest = idle.last_mut().expect("there are some");
    newest.set_nonblocking(true).expect("a socket");
    let mut rest_of_answer = vec![0; 1 << 20];
    let still_open = (0..100).find_map(|_| match newest.read(&mut rest_of_answer) {
        Ok(0) => Some(false),
        Ok(_) => None,
        Err(error) => Some(error.kind() == ErrorKind::WouldBlock),
    });
    assert_eq!(still_open, Some(true));
}
