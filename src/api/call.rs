//! One call: who makes it, about which shop, and what makes its write happen once.
//!
//! Every handler begins with [`Call::open`] or one of its kind, so that nothing is read of a body before its sender is
//! known. Writes go to the engine from here and nowhere else in the API.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Bytes, Data, Payload};
use sha2::{Digest, Sha256};

use super::ApiState;
use super::access::{Access, ShopAccess};
use super::auth::{authenticate, shop_of};
use super::body;
use super::envelope::Envelope;
use super::faults::Fault;
use super::problem::{Kind, Problem};
use super::query::Query;
use crate::config::Role;
use crate::domain::{CartId, EventKey, Receipt, What};
use crate::engine::Once;

/// The header that names a write.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// What all handlers share.
///
/// # Errors
/// Never, once the application is put together as in `api.rs`.
pub fn state(req: &HttpRequest) -> Result<&ApiState, Problem> {
    req.app_data::<Data<ApiState>>().map(|data| &***data).ok_or_else(Problem::internal)
}

/// The least role that this listener lets in, whatever a call asks for.
#[derive(Clone, Copy, Debug)]
pub struct Least(pub Role);

/// A call that was let in.
pub struct Call<'r> {
    pub req: &'r HttpRequest,
    pub state: &'r ApiState,
    pub shop: Arc<ShopAccess>,
    pub query: Query,
}

impl<'r> Call<'r> {
    /// Lets a call in, when its key has at least this role.
    ///
    /// # Errors
    /// 401, 403, 404 for an unknown shop, 400 for a query or a shop that is not clear.
    pub fn open(req: &'r HttpRequest, least: Role) -> Result<Self, Problem> {
        Self::open_with(req, least, &["shop"])
    }

    /// As [`Call::open`], for a call with more parameters than `shop`.
    ///
    /// # Errors
    /// As [`Call::open`].
    pub fn open_with(req: &'r HttpRequest, least: Role, known: &[&str]) -> Result<Self, Problem> {
        let state = state(req)?;
        let access: Arc<Access> = state.access();
        let least = req.app_data::<Least>().map_or(least, |listener| listener.0.max(least));
        let entry = authenticate(req, &access, least)?;
        let query = Query::parse(req.query_string(), known)?;
        let shop = shop_of(req, &access, entry, query.get("shop"))?;
        Ok(Self { req, state, shop, query })
    }

    /// The cart that the path names.
    ///
    /// # Errors
    /// 400 when it can be no cart's id.
    pub fn cart_id(&self) -> Result<CartId, Problem> {
        let text = self.req.match_info().get("cart_id").unwrap_or_default();
        CartId::parse(text).map_err(|error| Problem::new(Kind::InvalidPath, format!("The cart id {error}.")))
    }

    /// The body, when it is of one of these types.
    ///
    /// # Errors
    /// As `body::read`.
    pub async fn body(&self, payload: Payload, types: &[&str]) -> Result<Bytes, Problem> {
        body::read(self.req, payload, types, self.state.body_bytes_max).await
    }

    /// Tells a cart something, once for each key.
    ///
    /// # Errors
    /// Whatever the engine refuses, as a problem.
    pub async fn write(&self, cart: &CartId, envelope: Envelope, what: What, bytes: &[u8]) -> Result<Receipt, Problem> {
        let input = envelope.input(self.state.engine.now(), what);
        let once = self.once(envelope.event_id, bytes)?;
        Ok(self.state.engine.write(&self.shop.id, cart, input, once).await?)
    }

    /// What makes this write happen once: the key in the header or in the body, and the request it stands for.
    ///
    /// # Errors
    /// 400 for a header that can be no key, 422 for two different keys.
    pub fn once(&self, event_id: Option<EventKey>, bytes: &[u8]) -> Result<Option<Once>, Problem> {
        let key = match (key_in(self.req.headers())?, event_id) {
            (Some(header), Some(body)) if header != body => {
                let detail = "must equal the Idempotency-Key header when both are given".into();
                return Err(Problem::with_faults(
                    Kind::InvalidBody,
                    vec![Fault { pointer: "/event_id".to_owned(), detail }],
                ));
            }
            (header, body) => header.or(body),
        };
        Ok(key.map(|key| Once { key, fingerprint: self.fingerprint(bytes) }))
    }

    fn fingerprint(&self, bytes: &[u8]) -> u64 {
        let mut hash = Sha256::new();
        for part in [self.req.method().as_str().as_bytes(), self.req.path().as_bytes(), bytes] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash: [u8; 32] = hash.finalize().into();
        hash.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}

pub(super) fn key_in(headers: &HeaderMap) -> Result<Option<EventKey>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    value.to_str().ok().and_then(|text| EventKey::parse(text).ok()).map(Some).ok_or_else(|| {
        Problem::new(Kind::InvalidHeader, "Idempotency-Key must be 1 to 255 printable ASCII characters without spaces.")
    })
}
