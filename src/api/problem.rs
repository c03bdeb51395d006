//! Problems: the only map from what went wrong to HTTP (RFC 9457, `application/problem+json`).
//!
//! Every error that leaves the API is one of these, the framework's own included. A problem names fields and what is
//! allowed in them, never what was sent; one of ours (5xx) says nothing of the inside. Read next: `api/faults.rs`.

use std::borrow::Cow;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use super::faults::Fault;
use crate::domain::Refusal;
use crate::engine::WriteError;
use crate::store::StoreError;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong. The slug of each is stable: callers may decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    BadRequest,
    InvalidJson,
    InvalidPath,
    InvalidQuery,
    InvalidHeader,
    ShopRequired,
    Unauthenticated,
    Forbidden,
    OriginNotAllowed,
    NotFound,
    NoSuchCart,
    NoSuchShop,
    NoSuchEndpoint,
    NoSuchDelivery,
    NoSuchLink,
    MethodNotAllowed,
    RequestTimeout,
    BodyTooLarge,
    HeadTooLarge,
    UnsupportedMediaType,
    InvalidBody,
    IdempotencyKeyReused,
    Internal,
    Busy,
    Unavailable,
    StoreFull,
}

impl Kind {
    /// Every kind, for the documentation.
    pub const ALL: &'static [Self] = &[
        Self::BadRequest,
        Self::InvalidJson,
        Self::InvalidPath,
        Self::InvalidQuery,
        Self::InvalidHeader,
        Self::ShopRequired,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::OriginNotAllowed,
        Self::NotFound,
        Self::NoSuchCart,
        Self::NoSuchShop,
        Self::NoSuchEndpoint,
        Self::NoSuchDelivery,
        Self::NoSuchLink,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::HeadTooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidBody,
        Self::IdempotencyKeyReused,
        Self::Internal,
        Self::Busy,
        Self::Unavailable,
        Self::StoreFull,
    ];

    /// The status, the stable `type` and the title.
    #[must_use]
    pub const fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::BadRequest => (400, "/problems/bad-request", "The request cannot be understood"),
            Self::InvalidJson => (400, "/problems/invalid-json", "The body is not valid JSON"),
            Self::InvalidPath => (400, "/problems/invalid-path", "A part of the path is not valid"),
            Self::InvalidQuery => (400, "/problems/invalid-query", "The query is not valid"),
            Self::InvalidHeader => (400, "/problems/invalid-header", "A header is not valid"),
            Self::ShopRequired => (400, "/problems/shop-required", "The request does not say which shop it is about"),
            Self::Unauthenticated => (401, "/problems/unauthenticated", "A valid key is required"),
            Self::Forbidden => (403, "/problems/forbidden", "This key may not do this"),
            Self::OriginNotAllowed => (403, "/problems/origin-not-allowed", "This key may not be used from here"),
            Self::NotFound => (404, "/problems/not-found", "There is nothing here"),
            Self::NoSuchCart => (404, "/problems/no-such-cart", "There is no such cart"),
            Self::NoSuchShop => (404, "/problems/no-such-shop", "There is no such shop"),
            Self::NoSuchEndpoint => (404, "/problems/no-such-endpoint", "There is no such endpoint"),
            Self::NoSuchDelivery => (404, "/problems/no-such-delivery", "There is no such delivery"),
            Self::NoSuchLink => (404, "/problems/no-such-link", "There is no such link"),
            Self::MethodNotAllowed => (405, "/problems/method-not-allowed", "This method is not allowed here"),
            Self::RequestTimeout => (408, "/problems/request-timeout", "The request took too long to arrive"),
            Self::BodyTooLarge => (413, "/problems/body-too-large", "The body is too large"),
            Self::HeadTooLarge => (431, "/problems/head-too-large", "The head of the request is too large"),
            Self::UnsupportedMediaType => (415, "/problems/unsupported-media-type", "The body is of the wrong type"),
            Self::InvalidBody => (422, "/problems/invalid-body", "The body has fields that are not valid"),
            Self::IdempotencyKeyReused => {
                (422, "/problems/idempotency-key-reused", "This idempotency key was used for another request")
            }
            Self::Internal => (500, "/problems/internal", "Something went wrong on our side"),
            Self::Busy => (503, "/problems/busy", "Too many writers change this at once; try again"),
            Self::Unavailable => (503, "/problems/unavailable", "The service cannot do this right now; try again"),
            Self::StoreFull => (503, "/problems/store-full", "There is no room for new carts right now"),
        }
    }
}

/// An answer that is not the one asked for.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<Fault>,
    allow: &'static str,
}

impl Problem {
    /// A problem of this kind, with one sentence on what to do about it; it must not repeat what was sent.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), allow: "" }
    }

    /// A body, or a query, with these faults.
    #[must_use]
    pub fn with_faults(kind: Kind, errors: Vec<Fault>) -> Self {
        Self { errors, ..Self::new(kind, "Each of the errors names a field and what is allowed in it.") }
    }

    /// The methods that a known path takes.
    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow, ..Self::new(Kind::MethodNotAllowed, "The Allow header lists the methods of this path.") }
    }

    /// Nothing that a caller could act on, and nothing that should have happened.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(Kind::Internal, "Nothing is known to have been stored.")
    }

    /// What stands for a bare error of the framework.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let kind = match status.as_u16() {
            401 => Kind::Unauthenticated,
            403 => Kind::Forbidden,
            404 => Kind::NotFound,
            405 => Kind::MethodNotAllowed,
            408 => Kind::RequestTimeout,
            413 => Kind::BodyTooLarge,
            431 => Kind::HeadTooLarge,
            415 => Kind::UnsupportedMediaType,
            503 => Kind::Unavailable,
            400..500 => Kind::BadRequest,
            _ => Kind::Internal,
        };
        Self::new(kind, "The request was refused before it was read.")
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The problem as it is sent.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.body()).unwrap_or_default()
    }

    /// The problem as a part of another answer.
    pub(super) fn body(&self) -> ProblemBody<'_> {
        let (status, slug, title) = self.kind.parts();
        ProblemBody { slug, title, status, detail: &self.detail, errors: &self.errors }
    }

    /// The bad fields.
    #[must_use]
    pub fn errors(&self) -> &[Fault] {
        &self.errors
    }
}

/// The form of every error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// Stable; decide by this.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    slug: &'a str,
    #[schema(value_type = String)]
    title: &'a str,
    status: u16,
    #[schema(value_type = String)]
    detail: &'a str,
    /// One entry for each bad field.
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    #[schema(value_type = Vec<Fault>, required = false)]
    errors: &'a [Fault],
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.parts().2)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.parts().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let status = self.kind.parts().0;
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(PROBLEM_JSON);
        if status == 401 {
            response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"cartwake\""));
        }
        if status == 503 {
            response.insert_header((RETRY_AFTER, "1"));
        }
        if !self.allow.is_empty() {
            response.insert_header((ALLOW, self.allow));
        }
        response.body(self.json())
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(refusal) => refusal.into(),
            WriteError::KeyReused => {
                Self::new(Kind::IdempotencyKeyReused, "A key stands for one request: the same method, path and body.")
            }
            WriteError::SharedDevice => {
                let detail =
                    "is of a device that several people use: name the person by email, phone or customer_id".into();
                Self::with_faults(Kind::InvalidBody, vec![Fault { pointer: "/anonymous_id".to_owned(), detail }])
            }
            WriteError::Busy => Self::new(Kind::Busy, "Nothing was stored."),
            // The shop went with a reload between the check of the key and the write.
            WriteError::UnknownShop => Self::new(Kind::NoSuchShop, "The shop is no longer configured."),
            WriteError::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (pointer, detail) = match refusal {
            Refusal::NoSuchCart => return Self::new(Kind::NoSuchCart, "Only a PUT or an order makes a cart."),
            Refusal::CurrencyWithoutAmounts => ("/currency", "needs items and totals in the new currency beside it"),
            Refusal::CurrenciesDiffer => ("/into", "must be a cart of the same currency"),
            Refusal::TooManyLines => ("/into", "must not have more than 200 lines with those of this one"),
            Refusal::TooManyAttributes => ("/attributes", "must leave the cart with at most 32 entries"),
        };
        Self::with_faults(Kind::InvalidBody, vec![Fault { pointer: pointer.to_owned(), detail: detail.into() }])
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::debug!(error = %error, "a request could not be served: the store failed");
        match error {
            StoreError::Unavailable(_) => {
                Self::new(Kind::Unavailable, "Repeat a write with the same idempotency key: it is done once.")
            }
            StoreError::Unusable(_) => Self::new(Kind::Unavailable, "The store is not ready."),
            StoreError::Full => Self::new(Kind::StoreFull, "Nothing was stored."),
            StoreError::Corrupt { .. } | StoreError::Newer { .. } => Self::internal(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use actix_web::body::to_bytes;
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn every_kind_has_a_slug_of_its_own() {
        let slugs: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.parts().1).collect();
        assert_eq!(slugs.len(), Kind::ALL.len());
        assert!(slugs.iter().all(|slug| slug.starts_with("/problems/")));
    }

    #[actix_web::test]
    async fn a_problem_is_rendered_by_rfc_9457() {
        let fault = Fault { pointer: "/items/0/quantity".to_owned(), detail: "must be at least 1".into() };
        let response = Problem::with_faults(Kind::InvalidBody, vec![fault]).error_response();
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers().get("content-type").map(HeaderValue::as_bytes), Some(PROBLEM_JSON.as_bytes()));
        let bytes = to_bytes(response.into_body()).await.expect("a body in memory");
        let json: serde_json::Value = serde_json::from_slice(&bytes).expect("valid JSON");
        assert_eq!(json["type"], "/problems/invalid-body");
        assert_eq!(json["errors"][0]["pointer"], "/items/0/quantity");
    }

    #[test]
    fn what_can_be_tried_again_says_when() {
        for kind in [Kind::Busy, Kind::Unavailable, Kind::StoreFull] {
            assert!(Problem::new(kind, "").error_response().headers().contains_key(RETRY_AFTER));
        }
        assert!(Problem::new(Kind::Unauthenticated, "").error_response().headers().contains_key(WWW_AUTHENTICATE));
        assert!(Problem::method_not_allowed("GET").error_response().headers().contains_key(ALLOW));
    }
}
