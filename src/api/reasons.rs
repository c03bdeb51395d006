//! Reasons: why the shopper leaves, in the shopper's own word or that of a shopping agent.
//!
//! A comment is checked and let go: it is neither stored nor logged. Read next: `domain/reason.rs`.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{self, FromBody, JSON};
use super::call::Call;
use super::envelope::Envelope;
use super::faults::{At, Faults};
use super::fields::{Checked, text};
use super::json::{Given, List, Text};
use super::problem::Problem;
use super::receipt::{self, CartReceipt};
use crate::config::Role;
use crate::domain::{ReasonCode, ReasonSource, What, is_reportable};

/// Most answers that a survey offers.
const SHOWN_MAX: usize = 32;

/// A reason to leave.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reason)]
pub struct ReasonBody<'a> {
    /// One of our codes. An agent's code that is not known counts as `other`.
    #[serde(default, borrow)]
    #[schema(value_type = super::openapi::ReportableReasonName, required = true)]
    code: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = super::openapi::ReportingSourceName, required = true)]
    source: Given<Text<'a>>,
    /// Not stored.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    comment: Given<Text<'a>>,
    /// The codes that the shopper could choose from, in the order shown: a survey that always begins with the same answer
    /// gets that answer. Not stored.
    #[serde(default)]
    #[schema(value_type = Option<Vec<super::openapi::ReportableReasonName>>, max_items = 32)]
    shown: Given<List<Text<'a>, SHOWN_MAX>>,
    /// When it was said; now when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0)]
    revision: Given<i64>,
    /// Names this write like the header `Idempotency-Key`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,255}$")]
    event_id: Given<Text<'a>>,
}

pub(super) struct Said {
    pub(super) envelope: Envelope,
    pub(super) code: ReasonCode,
    pub(super) source: ReasonSource,
}

impl FromBody for Said {
    type Body<'b> = ReasonBody<'b>;
    type Context = ();

    fn check(body: ReasonBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        let root = At::Root;
        let envelope = Envelope::check(body.occurred_at, body.revision, body.event_id, faults);
        body.comment.optional(&root.field("comment"), faults, text::<500>);
        body.shown.each(&root.field("shown"), faults, |shown, at, faults| {
            Given::Value(shown).optional(at, faults, |text| code(&text, Some(ReasonSource::Reported)))
        });
        let source = body.source.required(&root.field("source"), faults, |text| source(&text));
        let code = body.code.required(&root.field("code"), faults, |text| code(&text, source));
        Some(Said { envelope, code: code?, source: source? })
    }
}

fn source(text: &Text<'_>) -> Checked<ReasonSource> {
    let said = ReasonSource::parse(&text.0).filter(|source| is_reportable(ReasonCode::Other, *source));
    said.ok_or_else(|| "must be reported or agent".into())
}

fn code(text: &Text<'_>, source: Option<ReasonSource>) -> Checked<ReasonCode> {
    let known = ReasonCode::parse(&text.0).filter(|code| *code != ReasonCode::Unknown);
    match (known, source) {
        (Some(code), _) => Ok(code),
        // Agents speak a standard that grows (Agentic Commerce Protocol): what we cannot name is counted as `other`.
        (None, Some(ReasonSource::Agent)) if (1..=64).contains(&text.0.len()) => Ok(ReasonCode::Other),
        (None, _) => {
            let codes: Vec<_> = ReasonCode::ALL.iter().filter(|code| **code != ReasonCode::Unknown).collect();
            Err(format!("must be one of {}", super::fields::names(&codes)).into())
        }
    }
}

/// Takes a reason to leave.
#[utoipa::path(post, path = "/v1/carts/{cart_id}/reasons", tag = "reasons", request_body = ReasonBody,
    responses((status = 200, body = CartReceipt, description = "Taken, or the cart has ended."),
        (status = 204, description = "Applied; asked for by `Prefer: return=minimal`.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Browser)?;
    let id = call.cart_id()?;
    let bytes = call.body(payload, JSON).await?;
    let Said { envelope, code, source } = body::parse(&bytes, &())?;
    let receipt = call.write(&id, envelope, What::Reason { code, source }, &bytes).await?;
    receipt::of_cart(req.headers(), &id, &receipt)
}
