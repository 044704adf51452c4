//! How long users took to reconnect, in the summary.

use serde::{Deserialize, Serialize};

use crate::report::numbers::{count, span};

/// Recoveries of the same name that begin within this time, in seconds, in several generators count as one,
/// because a command goes to all of them.
const TOGETHER: f64 = 30.0;

/// Users whose connections ended for one reason, and how long they took to reconnect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryFigures {
    /// What ended them: the command, or the text of the planned disruption.
    pub what: String,
    /// When it began, in seconds since 1970-01-01T00:00:00Z.
    pub at: f64,
    /// Connections that ended.
    pub users: u64,
    /// Those of the users who have joined again.
    pub back: u64,
    /// Times until shares of the users were back; of several generators, the longest.
    pub seconds: RecoverySeconds,
}

/// Times until shares of the users were back, in seconds; null for a share that was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RecoverySeconds {
    /// Half of them.
    pub p50: Option<f64>,
    /// 90 %.
    pub p90: Option<f64>,
    /// 99 %.
    pub p99: Option<f64>,
    /// All.
    pub all: Option<f64>,
}

impl RecoverySeconds {
    fn worst(self, other: Self) -> Self {
        let worst = |one: Option<f64>, other: Option<f64>| Some(one?.max(other?));
        Self {
            p50: worst(self.p50, other.p50),
            p90: worst(self.p90, other.p90),
            p99: worst(self.p99, other.p99),
            all: worst(self.all, other.all),
        }
    }
}

/// Adds another generator's recoveries; those of the same name and time count as one.
pub(super) fn merge(ours: &mut Vec<RecoveryFigures>, theirs: &[RecoveryFigures]) {
    for other in theirs {
        let same = |one: &&mut RecoveryFigures| one.what == other.what && (one.at - other.at).abs() <= TOGETHER;
        match ours.iter_mut().find(same) {
            Some(one) => {
                one.at = one.at.min(other.at);
                one.users = one.users.saturating_add(other.users);
                one.back = one.back.saturating_add(other.back);
                one.seconds = one.seconds.worst(other.seconds);
            }
            None => ours.push(other.clone()),
        }
    }
    ours.sort_by(|one, other| one.at.total_cmp(&other.at).then_with(|| one.what.cmp(&other.what)));
}

/// A recovery in words: `2,000 of 2,000 users back: half in 1.2 s, 90 % in 8 s, all in 14 s`.
#[must_use]
pub fn said(recovery: &RecoveryFigures) -> String {
    let RecoverySeconds { p50, p90, p99, all } = recovery.seconds;
    let shares = [("half", p50), ("90 %", p90), ("99 %", p99), ("all", all)];
    let reached = shares.iter().filter_map(|(share, took)| took.map(|took| format!("{share} in {}", span(took))));
    let reached: Vec<String> = reached.collect();
    let back = format!("{} of {} users back", count(recovery.back), count(recovery.users));
    if reached.is_empty() { back } else { format!("{back}: {}", reached.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recovery(what: &str, at: f64, took: [Option<f64>; 4]) -> RecoveryFigures {
        let [p50, p90, p99, all] = took;
        let back = if all.is_some() { 10 } else { 9 };
        RecoveryFigures { what: what.into(), at, users: 10, back, seconds: RecoverySeconds { p50, p90, p99, all } }
    }

    #[test]
    fn of_several_generators_the_longest_counts() {
        let mut ours = vec![recovery("disconnect 100%", 100.0, [1.0, 2.0, 3.0, 4.0].map(Some))];
        let late = recovery("disconnect 100%", 500.0, [1.0; 4].map(Some));
        merge(&mut ours, &[late.clone(), recovery("disconnect 100%", 101.0, [Some(2.0), Some(2.5), None, None])]);
        assert_eq!(ours.len(), 2);
        assert_eq!((ours[0].users, ours[0].back), (20, 19));
        assert_eq!(ours[0].seconds, RecoverySeconds { p50: Some(2.0), p90: Some(2.5), p99: None, all: None });
        assert_eq!(ours[1], late);
        assert_eq!(said(&ours[0]), "19 of 20 users back: half in 2 s, 90 % in 2.5 s");
    }
}
