//! A token: what a link is for, in as few characters as a link can bear, and a MAC over every byte of it.
//!
//! `version 1 · key 4 · purpose 1 · expires 4 · cart's creation 4 · about · shop's length 1 · shop · cart · MAC 16`, in
//! URL-safe base64 without padding. One text for one ticket and key: what is read is written again the same.
//! Numbers are big-endian, moments in seconds. Nothing is believed before the MAC holds. Read next: `links/key.rs`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::key::{ID_BYTES, Key, TAG_BYTES};
use crate::domain::{Cart, CartId, Channel, DeliveryId, IdentifierHash, Moment, ReminderRef, ShopId};

/// No token of ours is longer.
pub const TOKEN_CHARS_MAX: usize = 320;
const VERSION: u8 = 1;
const HASH_BYTES: usize = 16;

/// What a token can be used for; one for one purpose is nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Recover = 1,
    Unsubscribe = 2,
    Check = 3,
}

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Back to the cart, from this reminder.
    Recover(ReminderRef),
    /// Out of reminders on this channel. The keyed hash of the address still says who it is about when the cart is gone.
    Unsubscribe { channel: Channel, address: Option<IdentifierHash> },
    /// Whether this delivery is still right to send.
    Check(DeliveryId),
}

impl Target {
    const fn purpose(&self) -> Purpose {
        match self {
            Self::Recover(_) => Purpose::Recover,
            Self::Unsubscribe { .. } => Purpose::Unsubscribe,
            Self::Check(_) => Purpose::Check,
        }
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub shop: ShopId,
    pub cart: CartId,
    /// Of the cart: a cart id that is used again, long after, is another cart.
    created_at_s: u32,
    expires_at_s: u32,
    pub target: Target,
}

/// Why a token is not to be followed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TokenError {
    /// Not made by us, not whole, or for another purpose; which of them is not told.
    #[error("no such link")]
    Unknown,
    /// It was one of ours.
    #[error("the link has expired")]
    Expired(Box<Ticket>),
}

impl Ticket {
    pub(super) fn new(cart: &Cart, expires_at: Moment, target: Target) -> Self {
        Self {
            shop: cart.shop.clone(),
            cart: cart.id.clone(),
            created_at_s: seconds(cart.created_at),
            expires_at_s: seconds(expires_at),
            target,
        }
    }

    #[cfg(test)]
    pub(super) const fn of_parts(
        shop: ShopId,
        cart: CartId,
        created_at_s: u32,
        expires_at_s: u32,
        target: Target,
    ) -> Self {
        Self { shop, cart, created_at_s, expires_at_s, target }
    }

    /// Whether this is the cart that the link was made for, and not a later one of the same name.
    #[must_use]
    pub fn is_for(&self, cart: &Cart) -> bool {
        self.shop == cart.shop && self.cart == cart.id && self.created_at_s == seconds(cart.created_at)
    }

    /// When the link ends.
    #[must_use]
    pub fn expires_at(&self) -> Moment {
        Moment::from_millis(i64::from(self.expires_at_s) * 1_000)
    }
}

/// Held at the ends of what 32 bits can say: until the year 2106.
fn seconds(at: Moment) -> u32 {
    let seconds = at.millis().div_euclid(1_000).clamp(0, i64::from(u32::MAX));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

pub(super) fn write(ticket: &Ticket, key: &Key) -> String {
    let mut bytes = Vec::with_capacity(128);
    bytes.push(VERSION);
    bytes.extend_from_slice(&key.id);
    bytes.push(ticket.target.purpose() as u8);
    bytes.extend_from_slice(&ticket.expires_at_s.to_be_bytes());
    bytes.extend_from_slice(&ticket.created_at_s.to_be_bytes());
    match &ticket.target {
        Target::Recover(reminder) => {
            bytes.extend_from_slice(&reminder.abandonment.to_be_bytes());
            bytes.extend_from_slice(&reminder.step.to_be_bytes());
        }
        Target::Unsubscribe { channel, address } => {
            bytes.push(*channel as u8);
            bytes.push(u8::from(address.is_some()));
            bytes.extend_from_slice(address.as_ref().map(|hash| hash.0.as_slice()).unwrap_or_default());
        }
        Target::Check(delivery) => bytes.extend_from_slice(&delivery.bytes()),
    }
    let shop = ticket.shop.as_str();
    bytes.push(u8::try_from(shop.len()).unwrap_or_default());
    bytes.extend_from_slice(shop.as_bytes());
    bytes.extend_from_slice(ticket.cart.as_str().as_bytes());
    let tag = key.sign(&bytes);
    bytes.extend_from_slice(&tag);
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn read(text: &str, purpose: Purpose, keys: &[Key], now: Moment) -> Result<Ticket, TokenError> {
    let ticket = open(text, purpose, keys).ok_or(TokenError::Unknown)?;
    if now > ticket.expires_at() { Err(TokenError::Expired(Box::new(ticket))) } else { Ok(ticket) }
}

fn open(text: &str, purpose: Purpose, keys: &[Key]) -> Option<Ticket> {
    if text.len() > TOKEN_CHARS_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
    let id = signed.get(1..=ID_BYTES)?;
    if !keys.iter().any(|key| key.id == *id && key.signed(signed, tag)) {
        return None;
    }
    let mut rest = Reader(signed);
    let [version] = rest.take()?;
    let _key: [u8; ID_BYTES] = rest.take()?;
    let [is_for] = rest.take()?;
    if version != VERSION || is_for != purpose as u8 {
        return None;
    }
    let expires_at_s = u32::from_be_bytes(rest.take()?);
    let created_at_s = u32::from_be_bytes(rest.take()?);
    let target = match purpose {
        Purpose::Recover => {
            let abandonment = u32::from_be_bytes(rest.take()?);
            Target::Recover(ReminderRef { abandonment, step: u32::from_be_bytes(rest.take()?) })
        }
        Purpose::Unsubscribe => {
            let [channel, is_known] = rest.take()?;
            let channel = *Channel::ALL.get(usize::from(channel))?;
            let address = match is_known {
                0 => None,
                1 => Some(IdentifierHash(rest.take::<HASH_BYTES>()?)),
                _ => return None,
            };
            Target::Unsubscribe { channel, address }
        }
        Purpose::Check => Target::Check(DeliveryId::from_bytes(rest.take()?)),
    };
    let [length] = rest.take()?;
    let (shop, cart) = rest.0.split_at_checked(usize::from(length))?;
    let shop = ShopId::parse(std::str::from_utf8(shop).ok()?).ok()?;
    let cart = CartId::parse(std::str::from_utf8(cart).ok()?).ok()?;
    Some(Ticket { shop, cart, created_at_s, expires_at_s, target })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
}
