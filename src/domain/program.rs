//! A shop's policy: when idle is too long, what is sent when, how long things are kept.
//!
//! Read at every decision and never stored in a cart: a cart holds moments, so a changed program takes effect at the
//! next decision and `Cart::next_wake()` needs no program.

use std::time::Duration;

use super::calibration::CalibrationSettings;
use super::cart::{Cart, Stage};
use super::consent::ConsentPreset;
use super::content::Channel;
use super::delivery::EventSet;
use super::experiment::Experiment;
use super::id::{EndpointName, StepName};
use super::incentive::Incentive;
use super::money::{Currency, Minor};
use super::names::named;
use super::order::OrderKind;
use super::person::Person;
use super::quiet::{ClockTime, QuietHours};
use super::reason::ReasonCode;
use super::rules::RuleSettings;
use super::shoppers::ShopperRules;
use super::time::Moment;
use super::zone::Zone;

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

/// Which carts a step is for; what is not said is no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The least a cart of that currency is worth.
    pub minimum: Vec<(Currency, Minor)>,
    /// Where the shopper left.
    pub stages: Vec<Stage>,
    pub reasons: Vec<ReasonCode>,
    /// Whether they have bought here before.
    pub customer: Option<OrderKind>,
    /// Of the cart's attribute `tags`, separated by commas; one of them is enough.
    pub tags: Vec<String>,
}

/// The attribute that holds a cart's tags.
const TAGS: &str = "tags";

impl Conditions {
    /// Whether all of them hold.
    #[must_use]
    pub fn hold(&self, cart: &Cart, person: &Person) -> bool {
        let content = &cart.content;
        let is_worth_it = self.minimum.iter().all(|(of, least)| *of != content.currency || content.value() >= *least);
        let left = cart.last_abandonment;
        let at_stage = self.stages.is_empty() || left.is_some_and(|a| self.stages.contains(&a.stage));
        let for_reason = self.reasons.is_empty() || left.is_some_and(|a| self.reasons.contains(&a.reason.code));
        let kind = if person.is_customer(&content.shopper) { OrderKind::Repeat } else { OrderKind::First };
        let tags = content.attributes.get(TAGS).map_or("", String::as_str);
        let is_tagged = self.tags.is_empty() || tags.split(',').any(|tag| self.tags.iter().any(|t| t == tag.trim()));
        is_worth_it && at_stage && for_reason && self.customer.is_none_or(|of| of == kind) && is_tagged
    }
}

/// One reminder of the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: StepName,
    /// After the abandonment; ascending over the steps of a program.
    pub delay: Duration,
    pub channel: Channel,
    pub conditions: Conditions,
}

/// Another sequence for some reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    pub reasons: Vec<ReasonCode>,
    /// Empty: nothing is sent.
    pub steps: Vec<Step>,
}

/// A message before the sequence, for shoppers who met a failure: their cart is safe, they can try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub reasons: Vec<ReasonCode>,
    pub step: Step,
    /// Whether it waits for the end of the quiet hours. A text message always does.
    pub keeps_quiet: bool,
}

/// The index of the service message. Steps of a sequence have lower ones, so that no two share an id.
pub const SERVICE_INDEX: u32 = 20;
/// The index of the reminder of a payment that is on its way.
pub const PENDING_INDEX: u32 = 21;

/// At most so many reminders for one person in any such span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    pub count: u32,
    pub within: Duration,
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
    /// That a person opted out.
    pub opt_out: Duration,
    /// What is left of an erased or expired cart: its id and state, so that a late event cannot re-open it.
    pub tombstone: Duration,
    /// Copies of the store, kept elsewhere: said in receipts, and nothing is deleted by it.
    pub backups: Duration,
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
    /// The first that names a reason replaces the steps for it.
    pub overrides: Vec<Override>,
    pub service: Option<Service>,
    /// The reminder of a payment that is on its way; its delay counts from the order. It is of no sequence.
    pub payment_pending: Option<Step>,
    /// A reminder that could not be sent this long after its moment is stale, and is not sent.
    pub stale_after: Duration,
    /// A reminder that would be held for longer than this is not sent.
    pub held_max: Duration,
    pub consent: ConsentPreset,
    /// When the merchant is told of the day before, on the clock of `zone`; `None`: not at all.
    pub digest: Option<ClockTime>,
    /// Where a shopper is of whom nothing better is known.
    pub zone: Zone,
    pub quiet: Option<QuietHours>,
    /// Over all carts of a person.
    pub caps: Vec<Cap>,
    pub experiment: Option<Experiment>,
    /// What reminders may offer; the first that is for a reminder has the say.
    pub incentives: Vec<Incentive>,
    /// How long the reminders of a cart wait for a line that is not to be had.
    pub restock_window: Duration,
    pub shoppers: ShopperRules,
    /// Words for the receiver's templates, where the shop has its own for a reason.
    pub responses: Vec<(ReasonCode, String)>,
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

impl Program {
    /// The sequence for a reason.
    #[must_use]
    pub fn steps_for(&self, reason: ReasonCode) -> &[Step] {
        let other = self.overrides.iter().find(|other| other.reasons.contains(&reason));
        other.map_or(&self.steps, |other| &other.steps)
    }

    /// The step of this index.
    #[must_use]
    pub fn step(&self, reason: ReasonCode, index: u32) -> Option<&Step> {
        match index {
            SERVICE_INDEX => return self.service.as_ref().map(|service| &service.step),
            PENDING_INDEX => return self.payment_pending.as_ref(),
            _ => {}
        }
        self.steps_for(reason).get(usize::try_from(index).ok()?)
    }

    /// The index of the step of this name.
    #[must_use]
    pub fn index_of(&self, name: &StepName) -> Option<u32> {
        if self.service.as_ref().is_some_and(|service| service.step.name == *name) {
            return Some(SERVICE_INDEX);
        }
        if self.payment_pending.as_ref().is_some_and(|step| step.name == *name) {
            return Some(PENDING_INDEX);
        }
        let mut sequences = std::iter::once(&self.steps).chain(self.overrides.iter().map(|other| &other.steps));
        let place = |steps: &Vec<Step>| steps.iter().position(|step| step.name == *name);
        sequences.find_map(place).and_then(|index| u32::try_from(index).ok())
    }

    /// The index that comes first for a reason, and the one after an index. A reason that is told later changes the steps
    /// that are still to come; the sequence goes on at the same place.
    #[must_use]
    pub fn index_after(&self, reason: ReasonCode, index: Option<u32>) -> u32 {
        match index {
            None if self.service.as_ref().is_some_and(|service| service.reasons.contains(&reason)) => SERVICE_INDEX,
            None | Some(SERVICE_INDEX) => 0,
            Some(index) => index + 1,
        }
    }

    /// How long after the abandonment a step comes due for this person.
    #[must_use]
    pub fn delay(&self, reason: ReasonCode, index: u32, person: &Person) -> Option<Duration> {
        let step = self.step(reason, index)?;
        let of_arm = self.experiment.as_ref().filter(|_| index != SERVICE_INDEX).and_then(|e| e.delay_of(person));
        let Some(of_arm) = of_arm else { return Some(step.delay) };
        let first = self.steps_for(reason).first().map_or(Duration::ZERO, |first| first.delay);
        Some(of_arm + step.delay.saturating_sub(first))
    }

    /// The length of the longest sequence.
    #[must_use]
    pub fn steps_max(&self) -> usize {
        let lengths = self.overrides.iter().map(|other| other.steps.len());
        lengths.chain([self.steps.len()]).max().unwrap_or_default()
    }

    /// Every channel that a reminder can go out on.
    pub fn channels(&self) -> impl Iterator<Item = Channel> + '_ {
        let steps = self.overrides.iter().flat_map(|other| &other.steps).chain(&self.steps);
        let others = self.service.iter().map(|service| &service.step).chain(&self.payment_pending);
        steps.chain(others).map(|step| step.channel)
    }

    /// How long it is remembered that a person was reminded: as long as a cap asks, or an order could owe to it.
    #[must_use]
    pub fn remembers_for(&self) -> Duration {
        let of_carts = self.channels().filter_map(|channel| super::consent::cart_cap(self.consent, channel));
        self.caps.iter().map(|cap| cap.within).chain(of_carts).fold(self.attribution_window, Duration::max)
    }
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
            conditions: Conditions::default(),
        };
        let cap = |count, hours| Cap { count, within: Duration::from_secs(hours * HOUR) };
        Self {
            idle: IdleWindows {
                browse: None,
                cart: Some(Duration::from_secs(60 * MINUTE)),
                contact: Some(Duration::from_secs(30 * MINUTE)),
                shipping: Some(Duration::from_secs(30 * MINUTE)),
                payment: Some(Duration::from_secs(20 * MINUTE)),
            },
            steps: vec![step("first", 4), step("second", 24), step("third", 72)],
            overrides: vec![Override { reasons: vec![ReasonCode::JustBrowsing], steps: vec![step("low", 24)] }],
            service: Some(Service {
                reasons: vec![ReasonCode::PaymentDeclined, ReasonCode::PaymentError, ReasonCode::TechnicalError],
                step: step("service", 0),
                keeps_quiet: false,
            }),
            payment_pending: None,
            stale_after: Duration::from_secs(12 * HOUR),
            held_max: Duration::from_secs(48 * HOUR),
            consent: ConsentPreset::Strict,
            digest: None,
            zone: Zone::utc(),
            quiet: Some(QuietHours { from: ClockTime::new(21, 0), to: ClockTime::new(9, 0) }),
            caps: vec![cap(1, 16), cap(3, 7 * 24)],
            experiment: Some(Experiment::holdout(10)),
            incentives: Vec::new(),
            restock_window: Duration::from_secs(7 * DAY),
            shoppers: ShopperRules::default(),
            responses: Vec::new(),
            attribution_window: Duration::from_secs(7 * DAY),
            retention: Retention {
                empty: Duration::from_secs(6 * HOUR),
                anonymous: Duration::from_secs(30 * DAY),
                contact: Duration::from_secs(90 * DAY),
                converted: Duration::from_secs(180 * DAY),
                opt_out: Duration::from_secs(1_825 * DAY),
                tombstone: Duration::from_secs(7 * DAY),
                backups: Duration::from_secs(30 * DAY),
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

impl Program {
    /// A program without anything that holds reminders back beyond what forbids them: for those who test the rest.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            service: None,
            quiet: None,
            caps: Vec::new(),
            experiment: None,
            consent: ConsentPreset::SmsUs,
            ..Self::default()
        }
    }
}
