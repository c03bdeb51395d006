//! What became of a replay: counts by kind and by answer, and the lines that were refused.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use comfy_table::{Table, presets};

use super::client::Answer;
use super::operation::Kind;

/// How many refused lines are told one by one; all are counted.
const REFUSED_TOLD_MAX: usize = 20;

/// A line that the server did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub line: u64,
    pub status: u16,
    pub problem: String,
}

/// The counts of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub by_kind: BTreeMap<Kind, u64>,
    pub by_status: BTreeMap<u16, u64>,
    /// Answers that said whether the operation changed anything.
    pub applied: u64,
    pub not_applied: u64,
    /// The first of them, in order of the file.
    pub refused: Vec<Refused>,
    pub refused_count: u64,
    /// How often a request had to be repeated.
    pub retries: u64,
    pub took: Duration,
}

impl Summary {
    /// Counts the answer to one line.
    pub fn note(&mut self, line: u64, kind: Kind, answer: &Answer) {
        *self.by_kind.entry(kind).or_default() += 1;
        *self.by_status.entry(answer.status).or_default() += 1;
        self.retries += u64::from(answer.retries);
        match answer.applied {
            Some(true) => self.applied += 1,
            Some(false) => self.not_applied += 1,
            None => {}
        }
        if let Some(problem) = &answer.problem {
            self.refused_count += 1;
            if self.refused.len() < REFUSED_TOLD_MAX {
                self.refused.push(Refused { line, status: answer.status, problem: problem.clone() });
            }
        }
    }

    /// Whether the server took every line.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.refused_count == 0
    }

    fn operations(&self) -> u64 {
        self.by_kind.values().sum()
    }

    fn rate(&self) -> u64 {
        let millis = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).max(1);
        self.operations().saturating_mul(1000) / millis
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY).set_header(["replayed", "count"]);
        for (kind, count) in &self.by_kind {
            table.add_row([kind.name().to_owned(), count.to_string()]);
        }
        for (status, count) in &self.by_status {
            table.add_row([format!("answered {status}"), count.to_string()]);
        }
        let rest = [("applied", self.applied), ("not applied", self.not_applied), ("refused", self.refused_count)];
        for (name, count) in rest.into_iter().chain([("repeated requests", self.retries)]) {
            table.add_row([name.to_owned(), count.to_string()]);
        }
        table.add_row(["a second".to_owned(), self.rate().to_string()]);
        writeln!(f, "{table}")?;
        for refused in &self.refused {
            writeln!(f, "line {}: {} {}", refused.line, refused.status, refused.problem)?;
        }
        let untold = self.refused_count.saturating_sub(u64::try_from(self.refused.len()).unwrap_or(u64::MAX));
        if untold > 0 {
            writeln!(f, "… and {untold} more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_line_is_counted_and_told_with_its_number() {
        let mut summary = Summary::default();
        let fine = Answer { status: 200, applied: Some(false), problem: None, retries: 1 };
        let bad = Answer { status: 422, applied: None, problem: Some("Invalid field".into()), retries: 0 };
        summary.note(1, Kind::Put, &fine);
        summary.note(7, Kind::Signal, &bad);
        assert_eq!((summary.not_applied, summary.refused_count, summary.retries), (1, 1, 1));
        assert!(!summary.is_clean());
        assert!(summary.to_string().contains("line 7: 422 Invalid field"), "{summary}");
    }
}
