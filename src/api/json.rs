//! The leaves of JSON bodies: text that borrows, fields that tell absent from `null`, lists and maps with a bound.
//!
//! They accept the right JSON type and nothing else; what is allowed inside is in `api/fields.rs`. No message of theirs
//! repeats what was sent. Read next: `api/body.rs`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A string, borrowed from the body where it has no escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A field of an object: not there, `null`, or a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Given<T> {
    #[default]
    Absent,
    Null,
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T> Given<T> {
    /// The value, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Whether there is a value.
    pub const fn has_value(&self) -> bool {
        matches!(self, Self::Value(_))
    }
}

/// An array of at most `MAX` elements; what is beyond is noticed and not kept. A `null` stands for an element that is
/// missing or was refused.
#[derive(Clone, Debug)]
pub struct List<T, const MAX: usize> {
    pub elements: Vec<Option<T>>,
    pub is_too_long: bool,
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = List { elements: Vec::new(), is_too_long: false };
        while list.elements.len() < MAX {
            match seq.next_element()? {
                Some(element) => list.elements.push(element),
                None => return Ok(list),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            list.is_too_long = true;
        }
        Ok(list)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

/// A JSON object and nothing else: a derived `Deserialize` alone would take an array for the fields in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// An object of strings, as written: at most `MAX` entries are kept, and a key that comes twice is there twice.
#[derive(Clone, Debug)]
pub struct Entries<'a, const MAX: usize> {
    pub entries: Vec<(Text<'a>, Option<Text<'a>>)>,
    pub is_too_long: bool,
}

struct EntriesVisitor<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for EntriesVisitor<MAX> {
    type Value = Entries<'de, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Entries { entries: Vec::new(), is_too_long: false };
        while found.entries.len() < MAX {
            match map.next_entry()? {
                Some(entry) => found.entries.push(entry),
                None => return Ok(found),
            }
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            found.is_too_long = true;
        }
        Ok(found)
    }
}

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Entries<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor::<MAX>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_borrowed_and_escaped_text_is_not() {
        let plain: Text<'_> = serde_json::from_str("\"abc\"").expect("a string");
        assert!(matches!(plain.0, Cow::Borrowed("abc")));
        let escaped: Text<'_> = serde_json::from_str("\"a\\nb\"").expect("a string");
        assert_eq!(escaped.0, "a\nb");
    }

    #[test]
    fn a_list_keeps_no_more_than_its_bound() {
        let list: List<u8, 2> = serde_json::from_str("[1,2,3,4]").expect("an array");
        assert_eq!((list.elements.len(), list.is_too_long), (2, true));
        let list: List<u8, 2> = serde_json::from_str("[1,2]").expect("an array");
        assert_eq!((list.elements.len(), list.is_too_long), (2, false));
    }

    #[test]
    fn a_key_given_twice_stays_visible() {
        let found: Entries<'_, 4> = serde_json::from_str(r#"{"a":"1","a":null}"#).expect("an object");
        assert_eq!(found.entries.len(), 2);
    }
}
