//! The demo's notification system: takes webhooks over loopback, trusts none without a signature, heeds none twice.
//!
//! It is out of order for a while, and now and then takes a webhook whose answer gets lost, so that retries are seen.
//! It knows only what any receiver knows: the secret, and what the requests say.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::Context;
use serde_json::Value;
use tokio::time::Instant;

use crate::clock::{Clock, ManualClock};
use crate::domain::Moment;
use crate::webhook::{Secret, verify};

/// How far the sender's clock may be off.
const TOLERANCE: Duration = Duration::from_mins(5);

/// A webhook that was verified and not seen before.
#[derive(Clone, Debug)]
pub struct Received {
    pub id: String,
    pub kind: String,
    pub cart_id: String,
    pub body: Value,
    /// From the moment it speaks of to its arrival, by the demo's clock.
    pub late_by: Duration,
    pub arrived: Instant,
}

/// What came in so far.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub requests: u64,
    pub verified: u64,
    pub forged: u64,
    /// Verified, but the same id again.
    pub repeated: u64,
    /// Turned away with 503.
    pub turned_away: u64,
    pub reminders: u64,
    seen: BTreeSet<String>,
    fresh: Vec<Received>,
}

struct Desk {
    clock: Arc<ManualClock>,
    secrets: Vec<Secret>,
    /// Out of order from, until.
    outage: (Moment, Moment),
    ledger: Mutex<Ledger>,
}

/// A running receiver.
pub struct Receiver {
    desk: Arc<Desk>,
    address: SocketAddr,
    server: ServerHandle,
}

impl Receiver {
    /// Listens on a free port of the loopback address.
    ///
    /// # Errors
    /// When there is none.
    pub fn start(clock: Arc<ManualClock>, secret: Secret, outage: (Moment, Moment)) -> anyhow::Result<Self> {
        let desk = Arc::new(Desk { clock, secrets: vec![secret], outage, ledger: Mutex::default() });
        let shared = Data::from(Arc::clone(&desk));
        let server = HttpServer::new(move || App::new().app_data(shared.clone()).route("/hooks", web::post().to(take)))
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .context("no free port for the receiver")?;
        let address = *server.addrs().first().context("the receiver has no address")?;
        let server = server.run();
        let handle = server.handle();
        #[expect(clippy::disallowed_methods, reason = "ends when its handle is told to, in `stop`")]
        tokio::spawn(server);
        Ok(Self { desk, address, server: handle })
    }

    /// Where webhooks are to be sent.
    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// What came in since the last call, in an order that depends on nothing but its contents.
    pub fn take_fresh(&self) -> Vec<Received> {
        let mut fresh = std::mem::take(&mut self.desk.ledger().fresh);
        fresh.sort_by(|a, b| (&a.cart_id, &a.kind, &a.id).cmp(&(&b.cart_id, &b.kind, &b.id)));
        fresh
    }

    /// Everything counted so far.
    pub fn ledger(&self) -> Ledger {
        self.desk.ledger().clone()
    }

    /// Whether it turns everything away right now.
    pub fn is_out_of_order(&self) -> bool {
        self.desk.is_out_of_order()
    }

    pub async fn stop(self) {
        self.server.stop(true).await;
    }
}

impl Desk {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_out_of_order(&self) -> bool {
        let now = self.clock.now();
        self.outage.0 <= now && now < self.outage.1
    }
}

async fn take(desk: Data<Desk>, request: HttpRequest, body: Bytes) -> HttpResponse {
    #[expect(clippy::disallowed_methods, reason = "measures how soon a webhook arrives; what it means is on our clock")]
    let arrived = Instant::now();
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (id, stamp, signature) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let now = desk.clock.now();
    let out_of_order = desk.is_out_of_order();
    let mut ledger = desk.ledger();
    ledger.requests += 1;
    if out_of_order {
        ledger.turned_away += 1;
        return HttpResponse::ServiceUnavailable().finish();
    }
    if verify(&desk.secrets, id, stamp, signature, &body, now, TOLERANCE).is_err() {
        ledger.forged += 1;
        return HttpResponse::Unauthorized().finish();
    }
    ledger.verified += 1;
    if !ledger.seen.insert(id.to_owned()) {
        ledger.repeated += 1;
        return HttpResponse::NoContent().finish();
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = text("/type");
    let due_at = Moment::parse(&text("/timestamp")).unwrap_or(now);
    if kind == "cart.reminder" {
        ledger.reminders += 1;
    }
    let cart_id = text("/data/cart_id");
    ledger.fresh.push(Received { id: id.to_owned(), kind, cart_id, body, late_by: now.since(due_at), arrived });
    if loses_its_answer(id) { HttpResponse::InternalServerError().finish() } else { HttpResponse::NoContent().finish() }
}

/// One in some fifty ids: taken, but the sender hears of a failure and will send again.
fn loses_its_answer(id: &str) -> bool {
    id.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)) < 5
}
