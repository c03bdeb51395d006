//! Webhooks of shop platforms: each becomes calls of the cart API, as if the storefront had made them.
//!
//! - Nothing is believed before its signature is found right; what it means then is for the platform's own file to say
//!   (`src/platforms/`).
//! - A platform reads no answers, and gives up on who refuses too often. So what is signed is answered 200, whatever it
//!   says; 503 alone asks for it again. What could not be used is in the answer, in the log and in the metric.
//! - One odd field must not lose a cart: what its call refuses is left out once, where it can be left out.
//! - The same webhook twice is one: a call is made once for what it says (`api/batch.rs`).

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::access::ShopAccess;
use super::batch::{self, Line, Outcome, Told};
use super::call::{Call, state};
use super::carts::private;
use super::problem::{Kind, Problem};
use super::query::Query;
use super::receipt;
use super::{body, browser};
use crate::config::PlatformConfig;
use crate::metrics::PlatformResult;
use crate::platforms::{self, Heard, Op, Platform, Wish};

/// What became of a platform's webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = PlatformAnswer)]
struct Answer<'a> {
    /// Why it came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    ignored: Option<&'static str>,
    /// Fields that could not be taken, and were left out.
    #[schema(value_type = Vec<String>)]
    left_out: &'a [String],
    /// Of each call that it came to.
    #[schema(value_type = Vec<Outcome>)]
    results: Vec<Outcome<'a>>,
}

/// Takes a webhook of a shop platform, under the platform's own signature. What is signed is answered 200, whatever it
/// says; `results` tells what became of it.
#[utoipa::path(post, path = "/in/{platform}/{shop}", tag = "platforms",
    params(
        ("platform" = super::openapi::PlatformName, Path, description = "Whose webhooks these are."),
        ("shop" = String, Path, description = "The shop's id.")),
    request_body(content = Object, description = "As the platform sends it."),
    responses((status = 200, body = Answer, description = "What became of it.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let (shop, platform) = addressee(&req)?;
    let state = state(&req)?;
    let bytes = body::read_any(&req, payload, state.body_bytes_max).await?;
    if platforms::is_ping(platform.name, &bytes) {
        return answer(&Err("a ping"), &[], &[]);
    }
    let call = Call { req: &req, state, shop, query: Query::parse("", &[])? };
    let count = |result| state.metrics.platforms.heard(&call.shop.id, platform.name.as_str(), result);
    let header = |name: &str| req.headers().get(name)?.to_str().ok();
    let signer = (platform.name, platform.secrets.as_slice());
    if !platforms::is_signed(signer, &header, &bytes, state.engine.now()) {
        count(PlatformResult::Unsigned);
        return Err(Problem::new(Kind::Unauthenticated, "The platform's signature is missing or not right."));
    }
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| body::not_json(&bytes, &error))?;
    let heard = platforms::read(platform.name, &header, &document);
    let mut left_out = Vec::new();
    let mut results = Vec::new();
    for wish in heard.iter().flatten() {
        match grant(&call, wish, &mut left_out).await {
            // What is stored by now is answered again as it was when the webhook is repeated.
            Err(problem) if problem.kind().parts().0 == 503 => return Err(problem),
            result => results.push(result),
        }
    }
    let result = match &heard {
        Err(_) => PlatformResult::Ignored,
        Ok(_) if results.iter().any(Result::is_err) => PlatformResult::Refused,
        Ok(_) if left_out.is_empty() => PlatformResult::Applied,
        Ok(_) => PlatformResult::Partly,
    };
    count(result);
    if matches!(result, PlatformResult::Refused | PlatformResult::Partly) {
        warn(&call.shop, platform.name, &left_out, &results);
    }
    answer(&heard, &left_out, &results)
}

/// The shop and the platform that the path names. One answer for both: who may not know the shops learns nothing of them.
fn addressee(req: &HttpRequest) -> Result<(Arc<ShopAccess>, PlatformConfig), Problem> {
    let named = |name| req.match_info().get(name).unwrap_or_default();
    let shop = state(req)?.access().shop(named("shop")).cloned();
    let platform = Platform::parse(named("platform"));
    let found = shop.and_then(|shop| {
        let of_shop = shop.platforms.iter().find(|of_shop| Some(of_shop.name) == platform)?.clone();
        Some((shop, of_shop))
    });
    found.ok_or_else(|| Problem::new(Kind::NotFound, "No such shop, or no such platform is configured for it."))
}

async fn grant(call: &Call<'_>, wish: &Wish, left_out: &mut Vec<String>) -> Result<Told, Problem> {
    match (tell(call, &wish.call, left_out).await, &wish.otherwise) {
        (Err(problem), Some(other)) if problem.kind() == Kind::NoSuchCart => tell(call, other, left_out).await,
        (result, _) => result,
    }
}

/// Makes a call; once more, without the fields that it refused.
async fn tell(call: &Call<'_>, wished: &platforms::Call, left_out: &mut Vec<String>) -> Result<Told, Problem> {
    let problem = match batch::tell(call, line(wished, &wished.body)).await {
        Err(problem) if !problem.errors().is_empty() => problem,
        result => return result,
    };
    let fields: Vec<String> = problem.errors().iter().map(|fault| fault.pointer.clone()).collect();
    let Some(body) = without(wished.body.clone(), &fields) else { return Err(problem) };
    let told = batch::tell(call, line(wished, &body)).await;
    // The first refusal is what is wrong with the webhook; a second one follows from the cuts.
    let told = told.map_err(|second| if second.errors().is_empty() { second } else { problem })?;
    left_out.extend(fields);
    Ok(told)
}

fn line(wished: &platforms::Call, body: &Value) -> Line {
    let op = match wished.op {
        Op::Put => batch::Op::Page(browser::Op::Put),
        Op::Patch => batch::Op::Page(browser::Op::Patch),
        Op::Signal => batch::Op::Page(browser::Op::Signal),
        Op::Delete => batch::Op::Delete,
        Op::Order => batch::Op::Order,
    };
    Line { op, cart: wished.cart.clone(), at: wished.at, body: body.to_string().into_bytes() }
}

/// The body without these fields, and without a list that one of them is an entry of. But a cart without one of its
/// lines is another cart.
fn without(mut body: Value, fields: &[String]) -> Option<Value> {
    for field in fields {
        let (parent, name) = field.rsplit_once('/')?;
        match body.pointer_mut(parent) {
            Some(Value::Object(parent)) if name != "items" => {
                parent.remove(name);
            }
            Some(Value::Array(_)) if parent != "/items" => {
                let (owner, list) = parent.rsplit_once('/')?;
                body.pointer_mut(owner).and_then(Value::as_object_mut)?.remove(list);
            }
            // A list that is gone already.
            None => {}
            Some(_) => return None,
        }
    }
    Some(body)
}

/// Names the fields, never what was in them.
fn warn(shop: &ShopAccess, platform: Platform, left_out: &[String], results: &[Result<Told, Problem>]) {
    let (shop, platform) = (shop.id.as_str(), platform.as_str());
    let Some(problem) = results.iter().find_map(|result| result.as_ref().err()) else {
        tracing::warn!(shop, platform, fields = ?left_out, "fields of a platform's webhook could not be taken");
        return;
    };
    let fields: Vec<&str> = problem.errors().iter().map(|fault| fault.pointer.as_str()).collect();
    tracing::warn!(shop, platform, problem = problem.kind().parts().1, ?fields, "a platform's webhook was refused");
}

fn answer(heard: &Heard, left_out: &[String], results: &[Result<Told, Problem>]) -> Result<HttpResponse, Problem> {
    let results = (1..).zip(results).map(|(number, result)| Outcome::of(number, result)).collect();
    let answer = Answer { ignored: heard.as_ref().err().copied(), left_out, results };
    Ok(private(receipt::json(StatusCode::OK, &answer)?))
}
