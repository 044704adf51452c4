//! What the metrics ask of the books and the roster: plain copies, taken at a scrape.
//!
//! The ledger and the fleet fill these; neither side knows more of the other than this file.

use hdrhistogram::Histogram;
use strum::EnumCount;

use crate::model::{Anomaly, Basis, DeliveryCounts, Origin, Outcome, PresenceFindings, UserState, delivery_times};

/// What became of the lines of the anomaly log so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogCounts {
    /// Written.
    pub lines: u64,
    /// Left out.
    pub dropped: u64,
}

/// The ledger at one moment.
#[derive(Debug, Clone)]
pub struct LedgerSnapshot {
    /// Counts by [`Origin`].
    pub by_origin: [DeliveryCounts; Origin::COUNT],
    /// Times to delivery in microseconds, by [`Origin`] and [`Basis`]; made by [`delivery_times`].
    pub durations: [[Histogram<u64>; Basis::COUNT]; Origin::COUNT],
    /// The same counts, by [`Origin`], without what time spoilt by this generator explains: what a
    /// verdict reads.
    pub judged: [DeliveryCounts; Origin::COUNT],
    /// Times to delivery from the intended time, in microseconds, without spoilt ones, by [`Origin`].
    pub judged_durations: [Histogram<u64>; Origin::COUNT],
    /// Counts of deliveries that are of a planned disruption and have their verdicts, by [`Origin`].
    pub marked: [DeliveryCounts; Origin::COUNT],
    /// Arrivals of messages that are of another run, or of a time before this generator.
    pub foreign: u64,
    /// Estimate of how far other generators' clocks are ahead of this one, in seconds.
    pub clock_offset: Option<f64>,
    /// Lines of the anomaly log, where one was asked for.
    pub anomaly_log: Option<LogCounts>,
    /// Messages that the ledger still holds, because their horizon has not passed.
    pub messages_in_horizon: u64,
}

impl LedgerSnapshot {
    /// Books in which nothing has happened.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            by_origin: [DeliveryCounts::default(); Origin::COUNT],
            durations: std::array::from_fn(|_| std::array::from_fn(|_| delivery_times())),
            judged: [DeliveryCounts::default(); Origin::COUNT],
            judged_durations: std::array::from_fn(|_| delivery_times()),
            marked: [DeliveryCounts::default(); Origin::COUNT],
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
            // What was judged then may have turned out to be spoilt.
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
    /// How many are in each [`UserState`]; they sum to the target.
    pub states: [u64; UserState::COUNT],
}

impl UsersSnapshot {
    /// How many users are in this state.
    #[must_use]
    pub fn state(&self, state: UserState) -> u64 {
        self.states[state as usize]
    }
}

/// What keeps the ledger and the roster; asked once a scrape and once a status line.
pub trait Source: Send + Sync + 'static {
    /// A copy of the ledger's figures, all of one moment.
    fn ledger(&self) -> LedgerSnapshot;
    /// A copy of the roster's figures, all of one moment.
    fn users(&self) -> UsersSnapshot;
    /// A copy of what member lists had wrong, all of one moment.
    fn presence(&self) -> PresenceFindings;
}
