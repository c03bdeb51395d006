//! One HTTP client of the cart API, patient within bounds.
//!
//! 429 and 503 are tried again when the server says so, a broken connection a few times, always with the same
//! idempotency key: the server applies the operation once however often it hears it.

use std::fmt;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, Url};
use serde_json::Value;
use thiserror::Error;

use super::operation::{Kind, Operation};

const BUSY_TRIES_MAX: u32 = 8;
const CONNECT_TRIES_MAX: u32 = 5;
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// An API key. `Debug` hides it.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// Wraps a key.
    #[must_use]
    pub const fn new(key: String) -> Self {
        Self(key)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Whether it changed anything, where the answer says so.
    pub applied: Option<bool>,
    /// The problem's title, of a refusal.
    pub problem: Option<String>,
    /// How often it had to be asked again.
    pub retries: u32,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum SendError {
    #[error("the server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("an advance line needs the operations address (--ops) and an admin key")]
    OpsUnknown,
    #[error("the address cannot carry a path")]
    BadAddress,
}

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    to: Url,
    key: ApiKey,
    ops: Option<(Url, ApiKey)>,
}

impl Client {
    /// A client that sends to these addresses with these keys.
    ///
    /// # Errors
    /// When no HTTP client can be made on this machine.
    pub fn new(to: Url, ops: Option<Url>, key: ApiKey, admin_key: Option<ApiKey>) -> Result<Self, SendError> {
        let http = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(SendError::Unreachable)?;
        Ok(Self { http, to, key, ops: ops.zip(admin_key) })
    }

    /// Sends an operation until there is an answer that is not "later"; the last one it got, at the bound.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn send(&self, operation: &Operation, idempotency_key: &str) -> Result<Answer, SendError> {
        let (mut busy, mut broken) = (0, 0);
        loop {
            match self.once(operation, idempotency_key).await {
                Ok(response) if is_busy(&response) && busy < BUSY_TRIES_MAX => {
                    let wait = retry_after(&response);
                    busy += 1;
                    tokio::time::sleep(wait).await;
                }
                Ok(response) => return Ok(read(response, busy + broken).await),
                Err(SendError::Unreachable(_)) if broken < CONNECT_TRIES_MAX => {
                    tokio::time::sleep(Duration::from_millis(100 << broken)).await;
                    broken += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn once(&self, operation: &Operation, idempotency_key: &str) -> Result<Response, SendError> {
        let (base, key) = match operation.kind {
            Kind::Advance => self.ops.as_ref().map(|(url, key)| (url, key)).ok_or(SendError::OpsUnknown)?,
            Kind::Put | Kind::Patch | Kind::Signal | Kind::Reason | Kind::Order | Kind::Dismiss | Kind::Delete => {
                (&self.to, &self.key)
            }
        };
        let (method, path) = operation.route();
        let mut url = base.clone();
        url.path_segments_mut().map_err(|()| SendError::BadAddress)?.pop_if_empty().extend(path);
        let mut request = self
            .http
            .request(method, url)
            .header(AUTHORIZATION, format!("Bearer {}", key.0))
            .header("idempotency-key", idempotency_key);
        if let Some(body) = &operation.body {
            let media = if operation.kind == Kind::Patch { "application/merge-patch+json" } else { "application/json" };
            request = request.header(CONTENT_TYPE, media).body(body.to_string());
        }
        request.send().await.map_err(|error| SendError::Unreachable(error.without_url()))
    }
}

fn is_busy(response: &Response) -> bool {
    matches!(response.status().as_u16(), 429 | 503)
}

fn retry_after(response: &Response) -> Duration {
    let said = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    said.map_or(Duration::from_secs(1), Duration::from_secs).min(RETRY_AFTER_MAX)
}

/// An answer whose body cannot be read still has its status.
async fn read(response: Response, retries: u32) -> Answer {
    let status = response.status();
    let body: Value = match response.bytes().await {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Err(_) => Value::Null,
    };
    let text = |field| body.get(field).and_then(Value::as_str).map(str::to_owned);
    let problem = (!status.is_success()).then(|| text("title").or_else(|| text("type")).unwrap_or_default());
    Answer { status: status.as_u16(), applied: body.get("applied").and_then(Value::as_bool), problem, retries }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const LATER: &str = "HTTP/1.1 503 Later\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const TAKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 18\r\nconnection: close\r\n\r\n{\"applied\": false}";

    /// Answers one connection after the other by script, an empty one by hanging up; gives the request heads.
    async fn server(script: Vec<&'static str>) -> (Url, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address")).parse().expect("a URL");
        #[expect(clippy::disallowed_methods, reason = "the test waits for its end")]
        let serving = tokio::spawn(async move {
            let mut heard = Vec::new();
            for answer in script {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut buffer = vec![0; 4_096];
                let read = stream.read(&mut buffer).await.expect("a request");
                heard.push(String::from_utf8_lossy(&buffer[..read]).into_owned());
                stream.write_all(answer.as_bytes()).await.expect("an answer is written");
            }
            heard
        });
        (url, serving)
    }

    #[tokio::test]
    async fn later_and_a_broken_connection_are_tried_again_under_the_same_key() {
        let (url, serving) = server(vec![LATER, "", TAKEN]).await;
        let client = Client::new(url, None, ApiKey::new("k".to_owned()), None).expect("a client");
        let operation = Operation::new(0, Kind::Signal, "a b", json!({"kind": "chat_opened"}));
        let answer = client.send(&operation, "key-1").await.expect("an answer in the end");
        assert_eq!(answer, Answer { status: 200, applied: Some(false), problem: None, retries: 2 });
        let heard = serving.await.expect("the server ends");
        assert_eq!(heard.len(), 3);
        for head in heard {
            assert!(head.starts_with("POST /v1/carts/a%20b/signals "), "{head}");
            assert!(head.contains("idempotency-key: key-1") && head.contains("authorization: Bearer k"), "{head}");
        }
    }

    #[tokio::test]
    async fn an_advance_line_without_an_operations_address_is_an_error() {
        let to = "http://127.0.0.1:9".parse().expect("a URL");
        let client = Client::new(to, None, ApiKey::new("k".to_owned()), None).expect("a client");
        let operation = Operation::new(0, Kind::Advance, "", json!({}));
        assert!(matches!(client.send(&operation, "key").await, Err(SendError::OpsUnknown)));
    }
}
