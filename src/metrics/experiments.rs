//! What Prometheus sees of experiments: persons who came into an arm, and what they bought.

use prometheus::IntCounterVec;

use super::maker::Maker;
use crate::domain::{ArmName, Currency, Experiment, ExperimentName, Minor};

/// The metrics of experiments.
pub(super) struct ExperimentMetrics {
    persons: IntCounterVec,
    orders: IntCounterVec,
    value: IntCounterVec,
}

impl ExperimentMetrics {
    pub(super) fn new(make: &Maker) -> Self {
        let labels = ["shop", "experiment", "arm"];
        Self {
            persons: make.counters("experiment_persons_total", "Persons who became part of an experiment.", &labels),
            orders: make.counters("experiment_orders_total", "First paid orders of persons in an experiment.", &labels),
            value: make.counters(
                "experiment_value_minor_total",
                "Value of these orders, in minor units; reversals are not taken off.",
                &["shop", "experiment", "arm", "currency"],
            ),
        }
    }

    /// Begins the arms of an experiment at zero.
    pub(super) fn expect(&self, shop: &str, experiment: &Experiment) {
        for arm in experiment.arm_names() {
            self.persons.with_label_values(&[shop, experiment.name.as_str(), arm]);
            self.orders.with_label_values(&[shop, experiment.name.as_str(), arm]);
        }
    }

    /// A person came into an experiment.
    pub(super) fn entered(&self, shop: &str, experiment: &ExperimentName, arm: &ArmName) {
        self.persons.with_label_values(&[shop, experiment.as_str(), arm.as_str()]).inc();
    }

    /// A person in an experiment bought, for the first time since.
    pub(super) fn converted(
        &self,
        shop: &str,
        (experiment, arm): (&ExperimentName, &ArmName),
        currency: Currency,
        value: Minor,
    ) {
        let (experiment, arm) = (experiment.as_str(), arm.as_str());
        self.orders.with_label_values(&[shop, experiment, arm]).inc();
        self.value.with_label_values(&[shop, experiment, arm, currency.code()]).inc_by(value.get());
    }
}
