//! Reads the keys of one table, each with the sentence that says what it allows.
//!
//! What is wrong goes to the report, and reading goes on with a stand-in, so that one start tells every problem. A key
//! that nobody asked for is a problem, and so is one that is not there: all defaults are in the manual, none in the
//! code. Read next: `config/load.rs` and `config/shop.rs`, the keys themselves.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::{Table, Value};

use super::environment::{Shape, shaped};
use super::problem::Report;
use super::span;

/// A table that is being read.
pub(super) struct Section<'r> {
    path: String,
    table: Table,
    asked: Vec<&'static str>,
    report: &'r mut Report,
}

impl<'r> Section<'r> {
    /// The whole configuration.
    pub(super) const fn root(table: Table, report: &'r mut Report) -> Self {
        Self { path: String::new(), table, asked: Vec::new(), report }
    }

    /// The path of a key of this table.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Records a problem with a key of this table.
    pub(super) fn refuse(&mut self, key: &str, sentence: impl Into<String>) {
        let path = self.path(key);
        self.report.add(&path, sentence);
    }

    /// Whether nothing is known against a key.
    pub(super) fn is_sound(&self, key: &str) -> bool {
        self.report.is_sound(&self.path(key))
    }

    /// Whether a key is there at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Makes a list that may be left out an empty one.
    pub(super) fn or_empty(&mut self, key: &str) {
        self.table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    }

    /// Refuses a key that something else rules out.
    pub(super) fn forbid(&mut self, key: &str, sentence: &str) {
        if self.table.remove(key).is_some() {
            self.refuse(key, sentence);
        }
    }

    /// Lets a key be, whatever it is: what decides how to read it is wrong already.
    pub(super) fn skip(&mut self, key: &'static str) {
        self.asked.push(key);
        self.table.remove(key);
    }

    /// Ends the reading: what nobody asked for is a problem.
    pub(super) fn close(mut self) {
        let known = self.asked.join(", ");
        let unknown: Vec<String> = std::mem::take(&mut self.table).into_iter().map(|(key, _)| key).collect();
        for key in unknown {
            self.refuse(&key, format!("is not a key here; there are {known}"));
        }
    }

    /// Reads a table below this one.
    pub(super) fn inside<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let path = self.path(key);
        let table = self.value(key, Shape::Text, |value| {
            let Value::Table(table) = value else { return Err(format!("must be a table, written [{path}]")) };
            Ok(table)
        });
        match table {
            Some(table) => read_table(path, table, self.report, read),
            None => self.report.muted(|report| read_table(path, Table::new(), report, read)),
        }
    }

    /// Reads each table of a list, at most `max` of them.
    pub(super) fn each<T>(
        &mut self,
        key: &'static str,
        max: usize,
        mut read: impl FnMut(&mut Section<'_>) -> T,
    ) -> Vec<T> {
        let path = self.path(key);
        let allowed = format!("must be a list of at most {max} tables");
        let values = self.value(key, Shape::List, |value| list(value, max).ok_or(allowed)).unwrap_or_default();
        let mut all = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            if let Value::Table(table) = value {
                all.push(read_table(path, table, self.report, &mut read));
            } else {
                self.report.add(&path, "must be a table");
            }
        }
        all
    }

    /// Reads a text; the parser's error is the sentence.
    pub(super) fn text<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.value(key, Shape::Text, |value| {
            let text = value.as_str().ok_or_else(|| "must be a text".to_owned())?;
            parse(text).map_err(|error| error.to_string())
        })
    }

    /// Reads one of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.text(key, |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                format!("must be {}", all.join(" or "))
            })
        })
    }

    /// Reads a list of at most `max` texts; what cannot be parsed is left out.
    pub(super) fn texts<T, E: Display>(
        &mut self,
        key: &'static str,
        max: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let path = self.path(key);
        let allowed = format!("must be a list of at most {max} texts");
        let values = self.value(key, Shape::List, |value| list(value, max).ok_or(allowed)).unwrap_or_default();
        let mut all = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            let parsed = value.as_str().ok_or_else(|| "must be a text".to_owned());
            match parsed.and_then(|text| parse(text).map_err(|error| error.to_string())) {
                Ok(parsed) => all.push(parsed),
                Err(sentence) => self.report.add(&format!("{path}[{index}]"), sentence),
            }
        }
        all
    }

    /// Reads a span; a wrong one reads as the shortest allowed.
    pub(super) fn span(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Duration {
        let allowed = spans(&range);
        self.value(key, Shape::Text, |value| within(&value, &range).ok_or(allowed)).unwrap_or(*range.start())
    }

    /// Reads a span or `"off"`.
    pub(super) fn span_or_off(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let allowed = format!("{}, or \"off\"", spans(&range));
        self.value(key, Shape::Text, |value| match value.as_str() {
            Some("off") => Ok(None),
            _ => within(&value, &range).map(Some).ok_or(allowed),
        })
        .flatten()
    }

    /// Reads a whole number; a wrong one reads as the least allowed.
    pub(super) fn count<N: Count>(&mut self, key: &'static str, range: RangeInclusive<N>) -> N {
        let allowed = format!("must be a whole number from {} to {}", range.start(), range.end());
        self.value(key, Shape::Integer, |value| whole(&value, &range).ok_or(allowed)).unwrap_or(*range.start())
    }

    /// Reads a whole number or `"off"`.
    pub(super) fn count_or_off<N: Count>(&mut self, key: &'static str, range: RangeInclusive<N>) -> Option<N> {
        let allowed = format!("must be a whole number from {} to {}, or \"off\"", range.start(), range.end());
        self.value(key, Shape::Integer, |value| match value.as_str() {
            Some("off") => Ok(None),
            _ => whole(&value, &range).map(Some).ok_or(allowed),
        })
        .flatten()
    }

    /// Reads `true` or `false`; anything else reads as `false`.
    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        self.value(key, Shape::Flag, |value| value.as_bool().ok_or_else(|| "must be true or false".to_owned()))
            .unwrap_or(false)
    }

    fn value<T>(
        &mut self,
        key: &'static str,
        shape: Shape,
        read: impl FnOnce(Value) -> Result<T, String>,
    ) -> Option<T> {
        let path = self.path(key);
        self.asked.push(key);
        let found = match self.table.remove(key) {
            Some(Value::String(text)) if self.report.is_from_environment(&path) => read(shaped(text, shape)),
            Some(value) => read(value),
            None => Err("is missing".to_owned()),
        };
        found.map_err(|sentence| self.report.add(&path, sentence)).ok()
    }
}

/// A whole number of whatever size its key needs.
pub(super) trait Count: TryFrom<i64> + PartialOrd + Display + Copy {}
impl<N: TryFrom<i64> + PartialOrd + Display + Copy> Count for N {}

fn read_table<T>(path: String, table: Table, report: &mut Report, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
    let mut section = Section { path, table, asked: Vec::new(), report };
    let value = read(&mut section);
    section.close();
    value
}

fn list(value: Value, max: usize) -> Option<Vec<Value>> {
    let Value::Array(values) = value else { return None };
    (values.len() <= max).then_some(values)
}

fn whole<N: Count>(value: &Value, range: &RangeInclusive<N>) -> Option<N> {
    value.as_integer().and_then(|number| N::try_from(number).ok()).filter(|number| range.contains(number))
}

fn within(value: &Value, range: &RangeInclusive<Duration>) -> Option<Duration> {
    value.as_str().and_then(span::parse).filter(|span| range.contains(span))
}

fn spans(range: &RangeInclusive<Duration>) -> String {
    format!(
        "must be a span such as \"30s\" or \"2h\", from {} to {}",
        span::text(*range.start()),
        span::text(*range.end())
    )
}
