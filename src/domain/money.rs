//! Money: integer minor units and an ISO 4217 currency. Never a float, never a conversion, never a re-label.
//!
//! Amounts are bounded so that any sum a report makes fits an `i64` and a JSON number.

use std::fmt;

use thiserror::Error;

/// An ISO 4217 currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(iso_currency::Currency);

/// An amount in minor units (cents, yen, fils): zero or more, at most 10^15.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor(u64);

/// Why something is not money.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MoneyError {
    /// Not a code of ISO 4217.
    #[error("must be an ISO 4217 currency code such as EUR")]
    UnknownCurrency,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// Above 10^15.
    #[error("must be at most 1000000000000000")]
    TooLarge,
}

impl Currency {
    /// Reads an alphabetic code in upper case.
    ///
    /// # Errors
    /// When ISO 4217 has no such code.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        iso_currency::Currency::from_code(code).map(Self).ok_or(MoneyError::UnknownCurrency)
    }

    /// The alphabetic code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many digits follow the decimal point (2 for EUR, 0 for JPY, 3 for KWD).
    #[must_use]
    pub fn digits(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Minor {
    /// The largest amount accepted.
    pub const MAX: Self = Self(1_000_000_000_000_000);

    /// # Errors
    /// When the amount is negative or above [`Minor::MAX`].
    pub fn new(amount: i64) -> Result<Self, MoneyError> {
        let amount = u64::try_from(amount).map_err(|_| MoneyError::Negative)?;
        if amount > Self::MAX.0 { Err(MoneyError::TooLarge) } else { Ok(Self(amount)) }
    }

    /// The amount in minor units.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The amount as a signed number; always fits.
    #[must_use]
    pub const fn signed(self) -> i64 {
        self.0.cast_signed()
    }

    /// This many times the amount, held at [`Minor::MAX`].
    #[must_use]
    pub fn times(self, quantity: u32) -> Self {
        Self(self.0.saturating_mul(u64::from(quantity)).min(Self::MAX.0))
    }

    /// The difference, held at zero.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum, held at [`Minor::MAX`].
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).min(Self::MAX.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_iso_4217_and_know_their_digits() {
        assert_eq!(Currency::parse("EUR").map(Currency::digits), Ok(2));
        assert_eq!(Currency::parse("JPY").map(Currency::digits), Ok(0));
        assert_eq!(Currency::parse("KWD").map(Currency::digits), Ok(3));
        for bad in ["eur", "EURO", "", "ZZZ"] {
            assert_eq!(Currency::parse(bad), Err(MoneyError::UnknownCurrency), "{bad}");
        }
    }

    #[test]
    fn amounts_are_bounded_on_both_sides() {
        assert_eq!(Minor::new(-1), Err(MoneyError::Negative));
        assert_eq!(Minor::new(i64::MAX), Err(MoneyError::TooLarge));
        assert_eq!(Minor::MAX.times(3).plus(Minor::MAX), Minor::MAX);
    }
}
