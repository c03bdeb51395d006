//! The receivers of one seed: each endpoint has a mood, and moods change.

use std::collections::BTreeMap;
use std::time::Duration;

use cartwake::domain::{Delivery, EndpointName, Outcome, OutcomeName};

use super::dice::Dice;

/// How an endpoint answers for the time being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// 500 to everything.
    Broken,
    /// 429 with a `Retry-After`.
    Busy,
    /// 410.
    Gone,
    /// 400.
    Picky,
    /// Takes a request and never answers.
    Hanging,
    /// Answers after most of the time it has.
    Slow,
    /// The line is cut, before the request came through or after.
    Cut,
    /// Any of these, each time another.
    Flapping,
    /// A redirect, a bad certificate, an address that may not be dialled.
    Moved,
}

pub const MOODS: &[Mood] = &[
    Mood::Well,
    Mood::Well,
    Mood::Well,
    Mood::Broken,
    Mood::Busy,
    Mood::Gone,
    Mood::Picky,
    Mood::Hanging,
    Mood::Slow,
    Mood::Cut,
    Mood::Flapping,
    Mood::Flapping,
    Mood::Moved,
];

pub struct Receivers {
    first: Mood,
    moods: BTreeMap<EndpointName, Mood>,
}

impl Receivers {
    pub fn of(dice: &mut Dice) -> Self {
        Self { first: *dice.pick(&[Mood::Well, Mood::Well, Mood::Slow, Mood::Flapping]), moods: BTreeMap::new() }
    }

    pub fn change(&mut self, endpoint: EndpointName, mood: Mood) {
        self.moods.insert(endpoint, mood);
    }

    /// Whoever said that it is gone, or never answers well, is repaired.
    pub fn repair(&mut self) {
        self.first = Mood::Well;
        for mood in self.moods.values_mut() {
            if *mood != Mood::Broken {
                *mood = Mood::Well;
            }
        }
    }

    /// What comes of a POST that is given this long.
    pub fn answer(&self, dice: &mut Dice, delivery: &Delivery, limit: Duration) -> Outcome {
        let mut mood = self.moods.get(&delivery.endpoint).copied().unwrap_or(self.first);
        if mood == Mood::Flapping {
            // Gone would stop the endpoint: that is a mood of its own.
            let any =
                [Mood::Well, Mood::Well, Mood::Broken, Mood::Busy, Mood::Hanging, Mood::Slow, Mood::Cut, Mood::Moved];
            mood = *dice.pick(&any);
        }
        let quick = Duration::from_millis(1 + dice.below(40));
        let (name, status, duration) = match mood {
            Mood::Well | Mood::Flapping => (OutcomeName::Success, Some(200), quick),
            Mood::Broken => (OutcomeName::ServerError, Some(500), quick),
            Mood::Busy => (OutcomeName::Throttled, Some(429), quick),
            Mood::Gone => (OutcomeName::Gone, Some(410), quick),
            Mood::Picky => (OutcomeName::Rejected, Some(400), quick),
            Mood::Hanging => (OutcomeName::TimedOut, None, limit),
            Mood::Slow => (OutcomeName::Success, Some(204), limit.mul_f64(0.9)),
            Mood::Cut if dice.chance(300) => (OutcomeName::ConnectFailed, None, quick),
            Mood::Cut => (OutcomeName::ConnectionLost, None, quick),
            Mood::Moved => match dice.below(3) {
                0 => (OutcomeName::Redirected, Some(302), quick),
                1 => (OutcomeName::TlsFailed, None, quick),
                _ => (OutcomeName::AddressRefused, None, quick),
            },
        };
        let retry_after = (mood == Mood::Busy).then(|| Duration::from_secs(dice.below(120)));
        Outcome { name, status, retry_after, duration, reply: None }
    }
}
