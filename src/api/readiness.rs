//! Readiness: whether this process can do its work now, and if not, what is in the way.
//!
//! Loops show life by beating; a beat that is too old, a stop that has begun or a store that fails its check makes the
//! process not ready. A note, such as a refused reload, is shown and changes nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Moment;
use crate::engine::Heartbeat;

/// A loop that must show life.
#[derive(Debug)]
pub struct Beat {
    /// Such as `scheduler`.
    pub name: &'static str,
    pub heart: Heartbeat,
    /// Silence longer than this is taken for death.
    pub age_max: Duration,
}

/// What readiness rests on.
#[derive(Debug, Default)]
pub struct Readiness {
    draining: AtomicBool,
    beats: Vec<Beat>,
    note: RwLock<Option<String>>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub detail: String,
}

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Report {
    pub ready: bool,
    pub checks: Vec<Check>,
}

impl Readiness {
    /// Readiness that rests on these loops.
    #[must_use]
    pub fn new(beats: Vec<Beat>) -> Self {
        Self { beats, ..Self::default() }
    }

    /// From now on not ready: the process is about to stop.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Shows this beside the configuration until it is cleared, such as why a reload was refused.
    pub fn set_config_note(&self, note: Option<String>) {
        *self.note.write().unwrap_or_else(PoisonError::into_inner) = note;
    }

    /// What can be told without asking the store.
    #[must_use]
    pub fn report(&self, now: Moment) -> Report {
        let mut report = Report { ready: true, checks: Vec::new() };
        let draining = self.draining.load(Ordering::Relaxed);
        report.add("serving", !draining, if draining { "stopping" } else { "" });
        for beat in &self.beats {
            let age = now.since(beat.heart.last());
            let detail = format!("last beat {} ms ago, at most {} ms", age.as_millis(), beat.age_max.as_millis());
            report.add(beat.name, age <= beat.age_max, &detail);
        }
        let note = self.note.read().unwrap_or_else(PoisonError::into_inner);
        report.add("configuration", true, note.as_deref().unwrap_or_default());
        report
    }
}

impl Report {
    fn add(&mut self, name: &str, ok: bool, detail: &str) {
        self.ready &= ok;
        self.checks.push(Check { name: name.to_owned(), ok, detail: detail.to_owned() });
    }

    /// Adds something that is as it should be.
    pub fn add_good(&mut self, name: &str, detail: &str) {
        self.add(name, true, detail);
    }

    /// Adds something that is in the way.
    pub fn add_bad(&mut self, name: &str, detail: &str) {
        self.add(name, false, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_loop_and_a_stop_are_in_the_way() {
        let heart = Heartbeat::default();
        heart.beat(Moment::from_millis(10_000));
        let readiness = Readiness::new(vec![Beat { name: "scheduler", heart, age_max: Duration::from_secs(5) }]);
        assert!(readiness.report(Moment::from_millis(15_000)).ready);
        assert!(!readiness.report(Moment::from_millis(15_001)).ready);
        readiness.set_config_note(Some("the reload was refused".to_owned()));
        assert!(readiness.report(Moment::from_millis(10_000)).ready, "a note is not in the way");
        readiness.set_draining();
        assert!(!readiness.report(Moment::from_millis(10_000)).ready);
    }
}
