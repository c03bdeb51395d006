//! A shop's policy: when idle is too long, what is sent when, how long things are kept.
//!
//! Read at every decision and never stored in a cart: a cart holds moments, so a changed program takes effect at the
//! next decision and `Cart::next_wake()` needs no program.

use std::time::Duration;

use super::calibration::CalibrationSettings;
use super::cart::Stage;
use super::content::Channel;
use super::delivery::EventSet;
use super::id::{EndpointName, StepName};
use super::names::named;
use super::rules::RuleSettings;
use super::time::Moment;

/// How long a shopper may be idle in each stage before the cart is abandoned; `None` never abandons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleWindows {
    pub browse: Option<Duration>,
    pub cart: Option<Duration>,
    pub contact: Option<Duration>,
    pub shipping: Option<Duration>,
    pub payment: Option<Duration>,
}

impl IdleWindows {
    /// The window of a stage.
    #[must_use]
    pub const fn of(&self, stage: Stage) -> Option<Duration> {
        match stage {
            Stage::Browse => self.browse,
            Stage::Cart => self.cart,
            Stage::Contact => self.contact,
            Stage::Shipping => self.shipping,
            Stage::Payment => self.payment,
        }
    }
}

/// One reminder of the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: StepName,
    /// After the abandonment; ascending over the steps of a program.
    pub delay: Duration,
    pub channel: Channel,
}

/// How long a cart is kept after its last activity, by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// No lines.
    pub empty: Duration,
    /// Lines, but nobody to write to.
    pub anonymous: Duration,
    /// Contact details.
    pub contact: Duration,
    /// Bought.
    pub converted: Duration,
    /// What is left of an erased or expired cart: its id and state, so that a late event cannot re-open it.
    pub tombstone: Duration,
}

named! {
    /// What becomes of a cart whose checkout the shopper's agent gave up.
    pub enum AgentCancel {
        /// It is abandoned at once, with the agent's reason.
        Abandon = "abandon",
        /// It ends: the shopper is never reminded of it.
        Dismiss = "dismiss",
    }
}

/// Which events an endpoint wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub endpoint: EndpointName,
    pub events: EventSet,
}

/// Everything that decides, besides what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub idle: IdleWindows,
    /// Ascending by delay; empty means no reminders.
    pub steps: Vec<Step>,
    /// A reminder that could not be sent this long after its moment is stale, and is not sent.
    pub stale_after: Duration,
    /// An order this long after an abandonment recovers it.
    pub attribution_window: Duration,
    pub retention: Retention,
    pub rules: RuleSettings,
    /// What people say in their own words is stored with the cart.
    pub keep_comments: bool,
    pub agent_cancel: AgentCancel,
    pub calibration: CalibrationSettings,
    /// What was abandoned before is never reminded: the day the shop was switched on.
    pub activated_at: Option<Moment>,
    pub subscriptions: Vec<Subscription>,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Default for Program {
    /// The defaults of the product; `config/default.toml` says why each is what it is.
    fn default() -> Self {
        let step = |name, hours| Step {
            name: StepName::parse(name).expect("a literal slug is a step name"),
            delay: Duration::from_secs(hours * HOUR),
            channel: Channel::Email,
        };
        Self {
            idle: IdleWindows {
                browse: None,
                cart: Some(Duration::from_secs(60 * MINUTE)),
                contact: Some(Duration::from_secs(30 * MINUTE)),
                shipping: Some(Duration::from_secs(30 * MINUTE)),
                payment: Some(Duration::from_secs(20 * MINUTE)),
            },
            steps: vec![step("first", 4), step("second", 24), step("third", 72)],
            stale_after: Duration::from_secs(12 * HOUR),
            attribution_window: Duration::from_secs(7 * DAY),
            retention: Retention {
                empty: Duration::from_secs(6 * HOUR),
                anonymous: Duration::from_secs(30 * DAY),
                contact: Duration::from_secs(90 * DAY),
                converted: Duration::from_secs(180 * DAY),
                tombstone: Duration::from_secs(7 * DAY),
            },
            rules: RuleSettings::default(),
            keep_comments: false,
            agent_cancel: AgentCancel::Abandon,
            calibration: CalibrationSettings::default(),
            activated_at: None,
            subscriptions: Vec::new(),
        }
    }
}
