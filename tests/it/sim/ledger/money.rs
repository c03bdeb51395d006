//! What is reported of money and of experiments is what the orders are, those that were taken back left out.

use std::collections::BTreeMap;

use cartwake::domain::{Order, OrderStatus};

use super::Ledger;

/// What one order counts for as it stands.
#[derive(Default)]
pub struct Worth {
    recovered: i64,
    /// By experiment and arm.
    arms: Vec<(String, i64)>,
}

impl Ledger {
    /// An order is worth what it says while it is paid, and nothing once it was refunded or cancelled.
    pub(super) fn note_worth(&mut self, order: &Order) {
        let mut worth = Worth::default();
        if let Some(paid) = order.paid_as.as_ref().filter(|_| order.status == OrderStatus::Paid) {
            if paid.credit.attribution.is_recovered() {
                worth.recovered = order.total.signed();
            }
            let arm = |(experiment, arm): &_| (format!("{experiment}/{arm}"), order.total.signed());
            worth.arms = paid.arms.iter().map(arm).collect();
        }
        self.worth.insert(order.id.clone(), worth);
    }

    fn tallied(&self, name: &str) -> i64 {
        self.tallies.get(name).copied().unwrap_or_default()
    }

    /// The recovered value is the sum over the orders that are paid and were not taken back.
    pub(super) fn recovered_value_is_that_of_the_orders(&mut self) {
        let (told, true_one) =
            (self.tallied("recovered_value_minor/EUR"), self.worth.values().map(|worth| worth.recovered).sum::<i64>());
        if told != true_one {
            self.broke("recovered value is that of the orders", &format_args!("{told} told, {true_one} true"));
        }
    }

    /// An arm has the outcomes of the orders that decided it, and no person decides twice.
    pub(super) fn an_arm_has_the_outcomes_of_its_orders(&mut self) {
        let mut arms: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for (arm, value) in self.worth.values().flat_map(|worth| &worth.arms) {
            let (count, sum) = arms.entry(arm.clone()).or_default();
            (*count, *sum) = (*count + 1, *sum + value);
        }
        for arm in ["holdout/holdout", "holdout/default"] {
            let (count, value) = arms.get(arm).copied().unwrap_or_default();
            let told = (
                self.tallied(&format!("experiment/{arm}/converted")),
                self.tallied(&format!("experiment/{arm}/value/EUR")),
            );
            if told != (count, value) {
                self.broke(
                    "an arm has the outcomes of its orders",
                    &format_args!("{arm}: {told:?} told, {count} of {value}"),
                );
            }
        }
    }

    /// At the end of a seed: no arm has more outcomes than times that somebody came into it, and how many persons it counts
    /// is told to whoever sums over seeds. (A person whose cart ends at that very moment may be known, and not counted.)
    pub fn the_arms_are_told(&mut self) {
        for (arm, what) in [("holdout/holdout", "persons held out"), ("holdout/default", "persons not held out")] {
            let persons = self.tallied(&format!("experiment_persons/{arm}"));
            let converted = self.tallied(&format!("experiment/{arm}/converted"));
            let entered = self.exposures_to(arm.rsplit('/').next().unwrap_or_default());
            if converted > i64::try_from(entered).unwrap_or(i64::MAX) {
                self.broke(
                    "no person decides twice",
                    &format_args!("{arm}: {converted} outcomes of {entered} persons"),
                );
            }
            *self.counts.entry(what).or_default() += u64::try_from(persons).unwrap_or_default();
        }
    }
}
