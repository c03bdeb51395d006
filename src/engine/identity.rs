//! From what a shopper is known by to what an index may hold: keyed hashes.
//!
//! The key is made with the store and never leaves it, so a copy of an index names nobody.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::{
    Channel, Exposure, Grantee, Identifier, IdentifierHash, IdentifierKind, IncentiveCode, Moment, ProductId, ShopId,
    Shopper,
};

#[derive(Clone)]
pub struct Identity {
    keyed: Hmac<Sha256>,
}

impl Identity {
    pub fn new(key: [u8; 32]) -> Self {
        Self { keyed: Hmac::new_from_slice(&key).expect("HMAC takes a key of any length") }
    }

    /// The hash of every identifier of this shopper, within this shop.
    pub fn hashes(&self, shop: &ShopId, shopper: &Shopper) -> Vec<IdentifierHash> {
        Identifier::of(shopper).iter().map(|identifier| self.hash(shop, identifier)).collect()
    }

    /// The hash of the identifier that a message on this channel is sent to, else of any other.
    pub fn address(&self, shop: &ShopId, shopper: &Shopper, channel: Channel) -> Option<IdentifierHash> {
        let kind = match channel {
            Channel::Email => IdentifierKind::Email,
            Channel::Sms | Channel::WhatsApp => IdentifierKind::Phone,
            Channel::Push => IdentifierKind::Customer,
        };
        let known = Identifier::of(shopper);
        let identifier = known.iter().find(|identifier| identifier.kind == kind).or_else(|| known.first())?;
        Some(self.hash(shop, identifier))
    }

    /// The hash of an identifier, within this shop.
    pub fn hash(&self, shop: &ShopId, identifier: &Identifier) -> IdentifierHash {
        self.keyed(&[shop.as_str(), identifier.kind.as_str(), identifier.text.reveal()])
    }

    /// Where notes on a product lie.
    pub fn product(&self, shop: &ShopId, product: &ProductId) -> IdentifierHash {
        self.keyed(&[shop.as_str(), "product", product.as_str()])
    }

    /// Where it is noted that a shop tells of stock at all.
    pub fn stock_shop(&self, shop: &ShopId) -> IdentifierHash {
        self.keyed(&[shop.as_str(), "stock"])
    }

    /// Where it is noted whose a code is.
    pub fn code(&self, shop: &ShopId, code: &IncentiveCode) -> IdentifierHash {
        self.keyed(&[shop.as_str(), "code", code.reveal()])
    }

    /// Where it is noted which order decided this exposure.
    pub fn exposure(&self, shop: &ShopId, exposure: &Exposure) -> IdentifierHash {
        let Exposure { experiment, cart, at, .. } = exposure;
        self.keyed(&[shop.as_str(), "exposure", experiment.as_str(), cart.as_str(), &at.millis().to_string()])
    }

    /// A number that belongs to this reminder alone and that nobody can guess.
    pub fn grantee(&self, shop: &ShopId, to: &Grantee, what: &str) -> u128 {
        let Grantee { reminder, made_at } = to;
        let numbers = [reminder.abandonment.to_string(), reminder.step.to_string(), made_at.millis().to_string()];
        let [abandonment, step, made_at] = &numbers;
        let hash = self.keyed(&[shop.as_str(), "grantee", reminder.cart.as_str(), abandonment, step, made_at, what]);
        u128::from_be_bytes(hash.0)
    }

    /// A name for a privacy request: of it nobody learns whom it was about.
    pub fn request(&self, shop: &ShopId, hashes: &[IdentifierHash], at: Moment) -> String {
        let mut about: Vec<String> = hashes.iter().map(hex).collect();
        about.sort_unstable();
        let hash = self.keyed(&[shop.as_str(), "erasure", &at.millis().to_string(), &about.concat()]);
        format!("ers_{}", hex(&hash))
    }

    fn keyed(&self, parts: &[&str]) -> IdentifierHash {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut hash = [0; 16];
        hash.copy_from_slice(&whole[..16]);
        IdentifierHash(hash)
    }
}

fn hex(hash: &IdentifierHash) -> String {
    format!("{:032x}", u128::from_be_bytes(hash.0))
}
