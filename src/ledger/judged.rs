//! The judged figures: the ledger's figures without deliveries that spoilt time explains.
//!
//! Only what is left out is stored, so an ordinary delivery costs one comparison. A late delivery, a duration
//! or an arrival after its horizon is left out if spoilt time overlaps the time from intended to arrival; a
//! loss, if spoilt time covers its horizon. Whether a window of read delays was bad is known only at its end;
//! then everything that arrived in it is left out, by going back to the judged figures of its start.

use std::time::Duration;

use hdrhistogram::Histogram;
use strum::EnumCount;

use super::spoilt::{Spoilt, SpoiltTime};
use crate::clock::Stamp;
use crate::model::{Anomaly, Basis, DeliveryCounts, Origin, Outcome, SpoiltBy, UserIndex, delivery_times};

/// A stall that ended at most this long before a window shows in the window's delays.
const AFTERMATH: Duration = Duration::from_secs(1);

/// Figures that depend on times of arrival.
#[derive(Debug, Clone)]
struct Arrivals {
    late: u64,
    /// Arrivals after their horizon, which are `unexpected`.
    overdue: u64,
    durations: Histogram<u64>,
}

impl Arrivals {
    fn new() -> Self {
        Self { late: 0, overdue: 0, durations: delivery_times() }
    }

    fn add(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Came { late, micros } => {
                self.late += u64::from(late);
                self.durations.saturating_record(micros);
            }
            Arrival::Overdue => self.overdue += 1,
        }
    }

    /// Sets this to `all` minus `part`, which is a part of it.
    fn set_to_rest(&mut self, all: AllArrivals<'_>, part: &Self) {
        self.late = all.late.saturating_sub(part.late);
        self.overdue = all.overdue.saturating_sub(part.overdue);
        self.durations = rest(all.durations, &part.durations);
    }
}

/// The figures of all arrivals of one origin.
#[derive(Clone, Copy)]
struct AllArrivals<'a> {
    late: u64,
    overdue: u64,
    durations: &'a Histogram<u64>,
}

/// A histogram minus a part of it.
fn rest(all: &Histogram<u64>, part: &Histogram<u64>) -> Histogram<u64> {
    let mut rest = all.clone();
    // Both have the same bounds, and one is a part of the other.
    let _ = rest.subtract(part);
    rest
}

#[derive(Debug, Clone, Copy)]
enum Arrival {
    Came { late: bool, micros: u64 },
    Overdue,
}

/// The figures of one origin that are left out.
#[derive(Debug, Clone)]
struct LeftOut {
    arrivals: Arrivals,
    lost: u64,
    /// Losses whose horizon lies in the current window.
    lost_in_window: u64,
    /// All arrivals after their horizon.
    overdue: u64,
    /// The judged arrivals when the current window began.
    base: Arrivals,
}

/// The figures that are left out, and the spoilt time.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    spoilt: Spoilt,
    /// Time of the last call of the ledger.
    last: Stamp,
    /// Longest time without a call, in nanoseconds, before the process is assumed to have stood still.
    limit: u64,
    /// Start of the current window.
    window: Stamp,
    origins: [LeftOut; Origin::COUNT],
    /// Why each user waits, if it waits because of this machine.
    waits: Box<[Option<SpoiltBy>]>,
    /// Numbers of waiting users, by reason.
    waiting: [u32; SpoiltBy::COUNT],
    any_waits: u32,
}

impl Judged {
    pub(super) fn new(users: usize) -> Self {
        let origin =
            || LeftOut { arrivals: Arrivals::new(), lost: 0, lost_in_window: 0, overdue: 0, base: Arrivals::new() };
        Self {
            spoilt: Spoilt::default(),
            last: Stamp::default(),
            limit: u64::MAX,
            window: Stamp::default(),
            origins: [origin(), origin()],
            waits: vec![None; users].into_boxed_slice(),
            waiting: [0; SpoiltBy::COUNT],
            any_waits: 0,
        }
    }

    /// Watches for stalls from `at` on: the process stood still if the ledger was not called for more than
    /// `limit`.
    pub(super) fn watch(&mut self, limit: Duration, at: Stamp) {
        self.last = self.last.max(at);
        self.window = self.last;
        self.limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    }

    /// Notes a call of the ledger at `at`: ends a stall, if there was one, and extends waits.
    #[inline]
    pub(super) fn called(&mut self, at: Stamp) {
        if at <= self.last {
            return;
        }
        let from = std::mem::replace(&mut self.last, at);
        if at.0 - from.0 > self.limit || self.any_waits > 0 {
            self.passed(from, at);
        }
    }

    #[cold]
    fn passed(&mut self, from: Stamp, at: Stamp) {
        if at.0 - from.0 > self.limit {
            self.spoilt.add(SpoiltBy::Stall, from, at);
        }
        for by in SpoiltBy::ALL.iter().filter(|by| self.waiting[**by as usize] > 0) {
            self.spoilt.add(*by, from, at);
        }
    }

    /// Notes that a user waits for this reason from `at` on; `None`: it no longer waits.
    pub(super) fn waits(&mut self, user: UserIndex, why: Option<SpoiltBy>, at: Stamp) {
        self.called(at);
        let Some(place) = self.waits.get_mut(user.get()) else { return };
        for (by, up) in [(std::mem::replace(place, why), false), (why, true)] {
            let Some(by) = by else { continue };
            let step = |n: u32| if up { n + 1 } else { n.saturating_sub(1) };
            self.waiting[by as usize] = step(self.waiting[by as usize]);
            self.any_waits = step(self.any_waits);
        }
    }

    pub(super) fn hold_begins(&mut self, at: Stamp) {
        self.called(at);
        self.spoilt.hold_begins(self.last);
    }

    pub(super) fn hold_ends(&mut self, at: Stamp) {
        self.called(at);
        self.spoilt.hold_ends(self.last);
    }

    /// Takes a first arrival, `took` after its intended time, which is not after `at`.
    #[inline]
    pub(super) fn arrived(&mut self, origin: Origin, late: bool, took: Duration, intended: Stamp, at: Stamp) {
        if at > self.window && intended >= self.spoilt.end() {
            return;
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        self.decide(origin, Arrival::Came { late, micros }, intended, at);
    }

    /// Takes an arrival after its horizon.
    pub(super) fn overdue(&mut self, origin: Origin, intended: Stamp, at: Stamp) {
        self.origins[origin as usize].overdue += 1;
        self.decide(origin, Arrival::Overdue, intended, at);
    }

    #[cold]
    fn decide(&mut self, origin: Origin, arrival: Arrival, intended: Stamp, at: Stamp) {
        let left = &mut self.origins[origin as usize];
        if self.spoilt.overlaps(intended, at) {
            left.arrivals.add(arrival);
        } else if at <= self.window {
            // It arrived before the current window, but was reported in it.
            left.base.add(arrival);
        }
    }

    /// Takes `n` lost deliveries whose horizon was at `horizon`. A delivery that is lost before its horizon,
    /// because it arrived damaged, is judged.
    pub(super) fn lost(&mut self, origin: Origin, n: u64, horizon: Stamp) {
        let left = &mut self.origins[origin as usize];
        if self.spoilt.covers(horizon) {
            left.lost += n;
        } else if (self.window..=self.last).contains(&horizon) {
            left.lost_in_window += n;
        }
    }

    /// The fraction of the current window's delays that stalls explain, 0 to 1. Delays of a stall are measured
    /// after it, possibly in the next window.
    pub(super) fn stalled(&mut self, at: Stamp) -> f64 {
        self.called(at);
        let length = self.last.since(self.window);
        let stalled = self.spoilt.lasted(SpoiltBy::Stall, self.window.minus(AFTERMATH));
        if length.is_zero() { 0.0 } else { (stalled.as_secs_f64() / length.as_secs_f64()).min(1.0) }
    }

    /// Ends the current window, spoilt by `bad`, and begins the next.
    pub(super) fn window_over(
        &mut self,
        bad: &[SpoiltBy],
        at: Stamp,
        counts: &[DeliveryCounts; Origin::COUNT],
        durations: &[[Histogram<u64>; Basis::COUNT]; Origin::COUNT],
    ) {
        self.called(at);
        let end = self.last;
        for ((left, counts), durations) in self.origins.iter_mut().zip(counts).zip(durations) {
            let lost = std::mem::take(&mut left.lost_in_window);
            let LeftOut { arrivals, base, overdue, .. } = left;
            let durations = &durations[Basis::Intended as usize];
            let all = AllArrivals { late: counts.outcome(Outcome::Late), overdue: *overdue, durations };
            if bad.is_empty() {
                base.set_to_rest(all, arrivals);
            } else {
                arrivals.set_to_rest(all, base);
                left.lost += lost;
            }
        }
        for by in bad {
            self.spoilt.add(*by, self.window, end);
        }
        self.window = end;
    }

    /// Forgets spoilt time before `moment`, which is no longer needed.
    pub(super) fn forget(&mut self, moment: Stamp) {
        self.spoilt.forget(moment);
    }

    pub(super) fn spoilt(&self) -> SpoiltTime {
        self.spoilt.held()
    }

    /// The judged counts, from all counts; they balance too.
    pub(super) fn counts(&self, origin: Origin, all: &DeliveryCounts) -> DeliveryCounts {
        let left = &self.origins[origin as usize];
        let mut judged = *all;
        judged.expected -= left.arrivals.late + left.lost;
        judged.outcomes[Outcome::Late as usize] -= left.arrivals.late;
        judged.outcomes[Outcome::Lost as usize] -= left.lost;
        judged.anomalies[Anomaly::Unexpected as usize] -= left.arrivals.overdue;
        judged
    }

    /// The judged times to delivery from the intended time, from all of them.
    pub(super) fn durations(&self, origin: Origin, all: &[Histogram<u64>; Basis::COUNT]) -> Histogram<u64> {
        rest(&all[Basis::Intended as usize], &self.origins[origin as usize].arrivals.durations)
    }
}
