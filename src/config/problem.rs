//! What is wrong with a configuration: each problem at its path, with a sentence that says what is allowed.
//!
//! A problem never repeats the value that it is about: it may be a secret. Of several problems at one path only the
//! first is told, as the others follow from it. Read next: `config/section.rs`, which finds most of them.

use std::collections::BTreeMap;
use std::fmt;

/// One thing to correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a key such as `shop[0].endpoint[1].timeout`, a variable, or a file.
    pub path: String,
    /// What is allowed there; reads on from the path.
    pub sentence: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.sentence)
    }
}

/// Every problem of a configuration; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// In the order of the manual.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has 1 problem")?,
            count => write!(f, "the configuration has {count} problems")?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// Collects problems while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    /// The variable that each path was set by.
    variables: BTreeMap<String, String>,
    /// Above zero: what is read now follows from a problem already told.
    muted: u32,
}

impl Report {
    /// Records a problem, unless one at this path is known.
    pub(super) fn add(&mut self, path: &str, sentence: impl Into<String>) {
        if self.muted > 0 || self.problems.iter().any(|p| p.path == path) {
            return;
        }
        let sentence = match self.variables.get(path) {
            Some(variable) => format!("{} (set by {variable})", sentence.into()),
            None => sentence.into(),
        };
        self.problems.push(Problem { path: path.to_owned(), sentence });
    }

    /// Whether nothing is known against this path and what is below it.
    pub(super) fn is_sound(&self, path: &str) -> bool {
        let below =
            |p: &Problem| p.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        !self.problems.iter().any(below)
    }

    pub(super) fn set_by(&mut self, path: String, variable: &str) {
        self.variables.insert(path, variable.to_owned());
    }

    pub(super) fn is_from_environment(&self, path: &str) -> bool {
        self.variables.contains_key(path)
    }

    /// Reads something without recording its problems.
    pub(super) fn muted<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.muted += 1;
        let value = read(self);
        self.muted -= 1;
        value
    }

    /// What was read, if nothing was wrong.
    pub(super) fn conclude<T>(self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() { Ok(value) } else { Err(Problems(self.problems)) }
    }
}
