//! What a storefront tells about a cart: lines, totals, the shopper and what they consented to.
//!
//! Plain parts, already checked when they get here. Whatever can name a person is a [`PersonalText`], whose `Debug`
//! hides it, so that a whole cart can be logged by mistake without harm.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::id::ProductId;
use super::money::{Currency, Minor};
use super::names::named;
use super::time::Moment;

/// Text about a person: an address, a name, a number. `Debug` shows only that it is there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonalText(Arc<str>);

impl PersonalText {
    /// Wraps checked text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The text itself: for the store and the webhook only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

/// What is personal, in a form that only the store can read.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Arc<[u8]>);

impl Sealed {
    /// Wraps the form.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::from(bytes))
    }

    /// The form itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

/// An absolute http(s) URL, checked at the edge. May carry a token, so `Debug` hides it too.
#[derive(Clone, PartialEq, Eq)]
pub struct WebUrl(Arc<str>);

impl WebUrl {
    /// Wraps a checked URL.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[url]")
    }
}

named! {
    /// The way a message reaches a shopper.
    pub enum Channel {
        Email = "email",
        Sms = "sms",
        Push = "push",
        WhatsApp = "whatsapp",
    }
}

named! {
    /// What a shopper said about a channel.
    pub enum ConsentStatus {
        Granted = "granted",
        Denied = "denied",
        Withdrawn = "withdrawn",
    }
}

/// Evidence of consent for one channel, as the storefront recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub channel: Channel,
    pub status: ConsentStatus,
    /// The legal basis, in the storefront's words (`opt_in`, `existing_customer`, …).
    pub basis: Option<String>,
    pub at: Option<Moment>,
    /// Where it was given (`checkout checkbox`).
    pub source: Option<String>,
}

/// One line of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The storefront's name of the line.
    pub id: Option<String>,
    pub product_id: ProductId,
    pub sku: Option<String>,
    pub title: Option<String>,
    pub variant: Option<String>,
    /// At least 1.
    pub quantity: u32,
    pub unit_price: Option<Minor>,
    pub url: Option<WebUrl>,
    pub image_url: Option<WebUrl>,
    /// Unknown counts as in stock.
    pub in_stock: Option<bool>,
}

/// The sums a storefront showed, all in the cart's currency; each may be unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub subtotal: Option<Minor>,
    pub discount: Option<Minor>,
    pub shipping: Option<Minor>,
    pub tax: Option<Minor>,
    pub total: Option<Minor>,
    pub tax_included: Option<bool>,
}

/// The person in front of the cart, as far as the storefront knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shopper {
    pub email: Option<PersonalText>,
    pub phone: Option<PersonalText>,
    pub customer_id: Option<PersonalText>,
    pub anonymous_id: Option<PersonalText>,
    pub first_name: Option<PersonalText>,
    pub locale: Option<String>,
    pub time_zone: Option<String>,
    pub country: Option<String>,
    pub existing_customer: Option<bool>,
}

impl Shopper {
    /// Whether a message on this channel can reach this shopper. Who has an account is reached by whoever knows it.
    #[must_use]
    pub fn is_reached_by(&self, channel: Channel) -> bool {
        let address = match channel {
            Channel::Email => &self.email,
            Channel::Sms | Channel::WhatsApp => &self.phone,
            Channel::Push => &self.anonymous_id,
        };
        address.is_some() || self.customer_id.is_some()
    }

    /// Whether a message could reach this shopper at all.
    #[must_use]
    pub fn has_contact(&self) -> bool {
        self.email.is_some() || self.phone.is_some() || self.customer_id.is_some()
    }
}

/// Everything a snapshot replaces as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub currency: Currency,
    pub items: Vec<Item>,
    pub totals: Totals,
    pub shopper: Shopper,
    pub consent: Vec<Consent>,
    /// Where the shopper can go on; a reminder without it is not sent.
    pub checkout_url: Option<WebUrl>,
    pub coupons: Vec<String>,
    pub attributes: BTreeMap<String, String>,
    /// A test cart is tracked and never reminded.
    pub test: bool,
    /// How the store keeps what is personal in it; nothing above the store meets it.
    pub sealed: Option<Sealed>,
}

impl Content {
    /// A cart's content before anything was told about it.
    #[must_use]
    pub fn empty(currency: Currency) -> Self {
        Self {
            currency,
            items: Vec::new(),
            totals: Totals::default(),
            shopper: Shopper::default(),
            consent: Vec::new(),
            checkout_url: None,
            coupons: Vec::new(),
            attributes: BTreeMap::new(),
            test: false,
            sealed: None,
        }
    }

    /// What the cart is worth: the grand total shown, else the sum of its lines.
    #[must_use]
    pub fn value(&self) -> Minor {
        self.totals.total.unwrap_or_else(|| self.lines_value())
    }

    /// What the lines are worth: the subtotal shown, else the sum of line prices.
    #[must_use]
    pub fn subtotal(&self) -> Minor {
        self.totals.subtotal.unwrap_or_else(|| self.lines_value())
    }

    fn lines_value(&self) -> Minor {
        let line = |item: &Item| item.unit_price.unwrap_or_default().times(item.quantity);
        self.items.iter().map(line).fold(Minor::default(), Minor::plus)
    }
}
