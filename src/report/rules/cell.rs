//! The figures of five seconds, or of several cells together, that rules need.

use std::collections::BTreeMap;

use super::figure::{Figure, real};
use crate::model::{Initiator, Rule, RuleMetric, Stage};
use crate::report::thresholds::is_not_the_servers;
use crate::report::timeline::Slice;
use crate::stats::Sketch;

/// A slice counts as wholly in the hold if this fraction of it is, since clocks are read a little late.
const WHOLE: f64 = 0.98;

/// Indices of the counts of a cell.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Number of cells that were not spoilt.
    Clean,
    Expected,
    Late,
    Lost,
    Settled,
    Duplicate,
    Reordered,
    Unexpected,
    Corrupt,
    Joined,
    Cut,
    /// Thousandths of user-seconds, like the next two.
    Target,
    Connected,
    Away,
    Sent,
    /// Thousandths of intents.
    Set,
    /// From here on operations by stage, then errors.
    Stages,
}

const STAGES: usize = Stage::ALL.len();
const PLACES: usize = Place::Stages as usize + 2 * STAGES;

/// Counts that can be added and subtracted exactly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sums {
    counts: Counts,
    /// Times to delivery, as buckets of a sketch.
    times: BTreeMap<i16, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Counts([u64; PLACES]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; PLACES])
    }
}

/// The context of a cell, besides its slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// The length of the slice, in seconds.
    pub seconds: u64,
    /// The rate of chats that is set, per second.
    pub chats_set: f64,
    /// The horizon, in seconds: the age of a lost delivery.
    pub horizon: f64,
    /// The age of outstanding deliveries, in seconds.
    pub age: f64,
    /// Whether thresholds leave it out as a planned disruption.
    pub planned: bool,
}

/// A cell in the form that rules use.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Digest {
    /// Its start, in seconds since 1970-01-01T00:00:00Z.
    pub(super) start: u64,
    /// Its end, likewise.
    pub(super) end: u64,
    /// Whether all of it lies in the hold.
    pub(super) held: bool,
    /// Its counts; empty if it was spoilt or planned.
    pub(super) sums: Sums,
}

impl Digest {
    /// Makes one of a slice.
    pub(super) fn of(slice: &Slice, cell: Cell) -> Self {
        let sums = if slice.spoilt_seconds > 0.0 || cell.planned { Sums::default() } else { sums(slice, cell) };
        Self {
            start: slice.start,
            end: slice.start.saturating_add(cell.seconds),
            held: slice.hold_seconds >= WHOLE * real(cell.seconds),
            sums,
        }
    }
}

fn sums(slice: &Slice, cell: Cell) -> Sums {
    let mut sums = Sums::default();
    let mut set = |place: Place, n: u64| {
        if let Some(count) = sums.counts.0.get_mut(place as usize) {
            *count = n;
        }
    };
    let all = slice.all_deliveries();
    set(Place::Clean, 1);
    set(Place::Expected, all.expected);
    set(Place::Late, all.late);
    set(Place::Lost, all.lost);
    set(Place::Settled, all.expected.saturating_sub(all.outstanding));
    let (ours, others) = (&slice.anomalies, &slice.remote.anomalies);
    set(Place::Duplicate, ours.duplicate.saturating_add(others.duplicate));
    set(Place::Reordered, ours.reordered.saturating_add(others.reordered));
    set(Place::Unexpected, ours.unexpected.saturating_add(others.unexpected));
    set(Place::Corrupt, ours.corrupt.saturating_add(others.corrupt));
    set(Place::Joined, slice.joined);
    let by = |who: Initiator| slice.disconnects.get(who.as_str()).map_or(0, |reasons| reasons.values().sum::<u64>());
    set(Place::Cut, by(Initiator::Server).saturating_add(by(Initiator::Network)));
    set(Place::Target, thousandths(slice.users.target));
    set(Place::Connected, thousandths(slice.users.connected));
    set(Place::Away, thousandths(slice.users.away));
    set(Place::Sent, slice.sent);
    set(Place::Set, thousandths(cell.chats_set * real(cell.seconds)));
    for (nth, stage) in Stage::ALL.iter().enumerate() {
        let (operations, errors) = stage_of(slice, *stage);
        let first = Place::Stages as usize + nth;
        for (place, n) in [(first, operations), (first + STAGES, errors)] {
            if let Some(count) = sums.counts.0.get_mut(place) {
                *count = n;
            }
        }
    }
    let mut times: Sketch = slice.times.sketch().clone();
    times.add(cell.age.min(cell.horizon), slice.deliveries.outstanding);
    times.add(cell.horizon, slice.deliveries.lost);
    sums.times = times.buckets().collect();
    sums
}

/// Operations of a stage, and those of its errors that count against the server.
fn stage_of(slice: &Slice, stage: Stage) -> (u64, u64) {
    let operations = match stage {
        Stage::Delivery => {
            let (all, corrupt) = (slice.all_deliveries(), slice.anomalies.corrupt + slice.remote.anomalies.corrupt);
            return (all.expected.saturating_sub(all.outstanding), all.lost.saturating_add(corrupt));
        }
        Stage::Receive => slice.received,
        _ => slice.operations.get(stage.as_str()).copied().unwrap_or(0),
    };
    let kinds = slice.errors.get(stage.as_str()).into_iter().flatten();
    let (ours, theirs): (Vec<_>, Vec<_>) = kinds.partition(|(kind, _)| is_not_the_servers(kind));
    let sum = |kinds: &[(&String, &u64)]| kinds.iter().fold(0_u64, |sum, (_, n)| sum.saturating_add(**n));
    (operations.saturating_sub(sum(&ours)), sum(&theirs))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; negative is nothing")]
fn thousandths(value: f64) -> u64 {
    (value * 1_000.0).round() as u64
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, n) in self.counts.0.iter_mut().zip(other.counts.0) {
            *sum = sum.saturating_add(n);
        }
        for (bucket, n) in &other.times {
            let sum = self.times.entry(*bucket).or_default();
            *sum = sum.saturating_add(*n);
        }
    }

    /// Subtracts counts that were added before.
    pub(super) fn subtract(&mut self, other: &Self) {
        for (sum, n) in self.counts.0.iter_mut().zip(other.counts.0) {
            *sum = sum.saturating_sub(n);
        }
        for (bucket, n) in &other.times {
            if let Some(sum) = self.times.get_mut(bucket) {
                *sum = sum.saturating_sub(*n);
                if *sum == 0 {
                    self.times.remove(bucket);
                }
            }
        }
    }

    fn get(&self, place: Place) -> u64 {
        self.counts.0.get(place as usize).copied().unwrap_or(0)
    }

    /// The value of a rule's metric in these cells of `seconds` each.
    pub(super) fn figure(&self, rule: &Rule, seconds: u64) -> Figure {
        if self.get(Place::Clean) == 0 {
            return Figure::default();
        }
        let of_expected = |place: Place| Figure::of(rule, self.get(place), self.get(Place::Expected));
        match &rule.metric {
            RuleMetric::P50 => self.quantile(0.5),
            RuleMetric::P99 => self.quantile(0.99),
            RuleMetric::Lost => of_expected(Place::Lost),
            RuleMetric::Late => of_expected(Place::Late),
            RuleMetric::Anomalies => {
                let kinds = [Place::Duplicate, Place::Reordered, Place::Unexpected, Place::Corrupt];
                kinds.into_iter().max_by_key(|kind| self.get(*kind)).map(of_expected).unwrap_or_default()
            }
            RuleMetric::Cut => {
                // Connections that joined in it, or were open all the time.
                let open = self.get(Place::Connected) / (self.get(Place::Clean) * seconds.max(1) * 1_000);
                let cut = self.get(Place::Cut);
                Figure::of(rule, cut, open.max(self.get(Place::Joined)).max(cut))
            }
            RuleMetric::UsersHeld => {
                let target = self.get(Place::Target);
                let held = self.get(Place::Connected).saturating_add(self.get(Place::Away));
                let users = target / (self.get(Place::Clean) * seconds.max(1) * 1_000);
                let value = (target > 0).then(|| real(held) / real(target));
                Figure { value, n: users, independent: users, ..Figure::default() }
            }
            RuleMetric::ErrorRate(stage) => {
                let place = Place::Stages as usize + *stage as usize;
                let of = |place: usize| self.counts.0.get(place).copied().unwrap_or(0);
                Figure::of(rule, of(place + STAGES), of(place))
            }
            RuleMetric::Rate(_) => {
                let set = self.get(Place::Set);
                let value = (set > 0).then(|| real(self.get(Place::Sent)) * 1_000.0 / real(set));
                Figure { value, n: set / 1_000, independent: set / 1_000, ..Figure::default() }
            }
            RuleMetric::Outstanding | RuleMetric::Drift(_) => Figure::default(),
        }
    }

    fn quantile(&self, q: f64) -> Figure {
        let times = Sketch::from_buckets(self.times.iter().map(|(bucket, n)| (*bucket, *n)));
        let n = times.count();
        Figure { value: times.quantile(q), n, independent: n, ..Figure::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::rules::figure::share;
    use crate::report::summary::{Anomalies, Deliveries};
    use crate::report::timeline::UserSeconds;

    const CELL: Cell = Cell { seconds: 5, chats_set: 4.0, horizon: 60.0, age: 7.0, planned: false };

    fn slice() -> Slice {
        let mut sketch = Sketch::default();
        sketch.add(0.05, 90);
        Slice {
            start: 100,
            hold_seconds: 5.0,
            users: UserSeconds { target: 500.0, connected: 400.0, away: 75.0 },
            sent: 19,
            received: 200,
            deliveries: Deliveries { expected: 100, on_time: 90, lost: 8, outstanding: 2, ..Deliveries::default() },
            anomalies: Anomalies { duplicate: 1, reordered: 0, unexpected: 0, corrupt: 3 },
            times: sketch.into(),
            operations: [("connect".to_owned(), 50)].into(),
            errors: [("connect".to_owned(), [("timeout".to_owned(), 2), ("no_ports".to_owned(), 10)].into())].into(),
            joined: 10,
            disconnects: [("server".to_owned(), [("reset".to_owned(), 20)].into())].into(),
            ..Slice::default()
        }
    }

    fn figure(slice: &Slice, text: &str) -> (Option<f64>, u64) {
        let figure = Digest::of(slice, CELL).sums.figure(&text.parse().unwrap(), 5);
        (figure.value, figure.n)
    }

    #[test]
    fn each_metric_is_what_the_documentation_says() {
        let of = |text: &str| figure(&slice(), text);
        assert_eq!(of("lost > 0 over 5s"), (Some(8.0), 100));
        assert_eq!(of("lost > 1% over 5s"), (Some(0.08), 100));
        assert_eq!(of("anomalies > 1% over 5s"), (Some(0.03), 100));
        assert_eq!(of("users_held < 95% over 5s"), (Some(0.95), 100));
        assert_eq!(of("rate(chat) < 95% over 5s"), (Some(0.95), 20));
        assert_eq!(of("error_rate(connect) > 2% over 5s"), (Some(0.05), 40), "the generator's own are left out");
        assert_eq!(of("error_rate(receive) > 2% over 5s"), (Some(0.0), 200));
        assert_eq!(of("error_rate(delivery) > 2% over 5s"), (share(11, 98), 98));
        assert_eq!(of("cut > 3% over 5s"), (Some(0.25), 80), "of the connections that were open");
    }

    #[test]
    fn quantiles_count_what_did_not_come_at_its_age() {
        let (p99, n) = figure(&slice(), "p99 > 1s over 5s");
        assert!(p99.is_some_and(|p99| (p99 / 60.0 - 1.0).abs() < 0.03) && n == 100, "{p99:?} of {n}");
        assert!(figure(&slice(), "p50 > 1s over 5s").0.is_some_and(|p50| (p50 / 0.05 - 1.0).abs() < 0.03));
        let frozen = Slice {
            deliveries: Deliveries { expected: 30, outstanding: 30, ..Deliveries::default() },
            times: Sketch::default().into(),
            ..slice()
        };
        let (p50, n) = figure(&frozen, "p50 > 1s over 5s");
        assert!(p50.is_some_and(|p50| (p50 / 7.0 - 1.0).abs() < 0.03) && n == 30, "{p50:?} of {n}");
    }

    #[test]
    fn a_spoilt_cell_says_nothing() {
        let spoilt = Slice { spoilt_seconds: 0.3, ..slice() };
        assert_eq!(figure(&spoilt, "lost > 0 over 5s"), (None, 0));
        assert_eq!(Digest::of(&slice(), Cell { planned: true, ..CELL }).sums, Sums::default());
        assert!(Digest::of(&spoilt, CELL).held);
        assert!(!Digest::of(&Slice { hold_seconds: 4.5, ..slice() }, CELL).held);
    }
}
