//! The way to Redis: each command to the server that has its key, and a bound on every exchange.
//!
//! Nothing above this file knows what kind of connection there is. What a server refused to do is asked of the right one,
//! or again, until the time is up; a write whose answer was lost is never sent again. No command of ours spans two slots;
//! what [`Connections::read_all`] is given may go anywhere. Never here: keys, records. Read next: `redis/routes.rs`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use futures_util::future::{join_all, try_join_all};
use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::node::{self, Node};
use super::routes::{Route, Routes, slot_of};
use super::script::Script;
use crate::store::{StoreError, StoreResult};

/// How often one call is sent on, repeated or its script made known: a bound beside the time.
const TRIES_MAX: u32 = 200;
/// Between two looks whether a server is ready, or another has taken over.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// The connections of one store.
pub struct Connections {
    routes: Routes,
    timeout: Duration,
}

/// What is sent, and what may be done when its answer is lost.
#[derive(Clone, Copy)]
struct Call<'a> {
    command: &'a Cmd,
    /// Made known to a server that does not know it.
    script: Option<&'a Script>,
    /// Changes nothing, so it may be asked twice.
    is_read: bool,
}

impl Connections {
    /// At most `links_max` connections to a server; each call, connecting included, ends within `timeout`.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the url is none.
    pub fn new(url: &str, tls_ca: Option<Vec<u8>>, timeout: Duration, links_max: usize) -> StoreResult<Self> {
        let address =
            Address::parse(url).map_err(|sentence| StoreError::Unusable(format!("[store] url {sentence}.")))?;
        Ok(Self { routes: Routes::new(address, tls_ca, timeout, links_max.max(1)), timeout })
    }

    /// Whether these are the servers of a cluster.
    pub fn is_cluster(&self) -> bool {
        self.routes.is_cluster()
    }

    /// The answer to a command that changes nothing.
    pub async fn read<T: FromRedisValue>(&self, command: &Cmd) -> StoreResult<T> {
        parse(self.within(self.insist(Call { command, script: None, is_read: true }, self.deadline())).await?)
    }

    /// The answers to commands that change nothing and do not depend on each other, in their order.
    pub async fn read_all<T: FromRedisValue>(&self, commands: Vec<Cmd>) -> StoreResult<Vec<T>> {
        let deadline = self.deadline();
        let mut groups: Vec<(Arc<Node>, Vec<usize>)> = Vec::new();
        for (index, command) in commands.iter().enumerate() {
            let route = timeout_at(deadline, self.routes.of(slot_of(command))).await;
            let Ok(Ok(Route { node, .. })) = route else { continue };
            match groups.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &node)) {
                Some((_, indices)) => indices.push(index),
                None => groups.push((node, vec![index])),
            }
        }
        let asked = groups.iter().map(|(node, indices)| self.ask_group(node, indices, &commands, deadline));
        let mut answers: Vec<Option<Value>> = vec![None; commands.len()];
        for ((_, indices), values) in groups.iter().zip(join_all(asked).await) {
            for (&index, value) in indices.iter().zip(values.unwrap_or_default()) {
                answers[index] = value.extract_error().ok();
            }
        }
        // What was not answered is asked alone: its key may have moved, its server may be gone.
        let rest = commands.iter().zip(answers).map(async |(command, answer)| match answer {
            Some(answer) => Ok(answer),
            None => self.within(self.insist(Call { command, script: None, is_read: true }, deadline)).await,
        });
        try_join_all(rest).await?.into_iter().map(parse).collect()
    }

    /// The answer to a command that writes. Sent once: after [`StoreError::Unavailable`] it may have happened.
    pub async fn write<T: FromRedisValue>(&self, command: &Cmd) -> StoreResult<T> {
        parse(self.within(self.insist(Call { command, script: None, is_read: false }, self.deadline())).await?)
    }

    /// The answer of a script, which a server is told first where it does not know it. Sent once, as any write.
    pub async fn run<T: FromRedisValue>(&self, script: &Script, call: &Cmd) -> StoreResult<T> {
        let call = Call { command: call, script: Some(script), is_read: false };
        parse(self.within(self.insist(call, self.deadline())).await?)
    }

    /// The answers of every master to a command that changes nothing.
    pub async fn read_everywhere<T: FromRedisValue>(&self, command: &Cmd) -> StoreResult<Vec<T>> {
        let deadline = self.deadline();
        let nodes = match timeout_at(deadline, self.routes.all()).await {
            Ok(nodes) => nodes.map_err(|error| StoreError::from(Failure::of(error)))?,
            Err(_) => return Err(Failure::TimedOut(self.timeout).into()),
        };
        let mut answers = Vec::with_capacity(nodes.len());
        for node in nodes {
            let mut answer = self.exchange(&node, command, false, deadline).await;
            if matches!(answer, Err(Failure::Lost { .. })) {
                answer = self.exchange(&node, command, false, deadline).await;
            }
            answers.push(parse(answer?)?);
        }
        Ok(answers)
    }

    fn deadline(&self) -> Instant {
        self.deadline_from(Instant::now())
    }

    fn deadline_from(&self, now: Instant) -> Instant {
        now + self.timeout
    }

    async fn within(&self, work: impl Future<Output = Result<Value, Failure>>) -> Result<Value, StoreError> {
        work.await.map_err(StoreError::from)
    }

    /// One call, sent on and repeated as far as that is safe, until `deadline`.
    async fn insist(&self, call: Call<'_>, deadline: Instant) -> Result<Value, Failure> {
        let slot = slot_of(call.command);
        let mut redirected: Option<Arc<Node>> = None;
        let mut losses = 0;
        let mut last = Failure::TimedOut(self.timeout);
        for _ in 0..TRIES_MAX {
            let (node, asking, generation) = match redirected.take() {
                Some(node) => (node, true, None),
                None => match timeout_at(deadline, self.routes.of(slot)).await {
                    Ok(Ok(Route { node, generation })) => (node, false, Some(generation)),
                    Ok(Err(error)) => {
                        last = Failure::of(error);
                        self.pause(deadline).await.map_err(|()| last.again(self.timeout))?;
                        continue;
                    }
                    Err(_) => return Err(last),
                },
            };
            let failure = match self.exchange(&node, call.command, asking, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match &failure {
                Failure::UnknownScript => {
                    let Some(script) = call.script else { return Err(failure) };
                    self.exchange(&node, &script.load(), false, deadline).await?;
                }
                Failure::Elsewhere { host, only_ask: true } => {
                    redirected = Some(self.routes.named(host, &node).map_err(Failure::of)?);
                }
                Failure::Elsewhere { .. } => self.learn(generation, deadline).await,
                Failure::NotNow(_) => {
                    self.learn(generation, deadline).await;
                    if self.pause(deadline).await.is_err() {
                        return Err(failure);
                    }
                }
                Failure::Lost { was_sent, .. } => {
                    losses += 1;
                    let is_safe = call.is_read || !was_sent;
                    // One server that is down is told at once; of several, another takes over.
                    if !is_safe || (losses > 1 && !self.routes.may_move()) {
                        return Err(failure);
                    }
                    if losses > 1 || self.routes.may_move() {
                        self.learn(generation, deadline).await;
                    }
                    if losses > 1 && self.pause(deadline).await.is_err() {
                        return Err(failure);
                    }
                }
                Failure::TimedOut(_) | Failure::Refused(_) => {
                    if matches!(failure, Failure::TimedOut(_)) {
                        self.routes.distrust(generation);
                    }
                    return Err(failure);
                }
            }
            last = failure;
        }
        Err(last)
    }

    /// What cannot be learnt now is tried with the old routes.
    async fn learn(&self, generation: Option<u64>, deadline: Instant) {
        if let Some(generation) = generation.filter(|_| self.routes.may_move()) {
            drop(timeout_at(deadline, self.routes.learn(generation)).await);
        }
    }

    async fn pause(&self, deadline: Instant) -> Result<(), ()> {
        timeout_at(deadline, tokio::time::sleep(LOOK_EVERY)).await.map_err(|_| ())
    }

    async fn ask_group(
        &self,
        node: &Arc<Node>,
        indices: &[usize],
        commands: &[Cmd],
        deadline: Instant,
    ) -> Result<Vec<Value>, Failure> {
        let mut pipeline = Pipeline::with_capacity(indices.len());
        for &index in indices {
            pipeline.add_command(commands[index].clone());
        }
        self.bounded(node, deadline, async |mut connection| {
            connection.send_packed_commands(&pipeline, 0, indices.len()).await
        })
        .await
    }

    async fn exchange(
        &self,
        node: &Arc<Node>,
        command: &Cmd,
        asking: bool,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        self.bounded(node, deadline, async |mut connection| node::ask(&mut connection, command, asking).await).await
    }

    async fn bounded<T>(
        &self,
        node: &Arc<Node>,
        deadline: Instant,
        work: impl AsyncFnOnce(redis::aio::MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Failure> {
        let line = node.line();
        let mut was_sent = false;
        let exchange = async {
            let connection = node.open(&line).await?;
            was_sent = true;
            work(connection).await
        };
        let failure = match timeout_at(deadline, exchange).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => match Failure::of(error) {
                Failure::Lost { error, .. } => Failure::Lost { error, was_sent },
                other => other,
            },
            Err(_) => Failure::TimedOut(self.timeout),
        };
        // A connection that swallows commands is as good as lost: without this it would take TCP minutes to notice.
        // One to what has become a replica leads nowhere.
        if matches!(failure, Failure::Lost { .. } | Failure::TimedOut(_) | Failure::NotNow(_)) {
            node.give_up(&line);
        }
        Err(failure)
    }
}

/// Why an exchange failed, by what is to be done.
enum Failure {
    /// The connection; a command that was sent may have happened.
    Lost { error: RedisError, was_sent: bool },
    TimedOut(Duration),
    UnknownScript,
    /// Not done here: `host` has the slot, or is about to get it.
    Elsewhere { host: String, only_ask: bool },
    /// Not done, and may be done a little later, here or by who takes over.
    NotNow(RedisError),
    Refused(RedisError),
}

impl Failure {
    fn of(error: RedisError) -> Self {
        if let ErrorKind::Server(kind) = error.kind() {
            let elsewhere = |only_ask| error.redirect_node().map(|(host, _)| Self::Elsewhere { host: host.to_owned(), only_ask });
            let known = match kind {
                ServerErrorKind::NoScript => Some(Self::UnknownScript),
                ServerErrorKind::Moved => elsewhere(false),
                ServerErrorKind::Ask => elsewhere(true),
                _ => None,
            };
            if let Some(known) = known {
                return known;
            }
            if is_not_now(kind) {
                return Self::NotNow(error);
            }
        }
        if error.is_io_error() || error.is_unrecoverable_error() {
            Self::Lost { error, was_sent: true }
        } else {
            Self::Refused(error)
        }
    }

    /// As the failure of a call whose time is up.
    fn again(&self, after: Duration) -> Self {
        match self {
            Self::Lost { error, was_sent } => Self::Lost { error: error.clone(), was_sent: *was_sent },
            Self::NotNow(error) => Self::NotNow(error.clone()),
            Self::Refused(error) => Self::Refused(error.clone()),
            Self::UnknownScript | Self::TimedOut(_) | Self::Elsewhere { .. } => Self::TimedOut(after),
        }
    }
}

/// Refused before anything was done.
fn is_not_now(kind: ServerErrorKind) -> bool {
    [
        ServerErrorKind::TryAgain,
        ServerErrorKind::ClusterDown,
        ServerErrorKind::BusyLoading,
        ServerErrorKind::MasterDown,
        ServerErrorKind::ReadOnly,
    ]
    .contains(&kind)
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost { error, .. } | Failure::NotNow(error) => Self::Unavailable(error.into()),
            Failure::TimedOut(after) => Self::Unavailable(anyhow!("no answer within {} ms", after.as_millis())),
            Failure::UnknownScript => Self::Unavailable(anyhow!("scripts are flushed as fast as they are loaded")),
            Failure::Elsewhere { .. } => Self::Unavailable(anyhow!("sent from one server to the next")),
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
