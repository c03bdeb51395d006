//! Incentives: what a reminder may offer, to whom, and why not.
//!
//! Decided once for each reminder, at its first attempt, when everything about the person is known; retries say the same.
//! An incentive is data for the receiver: what it is worth at the till is the shop's affair. Who only looked around, who
//! buys anyway and who got one lately gets none, and who is held out gets no reminder at all (`domain/guard.rs`).
//! Never here: where codes come from and who has which (`engine/incentives.rs`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::cart::Cart;
use super::delivery::Delivery;
use super::id::{IncentiveName, StepName};
use super::money::{Currency, Minor};
use super::names::named;
use super::note::{Granted, Grantee};
use super::person::Person;
use super::program::{Cap, Program};
use super::reason::ReasonCode;
use super::time::Moment;

/// A code that is worth money to whoever has it. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncentiveCode(Arc<str>);

impl IncentiveCode {
    /// The longest there is.
    pub const MAX: usize = 64;

    /// Reads 1 to [`IncentiveCode::MAX`] printable ASCII characters without a space; nothing of another text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= Self::MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(Arc::from(text)))
    }

    /// The code itself: for the store and the webhook only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IncentiveCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[code]")
    }
}

/// What an incentive is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Off the price, 1 to 100.
    Percent(u8),
    /// Off the price of a cart in that currency.
    Amount(Minor, Currency),
    FreeShipping,
}

impl Worth {
    /// The kind, as it is named outside.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Percent(_) => "percent",
            Self::Amount(..) => "amount",
            Self::FreeShipping => "free_shipping",
        }
    }
}

/// Where the codes of an incentive come from. Each is used once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codes {
    /// Each is derived for its reminder, and put in the place of [`CODE_MARK`].
    Template(String),
    List(CodeList),
}

/// What a template has where the code goes.
pub const CODE_MARK: &str = "{code}";

/// How a checkout takes a code from an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeLink {
    /// By a parameter of this name.
    Parameter(String),
    /// By a path on its host, with [`CODE_MARK`] in it, and [`PATH_MARK`] where the checkout's own goes.
    Path(String),
}

/// What a [`CodeLink::Path`] has where the path of the checkout goes.
pub const PATH_MARK: &str = "{path}";

impl CodeLink {
    /// Reads `?NAME={code}`, or a path such as `/discount/{code}?redirect={path}`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_of = |text: &str, odd: &[u8]| text.bytes().all(|b| b.is_ascii_alphanumeric() || odd.contains(&b));
        if let Some(name) = text.strip_prefix('?') {
            let name = name.strip_suffix(CODE_MARK)?.strip_suffix('=')?;
            return (!name.is_empty() && is_of(name, b"_-.[]")).then(|| Self::Parameter(name.to_owned()));
        }
        let rest = text.replacen(CODE_MARK, "", 1).replacen(PATH_MARK, "", 1);
        // `//` would begin another host.
        let is_path = text.starts_with('/') && !text.starts_with("//") && is_of(&rest, b"/?&=_-.~");
        (is_path && text.contains(CODE_MARK)).then(|| Self::Path(text.to_owned()))
    }
}

impl fmt::Display for CodeLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => write!(f, "?{name}={CODE_MARK}"),
            Self::Path(path) => f.write_str(path),
        }
    }
}

/// The merchant's own codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeList {
    /// Where they were read.
    pub file: String,
    /// No two are the same.
    pub codes: Arc<[IncentiveCode]>,
}

/// Something that a reminder may offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incentive {
    pub name: IncentiveName,
    pub worth: Worth,
    /// Which reminders offer it.
    pub steps: Vec<StepName>,
    /// Which carts, by why they were left; empty: any.
    pub reasons: Vec<ReasonCode>,
    /// From the first attempt on.
    pub valid_for: Duration,
    pub codes: Codes,
    /// How the link of the reminder puts the code into the cart; `None`: it does not.
    pub link: Option<CodeLink>,
    /// Who has bought here gets none.
    pub first_orders_only: bool,
    /// Who bought this short a time ago gets none.
    pub bought_within: Duration,
    /// Over all incentives of the shop.
    pub per_person: Cap,
    /// How long a used code is remembered, so that nobody else gets it.
    pub keep_codes: Duration,
}

named! {
    /// Why a reminder goes without the incentive of its step.
    pub enum Withheld {
        /// Who was only looking is not pressed.
        JustBrowsing = "just_browsing",
        /// The person buys anyway.
        BoughtBefore = "bought_before",
        /// The person got as many as there are for one.
        PersonCap = "person_cap",
        /// Every code of the list is used.
        CodesExhausted = "codes_exhausted",
    }
}

/// An incentive as it went with a reminder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub incentive: IncentiveName,
    pub worth: Worth,
    pub code: IncentiveCode,
    pub expires_at: Moment,
}

/// What became of the incentive of a reminder's step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    Given(Offer),
    Withheld { incentive: IncentiveName, why: Withheld },
}

impl Grant {
    /// What is still of use at this moment.
    #[must_use]
    pub fn offer_at(&self, now: Moment) -> Option<&Offer> {
        match self {
            Self::Given(offer) if offer.expires_at > now => Some(offer),
            Self::Given(_) | Self::Withheld { .. } => None,
        }
    }
}

/// What is to become of it, as far as the cart and the person say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// It gets one.
    Wanted(&'a Incentive),
    /// It got one before; the attempt is not known to have been made.
    Again(&'a Incentive, Granted),
    Withheld(&'a Incentive, Withheld),
}

impl Incentive {
    /// Whether a reminder of this step offers it.
    fn is_for(&self, step: &StepName, cart: &Cart) -> bool {
        let reason = reason(cart);
        let currency_fits = match self.worth {
            Worth::Amount(_, currency) => currency == cart.content.currency,
            Worth::Percent(_) | Worth::FreeShipping => true,
        };
        self.steps.contains(step) && currency_fits && (self.reasons.is_empty() || self.reasons.contains(&reason))
    }

    /// Whether the person has had as many as there are for one, this reminder's own apart.
    #[must_use]
    pub fn is_spent_on(&self, person: &Person, to: &Grantee, now: Moment) -> bool {
        let since = now.minus(self.per_person.within);
        let others = person.granted.iter().filter(|granted| granted.to != *to && granted.at > since);
        others.count() >= usize::try_from(self.per_person.count).unwrap_or(usize::MAX)
    }

    /// Whether this is somebody who buys anyway, as far as we or the storefront know.
    fn is_needless_for(&self, person: &Person, cart: &Cart, now: Moment) -> bool {
        let since = now.minus(self.bought_within);
        (self.first_orders_only && person.is_customer(&cart.content.shopper))
            || person.marks.iter().any(|mark| mark.paid && mark.placed_at > since)
    }

    /// What the reminder says of it.
    #[must_use]
    pub fn offer(&self, code: IncentiveCode, given_at: Moment) -> Grant {
        let (incentive, expires_at) = (self.name.clone(), given_at.plus(self.valid_for));
        Grant::Given(Offer { incentive, worth: self.worth, code, expires_at })
    }

    /// What is known of a reminder that goes without it.
    #[must_use]
    pub fn withheld(&self, why: Withheld) -> Grant {
        Grant::Withheld { incentive: self.name.clone(), why }
    }
}

fn reason(cart: &Cart) -> ReasonCode {
    cart.last_abandonment.map_or(ReasonCode::Unknown, |abandonment| abandonment.reason.code)
}

/// Which incentive the reminder is to offer, of a delivery that may go out now; `None` when there is none for it, or that
/// is known already. The first of the program that is for its step, its cart's reason and its currency has the say.
#[must_use]
pub fn choose<'a>(
    delivery: &Delivery,
    cart: &Cart,
    person: &Person,
    program: &'a Program,
    now: Moment,
) -> Option<Choice<'a>> {
    if program.incentives.is_empty() || delivery.incentive.is_some() || delivery.attempt_count > 0 {
        return None;
    }
    let step = &delivery.event.step.as_ref()?.name;
    let to = Grantee::of(delivery, cart)?;
    let before = person.granted.iter().find(|granted| granted.to == to);
    let again = before.and_then(|granted| Some(Choice::Again(program.incentive(&granted.incentive)?, granted.clone())));
    if again.is_some() {
        return again;
    }
    let incentive = program.incentives.iter().find(|incentive| incentive.is_for(step, cart))?;
    Some(if reason(cart) == ReasonCode::JustBrowsing {
        Choice::Withheld(incentive, Withheld::JustBrowsing)
    } else if incentive.is_needless_for(person, cart, now) {
        Choice::Withheld(incentive, Withheld::BoughtBefore)
    } else if incentive.is_spent_on(person, &to, now) {
        Choice::Withheld(incentive, Withheld::PersonCap)
    } else {
        Choice::Wanted(incentive)
    })
}

impl Program {
    /// The incentive of this name.
    #[must_use]
    pub fn incentive(&self, name: &IncentiveName) -> Option<&Incentive> {
        self.incentives.iter().find(|incentive| incentive.name == *name)
    }
}
