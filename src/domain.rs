//! The core: what a cart is, what can happen to it, and what follows. Pure: no clock, no dice, no I/O, no serialisation.
//!
//! Dramatis personae, in the order they enter:
//! - an `Input` says what happened to a cart and when; a `Cart` is everything known about it;
//! - a `Program` is the shop's policy, a `Person` what the shopper's identifiers are known for;
//! - `decide` turns `(cart, input, person, now, program)` into a `Decision`: the next cart, the `Delivery`s it puts
//!   in the outbox, and the `Fact`s that became true. Tallies and the census derive from the Facts alone;
//! - `before_send` and `after_attempt` decide about a delivery at the moment of sending and after each attempt;
//! - the guards of `domain/guard.rs` say of every reminder whether it goes out now, later or never, and why.
//!
//! The life of a cart:
//! - Active -> Abandoned when idle longer than its stage allows; Abandoned -> Active when the shopper comes back.
//!   The next idle episode is a new, numbered abandonment.
//! - Active | Abandoned -> PaymentPending while an asynchronous payment is on its way: not an abandonment.
//! - any of these -> Converted on a paid order (`recovered` when it follows an abandonment inside the attribution
//!   window) -> Reverted on refund or cancellation.
//! - any of these -> Dismissed, OptedOut, Suppressed, MergedInto, Expired, Erased.
//! - Terminal states are never left by a late event; they end when their retention does.
//!
//! Read next: `domain/cart.rs`, then `domain/decide.rs`.

mod attribution;
mod breaker;
mod calibration;
mod cart;
mod consent;
mod content;
mod decide;
mod delivery;
mod digest;
mod draft;
mod experiment;
mod fact;
mod funnel;
mod guard;
mod id;
mod incentive;
mod input;
mod lift;
mod merge;
mod money;
pub(crate) mod names;
mod note;
mod order;
mod patch;
mod payment;
mod person;
mod program;
mod quiet;
mod reason;
mod resend;
mod rules;
mod send;
mod sequence;
mod settle;
mod shoppers;
mod signal;
mod span;
mod stock;
mod tally;
mod time;
mod trail;
mod trim;
mod wake;
mod zone;

pub use attribution::{Attribution, Credit};
pub use breaker::{Breaker, is_failure};
pub use calibration::{Agreement, Agreements, CalibrationSettings, add as add_agreement, demoted};
pub use cart::{
    Abandonment, Cart, Comment, Heard, Held, NextStep, Past, ReminderMark, Stage, StageSet, State, StateName,
};
pub use consent::ConsentPreset;
pub use content::{Channel, Consent, ConsentStatus, Content, Item, PersonalText, Sealed, Shopper, Totals, WebUrl};
pub use decide::{ATTRIBUTES_MAX, Applied, Decision, Receipt, Refusal, decide, is_reportable};
pub use delivery::{
    Attempt, Delivery, EndpointBrief, Event, EventKind, EventSet, OrderBrief, REPLIES_MAX, REPLY_BYTES_MAX, Reply,
    Status, StepBrief, Why,
};
pub use digest::{Digest, digest_due};
pub use experiment::{Arm, DEFAULT, Experiment, HOLDOUT};
pub use fact::{Ending, Fact, ReminderResult};
pub use funnel::{FunnelCell, Standing};
pub use guard::{GUARDS, Known, Look};
pub use id::{
    ArmName, CartId, DeliveryId, EndpointName, EventKey, ExperimentName, IdError, IncentiveName, OrderId, ProductId,
    ShopId, StepName,
};
pub use incentive::{
    CODE_MARK, Choice, CodeLink, CodeList, Codes, Grant, Incentive, IncentiveCode, Offer, PATH_MARK, Withheld, Worth,
    choose,
};
pub use input::{Input, Unmapped, What};
pub use lift::{ArmCount, ArmValue, BUYERS_MIN, Difference, PERSONS_MIN, is_enough, lift, value_lift};
pub use money::{Currency, Minor, MoneyError};
pub use note::{Exposure, Granted, Grantee, Hold, Note, NoteKey, OptOut, Reminded, ReminderId, StockLevel};
pub use order::{Order, OrderItem, OrderKind, OrderNews, OrderStatus, Paid};
pub use patch::{CartPatch, Field, ShopperPatch, TotalsPatch};
pub use payment::{Classified, Provider, classify};
pub use person::{Covers, Identifier, IdentifierHash, IdentifierKind, Person, PurchaseMark};
pub use program::{
    AgentCancel, Cap, Conditions, IdleWindows, Override, PENDING_INDEX, Program, Retention, SERVICE_INDEX, Service,
    Step, Subscription,
};
pub use quiet::{ClockTime, QuietHours};
pub use reason::{Finding, Reason, ReasonCode, ReasonSource, Said};
pub use resend::{AsItIs, deliveries_of, resend, tried_at};
pub use rules::{Considered, Judgement, RuleName, RuleSettings, consider};
pub use send::{
    Outcome, OutcomeName, Verdict, Vetting, after_attempt, before_send, look_at, retry_ladder, why_state_forbids,
};
pub use shoppers::ShopperRules;
pub use signal::{Page, PaymentClass, SIGNALS_MAX, Signal, SignalKind};
pub use span::{SpanBucket, median_seconds};
pub use stock::Stock;
pub use tally::{Census, Tally, TallyKey, census, tallies};
pub use time::{Day, DayError, Moment, TimeError};
pub use trail::{FOLLOWS_MAX, Follow, ReminderRef, STORY_MAX, StoryEntry, Told, Trail};
pub use trim::BoughtLine;
pub use wake::{on_left_behind, on_wake};
pub use zone::Zone;
