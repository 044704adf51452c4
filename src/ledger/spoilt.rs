//! Spoilt time: when this generator or its machine, not the server, made deliveries slow.
//!
//! Pure: a union of half-open intervals for each [`SpoiltBy`] and for all of them together. It sums their parts
//! in the hold, and keeps recent intervals for judging deliveries.

use std::collections::VecDeque;
use std::time::Duration;

use strum::EnumCount;

use crate::clock::Stamp;
use crate::model::SpoiltBy;

/// Maximum number of remembered intervals per kind. Beyond it the two oldest are joined, which bounds memory
/// and leaves the sums unchanged.
const MOST: usize = 4_096;

/// The time of the hold.
#[derive(Debug, Clone, Copy, Default)]
struct Hold {
    from: Option<Stamp>,
    to: Option<Stamp>,
}

impl Hold {
    /// The part of an interval that lies in the hold.
    fn part_of(self, from: Stamp, to: Stamp) -> Duration {
        let Some(began) = self.from else { return Duration::ZERO };
        to.min(self.to.unwrap_or(to)).since(from.max(began))
    }
}

/// A union of intervals: sorted, disjoint, none touching the next.
#[derive(Debug, Clone, Default)]
struct Union {
    intervals: VecDeque<(Stamp, Stamp)>,
    /// The part in the hold of everything that was ever added.
    held: Duration,
}

impl Union {
    fn add(&mut self, from: Stamp, to: Stamp, hold: Hold) {
        let first = self.intervals.partition_point(|known| known.1 < from);
        let end = self.intervals.partition_point(|known| known.0 <= to).max(first);
        let (mut whole, mut fresh) = ((from, to), hold.part_of(from, to));
        for known in self.intervals.range(first..end) {
            fresh = fresh.saturating_sub(hold.part_of(known.0.max(from), known.1.min(to)));
            whole = (whole.0.min(known.0), whole.1.max(known.1));
        }
        self.held += fresh;
        if end == first + 1 {
            self.intervals[first] = whole;
        } else {
            self.intervals.drain(first..end);
            self.intervals.insert(first, whole);
        }
        if self.intervals.len() > MOST
            && let Some(oldest) = self.intervals.pop_front()
            && let Some(next) = self.intervals.front_mut()
        {
            next.0 = oldest.0;
        }
    }
}

/// Spoilt time of the hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpoiltTime {
    /// For any reason; overlaps count once.
    pub total: Duration,
    /// For each [`SpoiltBy`]; they may overlap.
    pub by: [Duration; SpoiltBy::COUNT],
}

/// Spoilt time by reason and in all.
#[derive(Debug, Clone, Default)]
pub(super) struct Spoilt {
    hold: Hold,
    by: [Union; SpoiltBy::COUNT],
    any: Union,
    end: Stamp,
}

impl Spoilt {
    /// Begins the hold; everything added so far was before it.
    pub(super) fn hold_begins(&mut self, at: Stamp) {
        self.hold.from.get_or_insert(at);
    }

    /// Ends the hold; everything added so far was before that.
    pub(super) fn hold_ends(&mut self, at: Stamp) {
        self.hold.to.get_or_insert(at);
    }

    /// Adds spoilt time from `from` up to `to`.
    pub(super) fn add(&mut self, by: SpoiltBy, from: Stamp, to: Stamp) {
        if from < to {
            self.by[by as usize].add(from, to, self.hold);
            self.any.add(from, to, self.hold);
            self.end = self.end.max(to);
        }
    }

    /// The end of the last spoilt interval.
    pub(super) fn end(&self) -> Stamp {
        self.end
    }

    /// Whether any time between the two, both excluded, was spoilt.
    pub(super) fn overlaps(&self, from: Stamp, to: Stamp) -> bool {
        let next = self.any.intervals.partition_point(|known| known.1 <= from);
        self.any.intervals.get(next).is_some_and(|known| known.0 < to)
    }

    /// Whether this moment was spoilt.
    pub(super) fn covers(&self, moment: Stamp) -> bool {
        let next = self.any.intervals.partition_point(|known| known.1 <= moment);
        self.any.intervals.get(next).is_some_and(|known| known.0 <= moment)
    }

    /// Total length of the intervals of this kind that ended after `moment`.
    pub(super) fn lasted(&self, by: SpoiltBy, moment: Stamp) -> Duration {
        let recent = self.by[by as usize].intervals.iter().rev().take_while(|known| known.1 > moment);
        recent.map(|known| known.1.since(known.0)).sum()
    }

    /// Forgets intervals before `moment`, which are no longer needed.
    pub(super) fn forget(&mut self, moment: Stamp) {
        for union in self.by.iter_mut().chain([&mut self.any]) {
            while union.intervals.front().is_some_and(|known| known.1 < moment) {
                union.intervals.pop_front();
            }
        }
    }

    /// The spoilt time of the hold so far.
    pub(super) fn held(&self) -> SpoiltTime {
        SpoiltTime { total: self.any.held, by: std::array::from_fn(|i| self.by[i].held) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Spoilt milliseconds by reason, and those of the hold.
    #[derive(Debug, Default)]
    struct Naive {
        spoilt: [BTreeSet<u64>; SpoiltBy::COUNT],
        hold: (Option<u64>, Option<u64>),
    }

    impl Naive {
        fn held(&self, by: impl Fn(usize) -> bool) -> Duration {
            let (Some(from), to) = (self.hold.0, self.hold.1.unwrap_or(u64::MAX)) else { return Duration::ZERO };
            let all: BTreeSet<u64> =
                (0..SpoiltBy::COUNT).filter(|i| by(*i)).flat_map(|i| &self.spoilt[i]).copied().collect();
            Duration::from_millis(all.range(from..to.max(from)).count() as u64)
        }

        fn covers(&self, moment: u64) -> bool {
            self.spoilt.iter().any(|spoilt| spoilt.contains(&moment))
        }
    }

    fn ms(n: u64) -> Stamp {
        Stamp(n * 1_000_000)
    }

    #[derive(Debug, Clone)]
    enum Op {
        /// Reason, length in milliseconds, and how long ago it ended.
        Spoil(usize, u64, u64),
        Pass(u64),
        HoldBegins,
        HoldEnds,
        Forget,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (0..SpoiltBy::COUNT, 0..40_u64, prop_oneof![Just(0_u64), 0..30_u64]).prop_map(|(by, long, ago)| Op::Spoil(by, long, ago)),
            4 => (0..30_u64).prop_map(Op::Pass),
            1 => Just(Op::HoldBegins),
            1 => Just(Op::HoldEnds),
            1 => Just(Op::Forget),
        ]
    }

    /// Older times are not queried.
    const KEEP: u64 = 100;

    proptest! {
        #[test]
        fn intervals_agree_with_a_list_of_milliseconds(ops in prop::collection::vec(op(), 0..120), asked in prop::collection::vec((0..KEEP, 1..KEEP), 20)) {
            let (mut spoilt, mut naive, mut now) = (Spoilt::default(), Naive::default(), KEEP);
            for op in ops {
                match op {
                    Op::Spoil(by, long, ago) => {
                        let to = now - ago;
                        spoilt.add(SpoiltBy::ALL[by], ms(to.saturating_sub(long)), ms(to));
                        naive.spoilt[by].extend(to.saturating_sub(long)..to);
                    }
                    Op::Pass(time) => now += time,
                    Op::HoldBegins => {
                        spoilt.hold_begins(ms(now));
                        naive.hold.0.get_or_insert(now);
                    }
                    Op::HoldEnds => {
                        spoilt.hold_ends(ms(now));
                        naive.hold.1.get_or_insert(now);
                    }
                    Op::Forget => spoilt.forget(ms(now - KEEP)),
                }
            }
            let held = spoilt.held();
            prop_assert_eq!(held.total, naive.held(|_| true));
            for by in 0..SpoiltBy::COUNT {
                prop_assert_eq!(held.by[by], naive.held(|i| i == by));
            }
            for (ago, long) in asked {
                let from = now - ago;
                prop_assert_eq!(spoilt.covers(ms(from)), naive.covers(from), "{}", from);
                let overlaps = (from..from + long).any(|moment| naive.covers(moment));
                prop_assert_eq!(spoilt.overlaps(ms(from), ms(from + long)), overlaps, "{} for {}", from, long);
            }
            let sorted = spoilt.any.intervals.iter().zip(spoilt.any.intervals.iter().skip(1)).all(|(one, next)| one.1 < next.0);
            prop_assert!(sorted, "{:?}", spoilt.any.intervals);
        }
    }

    #[test]
    fn memory_is_bounded_and_sums_stay_exact() {
        let mut spoilt = Spoilt::default();
        spoilt.hold_begins(ms(0));
        let many = 3 * MOST as u64;
        for i in 0..many {
            spoilt.add(SpoiltBy::Stall, ms(i * 10), ms(i * 10 + 3));
        }
        assert_eq!(spoilt.any.intervals.len(), MOST);
        assert_eq!(spoilt.held().total, Duration::from_millis(3 * many));
    }
}
