//! The way to Redis: a few multiplexed connections, one for each runtime that asks, and a bound on every exchange.
//!
//! Nothing above this file knows what kind of connection there is. A client of a Redis Cluster fits in here unchanged: no
//! command of ours spans two slots outside of a script, and what [`Connections::read_all`] is given may go anywhere.
//! Never here: keys, records, retries of writes.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::anyhow;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError,
    RedisResult,
};
use redis::{ServerErrorKind, Value};
use tokio::runtime::{Handle, Id};
use tokio::sync::OnceCell;

use super::script::Script;
use crate::store::{StoreError, StoreResult};

/// How often a script is made known again within one call.
const LOADS_MAX: u32 = 3;

/// The connections of one store. A lost one is made anew by the next exchange.
pub struct Connections {
    client: Client,
    timeout: Duration,
    links_max: usize,
    links: RwLock<Vec<Link>>,
}

/// The connection of one runtime: its driver runs there, so that an exchange crosses no thread where it need not.
struct Link {
    runtime: Option<Id>,
    line: Line,
}

type Line = Arc<OnceCell<MultiplexedConnection>>;

/// Without Nagle's algorithm: a command that waits for the acknowledgement of the one before it waits 40 ms.
fn open(url: &str) -> RedisResult<Client> {
    let info = url.into_connection_info()?;
    Client::open(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

impl Connections {
    /// At most `links_max` connections; each exchange, connecting included, ends within `timeout`.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the url is none.
    pub fn new(url: &str, timeout: Duration, links_max: usize) -> StoreResult<Self> {
        let client = open(url).map_err(|_| {
            StoreError::Unusable("[store] url is no Redis address; write it as redis://host:6379/0.".to_owned())
        })?;
        Ok(Self { client, timeout, links_max: links_max.max(1), links: RwLock::default() })
    }

    /// The answer to a command that changes nothing; asked again once when the connection turns out to be lost.
    pub async fn read<T: FromRedisValue>(&self, command: &Cmd) -> StoreResult<T> {
        let reply = match self.send(command).await {
            Err(Failure::Lost(_)) => self.send(command).await,
            reply => reply,
        };
        parse(reply?)
    }

    /// The answers to commands that change nothing and do not depend on each other, in their order.
    pub async fn read_all<T: FromRedisValue>(&self, commands: Vec<Cmd>) -> StoreResult<Vec<T>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command);
        }
        let replies = match self.send_all(&pipeline).await {
            Err(Failure::Lost(_)) => self.send_all(&pipeline).await,
            replies => replies,
        };
        replies?.into_iter().map(parse).collect()
    }

    /// The answer to a command that writes. Sent once: after [`StoreError::Unavailable`] it may have happened.
    pub async fn write<T: FromRedisValue>(&self, command: &Cmd) -> StoreResult<T> {
        parse(self.send(command).await?)
    }

    /// The answer of a script, which Redis is told first where it does not know it.
    pub async fn run<T: FromRedisValue>(&self, script: &Script, call: &Cmd) -> StoreResult<T> {
        for _ in 0..LOADS_MAX {
            match self.send(call).await {
                Err(Failure::UnknownScript) => self.send(&script.load()).await?,
                reply => return parse(reply?),
            };
        }
        Err(Failure::UnknownScript.into())
    }

    /// The answers of scripts to calls that do not depend on each other, in their order, for the wait of one.
    pub async fn run_all<T: FromRedisValue>(&self, calls: &[(&Script, Cmd)]) -> Vec<StoreResult<T>> {
        let mut pipeline = Pipeline::with_capacity(calls.len());
        pipeline.ignore_errors();
        for (_, call) in calls {
            pipeline.add_command(call.clone());
        }
        let replies = match self.send_all(&pipeline).await {
            Ok(replies) => replies,
            Err(failure) => {
                let why = StoreError::from(failure).to_string();
                return calls.iter().map(|_| Err(StoreError::Unavailable(anyhow!(why.clone())))).collect();
            }
        };
        let mut answers = Vec::with_capacity(calls.len());
        for ((script, call), reply) in calls.iter().zip(replies) {
            answers.push(match reply.extract_error().map_err(Failure::of) {
                Ok(reply) => parse(reply),
                Err(Failure::UnknownScript) => self.run(script, call).await,
                Err(failure) => Err(failure.into()),
            });
        }
        answers
    }

    async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        self.exchange(async |mut connection| connection.send_packed_command(command).await?.extract_error()).await
    }

    async fn send_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Failure> {
        self.exchange(async |mut connection| pipeline.query_async(&mut connection).await).await
    }

    async fn exchange<T>(&self, work: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>) -> Result<T, Failure> {
        let line = self.line();
        let exchange = async {
            let connection = line.get_or_try_init(|| self.connect()).await?;
            work(connection.clone()).await
        };
        let failure = match tokio::time::timeout(self.timeout, exchange).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => Failure::of(error),
            Err(_) => Failure::TimedOut(self.timeout),
        };
        // A connection that swallows commands is as good as lost: without this it would take TCP minutes to notice.
        if matches!(failure, Failure::Lost(_) | Failure::TimedOut(_)) {
            self.give_up(&line);
        }
        Err(failure)
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(self.timeout)).set_response_timeout(None);
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// The connection of this runtime; of the first one where there are no more to be had.
    fn line(&self) -> Line {
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

    fn give_up(&self, line: &Line) {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.iter_mut().find(|link| Arc::ptr_eq(&link.line, line)) {
            link.line = Line::default();
        }
    }
}

/// Why an exchange failed, by what is to be done.
enum Failure {
    Lost(RedisError),
    TimedOut(Duration),
    UnknownScript,
    Refused(RedisError),
}

impl Failure {
    fn of(error: RedisError) -> Self {
        if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) {
            Self::UnknownScript
        } else if error.is_io_error()
            || error.is_unrecoverable_error()
            // We are connected to what has become a replica.
            || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
        {
            Self::Lost(error)
        } else {
            Self::Refused(error)
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost(error) => Self::Unavailable(error.into()),
            Failure::TimedOut(after) => Self::Unavailable(anyhow!("no answer within {} ms", after.as_millis())),
            Failure::UnknownScript => Self::Unavailable(anyhow!("scripts are flushed as fast as they are loaded")),
            Failure::Refused(error) => refused(error),
        }
    }
}

fn refused(error: RedisError) -> StoreError {
    match error.code() {
        Some("OOM") => StoreError::Full,
        Some("NOAUTH" | "WRONGPASS") => StoreError::Unusable(
            "Redis refuses the login; put the user and password into [store] url: redis://user:password@host:6379/0."
                .to_owned(),
        ),
        Some("NOPERM") => lacks_rights(),
        // Of a command within a script.
        _ if error.detail().is_some_and(|text| text.contains("user executing the script")) => lacks_rights(),
        _ if error.kind() == ErrorKind::AuthenticationFailed => {
            StoreError::Unusable("Redis refuses the login; check the user and password in [store] url.".to_owned())
        }
        _ => StoreError::Unavailable(error.into()),
    }
}

fn lacks_rights() -> StoreError {
    StoreError::Unusable(
        "The Redis user may not do what cartwake needs; docs/redis.md has the line for its ACL.".to_owned(),
    )
}

fn parse<T: FromRedisValue>(reply: Value) -> StoreResult<T> {
    redis::from_redis_value(reply).map_err(|error| StoreError::Unavailable(error.into()))
}
