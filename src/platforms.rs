//! Webhooks of shop platforms: who signed one, and which calls of the cart API it comes to.
//!
//! Pure: bytes, headers and a document go in, calls come out, each with its body as that call takes it. What is odd in
//! them is for the call to refuse; making them is `api/platforms.rs`. Never here: a cart, a store, a clock.
//! Read next: `platforms/shopify.rs`.

mod part;
mod shopify;
mod signature;
mod stripe;
mod woocommerce;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use self::part::Part;
pub use self::signature::{Headers, is_ping, is_signed};
use crate::domain::names::named;
use crate::domain::{CartId, Moment};

const SECRET_CHARS_MIN: usize = 16;
const SECRET_CHARS_MAX: usize = 512;

named! {
    /// A platform whose webhooks we understand.
    pub enum Platform {
        Shopify = "shopify",
        WooCommerce = "woocommerce",
        Stripe = "stripe",
    }
}

/// What a platform signs with: its text is the key. `Debug` hides it.
#[derive(Clone)]
pub struct PlatformSecret(Arc<str>);

impl PlatformSecret {
    /// Reads a secret as the platform shows it.
    ///
    /// # Errors
    /// When it is too short to keep anybody out, or no such text at all.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let is_long_enough = (SECRET_CHARS_MIN..=SECRET_CHARS_MAX).contains(&text.chars().count());
        let is_plain = !text.chars().any(char::is_control) && text.trim() == text;
        let secret = (is_long_enough && is_plain).then(|| Self(Arc::from(text)));
        secret.ok_or("must be the secret that the platform signs with, of 16 to 512 characters")
    }
}

impl fmt::Debug for PlatformSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Which call of the cart API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Put,
    Patch,
    Signal,
    Delete,
    Order,
}

/// A call that a webhook comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub op: Op,
    /// The cart that it is about; an order names its own.
    pub cart: Option<CartId>,
    /// When it happened, where the body does not say.
    pub at: Option<Moment>,
    pub body: Value,
}

/// A call, and the one to make instead where its cart is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    pub call: Call,
    pub otherwise: Option<Call>,
}

impl From<Call> for Wish {
    fn from(call: Call) -> Self {
        Self { call, otherwise: None }
    }
}

/// The calls that a webhook comes to, in their order, or why it comes to nothing.
pub type Heard = Result<Vec<Wish>, &'static str>;

/// What a webhook of a platform comes to.
///
/// # Errors
/// Why it comes to nothing.
pub fn read(platform: Platform, headers: Headers<'_>, document: &Value) -> Heard {
    let document = Part::of(document);
    match platform {
        Platform::Shopify => shopify::read(signature::topic(platform, headers), document),
        Platform::WooCommerce => woocommerce::read(signature::topic(platform, headers), document),
        Platform::Stripe => stripe::read(document),
    }
}
