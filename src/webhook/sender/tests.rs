//! Real sockets on the loopback interface: a receiver that answers by script and hands over what it was sent.

use std::collections::BTreeMap;
use std::future::Future;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::super::signature::verify;
use super::*;

/// Far more than any of these answers takes.
const PATIENT: Duration = Duration::from_secs(20);
const NOW_S: i64 = 1_795_327_200;

/// A request as it arrived.
struct Received {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// Listens on a free port; each request is handed over, then `answer` does with the connection as it likes, and gives it
/// back when it may be used again.
#[expect(clippy::disallowed_methods, reason = "ends with the runtime of its test")]
async fn receiver<A, F>(answer: A) -> (u16, mpsc::UnboundedReceiver<Received>)
where
    A: Fn(TcpStream) -> F + Clone + Send + 'static,
    F: Future<Output = Option<TcpStream>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (seen, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answer, seen) = (answer.clone(), seen.clone());
            tokio::spawn(async move {
                while let Some(request) = read_request(&mut stream).await {
                    // A test that has ended no longer listens; so for every `ok()` here.
                    seen.send(request).ok();
                    match answer(stream).await {
                        Some(again) => stream = again,
                        None => return,
                    }
                }
            });
        }
    });
    (port, received)
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("a head of text");
    let path = head.split(' ').nth(1).expect("a request line").to_owned();
    let pairs = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<_, _> = pairs.map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned())).collect();
    let length: usize = headers.get("content-length").map_or(0, |text| text.parse().expect("a length"));
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Received { path, headers, body: bytes[head_end..].to_vec() })
}

/// A receiver with one fixed answer.
async fn answering(answer: impl Into<Vec<u8>>) -> (u16, mpsc::UnboundedReceiver<Received>) {
    let answer: Vec<u8> = answer.into();
    receiver(move |mut stream| {
        let answer = answer.clone();
        async move { stream.write_all(&answer).await.ok().map(|()| stream) }
    })
    .await
}

fn loopback() -> AddressPolicy {
    AddressPolicy { allow: vec!["127.0.0.0/8".parse().expect("a network")] }
}

async fn send(sender: &Sender, url: &str, timeout: Duration) -> Outcome {
    let url: Url = url.parse().expect("a URL");
    let secrets = [Secret::generate([9; 32])];
    let message =
        Message { url: &url, id: "dlv_1", secrets: &secrets, body: b"{\"a\":\"\xc3\xbc\"}".to_vec(), timeout };
    sender.send(message, Moment::from_millis(NOW_S * 1_000)).await
}

async fn send_to(port: u16, timeout: Duration) -> Outcome {
    send(&Sender::new(loopback()).expect("a client"), &format!("http://127.0.0.1:{port}/hook?t=1"), timeout).await
}

#[tokio::test]
async fn a_receiver_can_verify_the_very_bytes_it_got() {
    let (port, mut received) = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let outcome = send_to(port, PATIENT).await;
    assert_eq!((outcome.name, outcome.status), (OutcomeName::Success, Some(200)));
    let request = received.recv().await.expect("one request");
    assert_eq!(request.path, "/hook?t=1");
    assert_eq!(request.headers["webhook-id"], "dlv_1");
    assert_eq!(request.headers["webhook-timestamp"], NOW_S.to_string());
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["user-agent"], concat!("cartwake/", env!("CARGO_PKG_VERSION")));
    assert!(!request.headers.contains_key("accept-encoding"));
    let verdict = verify(
        &[Secret::generate([9; 32])],
        &request.headers["webhook-id"],
        &request.headers["webhook-timestamp"],
        &request.headers["webhook-signature"],
        &request.body,
        Moment::from_millis(NOW_S * 1_000),
        Duration::from_mins(5),
    );
    assert_eq!(verdict, Ok(()));
}

#[tokio::test]
async fn every_answer_becomes_its_outcome() {
    let rows = [
        ("200 OK", "", OutcomeName::Success, None),
        ("410 Gone", "", OutcomeName::Gone, None),
        ("429 Too Many Requests", "retry-after: 7\r\n", OutcomeName::Throttled, Some(7)),
        ("503 Unavailable", "retry-after: Sun, 22 Nov 2026 06:00:58 GMT\r\n", OutcomeName::Throttled, Some(58)),
        ("503 Unavailable", "", OutcomeName::ServerError, None),
        ("500 Oops", "", OutcomeName::ServerError, None),
        ("408 Timeout", "", OutcomeName::ServerError, None),
        ("422 No", "", OutcomeName::Rejected, None),
    ];
    for (line, header, name, retry_after_s) in rows {
        let (port, _received) = answering(format!("HTTP/1.1 {line}\r\n{header}content-length: 0\r\n\r\n")).await;
        let outcome = send_to(port, PATIENT).await;
        let expected = retry_after_s.map(Duration::from_secs);
        assert_eq!((outcome.name, outcome.retry_after), (name, expected), "{line}");
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let (elsewhere, mut seen) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: http://127.0.0.1:{elsewhere}/\r\n");
        let (port, _received) =
            answering(format!("HTTP/1.1 {status} Moved\r\n{location}content-length: 0\r\n\r\n")).await;
        assert_eq!(send_to(port, PATIENT).await.name, OutcomeName::Redirected);
    }
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn a_receiver_that_hangs_ends_with_the_deadline() {
    let (port, mut received) = receiver(|stream| async move {
        tokio::time::sleep(PATIENT).await;
        Some(stream)
    })
    .await;
    #[expect(clippy::disallowed_methods, reason = "the deadline is real time")]
    let started = Instant::now();
    let outcome = send_to(port, Duration::from_millis(300)).await;
    assert_eq!((outcome.name, outcome.status), (OutcomeName::TimedOut, None));
    assert!(outcome.duration >= Duration::from_millis(300) && started.elapsed() < Duration::from_secs(3));
    assert!(received.recv().await.is_some() && received.try_recv().is_err());
}

#[tokio::test]
async fn half_a_head_ends_with_the_deadline() {
    let (port, _received) = receiver(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.ok()?;
        tokio::time::sleep(PATIENT).await;
        Some(stream)
    })
    .await;
    assert_eq!(send_to(port, Duration::from_millis(300)).await.name, OutcomeName::TimedOut);
}

#[tokio::test]
async fn an_endless_body_costs_nothing_and_its_connection() {
    let (lost, mut losses) = mpsc::unbounded_channel();
    let (port, mut received) = receiver(move |mut stream| {
        let lost = lost.clone();
        async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.ok()?;
            let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 65_536], b"\r\n"].concat();
            let mut written = 0_usize;
            // 200 MB, unless the other side has gone.
            for _ in 0..3_200 {
                if stream.write_all(&chunk).await.is_err() {
                    break;
                }
                written += chunk.len();
            }
            lost.send(written).ok();
            None
        }
    })
    .await;
    let outcome = send_to(port, PATIENT).await;
    assert_eq!(outcome.name, OutcomeName::Success);
    assert!(outcome.duration < Duration::from_secs(2), "{:?}", outcome.duration);
    let written = losses.recv().await.expect("the receiver noticed");
    assert!(written < 20_000_000, "{written} bytes left the receiver");
    assert!(received.recv().await.is_some() && received.try_recv().is_err());
}

#[tokio::test]
async fn a_dripping_body_is_one_success_in_about_a_second() {
    let (port, mut received) = receiver(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n").await.ok()?;
        for _ in 0..100 {
            stream.write_all(b"x").await.ok()?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Some(stream)
    })
    .await;
    let outcome = send_to(port, PATIENT).await;
    assert_eq!(outcome.name, OutcomeName::Success);
    assert!(outcome.duration < Duration::from_secs(3), "{:?}", outcome.duration);
    assert!(received.recv().await.is_some() && received.try_recv().is_err());
}

#[tokio::test]
async fn odd_bytes_in_an_answer_do_not_fail_a_delivery() {
    let heads: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nx-name: \xff\xfe\r\ncontent-length: 3\r\n\r\n\0\xff\0",
        b"HTTP/1.1 200 OK\r\nno colon here\r\nx-bell: a\x07b\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 \xe9\xe9\r\nretry-after: \xff\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ];
    for head in heads {
        let (port, _received) = answering(head).await;
        assert_eq!(send_to(port, PATIENT).await.name, OutcomeName::Success, "{}", head.escape_ascii());
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_success_and_is_not_repeated() {
    let (port, mut received) = receiver(|stream| async move {
        drop(stream);
        None
    })
    .await;
    assert_eq!(send_to(port, PATIENT).await.name, OutcomeName::ConnectionLost);
    assert!(received.recv().await.is_some() && received.try_recv().is_err());
    let (port, _received) = answering("this is not HTTP\r\n\r\n").await;
    assert_eq!(send_to(port, PATIENT).await.name, OutcomeName::ConnectionLost);
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_costs_no_attempt() {
    let (port, mut received) = receiver(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok()?;
        None
    })
    .await;
    let sender = Sender::new(loopback()).expect("a client");
    let url = format!("http://127.0.0.1:{port}/");
    for _ in 0..20 {
        assert_eq!(send(&sender, &url, PATIENT).await.name, OutcomeName::Success);
        assert!(received.recv().await.is_some() && received.try_recv().is_err());
        // Lets the close arrive, as it has when the next delivery comes along.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nobody_listening_is_a_failure_to_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    assert_eq!(send_to(port, PATIENT).await.name, OutcomeName::ConnectFailed);
    let sender = Sender::new(loopback()).expect("a client");
    assert_eq!(send(&sender, "http://nowhere.invalid/", PATIENT).await.name, OutcomeName::ConnectFailed);
}

#[tokio::test]
async fn a_receiver_without_tls_is_a_tls_failure() {
    let sender = Sender::new(loopback()).expect("a client");
    let (port, _received) = receiver(|stream| async move { Some(stream) }).await;
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let plain_port = plain.local_addr().expect("bound").port();
    #[expect(clippy::disallowed_methods, reason = "ends with the runtime of its test")]
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.ok();
        }
    });
    let outcome = send(&sender, &format!("https://127.0.0.1:{plain_port}/"), PATIENT).await;
    assert_eq!(outcome.name, OutcomeName::TlsFailed);
    let silent = send(&sender, &format!("https://127.0.0.1:{port}/"), Duration::from_millis(300)).await;
    assert_eq!(silent.name, OutcomeName::TimedOut);
}

#[tokio::test]
async fn private_addresses_are_refused_unless_allowed() {
    let (port, mut received) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let closed = Sender::new(AddressPolicy::default()).expect("a client");
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"] {
        let outcome = send(&closed, &format!("http://{host}:{port}/"), PATIENT).await;
        assert_eq!((outcome.name, outcome.status), (OutcomeName::AddressRefused, None), "{host}");
    }
    assert!(received.try_recv().is_err());
    let open = Sender::new(loopback()).expect("a client");
    for host in ["127.0.0.1", "localhost", "2130706433"] {
        let outcome = send(&open, &format!("http://{host}:{port}/"), PATIENT).await;
        assert_eq!(outcome.name, OutcomeName::Success, "{host}");
    }
}
