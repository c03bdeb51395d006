//! Reasons: why the shopper leaves, in the shopper's own word or that of a shopping agent.
//!
//! An exit survey says here too that it was shown, and in which order its options were. A comment is counted, and stored
//! only where the shop says so; it is never logged. Read next: `domain/reason.rs`.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{self, FromBody, JSON};
use super::call::Call;
use super::envelope::Envelope;
use super::faults::{At, Detail, Faults};
use super::fields::{Checked, set, text};
use super::json::{Given, List, Text};
use super::problem::Problem;
use super::receipt::{self, CartReceipt};
use crate::config::Role;
use crate::domain::{PersonalText, ReasonCode, ReasonSource, Said, Unmapped, What, is_reportable};

/// How many options a survey may have: every code that can be reported.
const OPTIONS_MAX: usize = 24;

/// A reason to leave.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reason)]
pub struct ReasonBody<'a> {
    /// One of our codes; left out to say only that a survey was shown. An agent's may be one of the Agentic Commerce
    /// Protocol's, and one that is not known counts as `other`.
    #[serde(default, borrow)]
    #[schema(value_type = Option<super::openapi::ReportableReasonName>)]
    code: Given<Text<'a>>,
    /// Required with a code.
    #[serde(default)]
    #[schema(value_type = Option<super::openapi::ReportingSourceName>)]
    source: Given<Text<'a>>,
    /// The options of a survey in the order in which they were shown, each once.
    #[serde(default)]
    #[schema(value_type = Option<Vec<super::openapi::ReportableReasonName>>, min_items = 1, max_items = 24)]
    shown: Given<List<Text<'a>, OPTIONS_MAX>>,
    /// Stored only where the shop keeps comments.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    comment: Given<Text<'a>>,
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

pub(super) struct Told {
    pub(super) envelope: Envelope,
    pub(super) what: What,
}

impl FromBody for Told {
    type Body<'b> = ReasonBody<'b>;
    type Context = ();

    fn check(body: ReasonBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        let root = At::Root;
        let envelope = Envelope::check(body.occurred_at, body.revision, body.event_id, faults);
        let comment = body.comment.optional(&root.field("comment"), faults, text::<500>);
        let shown = set(body.shown.each(&root.field("shown"), faults, option));
        once_each(shown.as_deref(), faults);
        if shown.is_some() && !body.code.has_value() {
            if comment.is_some() {
                faults.add(&root.field("comment"), "needs a code beside it");
            }
            body.source.optional(&root.field("source"), faults, |text| source(&text));
            return Some(Self { envelope, what: What::SurveyShown });
        }
        let source = body.source.required(&root.field("source"), faults, |text| source(&text));
        let found = body.code.required(&root.field("code"), faults, |text| code(&text, source));
        let (source, (code, unmapped)) = (source?, found?);
        let said = Said {
            comment: comment.filter(|comment| !comment.trim().is_empty()).map(|comment| PersonalText::new(&comment)),
            survey: shown.map(|options| place(&options, code)),
            ..Said::new(code, source)
        };
        Some(Self { envelope: Envelope { unmapped, ..envelope }, what: What::Reason(said) })
    }
}

/// Where a code is among the options, from 1; 0 when it is not.
fn place(options: &[ReasonCode], code: ReasonCode) -> u8 {
    let place = options.iter().position(|option| *option == code).map(|place| place + 1);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or_default()
}

fn option(given: Text<'_>, at: &At<'_>, faults: &mut Faults) -> Option<ReasonCode> {
    Given::Value(given).optional(at, faults, |text| known(&text.0).ok_or_else(one_of_them))
}

fn once_each(options: Option<&[ReasonCode]>, faults: &mut Faults) {
    let Some(options) = options else { return };
    if options.is_empty() {
        faults.add(&At::Root.field("shown"), "must have at least one option");
    }
    for (place, option) in options.iter().enumerate() {
        if options[..place].contains(option) {
            faults.add(&At::Root.field("shown").index(place), "must not be given twice");
        }
    }
}

/// A code that a caller may report.
fn known(text: &str) -> Option<ReasonCode> {
    ReasonCode::parse(text).filter(|code| *code != ReasonCode::Unknown)
}

fn one_of_them() -> Detail {
    let codes: Vec<_> = ReasonCode::ALL.iter().filter(|code| **code != ReasonCode::Unknown).collect();
    format!("must be one of {}", super::fields::names(&codes)).into()
}

fn source(text: &Text<'_>) -> Checked<ReasonSource> {
    let said = ReasonSource::parse(&text.0).filter(|source| is_reportable(ReasonCode::Other, *source));
    said.ok_or_else(|| "must be reported or agent".into())
}

/// Agents speak a standard that grows (Agentic Commerce Protocol): what we cannot name is `other`, and counted.
fn code(text: &Text<'_>, source: Option<ReasonSource>) -> Checked<(ReasonCode, Option<Unmapped>)> {
    let is_agent = source == Some(ReasonSource::Agent);
    let known = known(&text.0).or_else(|| ReasonCode::of_intent(&text.0).filter(|_| is_agent));
    match known {
        Some(code) => Ok((code, None)),
        None if is_agent && (1..=64).contains(&text.0.len()) => Ok((ReasonCode::Other, Some(Unmapped::ReasonCode))),
        None => Err(one_of_them()),
    }
}

/// Takes a reason to leave, or that a survey was shown.
#[utoipa::path(post, path = "/v1/carts/{cart_id}/reasons", tag = "reasons", request_body = ReasonBody,
    responses((status = 200, body = CartReceipt, description = "Taken, or the cart has ended."),
        (status = 204, description = "Applied; asked for by `Prefer: return=minimal`.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Browser)?;
    let id = call.cart_id()?;
    let bytes = call.body(payload, JSON).await?;
    let Told { envelope, what } = body::parse(&bytes, &())?;
    let receipt = call.write(&id, envelope, what, &bytes).await?;
    receipt::of_cart(req.headers(), &id, &receipt)
}
