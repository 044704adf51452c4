//! Counts of deliveries and member lists by outcome, and histograms of times to delivery.

use hdrhistogram::Histogram;
use strum::EnumCount;

use super::{Anomaly, ListFate, Outcome, PresenceMismatch};

/// Deliveries of one origin, counted since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryCounts {
    /// Deliveries that should happen: one per message and connection that should receive it.
    pub expected: u64,
    /// Those without a verdict yet. The ledger keeps them by message, and fills this in when it copies its counts.
    pub outstanding: u64,
    /// Those with a verdict, by [`Outcome`]; each has only one.
    pub outcomes: [u64; Outcome::COUNT],
    /// Arrivals with an anomaly, by [`Anomaly`]; counted besides the outcomes.
    pub anomalies: [u64; Anomaly::COUNT],
    /// Arrivals on a connection that was just joining or closing when the message was handed over, so that the server
    /// may handle it either way; in no other number.
    pub raced: u64,
}

impl DeliveryCounts {
    /// The number of deliveries with this outcome.
    #[must_use]
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// The number of arrivals with this anomaly.
    #[must_use]
    pub fn anomaly(&self, anomaly: Anomaly) -> u64 {
        self.anomalies[anomaly as usize]
    }

    /// The number of deliveries with any verdict.
    #[must_use]
    pub fn decided(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Whether the books balance: expected = verdicts + outstanding.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.expected == self.decided() + self.outstanding
    }

    /// These counts minus a part of them whose deliveries all have a verdict.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        Self {
            expected: self.expected.saturating_sub(part.expected),
            outcomes: std::array::from_fn(|i| self.outcomes[i].saturating_sub(part.outcomes[i])),
            anomalies: std::array::from_fn(|i| self.anomalies[i].saturating_sub(part.anomalies[i])),
            ..*self
        }
    }

    /// Adds `n` expected deliveries.
    pub fn expect(&mut self, n: u64) {
        self.expected += n;
    }

    /// Adds `n` deliveries with `outcome`.
    pub fn add(&mut self, outcome: Outcome, n: u64) {
        self.outcomes[outcome as usize] += n;
    }

    /// Adds `n` expected deliveries with `outcome`.
    pub fn expect_and_add(&mut self, outcome: Outcome, n: u64) {
        self.expect(n);
        self.add(outcome, n);
    }
}

/// Mismatches and lists since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PresenceFindings {
    /// Users whom the lists currently show wrongly, by [`PresenceMismatch`].
    pub now: [u64; PresenceMismatch::COUNT],
    /// Their highest number at any time.
    pub most: [u64; PresenceMismatch::COUNT],
    /// Mismatches that began; a user counts again after having been listed correctly in between.
    pub episodes: [u64; PresenceMismatch::COUNT],
    /// Lists that were compared, by [`ListFate`].
    pub lists: [u64; ListFate::COUNT],
}

/// Longest time to delivery in histograms, in microseconds: one hour, sixty times the default horizon.
pub const LONGEST_MICROS: u64 = 3_600_000_000;

/// Significant decimal digits of the histograms: quantiles are exact to 0.1 %.
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
