//! A browser's batch: what a page saw of carts, in one call that needs no preflight and survives the page.
//!
//! `navigator.sendBeacon` sets no header, so the browser key is in the body; an address would end in somebody's log.
//! Each event is a call of the cart API with its body, held to the same rules and written once under its `event_id`, so
//! a batch whose answer was lost is sent again as it is. Never here: what the snippet does with the answer
//! (`api/widget/queue.js`).

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::access::ShopAccess;
use super::auth::{KEY_BYTES_MAX, authenticate_page, check_origin};
use super::body::{self, FromBody};
use super::call::{Call, state};
use super::cart_check::{Patch, Snapshot};
use super::carts::private;
use super::envelope::Envelope;
use super::faults::{At, Fault, Faults};
use super::fields::{Checked, member, moment, set, text};
use super::json::{Given, List, Object, Text};
use super::problem::{Kind, Problem, ProblemBody};
use super::query::Query;
use super::reasons;
use super::receipt::{self, CartReceipt};
use super::signals::Observed;
use crate::domain::{CartId, Moment, Receipt, Signal, SignalKind, What};
use crate::engine::Once;

/// Most events of a batch.
pub const EVENTS_MAX: usize = 50;
/// The media types that need no preflight, and the one that says what it is.
const TYPES: &[&str] = &["text/plain", "application/json"];
/// A browser's clock that is off by less is believed: moving its events would put them out of order for nothing.
const CLOCK_OFF_MAX: Duration = Duration::from_mins(2);

/// What a page saw, in the order in which it happened.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Batch)]
pub struct BatchBody<'a> {
    /// A browser key; no other is taken here.
    #[serde(default, borrow)]
    #[schema(value_type = String, required = true, max_length = 512)]
    key: Given<Text<'a>>,
    /// What time it is by the browser's clock. When that is off by more than two minutes, the events are moved by as much.
    #[serde(default)]
    #[schema(value_type = String, required = true, format = DateTime)]
    sent_at: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Vec<EventBody>, required = true, max_items = 50)]
    events: Given<List<Object<EventBody<'a>>, EVENTS_MAX>>,
}

/// One call of the cart API.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BatchEvent)]
pub struct EventBody<'a> {
    /// Which call: `put` or `patch` a cart, or post a `signal`, a `reason` or a `dismiss`al.
    #[serde(default, borrow)]
    #[schema(value_type = super::openapi::BatchOpName, required = true)]
    op: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = String, required = true, pattern = "^[A-Za-z0-9_.~:=-]{1,128}$")]
    cart_id: Given<Text<'a>>,
    /// The body of that call. Its `event_id` is required.
    #[serde(default)]
    #[schema(value_type = Object, required = true)]
    body: Given<Map<String, Value>>,
}

/// Which call of the cart API an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Put,
    Patch,
    Signal,
    Reason,
    Dismiss,
}

impl Op {
    pub const ALL: &'static [Self] = &[Self::Put, Self::Patch, Self::Signal, Self::Reason, Self::Dismiss];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Signal => "signal",
            Self::Reason => "reason",
            Self::Dismiss => "dismiss",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|op| op.as_str() == text)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An event whose call and cart are known; what it says is not looked at yet.
pub(super) struct Event {
    op: Op,
    cart: CartId,
    body: Vec<u8>,
}

/// A batch that was understood. Its `Debug` would show the key, so it has none.
pub(super) struct Batch {
    key: String,
    sent_at: Moment,
    pub(super) events: Vec<Event>,
}

impl FromBody for Batch {
    type Body<'b> = BatchBody<'b>;
    type Context = ();

    fn check(body: BatchBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        let root = At::Root;
        let key = body.key.required(&root.field("key"), faults, text::<KEY_BYTES_MAX>);
        let sent_at = body.sent_at.required(&root.field("sent_at"), faults, moment);
        if !body.events.has_value() {
            faults.add(&root.field("events"), "is required: a list of events");
        }
        let events = body.events.each(&root.field("events"), faults, |event, at, faults| event.0.check(at, faults));
        Some(Self { key: key?, sent_at: sent_at?, events: set(events)? })
    }
}

impl EventBody<'_> {
    fn check(self, at: &At<'_>, faults: &mut Faults) -> Option<Event> {
        let op = self.op.required(&at.field("op"), faults, member(Op::ALL, Op::parse));
        let cart = self.cart_id.required(&at.field("cart_id"), faults, |id| cart_id(&id));
        let body = self.body.required(&at.field("body"), faults, |body| bytes(&body));
        Some(Event { op: op?, cart: cart?, body: body? })
    }
}

pub(super) fn cart_id(text: &Text<'_>) -> Checked<CartId> {
    CartId::parse(&text.0).map_err(|error| error.to_string().into())
}

pub(super) fn bytes(body: &Map<String, Value>) -> Checked<Vec<u8>> {
    serde_json::to_vec(body).map_err(|_| "must be an object".into())
}

/// What became of the events, in their order.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchAnswer)]
struct Answer<'a> {
    /// What time it is here.
    #[serde(serialize_with = "receipt::moment")]
    #[schema(value_type = String, format = DateTime)]
    now: Moment,
    #[schema(value_type = Vec<Outcome>)]
    results: Vec<Outcome<'a>>,
}

/// What became of an event: the status of its call, and its receipt or its problem.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchOutcome)]
struct Outcome<'a> {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = CartReceipt, required = false)]
    receipt: Option<CartReceipt<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ProblemBody, required = false)]
    problem: Option<ProblemBody<'a>>,
}

impl<'a> Outcome<'a> {
    fn of(event: &'a Event, result: &'a Result<Receipt, Problem>) -> Self {
        match result {
            Ok(told) => {
                let (status, receipt) = receipt::cart(&event.cart, told);
                Self { status: status.as_u16(), receipt: Some(receipt), problem: None }
            }
            Err(problem) => Self { status: problem.kind().parts().0, receipt: None, problem: Some(problem.body()) },
        }
    }
}

/// Takes what a page saw. 503 asks for the same batch again; any other answer settles every event in it.
#[utoipa::path(post, path = "/v1/browser", tag = "browser",
    request_body(content((BatchBody = "application/json"), (BatchBody = "text/plain"))),
    responses((status = 200, body = Answer, description = "What became of each event, in their order.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let state = state(&req)?;
    let access = state.access();
    // The key comes last, so whoever is in no shop's page is turned away by where the page is from.
    let origin = check_origin(&req, &access)?;
    let query = Query::parse(req.query_string(), &[])?;
    let bytes = body::read(&req, payload, TYPES, state.body_bytes_max).await?;
    let batch: Batch = body::parse(&bytes, &())?;
    let shop = authenticate_page(&batch.key, origin, &access)?;
    let call = Call { req: &req, state, shop, query };
    let now = state.engine.now();
    let mut results = Vec::with_capacity(batch.events.len());
    for event in &batch.events {
        let result = tell(&call, event, ClockOff::of(batch.sent_at, now)).await;
        match result {
            // What is stored by now is answered again as it was when the batch is repeated.
            Err(problem) if problem.kind().parts().0 == 503 => return Err(problem),
            result => results.push(result),
        }
    }
    let results = batch.events.iter().zip(&results).map(|(event, result)| Outcome::of(event, result)).collect();
    Ok(private(receipt::json(StatusCode::OK, &Answer { now, results })?))
}

/// How far a browser's clock is off, where that matters.
#[derive(Clone, Copy)]
struct ClockOff {
    millis: i64,
}

impl ClockOff {
    fn of(sent_at: Moment, now: Moment) -> Self {
        let millis = now.millis().saturating_sub(sent_at.millis());
        let is_off = millis.unsigned_abs() > u64::try_from(CLOCK_OFF_MAX.as_millis()).unwrap_or(u64::MAX);
        Self { millis: if is_off { millis } else { 0 } }
    }

    fn set_right(self, at: Moment) -> Moment {
        Moment::from_millis(at.millis().saturating_add(self.millis))
    }
}

async fn tell(call: &Call<'_>, event: &Event, off: ClockOff) -> Result<Receipt, Problem> {
    let (mut envelope, said) = said(event, &call.shop)?;
    envelope.occurred_at = envelope.occurred_at.map(|at| off.set_right(at));
    let Some(key) = envelope.event_id.clone() else {
        let fault = Fault { pointer: "/event_id".to_owned(), detail: "is required in a batch".into() };
        return Err(Problem::with_faults(Kind::InvalidBody, vec![fault]));
    };
    let told = [event.op.as_str().as_bytes(), event.cart.as_str().as_bytes(), &event.body].join(&b'\n');
    let once = Once { key, fingerprint: call.fingerprint(&told) };
    let now = call.state.engine.now();
    let what = match said {
        Said::What(what) => what,
        Said::Signal(kind) => What::Signal(Signal { kind, at: envelope.occurred_at.unwrap_or(now) }),
    };
    Ok(call.state.engine.write(&call.shop.id, &event.cart, envelope.input(now, what), Some(once)).await?)
}

/// What an event says. A signal bears the moment that the envelope has, once that is set right.
pub(super) enum Said {
    What(What),
    Signal(SignalKind),
}

pub(super) fn said(event: &Event, shop: &ShopAccess) -> Result<(Envelope, Said), Problem> {
    said_in(event.op, &event.body, shop)
}

/// What the body of this call says.
pub(super) fn said_in(op: Op, bytes: &[u8], shop: &ShopAccess) -> Result<(Envelope, Said), Problem> {
    let hosts = shop.checkout_hosts.as_slice();
    Ok(match op {
        Op::Put => {
            let Snapshot { envelope, stage, content } = body::parse(bytes, hosts)?;
            (envelope, Said::What(What::Snapshot { stage, content }))
        }
        Op::Patch => {
            let Patch { envelope, patch } = body::parse(bytes, hosts)?;
            (envelope, Said::What(What::Patch(patch)))
        }
        Op::Signal => {
            let Observed { envelope, kind } = body::parse(bytes, &())?;
            (envelope, Said::Signal(kind))
        }
        Op::Reason => {
            let reasons::Told { envelope, what } = body::parse(bytes, &())?;
            (envelope, Said::What(what))
        }
        Op::Dismiss => (body::parse::<Envelope>(bytes, &())?, Said::What(What::Dismiss)),
    })
}

#[cfg(test)]
mod tests;
