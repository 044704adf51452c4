//! Reports of this generator's own faults to the ledger, and the figures without them.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::Ledger;
use super::spoilt::SpoiltTime;
use crate::clock::Stamp;
use crate::model::{DeliveryCounts, Origin, SpoiltBy, UserIndex};

impl Ledger {
    /// Promises regular calls from `at` on, if only of [`look`](Self::look): after a gap of more than `limit`
    /// the ledger assumes that this process stood still.
    pub fn look_for_stalls(&mut self, limit: Duration, at: Stamp) {
        self.run.tally.judged.watch(limit, at);
    }

    /// Notes that this process is running at `at`.
    pub fn look(&mut self, at: Stamp) {
        self.run.tally.judged.called(at);
    }

    /// The fraction of the current window's delays that stalls explain, 0 to 1.
    pub fn stalled(&mut self, at: Stamp) -> f64 {
        self.run.tally.judged.stalled(at)
    }

    /// Ends a window of measured delays, in which those of `bad` were over the limit. Deliveries that arrived in
    /// it, or should have, are judged accordingly. The next window begins.
    pub fn window_over(&mut self, bad: &[SpoiltBy], at: Stamp) {
        self.run.tally.window_over(bad, at);
    }

    /// Notes that from `at` on a user waits because this machine has no file descriptor or port left; `None`: it
    /// no longer does.
    pub fn waits(&mut self, user: UserIndex, why: Option<SpoiltBy>, at: Stamp) {
        self.run.tally.judged.waits(user, why, at);
    }

    /// Begins the hold at `at`.
    pub fn hold_begins(&mut self, at: Stamp) {
        self.run.tally.judged.hold_begins(at);
    }

    /// Ends the hold at `at`.
    pub fn hold_ends(&mut self, at: Stamp) {
        self.run.tally.judged.hold_ends(at);
    }

    /// The counts of one origin without deliveries that spoilt time explains; verdicts read these.
    #[must_use]
    pub fn judged(&self, origin: Origin) -> DeliveryCounts {
        DeliveryCounts { outstanding: self.outstanding_of(origin), ..self.run.tally.judged(origin) }
    }

    /// The times to delivery of one origin from the intended time, in microseconds, without spoilt ones.
    #[must_use]
    pub fn judged_durations(&self, origin: Origin) -> Histogram<u64> {
        self.run.tally.judged_durations(origin)
    }

    /// The spoilt time of the hold so far.
    #[must_use]
    pub fn spoilt(&self) -> SpoiltTime {
        self.run.tally.judged.spoilt()
    }
}
