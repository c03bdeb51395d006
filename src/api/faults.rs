//! Faults: every bad field of one body, collected in one go, each under its JSON pointer (RFC 6901).
//!
//! A fault says what is allowed and never what was sent. A place in a body is a chain on the stack, so a body without
//! faults costs no allocation. Read next: `api/body.rs`.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;
use utoipa::ToSchema;

/// How many faults one answer lists.
pub const FAULTS_MAX: usize = 32;
/// How much of a field's name is repeated.
const NAME_CHARS_MAX: usize = 64;

/// What is allowed, as the end of the sentence "this field …".
pub type Detail = Cow<'static, str>;

/// A bad field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// Where: a JSON pointer into the body, or the name of a query parameter.
    pub pointer: String,
    /// What is allowed there.
    #[schema(value_type = String)]
    pub detail: Detail,
}

/// A place in a body.
#[derive(Clone, Copy, Debug)]
pub enum At<'a> {
    Root,
    Field(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    /// The place of a field of this object.
    #[must_use]
    pub const fn field(&'a self, name: &'a str) -> Self {
        Self::Field(self, name)
    }

    /// The place of an element of this array.
    #[must_use]
    pub const fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }

    /// The JSON pointer of this place.
    #[must_use]
    pub fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Field(parent, name) => push_name(parent.pointer(), name),
            Self::Index(parent, index) => push_index(parent.pointer(), *index),
        }
    }
}

/// Extends a pointer by the name of a field; an endless name is cut.
#[must_use]
pub fn push_name(mut pointer: String, name: &str) -> String {
    pointer.push('/');
    for c in name.chars().take(NAME_CHARS_MAX) {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
    pointer
}

/// Extends a pointer by the place in an array.
#[must_use]
pub fn push_index(mut pointer: String, index: usize) -> String {
    // Writing to a string cannot fail.
    if write!(pointer, "/{index}").is_err() {
        pointer.push('/');
    }
    pointer
}

/// The faults of one body, at most [`FAULTS_MAX`], one for each place.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// No faults.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds a fault, unless its place has one.
    pub fn add(&mut self, at: &At<'_>, detail: impl Into<Detail>) {
        self.add_at(at.pointer(), detail);
    }

    /// As [`Faults::add`], for a pointer that is already spelled out.
    pub fn add_at(&mut self, pointer: String, detail: impl Into<Detail>) {
        if self.0.len() < FAULTS_MAX && self.0.iter().all(|fault| fault.pointer != pointer) {
            self.0.push(Fault { pointer, detail: detail.into() });
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether no more are listed.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.0.len() >= FAULTS_MAX
    }

    /// The faults, in the order they were found.
    #[must_use]
    pub fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_a_json_pointer() {
        let items = At::Root.field("items");
        let line = items.index(3);
        assert_eq!(line.field("a/b~c").pointer(), "/items/3/a~1b~0c");
        assert_eq!(At::Root.pointer(), "");
    }

    #[test]
    fn each_place_has_one_fault_and_the_list_ends() {
        let mut faults = Faults::none();
        faults.add(&At::Root.field("a"), "first");
        faults.add(&At::Root.field("a"), "second");
        for n in 0..100 {
            faults.add(&At::Root.index(n), "bad");
        }
        let faults = faults.into_vec();
        assert_eq!(faults[0].detail, "first");
        assert_eq!(faults.len(), FAULTS_MAX);
    }
}
