//! What every write carries beside what it is about: when, in which order, and the name to repeat it by.
//!
//! Read next: `api/call.rs`, which turns the name into what makes a write happen once.

use super::faults::{At, Faults};
use super::fields::{event_key, moment, revision};
use super::json::{Given, Text};
use crate::domain::{EventKey, Input, Moment, Unmapped, What};

/// The envelope of a write.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    pub occurred_at: Option<Moment>,
    pub revision: Option<u64>,
    pub event_id: Option<EventKey>,
    /// What the body named that we have no name for.
    pub unmapped: Option<Unmapped>,
}

impl Envelope {
    /// Reads the three fields that are the same in every body.
    pub fn check(
        occurred_at: Given<Text<'_>>,
        rev: Given<i64>,
        event_id: Given<Text<'_>>,
        faults: &mut Faults,
    ) -> Self {
        let root = At::Root;
        Self {
            occurred_at: occurred_at.optional(&root.field("occurred_at"), faults, moment),
            revision: rev.optional(&root.field("revision"), faults, revision),
            event_id: event_id.optional(&root.field("event_id"), faults, event_key),
            unmapped: None,
        }
    }

    /// The input that this write is; it happened now when the storefront does not say.
    #[must_use]
    pub fn input(&self, now: Moment, what: What) -> Input {
        Input { at: self.occurred_at.unwrap_or(now), revision: self.revision, what, unmapped: self.unmapped }
    }
}
