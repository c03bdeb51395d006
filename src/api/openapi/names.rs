//! Closed sets as schemas: a string that is one of the names the domain knows.
//!
//! Each takes its names from the domain's own list, so the document cannot fall behind the code.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::api::explain::WHATS;
use crate::api::recoveries::OUTCOMES;
use crate::domain::{
    Applied, Attribution, Channel, ConsentStatus, Currency, OrderStatus, Page, PaymentClass, ReasonCode, ReasonSource,
    Stage, StateName, Why,
};
use crate::platforms::Platform;

fn one_of<T: ToString>(names: impl IntoIterator<Item = T>) -> RefOr<Schema> {
    let names = names.into_iter().map(|name| name.to_string());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}

macro_rules! closed_set {
    ($(#[$meta:meta])* $type:ident, $name:literal, $names:expr) => {
        $(#[$meta])*
        pub struct $type;

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                one_of($names)
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    };
}

/// Every code of three letters that the domain takes for a currency.
fn currencies() -> impl Iterator<Item = &'static str> {
    let letters = || 'A'..='Z';
    let codes = letters().flat_map(move |a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
    codes.filter_map(|code| Currency::parse(&code.iter().collect::<String>()).ok()).map(Currency::code)
}

closed_set!(
    /// Which call of the cart API an event of a batch is.
    BatchOpName, "BatchOp", crate::api::browser::Op::ALL
);
closed_set!(
    /// Which call of the cart API a line of a batch is.
    ImportOpName, "ImportOp", crate::api::batch::Op::ALL
);
closed_set!(
    /// An ISO 4217 currency.
    CurrencyCode, "Currency", currencies()
);
closed_set!(
    /// How far the shopper has come.
    StageName, "Stage", Stage::ALL
);
closed_set!(
    /// The state of a cart.
    StateNameSchema, "State", StateName::ALL
);
closed_set!(
    /// A way to reach a shopper.
    ChannelName, "Channel", Channel::ALL
);
closed_set!(
    /// What a shopper said about a channel.
    ConsentStatusName, "ConsentStatus", ConsentStatus::ALL
);
closed_set!(
    /// How a conversion came about.
    AttributionName, "Attribution", Attribution::ALL
);
closed_set!(
    /// Where an order stands.
    OrderStatusName, "OrderStatus", OrderStatus::ALL
);
closed_set!(
    /// Why a payment failed.
    PaymentClassName, "PaymentClass", PaymentClass::ALL
);
closed_set!(
    /// A shop platform whose webhooks are taken.
    PlatformName, "Platform", Platform::ALL
);
closed_set!(
    /// A page that hints at a worry.
    PageName, "Page", Page::ALL
);
closed_set!(
    /// Any reason.
    ReasonName, "ReasonCode", ReasonCode::ALL
);
closed_set!(
    /// A reason that a caller may give.
    ReportableReasonName, "ReportableReasonCode", ReasonCode::ALL.iter().filter(|code| **code != ReasonCode::Unknown)
);
closed_set!(
    /// Where a reason came from.
    SourceName, "ReasonSource", ReasonSource::ALL
);
closed_set!(
    /// Who may give a reason.
    ReportingSourceName, "ReportingSource", [ReasonSource::Reported, ReasonSource::Agent]
);
closed_set!(
    /// Why a write changed nothing.
    NotAppliedName, "NotApplied", [Applied::Stale, Applied::Closed]
);
closed_set!(
    /// Why something is not sent, or not yet.
    WhyName, "Why", Why::ALL
);
closed_set!(
    /// What became of a recovery.
    RecoveryOutcomeName, "RecoveryOutcome", OUTCOMES
);
closed_set!(
    /// What an entry of a story is.
    StoryName, "StoryEntry", WHATS
);
closed_set!(
    /// What would be decided.
    VerdictName, "Verdict", ["send", "defer", "suppress", "nothing"]
);
closed_set!(
    /// What a cart is next looked at for.
    WakeName, "Wake", ["idle_window", "reminder", "retention"]
);
closed_set!(
    /// Whether a reminder was on its way when the order came.
    InFlightName, "ReminderInFlight", ["none", "finished", "possible"]
);
