//! The families of hot events: frames received, bytes received, schedule lag.
//!
//! Their counts share one striped row, so that an event touches one or two cache lines.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use crate::metrics::families::{MESSAGES_RECEIVED, RECEIVED_BYTES, SCHEDULE_LAG};
use crate::metrics::label::LabelSet;
use crate::metrics::sample;
use crate::metrics::stripes::Stripes;
use crate::model::{FrameKind, Vocabulary};

/// Upper bounds of the schedule lag's buckets, in nanoseconds.
pub(crate) const LAG_BOUNDS: [u64; 15] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];

const BYTES: usize = FrameKind::PLACES;
const LAG_SUM: usize = BYTES + 1;
const LAG: usize = LAG_SUM + 1;
const SLOTS: usize = LAG + LAG_BOUNDS.len() + 1;

/// Counts of intents by lateness, since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LagCounts {
    counts: [u64; LAG_BOUNDS.len() + 1],
    sum_nanos: u64,
}

impl LagCounts {
    /// Number of intents.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Number of intents later than `limit`. Exact if `limit` is a bucket's bound (100 ms is); otherwise
    /// counts from the next bound above.
    #[must_use]
    pub fn over(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let first = LAG_BOUNDS.partition_point(|bound| *bound < limit) + 1;
        self.counts.iter().skip(first).sum()
    }

    /// The counts since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            counts: std::array::from_fn(|i| self.counts[i].saturating_sub(earlier.counts[i])),
            sum_nanos: self.sum_nanos.saturating_sub(earlier.sum_nanos),
        }
    }
}

/// Counts of hot events; clones share them.
#[derive(Clone)]
pub(crate) struct Hot {
    stripes: Arc<Stripes<SLOTS>>,
    vocabulary: Vocabulary,
    descs: Arc<[Desc]>,
}

impl Hot {
    pub(crate) fn new(vocabulary: Vocabulary) -> prometheus::Result<Self> {
        let families = [&MESSAGES_RECEIVED, &RECEIVED_BYTES, &SCHEDULE_LAG];
        let descs = families.iter().map(|family| sample::desc(family)).collect::<prometheus::Result<_>>()?;
        Ok(Self { stripes: Arc::new(Stripes::new()), vocabulary, descs })
    }

    pub(crate) fn received(&self, kind: FrameKind, n: u64) {
        self.stripes.add(kind.place(), n);
    }

    pub(crate) fn received_bytes(&self, n: u64) {
        self.stripes.add(BYTES, n);
    }

    pub(crate) fn schedule_lag(&self, lag: Duration) {
        let nanos = u64::try_from(lag.as_nanos()).unwrap_or(u64::MAX);
        let bucket = LAG_BOUNDS.partition_point(|bound| *bound < nanos);
        let row = self.stripes.row();
        row[LAG + bucket].fetch_add(1, Ordering::Relaxed);
        row[LAG_SUM].fetch_add(nanos, Ordering::Relaxed);
    }

    /// Frames received, by kind.
    pub(crate) fn frames(&self) -> Vec<(FrameKind, u64)> {
        let sums = self.stripes.sums();
        FrameKind::of(&self.vocabulary).map(|kind| (kind, sums[kind.place()])).collect()
    }

    /// Bytes received.
    pub(crate) fn bytes(&self) -> u64 {
        self.stripes.sums()[BYTES]
    }

    /// Counts of intents by lateness.
    pub(crate) fn lag(&self) -> LagCounts {
        let sums = self.stripes.sums();
        LagCounts { counts: std::array::from_fn(|i| sums[LAG + i]), sum_nanos: sums[LAG_SUM] }
    }
}

impl Collector for Hot {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let frames = self.frames().into_iter();
        let received = frames.map(|(kind, n)| sample::number(&MESSAGES_RECEIVED, &kind.texts(), n as f64)).collect();
        let lag = self.lag();
        let bounds = LAG_BOUNDS.map(|nanos| nanos as f64 / 1e9);
        let lag = sample::histogram(&SCHEDULE_LAG, &[], &bounds, &lag.counts, lag.sum_nanos as f64 / 1e9);
        vec![
            sample::of(&MESSAGES_RECEIVED, received),
            sample::single(&RECEIVED_BYTES, self.bytes() as f64),
            sample::of(&SCHEDULE_LAG, vec![lag]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_over_a_bound_is_exact() {
        let hot = Hot::new(Vocabulary::COMMON).unwrap();
        hot.schedule_lag(Duration::from_millis(100));
        hot.schedule_lag(Duration::from_nanos(100_000_001));
        hot.schedule_lag(Duration::from_secs(3_600));
        let lag = hot.lag();
        assert_eq!((lag.total(), lag.over(Duration::from_millis(100))), (3, 2));
        hot.schedule_lag(Duration::from_secs(1));
        assert_eq!(hot.lag().since(&lag).over(Duration::from_millis(100)), 1);
    }

    #[test]
    fn counts_go_to_their_own_slots() {
        let hot = Hot::new(Vocabulary::COMMON).unwrap();
        hot.received(FrameKind::Close, 2);
        hot.received_bytes(7);
        assert!(hot.frames().contains(&(FrameKind::Close, 2)));
        assert_eq!(hot.frames().iter().map(|(_, n)| n).sum::<u64>(), 2);
        assert_eq!(hot.bytes(), 7);
        assert_eq!(hot.lag().total(), 0);
    }
}
