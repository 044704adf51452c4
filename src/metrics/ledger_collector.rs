//! The families read from the ledger and the roster at scrape time: deliveries, users, operations,
//! errors.
//!
//! One snapshot serves all of them, so they agree with each other within a scrape.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hdrhistogram::Histogram;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Metric, MetricFamily};

use crate::metrics::families::{
    ANOMALIES, ANOMALY_LOG_DROPPED, CLOCK_OFFSET, DELIVERIES, DELIVERIES_EXPECTED, DELIVERY_DURATION, ERRORS,
    FOREIGN_MESSAGES, Family, LEDGER_MESSAGES, OPERATIONS, OUTSTANDING, PRESENCE_EPISODES, PRESENCE_LISTS,
    PRESENCE_MISMATCHES, USERS, USERS_TARGET,
};
use crate::metrics::label::LabelSet;
use crate::metrics::sample;
use crate::metrics::snapshot::{LedgerSnapshot, Source, UsersSnapshot};
use crate::metrics::stages::Stages;
use crate::model::PresenceFindings;
use crate::model::{Anomaly, Basis, ListFate, Origin, Outcome, PresenceMismatch, UserState};

/// Upper bounds of the buckets of the time to delivery in every run, in microseconds.
const DELIVERY_BOUNDS: [u64; 15] = [
    1_000, 2_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];

/// Source of the ledger's and roster's figures; clones share it. Until it is set, everything is 0.
#[derive(Clone, Default)]
pub(crate) struct LedgerSource(Arc<OnceLock<Arc<dyn Source>>>);

impl LedgerSource {
    pub(crate) fn open(&self, source: Arc<dyn Source>) -> bool {
        self.0.set(source).is_ok()
    }

    pub(crate) fn ledger(&self) -> LedgerSnapshot {
        self.0.get().map_or_else(LedgerSnapshot::empty, |source| source.ledger())
    }

    pub(crate) fn users(&self) -> UsersSnapshot {
        self.0.get().map_or_else(UsersSnapshot::default, |source| source.users())
    }

    pub(crate) fn presence(&self) -> PresenceFindings {
        self.0.get().map_or_else(PresenceFindings::default, |source| source.presence())
    }
}

/// Upper bounds of the buckets of the time to delivery, in microseconds; clones share them. A run adds
/// its own limits, so that a quantile shows exactly on which side of a limit it lies.
#[derive(Clone, Default)]
pub(crate) struct DeliveryBounds(Arc<OnceLock<Vec<u64>>>);

impl DeliveryBounds {
    /// Adds a run's limits; only the first call has an effect.
    pub(crate) fn include(&self, limits: impl Iterator<Item = Duration>) {
        let limits = limits.map(|limit| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX));
        let mut bounds: Vec<u64> = DELIVERY_BOUNDS.into_iter().chain(limits.filter(|micros| *micros > 0)).collect();
        bounds.sort_unstable();
        bounds.dedup();
        // A second call has no effect, because buckets must not change between scrapes.
        let _ = self.0.set(bounds);
    }

    fn get(&self) -> &[u64] {
        self.0.get().map_or(&DELIVERY_BOUNDS, Vec::as_slice)
    }
}

/// Turns a snapshot into families.
pub(crate) struct LedgerCollector {
    source: LedgerSource,
    bounds: DeliveryBounds,
    stages: Stages,
    descs: Vec<Desc>,
}

impl LedgerCollector {
    pub(crate) fn new(source: LedgerSource, bounds: DeliveryBounds, stages: Stages) -> prometheus::Result<Self> {
        let families: [&Family; 15] = [
            &OUTSTANDING,
            &USERS_TARGET,
            &USERS,
            &DELIVERIES_EXPECTED,
            &DELIVERIES,
            &ANOMALIES,
            &ANOMALY_LOG_DROPPED,
            &DELIVERY_DURATION,
            &PRESENCE_MISMATCHES,
            &PRESENCE_EPISODES,
            &PRESENCE_LISTS,
            &CLOCK_OFFSET,
            &LEDGER_MESSAGES,
            &OPERATIONS,
            &ERRORS,
        ];
        let descs = families.iter().map(|family| sample::desc(family)).collect::<prometheus::Result<_>>()?;
        Ok(Self { source, bounds, stages, descs })
    }
}

impl Collector for LedgerCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Frames are received before they are judged, so reading the ledger first keeps ratios below 1.
        let ledger = self.source.ledger();
        let mut families = users(&self.source.users());
        families.extend(deliveries(&ledger, self.bounds.get()));
        families.extend(presence(&self.source.presence()));
        families.extend(stages(&self.stages, &ledger));
        families
    }
}

fn users(users: &UsersSnapshot) -> Vec<MetricFamily> {
    let states =
        UserState::every().map(|state| sample::number(&USERS, &state.texts(), users.state(state) as f64)).collect();
    vec![sample::single(&USERS_TARGET, users.target as f64), sample::of(&USERS, states)]
}

fn deliveries(ledger: &LedgerSnapshot, bounds: &[u64]) -> Vec<MetricFamily> {
    let expected: u64 = ledger.by_origin.iter().map(|counts| counts.expected).sum();
    let outcomes = <(Outcome, Origin)>::every().map(|(outcome, origin)| {
        let n = ledger.counts(origin).outcome(outcome);
        sample::number(&DELIVERIES, &(outcome, origin).texts(), n as f64)
    });
    let anomalies = <(Anomaly, Origin)>::every().map(|(anomaly, origin)| {
        let n = ledger.counts(origin).anomaly(anomaly);
        sample::number(&ANOMALIES, &(anomaly, origin).texts(), n as f64)
    });
    let durations = <(Basis, Origin)>::every()
        // Markers carry only the intended time; when another generator sent its frame is unknown.
        .filter(|labels| *labels != (Basis::Sent, Origin::Remote))
        .map(|(basis, origin)| duration(&(basis, origin).texts(), ledger.durations(origin, basis), bounds));
    let outstanding: u64 = ledger.by_origin.iter().map(|counts| counts.outstanding).sum();
    let mut families = vec![
        sample::single(&DELIVERIES_EXPECTED, expected as f64),
        sample::single(&OUTSTANDING, outstanding as f64),
        sample::of(&DELIVERIES, outcomes.collect()),
        sample::of(&ANOMALIES, anomalies.collect()),
        sample::single(&FOREIGN_MESSAGES, ledger.foreign as f64),
        sample::single(&ANOMALY_LOG_DROPPED, ledger.anomaly_log.map_or(0.0, |log| log.dropped as f64)),
        sample::of(&DELIVERY_DURATION, durations.collect()),
        sample::single(&LEDGER_MESSAGES, ledger.messages_in_horizon as f64),
    ];
    families.extend(ledger.clock_offset.map(|seconds| sample::single(&CLOCK_OFFSET, seconds)));
    families
}

fn presence(presence: &PresenceFindings) -> Vec<MetricFamily> {
    fn by<L: LabelSet>(family: &'static Family, counts: &[u64]) -> MetricFamily {
        let numbers = L::every().zip(counts).map(|(label, n)| sample::number(family, &label.texts(), *n as f64));
        sample::of(family, numbers.collect())
    }
    vec![
        by::<PresenceMismatch>(&PRESENCE_MISMATCHES, &presence.now),
        by::<PresenceMismatch>(&PRESENCE_EPISODES, &presence.episodes),
        by::<ListFate>(&PRESENCE_LISTS, &presence.lists),
    ]
}

fn stages(stages: &Stages, ledger: &LedgerSnapshot) -> Vec<MetricFamily> {
    let operations = stages.all_operations(ledger).into_iter();
    let errors = stages.errors(ledger).into_iter();
    vec![
        sample::of(&OPERATIONS, operations.map(|(l, n)| sample::number(&OPERATIONS, &l.texts(), n as f64)).collect()),
        sample::of(&ERRORS, errors.map(|(l, n)| sample::number(&ERRORS, &l.texts(), n as f64)).collect()),
    ]
}

/// A coarse histogram from a fine one. Each fine bucket goes into a coarse one by its middle, so counts
/// at a bound are exact to the 0.1 % resolution of the fine histogram.
fn duration(texts: &[&str], fine: &Histogram<u64>, bounds: &[u64]) -> Metric {
    let mut counts = vec![0_u64; bounds.len() + 1];
    let mut sum_micros = 0.0;
    for step in fine.iter_recorded() {
        let middle = fine.median_equivalent(step.value_iterated_to());
        counts[bounds.partition_point(|bound| *bound < middle)] += step.count_at_value();
        sum_micros += middle as f64 * step.count_at_value() as f64;
    }
    let bounds: Vec<f64> = bounds.iter().map(|micros| *micros as f64 / 1e6).collect();
    sample::histogram(&DELIVERY_DURATION, texts, &bounds, &counts, sum_micros / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::delivery_times;

    #[test]
    fn fine_histograms_fold_into_buckets() {
        let mut fine = delivery_times();
        for micros in [1_000, 1_001, 99_000, 70_000_000] {
            fine.record(micros).unwrap();
        }
        let metric = duration(&["intended", "local"], &fine, DeliveryBounds::default().get());
        let histogram = metric.get_histogram();
        let below: Vec<u64> = histogram.get_bucket().iter().map(|b| b.cumulative_count()).collect();
        assert_eq!(&below[..2], [1, 2]);
        assert_eq!(below[6], 3, "99 ms is at most 0.1 s");
        assert_eq!((below[14], histogram.get_sample_count()), (3, 4));
        assert!((histogram.get_sample_sum() - 70.101).abs() < 0.07, "{}", histogram.get_sample_sum());
    }

    #[test]
    fn a_runs_limits_are_bounds_beside_those_of_every_run() {
        let bounds = DeliveryBounds::default();
        // A limit that is a bound anyway, one between two, one above all.
        bounds.include([10_000, 750, 300_000].map(Duration::from_millis).into_iter());
        bounds.include([Duration::from_secs(1_000)].into_iter());
        let limits = [750_000, 300_000_000];
        assert!(DELIVERY_BOUNDS.iter().chain(&limits).all(|bound| bounds.get().contains(bound)));
        assert_eq!(bounds.get().len(), DELIVERY_BOUNDS.len() + limits.len());
        let mut fine = delivery_times();
        fine.record_n(200_000_000, 3).unwrap();
        let metric = duration(&["intended", "local"], &fine, bounds.get());
        let last = metric.get_histogram().get_bucket().last().map(|b| (b.upper_bound(), b.cumulative_count()));
        assert_eq!(last, Some((300.0, 3)), "beyond a minute, and still below a bound");
    }
}
