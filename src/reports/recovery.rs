//! The recovery report: what became of the reminders, step by step, and what was bought after an abandonment.
//!
//! Recovered says that an order followed an abandonment in time, not that it would have been lost without the reminder:
//! for that read `reports/lift.rs`.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::sheet::Sheet;
use super::tallied::{Amount, Amounts, Count, Scope, Tallied, share};

/// What reminders led to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RecoveryReport {
    #[serde(flatten)]
    pub scope: Scope,
    /// Idle episodes that became abandonments.
    pub abandonments: i64,
    /// Abandonments that the shopper ended by coming back.
    pub resumed: i64,
    pub abandoned: Vec<Amount>,
    pub steps: Vec<StepRow>,
    /// Why reminders were not sent on purpose, the most frequent first.
    pub suppressed: Vec<WhyCount>,
    /// Reminders whose link was opened at all, perhaps by a machine that looks at mail.
    pub touches: i64,
    /// Reminders by whose link a person came back.
    pub clicks: i64,
    /// Carts bought, by how that came about.
    pub conversions: Vec<Attributed>,
    /// Worth of the orders that recovered a cart, less what of it was refunded or cancelled.
    pub recovered: Vec<Amount>,
    pub by_day: Vec<RecoveryDay>,
}

/// One step of the sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StepRow {
    pub step: String,
    /// Reminders that were decided on.
    pub decided: i64,
    /// Reminders sent, once for each endpoint that took it.
    pub delivered: i64,
    /// Given up, once for each endpoint.
    pub dead: i64,
    /// Not sent on purpose.
    pub suppressed: i64,
    pub touches: i64,
    pub clicks: i64,
    /// Carts bought that this step is credited with.
    pub recovered: i64,
}

/// Why a reminder was not sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WhyCount {
    pub why: String,
    pub count: i64,
}

/// Carts bought.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Attributed {
    pub attribution: String,
    pub carts: i64,
    pub share: Option<f64>,
}

/// One day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RecoveryDay {
    #[schema(format = Date)]
    pub day: String,
    pub abandonments: i64,
    /// Reminders delivered.
    pub delivered: i64,
    /// Carts recovered: every attribution but organic.
    pub recovered: i64,
    pub value: Vec<Amount>,
}

#[derive(Default)]
struct Sums {
    abandonments: i64,
    resumed: i64,
    touches: i64,
    clicks: i64,
    abandoned: Amounts,
    recovered: Amounts,
    steps: BTreeMap<String, StepRow>,
    suppressed: BTreeMap<String, i64>,
    conversions: BTreeMap<String, i64>,
}

impl Sums {
    fn of(counts: &[Count<'_>]) -> Self {
        let mut sums = Self::default();
        for Count { name, by } in counts {
            sums.add(name, *by);
        }
        sums
    }

    fn add(&mut self, name: &[&str], by: i64) {
        match name {
            ["abandonments", _] => self.abandonments += by,
            ["resumed"] => self.resumed += by,
            ["abandoned_value_minor", currency, _] => self.abandoned.add(currency, by),
            ["recovered_value_minor", currency] => self.recovered.add(currency, by),
            ["conversions", attribution] => *self.conversions.entry((*attribution).to_owned()).or_default() += by,
            ["reminders_suppressed", why] => *self.suppressed.entry((*why).to_owned()).or_default() += by,
            ["reminders", step, "decided"] => self.step(step).decided += by,
            ["reminders", step, "delivered"] => self.step(step).delivered += by,
            ["reminders", step, "dead"] => self.step(step).dead += by,
            ["reminders", step, "suppressed"] => self.step(step).suppressed += by,
            ["recovered", step] => self.step(step).recovered += by,
            ["touches", of @ ..] => {
                self.touches += by;
                if let [step] = of {
                    self.step(step).touches += by;
                }
            }
            ["clicks", of @ ..] => {
                self.clicks += by;
                if let [step] = of {
                    self.step(step).clicks += by;
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, name: &str) -> &mut StepRow {
        self.steps.entry(name.to_owned()).or_insert_with(|| StepRow { step: name.to_owned(), ..StepRow::default() })
    }

    /// The steps from the most to the least often decided or suppressed: every cart that gets to a step got past the
    /// ones before, so this is their order.
    fn steps(&self) -> Vec<StepRow> {
        let mut steps: Vec<_> = self.steps.values().cloned().collect();
        steps.sort_by_key(|row| -(row.decided + row.suppressed));
        steps
    }

    fn recovered_carts(&self) -> i64 {
        self.conversions.iter().filter(|(attribution, _)| *attribution != "organic").map(|(_, carts)| carts).sum()
    }
}

impl RecoveryReport {
    /// The report on these tallies.
    #[must_use]
    pub fn of(tallied: &Tallied) -> Self {
        let sums = Sums::of(&tallied.all());
        let bought = sums.conversions.values().sum();
        let mut suppressed: Vec<_> =
            sums.suppressed.iter().map(|(why, count)| WhyCount { why: why.clone(), count: *count }).collect();
        suppressed.sort_by_key(|row| -row.count);
        let attributed = |(attribution, carts): (&String, &i64)| Attributed {
            attribution: attribution.clone(),
            carts: *carts,
            share: share(*carts, bought),
        };
        let day = |(day, counts): (crate::domain::Day, Vec<Count<'_>>)| {
            let sums = Sums::of(&counts);
            RecoveryDay {
                day: day.to_string(),
                abandonments: sums.abandonments,
                delivered: sums.steps.values().map(|step| step.delivered).sum(),
                recovered: sums.recovered_carts(),
                value: sums.recovered.list(),
            }
        };
        Self {
            scope: tallied.scope(),
            abandonments: sums.abandonments,
            resumed: sums.resumed,
            abandoned: sums.abandoned.list(),
            steps: sums.steps(),
            suppressed,
            touches: sums.touches,
            clicks: sums.clicks,
            conversions: sums.conversions.iter().map(attributed).collect(),
            recovered: sums.recovered.list(),
            by_day: tallied.by_day().into_iter().map(day).collect(),
        }
    }

    /// A row for each shop, day and step; then, without a step, one for each currency and attribution of the day.
    #[must_use]
    pub fn sheet(tallied: &Tallied) -> Sheet {
        let mut sheet = Sheet::new(&[
            "shop",
            "day",
            "step",
            "decided",
            "delivered",
            "dead",
            "suppressed",
            "touches",
            "clicks",
            "recovered",
            "attribution",
            "carts",
            "currency",
            "recovered_minor",
            "abandoned_minor",
        ]);
        for (shop, days) in tallied.by_shop_and_day() {
            for (day, counts) in days {
                let place = || vec![shop.as_str().into(), day.to_string().as_str().into()];
                let sums = Sums::of(&counts);
                for row in sums.steps() {
                    let counts =
                        [row.decided, row.delivered, row.dead, row.suppressed, row.touches, row.clicks, row.recovered];
                    let mut cells = place();
                    cells.push(row.step.as_str().into());
                    cells.extend(counts.map(Into::into));
                    sheet.add(cells);
                }
                for (attribution, carts) in &sums.conversions {
                    let mut cells = place();
                    cells.resize(10, super::sheet::Cell::Empty);
                    cells.extend([attribution.as_str().into(), (*carts).into()]);
                    sheet.add(cells);
                }
                let mut currencies = sums.abandoned.currencies();
                currencies.extend(sums.recovered.currencies());
                for currency in currencies {
                    let mut cells = place();
                    cells.resize(12, super::sheet::Cell::Empty);
                    let (recovered, abandoned) = (sums.recovered.of(&currency), sums.abandoned.of(&currency));
                    cells.extend([currency.as_str().into(), recovered.into(), abandoned.into()]);
                    sheet.add(cells);
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
    fn steps_come_in_their_order_with_what_became_of_them() {
        let report = RecoveryReport::of(&tallied(&[
            (0, "reminders/zeroth/decided", 9),
            (0, "reminders/zeroth/delivered", 8),
            (0, "reminders/zeroth/dead", 1),
            (1, "reminders/after/decided", 4),
            (1, "reminders/after/suppressed", 2),
            (1, "reminders_suppressed/purchased", 2),
            (1, "touches", 3),
            (1, "clicks/after", 1),
            (1, "conversions/recovered", 1),
            (1, "conversions/organic", 3),
            (1, "recovered_value_minor/EUR", 4_488),
        ]));
        let steps: Vec<_> = report.steps.iter().map(|row| (row.step.as_str(), row.decided, row.clicks)).collect();
        assert_eq!(steps, [("zeroth", 9, 0), ("after", 4, 1)]);
        assert_eq!((report.touches, report.clicks), (3, 1));
        assert_eq!(report.conversions[1].share, Some(0.25));
        assert_eq!((report.by_day[1].recovered, report.by_day[1].value[0].value_minor), (1, 4_488));
    }
}
