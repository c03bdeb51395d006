//! Makes the metrics of `metrics.rs` and registers them under our prefix. Never here: which there are.

use prometheus::core::Collector;
use prometheus::{Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// Registers metrics under our prefix; a clash is a mistake in this file.
pub(super) struct Maker {
    pub(super) registry: Registry,
}

impl Maker {
    pub(super) fn add(&self, collector: impl Collector + 'static) {
        self.registry.register(Box::new(collector)).expect("metric names in this file are distinct and valid");
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        let made = IntCounterVec::new(Opts::new(format!("cartwake_{name}"), help), labels);
        let made = made.expect("metric options in this file are valid");
        self.add(made.clone());
        made
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        let made = IntGaugeVec::new(Opts::new(format!("cartwake_{name}"), help), labels);
        let made = made.expect("metric options in this file are valid");
        self.add(made.clone());
        made
    }

    pub(super) fn values(&self, name: &str, help: &str) -> GaugeVec {
        let made = GaugeVec::new(Opts::new(format!("cartwake_{name}"), help), &[]);
        let made = made.expect("metric options in this file are valid");
        self.add(made.clone());
        made
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Gauge {
        let made = Gauge::new(format!("cartwake_{name}"), help).expect("metric options in this file are valid");
        self.add(made.clone());
        made
    }

    pub(super) fn seconds(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        let options = HistogramOpts::new(format!("cartwake_{name}"), help).buckets(buckets.to_vec());
        let made = HistogramVec::new(options, labels).expect("metric options in this file are valid");
        self.add(made.clone());
        made
    }
}
