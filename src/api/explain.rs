//! `GET /v1/carts/{cart_id}/explain`: why this shopper was or was not reminded.
//!
//! The whole story of a cart in order: each decision, deferral and attempt, with its inputs, in the words that the metrics
//! use; then what would be decided now, guard by guard, and the reason as the rules see it. Bounded, and nothing personal.
//! Read next: `api/explain/words.rs` for the sentences, `engine/explain.rs` for where it comes from.

mod outlook;
mod story;
mod words;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::outlook::{Now, RuleView};
pub use self::story::WHATS;
use super::call::Call;
use super::carts::private;
use super::problem::{Kind, Problem};
use super::receipt::{self, moment};
use crate::config::Role;
use crate::domain::{Moment, State};
use crate::engine::Explanation;

/// How many entries are told at most: beyond, the oldest but the first are left out.
const ENTRIES_MAX: usize = 200;

/// One thing that became of the cart.
#[derive(Serialize, ToSchema)]
pub struct Entry {
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// Stable; decide by this.
    #[schema(value_type = super::openapi::StoryName)]
    what: &'static str,
    /// A sentence for people.
    says: String,
    /// What it rests on.
    #[schema(value_type = Object)]
    inputs: Inputs,
}

/// What something rests on, by name.
pub type Inputs = Map<String, Value>;

impl Entry {
    fn new(at: Moment, what: &'static str, says: impl Into<String>) -> Self {
        Self { at, what, says: says.into(), inputs: Inputs::new() }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.inputs.insert(name.to_owned(), value.into());
        self
    }
}

/// Why a shopper was or was not reminded.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
pub struct ExplainView<'a> {
    #[schema(value_type = String)]
    cart_id: &'a str,
    #[schema(value_type = super::openapi::StateNameSchema)]
    state: &'static str,
    /// In one sentence.
    summary: String,
    /// In order of time.
    story: Vec<Entry>,
    /// How many entries of the story are left out.
    left_out_count: usize,
    now: Now,
    /// What the rules make of the shopper's silence, those that hold and those that nearly do.
    rules: Vec<RuleView>,
}

/// Why this shopper was or was not reminded.
#[utoipa::path(get, path = "/v1/carts/{cart_id}/explain", tag = "carts",
    responses((status = 200, body = ExplainView, description = "The story of the cart, and what would be decided now.")))]
pub async fn get(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Server)?;
    let id = call.cart_id()?;
    let explanation = call.state.engine.explain(&call.shop.id, &id).await?;
    let explanation = explanation.filter(|explanation| explanation.cart.state != State::Erased);
    let none = || Problem::new(Kind::NoSuchCart, "It was never put, or it was erased.");
    let explanation = explanation.ok_or_else(none)?;
    Ok(private(receipt::json(StatusCode::OK, &ExplainView::of(&explanation))?))
}

impl<'a> ExplainView<'a> {
    fn of(explanation: &'a Explanation) -> Self {
        let cart = &explanation.cart;
        let mut story = story::of(explanation);
        let left_out_count = story.len().saturating_sub(ENTRIES_MAX);
        if left_out_count > 0 {
            story.drain(1..=left_out_count);
        }
        Self {
            cart_id: cart.id.as_str(),
            state: cart.state.name().as_str(),
            summary: words::summary(explanation),
            story,
            left_out_count,
            now: Now::of(explanation),
            rules: explanation.rules.iter().filter_map(RuleView::of).collect(),
        }
    }
}
