//! Each planned disruption: when it was, and the figures measured in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::DeliveryCounts;
use crate::report::counts::{Anomalies, Deliveries, cut};
use crate::report::recoveries::{RecoveryFigures, TOGETHER};
use crate::report::sums::{add_anomalies, add_deliveries, add_to};
use crate::report::timeline::Slice;

/// Maximum number of disruptions with figures of their own.
pub const MOST_DISRUPTIONS: usize = 100;

/// What happened between one `ctl mark begin` and its `mark end`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Disruption {
    /// The operator's text.
    pub what: String,
    /// When it began, in seconds since 1970-01-01T00:00:00Z.
    pub at: f64,
    /// How long it lasted, in seconds.
    pub seconds: f64,
    /// Whether it is still in progress.
    #[serde(default)]
    pub open: bool,
    /// Messages sent.
    pub sent: u64,
    /// Expected deliveries, with a verdict, of own and remote messages intended in it.
    pub expected: u64,
    /// Late ones among them.
    pub late: u64,
    /// Lost ones among them.
    pub lost: u64,
    /// Anomalies of those messages.
    pub anomalies: u64,
    /// Connections that the server or the network ended.
    pub cut: u64,
    /// Things that failed.
    pub errors: u64,
}

impl Disruption {
    /// A disruption from `at`, in seconds since 1970, with the increase of the counters in it. The ledger adds
    /// deliveries.
    #[must_use]
    pub fn of(what: &str, at: f64, seconds: f64, counted: &Slice) -> Self {
        let errors = counted.errors.values().flat_map(BTreeMap::values).fold(0, |sum: u64, n| sum.saturating_add(*n));
        let (sent, cut) = (counted.sent, cut(&counted.disconnects));
        Self { what: what.to_owned(), at, seconds, sent, cut, errors, ..Self::default() }
    }

    /// Sets the figures of its deliveries, own and remote.
    #[must_use]
    pub fn with_deliveries(self, counts: &[DeliveryCounts; 2]) -> Self {
        let (mut all, mut odd) = (Deliveries::default(), Anomalies::default());
        for counts in counts {
            add_deliveries(&mut all, &Deliveries::of(counts));
            add_anomalies(&mut odd, &Anomalies::of(counts));
        }
        let anomalies = [odd.duplicate, odd.reordered, odd.unexpected, odd.corrupt];
        let anomalies = anomalies.into_iter().fold(0, u64::saturating_add);
        Self { expected: all.expected, late: all.late, lost: all.lost, anomalies, ..self }
    }

    /// When it ended, or was last known to be in progress, in seconds since 1970.
    #[must_use]
    pub fn end(&self) -> f64 {
        self.at + self.seconds
    }

    /// The recovery of the users whose connections were cut in it.
    #[must_use]
    pub fn recovery<'a>(&self, recoveries: &'a [RecoveryFigures]) -> Option<&'a RecoveryFigures> {
        recoveries.iter().find(|one| one.what == self.what && (one.at - self.at).abs() <= TOGETHER)
    }

    /// Adds the figures of another generator.
    fn add(&mut self, other: &Self) {
        let end = self.end().max(other.end());
        self.at = self.at.min(other.at);
        self.seconds = end - self.at;
        self.open |= other.open;
        let pairs = [
            (&mut self.sent, other.sent),
            (&mut self.expected, other.expected),
            (&mut self.late, other.late),
            (&mut self.lost, other.lost),
            (&mut self.anomalies, other.anomalies),
            (&mut self.cut, other.cut),
            (&mut self.errors, other.errors),
        ];
        pairs.into_iter().for_each(|(sum, n)| add_to(sum, n));
    }
}

/// Adds another generator's. Those with the same text that began together count as one.
pub(super) fn merge(ours: &mut Vec<Disruption>, theirs: &[Disruption]) {
    for other in theirs {
        let same = |one: &&mut Disruption| one.what == other.what && (one.at - other.at).abs() <= TOGETHER;
        match ours.iter_mut().find(same) {
            Some(one) => one.add(other),
            None => ours.push(other.clone()),
        }
    }
    ours.sort_by(|one, other| one.at.total_cmp(&other.at).then_with(|| one.what.cmp(&other.what)));
    ours.truncate(MOST_DISRUPTIONS);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disruption(what: &str, at: f64, seconds: f64) -> Disruption {
        Disruption { what: what.into(), at, seconds, lost: 3, cut: 5, ..Disruption::default() }
    }

    #[test]
    fn the_same_command_to_several_generators_is_one_disruption() {
        let mut ours = vec![disruption("deploy", 100.0, 60.0), disruption("deploy", 500.0, 10.0)];
        let theirs = [disruption("deploy", 103.0, 60.0), disruption("another", 50.0, 5.0)];
        merge(&mut ours, &theirs);
        let told: Vec<_> = ours.iter().map(|one| (one.what.as_str(), one.at, one.end(), one.lost)).collect();
        let wanted = [("another", 50.0, 55.0, 3), ("deploy", 100.0, 163.0, 6), ("deploy", 500.0, 510.0, 3)];
        assert_eq!(told, wanted);
    }
}
