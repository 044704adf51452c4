//! What the metrics read from the ledger and the roster: plain copies, taken at a scrape.
//!
//! This file is all that the metrics and their sources know of each other.

use hdrhistogram::Histogram;
use strum::EnumCount;

use crate::model::{Anomaly, Basis, DeliveryCounts, Origin, Outcome, PresenceFindings, UserState, delivery_times};

/// Counts of lines of the anomaly log so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogCounts {
    /// Lines written.
    pub lines: u64,
    /// Lines left out.
    pub dropped: u64,
}

/// The ledger at one moment.
#[derive(Debug, Clone)]
pub struct LedgerSnapshot {
    /// Counts by [`Origin`].
    pub by_origin: [DeliveryCounts; Origin::COUNT],
    /// Times to delivery in microseconds, by [`Origin`] and [`Basis`]; made by [`delivery_times`].
    pub durations: [[Histogram<u64>; Basis::COUNT]; Origin::COUNT],
    /// The same counts, by [`Origin`], without deliveries that this generator's spoilt time explains; the
    /// verdict of the run reads these.
    pub judged: [DeliveryCounts; Origin::COUNT],
    /// Times to delivery from the intended time, in microseconds, without spoilt ones, by [`Origin`].
    pub judged_durations: [Histogram<u64>; Origin::COUNT],
    /// Counts of deliveries of planned disruptions that have a verdict, by [`Origin`].
    pub marked: [DeliveryCounts; Origin::COUNT],
    /// The same for each of the first disruptions.
    pub each_marked: Vec<[DeliveryCounts; Origin::COUNT]>,
    /// Arrivals of messages from another run, or from before this generator started.
    pub foreign: u64,
    /// Estimate of how far other generators' clocks are ahead of this one's, in seconds.
    pub clock_offset: Option<f64>,
    /// Lines of the anomaly log, if one was asked for.
    pub anomaly_log: Option<LogCounts>,
    /// Messages that the ledger still holds because their horizon has not passed.
    pub messages_in_horizon: u64,
}

impl LedgerSnapshot {
    /// The figures of a ledger in which nothing has happened.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            by_origin: [DeliveryCounts::default(); Origin::COUNT],
            durations: std::array::from_fn(|_| std::array::from_fn(|_| delivery_times())),
            judged: [DeliveryCounts::default(); Origin::COUNT],
            judged_durations: std::array::from_fn(|_| delivery_times()),
            marked: [DeliveryCounts::default(); Origin::COUNT],
            each_marked: Vec::new(),
            foreign: 0,
            clock_offset: None,
            anomaly_log: None,
            messages_in_horizon: 0,
        }
    }

    /// The counts of one origin.
    #[must_use]
    pub fn counts(&self, origin: Origin) -> &DeliveryCounts {
        &self.by_origin[origin as usize]
    }

    /// The times to delivery of one origin and basis, in microseconds.
    #[must_use]
    pub fn durations(&self, origin: Origin, basis: Basis) -> &Histogram<u64> {
        &self.durations[origin as usize][basis as usize]
    }

    /// The judged times to delivery of one origin since `earlier`, in microseconds.
    #[must_use]
    pub fn judged_since(&self, earlier: &Self, origin: Origin) -> Histogram<u64> {
        let (all, before) = (&self.judged_durations[origin as usize], &earlier.judged_durations[origin as usize]);
        let mut since = delivery_times();
        for step in all.iter_recorded() {
            // A delivery judged then may have turned out to be spoilt.
            let n = step.count_at_value().saturating_sub(before.count_at(step.value_iterated_to()));
            if n > 0 {
                let _ = since.record_n(step.value_iterated_to(), n);
            }
        }
        since
    }

    /// One outcome over all origins.
    #[must_use]
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.by_origin.iter().map(|counts| counts.outcome(outcome)).sum()
    }

    /// One anomaly over all origins.
    #[must_use]
    pub fn anomaly(&self, anomaly: Anomaly) -> u64 {
        self.by_origin.iter().map(|counts| counts.anomaly(anomaly)).sum()
    }

    /// Verdicts over all origins.
    #[must_use]
    pub fn decided(&self) -> u64 {
        self.by_origin.iter().map(DeliveryCounts::decided).sum()
    }
}

impl Default for LedgerSnapshot {
    fn default() -> Self {
        Self::empty()
    }
}

/// The roster at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsersSnapshot {
    /// Users that this generator is to hold.
    pub target: u64,
    /// Users in each [`UserState`]; they sum to the target.
    pub states: [u64; UserState::COUNT],
}

impl UsersSnapshot {
    /// Users in this state.
    #[must_use]
    pub fn state(&self, state: UserState) -> u64 {
        self.states[state as usize]
    }
}

/// The owner of the ledger and the roster; read once per scrape and once per status line.
pub trait Source: Send + Sync + 'static {
    /// A copy of the ledger's figures, all from one moment.
    fn ledger(&self) -> LedgerSnapshot;
    /// A copy of the roster's figures, all from one moment.
    fn users(&self) -> UsersSnapshot;
    /// A copy of the mismatches of member lists, all from one moment.
    fn presence(&self) -> PresenceFindings;
}
