//! The live page's data: the last minutes in cells, older times in slices, and the end of the run.
//!
//! The charts are drawn once for each new cell, however often the page asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::reporter::Reporter;
use super::timeline::{CELL_SECONDS, Recorder};
use crate::exposition::LivePage;
use crate::protocol::Driver;
use crate::report::end::End;
use crate::report::page::live::{self, Drawn, Past, Present};
use crate::report::summary::Summary;
use crate::report::timeline::{Slice, Timeline};

/// The part of the run shown in cells, in seconds before now.
const IN_CELLS: u64 = 300;
/// Longest age of the slices and thresholds shown, unless an event comes; each summary costs milliseconds.
const SUMMARY_AGE: Duration = Duration::from_secs(30);
/// The same during a planned disruption, whose figures are shown.
const AGE_IN_DISRUPTION: Duration = Duration::from_secs(5);
/// Charts are kept for this many different start times.
const MOST_DRAWN: usize = 4;

/// Source of the live page's data; clones share it.
pub(crate) struct LiveRun<D: Driver>(Arc<Shared<D>>);

struct Shared<D: Driver> {
    reporter: Reporter<D>,
    recorder: Recorder,
    latest: Mutex<Latest>,
    /// By the summary and the last cell that is shown.
    drawn: Mutex<Kept<(Same, u64), Drawn>>,
}

/// The newest summary, its time, the number of events before it, and whether it is the final one.
#[derive(Default)]
struct Latest {
    summary: Option<Arc<Summary>>,
    made: Option<Instant>,
    events: u64,
    ended: bool,
}

/// What was made of the run from some moments on, of which few are asked for.
#[derive(Debug)]
struct Kept<K, T>(Vec<(u64, K, Arc<T>)>);

impl<K, T> Default for Kept<K, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq, T> Kept<K, T> {
    /// What was made from a moment on, where it was made of the same as now; else it is made.
    fn get(&mut self, from: u64, of: K, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some((.., made)) = self.0.iter().find(|(moment, same, _)| *moment == from && *same == of) {
            return Arc::clone(made);
        }
        let made = Arc::new(make());
        self.0.retain(|(moment, ..)| *moment != from);
        if self.0.len() >= MOST_DRAWN {
            self.0.remove(0);
        }
        self.0.push((from, of, Arc::clone(&made)));
        made
    }
}

/// From when on an answer is, for a page that asks from `wanted` on, where slices of this length are fixed up to a
/// moment. Who watches asks from what was fixed when it last asked; all others get everything.
fn beginning(wanted: u64, length: u64, fixed_until: u64) -> u64 {
    let from = (wanted - wanted % length).min(fixed_until);
    if from.saturating_add(length.saturating_mul(2)) < fixed_until { 0 } else { from }
}

/// A summary, by its identity.
struct Same(Arc<Summary>);

impl PartialEq for Same {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<D: Driver> Clone for LiveRun<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Driver> LiveRun<D> {
    pub(crate) fn new(reporter: Reporter<D>, recorder: Recorder) -> Self {
        recorder.keep(Duration::from_secs(IN_CELLS + 120));
        Self(Arc::new(Shared { reporter, recorder, latest: Mutex::default(), drawn: Mutex::default() }))
    }

    /// The page, fed by this run.
    pub(crate) fn page(&self) -> LivePage {
        let live::Document { html, policy } = live::document();
        let this = self.clone();
        LivePage { html, policy, data: Box::new(move |since| this.data(since)) }
    }

    /// Shows the run's final summary.
    pub(crate) fn ended(&self, summary: &Summary) {
        let mut latest = self.0.latest.lock();
        latest.summary = Some(Arc::new(summary.clone()));
        latest.ended = true;
    }

    fn data(&self, from: u64) -> String {
        let (summary, ended) = self.summary();
        let now = self.0.recorder.wall_seconds();
        let drawn = self.drawn(&summary, ended, now, from);
        let (status, planned) = (self.0.reporter.status_shown(), self.0.reporter.marks().open());
        let present = Present {
            summary: &summary,
            status: status.as_ref(),
            recoveries: &self.0.reporter.recoveries(),
            planned: planned.as_ref().map(|(text, at)| (text.as_str(), *at)),
            now,
            ended,
        };
        live::data(&present, &drawn)
    }

    /// The charts from a moment on, or from before.
    fn drawn(&self, summary: &Arc<Summary>, ended: bool, now: u64, from: u64) -> Arc<Drawn> {
        let length = summary.timeline.as_ref().map_or(1, |timeline| timeline.slice_seconds.max(1));
        let old = now.saturating_sub(IN_CELLS);
        let fixed_until = old - old % length;
        let from = beginning(from, length, fixed_until);
        // A cell is shown a second after its end.
        let cell = now.saturating_sub(1) / CELL_SECONDS;
        let draw = || self.draw(summary, ended, now, from, fixed_until);
        self.0.drawn.lock().get(from, (Same(Arc::clone(summary)), cell), draw)
    }

    fn draw(&self, summary: &Summary, ended: bool, now: u64, from: u64, fixed_until: u64) -> Drawn {
        let none = Timeline::default();
        let whole = summary.timeline.as_ref().unwrap_or(&none);
        let over = |slice: &Slice| ended || slice.start + CELL_SECONDS < now;
        let cells = self.0.recorder.cells_from(fixed_until.max(from)).into_iter().map(|cell| cell.slice);
        let cells: Vec<Slice> = cells.filter(over).collect();
        live::drawn(&Past {
            summary,
            whole,
            cells: &cells,
            cell_seconds: CELL_SECONDS,
            from,
            fixed_until,
            now,
            ended,
            planned: &self.0.reporter.marks().spans(),
            tolerated: self.0.reporter.marks().is_tolerated(),
        })
    }

    /// The summary, up to [`SUMMARY_AGE`] old, and whether it is the final one.
    fn summary(&self) -> (Arc<Summary>, bool) {
        let mut latest = self.0.latest.lock();
        let events = self.0.recorder.noted();
        let longest = if self.0.reporter.marks().open().is_some() { AGE_IN_DISRUPTION } else { SUMMARY_AGE };
        let is_old = latest.made.is_none_or(|made| made.elapsed() > longest) || latest.events != events;
        match &latest.summary {
            Some(summary) if latest.ended || !is_old => (Arc::clone(summary), latest.ended),
            _ => {
                let summary = Arc::new(self.0.reporter.summary(End::Running));
                latest.summary = Some(Arc::clone(&summary));
                (latest.made, latest.events) = (Some(Instant::now()), events);
                (summary, false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_each_second_is_drawn_once_for_each_cell_and_beginning() {
        let mut kept = Kept::default();
        let mut drawn = 0;
        for second in 0..100_u64 {
            for from in [0, 60] {
                let made = *kept.get(from, second / 5, || {
                    drawn += 1;
                    (from, second / 5)
                });
                assert_eq!(made, (from, second / 5));
            }
        }
        assert_eq!(drawn, 2 * 20);
        (0..100).for_each(|from| assert_eq!(*kept.get(from, 7, || (from, 7)), (from, 7)));
        assert_eq!(kept.0.len(), MOST_DRAWN);
    }

    #[test]
    fn few_beginnings_are_asked_for_whatever_clients_want() {
        let fixed_until = 36_000;
        let found: std::collections::BTreeSet<u64> =
            (0..40_000).chain([u64::MAX]).map(|wanted| beginning(wanted, 60, fixed_until)).collect();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [0, 35_880, 35_940, 36_000]);
    }
}
