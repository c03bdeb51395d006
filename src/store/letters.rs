//! Letters: deliveries as people look at them, also those that cannot be read.
//!
//! A letter knows by its place what its record may not say any more. Never here: what may be sent again; that is
//! `domain/resend.rs`. Read next: `redis/letters.rs`, `embedded/letters.rs`.

use super::{Claim, Lane};
use crate::domain::{CartId, Delivery, DeliveryId, Moment, Status, Tally, Why};

/// Which deliveries of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Waiting or leased, the longest due first.
    Pending,
    /// Given up, the one that ends first first.
    Dead,
}

/// A delivery in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub id: DeliveryId,
    /// Unknown when neither place nor record say it.
    pub lane: Option<Lane>,
    pub cart: Option<CartId>,
    /// `None`: there is a record and it cannot be read.
    pub delivery: Option<Delivery>,
    /// Whether its place is among what has ended.
    pub has_ended: bool,
    /// The record, byte for byte: what a [`Revival`] is good for.
    pub stored: Vec<u8>,
}

impl Letter {
    /// Where it stands. What was buried says `pending` in its record, or nothing.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.delivery {
            Some(delivery) if delivery.status.is_final() || !self.has_ended => delivery.status,
            None if !self.has_ended => Status::Pending,
            Some(_) | None => Status::Dead(Why::Unreadable),
        }
    }

    /// The delivery with the status of its place.
    #[must_use]
    pub fn as_it_stands(&self) -> Option<Delivery> {
        self.delivery.as_ref().map(|delivery| Delivery { status: self.status(), ..delivery.clone() })
    }
}

/// A page of letters.
#[derive(Clone, Debug, Default)]
pub struct LetterPage {
    pub letters: Vec<Letter>,
    /// Where the next page begins; opaque.
    pub next: Option<String>,
}

/// A letter that is to be sent again; worth nothing once the letter has changed.
#[derive(Clone, Debug)]
pub struct Revival {
    pub letter: Letter,
    /// As it is from now on: pending.
    pub delivery: Delivery,
}

/// A delivery that cannot be read goes to the dead.
#[derive(Clone, Debug)]
pub struct Burial<'a> {
    pub claim: &'a Claim,
    pub keep_until: Moment,
    pub tallies: &'a [Tally],
}

/// Where in a lane's list: behind this moment and delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub at: i64,
    pub id: DeliveryId,
    pub cart: CartId,
}

impl Mark {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let (at, id, cart) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
        Some(Self { at, id: DeliveryId::parse(id)?, cart: CartId::parse(cart).ok()? })
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.at, self.id, self.cart)
    }
}
