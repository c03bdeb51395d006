//! The lift report: what the reminders changed, by experiment, arm and currency.
//!
//! It reads the tallies `experiment_persons/{name}/{arm}`, persons who came into the experiment, and those under
//! `experiment/{name}/{arm}/`: `converted`, how many of them bought; `value/{currency}`, what they spent, minor units;
//! `value_squared/{currency}`, the sum of the squares of what each spent. The arm `holdout` is never reminded: every
//! other is compared with it. The arithmetic is in `domain/lift.rs`.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::sheet::Sheet;
use super::tallied::{Count, Scope, Tallied, share};
use crate::domain::{ArmCount, ArmValue, BUYERS_MIN, Difference, PERSONS_MIN, is_enough, lift, value_lift};

/// The arm that gets no reminders.
const HOLDOUT: &str = "holdout";

/// What the reminders changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LiftReport {
    #[serde(flatten)]
    pub scope: Scope,
    /// Persons in each arm before a difference is given.
    pub persons_min: i64,
    /// Buyers in each arm before a difference is given.
    pub buyers_min: i64,
    pub experiments: Vec<Experiment>,
}

/// One experiment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Experiment {
    pub experiment: String,
    pub arms: Vec<ArmRow>,
    /// Each arm against the one that gets no reminders.
    pub comparisons: Vec<Comparison>,
}

/// One arm.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ArmRow {
    pub arm: String,
    /// Persons who came into the experiment in this arm.
    pub persons: i64,
    /// Those of them who bought.
    pub buyers: i64,
    pub conversion: Option<f64>,
    pub values: Vec<ArmAmount>,
}

/// What an arm spent in one currency.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ArmAmount {
    pub currency: String,
    pub value_minor: i64,
    /// For each person of the arm, buyer or not; minor units.
    pub mean_minor: Option<f64>,
}

/// An arm against the one that gets no reminders.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Comparison {
    pub arm: String,
    /// False: not enough data yet, and no difference is given.
    pub enough: bool,
    /// Of the share of persons who bought, 0.01 for one in a hundred.
    #[schema(required = true)]
    pub conversion: Option<Interval>,
    pub values: Vec<ValueInterval>,
    /// The difference of conversion up to each day of the period.
    pub by_day: Vec<LiftDay>,
}

/// A difference and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Interval {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
}

/// A difference of value for each person.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ValueInterval {
    pub currency: String,
    /// Minor units for each person.
    #[schema(required = true)]
    pub difference: Option<Interval>,
}

/// The difference up to a day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LiftDay {
    #[schema(format = Date)]
    pub day: String,
    #[schema(required = true)]
    pub conversion: Option<Interval>,
}

impl From<Difference> for Interval {
    fn from(found: Difference) -> Self {
        Self { estimate: found.estimate, low: found.low, high: found.high }
    }
}

/// The sums of one arm; by currency the value and its squares.
#[derive(Clone, Debug, Default)]
struct Sum {
    arm: ArmCount,
    values: BTreeMap<String, (i64, i64)>,
}

/// By experiment, then by arm.
#[derive(Clone, Debug, Default)]
struct Sums(BTreeMap<String, BTreeMap<String, Sum>>);

impl Sums {
    fn of(counts: &[Count<'_>]) -> Self {
        let mut sums = Self::default();
        sums.add(counts);
        sums
    }

    fn add(&mut self, counts: &[Count<'_>]) {
        for Count { name, by } in counts {
            match name.as_slice() {
                ["experiment_persons", experiment, arm] => self.sum(experiment, arm).arm.persons += by,
                ["experiment", experiment, arm, "converted"] => self.sum(experiment, arm).arm.buyers += by,
                ["experiment", experiment, arm, "value", currency] => self.value(experiment, arm, currency).0 += by,
                ["experiment", experiment, arm, "value_squared", currency] => {
                    self.value(experiment, arm, currency).1 += by;
                }
                _ => {}
            }
        }
    }

    fn sum(&mut self, experiment: &str, arm: &str) -> &mut Sum {
        self.0.entry(experiment.to_owned()).or_default().entry(arm.to_owned()).or_default()
    }

    fn value(&mut self, experiment: &str, arm: &str, currency: &str) -> &mut (i64, i64) {
        self.sum(experiment, arm).values.entry(currency.to_owned()).or_default()
    }

    fn arm(&self, experiment: &str, arm: &str) -> Sum {
        self.0.get(experiment).and_then(|arms| arms.get(arm)).cloned().unwrap_or_default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sum of money as a number to reckon with")]
const fn real(sum: i64) -> f64 {
    sum as f64
}

impl Sum {
    fn row(&self, arm: &str) -> ArmRow {
        let amount = |(currency, (value, _)): (&String, &(i64, i64))| ArmAmount {
            currency: currency.clone(),
            value_minor: *value,
            mean_minor: share(*value, self.arm.persons),
        };
        ArmRow {
            arm: arm.to_owned(),
            persons: self.arm.persons,
            buyers: self.arm.buyers,
            conversion: share(self.arm.buyers, self.arm.persons),
            values: self.values.iter().map(amount).collect(),
        }
    }

    fn value(&self, currency: &str) -> (ArmCount, ArmValue) {
        let (sum, squares) = self.values.get(currency).copied().unwrap_or_default();
        (self.arm, ArmValue { sum: real(sum), squares: real(squares) })
    }
}

impl LiftReport {
    /// The report on these tallies.
    #[must_use]
    pub fn of(tallied: &Tallied) -> Self {
        let sums = Sums::of(&tallied.all());
        let mut running = Sums::default();
        let mut days = Vec::new();
        for (day, counts) in tallied.by_day() {
            running.add(&counts);
            days.push((day.to_string(), running.clone()));
        }
        let experiments = sums.0.iter().map(|(name, arms)| Experiment {
            experiment: name.clone(),
            arms: arms.iter().map(|(arm, sum)| sum.row(arm)).collect(),
            comparisons: arms
                .iter()
                .filter(|(arm, _)| *arm != HOLDOUT)
                .map(|(arm, treated)| compare(name, arm, &sums.arm(name, HOLDOUT), treated, &days))
                .collect(),
        });
        Self {
            scope: tallied.scope(),
            persons_min: PERSONS_MIN,
            buyers_min: BUYERS_MIN,
            experiments: experiments.collect(),
        }
    }

    /// A row for each shop, experiment, arm and currency over the whole period; differences are not sums of days.
    #[must_use]
    pub fn sheet(tallied: &Tallied) -> Sheet {
        let mut sheet = Sheet::new(&[
            "shop",
            "experiment",
            "arm",
            "persons",
            "buyers",
            "conversion",
            "difference",
            "low",
            "high",
            "currency",
            "value_minor",
            "mean_minor",
            "mean_difference",
            "mean_low",
            "mean_high",
        ]);
        for (shop, counts) in tallied.by_shop() {
            let sums = Sums::of(&counts);
            for (experiment, arms) in &sums.0 {
                let control = sums.arm(experiment, HOLDOUT);
                for (arm, sum) in arms {
                    let row = sum.row(arm);
                    let against = |found: Option<Difference>| found.filter(|_| arm != HOLDOUT);
                    let mut cells = vec![shop.as_str().into(), experiment.as_str().into(), arm.as_str().into()];
                    cells.extend([row.persons.into(), row.buyers.into(), row.conversion.into()]);
                    cells.extend(parts(against(lift(control.arm, sum.arm))).map(Into::into));
                    for amount in &row.values {
                        let mut cells = cells.clone();
                        let found = value_lift(control.value(&amount.currency), sum.value(&amount.currency));
                        cells.extend([
                            amount.currency.as_str().into(),
                            amount.value_minor.into(),
                            amount.mean_minor.into(),
                        ]);
                        cells.extend(parts(against(found)).map(Into::into));
                        sheet.add(cells);
                    }
                    if row.values.is_empty() {
                        sheet.add(cells);
                    }
                }
            }
        }
        sheet
    }
}

fn parts(found: Option<Difference>) -> [Option<f64>; 3] {
    [found.map(|d| d.estimate), found.map(|d| d.low), found.map(|d| d.high)]
}

fn compare(experiment: &str, arm: &str, control: &Sum, treated: &Sum, days: &[(String, Sums)]) -> Comparison {
    let mut currencies: Vec<&String> = control.values.keys().chain(treated.values.keys()).collect();
    currencies.sort();
    currencies.dedup();
    let value = |currency: &String| ValueInterval {
        currency: currency.clone(),
        difference: value_lift(control.value(currency), treated.value(currency)).map(Into::into),
    };
    let day = |(day, sums): &(String, Sums)| LiftDay {
        day: day.clone(),
        conversion: lift(sums.arm(experiment, HOLDOUT).arm, sums.arm(experiment, arm).arm).map(Into::into),
    };
    Comparison {
        arm: arm.to_owned(),
        enough: is_enough(control.arm, treated.arm),
        conversion: lift(control.arm, treated.arm).map(Into::into),
        values: currencies.into_iter().map(value).collect(),
        by_day: days.iter().map(day).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::tallied::tests::tallied;

    #[test]
    fn an_arm_is_compared_once_there_is_enough_of_both() {
        let tallies = [
            (0, "experiment_persons/holdout-10/holdout", 60),
            (1, "experiment_persons/holdout-10/holdout", 60),
            (1, "experiment/holdout-10/holdout/converted", 6),
            (0, "experiment_persons/holdout-10/reminded", 1_000),
            (1, "experiment/holdout-10/reminded/converted", 120),
            (1, "experiment/holdout-10/reminded/value/EUR", 600_000),
            (1, "experiment/holdout-10/reminded/value_squared/EUR", 3_200_000_000),
        ];
        let report = LiftReport::of(&tallied(&tallies));
        let [experiment] = report.experiments.as_slice() else { panic!("one experiment") };
        let [comparison] = experiment.comparisons.as_slice() else { panic!("one arm beside the holdout") };
        assert!(comparison.enough);
        let found = comparison.conversion.expect("enough data");
        assert!((found.estimate - 0.07).abs() < 1e-9 && found.low < found.estimate && found.high > found.estimate);
        assert!(comparison.values[0].difference.is_some());
        let days: Vec<bool> = comparison.by_day.iter().map(|day| day.conversion.is_some()).collect();
        assert_eq!(days, [false, true], "until there is enough there is no difference");
    }
}
