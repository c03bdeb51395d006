//! Inputs: what can happen to a cart from outside, already parsed and checked.
//!
//! Every way in (API, adapter, replay) ends in one of these, so there is one place that decides what follows.

use super::cart::Stage;
use super::content::Content;
use super::id::CartId;
use super::names::named;
use super::order::OrderNews;
use super::patch::CartPatch;
use super::reason::Said;
use super::signal::Signal;
use super::time::Moment;
use super::trail::ReminderRef;

/// Something that happened to a cart.
#[derive(Clone, Debug)]
pub struct Input {
    /// When it happened, by the storefront's clock where it says so; held at 5 minutes ahead of ours.
    pub at: Moment,
    /// Rises with each change the storefront makes, where it counts them.
    pub revision: Option<u64>,
    pub what: What,
    /// What in it we had no name for.
    pub unmapped: Option<Unmapped>,
}

impl Input {
    /// Something that happened, without a revision.
    #[must_use]
    pub const fn new(at: Moment, what: What) -> Self {
        Self { at, revision: None, what, unmapped: None }
    }
}

named! {
    /// Something that outside has a name for and we have not.
    pub enum Unmapped {
        SignalKind = "signal_kind",
        ReasonCode = "reason_code",
        PaymentCode = "payment_code",
        IntentTrace = "intent_trace",
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// The whole cart as it is now.
    Snapshot {
        stage: Stage,
        content: Box<Content>,
    },
    /// The parts that changed.
    Patch(Box<CartPatch>),
    Signal(Signal),
    Reason(Said),
    /// A survey was put before the shopper.
    SurveyShown,
    /// The shopper's agent gave up the checkout, and may have said why.
    Cancel(Option<Said>),
    Order(Box<OrderNews>),
    Dismiss,
    /// Takes the content of this cart, at a login.
    Absorb {
        from: CartId,
        stage: Stage,
        content: Box<Content>,
    },
    /// Lives on in this cart.
    MergeInto(CartId),
    /// Something that the cart waited for can be had again.
    Restocked,
    /// The person opted out; from what, the person's notes say.
    OptOut,
    Delete,
    /// The link of a reminder was opened, perhaps by a machine.
    Touch(ReminderRef),
    /// A person came back by the link of a reminder.
    Click(ReminderRef),
}

impl What {
    /// The kind as a metric label.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Snapshot { .. } => "snapshot",
            Self::Patch(_) => "patch",
            Self::Signal(_) => "signal",
            Self::Reason(_) => "reason",
            Self::SurveyShown => "survey",
            Self::Cancel(_) => "cancel",
            Self::Order(_) => "order",
            Self::Dismiss => "dismiss",
            Self::Absorb { .. } => "absorb",
            Self::MergeInto(_) => "merge",
            Self::Restocked => "restock",
            Self::OptOut => "opt_out",
            Self::Delete => "delete",
            Self::Touch(_) => "touch",
            Self::Click(_) => "click",
        }
    }
}
