//! What Prometheus sees: every family, registered once, and typed methods for counting.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`families`] | every family's name, type, labels and help |
//! | [`snapshot`] | what a scrape reads from ledger and roster |
//! | [`record`] | the methods that count events |
//! | [`totals`] | the counts read back, for the summary |
//! | [`page`] | the documentation page made from `families` |
//!
//! This module knows how numbers are shown, not where they come from or how they are served.

pub mod families;
mod hot;
mod initial;
pub mod label;
mod ledger_collector;
pub mod page;
mod process;
pub mod record;
mod runtime;
mod sample;
pub mod snapshot;
mod spans;
mod stages;
mod stripes;
mod tally;
pub mod totals;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use strum::EnumCount;

pub use self::hot::LagCounts;
pub use self::process::ProcessFigures;

use crate::model::PresenceFindings;
use crate::model::{
    Action, ClockEvent, ControlKind, DropReason, EndReason, FailureKind, HttpOutcome, HttpStep, Initiator, Limit,
    RunPhase, SaturationReason, SaveOutcome, SentKind, SocketKind, SpanFate, Vocabulary,
};
use families::Family;
use hot::Hot;
use label::LabelSet;
use ledger_collector::{DeliveryBounds, LedgerCollector, LedgerSource};
use process::ProcessCollector;
use runtime::RuntimeCollector;
use snapshot::{LedgerSnapshot, Source, UsersSnapshot};
use spans::{Spans, SpansCollector};
use stages::Stages;
use tally::Tally;
use tokio::runtime::Handle;

/// The families could not be registered or encoded: a bug in soakrig, visible at the start.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

/// Upper bounds of the buckets for requests and connects, in seconds.
const STEP_BOUNDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Upper bounds of the buckets for the age of connections, in seconds. Each usual time limit of proxies (30 s, 1,
/// 5, 10 and 15 minutes, hours) is well inside a bucket, because connections end a little after the limit.
const AGE_BOUNDS: [f64; 16] = [
    1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 200.0, 280.0, 500.0, 800.0, 1_500.0, 3_000.0, 6_000.0, 12_000.0, 24_000.0,
    80_000.0,
];

/// Every metric of a generator, in its own registry. Shared as an `Arc`.
pub struct Metrics {
    registry: Registry,
    source: LedgerSource,
    delivery_bounds: DeliveryBounds,
    hot: Hot,
    stages: Stages,
    run_info: IntGaugeVec,
    run_phase: IntGaugeVec,
    generators: IntGauge,
    threshold: GaugeVec,
    watched: GaugeVec,
    connections: IntGaugeVec,
    connect_failures: Tally<(SocketKind, FailureKind)>,
    connect_duration: HistogramVec,
    disconnects: Tally<(SocketKind, Initiator, EndReason)>,
    connection_age: HistogramVec,
    http_requests: Tally<(HttpStep, HttpOutcome)>,
    http_duration: HistogramVec,
    sent: Tally<SentKind>,
    rate_target: GaugeVec,
    actions: Tally<Action>,
    dropped: Tally<(Action, DropReason)>,
    saturated: IntGaugeVec,
    clock_events: Tally<ClockEvent>,
    /// Total length of the events of each kind, in microseconds; only for the summary.
    clock_micros: [AtomicU64; ClockEvent::COUNT],
    dns_changes: Tally<()>,
    control_commands: Tally<ControlKind>,
    session_saves: Tally<SaveOutcome>,
    logs_suppressed: Tally<()>,
    http_retries: Tally<()>,
    spans: Spans,
}

impl Metrics {
    /// Registers every family for a driver with this vocabulary. Inside a tokio runtime this includes the
    /// runtime's figures.
    ///
    /// # Errors
    /// If two families clash, which would be a bug that a test excludes.
    pub fn new(vocabulary: Vocabulary) -> Result<Self, MetricsError> {
        Self::of(vocabulary, &Handle::try_current().into_iter().collect::<Vec<_>>())
    }

    /// Registers every family for a driver with this vocabulary, with the figures of these runtimes.
    ///
    /// # Errors
    /// If two families clash, which would be a bug that a test excludes.
    pub fn of(vocabulary: Vocabulary, runtimes: &[Handle]) -> Result<Self, MetricsError> {
        let hot = Hot::new(vocabulary)?;
        let metrics = Self {
            registry: Registry::new(),
            source: LedgerSource::default(),
            delivery_bounds: DeliveryBounds::default(),
            stages: Stages::new(vocabulary, hot.clone())?,
            hot,
            run_info: IntGaugeVec::new(opts(&families::RUN_INFO), &families::RUN_INFO.label_names())?,
            run_phase: IntGaugeVec::new(opts(&families::RUN_PHASE), &families::RUN_PHASE.label_names())?,
            generators: IntGauge::with_opts(opts(&families::GENERATORS))?,
            threshold: GaugeVec::new(opts(&families::THRESHOLD), &families::THRESHOLD.label_names())?,
            watched: GaugeVec::new(opts(&families::WATCHED), &families::WATCHED.label_names())?,
            connections: IntGaugeVec::new(opts(&families::CONNECTIONS), &families::CONNECTIONS.label_names())?,
            connect_failures: Tally::of(&families::CONNECT_FAILURES, vocabulary, initial::connect_failure)?,
            connect_duration: histogram(&families::CONNECT_DURATION, &STEP_BOUNDS)?,
            disconnects: Tally::new(&families::DISCONNECTS, initial::disconnect)?,
            connection_age: histogram(&families::CONNECTION_AGE, &AGE_BOUNDS)?,
            http_requests: Tally::new(&families::HTTP_REQUESTS, initial::http)?,
            http_duration: histogram(&families::HTTP_DURATION, &STEP_BOUNDS)?,
            sent: Tally::of(&families::MESSAGES_SENT, vocabulary, |_, _| true)?,
            rate_target: GaugeVec::new(opts(&families::RATE_TARGET), &families::RATE_TARGET.label_names())?,
            actions: Tally::new(&families::ACTIONS, |_, _| true)?,
            dropped: Tally::new(&families::SENDS_DROPPED, |_, _| true)?,
            saturated: IntGaugeVec::new(opts(&families::SATURATED), &families::SATURATED.label_names())?,
            clock_events: Tally::new(&families::CLOCK_EVENTS, |_, _| true)?,
            clock_micros: std::array::from_fn(|_| AtomicU64::new(0)),
            dns_changes: Tally::new(&families::DNS_CHANGES, |_, ()| true)?,
            control_commands: Tally::new(&families::CONTROL_COMMANDS, |_, _| true)?,
            session_saves: Tally::new(&families::SESSION_SAVES, |_, _| true)?,
            logs_suppressed: Tally::new(&families::LOGS_SUPPRESSED, |_, ()| true)?,
            http_retries: Tally::new(&families::HTTP_RETRIES, |_, ()| true)?,
            spans: Spans::default(),
        };
        metrics.register(runtimes)?;
        metrics.begin_at_zero();
        Ok(metrics)
    }

    fn register(&self, runtimes: &[Handle]) -> Result<(), MetricsError> {
        let build_info = IntGaugeVec::new(opts(&families::BUILD_INFO), &families::BUILD_INFO.label_names())?;
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let mut collectors: Vec<Box<dyn Collector>> = vec![
            Box::new(build_info),
            Box::new(self.run_info.clone()),
            Box::new(self.run_phase.clone()),
            Box::new(self.generators.clone()),
            Box::new(self.threshold.clone()),
            Box::new(self.watched.clone()),
            Box::new(self.connections.clone()),
            Box::new(self.stages.connect_attempts.clone()),
            Box::new(self.connect_failures.clone()),
            Box::new(self.connect_duration.clone()),
            Box::new(self.disconnects.clone()),
            Box::new(self.connection_age.clone()),
            Box::new(self.http_requests.clone()),
            Box::new(self.http_duration.clone()),
            Box::new(self.sent.clone()),
            Box::new(self.hot.clone()),
            Box::new(self.rate_target.clone()),
            Box::new(self.actions.clone()),
            Box::new(self.dropped.clone()),
            Box::new(LedgerCollector::new(self.source.clone(), self.delivery_bounds.clone(), self.stages.clone())?),
            Box::new(self.saturated.clone()),
            Box::new(self.clock_events.clone()),
            Box::new(self.dns_changes.clone()),
            Box::new(self.control_commands.clone()),
            Box::new(self.session_saves.clone()),
            Box::new(self.logs_suppressed.clone()),
            Box::new(self.http_retries.clone()),
            Box::new(SpansCollector::new(self.spans.clone())?),
            Box::new(ProcessCollector::new()?),
        ];
        if !runtimes.is_empty() {
            collectors.push(Box::new(RuntimeCollector::new(runtimes.to_vec())?));
        }
        for collector in collectors {
            self.registry.register(collector)?;
        }
        Ok(())
    }

    /// Creates the series of the gauges and histograms that every run uses.
    fn begin_at_zero(&self) {
        self.run_phase(RunPhase::Ramp);
        self.generators.set(1);
        // This limit is fixed; the others come with the plan.
        self.threshold(Limit::Outstanding, Some(0.0));
        for socket in SocketKind::every() {
            self.connections.with_label_values(&socket.texts()).set(0);
            self.connect_duration.with_label_values(&socket.texts());
        }
        for initiator in Initiator::every() {
            self.connection_age.with_label_values(&initiator.texts());
        }
        for step in HttpStep::every() {
            self.http_duration.with_label_values(&(step, HttpOutcome::Ok).texts());
        }
        for action in Action::every() {
            self.rate_target.with_label_values(&action.texts()).set(0.0);
        }
        for reason in SaturationReason::every() {
            self.saturated.with_label_values(&reason.texts()).set(0);
        }
    }

    /// Sets the source of the figures of deliveries and users, which are 0 before. Only the first call has an
    /// effect; it returns true.
    pub fn read_from(&self, source: Arc<dyn Source>) -> bool {
        self.source.open(source)
    }

    /// Adds the run's limits to the bucket bounds of the time to delivery. Call it once, before the first
    /// scrape.
    pub fn delivery_bounds(&self, limits: impl Iterator<Item = Duration>) {
        self.delivery_bounds.include(limits);
    }

    /// Sets the source of the counts of spans, which are 0 before. Only the first call has an effect; it
    /// returns true.
    pub fn watch_spans(&self, ask: impl Fn(SpanFate) -> u64 + Send + Sync + 'static) -> bool {
        self.spans.watch(ask)
    }

    /// The ledger's figures now.
    #[must_use]
    pub fn ledger(&self) -> LedgerSnapshot {
        self.source.ledger()
    }

    /// The roster's figures now.
    #[must_use]
    pub fn users(&self) -> UsersSnapshot {
        self.source.users()
    }

    /// The mismatches of member lists so far.
    #[must_use]
    pub fn presence(&self) -> PresenceFindings {
        self.source.presence()
    }

    /// All families in Prometheus' text format 0.0.4. Takes some milliseconds of CPU, so do not call it on a
    /// runtime's worker.
    ///
    /// # Errors
    /// If a family is malformed, which would be a bug that a test excludes.
    pub fn encode(&self) -> Result<String, MetricsError> {
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }
}

fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn histogram(family: &Family, bounds: &[f64]) -> prometheus::Result<HistogramVec> {
    let opts = HistogramOpts::new(family.name, family.help).buckets(bounds.to_vec());
    HistogramVec::new(opts, &family.label_names())
}

#[cfg(test)]
mod tests;
