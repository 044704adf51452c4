//! Times in which nobody kept the books, because the process stood still.
//!
//! Such a time is nobody's delay but this process's own: no age contains it.

use std::time::Duration;

use crate::clock::Stamp;

/// A time in which nothing was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pause {
    from: Stamp,
    to: Stamp,
}

impl Pause {
    /// Moves a time before the end of the pause on by as much of the pause as came after it.
    pub(super) fn skip(self, at: Stamp) -> Stamp {
        if at >= self.to { at } else { at.plus(self.to.since(at.max(self.from))) }
    }

    /// How much of the time up to `at`, which began `since` microseconds before, was this pause.
    pub(super) fn part_of(self, since: i64, at: Stamp) -> i64 {
        let Ok(since) = u64::try_from(since) else { return 0 };
        if at < self.to {
            return 0;
        }
        let began = Stamp(at.0.saturating_sub(since.saturating_mul(1_000)));
        i64::try_from(self.skip(began).since(began).as_micros()).unwrap_or(i64::MAX)
    }
}

/// Finds pauses: the ledger is called all the time, if only to pass verdicts.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    limit: Option<Duration>,
    last: Stamp,
    /// The latest pause; an empty one before there was any.
    pub(super) latest: Pause,
}

impl Pauses {
    /// From now on a time without calls of more than `limit` is a pause.
    pub(super) fn look_for(&mut self, limit: Duration) {
        self.limit = Some(limit);
    }

    /// The ledger is called at `at`; the pause that this ends, if it does.
    pub(super) fn called(&mut self, at: Stamp) -> Option<Pause> {
        let from = self.last;
        self.last = from.max(at);
        if at.since(from) <= self.limit? {
            return None;
        }
        self.latest = Pause { from, to: at };
        Some(self.latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Stamp {
        Stamp::default().plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_pause_is_a_time_without_any_call() {
        let mut pauses = Pauses::default();
        assert_eq!(pauses.called(at(100)), None, "nobody looks for any");
        pauses.look_for(Duration::from_secs(2));
        assert_eq!(pauses.called(at(102)), None);
        assert_eq!(pauses.called(at(101)), None, "stamps of several threads");
        assert_eq!(pauses.called(at(105)), Some(Pause { from: at(102), to: at(105) }));
        assert_eq!(pauses.called(at(105)), None);
    }

    #[test]
    fn ages_do_not_contain_it() {
        let pause = Pause { from: at(10), to: at(16) };
        assert_eq!([0, 10, 13, 16, 20].map(|s| pause.skip(at(s))), [6, 16, 16, 16, 20].map(at));
        let part = |began: u64, seen: u64| pause.part_of(i64::try_from((seen - began) * 1_000_000).unwrap(), at(seen));
        assert_eq!([part(8, 17), part(13, 17), part(16, 17), part(8, 12)], [6_000_000, 3_000_000, 0, 0]);
        assert_eq!((pause.part_of(-5, at(17)), Pause::default().part_of(9, at(17))), (0, 0));
    }
}
