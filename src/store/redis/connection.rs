//! The way to Redis: each command to the server that has its key, and a bound on every exchange.
//!
//! Nothing above this file knows what kind of connection there is. What a server refused to do is asked of the right one,
//! or again, until the time is up; a write whose answer was lost is never sent again. No command of ours spans two slots;
//! what [`Connections::read_all`] and [`Connections::run_all`] are given may go anywhere. Never here: keys, records. Read
//! next: `redis/routes.rs`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, Value};
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::failure::Failure;
use super::node::{self, Node};
use super::routes::{Route, Routes, slot_of};
use super::script::Script;
use crate::store::{StoreError, StoreResult};

/// How often one call is sent on or repeated: a bound beside the time.
const TRIES_MAX: u32 = 2_000;
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

impl<'a> Call<'a> {
    fn reads(command: &'a Cmd) -> Self {
        Self { command, script: None, is_read: true }
    }

    fn may_follow(self, failure: &Failure) -> bool {
        failure.is_harmless() || (self.is_read && matches!(failure, Failure::Lost { .. }))
    }
}

/// Where a call goes next.
struct Way {
    node: Arc<Node>,
    /// Of the map that led here; none when an answer did.
    generation: Option<u64>,
    /// To a server that is only about to get the slot.
    asking: bool,
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

    /// Notices that sentinels named another primary, also while the old one answers.
    pub async fn look_around(&self) {
        self.routes.look_around().await;
    }

    /// Whether these are the servers of a cluster.
    pub fn is_cluster(&self) -> bool {
        self.routes.is_cluster()
    }

    /// The answer to a command that changes nothing.
    pub async fn read<T: FromRedisValue>(&self, command: &Cmd) -> StoreResult<T> {
        parse(self.insist(Call::reads(command), self.deadline()).await?)
    }

    /// The answers to commands that change nothing and do not depend on each other, in their order.
    pub async fn read_all<T: FromRedisValue>(&self, commands: Vec<Cmd>) -> StoreResult<Vec<T>> {
        let calls: Vec<Call<'_>> = commands.iter().map(Call::reads).collect();
        self.each(&calls).await.into_iter().map(|answer| parse(answer?)).collect()
    }

    /// The same, each with an answer of its own: a server that is down takes no other's with it.
    pub async fn read_each<T: FromRedisValue>(&self, commands: Vec<Cmd>) -> Vec<StoreResult<T>> {
        let calls: Vec<Call<'_>> = commands.iter().map(Call::reads).collect();
        self.each(&calls).await.into_iter().map(|answer| parse(answer?)).collect()
    }

    /// The same, without the answers of servers that are down, unless all are.
    pub async fn read_those_up<T: FromRedisValue>(&self, commands: Vec<Cmd>) -> StoreResult<Vec<Option<T>>> {
        let mut failed = None;
        let answers =
            self.read_each(commands).await.into_iter().map(|answer| answer.map_err(|e| failed = Some(e)).ok());
        let answers: Vec<Option<T>> = answers.collect();
        match failed {
            Some(error) if answers.iter().all(Option::is_none) => Err(error),
            _ => Ok(answers),
        }
    }

    /// The answer to a command that writes. Sent once: after [`StoreError::Unavailable`] it may have happened.
    pub async fn write<T: FromRedisValue>(&self, command: &Cmd) -> StoreResult<T> {
        parse(self.insist(Call { command, script: None, is_read: false }, self.deadline()).await?)
    }

    /// The answer of a script, which a server is told first where it does not know it. Sent once, as any write.
    pub async fn run<T: FromRedisValue>(&self, script: &Script, call: &Cmd) -> StoreResult<T> {
        let call = Call { command: call, script: Some(script), is_read: false };
        parse(self.insist(call, self.deadline()).await?)
    }

    /// The answers of scripts to calls that do not depend on each other, in their order, for the wait of one.
    pub async fn run_all<T: FromRedisValue>(&self, calls: &[(&Script, Cmd)]) -> Vec<StoreResult<T>> {
        let writes = calls.iter().map(|(script, command)| Call { command, script: Some(*script), is_read: false });
        self.each(&writes.collect::<Vec<_>>()).await.into_iter().map(|answer| parse(answer?)).collect()
    }

    /// The same of scripts that change nothing; all of the answers, or none.
    pub async fn read_by<T: FromRedisValue>(&self, calls: &[(&Script, Cmd)]) -> StoreResult<Vec<T>> {
        let reads = calls.iter().map(|(script, command)| Call { command, script: Some(*script), is_read: true });
        self.each(&reads.collect::<Vec<_>>()).await.into_iter().map(|answer| parse(answer?)).collect()
    }

    /// The answer of each master to a command that changes nothing.
    pub async fn read_everywhere<T: FromRedisValue>(&self, command: &Cmd) -> StoreResult<Vec<StoreResult<T>>> {
        let deadline = self.deadline();
        let nodes = match timeout_at(deadline, self.routes.all()).await {
            Ok(nodes) => nodes.map_err(Failure::of)?,
            Err(_) => return Err(Failure::TimedOut(self.timeout).into()),
        };
        let asked = nodes.iter().map(async |node| {
            let call = Call::reads(command);
            match self.exchange(node, call, false, deadline).await {
                Err(failure) if call.may_follow(&failure) => self.exchange(node, call, false, deadline).await,
                answer => answer,
            }
        });
        Ok(join_all(asked).await.into_iter().map(|answer| parse(answer?)).collect())
    }

    #[expect(clippy::disallowed_methods, reason = "bounds an exchange; nothing is decided by it")]
    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Calls that do not depend on each other: those of one server for the wait of one, and what that could not do alone.
    async fn each(&self, calls: &[Call<'_>]) -> Vec<Result<Value, Failure>> {
        let deadline = self.deadline();
        if let [call] = calls {
            return vec![self.insist(*call, deadline).await];
        }
        let mut groups: Vec<(Route, Vec<usize>)> = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            let Ok(Ok(route)) = timeout_at(deadline, self.routes.of(slot_of(call.command))).await else { continue };
            match groups.iter_mut().find(|(known, _)| Arc::ptr_eq(&known.node, &route.node)) {
                Some((_, indices)) => indices.push(index),
                None => groups.push((route, vec![index])),
            }
        }
        let asked = groups.iter().map(|(route, indices)| self.ask_group(route, indices, calls, deadline));
        let mut answers: Vec<Option<Result<Value, Failure>>> = vec![None; calls.len()];
        for ((_, indices), replies) in groups.iter().zip(join_all(asked).await) {
            for (&index, reply) in indices.iter().zip(replies) {
                answers[index] = Some(reply);
            }
        }
        let is_open = |(call, answer): &(&Call<'_>, &Option<Result<Value, Failure>>)| match answer {
            Some(Err(failure)) => call.may_follow(failure),
            Some(Ok(_)) => false,
            None => true,
        };
        let open: Vec<usize> =
            calls.iter().zip(&answers).enumerate().filter(|(_, one)| is_open(one)).map(|(index, _)| index).collect();
        let insisted = join_all(open.iter().map(|&index| self.insist(calls[index], deadline))).await;
        for (index, answer) in open.into_iter().zip(insisted) {
            answers[index] = Some(answer);
        }
        answers.into_iter().flatten().collect()
    }

    async fn ask_group(
        &self,
        route: &Route,
        indices: &[usize],
        calls: &[Call<'_>],
        deadline: Instant,
    ) -> Vec<Result<Value, Failure>> {
        let mut pipeline = Pipeline::with_capacity(indices.len());
        for &index in indices {
            pipeline.add_command(calls[index].command.clone());
        }
        let ask = async |mut connection: MultiplexedConnection| {
            connection.send_packed_commands(&pipeline, 0, indices.len()).await
        };
        match self.bounded(&route.node, deadline, ask).await {
            Ok(replies) => replies.into_iter().map(|reply| reply.extract_error().map_err(Failure::of)).collect(),
            Err(failure) => {
                if failure.shows_old_routes() {
                    self.routes.distrust(route.generation);
                }
                vec![Err(failure); indices.len()]
            }
        }
    }

    /// One call, sent on and repeated as far as that is safe, until `deadline`.
    async fn insist(&self, call: Call<'_>, deadline: Instant) -> Result<Value, Failure> {
        let slot = slot_of(call.command);
        let mut next: Option<Way> = None;
        let mut losses = 0;
        let mut last = Failure::TimedOut(self.timeout);
        for _ in 0..TRIES_MAX {
            let found = match next.take() {
                Some(way) => Ok(way),
                None => timeout_at(deadline, self.way_to(slot)).await.map_err(|_| last.clone())?,
            };
            let way = match found {
                Ok(way) => way,
                Err(failure) if failure.is_harmless() => {
                    self.pause(deadline).await.map_err(|()| failure.clone())?;
                    last = failure;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let failure = match self.exchange(&way.node, call, way.asking, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if let (true, Some(generation)) = (failure.shows_old_routes(), way.generation) {
                self.routes.distrust(generation);
            }
            losses += u32::from(matches!(failure, Failure::Lost { .. }));
            // One server that is down is told at once; of several, another takes over.
            if !call.may_follow(&failure) || (losses > 1 && !self.routes.may_move()) {
                return Err(failure);
            }
            if let Failure::Elsewhere { host, only_ask } = &failure {
                let node = self.routes.named(host, &way.node).map_err(Failure::of)?;
                next = Some(Way { node, generation: None, asking: *only_ask });
            } else if !matches!((&failure, losses), (Failure::Lost { .. }, 1) | (Failure::UnknownScript, _)) {
                self.pause(deadline).await.map_err(|()| failure.clone())?;
            }
            last = failure;
        }
        Err(last)
    }

    async fn way_to(&self, slot: u16) -> Result<Way, Failure> {
        let route = self.routes.of(slot).await.map_err(|error| Failure::of(error).before_sending())?;
        Ok(Way { node: route.node, generation: Some(route.generation), asking: false })
    }

    async fn pause(&self, deadline: Instant) -> Result<(), ()> {
        timeout_at(deadline, tokio::time::sleep(LOOK_EVERY)).await.map_err(|_| ())
    }

    /// One command to one server, and before it the script that this server does not know.
    async fn exchange(&self, node: &Node, call: Call<'_>, asking: bool, deadline: Instant) -> Result<Value, Failure> {
        let answer = self.ask(node, call.command, asking, deadline).await;
        let (Err(Failure::UnknownScript), Some(script)) = (&answer, call.script) else { return answer };
        self.ask(node, &script.load(), false, deadline).await.map_err(Failure::before_sending)?;
        self.ask(node, call.command, asking, deadline).await
    }

    async fn ask(&self, node: &Node, command: &Cmd, asking: bool, deadline: Instant) -> Result<Value, Failure> {
        self.bounded(node, deadline, async |mut connection| node::ask(&mut connection, command, asking).await).await
    }

    async fn bounded<T>(
        &self,
        node: &Node,
        deadline: Instant,
        work: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Failure> {
        let line = node.line();
        let mut was_sent = false;
        let exchange = async {
            let connection = node.open(&line).await?;
            was_sent = true;
            work(connection).await
        };
        let ended = tokio::select! {
            biased;
            () = node.replaced() => None,
            ended = timeout_at(deadline, exchange) => Some(ended),
        };
        let failure = match ended {
            Some(Ok(Ok(reply))) => return Ok(reply),
            Some(Ok(Err(error))) if was_sent => Failure::of(error),
            Some(Ok(Err(error))) => Failure::of(error).before_sending(),
            Some(Err(_)) => Failure::TimedOut(self.timeout),
            None => Failure::replaced(was_sent),
        };
        if failure.ends_connection() {
            node.give_up(&line);
        }
        Err(failure)
    }
}

fn parse<T: FromRedisValue>(reply: Value) -> StoreResult<T> {
    redis::from_redis_value(reply).map_err(|error| StoreError::Unavailable(error.into()))
}
