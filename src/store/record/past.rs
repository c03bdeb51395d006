//! What became of a cart beyond its content, as stored.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::code::known;
use super::content::ItemRecord;
use crate::domain::{ArmName, BoughtLine, CartId, Moment, OrderId, Past};

#[derive(Serialize, Deserialize)]
pub struct PastRecord<'a> {
    #[serde(borrow)]
    arm: Option<Cow<'a, str>>,
    #[serde(borrow)]
    bought: Vec<(Cow<'a, str>, ItemRecord<'a>)>,
    #[serde(borrow)]
    absorbed: Vec<Cow<'a, str>>,
    /// Left out where there is neither this nor what follows: an earlier version reads what it would have written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[expect(clippy::option_option, reason = "left out, or nothing in the place of something")]
    payment_decided: Option<Option<u32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exposed_at: Option<i64>,
}

impl<'a> PastRecord<'a> {
    pub fn of(past: &'a Past) -> Self {
        let bought = |line: &'a BoughtLine| (Cow::Borrowed(line.order.as_str()), ItemRecord::of(&line.item));
        Self {
            arm: past.arm.as_ref().map(|arm| Cow::Borrowed(arm.as_str())),
            bought: past.bought.iter().map(bought).collect(),
            absorbed: past.absorbed.iter().map(|cart| Cow::Borrowed(cart.as_str())).collect(),
            payment_decided: match (past.payment_decided, past.exposed_at) {
                (None, None) => None,
                (decided, _) => Some(decided),
            },
            exposed_at: past.exposed_at.map(Moment::millis),
        }
    }

    pub fn into_past(self) -> Option<Past> {
        let bought = |(order, item): (Cow<'_, str>, ItemRecord<'_>)| {
            Some(BoughtLine { order: OrderId::parse(&order).ok()?, item: item.into_item()? })
        };
        Some(Past {
            arm: known(self.arm, |arm| ArmName::parse(&arm).ok())?,
            bought: self.bought.into_iter().map(bought).collect::<Option<_>>()?,
            absorbed: self.absorbed.iter().map(|cart| CartId::parse(cart).ok()).collect::<Option<_>>()?,
            payment_decided: self.payment_decided.flatten(),
            exposed_at: self.exposed_at.map(Moment::from_millis),
        })
    }
}
