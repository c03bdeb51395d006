//! Many calls of the cart API in one, for imports: a JSON object a line, each held to the rules of its own call.
//!
//! - A line is written once however often it is sent, under its `event_id` or else under what it says; so a batch whose
//!   answer was lost is sent again as it is.
//! - Lines of a session file (`cartwake replay`) are taken as they are: where a body says no time of its own, `at` is it.
//! - What is old when it comes is counted at its own time and mailed to nobody: guards `activation` and `stale`
//!   (`domain/guard.rs`).
//!
//! Never here: what a call means; that is in its own file. Read next: `api/browser.rs`, which does this for a page.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::{self, FromBody};
use super::browser::{self, Said, bytes, cart_id};
use super::call::Call;
use super::carts::private;
use super::envelope::Envelope;
use super::faults::{At, Faults};
use super::fields::{member, moment};
use super::json::{Given, Text};
use super::problem::{Kind, Problem, ProblemBody};
use super::receipt::{self, CartReceipt, OrderAnswer};
use super::{opt_outs, orders, stock};
use crate::config::Role;
use crate::domain::{CartId, EventKey, Moment, OrderId, Receipt, Signal, What};
use crate::engine::Once;
use crate::store::OrderReceipt;

/// Most lines of a batch.
pub const LINES_MAX: usize = 1_000;
/// JSON lines under either of their names; neither is registered.
const TYPES: &[&str] = &["application/x-ndjson", "application/jsonl"];

/// One line of a batch.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ImportLine)]
pub struct LineBody<'a> {
    /// Which call: `put`, `patch` or `delete` a cart, post a `signal`, a `reason`, a `dismiss`al or an `order`, tell of
    /// `stock`, or post or delete an opt-out (`opt_out`, `opt_in`).
    #[serde(default, borrow)]
    #[schema(value_type = super::openapi::ImportOpName, required = true)]
    op: Given<Text<'a>>,
    /// The cart that it is about, for the first six.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_.~:=-]{1,128}$")]
    cart_id: Given<Text<'a>>,
    /// When it happened, where the body does not say.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Given<Text<'a>>,
    /// The body of that call.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    body: Given<Map<String, Value>>,
}

/// Which call a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// One that a page can make, too.
    Page(browser::Op),
    Delete,
    Order,
    Stock,
    OptOut,
    OptIn,
}

impl Op {
    pub const ALL: &'static [Self] = &[
        Self::Page(browser::Op::Put),
        Self::Page(browser::Op::Patch),
        Self::Page(browser::Op::Signal),
        Self::Page(browser::Op::Reason),
        Self::Page(browser::Op::Dismiss),
        Self::Delete,
        Self::Order,
        Self::Stock,
        Self::OptOut,
        Self::OptIn,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Page(op) => op.as_str(),
            Self::Delete => "delete",
            Self::Order => "order",
            Self::Stock => "stock",
            Self::OptOut => "opt_out",
            Self::OptIn => "opt_in",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|op| op.as_str() == text)
    }

    const fn is_about_a_cart(self) -> bool {
        matches!(self, Self::Page(_) | Self::Delete)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A line whose call is known; what its body says is not looked at yet.
pub(super) struct Line {
    pub(super) op: Op,
    pub(super) cart: Option<CartId>,
    pub(super) at: Option<Moment>,
    pub(super) body: Vec<u8>,
}

impl FromBody for Line {
    type Body<'b> = LineBody<'b>;
    type Context = ();

    fn check(body: LineBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        let root = At::Root;
        let op = body.op.required(&root.field("op"), faults, member(Op::ALL, Op::parse));
        let cart = body.cart_id.optional(&root.field("cart_id"), faults, |text| cart_id(&text));
        let at = body.at.optional(&root.field("at"), faults, moment);
        let said = body.body.optional(&root.field("body"), faults, |body| bytes(&body));
        if op.is_some_and(Op::is_about_a_cart) && cart.is_none() && faults.is_empty() {
            faults.add(&root.field("cart_id"), "is required for this call");
        }
        Some(Self { op: op?, cart, at, body: said.unwrap_or_else(|| b"{}".to_vec()) })
    }
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportAnswer)]
struct Answer<'a> {
    /// How many lines were refused; the others are stored.
    refused: usize,
    /// Of each line that is not empty, in their order.
    results: Vec<Outcome<'a>>,
}

/// What became of a line: the status of its call, and its receipt or its problem.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportOutcome)]
pub(super) struct Outcome<'a> {
    /// Its number in the batch, from 1.
    line: usize,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = CartReceipt, required = false)]
    receipt: Option<CartReceipt<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = OrderAnswer, required = false)]
    order: Option<OrderAnswer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ProblemBody, required = false)]
    problem: Option<ProblemBody<'a>>,
}

/// What a call answered.
pub(super) enum Told {
    Cart(CartId, Receipt),
    Order(OrderId, OrderReceipt),
    Nothing(StatusCode),
}

impl<'a> Outcome<'a> {
    pub(super) fn of(line: usize, result: &'a Result<Told, Problem>) -> Self {
        let mut outcome = Self { line, status: 200, receipt: None, order: None, problem: None };
        match result {
            Ok(Told::Cart(id, told)) => {
                let (status, receipt) = receipt::cart(id, told);
                (outcome.status, outcome.receipt) = (status.as_u16(), Some(receipt));
            }
            Ok(Told::Order(id, told)) => outcome.order = Some(receipt::order(id, told)),
            Ok(Told::Nothing(status)) => outcome.status = status.as_u16(),
            Err(problem) => (outcome.status, outcome.problem) = (problem.kind().parts().0, Some(problem.body())),
        }
        outcome
    }
}

/// Takes many calls in one, in the order of their lines. 503 asks for the same batch again; any other answer settles every
/// line in it.
#[utoipa::path(post, path = "/v1/batch", tag = "import",
    request_body(content = LineBody, content_type = "application/x-ndjson",
        description = "A JSON object on each line, up to 1,000 lines and the size of any body."),
    responses((status = 200, body = Answer, description = "What became of each line, in their order.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Server)?;
    let bytes = call.body(payload, TYPES).await?;
    let lines: Vec<(usize, &[u8])> = lines(&bytes).collect();
    if lines.len() > LINES_MAX {
        return Err(Problem::new(Kind::BodyTooLarge, format!("A batch may have at most {LINES_MAX} lines.")));
    }
    let mut results = Vec::with_capacity(lines.len());
    for (number, bytes) in lines {
        let result = match body::parse::<Line>(bytes, &()) {
            Ok(line) => tell(&call, line).await,
            Err(problem) => Err(problem),
        };
        match result {
            // What is stored by now is answered again as it was when the batch is repeated.
            Err(problem) if problem.kind().parts().0 == 503 => return Err(problem),
            result => results.push((number, result)),
        }
    }
    let refused = results.iter().filter(|(_, result)| result.is_err()).count();
    let results = results.iter().map(|(number, result)| Outcome::of(*number, result)).collect();
    Ok(private(receipt::json(StatusCode::OK, &Answer { refused, results })?))
}

/// The lines that say something, by their numbers.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    lines.enumerate().filter(|(_, line)| !line.is_empty()).map(|(index, line)| (index + 1, line))
}

/// Makes the call of a line.
pub(super) async fn tell(call: &Call<'_>, line: Line) -> Result<Told, Problem> {
    let engine = &call.state.engine;
    match line.op {
        Op::Page(op) => {
            let (envelope, said) = browser::said_in(op, &line.body, &call.shop)?;
            let envelope = Envelope { occurred_at: envelope.occurred_at.or(line.at), ..envelope };
            let now = engine.now();
            let what = match said {
                Said::What(what) => what,
                Said::Signal(kind) => What::Signal(Signal { kind, at: envelope.occurred_at.unwrap_or(now) }),
            };
            write(call, line, envelope, what).await
        }
        Op::Delete => {
            let envelope = body::parse::<Envelope>(&line.body, &())?;
            let envelope = Envelope { occurred_at: envelope.occurred_at.or(line.at), ..envelope };
            write(call, line, envelope, What::Delete).await?;
            Ok(Told::Nothing(StatusCode::NO_CONTENT))
        }
        Op::Order => {
            let told = body::parse::<orders::Told>(&line.body, &())?.or(line.at, line.cart.as_ref());
            let once = once(call, &line, told.envelope.event_id.clone());
            let (id, receipt) = orders::tell(call, told, once).await?;
            Ok(Told::Order(id, receipt))
        }
        Op::Stock => {
            let told = body::parse::<stock::Told>(&line.body, &())?;
            stock::tell(call, told, line.at).await?;
            Ok(Told::Nothing(StatusCode::OK))
        }
        Op::OptOut => {
            let opt_outs::Wish { who, channel } = body::parse(&line.body, &())?;
            engine.opt_out(&call.shop.id, &who, channel).await?;
            Ok(Told::Nothing(StatusCode::OK))
        }
        Op::OptIn => {
            let opt_outs::Wish { who, channel } = body::parse(&line.body, &())?;
            engine.opt_in(&call.shop.id, &who, channel).await?;
            Ok(Told::Nothing(StatusCode::NO_CONTENT))
        }
    }
}

async fn write(call: &Call<'_>, line: Line, envelope: Envelope, what: What) -> Result<Told, Problem> {
    let once = once(call, &line, envelope.event_id.clone());
    let cart = line.cart.ok_or_else(Problem::internal)?;
    let engine = &call.state.engine;
    let input = envelope.input(engine.now(), what);
    let receipt = engine.write(&call.shop.id, &cart, input, once).await?;
    Ok(Told::Cart(cart, receipt))
}

/// What makes a line happen once: its own key, or what it says.
fn once(call: &Call<'_>, line: &Line, event_id: Option<EventKey>) -> Option<Once> {
    let cart = line.cart.as_ref().map_or("", CartId::as_str);
    let at = line.at.map(|at| at.to_string()).unwrap_or_default();
    let told = [line.op.as_str().as_bytes(), cart.as_bytes(), at.as_bytes(), &line.body].join(&b'\n');
    let fingerprint = call.fingerprint(&told);
    let key = event_id.or_else(|| EventKey::parse(&format!("line-{fingerprint:016x}")).ok())?;
    Some(Once { key, fingerprint })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: &str) -> String {
        let problem = body::parse::<Line>(line.as_bytes(), &()).err().expect("it is refused");
        String::from_utf8(problem.json()).expect("problems are UTF-8")
    }

    #[test]
    fn a_line_of_a_session_file_is_taken_as_it_is() {
        let line = br#"{"at": "2026-03-01T08:00:00Z", "op": "order", "cart_id": "c-1", "body": {"order_id": "o-1"}}"#;
        let line = body::parse::<Line>(line, &()).expect("a line");
        assert_eq!((line.op, line.cart.as_ref().map(CartId::as_str)), (Op::Order, Some("c-1")));
        assert_eq!(line.at.map(Moment::millis), Some(1_772_352_000_000));
        assert_eq!(line.body, br#"{"order_id":"o-1"}"#);
    }

    #[test]
    fn a_line_names_its_call_and_its_cart() {
        for (line, pointer) in [
            (r#"{"cart_id": "c-1"}"#, "/op"),
            (r#"{"op": "advance", "cart_id": "c-1"}"#, "/op"),
            (r#"{"op": "put", "body": {}}"#, "/cart_id"),
            (r#"{"op": "delete"}"#, "/cart_id"),
            (r#"{"op": "put", "cart_id": "c-1", "body": 5}"#, "/body"),
            (r#"{"op": "put", "cart_id": "c-1", "when": 5}"#, "/when"),
        ] {
            assert!(problem(line).contains(&format!(r#""pointer":"{pointer}""#)), "{line}: {}", problem(line));
        }
    }

    #[test]
    fn empty_lines_say_nothing_and_are_counted() {
        let found: Vec<_> = lines(b"\n{}\r\n\n  \n[]").collect();
        assert_eq!(found, [(2, &b"{}"[..]), (5, &b"[]"[..])]);
    }
}
