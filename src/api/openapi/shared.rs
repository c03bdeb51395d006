//! What all calls have in common: the key, the headers, the problems, and the rule for free text.
//!
//! Added to the finished document, so that no handler has to repeat it.

use std::borrow::Cow;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, RefOr, Required};
use utoipa::{Modify, PartialSchema, ToSchema};

use crate::api::call::IDEMPOTENCY_KEY;
use crate::api::fields::{ATTRIBUTE_KEY_MAX, ATTRIBUTE_VALUE_MAX};
use crate::api::problem::{Kind as ProblemKind, PROBLEM_JSON};
use crate::domain::ATTRIBUTES_MAX;

/// No control characters but tab and line ends.
const TEXT_PATTERN: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$";
/// As the types of the domain accept them.
const CART_ID_PATTERN: &str = "^[A-Za-z0-9_.~:=-]{1,128}$";
const KEY_PATTERN: &str = "^[!-~]{1,255}$";
const DAY_PATTERN: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
const SHOP_PATTERN: &str = "^[a-z0-9_-]{1,32}$";
const TOKEN_PATTERN: &str = "^[A-Za-z0-9_-]{1,320}$";

fn text(max: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(max)).pattern(Some(TEXT_PATTERN))
}

/// A coupon code, or another short text.
pub struct Coupon;

impl PartialSchema for Coupon {
    fn schema() -> RefOr<Schema> {
        text(64).into()
    }
}

impl ToSchema for Coupon {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ShortText")
    }
}

/// The attributes of a cart.
pub struct Attributes;

impl PartialSchema for Attributes {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::String, Type::Null]);
        let value = text(ATTRIBUTE_VALUE_MAX).schema_type(types).build();
        let name = text(ATTRIBUTE_KEY_MAX).min_length(Some(1)).build();
        ObjectBuilder::new()
            .max_properties(Some(ATTRIBUTES_MAX))
            .property_names(Some(Schema::Object(name)))
            .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(Schema::Object(value)))))
            .into()
    }
}

impl ToSchema for Attributes {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Attributes")
    }
}

/// A merge patch of a cart: its fields, none of them required.
pub struct CartPatchBody;

impl PartialSchema for CartPatchBody {
    fn schema() -> RefOr<Schema> {
        let mut schema = crate::api::cart_body::CartBody::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.clear();
            object.description = Some("The parts of a cart that changed (RFC 7396).".to_owned());
        }
        schema
    }
}

impl ToSchema for CartPatchBody {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("CartPatch")
    }
}

/// The calls that bear no key in a header: documents for anybody, a batch with the key in its body, and webhooks under a
/// signature.
pub(super) const KEYLESS: &[&str] =
    &["/in/{platform}/{shop}", "/openapi.json", "/v1/browser", "/widget.js", "/widget/survey.js"];

/// Adds what all calls share.
pub struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut OpenApi) {
        for (path, item) in &mut document.paths.paths {
            for (kind, operation) in operations(item) {
                if path.starts_with("/acp/") {
                    add_protocol_errors(operation);
                    add_parameters(operation, kind, path);
                    operation.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
                } else if path.contains("{token}") {
                    add_link(operation, kind, path);
                } else if path.starts_with("/in/") {
                    add_problems(operation, WEBHOOK);
                } else if KEYLESS.contains(&path.as_str()) {
                    add_problems(operation, if kind == Kind::Read { OPEN } else { WRITE });
                } else {
                    add_problems(operation, if kind == Kind::Read { READ } else { WRITE });
                    add_parameters(operation, kind, path);
                    if path.ends_with("/dismiss")
                        && let Some(RefOr::T(body)) = &mut operation.request_body
                    {
                        body.required = Some(Required::False);
                    }
                    operation.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
                }
            }
        }
        let components = document.components.get_or_insert_default();
        for schema in components.schemas.values_mut() {
            bound_text(schema);
        }
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
    }
}

/// What a call does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

/// What a call without a key may answer beside what it is asked for.
const OPEN: &[u16] = &[405, 500];
/// What a page may answer that is none: its own errors are pages too.
const PAGE: &[u16] = &[405, 500, 503];
/// What a page with a form may answer beside that.
const FORM: &[u16] = &[408, 413];
/// What a link for machines may answer.
const LINK: &[u16] = &[404, 405, 500, 503];
/// What a webhook of a platform may be answered.
const WEBHOOK: &[u16] = &[400, 401, 404, 405, 408, 413, 500, 503];
/// What any call may answer.
const READ: &[u16] = &[400, 401, 403, 404, 405, 500, 503];
/// What a call with a body or an idempotency key may answer.
const WRITE: &[u16] = &[400, 401, 403, 404, 405, 408, 413, 415, 422, 500, 503];

/// Writes that change nothing when they are told again, and keep no answer for a key.
const KEEPS_NO_ANSWER: &[&str] = &["/v1/stock", "/v1/opt-outs", "/v1/batch"];

pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = (Kind, &mut Operation)> {
    let writes = [&mut item.put, &mut item.patch, &mut item.post, &mut item.delete].into_iter().flatten();
    let reads = [&mut item.get].into_iter().flatten();
    reads.map(|read| (Kind::Read, read)).chain(writes.map(|write| (Kind::Write, write)))
}

pub(super) fn add_problems(operation: &mut Operation, statuses: &[u16]) {
    for status in statuses {
        let titles: Vec<_> =
            ProblemKind::ALL.iter().map(|kind| kind.parts()).filter(|parts| parts.0 == *status).collect();
        let lines: Vec<_> = titles.iter().map(|(_, slug, title)| format!("`{slug}`: {title}.")).collect();
        let schema = Some(Ref::from_schema_name("Problem"));
        let content = ContentBuilder::new().schema(schema).build();
        let response = ResponseBuilder::new().description(lines.join(" ")).content(PROBLEM_JSON, content);
        operation.responses.responses.insert(status.to_string(), response.build().into());
    }
}

/// The same statuses in the shape of the protocol that the call is of.
fn add_protocol_errors(operation: &mut Operation) {
    for status in WRITE.iter().filter(|status| **status != 415) {
        let schema = Some(Ref::from_schema_name("ProtocolError"));
        let content = ContentBuilder::new().schema(schema).build();
        let response =
            ResponseBuilder::new().description("As the protocol has it.").content("application/json", content);
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| response.build().into());
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.required = Some(Required::False);
    }
}

/// A link is open to who holds it: the token is the key.
fn add_link(operation: &mut Operation, kind: Kind, path: &str) {
    add_problems(operation, if path.starts_with("/v1/") { LINK } else { PAGE });
    if kind == Kind::Write {
        add_problems(operation, FORM);
    }
    let parameters = operation.parameters.get_or_insert_default();
    parameters.retain(|parameter| !is_named(parameter, "token"));
    parameters.push(parameter("token", ParameterIn::Path, TOKEN_PATTERN, "From the link in a reminder."));
}

pub(super) fn add_parameters(operation: &mut Operation, kind: Kind, path: &str) {
    let parameters = operation.parameters.get_or_insert_default();
    parameters.retain(|parameter| !is_named(parameter, "cart_id"));
    if path.contains("{cart_id}") {
        parameters.push(parameter("cart_id", ParameterIn::Path, CART_ID_PATTERN, "Chosen by the storefront."));
    }
    let about = "The shop, for a key of the whole server with several shops; or the header `Cartwake-Shop`.";
    parameters.push(parameter("shop", ParameterIn::Query, SHOP_PATTERN, about));
    if kind == Kind::Write && !KEEPS_NO_ANSWER.contains(&path) {
        let about = "Names a write: a repeat with the same key gets the first answer. Kept for a day.";
        parameters.push(parameter(IDEMPOTENCY_KEY, ParameterIn::Header, KEY_PATTERN, about));
    }
    // Whoever answers with a receipt or without one lets the caller choose.
    if ["200", "204"].iter().all(|status| operation.responses.responses.contains_key(*status)) {
        parameters.push(prefer());
    }
}

/// The parameters that all reports share.
pub(super) fn add_period(operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    let from = "The first day, UTC; 29 days before the last when it is not said.";
    parameters.push(parameter("from", ParameterIn::Query, DAY_PATTERN, from));
    parameters.push(parameter("to", ParameterIn::Query, DAY_PATTERN, "The last day, UTC, included; today by default."));
    let about = "One shop; all that the key may see, added up, when it is not said.";
    parameters.push(parameter("shop", ParameterIn::Query, SHOP_PATTERN, about));
}

fn parameter(name: &str, place: ParameterIn, pattern: &str, about: &str) -> RefOr<Parameter> {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    let schema: RefOr<Schema> = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).into();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(about))
        .schema(Some(schema))
        .build()
        .into()
}

/// Any text is let in: preferences that are not known are ignored (RFC 7240).
fn prefer() -> RefOr<Parameter> {
    let about = "`return=minimal` for 204 instead of the receipt, when the write was applied (RFC 7240).";
    let schema: RefOr<Schema> = ObjectBuilder::new().schema_type(Type::String).into();
    ParameterBuilder::new()
        .name("Prefer")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .example(Some("return=minimal".into()))
        .build()
        .into()
}

fn is_named(parameter: &RefOr<Parameter>, name: &str) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.name == name)
}

/// Free text is free of control characters wherever it has a bound and no pattern of its own.
pub(super) fn bound_text(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    if object.max_length.is_some() && object.pattern.is_none() {
        object.pattern = Some(TEXT_PATTERN.to_owned());
    }
    for property in object.properties.values_mut() {
        bound_text(property);
    }
}
