//! One line of a session file: an operation of the cart API at the moment it happened, and the request that makes it.
//!
//! `{"at": RFC 3339, "op": put|patch|signal|reason|order|dismiss|delete|advance, "cart_id": …, "body": …}`. The body is
//! the API's own; where it says no time of its own, the line's is put in. `advance` moves a server's event clock.

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Put,
    Patch,
    Signal,
    Reason,
    Order,
    Dismiss,
    Delete,
    Advance,
}

impl Kind {
    /// The name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Signal => "signal",
            Self::Reason => "reason",
            Self::Order => "order",
            Self::Dismiss => "dismiss",
            Self::Delete => "delete",
            Self::Advance => "advance",
        }
    }

    /// The field of the body that says when it happened, where the API has one.
    const fn time_field(self) -> Option<&'static str> {
        match self {
            Self::Put | Self::Patch | Self::Reason | Self::Dismiss => Some("occurred_at"),
            Self::Signal | Self::Advance => Some("at"),
            Self::Order => Some("placed_at"),
            Self::Delete => None,
        }
    }
}

/// Why a line is no operation.
#[derive(Debug, Error)]
pub enum OperationError {
    #[error("not an operation")]
    Json(#[from] serde_json::Error),
    #[error("at must be an RFC 3339 time")]
    Time(#[from] jiff::Error),
    #[error("{0} needs a cart_id")]
    CartIdMissing(&'static str),
    #[error("cart_id differs between the line and its body")]
    CartIdTwice,
    #[error("body must be an object")]
    BodyNotObject,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: String,
    op: Kind,
    cart_id: Option<String>,
    body: Option<Value>,
}

/// An operation, complete: its body carries its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    pub at: String,
    /// The same, as milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub kind: Kind,
    pub cart_id: Option<String>,
    pub body: Option<Value>,
}

impl Operation {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is no operation.
    pub fn parse(line: &str) -> Result<Self, OperationError> {
        let Line { at, op: kind, cart_id, body } = serde_json::from_str(line)?;
        let at_ms = at.parse::<Timestamp>()?.as_millisecond();
        if cart_id.is_none() && !matches!(kind, Kind::Order | Kind::Advance) {
            return Err(OperationError::CartIdMissing(kind.name()));
        }
        let body = match body {
            Some(Value::Object(fields)) if kind == Kind::Order => {
                Some(stamped(of_cart(fields, cart_id.as_deref())?, kind, &at))
            }
            Some(Value::Object(fields)) => Some(stamped(fields, kind, &at)),
            Some(_) => return Err(OperationError::BodyNotObject),
            None if kind == Kind::Delete => None,
            None => Some(stamped(Map::new(), kind, &at)),
        };
        Ok(Self { at, at_ms, kind, cart_id, body })
    }

    /// An operation from its parts. A body that is no object is left out.
    #[must_use]
    pub fn new(at_ms: i64, kind: Kind, cart_id: &str, body: Value) -> Self {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX).to_string();
        let body = if let Value::Object(fields) = body { Some(stamped(fields, kind, &at)) } else { None };
        Self { at, at_ms, kind, cart_id: Some(cart_id.to_owned()), body }
    }

    /// Method and path of the request.
    #[must_use]
    pub fn route(&self) -> (Method, Vec<&str>) {
        let id = self.cart_id.as_deref().unwrap_or_default();
        match self.kind {
            Kind::Put => (Method::PUT, vec!["v1", "carts", id]),
            Kind::Patch => (Method::PATCH, vec!["v1", "carts", id]),
            Kind::Delete => (Method::DELETE, vec!["v1", "carts", id]),
            Kind::Signal => (Method::POST, vec!["v1", "carts", id, "signals"]),
            Kind::Reason => (Method::POST, vec!["v1", "carts", id, "reasons"]),
            Kind::Dismiss => (Method::POST, vec!["v1", "carts", id, "dismiss"]),
            Kind::Order => (Method::POST, vec!["v1", "orders"]),
            Kind::Advance => (Method::POST, vec!["v1", "clock"]),
        }
    }
}

/// An order's cart may stand on the line or in the body.
fn of_cart(mut fields: Map<String, Value>, cart_id: Option<&str>) -> Result<Map<String, Value>, OperationError> {
    if let Some(id) = cart_id {
        let named = fields.entry("cart_id").or_insert_with(|| json!(id));
        if named != id {
            return Err(OperationError::CartIdTwice);
        }
    }
    Ok(fields)
}

fn stamped(mut fields: Map<String, Value>, kind: Kind, at: &str) -> Value {
    if let Some(field) = kind.time_field()
        && !fields.contains_key(field)
    {
        fields.insert(field.to_owned(), json!(at));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_lends_its_time_to_a_body_without_one() {
        let line = r#"{"at":"2024-01-02T03:04:05Z","op":"signal","cart_id":"c","body":{"kind":"chat_opened"}}"#;
        let operation = Operation::parse(line).expect("an operation");
        assert_eq!(operation.body, Some(json!({"kind": "chat_opened", "at": "2024-01-02T03:04:05Z"})));
        let bare = r#"{"at":"2024-01-02T03:04:05Z","op":"dismiss","cart_id":"c"}"#;
        let operation = Operation::parse(bare).expect("an operation");
        assert_eq!(operation.body, Some(json!({"occurred_at": "2024-01-02T03:04:05Z"})));
        let own = r#"{"at":"2024-01-02T03:04:05Z","op":"order","body":{"placed_at":"2024-01-01T00:00:00Z"}}"#;
        let operation = Operation::parse(own).expect("an operation");
        assert_eq!(operation.body, Some(json!({"placed_at": "2024-01-01T00:00:00Z"})));
    }

    #[test]
    fn what_is_no_operation_is_refused() {
        let bad = [
            "",
            "[]",
            r#"{"at":"today","op":"dismiss","cart_id":"c"}"#,
            r#"{"at":"2024-01-02T03:04:05Z","op":"put","body":{}}"#,
            r#"{"at":"2024-01-02T03:04:05Z","op":"put","cart_id":"c","body":7}"#,
            r#"{"at":"2024-01-02T03:04:05Z","op":"steal","cart_id":"c"}"#,
            r#"{"at":"2024-01-02T03:04:05Z","op":"dismiss","cart_id":"c","cart":1}"#,
        ];
        for line in bad {
            assert!(Operation::parse(line).is_err(), "{line}");
        }
    }
}
