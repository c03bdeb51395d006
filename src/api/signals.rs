//! Signals: hints that a storefront sends while a shopper is in a cart. A closed list; each kind has its own fields.
//!
//! A kind that is not known yet is taken as `other`, whatever else is in the body, so that a newer snippet works with
//! an older server. Read next: `domain/signal.rs`.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::body::{self, FromBody, JSON};
use super::call::Call;
use super::envelope::Envelope;
use super::faults::{At, Faults};
use super::fields::{Checked, count, event_key, member, minor, moment, product, set, text, within};
use super::json::{Given, List, Text};
use super::problem::Problem;
use super::receipt::{self, CartReceipt};
use crate::config::Role;
use crate::domain::{Classified, Page, PaymentClass, Provider, Signal, SignalKind, Stage, Unmapped, What, classify};

/// Longest name of a kind.
const KIND_MAX: usize = 64;

/// A signal. Which fields it may have depends on its kind; unknown kinds are stored as `other`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Signal)]
pub struct SignalBody<'a> {
    #[serde(default, borrow)]
    #[schema(value_type = String, required = true, pattern = "^[a-z0-9_]{1,64}$")]
    kind: Given<Text<'a>>,
    /// When it was observed; now when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    lowest_minor: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    fastest_days: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    rates: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    total_minor: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<super::openapi::StageName>)]
    stage: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    code_hash: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<super::openapi::Coupon>>, max_items = 32)]
    methods: Given<List<Text<'a>, 32>>,
    #[serde(default)]
    #[schema(value_type = Option<super::openapi::PaymentClassName>)]
    class: Given<Text<'a>>,
    /// What the payment provider called the failure; gives the class where that is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    code: Given<Text<'a>>,
    /// Whose code it is: `stripe`, `adyen`, or another, whose codes are guessed at by their words.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    provider: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    method: Given<Text<'a>>,
    #[serde(default, rename = "where")]
    #[schema(value_type = Option<String>, max_length = 128)]
    place: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 999)]
    status: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    slow_ms: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    field: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,128}$")]
    product_id: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<super::openapi::PageName>)]
    page: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    remind_at: Given<Text<'a>>,
    /// Names this write like the header `Idempotency-Key`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,255}$")]
    event_id: Given<Text<'a>>,
}

/// The fields that a kind may have beside `kind`, `at` and `event_id`.
fn fields_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "shipping_quoted" => &["lowest_minor", "fastest_days", "rates"],
        "total_shown" => &["total_minor", "stage"],
        "coupon_rejected" | "coupon_applied" => &["code_hash"],
        "payment_methods_shown" => &["methods"],
        "payment_attempted" => &["class", "code", "method"],
        "payment_failed" => &["class", "code", "provider", "method"],
        "payment_redirected" | "payment_returned" => &["method"],
        "error_shown" => &["where", "status", "slow_ms"],
        "field_rejected" => &["field"],
        "item_removed" | "item_unavailable" | "variant_unavailable" | "search_empty" => &["product_id"],
        "page_viewed" => &["page", "product_id"],
        "saved_for_later" => &["remind_at"],
        _ => &[],
    }
}

/// A signal that was understood.
pub(super) struct Observed {
    pub(super) envelope: Envelope,
    pub(super) kind: SignalKind,
}

impl FromBody for Observed {
    type Body<'b> = SignalBody<'b>;
    type Context = ();

    fn check(body: SignalBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        let root = At::Root;
        let kind = match &body.kind {
            Given::Value(Text(kind)) => kind.clone().into_owned(),
            Given::Absent | Given::Null => String::new(),
        };
        if kind.is_empty() || kind.len() > KIND_MAX {
            faults.add(&root.field("kind"), "is required: the name of a kind");
            return None;
        }
        if SignalKind::NAMES.contains(&kind.as_str()) {
            body.refuse_foreign(fields_of(&kind), faults);
        }
        body.understand(&kind, faults)
    }

    fn rescue(body: &Value, faults: &mut Faults) -> Option<Self> {
        let kind = body.get("kind")?.as_str()?;
        if kind.is_empty() || kind.len() > KIND_MAX || SignalKind::NAMES.contains(&kind) {
            return None;
        }
        let field = |name| match body.get(name) {
            None => Ok(Given::Absent),
            Some(field) => Given::<Text<'_>>::deserialize(field).map_err(|_| name),
        };
        let (at, event_id) = match (field("at"), field("event_id")) {
            (Ok(at), Ok(event_id)) => (at, event_id),
            (Err(name), _) | (_, Err(name)) => {
                faults.add(&At::Root.field(name), "must be a string");
                (Given::Absent, Given::Absent)
            }
        };
        SignalBody { kind: Given::Value(Text(kind.into())), at, event_id, ..SignalBody::default() }
            .understand(kind, faults)
    }
}

impl SignalBody<'_> {
    fn given(&self) -> [(&'static str, bool); 18] {
        [
            ("lowest_minor", self.lowest_minor.has_value()),
            ("fastest_days", self.fastest_days.has_value()),
            ("rates", self.rates.has_value()),
            ("total_minor", self.total_minor.has_value()),
            ("stage", self.stage.has_value()),
            ("code_hash", self.code_hash.has_value()),
            ("methods", self.methods.has_value()),
            ("class", self.class.has_value()),
            ("code", self.code.has_value()),
            ("provider", self.provider.has_value()),
            ("method", self.method.has_value()),
            ("where", self.place.has_value()),
            ("status", self.status.has_value()),
            ("slow_ms", self.slow_ms.has_value()),
            ("field", self.field.has_value()),
            ("product_id", self.product_id.has_value()),
            ("page", self.page.has_value()),
            ("remind_at", self.remind_at.has_value()),
        ]
    }

    fn refuse_foreign(&self, allowed: &[&str], faults: &mut Faults) {
        for (name, _) in self.given().iter().filter(|(name, is_given)| *is_given && !allowed.contains(name)) {
            faults.add(&At::Root.field(name), "does not belong to this kind");
        }
    }

    fn understand(self, kind: &str, faults: &mut Faults) -> Option<Observed> {
        let root = At::Root;
        let envelope = Envelope {
            occurred_at: self.at.clone().optional(&root.field("at"), faults, moment),
            event_id: self.event_id.clone().optional(&root.field("event_id"), faults, event_key),
            revision: None,
            unmapped: None,
        };
        let (kind, unmapped) = match SignalKind::NAMES.iter().find(|known| **known == kind) {
            Some(&"payment_failed") => self.failure(faults)?,
            Some(known) => (self.kind(known, faults)?, None),
            None => (SignalKind::Other, Some(Unmapped::SignalKind)),
        };
        Some(Observed { envelope: Envelope { unmapped, ..envelope }, kind })
    }

    /// A failed payment: its class, said or found by the provider's code.
    fn failure(self, faults: &mut Faults) -> Option<(SignalKind, Option<Unmapped>)> {
        let root = At::Root;
        let is_said = self.class.has_value() || self.code.has_value();
        let class = self.class.optional(&root.field("class"), faults, member(PaymentClass::ALL, PaymentClass::parse));
        let code = self.code.optional(&root.field("code"), faults, text::<128>);
        let provider = self.provider.optional(&root.field("provider"), faults, text::<64>);
        self.method.optional(&root.field("method"), faults, text::<64>);
        let (class, unmapped) = match (class, code) {
            (Some(class), _) => (class, None),
            (None, Some(code)) => {
                let provider = provider.and_then(|name| Provider::parse(&name.to_ascii_lowercase()));
                let Classified { class, is_listed } = classify(provider, &code);
                (class, (!is_listed).then_some(Unmapped::PaymentCode))
            }
            (None, None) => {
                if !is_said {
                    faults.add(&root.field("class"), "is required, or a code of the payment provider");
                }
                return None;
            }
        };
        Some((SignalKind::PaymentFailed { class }, unmapped))
    }

    /// The kind with its fields; what only humans read is checked and not kept.
    fn kind(self, kind: &str, faults: &mut Faults) -> Option<SignalKind> {
        let root = At::Root;
        let classes = || member(PaymentClass::ALL, PaymentClass::parse);
        let product = self.product_id.optional(&root.field("product_id"), faults, product);
        check_unkept(
            [("code_hash", self.code_hash), ("where", self.place), ("field", self.field)],
            [("code", self.code), ("method", self.method), ("provider", self.provider)],
            faults,
        );
        let slow_ms = self.slow_ms.optional(&root.field("slow_ms"), faults, count);
        let remind_at = self.remind_at.optional(&root.field("remind_at"), faults, moment);
        let methods = self.methods.each(&root.field("methods"), faults, |method, at, faults| {
            Given::Value(method).optional(at, faults, text::<64>)
        });
        Some(match kind {
            "shipping_quoted" => SignalKind::ShippingQuoted {
                lowest: self.lowest_minor.optional(&root.field("lowest_minor"), faults, minor),
                fastest_days: self.fastest_days.optional(&root.field("fastest_days"), faults, count),
                rates: self.rates.optional(&root.field("rates"), faults, count),
            },
            "total_shown" => {
                let total = self.total_minor.required(&root.field("total_minor"), faults, minor);
                let stage = self.stage.optional(&root.field("stage"), faults, member(Stage::ALL, Stage::parse));
                SignalKind::TotalShown { total: total?, stage }
            }
            "payment_attempted" => {
                self.class.optional(&root.field("class"), faults, classes());
                SignalKind::PaymentAttempted
            }
            "error_shown" => {
                SignalKind::ErrorShown { status: self.status.optional(&root.field("status"), faults, status), slow_ms }
            }
            "page_viewed" => {
                let pages = member(Page::ALL, Page::parse);
                SignalKind::PageViewed { page: self.page.required(&root.field("page"), faults, pages)?, product }
            }
            "payment_methods_shown" => SignalKind::PaymentMethodsShown {
                count: set(methods).and_then(|methods| u32::try_from(methods.len()).ok()),
            },
            "item_removed" => SignalKind::ItemRemoved { product },
            "item_unavailable" => SignalKind::ItemUnavailable { product },
            "variant_unavailable" => SignalKind::VariantUnavailable { product },
            "saved_for_later" => SignalKind::SavedForLater { remind_at },
            _ => bare(kind),
        })
    }
}

/// The kinds of which only the name is kept.
fn bare(kind: &str) -> SignalKind {
    match kind {
        "coupon_rejected" => SignalKind::CouponRejected,
        "coupon_applied" => SignalKind::CouponApplied,
        "payment_redirected" => SignalKind::PaymentRedirected,
        "payment_returned" => SignalKind::PaymentReturned,
        "field_rejected" => SignalKind::FieldRejected,
        "account_required" => SignalKind::AccountRequired,
        "search_empty" => SignalKind::SearchEmpty,
        "chat_opened" => SignalKind::ChatOpened,
        "chat_answered" => SignalKind::ChatAnswered,
        "exit_intent" => SignalKind::ExitIntent,
        "tab_hidden" => SignalKind::TabHidden,
        "page_closed" => SignalKind::PageClosed,
        _ => SignalKind::Other,
    }
}

fn check_unkept(long: [(&str, Given<Text<'_>>); 3], short: [(&str, Given<Text<'_>>); 3], faults: &mut Faults) {
    for (name, given) in long {
        given.optional(&At::Root.field(name), faults, text::<128>);
    }
    for (name, given) in short {
        given.optional(&At::Root.field(name), faults, text::<64>);
    }
}

fn status(number: i64) -> Checked<u16> {
    within::<0, 999>(number).and_then(|n| u16::try_from(n).map_err(|_| "must be a status".into()))
}

/// Takes a signal of a cart.
#[utoipa::path(post, path = "/v1/carts/{cart_id}/signals", tag = "signals", request_body = SignalBody,
    responses((status = 200, body = CartReceipt, description = "Taken, or the cart has ended."),
        (status = 204, description = "Applied; asked for by `Prefer: return=minimal`.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Browser)?;
    let id = call.cart_id()?;
    let bytes = call.body(payload, JSON).await?;
    let Observed { envelope, kind } = body::parse(&bytes, &())?;
    let at = envelope.occurred_at.unwrap_or_else(|| call.state.engine.now());
    let receipt = call.write(&id, envelope, What::Signal(Signal { kind, at }), &bytes).await?;
    receipt::of_cart(req.headers(), &id, &receipt)
}

#[cfg(test)]
mod tests;
