//! A recording receiver: keeps every request as it came, and answers by script.
//!
//! Signatures are checked by the official `standardwebhooks` crate, not by ours. Never here: an opinion on what should
//! have been sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

/// The secret every test endpoint is configured with.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAAAAAAAAAA";

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub id: String,
    pub timestamp: i64,
    pub signature: String,
    pub body: Vec<u8>,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a webhook body is JSON")
    }

    /// The event's type.
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a webhook has a type").to_owned()
    }
}

/// How the next request is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    /// A status with one header.
    With(u16, &'static str, &'static str),
    /// No answer for this long, then 200.
    After(Duration),
}

#[derive(Default)]
struct Book {
    received: Vec<Received>,
    script: VecDeque<Reply>,
    /// When the script is empty; 200 without one.
    always: Option<Reply>,
}

/// A receiver on a free loopback port.
pub struct Receiver {
    book: Arc<Mutex<Book>>,
    server: ServerHandle,
    pub url: String,
}

impl Receiver {
    pub fn start() -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let shared = web::Data::new(Arc::clone(&book));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let url = format!("http://{}/hook", listener.local_addr().expect("a bound listener has an address"));
        let server = HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(receive)))
            .workers(1)
            .disable_signals()
            .listen(listener)
            .expect("the listener is ours")
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { book, server: handle, url }
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the next requests like this, one each; 200 afterwards.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.book().script.extend(replies);
    }

    /// Answers everything like this from now on.
    pub fn always(&self, reply: Reply) {
        self.book().always = Some(reply);
    }

    /// Everything that arrived, in order.
    pub fn received(&self) -> Vec<Received> {
        self.book().received.clone()
    }

    /// What arrived of one kind.
    pub fn of_kind(&self, kind: &str) -> Vec<Received> {
        self.received().into_iter().filter(|one| one.kind() == kind).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn receive(request: HttpRequest, body: web::Bytes, book: web::Data<Arc<Mutex<Book>>>) -> HttpResponse {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let reply = {
        let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
        book.received.push(Received {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp").parse().unwrap_or_default(),
            signature: header("webhook-signature"),
            body: body.to_vec(),
        });
        book.script.pop_front().or_else(|| book.always.clone()).unwrap_or(Reply::Status(200))
    };
    let status = |code: u16| StatusCode::from_u16(code).expect("scripts use real status codes");
    match reply {
        Reply::Status(code) => HttpResponse::build(status(code)).finish(),
        Reply::With(code, name, value) => HttpResponse::build(status(code)).insert_header((name, value)).finish(),
        Reply::After(span) => {
            actix_web::rt::time::sleep(span).await;
            HttpResponse::Ok().finish()
        }
    }
}
