//! Bodies: read within bounds, then parsed into something valid, or into the list of everything that is not.
//!
//! A good body is parsed once, typed and borrowing. Only a bad one is looked at again, field by field, so that the
//! answer names every fault at once. No message repeats what was sent. Read next: `api/fields.rs`.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, http::header::HeaderMap};
use serde::Deserialize;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::call::state;
use super::faults::{Detail, FAULTS_MAX, Faults, push_index, push_name};
use super::json::Object;
use super::problem::{Kind, Problem};

/// The media types of a whole document.
pub const JSON: &[&str] = &["application/json"];
/// The media types of a merge patch (RFC 7396).
pub const MERGE_PATCH: &[&str] = &["application/merge-patch+json", "application/json"];

/// Something that is read from a JSON body.
pub trait FromBody: Sized {
    /// The body's JSON types, with every field optional.
    type Body<'b>: Deserialize<'b>;
    /// What must be known to judge it.
    type Context: ?Sized;

    /// What the body says, with a fault for each field that says nothing valid.
    fn check(body: Self::Body<'_>, context: &Self::Context, faults: &mut Faults) -> Option<Self>;

    /// A second chance for a body that does not fit its types; for kinds that are not known yet.
    fn rescue(_body: &Value, _faults: &mut Faults) -> Option<Self> {
        None
    }
}

/// Reads a body of one of these types, up to `bytes_max`.
///
/// # Errors
/// 415, 413, 408, or 400 when the body does not arrive whole.
pub async fn read(req: &HttpRequest, payload: Payload, types: &[&str], bytes_max: usize) -> Result<Bytes, Problem> {
    check_type(req.headers(), types)?;
    read_any(req, payload, bytes_max).await
}

/// As [`read`], where a body is optional: an empty one needs no type.
///
/// # Errors
/// As [`read`].
pub async fn read_optional(req: &HttpRequest, payload: Payload, bytes_max: usize) -> Result<Option<Bytes>, Problem> {
    let bytes = read_any(req, payload, bytes_max).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    check_type(req.headers(), JSON)?;
    Ok(Some(bytes))
}

/// As [`read`], of any type: for callers that must not be refused for theirs.
///
/// # Errors
/// 413, 408, or 400 when the body does not arrive whole.
pub async fn read_any(req: &HttpRequest, payload: Payload, bytes_max: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Kind::BodyTooLarge, format!("A body may have at most {bytes_max} bytes."));
    let announced = req.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large());
    }
    match tokio::time::timeout(state(req)?.client_timeout, payload.to_bytes_limited(bytes_max)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(_))) => Err(Problem::new(Kind::BadRequest, "The body did not arrive whole.")),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Problem::new(Kind::RequestTimeout, "The body did not arrive in time.")),
    }
}

pub(super) fn check_type(headers: &HeaderMap, types: &[&str]) -> Result<(), Problem> {
    let refuse = || Problem::new(Kind::UnsupportedMediaType, format!("Send {} in UTF-8.", types.join(" or ")));
    let given = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).ok_or_else(refuse)?;
    let (essence, parameters) = given.split_once(';').unwrap_or((given, ""));
    let charset = parameters.split(';').filter_map(|p| p.trim().split_once('=')).find(|(name, _)| {
        name.eq_ignore_ascii_case("charset") // Other parameters mean nothing to JSON.
    });
    let is_utf8 = charset.is_none_or(|(_, value)| value.trim_matches('"').eq_ignore_ascii_case("utf-8"));
    let is_known = types.iter().any(|known| essence.trim().eq_ignore_ascii_case(known));
    let is_plain = headers.get(CONTENT_ENCODING).is_none_or(|v| v.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_known && is_utf8 && is_plain { Ok(()) } else { Err(refuse()) }
}

/// What a body says.
///
/// # Errors
/// 400 when it is not JSON, 422 with every bad field when it says something invalid.
pub fn parse<T: FromBody>(bytes: &[u8], context: &T::Context) -> Result<T, Problem> {
    // As text, of which no string has to be checked for UTF-8 by itself.
    let Ok(Ok(Object(body))) = str::from_utf8(bytes).map(serde_json::from_str::<Object<T::Body<'_>>>) else {
        return parse_again(bytes, context);
    };
    let mut faults = Faults::none();
    let parsed = T::check(body, context, &mut faults);
    finish(parsed, faults)
}

fn finish<T>(parsed: Option<T>, faults: Faults) -> Result<T, Problem> {
    if faults.is_empty() {
        return parsed.ok_or_else(Problem::internal);
    }
    Err(Problem::with_faults(Kind::InvalidBody, faults.into_vec()))
}

/// Finds every fault of a body that does not fit its types: take out what does not fit, try again, check the rest.
fn parse_again<T: FromBody>(bytes: &[u8], context: &T::Context) -> Result<T, Problem> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(|error| not_json(bytes, &error))?;
    let mut faults = Faults::none();
    // A field given twice shows only in the bytes: a `Value` keeps the last.
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    if let Err(error) = serde_path_to_error::deserialize::<_, Object<T::Body<'_>>>(&mut reader)
        && let Some(name) = twice(&error.inner().to_string())
    {
        faults.add_at(push_name(pointer(error.path()), name), "must not be given twice");
    }
    if faults.is_empty()
        && let Some(rescued) = T::rescue(&value, &mut faults)
    {
        return finish(Some(rescued), faults);
    }
    for _ in 0..FAULTS_MAX {
        let error = match serde_path_to_error::deserialize::<_, Object<T::Body<'_>>>(&value) {
            Ok(Object(body)) => {
                let parsed = T::check(body, context, &mut faults);
                return finish(parsed, faults);
            }
            Err(error) => error,
        };
        faults.add_at(pointer(error.path()), allowed(&error.inner().to_string()));
        let place: Vec<Segment> = error.path().iter().cloned().collect();
        if faults.is_full() || !take_out(&mut value, &place) {
            break;
        }
    }
    finish(None, faults)
}

/// The problem of a body that is no JSON.
pub(super) fn not_json(bytes: &[u8], error: &serde_json::Error) -> Problem {
    if bytes.is_empty() {
        return Problem::new(Kind::InvalidJson, "A JSON body is required.");
    }
    let (line, column) = (error.line(), error.column());
    Problem::new(Kind::InvalidJson, format!("Reading stopped at line {line}, column {column}."))
}

/// The name of a field that is given twice; it is one of ours.
fn twice(message: &str) -> Option<&str> {
    message.strip_prefix("duplicate field `")?.split('`').next()
}

/// A message of serde, cut down to what is allowed: the rest of it may repeat what was sent.
fn allowed(message: &str) -> Detail {
    if message.starts_with("unknown field") {
        return "is not a known field".into();
    }
    let expected = message.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    let name = match expected {
        "a boolean" => "true or false",
        "a string" | "a borrowed string" => "a string",
        "an array" => "an array",
        "i64" | "u64" | "u32" | "u16" => "an integer",
        "an object" => "an object",
        _ => "of another type",
    };
    format!("must be {name}").into()
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => push_index(pointer, *index),
        Segment::Map { key } => push_name(pointer, key),
        Segment::Enum { variant } => push_name(pointer, variant),
        Segment::Unknown => pointer,
    })
}

/// Takes a field out of its object, or leaves `null` in its array, so that the places after it keep theirs.
fn take_out(value: &mut Value, place: &[Segment]) -> bool {
    match (place, value) {
        ([Segment::Map { key }], Value::Object(fields)) => fields.remove(key).is_some(),
        ([Segment::Seq { index }], Value::Array(elements)) => {
            elements.get_mut(*index).is_some_and(|e| !e.take().is_null())
        }
        ([Segment::Map { key }, rest @ ..], Value::Object(fields)) => {
            fields.get_mut(key).is_some_and(|field| take_out(field, rest))
        }
        ([Segment::Seq { index }, rest @ ..], Value::Array(elements)) => {
            elements.get_mut(*index).is_some_and(|element| take_out(element, rest))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
