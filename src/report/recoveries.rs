//! How long users took to reconnect, in the summary.

use serde::{Deserialize, Serialize};

use crate::model::{MOST_RETURN_MOMENTS, return_moment};
use crate::report::numbers::{count, latency, span};

/// Recoveries of the same name that begin within this time, in seconds, in several generators count as one,
/// because a command goes to all of them.
pub(super) const TOGETHER: f64 = 30.0;

/// Users whose connections ended for one reason, and how long they took to reconnect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryFigures {
    /// What ended them: the command, or the text of the planned disruption.
    pub what: String,
    /// When it began, in seconds since 1970-01-01T00:00:00Z.
    pub at: f64,
    /// Users who were connected when it began; 0 in older files.
    #[serde(default)]
    pub held: u64,
    /// Connections that ended.
    pub users: u64,
    /// Those of the users who have joined again.
    pub back: u64,
    /// Times until shares of the users were back; of several generators, the longest.
    pub seconds: RecoverySeconds,
    /// Users back 0.1 s × 10^(n/10) after their connections ended; after the last entry the number stays.
    #[serde(default)]
    pub curve: Vec<u64>,
}

impl RecoveryFigures {
    /// Users held at the nth moment of the curve, as a fraction of those held before, as if all connections had
    /// ended at once.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "users are far fewer than 2⁵³")]
    pub fn held_at(&self, nth: usize) -> f64 {
        let back = self.curve.get(nth).or(self.curve.last()).copied().unwrap_or(0).min(self.users);
        let before = self.held.max(self.users).max(1);
        (before - (self.users - back)) as f64 / before as f64
    }

    /// Time in seconds and users held, for the first `moments` of the curve.
    #[must_use]
    pub fn held_over_time(&self, moments: usize) -> Vec<(f64, f64)> {
        let nth = 0..moments.min(MOST_RETURN_MOMENTS);
        nth.map(|nth| (return_moment(nth).as_secs_f64(), self.held_at(nth))).collect()
    }
}

/// Adds another curve. After its end a curve keeps its last value.
fn add_curve(ours: &mut Vec<u64>, theirs: &[u64]) {
    let (last, their_last) = (ours.last().copied().unwrap_or(0), theirs.last().copied().unwrap_or(0));
    ours.resize(ours.len().max(theirs.len()).min(MOST_RETURN_MOMENTS), last);
    for (nth, sum) in ours.iter_mut().enumerate() {
        *sum = sum.saturating_add(theirs.get(nth).copied().unwrap_or(their_last));
    }
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
                one.held = one.held.saturating_add(other.held);
                one.users = one.users.saturating_add(other.users);
                one.back = one.back.saturating_add(other.back);
                one.seconds = one.seconds.worst(other.seconds);
                add_curve(&mut one.curve, &other.curve);
            }
            None => ours.push(other.clone()),
        }
    }
    ours.sort_by(|one, other| one.at.total_cmp(&other.at).then_with(|| one.what.cmp(&other.what)));
}

/// A length of time, given in seconds: `240 ms`, `14s`.
#[must_use]
pub fn took(seconds: f64) -> String {
    if seconds < 1.0 { latency(seconds) } else { span(seconds) }
}

/// A recovery in words: `2,000 of 2,000 users back: half in 240 ms, 90 % in 8 s, all in 14s`.
#[must_use]
pub fn said(recovery: &RecoveryFigures) -> String {
    let RecoverySeconds { p50, p90, p99, all } = recovery.seconds;
    let shares = [("half", p50), ("90 %", p90), ("99 %", p99), ("all", all)];
    let reached =
        shares.iter().filter_map(|(share, seconds)| seconds.map(|seconds| format!("{share} in {}", took(seconds))));
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
        let seconds = RecoverySeconds { p50, p90, p99, all };
        RecoveryFigures { what: what.into(), at, held: 12, users: 10, back, seconds, curve: vec![0, 4, back] }
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

    #[test]
    fn curves_add_up_however_long_they_are() {
        let mut ours = vec![recovery("deploy", 100.0, [Some(0.1); 4])];
        let slower = RecoveryFigures { curve: vec![0, 0, 1, 5, 10], ..recovery("deploy", 103.0, [Some(0.2); 4]) };
        merge(&mut ours, std::slice::from_ref(&slower));
        let mut turned = vec![slower];
        merge(&mut turned, &[recovery("deploy", 100.0, [Some(0.1); 4])]);
        assert_eq!(ours, turned);
        assert_eq!((ours[0].curve.as_slice(), ours[0].held), ([0, 4, 11, 15, 20].as_slice(), 24));
        let held: Vec<f64> = ours[0].held_over_time(6).into_iter().map(|(_, held)| held * 24.0).collect();
        assert!(held.iter().zip([4.0, 8.0, 15.0, 19.0, 24.0, 24.0]).all(|(held, wanted)| (held - wanted).abs() < 1e-9));
        // More connections ended than users were held: some more than once.
        let many = RecoveryFigures { held: 3, ..recovery("deploy", 0.0, [None; 4]) };
        assert!((many.held_at(0), many.held_at(2)) == (0.0, 0.9), "{many:?}");
        let odd = RecoveryFigures { curve: vec![u64::MAX; 70], users: 0, ..many };
        assert!(odd.held_over_time(70).len() == 60 && odd.held_at(69) == 1.0);
    }
}
