//! The threads that own the connections. Work queues up in front of one; it takes all that waits and does it in one
//! transaction, and nobody is answered before that transaction has ended: the cost of a sync to disk is shared, and what
//! was answered is on disk.
//!
//! When the database fails in the middle of a batch, the batch is undone and each piece of work is done again alone, so
//! that one bad piece harms no other. Work therefore may run twice and changes nothing outside of the database.

use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::fault::{Fault, explain};
use crate::store::{StoreError, StoreResult};

/// The most work in one transaction: a bound on how long the first of them waits.
const TOGETHER_MAX: usize = 256;
/// The most work that may wait; beyond it callers wait to queue.
const QUEUE_MAX: usize = 4_096;

/// How a worker's transactions begin.
#[derive(Clone, Copy)]
pub enum Access {
    Write,
    Read,
}

impl Access {
    const fn begin(self) -> &'static str {
        match self {
            Self::Write => "BEGIN IMMEDIATE",
            Self::Read => "BEGIN",
        }
    }
}

enum Message {
    Task(Box<dyn Task>),
    /// For what cannot be in a transaction; comes after everything queued before it.
    Alone(Box<dyn FnOnce(&Connection) + Send>),
}

/// A thread with a connection. Dropping it finishes the queue first.
pub struct Worker {
    queue: Option<mpsc::Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: &str, connection: Connection, access: Access) -> StoreResult<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let thread = thread::Builder::new()
            .name(format!("store-{name}"))
            .spawn(move || run(&connection, waiting, access))
            .map_err(|error| StoreError::Unavailable(error.into()))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Does this in a transaction, and answers when that has ended.
    pub async fn run<T, W>(&self, work: W) -> StoreResult<T>
    where
        T: Send + 'static,
        W: FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Task(Box::new(Errand { work, outcome: None, reply }))).await?;
        answer.await.map_err(|_| stopped())?
    }

    /// Does this outside of any transaction.
    pub async fn run_alone<T, W>(&self, work: W) -> StoreResult<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let errand = move |connection: &Connection| {
            // Whoever asked may have gone meanwhile.
            drop(reply.send(work(connection).map_err(|error| explain(&error))));
        };
        self.send(Message::Alone(Box::new(errand))).await?;
        answer.await.map_err(|_| stopped())?
    }

    async fn send(&self, message: Message) -> StoreResult<()> {
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(message).await.map_err(|_| stopped())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // It ends by itself once the queue is empty; had it panicked, callers have been told.
            drop(thread.join());
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable(anyhow::anyhow!("the store's thread has stopped"))
}

fn run(connection: &Connection, mut waiting: mpsc::Receiver<Message>, access: Access) {
    let mut messages = Vec::with_capacity(TOGETHER_MAX);
    while waiting.blocking_recv_many(&mut messages, TOGETHER_MAX) > 0 {
        let mut together = Vec::with_capacity(messages.len());
        for message in messages.drain(..) {
            match message {
                Message::Task(task) => together.push(task),
                Message::Alone(errand) => {
                    finish(connection, std::mem::take(&mut together), access);
                    errand(connection);
                }
            }
        }
        finish(connection, together, access);
    }
}

/// Does these and answers them.
fn finish(connection: &Connection, mut tasks: Vec<Box<dyn Task>>, access: Access) {
    if tasks.is_empty() {
        return;
    }
    match attempt(connection, &mut tasks, access) {
        Ok(()) => tasks.into_iter().for_each(|task| task.answer(None)),
        Err(error) if tasks.len() == 1 => tasks.into_iter().for_each(|task| task.answer(Some(explain(&error)))),
        Err(_) => tasks.into_iter().for_each(|task| finish(connection, vec![task], access)),
    }
}

fn attempt(connection: &Connection, tasks: &mut [Box<dyn Task>], access: Access) -> Result<(), rusqlite::Error> {
    let all = || {
        connection.prepare_cached(access.begin())?.execute([])?;
        tasks.iter_mut().try_for_each(|task| task.run(connection))?;
        connection.prepare_cached("COMMIT")?.execute([]).map(drop)
    };
    let result = { all }();
    if result.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    result
}

/// Work with somebody waiting for its outcome.
trait Task: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), rusqlite::Error>;
    /// Tells the outcome, or why there is none.
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

struct Errand<W, T> {
    work: W,
    outcome: Option<StoreResult<T>>,
    reply: oneshot::Sender<StoreResult<T>>,
}

impl<T, W> Task for Errand<W, T>
where
    T: Send,
    W: FnMut(&Connection) -> Result<T, Fault> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let outcome = match (self.work)(connection) {
            Ok(done) => Ok(done),
            Err(Fault::Store(error)) => Err(error),
            Err(Fault::Sql(error)) => return Err(error),
        };
        self.outcome = Some(outcome);
        Ok(())
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        let outcome = match failure {
            Some(failure) => Err(failure),
            None => self.outcome.unwrap_or_else(|| Err(stopped())),
        };
        // Whoever asked may have gone meanwhile; the work is done all the same.
        drop(self.reply.send(outcome));
    }
}
