//! Calibration: how often what the rules infer is what shoppers then say, and which reasons that demotes.
//!
//! Pure: the counts come from the tallies, and what follows goes into the program, so that a decision is still a function
//! of its arguments. Read next: `engine/calibration.rs`, which looks once a minute.

use std::collections::BTreeMap;
use std::time::Duration;

use super::reason::ReasonCode;
use super::tally::{AGREEMENT, TallyKey};

/// When a reason is demoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalibrationSettings {
    /// Fewer judged cases than this say nothing.
    pub judged_min: u32,
    /// A reason that shoppers agree with less often than this, in percent, is demoted; 0 demotes none.
    pub agreement_percent_min: u32,
    /// Cases judged longer ago than this are forgotten, so that a reason gets another chance.
    pub window: Duration,
}

impl Default for CalibrationSettings {
    fn default() -> Self {
        Self { judged_min: 50, agreement_percent_min: 25, window: Duration::from_secs(90 * 86_400) }
    }
}

/// How often shoppers were asked about an inferred reason, and agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    pub judged: u64,
    pub agreed: u64,
}

impl Agreement {
    /// Of the judged, in percent, rounded down; 0 of none.
    #[must_use]
    pub fn percent(self) -> u8 {
        let percent = (self.agreed * 100).checked_div(self.judged).unwrap_or_default();
        u8::try_from(percent).unwrap_or(100).min(100)
    }

    /// Whether a reason with this agreement is demoted.
    #[must_use]
    pub fn demotes(self, settings: CalibrationSettings) -> bool {
        let (judged_min, least) = (u64::from(settings.judged_min), u64::from(settings.agreement_percent_min));
        self.judged >= judged_min.max(1) && self.agreed * 100 < self.judged * least
    }
}

/// Agreements by reason.
pub type Agreements = BTreeMap<ReasonCode, Agreement>;

/// Adds what a tally says about an agreement; most say nothing.
pub fn add(agreements: &mut Agreements, key: &TallyKey, count: i64) {
    let Some(rest) = key.0.strip_prefix(AGREEMENT).and_then(|rest| rest.strip_prefix('/')) else { return };
    let Some((code, agreed)) = rest.split_once('/') else { return };
    let (Some(code), Ok(count)) = (ReasonCode::parse(code), u64::try_from(count)) else { return };
    let entry = agreements.entry(code).or_default();
    entry.judged += count;
    entry.agreed += if agreed == "true" { count } else { 0 };
}

/// The reasons that these agreements demote, and how often shoppers agreed with them, in percent.
#[must_use]
pub fn demoted(agreements: &Agreements, settings: CalibrationSettings) -> BTreeMap<ReasonCode, u8> {
    let demoted = agreements.iter().filter(|(_, agreement)| agreement.demotes(settings));
    demoted.map(|(code, agreement)| (*code, agreement.percent())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fact::Fact;
    use crate::domain::tally::tallies;
    use crate::domain::time::Day;

    fn judged(code: ReasonCode, agreed: u64, of: u64) -> Agreements {
        let facts: Vec<Fact> = (0..of).map(|n| Fact::ReasonJudged { code, agreed: n < agreed }).collect();
        let mut agreements = Agreements::new();
        for tally in tallies(&facts, Day::from_number(0)) {
            add(&mut agreements, &tally.key, tally.by);
        }
        agreements
    }

    #[test]
    fn a_reason_is_demoted_when_enough_shoppers_disagree() {
        let (code, settings) = (ReasonCode::JustBrowsing, CalibrationSettings::default());
        assert_eq!(demoted(&judged(code, 12, 50), settings), [(code, 24)].into());
        for (agreed, of) in [(13, 50), (0, 49), (25, 100), (0, 0)] {
            assert_eq!(demoted(&judged(code, agreed, of), settings), BTreeMap::new(), "{agreed} of {of}");
        }
        let never = CalibrationSettings { agreement_percent_min: 0, ..settings };
        assert_eq!(demoted(&judged(code, 0, 1_000), never), BTreeMap::new());
    }

    #[test]
    fn other_counts_say_nothing_about_agreement() {
        let mut agreements = Agreements::new();
        for key in [
            "reasons/cart/other/none",
            "reason_agreement",
            "reason_agreement/nope/true",
            "reason_agreements/other/true",
        ] {
            add(&mut agreements, &TallyKey(key.to_owned()), 7);
        }
        assert!(agreements.is_empty());
    }
}
