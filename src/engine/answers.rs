//! Answers that are kept with their write, and given again to whoever repeats it.
//!
//! A key belongs to one request: its fingerprint tells another one apart, which is a mistake to be named.

use std::time::Duration;

use super::inbox::{Once, WriteError, Written};
use crate::domain::Moment;
use crate::store::{Answer, Answered, InFlight, Keep, OrderReceipt};

/// How long a write can be repeated and still get its first answer.
pub(super) const ANSWERS_KEPT: Duration = Duration::from_secs(24 * 3_600);

pub(super) fn keep_answer(once: &Once, answer: Answer, now: Moment) -> Keep {
    let answered = Answered { fingerprint: once.fingerprint, answer };
    Keep { key: once.key.clone(), answered, until: now.plus(ANSWERS_KEPT) }
}

pub(super) fn replay(answered: Answered, once: &Once) -> Result<Written, WriteError> {
    match answered.answer {
        Answer::Cart(receipt) if answered.fingerprint == once.fingerprint => Ok(Written { receipt, cart: None }),
        Answer::Cart(_) | Answer::Order(_) => Err(WriteError::KeyReused),
    }
}

/// The same for an order's answer.
pub(super) fn replay_order(answered: Answered, once: &Once) -> Result<OrderReceipt, WriteError> {
    match answered.answer {
        Answer::Order(receipt) if answered.fingerprint == once.fingerprint => Ok(receipt),
        Answer::Cart(_) | Answer::Order(_) => Err(WriteError::KeyReused),
    }
}

impl InFlight {
    /// The graver of two.
    #[must_use]
    pub const fn worst(self, other: Self) -> Self {
        match (self, other) {
            (Self::Possible, _) | (_, Self::Possible) => Self::Possible,
            (Self::Finished, _) | (_, Self::Finished) => Self::Finished,
            (Self::None, Self::None) => Self::None,
        }
    }
}
