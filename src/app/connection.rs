//! One connection of a client, held to its time: who drips a head, keeps an answer waiting or sits idle in a full house
//! is let go of.
//!
//! The framework bounds the first head of a connection only, answers what it cannot parse with an empty body, and never
//! tires of a client that does not read. So the stream below it is watched: [`Guarded`] sees the bytes, [`Watch`] knows
//! whether a request is being served, [`Crowd`] knows who has been without one for longest.
//! Never here: what a request says. Read next: `app/servers.rs`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::api::{PROBLEM_JSON, Problem};

/// As much of an answer must be taken within the limit.
const TAKEN_MIN: usize = 64 * 1024;
/// What the framework says by itself is shorter.
const BARE_BYTES_MAX: usize = 256;
/// What it says by itself; it has nothing more to say on a connection after one of these.
const BARE: [(&[u8], StatusCode); 2] = [
    (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n", StatusCode::BAD_REQUEST),
    (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    ),
];

/// The connections of one worker, those without a request in the order in which they came to be so.
pub(super) struct Crowd {
    max: usize,
    open: Cell<usize>,
    tickets: Cell<u64>,
    idle: RefCell<BTreeMap<u64, Rc<Watch>>>,
}

impl Crowd {
    pub(super) fn new(max: usize) -> Rc<Self> {
        Rc::new(Self { max, open: Cell::new(0), tickets: Cell::new(0), idle: RefCell::default() })
    }

    fn enter(&self) {
        self.open.set(self.open.get() + 1);
        if self.open.get() > self.max
            && let Some((_, longest)) = self.idle.borrow_mut().pop_first()
        {
            longest.let_go();
        }
    }

    fn wait(&self, watch: &Rc<Watch>) {
        let ticket = self.tickets.get();
        self.tickets.set(ticket + 1);
        watch.ticket.set(Some(ticket));
        self.idle.borrow_mut().insert(ticket, Rc::clone(watch));
    }

    fn stop_waiting(&self, watch: &Watch) {
        if let Some(ticket) = watch.ticket.take() {
            self.idle.borrow_mut().remove(&ticket);
        }
    }
}

/// What is known of a connection above its bytes.
pub(super) struct Watch {
    crowd: Rc<Crowd>,
    ticket: Cell<Option<u64>>,
    serving: Cell<usize>,
    /// Requests whose head has arrived so far.
    begun: Cell<u64>,
    is_let_go: Cell<bool>,
    /// The rest of a refused body may still come; the framework would wait for it without end.
    is_owed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Watch {
    /// A request has arrived; it is over when the turn is dropped.
    pub(super) fn begin(self: &Rc<Self>) -> Turn {
        self.crowd.stop_waiting(self);
        self.begun.set(self.begun.get() + 1);
        self.serving.set(self.serving.get() + 1);
        Turn(Rc::clone(self))
    }

    fn let_go(&self) {
        self.ticket.set(None);
        self.is_let_go.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Turn {
    /// The answer was given before the body was known to be whole.
    pub(super) fn leave_rest(&self) {
        self.0.is_owed.set(true);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

/// A request being served.
pub(super) struct Turn(Rc<Watch>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.serving.set(self.0.serving.get() - 1);
        if self.0.serving.get() == 0 && !self.0.is_let_go.get() {
            self.0.crowd.wait(&self.0);
        }
    }
}

/// A head on its way, and how many were here before it.
struct Head {
    until: Pin<Box<Sleep>>,
    after: u64,
}

/// A client's stream, watched.
pub(super) struct Guarded {
    io: TcpStream,
    watch: Rc<Watch>,
    limit: Duration,
    head: Option<Head>,
    /// Running while the client does not take what is written.
    stalled: Option<Pin<Box<Sleep>>>,
    taken: usize,
    /// What is said in place of the framework's bare words, and how much of it is.
    instead: Option<(Vec<u8>, usize)>,
}

impl Guarded {
    pub(super) fn new(io: TcpStream, crowd: &Rc<Crowd>, limit: Duration) -> Self {
        let watch = Rc::new(Watch {
            crowd: Rc::clone(crowd),
            ticket: Cell::new(None),
            serving: Cell::new(0),
            begun: Cell::new(0),
            is_let_go: Cell::new(false),
            is_owed: Cell::new(false),
            waker: RefCell::new(None),
        });
        crowd.enter();
        crowd.wait(&watch);
        let head = Some(Head { until: Box::pin(sleep(limit)), after: 0 });
        Self { io, watch, limit, head, stalled: None, taken: 0, instead: None }
    }

    pub(super) fn watch(&self) -> Rc<Watch> {
        Rc::clone(&self.watch)
    }

    /// Whether a head has been on its way for too long. The client is told, as far as it listens.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let begun = self.watch.begun.get();
        if self.watch.is_owed.take() {
            self.await_bytes();
        }
        if self.stalled.is_some() || self.head.as_ref().is_some_and(|head| head.after != begun) {
            self.head = None;
        }
        let is_over = self.head.as_mut().is_some_and(|head| head.until.as_mut().poll(cx).is_ready());
        if is_over {
            let answer = in_full(StatusCode::REQUEST_TIMEOUT);
            let told = self.io.try_write(&answer).is_ok();
            tracing::debug!(told, "a connection was closed: the head of a request took too long");
        }
        is_over
    }

    fn await_bytes(&mut self) {
        let begun = self.watch.begun.get();
        if self.head.as_ref().is_none_or(|head| head.after != begun) {
            self.head = Some(Head { until: Box::pin(sleep(self.limit)), after: begun });
        }
    }

    fn poll_take(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.io).poll_write(cx, bytes) {
            Poll::Ready(Ok(count)) => {
                self.taken += count;
                if self.taken >= TAKEN_MIN {
                    self.is_taken();
                }
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let limit = self.limit;
                let until = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
                until.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn is_taken(&mut self) {
        self.taken = 0;
        self.stalled = None;
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let crowd = &self.watch.crowd;
        crowd.stop_waiting(&self.watch);
        crowd.open.set(crowd.open.get() - 1);
        // A turn that outlives its connection puts it into no queue.
        self.watch.is_let_go.set(true);
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        let is_between = this.watch.serving.get() == 0;
        match read {
            Poll::Ready(result) => {
                if is_between && buf.filled().len() > before {
                    this.await_bytes();
                }
                Poll::Ready(result)
            }
            // Nothing filled is the end of the stream to the framework, which then closes.
            Poll::Pending if this.watch.is_let_go.get() || (is_between && this.is_overdue(cx)) => Poll::Ready(Ok(())),
            Poll::Pending => {
                this.watch.waker.replace(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some((place, status)) = bare(buf) else { return this.poll_take(cx, buf) };
        if place > 0 {
            return this.poll_take(cx, buf.get(..place).unwrap_or(buf));
        }
        let (answer, mut said) = this.instead.take().unwrap_or_else(|| (in_full(status), 0));
        while let Some(rest) = answer.get(said..).filter(|rest| !rest.is_empty()) {
            match this.poll_take(cx, rest) {
                Poll::Ready(Ok(count)) => said += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    this.instead = Some((answer, said));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.is_taken();
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// Where in these bytes the framework's bare words begin; they are always the last.
fn bare(bytes: &[u8]) -> Option<(usize, StatusCode)> {
    // Answers of ours have a body, which is JSON and has no line ends of HTTP in it.
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let start = bytes.len().saturating_sub(BARE_BYTES_MAX);
    let tail = bytes.get(start..)?;
    BARE.iter().find_map(|(words, status)| {
        let place = tail.windows(words.len()).position(|window| window == *words)?;
        Some((start + place, *status))
    })
}

/// A problem as the last answer of a connection.
fn in_full(status: StatusCode) -> Vec<u8> {
    let body = Problem::of_status(status).json();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_are_found_behind_an_answer_and_nowhere_else() {
        let words = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: now\r\n\r\n";
        assert_eq!(bare(words), Some((0, StatusCode::BAD_REQUEST)));
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(bare(&[answer.as_slice(), words].concat()), Some((answer.len(), StatusCode::BAD_REQUEST)));
        assert_eq!(bare(answer), None);
        assert_eq!(bare(b"HTTP/1.1 204 No Content\r\n\r\n"), None);
        assert_eq!(bare(b""), None);
    }

    #[test]
    fn who_waits_longest_is_let_go_first() {
        let crowd = Crowd::new(2);
        let watch = || {
            let (ticket, waker) = (Cell::new(None), RefCell::new(None));
            let (serving, begun, is_let_go, is_owed) = (Cell::new(0), Cell::new(0), Cell::new(false), Cell::new(false));
            Rc::new(Watch { crowd: Rc::clone(&crowd), ticket, serving, begun, is_let_go, is_owed, waker })
        };
        let all = [watch(), watch(), watch()];
        for one in &all[..2] {
            crowd.enter();
            crowd.wait(one);
        }
        drop(all[0].begin());
        crowd.enter();
        assert_eq!(all.each_ref().map(|one| one.is_let_go.get()), [false, true, false]);
    }
}
