//! How many deliveries and member lists came to what, and how long deliveries took.

use hdrhistogram::Histogram;
use strum::EnumCount;

use super::{Anomaly, ListFate, Outcome, PresenceMismatch};

/// Deliveries of one origin, counted since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryCounts {
    /// Deliveries that should happen: one for each message on each connection that should get it.
    pub expected: u64,
    /// Those without a verdict yet. The ledger knows them by message, and fills this in where it
    /// copies its counts.
    pub outstanding: u64,
    /// Those with a verdict, by [`Outcome`], exclusive.
    pub outcomes: [u64; Outcome::COUNT],
    /// Arrivals with something wrong about them, by [`Anomaly`]; apart from the outcomes.
    pub anomalies: [u64; Anomaly::COUNT],
    /// Arrivals on a connection that was just joining or closing when the message was handed over, so
    /// that the server may see it either way; in no other number.
    pub raced: u64,
}

impl DeliveryCounts {
    /// How many deliveries came to this outcome.
    #[must_use]
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// How many arrivals had this anomaly.
    #[must_use]
    pub fn anomaly(&self, anomaly: Anomaly) -> u64 {
        self.anomalies[anomaly as usize]
    }

    /// Deliveries with a verdict, whichever.
    #[must_use]
    pub fn decided(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Whether the books balance: expected = verdicts + outstanding.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.expected == self.decided() + self.outstanding
    }

    /// The same without a part of them that has its verdicts.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        Self {
            expected: self.expected.saturating_sub(part.expected),
            outcomes: std::array::from_fn(|i| self.outcomes[i].saturating_sub(part.outcomes[i])),
            anomalies: std::array::from_fn(|i| self.anomalies[i].saturating_sub(part.anomalies[i])),
            ..*self
        }
    }

    /// So many more are expected.
    pub fn expect(&mut self, n: u64) {
        self.expected += n;
    }

    /// So many more came to `outcome`.
    pub fn add(&mut self, outcome: Outcome, n: u64) {
        self.outcomes[outcome as usize] += n;
    }

    /// This many more are expected, and had `outcome`.
    pub fn expect_and_add(&mut self, outcome: Outcome, n: u64) {
        self.expect(n);
        self.add(outcome, n);
    }
}

/// Mismatches and lists since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PresenceFindings {
    /// Users whom the lists have wrong now, by [`PresenceMismatch`].
    pub now: [u64; PresenceMismatch::COUNT],
    /// The most there were at a time.
    pub most: [u64; PresenceMismatch::COUNT],
    /// Mismatches that began: a user counts again if it was right in between.
    pub episodes: [u64; PresenceMismatch::COUNT],
    /// Lists that were compared, by [`ListFate`].
    pub lists: [u64; ListFate::COUNT],
}

/// Longest time to delivery that histograms tell apart, in microseconds: one hour, sixty times the
/// default horizon.
pub const LONGEST_MICROS: u64 = 3_600_000_000;

/// Significant decimal digits of the histograms: quantiles are within 0.1 % of the truth.
const DIGITS: u8 = 3;

/// An empty histogram for times to delivery: microseconds, one to [`LONGEST_MICROS`]. Record into it
/// with `saturating_record`.
#[must_use]
pub fn delivery_times() -> Histogram<u64> {
    let Ok(histogram) = Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS) else {
        unreachable!("the bounds are constants that hdrhistogram accepts; a test holds them to it")
    };
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_hold_an_hour_within_their_precision() {
        let mut histogram = delivery_times();
        histogram.saturating_record(LONGEST_MICROS * 2);
        let max = histogram.max();
        assert!((LONGEST_MICROS..LONGEST_MICROS / 1000 * 1002).contains(&max), "{max}");
    }

    #[test]
    fn counts_balance_only_when_every_delivery_is_somewhere() {
        let mut counts = DeliveryCounts { expected: 3, outstanding: 1, ..DeliveryCounts::default() };
        assert!(!counts.balances());
        counts.outcomes[Outcome::Late as usize] = 2;
        assert!(counts.balances());
    }
}
