//! The connections to one server: one for each runtime that asks, up to a bound.
//!
//! A lost connection is made anew by the next exchange. Never here: which server to ask, repeats, timeouts; the caller
//! bounds every exchange and gives up a connection that swallowed one.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};
use tokio::runtime::{Handle, Id};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::address::Host;

/// One server and our connections to it.
pub struct Node {
    pub host: Host,
    client: Client,
    timeout: Duration,
    links_max: usize,
    /// Whether a new connection is first asked if this is a primary: a demoted one answers reads with old news.
    must_be_primary: bool,
    links: RwLock<Vec<Link>>,
    /// Cancelled when another has taken its place; none where that cannot happen.
    retired: Option<CancellationToken>,
}

/// The connection of one runtime: its driver runs there, so that an exchange crosses no thread where it need not.
struct Link {
    runtime: Option<Id>,
    line: Line,
}

/// One connection, made when first used.
pub type Line = Arc<OnceCell<MultiplexedConnection>>;

impl Node {
    pub fn new(host: Host, client: Client, timeout: Duration, links_max: usize, must_be_primary: bool) -> Self {
        Self {
            host,
            client,
            timeout,
            links_max,
            must_be_primary,
            links: RwLock::default(),
            retired: must_be_primary.then(CancellationToken::new),
        }
    }

    /// Another has taken its place: what it answers from now on is not to be believed, for it may be thrown away.
    pub fn retire(&self) {
        if let Some(retired) = &self.retired {
            retired.cancel();
        }
    }

    /// Returns when another has taken its place.
    pub async fn replaced(&self) {
        match &self.retired {
            Some(retired) => retired.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// An open connection on this line.
    pub async fn open(&self, line: &Line) -> RedisResult<MultiplexedConnection> {
        // Boxed, so that every other exchange does not carry the room for it.
        match line.get() {
            Some(connection) => Ok(connection.clone()),
            None => Box::pin(line.get_or_try_init(|| self.connect())).await.cloned(),
        }
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(self.timeout)).set_response_timeout(None);
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        if self.must_be_primary {
            let role = connection.send_packed_command(&redis::cmd("ROLE")).await?.extract_error()?;
            let is_primary = matches!(&role, Value::Array(parts) if matches!(parts.first(), Some(Value::BulkString(role)) if role == b"master"));
            if !is_primary {
                return Err((ErrorKind::Server(ServerErrorKind::ReadOnly), "not the primary any more").into());
            }
        }
        Ok(connection)
    }

    /// The line of this runtime; of the first one where there are no more to be had.
    pub fn line(&self) -> Line {
        let runtime = Handle::try_current().ok().map(|handle| handle.id());
        {
            let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
            let own = links.iter().find(|link| link.runtime == runtime);
            let shared = || links.first().filter(|_| links.len() >= self.links_max);
            if let Some(link) = own.or_else(shared) {
                return Arc::clone(&link.line);
            }
        }
        let line = Line::default();
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        links.push(Link { runtime, line: Arc::clone(&line) });
        line
    }

    /// The next exchange connects anew.
    pub fn give_up(&self, line: &Line) {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.iter_mut().find(|link| Arc::ptr_eq(&link.line, line)) {
            link.line = Line::default();
        }
    }
}

/// One command and its answer; with `asking`, also by a server that is only about to get the slot.
pub async fn ask(connection: &mut MultiplexedConnection, command: &Cmd, asking: bool) -> RedisResult<Value> {
    if !asking {
        return connection.send_packed_command(command).await?.extract_error();
    }
    // In one piece: another task's command in between would take the permission for itself.
    let mut pipeline = redis::Pipeline::with_capacity(2);
    pipeline.add_command(redis::cmd("ASKING")).add_command(command.clone());
    let answers = connection.send_packed_commands(&pipeline, 0, 2).await?;
    answers.into_iter().next_back().unwrap_or(Value::Nil).extract_error()
}
