//! The rules of single fields: what a text, an amount, a moment or a URL must be to be let in.
//!
//! Every bound of the API is here or beside the body that it belongs to, and the OpenAPI document repeats it. A rule
//! takes the raw value and gives a valid one, or the end of the sentence "this field …". Read next: `api/cart_body.rs`.

#![expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "all rules have one signature, so that `Given::check` can take any of them"
)]

use std::collections::BTreeMap;

use super::faults::{At, Detail, Faults};
use super::json::{Entries, Given, List, Text};
use crate::domain::{Currency, EventKey, Field, Minor, Moment, PersonalText, ProductId, WebUrl};

/// Longest free text, in characters.
pub const TEXT_MAX: usize = 512;
/// Longest URL, in characters.
pub const URL_MAX: usize = 2048;
/// Longest key of an attribute, in bytes.
pub const ATTRIBUTE_KEY_MAX: usize = 64;
/// Longest value of an attribute, in bytes.
pub const ATTRIBUTE_VALUE_MAX: usize = 1024;

/// What a rule gives.
pub type Checked<T> = Result<T, Detail>;

impl<T> Given<T> {
    /// The field by this rule; a fault leaves it unsaid.
    pub fn check<U>(self, at: &At<'_>, faults: &mut Faults, rule: impl FnOnce(T) -> Checked<U>) -> Field<U> {
        match self {
            Self::Absent => Field::Keep,
            Self::Null => Field::Clear,
            Self::Value(value) => rule(value).map_or_else(
                |detail| {
                    faults.add(at, detail);
                    Field::Keep
                },
                Field::Set,
            ),
        }
    }

    /// As [`Given::check`], where `null` means the same as nothing.
    pub fn optional<U>(self, at: &At<'_>, faults: &mut Faults, rule: impl FnOnce(T) -> Checked<U>) -> Option<U> {
        set(self.check(at, faults, rule))
    }

    /// As [`Given::check`], where there must be a value.
    pub fn required<U>(self, at: &At<'_>, faults: &mut Faults, rule: impl FnOnce(T) -> Checked<U>) -> Option<U> {
        if !self.has_value() {
            faults.add(at, "is required");
        }
        self.optional(at, faults, rule)
    }
}

impl<T, const MAX: usize> Given<List<T, MAX>> {
    /// Each element by this rule, which adds its own faults.
    pub fn each<U>(
        self,
        at: &At<'_>,
        faults: &mut Faults,
        mut rule: impl FnMut(T, &At<'_>, &mut Faults) -> Option<U>,
    ) -> Field<Vec<U>> {
        let list = match self {
            Self::Absent => return Field::Keep,
            Self::Null => return Field::Clear,
            Self::Value(list) => list,
        };
        if list.is_too_long {
            faults.add(at, format!("must have at most {MAX} entries"));
        }
        let mut checked = Vec::with_capacity(list.elements.len());
        for (index, element) in list.elements.into_iter().enumerate() {
            let at = at.index(index);
            match element {
                Some(element) => checked.extend(rule(element, &at, faults)),
                None => faults.add(&at, "must not be null"),
            }
        }
        Field::Set(checked)
    }
}

/// The value of a field that is either set or not there.
pub fn set<T>(field: Field<T>) -> Option<T> {
    match field {
        Field::Set(value) => Some(value),
        Field::Keep | Field::Clear => None,
    }
}

fn fits(text: &str, max: usize) -> bool {
    // A text has no more characters than bytes, so the count is needed only for the odd one.
    text.len() <= max || text.chars().count() <= max
}

fn is_odd_control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r')
}

fn plain<'t>(text: &'t Text<'_>, max: usize) -> Checked<&'t str> {
    if !fits(&text.0, max) {
        return Err(format!("must have at most {max} characters").into());
    }
    if text.0.bytes().any(is_odd_control) {
        return Err("must not contain control characters".into());
    }
    Ok(&text.0)
}

/// Free text of at most `MAX` characters.
pub fn text<const MAX: usize>(text: Text<'_>) -> Checked<String> {
    plain(&text, MAX)?;
    Ok(text.0.into_owned())
}

/// Text about a person, of 1 to `MAX` characters.
pub fn personal<const MAX: usize>(text: Text<'_>) -> Checked<PersonalText> {
    let text = plain(&text, MAX)?;
    if text.trim().is_empty() { Err("must not be empty".into()) } else { Ok(PersonalText::new(text)) }
}

/// A mail address, as far as it can be told without writing to it.
pub fn email(text: Text<'_>) -> Checked<PersonalText> {
    let address = plain(&text, 254)?;
    let parts = address.rsplit_once('@');
    let is_one = parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
    if !is_one || address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must be a mail address: a name, @, a host, and no spaces".into());
    }
    Ok(PersonalText::new(address))
}

/// A phone number.
pub fn phone(text: Text<'_>) -> Checked<PersonalText> {
    let number = plain(&text, 32)?;
    let is_allowed = |b: u8| b.is_ascii_digit() || b"+() ./-".contains(&b);
    if !number.bytes().all(is_allowed) || !number.bytes().any(|b| b.is_ascii_digit()) {
        return Err("must be a phone number: digits, and + ( ) . / - or spaces between them".into());
    }
    Ok(PersonalText::new(number))
}

/// A language tag such as `de-DE`.
pub fn locale(text: Text<'_>) -> Checked<String> {
    let mut subtags = text.0.split(['-', '_']);
    let is_language = |tag: &str| (2..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphabetic());
    let is_subtag = |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric());
    if text.0.len() > 35 || !subtags.next().is_some_and(is_language) || !subtags.all(is_subtag) {
        return Err("must be a language tag such as de-DE, of at most 35 characters".into());
    }
    Ok(text.0.into_owned())
}

/// The name of a time zone such as `Europe/Berlin`; whether it exists is seen when it is used.
pub fn time_zone(text: Text<'_>) -> Checked<String> {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    if text.0.len() > 64 || !text.0.split('/').all(is_part) {
        return Err("must be a time zone name such as Europe/Berlin, of at most 64 characters".into());
    }
    Ok(text.0.into_owned())
}

/// A country by ISO 3166-1 alpha-2.
pub fn country(text: Text<'_>) -> Checked<String> {
    if text.0.len() != 2 || !text.0.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err("must be two capital letters by ISO 3166-1 such as DE".into());
    }
    Ok(text.0.into_owned())
}

/// An absolute http(s) URL without credentials.
pub fn url(text: Text<'_>) -> Checked<WebUrl> {
    if !fits(&text.0, URL_MAX) {
        return Err(format!("must have at most {URL_MAX} characters").into());
    }
    match url_host(&text.0) {
        Some(_) => Ok(WebUrl::new(&text.0)),
        None => Err("must be an absolute http or https URL without user name, spaces or backslashes".into()),
    }
}

/// The host of a URL that every reader of URLs takes for the same one; `None` for anything doubtful.
pub fn url_host(url: &str) -> Option<&str> {
    // Browsers turn `\` into `/` and drop tabs and line ends, which would move the end of the host.
    if url.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '<' | '>' | '"')) {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']')? + 1;
        (&authority[..end], &authority[end..])
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let is_address = |b: u8| b.is_ascii_hexdigit() || matches!(b, b'[' | b']' | b':' | b'.');
    let is_host = if host.starts_with('[') { host.bytes().all(is_address) } else { host.bytes().all(is_name) };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.parse::<u16>().is_ok());
    (!host.is_empty() && is_host && is_port).then_some(host)
}

/// An amount in minor units.
pub fn minor(amount: i64) -> Checked<Minor> {
    Minor::new(amount).map_err(|error| error.to_string().into())
}

/// A currency code.
pub fn currency(text: Text<'_>) -> Checked<Currency> {
    Currency::parse(&text.0).map_err(|error| error.to_string().into())
}

/// A moment that can be written down again: not before the year 0.
pub fn moment(text: Text<'_>) -> Checked<Moment> {
    const YEAR_0: i64 = -62_167_219_200_000;
    let read = if text.0.len() <= 64 { Moment::parse(&text.0).ok() } else { None };
    read.filter(|moment| moment.millis() >= YEAR_0)
        .ok_or_else(|| "must be an RFC 3339 time such as 2026-11-22T06:00:00Z".into())
}

/// A whole number in these bounds.
pub fn within<const MIN: i64, const MAX: i64>(number: i64) -> Checked<i64> {
    if (MIN..=MAX).contains(&number) { Ok(number) } else { Err(format!("must be from {MIN} to {MAX}").into()) }
}

/// A whole number from 0 that fits 32 bits.
pub fn count(number: i64) -> Checked<u32> {
    u32::try_from(number).map_err(|_| format!("must be from 0 to {}", u32::MAX).into())
}

/// A revision.
pub fn revision(number: i64) -> Checked<u64> {
    u64::try_from(number).map_err(|_| "must not be negative".into())
}

/// A product, named by the storefront.
pub fn product(text: Text<'_>) -> Checked<ProductId> {
    ProductId::parse(&text.0).map_err(|error| error.to_string().into())
}

/// The name of a write, to repeat it by.
pub fn event_key(text: Text<'_>) -> Checked<EventKey> {
    EventKey::parse(&text.0).map_err(|error| error.to_string().into())
}

/// True or false.
pub const fn flag(value: bool) -> Checked<bool> {
    Ok(value)
}

/// A member of a closed set.
pub fn member<T: Copy + ToString>(all: &[T], parse: fn(&str) -> Option<T>) -> impl Fn(Text<'_>) -> Checked<T> {
    move |text| parse(&text.0).ok_or_else(|| format!("must be one of {}", names(all)).into())
}

/// The names of a closed set, for a message.
pub fn names<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Attributes by their rules: each key once, each within its bytes.
pub fn attributes<const MAX: usize>(
    given: Given<Entries<'_, MAX>>,
    at: &At<'_>,
    faults: &mut Faults,
) -> Field<BTreeMap<String, Option<String>>> {
    let found = match given {
        Given::Absent => return Field::Keep,
        Given::Null => return Field::Clear,
        Given::Value(found) => found,
    };
    if found.is_too_long {
        faults.add(at, format!("must have at most {MAX} entries"));
    }
    let mut attributes = BTreeMap::new();
    for (key, value) in found.entries {
        let at = at.field(&key.0);
        if key.0.is_empty() || key.0.len() > ATTRIBUTE_KEY_MAX || key.0.bytes().any(is_odd_control) {
            faults.add(&at, format!("must have a name of 1 to {ATTRIBUTE_KEY_MAX} bytes"));
        }
        let value = value.map(|text| text.0.into_owned());
        if value.as_ref().is_some_and(|v| v.len() > ATTRIBUTE_VALUE_MAX || v.bytes().any(is_odd_control)) {
            faults.add(&at, format!("must be text of at most {ATTRIBUTE_VALUE_MAX} bytes without control characters"));
        }
        if attributes.contains_key(&*key.0) {
            faults.add(&at, "must not be given twice");
        }
        attributes.insert(key.0.into_owned(), value);
    }
    Field::Set(attributes)
}

#[cfg(test)]
mod tests;
