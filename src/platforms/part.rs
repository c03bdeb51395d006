//! Reading documents of others: what is missing, empty, or of another type than expected, reads as nothing.
//!
//! Platforms change their documents without asking; the rules of single fields are those of the cart API, which looks at
//! everything that comes from here. Amounts become minor units here, exactly or not at all.

use rust_decimal::prelude::ToPrimitive as _;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;
use url::Url;

use super::{Call, Op};
use crate::domain::{CartId, Currency, Moment};
use crate::links::RECOVERY_PARAMETER;

/// A part of a document, or nothing.
#[derive(Clone, Copy)]
pub(super) struct Part<'v>(Option<&'v Value>);

impl<'v> Part<'v> {
    pub(super) const fn of(document: &'v Value) -> Self {
        Self(Some(document))
    }

    /// The part of this name.
    pub(super) fn at(self, name: &str) -> Self {
        Self(self.0.and_then(|value| value.get(name)))
    }

    /// The parts of the list of this name.
    pub(super) fn each(self, name: &str) -> impl Iterator<Item = Self> + use<'v> {
        self.at(name).0.and_then(Value::as_array).into_iter().flatten().map(Self::of)
    }

    /// Whether there is anything.
    pub(super) fn is_there(self) -> bool {
        self.0.is_some_and(|value| !value.is_null())
    }

    pub(super) fn text(self, name: &str) -> Option<&'v str> {
        self.at(name).0.and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// An id: a text, or a number that is not the 0 of nobody.
    pub(super) fn id(self, name: &str) -> Option<String> {
        let number = || self.at(name).0.and_then(Value::as_u64).filter(|id| *id > 0);
        self.text(name).map(str::to_owned).or_else(|| number().map(|id| id.to_string()))
    }

    pub(super) fn flag(self, name: &str) -> Option<bool> {
        self.at(name).0.and_then(Value::as_bool)
    }

    pub(super) fn number(self, name: &str) -> Option<i64> {
        self.at(name).0.and_then(Value::as_i64)
    }

    /// A time by RFC 3339.
    pub(super) fn moment(self, name: &str) -> Option<Moment> {
        self.text(name).and_then(|text| Moment::parse(text).ok())
    }

    /// A decimal amount of the currency's whole unit, as a text or a number.
    pub(super) fn decimal(self, name: &str) -> Option<Decimal> {
        match self.at(name).0? {
            Value::String(text) => Decimal::from_str_exact(text.trim()).ok(),
            Value::Number(number) => Decimal::from_str_exact(&number.to_string()).ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Such an amount in the currency's minor units.
    pub(super) fn minor(self, name: &str, currency: Option<Currency>) -> Option<i64> {
        minor(self.decimal(name)?, currency)
    }

    /// The value that goes by this name in a list of `{name, value}` or in an object: platforms do either.
    pub(super) fn note(self, list: &str, name_is: &str, name: &str) -> Option<&'v str> {
        let listed = self.each(list).find(|note| note.text(name_is) == Some(name));
        listed.map_or_else(|| self.at(list).text(name), |note| note.text("value"))
    }
}

/// An amount in minor units, rounded where it is finer than the currency; `None` where that does not exist.
pub(super) fn minor(amount: Decimal, currency: Option<Currency>) -> Option<i64> {
    let units = Decimal::from(10_u64.pow(currency?.digits()));
    let amount = amount.checked_mul(units)?;
    amount.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero).to_i64()
}

/// The reference of one of our links in the query of an address, or of a path.
pub(super) fn reference(address: &str) -> Option<String> {
    let base = Url::parse("https://shop.invalid/").ok()?;
    let url = base.join(address).ok()?;
    url.query_pairs().find(|(name, _)| name == RECOVERY_PARAMETER).map(|(_, value)| value.into_owned())
}

/// The cart of the shop's own name for it, else the platform's.
pub(super) fn cart_id(own: Option<&str>, platforms: Option<String>) -> Option<CartId> {
    own.and_then(|id| CartId::parse(id).ok()).or_else(|| CartId::parse(&platforms?).ok())
}

/// A call about this cart.
pub(super) fn about(cart: &CartId, op: Op, at: Option<Moment>, body: Value) -> Call {
    Call { op, cart: Some(cart.clone()), at, body }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn currency(code: &str) -> Option<Currency> {
        Currency::parse(code).ok()
    }

    #[test]
    fn amounts_are_exact_in_the_minor_units_of_their_currency() {
        let document = json!({
            "text": "1199.90", "yen": "5000", "fils": "1.234", "fine": "6.005", "number": 29.35, "whole": 12, "no": "12,50",
        });
        let part = Part::of(&document);
        for (name, code, minor) in [
            ("text", "EUR", Some(119_990)),
            ("yen", "JPY", Some(5_000)),
            ("fils", "KWD", Some(1_234)),
            ("fine", "EUR", Some(601)),
            ("number", "EUR", Some(2_935)),
            ("whole", "EUR", Some(1_200)),
            ("no", "EUR", None),
            ("missing", "EUR", None),
        ] {
            assert_eq!(part.minor(name, currency(code)), minor, "{name}");
        }
        assert_eq!(part.minor("text", None), None, "of no currency");
    }

    #[test]
    fn a_reference_is_found_wherever_the_shopper_landed() {
        for (address, found) in [
            ("https://shop.example/checkout?utm=1&cw_ref=abc", Some("abc")),
            ("/checkout?cw_ref=a%2Bb", Some("a+b")),
            ("/checkout", None),
            ("http://[", None),
            ("", None),
        ] {
            assert_eq!(reference(address).as_deref(), found, "{address}");
        }
    }

    #[test]
    fn a_note_is_found_in_a_list_and_in_an_object() {
        let document =
            json!({"list": [{"name": "a", "value": "1"}, {"name": "cw_ref", "value": "x"}], "object": {"cw_ref": "y"}});
        let part = Part::of(&document);
        assert_eq!(part.note("list", "name", "cw_ref"), Some("x"));
        assert_eq!(part.note("object", "name", "cw_ref"), Some("y"));
        assert_eq!((part.note("list", "name", "b"), part.note("none", "name", "b")), (None, None));
    }

    proptest! {
        #[test]
        fn any_amount_of_a_currency_reads_as_it_was_written(minor in 0_i64..=1_000_000_000_000_000) {
            for (code, digits) in [("EUR", 2), ("JPY", 0), ("KWD", 3)] {
                let text = Decimal::new(minor, digits).to_string();
                let document = json!({"amount": text});
                prop_assert_eq!(Part::of(&document).minor("amount", currency(code)), Some(minor));
            }
        }
    }
}
