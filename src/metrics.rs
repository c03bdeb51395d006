//! What Prometheus sees. Counters are fed from Facts after their commit; gauges are read from the store at scrape.
//!
//! Labels come from closed enums and the configuration only, so cardinality is bounded by both. Each metric is described
//! in `docs/metrics.md`. Never here: personal data, ids of carts.

mod expected;
mod experiments;
mod maker;
mod platforms;
mod privacy;
mod reasons;
mod reminders;
mod status;

use std::sync::RwLock;
use std::time::Duration;

use prometheus::{
    Encoder, Gauge, GaugeVec, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, process_collector::ProcessCollector,
};

pub use self::expected::ExpectedShop;
use self::expected::Known;
use self::experiments::ExperimentMetrics;
use self::maker::Maker;
use self::platforms::PlatformMetrics;
pub use self::platforms::PlatformResult;
use self::privacy::PrivacyMetrics;
use self::reasons::ReasonMetrics;
use self::reminders::ReminderMetrics;
use self::status::{error_kind, status_text};
use crate::domain::{EndpointName, Fact, Moment, OutcomeName, ReasonCode, ShopId, Why};
use crate::store::{Store, StoreError, StoreResult};

const FAST: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const LAG: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0];

/// Every metric of the process, in a registry of its own.
pub struct Metrics {
    registry: Registry,
    known: RwLock<Known>,
    carts: IntGaugeVec,
    cart_events: IntCounterVec,
    stage_entered: IntCounterVec,
    checkout_errors: IntCounterVec,
    abandonments: IntCounterVec,
    reasons: ReasonMetrics,
    abandoned_value: IntCounterVec,
    reminders: ReminderMetrics,
    set_apart: IntCounterVec,
    trimmed: IntCounterVec,
    experiments: ExperimentMetrics,
    conversions: IntCounterVec,
    recovered_value: IntCounterVec,
    reversions: IntCounterVec,
    orders: IntCounterVec,
    deliveries: IntCounterVec,
    attempts: IntCounterVec,
    attempt_seconds: HistogramVec,
    delivery_lag: HistogramVec,
    endpoint_disabled: IntCounterVec,
    endpoint_up: IntGaugeVec,
    outbox: IntGaugeVec,
    dead: IntGaugeVec,
    wake_lag: HistogramVec,
    oldest_due_age: GaugeVec,
    scheduler_last_run: Gauge,
    store_seconds: HistogramVec,
    store_errors: IntCounterVec,
    conflicts: IntCounter,
    http_requests: IntCounterVec,
    http_seconds: HistogramVec,
    reload_ok: IntGauge,
    pub platforms: PlatformMetrics,
    pub privacy: PrivacyMetrics,
}

impl Metrics {
    /// Every metric at zero. `version` and `revision` name the build.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table: each metric with its help and its labels")]
    #[expect(clippy::missing_panics_doc, reason = "only for a mistake in this file, which every test would meet")]
    pub fn new(version: &str, revision: &str) -> Self {
        let make = Maker { registry: Registry::new() };
        make.add(ProcessCollector::for_self());
        let build =
            GaugeVec::new(Opts::new("cartwake_build_info", "The running build; always 1."), &["version", "revision"])
                .expect("metric options in this file are valid");
        build.with_label_values(&[version, revision]).set(1.0);
        make.add(build);
        let reload_ok = IntGauge::new(
            "cartwake_config_last_reload_successful",
            "1 after a start or an accepted reload, 0 after a refused one.",
        )
        .expect("metric options in this file are valid");
        reload_ok.set(1);
        make.add(reload_ok.clone());
        let conflicts =
            IntCounter::new("cartwake_commit_conflicts_total", "Commits that another writer was faster than.")
                .expect("metric options in this file are valid");
        make.add(conflicts.clone());
        Self {
            carts: make.gauges("carts", "Carts in each state.", &["shop", "state"]),
            cart_events: make.counters("cart_events_total", "Inputs to carts, by result.", &["shop", "kind", "result"]),
            stage_entered: make.counters(
                "stage_entered_total",
                "Carts that entered a stage for the first time.",
                &["shop", "stage"],
            ),
            checkout_errors: make.counters(
                "checkout_errors_total",
                "Carts that met an error, once for each idle episode and reason, whatever became of them.",
                &["shop", "stage", "reason"],
            ),
            abandonments: make.counters(
                "abandonments_total",
                "Idle episodes that became abandonments.",
                &["shop", "stage"],
            ),
            reasons: ReasonMetrics::new(&make),
            abandoned_value: make.counters(
                "abandoned_value_minor_total",
                "Value of carts at abandonment, in minor units.",
                &["shop", "currency", "stage"],
            ),
            reminders: ReminderMetrics::new(&make),
            set_apart: make.counters("carts_set_apart_total", "Carts that are no shopper's.", &["shop", "why"]),
            trimmed: make.counters("carts_trimmed_total", "Carts that were bought in part.", &["shop"]),
            experiments: ExperimentMetrics::new(&make),
            conversions: make.counters("conversions_total", "Carts that were bought.", &["shop", "attribution"]),
            recovered_value: make.counters(
                "recovered_value_minor_total",
                "Value of paid orders that followed an abandonment, in minor units; reversals are counted apart.",
                &["shop", "currency", "attribution"],
            ),
            reversions: make.counters(
                "reversions_total",
                "Bought carts whose order was refunded or cancelled.",
                &["shop"],
            ),
            orders: make.counters(
                "orders_total",
                "Paid orders, by whether the buyer bought before.",
                &["shop", "kind"],
            ),
            deliveries: make.counters(
                "deliveries_total",
                "Deliveries that ended, by result.",
                &["shop", "endpoint", "result"],
            ),
            attempts: make.counters(
                "delivery_attempts_total",
                "POSTs made, by outcome.",
                &["shop", "endpoint", "outcome"],
            ),
            attempt_seconds: make.seconds(
                "delivery_attempt_duration_seconds",
                "How long a POST took, from name look-up to the end of the answer.",
                &["shop", "endpoint"],
                FAST,
            ),
            delivery_lag: make.seconds("delivery_lag_seconds", "From due to sent.", &[], LAG),
            endpoint_disabled: make.counters(
                "endpoint_disabled_total",
                "Endpoints that were disabled because they said that they are gone, or did nothing but fail.",
                &["shop", "endpoint", "why"],
            ),
            endpoint_up: make.gauges(
                "endpoint_up",
                "Whether an endpoint is sent to: 0 while paused.",
                &["shop", "endpoint"],
            ),
            outbox: make.gauges("outbox_deliveries", "Deliveries in the outbox.", &["status"]),
            dead: make.gauges("dead_deliveries", "Deliveries given up and kept.", &["shop", "endpoint"]),
            wake_lag: make.seconds("wake_lag_seconds", "From a cart's wake to its decision.", &[], LAG),
            oldest_due_age: make
                .values("oldest_due_age_seconds", "How overdue the most overdue entry is; 0 when nothing is."),
            scheduler_last_run: make.gauge("scheduler_last_run_timestamp_seconds", "When the scheduler last looked."),
            store_seconds: make.seconds("store_command_duration_seconds", "How long store calls took.", &["op"], FAST),
            store_errors: make.counters("store_errors_total", "Store calls that failed.", &["op", "kind"]),
            http_requests: make.counters(
                "http_requests_total",
                "HTTP requests answered.",
                &["route", "method", "status"],
            ),
            http_seconds: make.seconds(
                "http_request_duration_seconds",
                "How long requests took.",
                &["route", "method"],
                FAST,
            ),
            conflicts,
            reload_ok,
            platforms: PlatformMetrics::new(&make),
            privacy: PrivacyMetrics::new(&make),
            known: RwLock::default(),
            registry: make.registry,
        }
    }

    /// Counts facts, after their commit.
    pub fn facts(&self, shop: &ShopId, facts: &[Fact]) {
        for fact in facts {
            self.fact(shop.as_str(), fact);
        }
    }

    fn fact(&self, shop: &str, fact: &Fact) {
        match fact {
            Fact::StageEntered { stage } => self.stage_entered.with_label_values(&[shop, stage.as_str()]).inc(),
            Fact::ErrorMet { stage, code, .. } => {
                self.checkout_errors.with_label_values(&[shop, stage.as_str(), code.as_str()]).inc();
            }
            Fact::Abandoned { stage, currency, value, .. } => {
                self.abandonments.with_label_values(&[shop, stage.as_str()]).inc();
                self.abandoned_value.with_label_values(&[shop, currency.code(), stage.as_str()]).inc_by(value.get());
            }
            Fact::ReasonFound { stage, code, source, .. } => self.reasons.found(shop, *stage, *code, *source),
            Fact::ReasonJudged { code, agreed } => self.reasons.judged(*code, *agreed),
            Fact::ReasonSettled { code, source, ending } => self.reasons.settled(shop, *code, *source, *ending),
            Fact::PaymentFailed { class } => self.reasons.payment_failed(shop, *class),
            Fact::SurveyShown => self.reasons.survey_shown(shop),
            Fact::SurveyAnswered { .. } => self.reasons.survey_answered(shop),
            Fact::CommentMade { source } => self.reasons.commented(shop, *source),
            Fact::Unmapped { what } => self.reasons.unmapped(shop, *what),
            Fact::Reminder { .. }
            | Fact::ReminderDeferred { .. }
            | Fact::Touched { .. }
            | Fact::Clicked { .. }
            | Fact::IncentiveGiven { .. }
            | Fact::IncentiveWithheld { .. } => self.reminders.fact(shop, fact),
            Fact::CartTrimmed => self.trimmed.with_label_values(&[shop]).inc(),
            Fact::SetApart { why } => self.set_apart.with_label_values(&[shop, why.as_str()]).inc(),
            Fact::Exposed { experiment, arm } => self.experiments.entered(shop, experiment, arm),
            Fact::CartConverted { attribution, .. } => {
                self.conversions.with_label_values(&[shop, attribution.as_str()]).inc();
            }
            Fact::CartReverted => self.reversions.with_label_values(&[shop]).inc(),
            Fact::OrderPaid { kind, .. } => self.orders.with_label_values(&[shop, kind.as_str()]).inc(),
            Fact::OrderCredited { credit, currency, value } if credit.attribution.is_recovered() => {
                let labels = [shop, currency.code(), credit.attribution.as_str()];
                self.recovered_value.with_label_values(&labels).inc_by(value.get());
            }
            Fact::ExperimentConverted { experiment, arm, currency, value } => {
                self.experiments.converted(shop, (experiment, arm), *currency, *value);
            }
            Fact::DeliveryEnded { endpoint, result, .. } => {
                self.deliveries.with_label_values(&[shop, endpoint.as_str(), result.as_str()]).inc();
            }
            // A counter never falls: what a reverted order takes back shows in reversions, and net of it in the tallies.
            Fact::OrderReverted { .. }
            | Fact::OrderCredited { .. }
            | Fact::ExperimentReverted { .. }
            | Fact::StateChanged { .. }
            // The funnel is of the days that carts began on, so it moves back and forth: it is for reports.
            | Fact::StagePassed { .. }
            | Fact::FunnelMoved { .. }
            | Fact::OrderTook { .. }
            | Fact::Resumed
            | Fact::DeliveryQueued { .. }
            | Fact::AttemptMade { .. } => {}
        }
    }

    /// Whether what the rules infer for a reason counts less.
    pub fn rule_demoted(&self, shop: &ShopId, code: ReasonCode, demoted: bool) {
        self.reasons.demoted(shop, code, demoted);
    }

    /// An input was handled.
    pub fn cart_event(&self, shop: &ShopId, kind: &str, result: &str) {
        self.cart_events.with_label_values(&[shop.as_str(), kind, result]).inc();
    }

    /// A request was answered. `route` is a pattern of the route table, never a path.
    pub fn http_request(&self, route: &str, method: &str, status: u16, took: Duration) {
        self.http_requests.with_label_values(&[route, method, status_text(status)]).inc();
        self.http_seconds.with_label_values(&[route, method]).observe(took.as_secs_f64());
    }

    /// A POST was made.
    pub fn attempted(&self, shop: &ShopId, endpoint: &EndpointName, outcome: OutcomeName, took: Duration) {
        self.attempts.with_label_values(&[shop.as_str(), endpoint.as_str(), outcome.as_str()]).inc();
        self.attempt_seconds.with_label_values(&[shop.as_str(), endpoint.as_str()]).observe(took.as_secs_f64());
    }

    /// A POST is about to be made, this long after it was due.
    pub fn sending(&self, lag: Duration) {
        self.delivery_lag.with_label_values::<&str>(&[]).observe(lag.as_secs_f64());
    }

    /// A cart was decided on, this long after its wake.
    pub fn woke(&self, lag: Duration) {
        self.wake_lag.with_label_values::<&str>(&[]).observe(lag.as_secs_f64());
    }

    /// The scheduler looked.
    pub fn scheduler_ran(&self, now: Moment) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds since 1970 are exact in an f64 for 285,000 years"
        )]
        self.scheduler_last_run.set(now.millis() as f64 / 1_000.0);
    }

    /// An endpoint was disabled.
    pub fn endpoint_disabled(&self, shop: &ShopId, endpoint: &EndpointName, why: Why) {
        self.endpoint_disabled.with_label_values(&[shop.as_str(), endpoint.as_str(), why.as_str()]).inc();
    }

    /// Whether it is sent to.
    pub fn endpoint_up(&self, shop: &ShopId, endpoint: &EndpointName, up: bool) {
        self.endpoint_up.with_label_values(&[shop.as_str(), endpoint.as_str()]).set(i64::from(up));
    }

    /// An endpoint is no longer configured: whether it is up is no question any more. Not there is as good as removed.
    pub fn endpoint_removed(&self, shop: &ShopId, endpoint: &EndpointName) {
        self.endpoint_up.remove_label_values(&[shop.as_str(), endpoint.as_str()]).unwrap_or_default();
    }

    /// Another writer was faster.
    pub fn commit_conflict(&self) {
        self.conflicts.inc();
    }

    /// A store call was made.
    pub fn store_call(&self, op: &str, took: Duration) {
        self.store_seconds.with_label_values(&[op]).observe(took.as_secs_f64());
    }

    /// A store call failed.
    pub fn store_error(&self, op: &str, error: &StoreError) {
        self.store_errors.with_label_values(&[op, error_kind(error)]).inc();
    }

    /// A reload was taken, or refused.
    pub fn reloaded(&self, took_effect: bool) {
        self.reload_ok.set(i64::from(took_effect));
    }

    /// The text that a Prometheus server reads; gauges as of now.
    ///
    /// # Errors
    /// When the store cannot be asked for its gauges.
    pub async fn scrape(&self, store: &dyn Store, now: Moment) -> StoreResult<String> {
        let asked = async { StoreResult::Ok((store.census().await?, store.outbox_counts().await?)) }.await;
        // A store that does not answer leaves no gauge behind: none is better than an old one.
        self.carts.reset();
        self.outbox.reset();
        self.dead.reset();
        self.oldest_due_age.reset();
        let (census, outbox) = asked?;
        self.zero_gauges();
        for (shop, state, count) in census {
            self.carts.with_label_values(&[shop.as_str(), state.as_str()]).set(count);
        }
        let sum = |counts: &[(crate::store::Lane, u64)]| counts.iter().map(|(_, n)| *n).sum::<u64>();
        self.outbox.with_label_values(&["pending"]).set(sum(&outbox.pending).cast_signed());
        self.outbox.with_label_values(&["dead"]).set(sum(&outbox.dead).cast_signed());
        for (lane, count) in &outbox.dead {
            self.dead.with_label_values(&[lane.shop.as_str(), lane.endpoint.as_str()]).set(count.cast_signed());
        }
        self.oldest_due_age
            .with_label_values::<&str>(&[])
            .set(outbox.oldest_due.map_or(0.0, |due| now.since(due).as_secs_f64()));
        Ok(self.render())
    }

    /// The text without asking the store: after a failed scrape, without what only the store knows.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        if TextEncoder::new().encode(&self.registry.gather(), &mut text).is_err() {
            text.clear();
        }
        String::from_utf8(text).unwrap_or_default()
    }
}
