//! Experiments: who is held out, and who is reminded after another delay, so that a merchant can see what reminders do.
//!
//! No dice: an arm follows from the person's strongest identifier and the experiment's name. Persistent: an exposure is
//! noted on all of their identifiers, and the earliest one counts, whatever they are later known by.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::id::{ArmName, ExperimentName};
use super::note::Exposure;
use super::person::{IdentifierHash, Person};

/// A share of persons who are reminded after a delay of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    pub name: ArmName,
    /// Of those who are not held out, 1 to 100.
    pub percent: u32,
    /// Of the first step; the later ones move along.
    pub delay: Duration,
}

/// An experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    pub name: ExperimentName,
    /// Of all persons, in percent; they get no reminder.
    pub holdout_percent: u32,
    /// Together at most 100 percent; the rest is as the steps say.
    pub arms: Vec<Arm>,
}

/// The arm of those who get no reminder.
pub const HOLDOUT: &str = "holdout";
/// The arm of those who are reminded as the steps say.
pub const DEFAULT: &str = "default";

impl Experiment {
    /// Nothing but a holdout.
    #[must_use]
    pub fn holdout(percent: u32) -> Self {
        Self { name: holdout_name(), holdout_percent: percent, arms: Vec::new() }
    }

    /// All its arms.
    pub fn arm_names(&self) -> impl Iterator<Item = &str> {
        [HOLDOUT, DEFAULT].into_iter().chain(self.arms.iter().map(|arm| arm.name.as_str()))
    }

    /// The arm of this person: where they were exposed first, else where their strongest identifier puts them.
    #[must_use]
    pub fn arm_of(&self, person: &Person) -> ArmName {
        match self.exposure_of(person) {
            Some(exposure) => exposure.arm.clone(),
            None => person.who.map_or_else(|| arm(DEFAULT), |who| self.draw(who)),
        }
    }

    /// Where the person was exposed first.
    #[must_use]
    pub fn exposure_of<'a>(&self, person: &'a Person) -> Option<&'a Exposure> {
        person.exposures.iter().find(|exposure| exposure.experiment == self.name)
    }

    /// Whether this person gets no reminder.
    #[must_use]
    pub fn holds_out(&self, person: &Person) -> bool {
        self.arm_of(person).as_str() == HOLDOUT
    }

    /// The delay that replaces that of the first step for this person.
    #[must_use]
    pub fn delay_of(&self, person: &Person) -> Option<Duration> {
        let name = self.arm_of(person);
        self.arms.iter().find(|arm| arm.name == name).map(|arm| arm.delay)
    }

    fn draw(&self, who: IdentifierHash) -> ArmName {
        let percentile = |of: &str| {
            let hash = Sha256::new().chain_update(self.name.as_str()).chain_update([0]).chain_update(of);
            let hash: [u8; 32] = hash.chain_update(who.0).finalize().into();
            u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % 100
        };
        if percentile(HOLDOUT) < self.holdout_percent {
            return arm(HOLDOUT);
        }
        let place = percentile("arms");
        let mut end = 0;
        let drawn = self.arms.iter().find(|arm| {
            end += arm.percent;
            place < end
        });
        drawn.map_or_else(|| arm(DEFAULT), |drawn| drawn.name.clone())
    }
}

fn holdout_name() -> ExperimentName {
    ExperimentName::parse(HOLDOUT).expect("a literal slug is a name")
}

fn arm(name: &str) -> ArmName {
    ArmName::parse(name).expect("a literal slug is a name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CartId, Moment};

    fn experiment() -> Experiment {
        let later = Arm { name: arm("later"), percent: 50, delay: Duration::from_hours(8) };
        let name = ExperimentName::parse("delay").expect("a slug");
        Experiment { name, holdout_percent: 10, arms: vec![later] }
    }

    #[test]
    fn shares_are_as_asked_for() {
        let experiment = experiment();
        let mut counts = std::collections::BTreeMap::<String, u32>::new();
        for n in 0..20_000_u32 {
            let mut hash = [0; 16];
            hash[..4].copy_from_slice(&n.to_be_bytes());
            let person = Person { who: Some(IdentifierHash(hash)), ..Person::nobody() };
            *counts.entry(experiment.arm_of(&person).to_string()).or_default() += 1;
        }
        let near = |name: &str, expected: u32| counts[name].abs_diff(expected) < expected / 10;
        assert!(near(HOLDOUT, 2_000) && near("later", 9_000) && near(DEFAULT, 9_000), "{counts:?}");
    }

    #[test]
    fn the_first_exposure_stays_whatever_the_person_is_later_known_by() {
        let experiment = experiment();
        let exposure = Exposure {
            experiment: experiment.name.clone(),
            arm: arm(HOLDOUT),
            cart: CartId::parse("c").expect("an id"),
            at: Moment::from_millis(0),
        };
        for n in 0..50 {
            let who = Some(IdentifierHash([n; 16]));
            let person = Person { who, exposures: vec![exposure.clone()], ..Person::nobody() };
            assert!(experiment.holds_out(&person));
        }
    }
}
