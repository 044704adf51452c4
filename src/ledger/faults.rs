//! What the ledger is told of this generator's own faults, and the figures without them.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::Ledger;
use super::spoilt::SpoiltTime;
use crate::clock::Stamp;
use crate::model::{DeliveryCounts, Origin, SpoiltBy, UserIndex};

impl Ledger {
    /// From `at` on the ledger is called all the time, if only by [`look`](Self::look): a time of
    /// more than `limit` without a call is one in which this process stood still.
    pub fn look_for_stalls(&mut self, limit: Duration, at: Stamp) {
        self.run.tally.judged.watch(limit, at);
    }

    /// This process runs at `at`.
    pub fn look(&mut self, at: Stamp) {
        self.run.tally.judged.called(at);
    }

    /// How much of the delays measured in the present window stalls explain, as a part of 1.
    pub fn stalled(&mut self, at: Stamp) -> f64 {
        self.run.tally.judged.stalled(at)
    }

    /// A window in which delays were measured is over, and `bad` were over the limit in it. What
    /// arrived in it, or should have, is judged by that. The next window begins.
    pub fn window_over(&mut self, bad: &[SpoiltBy], at: Stamp) {
        self.run.tally.window_over(bad, at);
    }

    /// From `at` on a user waits because this machine has no file descriptor or port left, or, with
    /// `None`, does not: its next attempt did not fail for that.
    pub fn waits(&mut self, user: UserIndex, why: Option<SpoiltBy>, at: Stamp) {
        self.run.tally.judged.waits(user, why, at);
    }

    /// The load is held from `at` on.
    pub fn hold_begins(&mut self, at: Stamp) {
        self.run.tally.judged.hold_begins(at);
    }

    /// The load is held no longer.
    pub fn hold_ends(&mut self, at: Stamp) {
        self.run.tally.judged.hold_ends(at);
    }

    /// The counts of one origin without what spoilt time explains: what a verdict reads.
    #[must_use]
    pub fn judged(&self, origin: Origin) -> DeliveryCounts {
        DeliveryCounts { outstanding: self.outstanding_of(origin), ..self.run.tally.judged(origin) }
    }

    /// The times to delivery of one origin from the intended time, in microseconds, without spoilt ones.
    #[must_use]
    pub fn judged_durations(&self, origin: Origin) -> Histogram<u64> {
        self.run.tally.judged_durations(origin)
    }

    /// How much of the hold was spoilt so far.
    #[must_use]
    pub fn spoilt(&self) -> SpoiltTime {
        self.run.tally.judged.spoilt()
    }
}
