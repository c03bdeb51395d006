//! What became of a reminder's incentive, as stored with its delivery.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::code::Coded;
use super::content::minor;
use crate::domain::{Currency, Grant, IncentiveCode, IncentiveName, Moment, Offer, Withheld, Worth};

#[derive(Serialize, Deserialize)]
pub struct GrantRecord<'a> {
    #[serde(borrow)]
    incentive: Cow<'a, str>,
    /// Set when it was withheld; all that follows is of one that was given.
    withheld: Option<u8>,
    /// 0 percent, 1 an amount, 2 free shipping.
    kind: u8,
    /// Percent, or minor units.
    value: u64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow)]
    code: Cow<'a, str>,
    expires_at: i64,
}

impl<'a> GrantRecord<'a> {
    pub fn of(grant: &'a Grant) -> Self {
        match grant {
            Grant::Withheld { incentive, why } => Self {
                incentive: Cow::Borrowed(incentive.as_str()),
                withheld: Some(why.code()),
                kind: 0,
                value: 0,
                currency: Cow::Borrowed(""),
                code: Cow::Borrowed(""),
                expires_at: 0,
            },
            Grant::Given(Offer { incentive, worth, code, expires_at }) => {
                let (kind, value, currency) = match worth {
                    Worth::Percent(percent) => (0, u64::from(*percent), ""),
                    Worth::Amount(amount, currency) => (1, amount.get(), currency.code()),
                    Worth::FreeShipping => (2, 0, ""),
                };
                Self {
                    incentive: Cow::Borrowed(incentive.as_str()),
                    withheld: None,
                    kind,
                    value,
                    currency: Cow::Borrowed(currency),
                    code: Cow::Borrowed(code.reveal()),
                    expires_at: expires_at.millis(),
                }
            }
        }
    }

    pub fn into_grant(self) -> Option<Grant> {
        let incentive = IncentiveName::parse(&self.incentive).ok()?;
        if let Some(why) = self.withheld {
            return Some(Grant::Withheld { incentive, why: Withheld::from_code(why)? });
        }
        let worth = match self.kind {
            0 => Worth::Percent(u8::try_from(self.value).ok()?),
            1 => Worth::Amount(minor(self.value)?, Currency::parse(&self.currency).ok()?),
            2 => Worth::FreeShipping,
            _ => return None,
        };
        let (code, expires_at) = (IncentiveCode::parse(&self.code)?, Moment::from_millis(self.expires_at));
        Some(Grant::Given(Offer { incentive, worth, code, expires_at }))
    }
}
