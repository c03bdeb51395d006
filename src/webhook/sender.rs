//! One POST, and what came of it.
//!
//! - One deadline bounds the whole attempt: name, connection, TLS, request, head and body of the answer.
//! - The head decides. The body is read only so that the connection can be used again, to 16 KiB and for a second.
//! - Redirects are not followed, the environment's proxies are not used, no cookie is kept.
//! - The client repeats a request by itself only where its bytes provably never left (a pooled connection that was
//!   already closed) or the receiver said that it did not look at it (HTTP/2 refusals).
//!
//! Never here: retries, a log line with a query, a body or a secret. Read next: `webhook/target.rs`.

pub(super) mod answer;

use std::error::Error as _;
use std::io;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, Url, redirect};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::signature::{Secret, sign};
use super::target::{AddressPolicy, AddressRefused, Resolver};
use crate::domain::{Moment, Outcome, OutcomeName, REPLY_BYTES_MAX};

/// How much of an answer's body is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// How long reading on is worth a connection.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// Below the 4 to 5 s after which common servers close idle connections, so that we close first.
const POOL_IDLE_MAX: Duration = Duration::from_secs(3);
/// Bounds a connection that is still being made when its request went out over another.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// As many as may be on their way at a time: with fewer, a busy endpoint would get a new connection for every other send.
const POOLED_PER_HOST_MAX: usize = 1_024;
/// Small windows: an answer that nobody reads stays with its sender.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// The HTTP client cannot be made, most likely because the machine has no root certificates.
#[derive(Debug, Error)]
#[error("the HTTP client for webhooks cannot be set up; are root certificates (ca-certificates) installed?")]
pub struct SenderError(#[source] reqwest::Error);

/// One attempt of a delivery.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub url: &'a Url,
    /// `webhook-id`: the same for every attempt of a delivery.
    pub id: &'a str,
    /// All of them sign.
    pub secrets: &'a [Secret],
    /// Signed and sent byte for byte.
    pub body: Vec<u8>,
    /// Bound on the whole attempt.
    pub timeout: Duration,
}

/// Sends to the addresses that one policy permits. Keep one for each distinct policy; a clone shares its connections.
#[derive(Clone, Debug)]
pub struct Sender {
    client: Client,
    policy: AddressPolicy,
}

impl Sender {
    /// # Errors
    /// When the machine's TLS set-up is unusable.
    pub fn new(policy: AddressPolicy) -> Result<Self, SenderError> {
        let client = Client::builder()
            .user_agent(concat!("cartwake/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Resolver(policy.clone()))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT_MAX)
            .pool_idle_timeout(POOL_IDLE_MAX)
            .pool_max_idle_per_host(POOLED_PER_HOST_MAX)
            .tcp_nodelay(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
            .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .build()
            .map_err(SenderError)?;
        Ok(Self { client, policy })
    }

    /// Makes exactly one attempt, signed as of `now`, and returns within the message's timeout.
    pub async fn send(&self, message: Message<'_>, now: Moment) -> Outcome {
        #[expect(clippy::disallowed_methods, reason = "measures the attempt and bounds it; `now` is what is signed")]
        let started = Instant::now();
        let outcome = self.attempt(message, now, started).await;
        Outcome { duration: started.elapsed(), ..outcome }
    }

    async fn attempt(&self, message: Message<'_>, now: Moment, started: Instant) -> Outcome {
        if let Err(refused) = self.policy.vet_literal(message.url) {
            return unanswered(address_refused(message.id, &refused));
        }
        let deadline = started + message.timeout;
        let (id, host) = (message.id, message.url.host_str().unwrap_or_default());
        match timeout_at(deadline, self.post(message, now)).await {
            Err(_) => unanswered(OutcomeName::TimedOut),
            Ok(Err(error)) => unanswered(why_unanswered(id, host, error)),
            Ok(Ok(response)) => {
                let status = response.status().as_u16();
                let retry_after = answer::retry_after(response.headers(), now);
                let mut reply = answer::reply(response.headers());
                reply.body = answer::text(&drain(response, deadline).await);
                Outcome {
                    name: answer::name(status, retry_after),
                    status: Some(status),
                    retry_after,
                    duration: Duration::ZERO,
                    reply: Some(reply),
                }
            }
        }
    }

    async fn post(&self, message: Message<'_>, now: Moment) -> Result<Response, reqwest::Error> {
        let timestamp_s = now.millis().div_euclid(1_000);
        let signature = sign(message.secrets, message.id, timestamp_s, &message.body);
        self.client
            .post(message.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signature)
            .body(message.body)
            .send()
            .await
    }
}

const fn unanswered(name: OutcomeName) -> Outcome {
    Outcome { name, status: None, retry_after: None, duration: Duration::ZERO, reply: None }
}

/// Reads a short body to its end; any other is dropped, and its connection with it. Gives its first bytes.
async fn drain(mut response: Response, deadline: Instant) -> Vec<u8> {
    let mut first = Vec::new();
    let is_long = response.content_length().is_some_and(|length| length > ANSWER_BYTES_MAX as u64);
    #[expect(clippy::disallowed_methods, reason = "bounds the reading of an answer that is thrown away")]
    let until = deadline.min(Instant::now() + DRAIN_MAX);
    let mut read = 0;
    while read < ANSWER_BYTES_MAX && !(is_long && first.len() >= REPLY_BYTES_MAX) {
        match timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                read += chunk.len();
                first.extend(chunk.iter().take(REPLY_BYTES_MAX - first.len()));
            }
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    first
}

fn address_refused(id: &str, refused: &AddressRefused) -> OutcomeName {
    tracing::warn!(delivery.id = id, "webhook not sent: {refused}");
    OutcomeName::AddressRefused
}

/// Names what went wrong below HTTP, and tells the operator, who has no other way to learn the cause.
fn why_unanswered(id: &str, host: &str, error: reqwest::Error) -> OutcomeName {
    // The URL may carry a token in its path or query.
    let error = error.without_url();
    let mut is_tls = false;
    let mut cause = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(refused) = source.downcast_ref::<AddressRefused>() {
            return address_refused(id, refused);
        }
        is_tls |= source.downcast_ref::<io::Error>().is_some_and(is_handshake_failure);
        cause = source.to_string();
        next = source.source();
    }
    if error.is_timeout() {
        return OutcomeName::TimedOut;
    }
    if is_tls && error.is_connect() {
        tracing::warn!(delivery.id = id, url.host = host, "webhook not sent: TLS with {host} failed: {cause}");
        return OutcomeName::TlsFailed;
    }
    tracing::debug!(delivery.id = id, url.host = host, "webhook without an answer from {host}: {cause}");
    if error.is_connect() || error.is_builder() { OutcomeName::ConnectFailed } else { OutcomeName::ConnectionLost }
}

/// The handshake reports what is no TLS, or not trusted, as invalid data; TCP itself never does.
fn is_handshake_failure(error: &io::Error) -> bool {
    // An I/O error made of another one is skipped by `source()`.
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        || inner.is_some_and(is_handshake_failure)
}

#[cfg(test)]
mod tests;
