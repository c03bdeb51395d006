//! Answers that were given, as stored: kept so that a repeated write gets the first one.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::code::{Coded, known};
use crate::domain::{Applied, Attribution, CartId, Moment, Receipt, Stage, StateName};
use crate::store::{Answer, Answered, InFlight, OrderReceipt};

/// One of `cart` and `order` is there.
#[derive(Serialize, Deserialize)]
pub struct AnsweredRecord<'a> {
    fingerprint: u64,
    cart: Option<ReceiptRecord>,
    #[serde(borrow)]
    order: Option<OrderReceiptRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ReceiptRecord {
    created: bool,
    applied: u8,
    state: u8,
    stage: u8,
    abandonments: u32,
    revision: Option<u64>,
    next_wake_at: i64,
}

#[derive(Serialize, Deserialize)]
struct OrderReceiptRecord<'a> {
    applied: u8,
    #[serde(borrow)]
    carts: Vec<Cow<'a, str>>,
    attribution: Option<u8>,
    /// 0 none, 1 finished, 2 possible.
    in_flight: u8,
}

impl<'a> AnsweredRecord<'a> {
    pub fn of(answered: &'a Answered) -> Self {
        let (cart, order) = match &answered.answer {
            Answer::Cart(receipt) => (Some(ReceiptRecord::of(receipt)), None),
            Answer::Order(receipt) => (None, Some(OrderReceiptRecord::of(receipt))),
        };
        Self { fingerprint: answered.fingerprint, cart, order }
    }

    pub fn into_answered(self) -> Option<Answered> {
        let answer = match (self.cart, self.order) {
            (Some(cart), None) => Answer::Cart(cart.into_receipt()?),
            (None, Some(order)) => Answer::Order(order.into_receipt()?),
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Some(Answered { fingerprint: self.fingerprint, answer })
    }
}

impl ReceiptRecord {
    fn of(receipt: &Receipt) -> Self {
        Self {
            created: receipt.created,
            applied: receipt.applied.code(),
            state: receipt.state.code(),
            stage: receipt.stage.code(),
            abandonments: receipt.abandonments,
            revision: receipt.revision,
            next_wake_at: receipt.next_wake_at.millis(),
        }
    }

    fn into_receipt(self) -> Option<Receipt> {
        Some(Receipt {
            created: self.created,
            applied: Applied::from_code(self.applied)?,
            state: StateName::from_code(self.state)?,
            stage: Stage::from_code(self.stage)?,
            abandonments: self.abandonments,
            revision: self.revision,
            next_wake_at: Moment::from_millis(self.next_wake_at),
        })
    }
}

impl<'a> OrderReceiptRecord<'a> {
    fn of(receipt: &'a OrderReceipt) -> Self {
        Self {
            applied: receipt.applied.code(),
            carts: receipt.carts.iter().map(|cart| Cow::Borrowed(cart.as_str())).collect(),
            attribution: receipt.attribution.map(Coded::code),
            in_flight: match receipt.in_flight {
                InFlight::None => 0,
                InFlight::Finished => 1,
                InFlight::Possible => 2,
            },
        }
    }

    fn into_receipt(self) -> Option<OrderReceipt> {
        Some(OrderReceipt {
            applied: Applied::from_code(self.applied)?,
            carts: self.carts.iter().map(|cart| CartId::parse(cart).ok()).collect::<Option<_>>()?,
            attribution: known(self.attribution, Attribution::from_code)?,
            in_flight: match self.in_flight {
                0 => InFlight::None,
                1 => InFlight::Finished,
                2 => InFlight::Possible,
                _ => return None,
            },
        })
    }
}
