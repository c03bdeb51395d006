//! The threads that own the connections. Work queues up in front of one; it takes all that waits and does it in one
//! transaction, and nobody is answered before that transaction has ended: the cost of a sync to disk is shared, and what
//! was answered is on disk.
//!
//! When the database fails in the middle of a batch, or a piece of work panics, the batch is undone and each piece is
//! done again alone, so that one bad piece harms no other; what panicked is not tried again. Work therefore may run
//! twice and changes nothing outside of the database. When no transaction can be had, all that waits for it is told at
//! once: each on its own would wait as long for the same.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use super::counts::Counts;
use super::fault::{Fault, explain};
use crate::store::{StoreError, StoreResult};

/// About the most pieces of work in one transaction: a bound on how long the first of them waits.
const TOGETHER_MAX: usize = 1_024;
/// How many messages are taken from the queue at a time.
const MESSAGES_MAX: usize = 256;
/// The most messages that may wait; beyond it callers wait to queue.
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

/// What a transaction's work is done on.
pub struct Batch<'a> {
    connection: &'a Connection,
    /// What all of it counts, written as the transaction ends.
    pub counts: Counts,
}

impl Deref for Batch<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

enum Message {
    Task(Box<dyn Task>),
    /// Several that were asked for together.
    Tasks(Vec<Box<dyn Task>>),
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
        W: FnMut(&Batch<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Task(Box::new(Errand { work, outcome: None, reply }))).await?;
        answer.await.map_err(|_| stopped())?
    }

    /// As [`Worker::run`], for several pieces that are asked for together; their outcomes in their order. They queue up as one.
    pub async fn run_all<T, W>(&self, work: impl IntoIterator<Item = W> + Send) -> Vec<StoreResult<T>>
    where
        T: Send + 'static,
        W: FnMut(&Batch<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let (mut tasks, mut answers) = (Vec::<Box<dyn Task>>::new(), Vec::new());
        for work in work {
            let (reply, answer) = oneshot::channel();
            tasks.push(Box::new(Errand { work, outcome: None, reply }));
            answers.push(answer);
        }
        if tasks.is_empty() {
            return Vec::new();
        }
        // Should the queue be gone, so are the replies, and that is what each is told.
        drop(self.send(Message::Tasks(tasks)).await);
        let mut outcomes = Vec::with_capacity(answers.len());
        for answer in answers {
            outcomes.push(answer.await.unwrap_or_else(|_| Err(stopped())));
        }
        outcomes
    }

    /// Does this outside of any transaction.
    pub async fn run_alone<T, W>(&self, work: W) -> StoreResult<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let errand = move |connection: &Connection| {
            let outcome = match catch_unwind(AssertUnwindSafe(|| work(connection))) {
                Ok(outcome) => outcome.map_err(|error| explain(&error)),
                Err(_) => Err(panicked()),
            };
            undo(connection);
            // Whoever asked may have gone meanwhile.
            drop(reply.send(outcome));
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
            // It ends by itself once the queue is empty.
            drop(thread.join());
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable(anyhow::anyhow!("the store's thread has stopped"))
}

/// Without what the panic said: that may hold a shopper's data.
fn panicked() -> StoreError {
    StoreError::Unavailable(anyhow::anyhow!("a piece of the store's work panicked; it is undone"))
}

fn run(connection: &Connection, mut waiting: mpsc::Receiver<Message>, access: Access) {
    let mut messages = Vec::with_capacity(MESSAGES_MAX);
    while waiting.blocking_recv_many(&mut messages, MESSAGES_MAX) > 0 {
        let mut together = Vec::with_capacity(messages.len());
        for message in messages.drain(..) {
            match message {
                Message::Task(task) => together.push(task),
                Message::Tasks(tasks) => together.extend(tasks),
                Message::Alone(errand) => {
                    finish(connection, std::mem::take(&mut together), access);
                    errand(connection);
                }
            }
            if together.len() >= TOGETHER_MAX {
                finish(connection, std::mem::take(&mut together), access);
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
        Err(Failure::Shut(error)) => refuse(tasks, &error),
        Err(Failure::Sql(error)) if tasks.len() == 1 => refuse(tasks, &error),
        Err(Failure::Sql(_)) => finish_apart(connection, tasks, access),
        Err(Failure::Panic { place }) => {
            tasks.remove(place).answer(Some(panicked()));
            finish_apart(connection, tasks, access);
        }
    }
}

/// Does each of these in a transaction of its own and answers it.
fn finish_apart(connection: &Connection, tasks: Vec<Box<dyn Task>>, access: Access) {
    let mut tasks = tasks.into_iter();
    while let Some(mut task) = tasks.next() {
        match attempt(connection, slice::from_mut(&mut task), access) {
            Ok(()) => task.answer(None),
            Err(Failure::Sql(error)) => task.answer(Some(explain(&error))),
            Err(Failure::Panic { .. }) => task.answer(Some(panicked())),
            Err(Failure::Shut(error)) => {
                task.answer(Some(explain(&error)));
                refuse(tasks.by_ref(), &error);
            }
        }
    }
}

fn refuse(tasks: impl IntoIterator<Item = Box<dyn Task>>, error: &rusqlite::Error) {
    tasks.into_iter().for_each(|task| task.answer(Some(explain(error))));
}

/// Why a transaction was undone.
enum Failure {
    /// There is no transaction to be had, for whichever work.
    Shut(rusqlite::Error),
    /// It may be due to one piece of the work.
    Sql(rusqlite::Error),
    /// It is due to the piece in this place.
    Panic { place: usize },
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // A reader's transaction asks for its lock only with the first read.
            Some(ErrorCode::DatabaseBusy) => Self::Shut(error),
            _ => Self::Sql(error),
        }
    }
}

/// Does these in one transaction; after a failure nothing of it holds.
fn attempt(connection: &Connection, tasks: &mut [Box<dyn Task>], access: Access) -> Result<(), Failure> {
    let all = || {
        let begun = connection.prepare_cached(access.begin()).and_then(|mut begin| begin.execute([]));
        begun.map_err(Failure::Shut)?;
        let batch = Batch { connection, counts: Counts::default() };
        for (place, task) in tasks.iter_mut().enumerate() {
            // What the panic left half done is undone with the transaction, and its task never runs again.
            let done = catch_unwind(AssertUnwindSafe(|| task.run(&batch)));
            done.map_err(|_| Failure::Panic { place })??;
        }
        batch.counts.write(connection)?;
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    };
    let result = { all }();
    undo(connection);
    result
}

/// Ends the transaction that is still open, if there is one.
fn undo(connection: &Connection) {
    if !connection.is_autocommit() {
        // Should it fail, no transaction begins, so nothing is answered as done, until one of the next tries succeeds.
        drop(connection.execute_batch("ROLLBACK"));
    }
}

/// Work with somebody waiting for its outcome.
trait Task: Send {
    fn run(&mut self, batch: &Batch<'_>) -> Result<(), rusqlite::Error>;
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
    W: FnMut(&Batch<'_>) -> Result<T, Fault> + Send,
{
    fn run(&mut self, batch: &Batch<'_>) -> Result<(), rusqlite::Error> {
        let outcome = match (self.work)(batch) {
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
