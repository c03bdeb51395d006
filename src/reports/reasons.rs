//! The reasons report: why carts were left, where, what that was worth, and how it moves from day to day.
//!
//! Two counts that are never added up: what the rules found, once for each abandonment, `unknown` included, so that it
//! sums to the abandonments; and what shoppers and agents said, once for each cart and source.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::sheet::Sheet;
use super::tallied::{Amount, Amounts, Count, Scope, Tallied, share};
use crate::domain::{ReasonCode, ReasonSource, Stage};

/// Why carts were left.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReasonsReport {
    #[serde(flatten)]
    pub scope: Scope,
    /// Idle episodes that became abandonments; a cart can have several.
    pub abandonments: i64,
    /// Worth of the carts at each abandonment; nobody knows how much of it would have been bought.
    pub abandoned: Vec<Amount>,
    /// The most frequent first.
    pub reasons: Vec<ReasonRow>,
    pub by_stage: Vec<StageReasons>,
    /// How often the rules agreed with the shopper's own word.
    pub agreement: Vec<Agreement>,
    pub by_day: Vec<ReasonsDay>,
}

/// One reason.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ReasonRow {
    pub reason: String,
    /// Abandonments for which the rules found it, or found nothing (`unknown`).
    pub inferred: i64,
    /// Of these, by rules that look at machine signals.
    pub inferred_hard: i64,
    /// Of these, by heuristics.
    pub inferred_soft: i64,
    /// Of all abandonments.
    pub share: Option<f64>,
    /// Carts whose shopper said so.
    pub reported: i64,
    /// Carts for which a shopping agent said so.
    pub agent: i64,
    /// Worth of the carts at these abandonments.
    pub abandoned: Vec<Amount>,
}

/// The reasons found at one stage.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StageReasons {
    pub stage: &'static str,
    pub abandonments: i64,
    pub abandoned: Vec<Amount>,
    /// Those found, the most frequent first.
    pub reasons: Vec<ReasonCount>,
}

/// How often a reason was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReasonCount {
    pub reason: String,
    pub count: i64,
}

/// A rule's reason beside what the shopper said.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Agreement {
    pub reason: String,
    pub agreed: i64,
    pub disagreed: i64,
    pub share: Option<f64>,
}

/// One day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReasonsDay {
    #[schema(format = Date)]
    pub day: String,
    pub abandonments: i64,
    /// What the rules found, the most frequent first.
    pub inferred: Vec<ReasonCount>,
    /// What shoppers and agents said, the most frequent first.
    pub said: Vec<ReasonCount>,
}

type Place = (Stage, ReasonCode, ReasonSource);

#[derive(Default)]
struct Sums {
    found: BTreeMap<Place, i64>,
    abandonments: BTreeMap<Stage, i64>,
    by_stage: BTreeMap<Stage, Amounts>,
    by_reason: BTreeMap<ReasonCode, Amounts>,
    agreed: BTreeMap<ReasonCode, (i64, i64)>,
}

impl Sums {
    fn of(counts: &[Count<'_>]) -> Self {
        let mut sums = Self::default();
        for Count { name, by } in counts {
            // A name that is none of ours, or of another version, is passed over.
            let _is_known = sums.add(name, *by);
        }
        sums
    }

    fn add(&mut self, name: &[&str], by: i64) -> Option<()> {
        match name {
            ["reasons", stage, code, source] => {
                let place = (Stage::parse(stage)?, ReasonCode::parse(code)?, ReasonSource::parse(source)?);
                *self.found.entry(place).or_default() += by;
            }
            ["abandonments", stage] => *self.abandonments.entry(Stage::parse(stage)?).or_default() += by,
            ["abandoned_value_minor", currency, stage] => {
                self.by_stage.entry(Stage::parse(stage)?).or_default().add(currency, by);
            }
            // What was said was found as well, with the same cart's worth.
            ["reason_value_minor", currency, code, source] if is_found(ReasonSource::parse(source)?) => {
                self.by_reason.entry(ReasonCode::parse(code)?).or_default().add(currency, by);
            }
            ["reason_agreement", code, agreed] => {
                let (yes, no) = self.agreed.entry(ReasonCode::parse(code)?).or_default();
                *(if *agreed == "true" { yes } else { no }) += by;
            }
            _ => return None,
        }
        Some(())
    }

    fn count(&self, takes: impl Fn(&Place) -> bool) -> i64 {
        self.found.iter().filter(|(place, _)| takes(place)).map(|(_, count)| count).sum()
    }

    /// What these places hold for each reason, the most frequent first.
    fn ranked(&self, takes: impl Fn(&Place) -> bool) -> Vec<ReasonCount> {
        let mut counts: BTreeMap<ReasonCode, i64> = BTreeMap::new();
        for (place, count) in self.found.iter().filter(|(place, _)| takes(place)) {
            *counts.entry(place.1).or_default() += count;
        }
        let mut ranked: Vec<_> = counts.into_iter().filter(|(_, count)| *count != 0).collect();
        ranked.sort_by_key(|(code, count)| (-count, *code));
        ranked.into_iter().map(|(code, count)| ReasonCount { reason: code.to_string(), count }).collect()
    }

    fn row(&self, code: ReasonCode, abandonments: i64) -> ReasonRow {
        let of = |source: ReasonSource| self.count(|place| place.1 == code && place.2 == source);
        let inferred = self.count(|place| place.1 == code && is_found(place.2));
        ReasonRow {
            reason: code.to_string(),
            inferred,
            inferred_hard: of(ReasonSource::InferredHard),
            inferred_soft: of(ReasonSource::InferredSoft),
            share: share(inferred, abandonments),
            reported: of(ReasonSource::Reported),
            agent: of(ReasonSource::Agent),
            abandoned: self.by_reason.get(&code).map(Amounts::list).unwrap_or_default(),
        }
    }

    fn rows(&self) -> Vec<ReasonRow> {
        let abandonments = self.abandonments.values().sum();
        let mut rows: Vec<_> = ReasonCode::ALL.iter().map(|code| self.row(*code, abandonments)).collect();
        rows.retain(|row| row.inferred + row.reported + row.agent != 0);
        // In the order of the taxonomy where they are even.
        rows.sort_by_key(|row| (-row.inferred, -row.reported - row.agent));
        rows
    }

    fn stages(&self) -> Vec<StageReasons> {
        let row = |&stage: &Stage| StageReasons {
            stage: stage.as_str(),
            abandonments: self.abandonments.get(&stage).copied().unwrap_or(0),
            abandoned: self.by_stage.get(&stage).map(Amounts::list).unwrap_or_default(),
            reasons: self.ranked(|place| place.0 == stage && is_found(place.2)),
        };
        Stage::ALL.iter().map(row).collect()
    }
}

/// Whether the rules found it, if only that they found nothing.
const fn is_found(source: ReasonSource) -> bool {
    matches!(source, ReasonSource::None | ReasonSource::InferredSoft | ReasonSource::InferredHard)
}

impl ReasonsReport {
    /// The report on these tallies.
    #[must_use]
    pub fn of(tallied: &Tallied) -> Self {
        let sums = Sums::of(&tallied.all());
        let mut abandoned = Amounts::default();
        for amount in sums.by_stage.values().flat_map(Amounts::list) {
            abandoned.add(&amount.currency, amount.value_minor);
        }
        let agreement = |(code, (agreed, disagreed)): (&ReasonCode, &(i64, i64))| Agreement {
            reason: code.to_string(),
            agreed: *agreed,
            disagreed: *disagreed,
            share: share(*agreed, agreed + disagreed),
        };
        let day = |(day, counts): (_, Vec<Count<'_>>)| {
            let sums = Sums::of(&counts);
            ReasonsDay {
                day: crate::domain::Day::to_string(&day),
                abandonments: sums.abandonments.values().sum(),
                inferred: sums.ranked(|place| is_found(place.2)),
                said: sums.ranked(|place| !is_found(place.2)),
            }
        };
        Self {
            scope: tallied.scope(),
            abandonments: sums.abandonments.values().sum(),
            abandoned: abandoned.list(),
            reasons: sums.rows(),
            by_stage: sums.stages(),
            agreement: sums.agreed.iter().map(agreement).collect(),
            by_day: tallied.by_day().into_iter().map(day).collect(),
        }
    }

    /// A row for each shop, day, stage, reason and source.
    #[must_use]
    pub fn sheet(tallied: &Tallied) -> Sheet {
        let mut sheet = Sheet::new(&["shop", "day", "stage", "reason", "source", "count"]);
        for (shop, days) in tallied.by_shop_and_day() {
            for (day, counts) in days {
                let day = day.to_string();
                for ((stage, code, source), count) in Sums::of(&counts).found {
                    sheet.add(vec![
                        shop.as_str().into(),
                        day.as_str().into(),
                        stage.as_str().into(),
                        code.as_str().into(),
                        source.as_str().into(),
                        count.into(),
                    ]);
                }
            }
        }
        sheet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::tallied::tests::tallied;

    #[test]
    fn what_was_found_sums_to_the_abandonments_and_what_was_said_stands_beside() {
        let report = ReasonsReport::of(&tallied(&[
            (0, "abandonments/payment", 5),
            (0, "reasons/payment/payment_declined/inferred_hard", 3),
            (0, "reasons/payment/unknown/none", 2),
            (1, "reasons/payment/trust_security/reported", 1),
            (0, "abandoned_value_minor/EUR/payment", 700),
            (0, "reason_value_minor/EUR/payment_declined/inferred_hard", 400),
            (1, "reason_agreement/payment_declined/false", 1),
            (1, "reasons/payment/from_another_version/none", 9),
        ]));
        let rows: Vec<_> =
            report.reasons.iter().map(|row| (row.reason.as_str(), row.inferred, row.reported, row.share)).collect();
        let expected =
            [("payment_declined", 3, 0, Some(0.6)), ("unknown", 2, 0, Some(0.4)), ("trust_security", 0, 1, Some(0.0))];
        assert_eq!(rows, expected);
        assert_eq!(report.reasons.iter().map(|row| row.inferred).sum::<i64>(), report.abandonments);
        assert_eq!(report.reasons[0].abandoned[0].value_minor, 400);
        assert_eq!(report.by_day[1].said, [ReasonCount { reason: "trust_security".to_owned(), count: 1 }]);
        assert_eq!(report.agreement[0].share, Some(0.0));
    }
}
