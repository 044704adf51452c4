//! The live page's data: the last minutes in cells, older times in slices, and the end of the run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::reporter::Reporter;
use super::timeline::{CELL_SECONDS, Recorder};
use crate::exposition::LivePage;
use crate::protocol::Driver;
use crate::report::end::End;
use crate::report::page::live::{self, Moment};
use crate::report::summary::Summary;
use crate::report::timeline::{Slice, Timeline};

/// The part of the run shown in cells, in seconds before now.
const IN_CELLS: u64 = 300;
/// Longest age of the slices and thresholds shown; each summary costs milliseconds.
const SUMMARY_AGE: Duration = Duration::from_secs(10);

/// Source of the live page's data; clones share it.
pub(crate) struct LiveRun<D: Driver>(Arc<Shared<D>>);

struct Shared<D: Driver> {
    reporter: Reporter<D>,
    recorder: Recorder,
    latest: Mutex<Latest>,
}

/// The newest summary, its time, and whether it is the final one.
#[derive(Default)]
struct Latest {
    summary: Option<Arc<Summary>>,
    made: Option<Instant>,
    ended: bool,
}

impl<D: Driver> Clone for LiveRun<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Driver> LiveRun<D> {
    pub(crate) fn new(reporter: Reporter<D>, recorder: Recorder) -> Self {
        recorder.keep(Duration::from_secs(IN_CELLS + 120));
        Self(Arc::new(Shared { reporter, recorder, latest: Mutex::default() }))
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
        let status = self.0.reporter.status_shown();
        let none = Timeline::default();
        let whole = summary.timeline.as_ref().unwrap_or(&none);
        let now = self.0.recorder.wall_seconds();
        let old = now.saturating_sub(IN_CELLS);
        let fixed_until = old - old % whole.slice_seconds.max(1);
        let over = |slice: &Slice| ended || slice.start + CELL_SECONDS < now;
        let cells = self.0.recorder.cells_from(fixed_until.max(from)).into_iter().map(|cell| cell.slice);
        let cells: Vec<Slice> = cells.filter(over).collect();
        live::data(&Moment {
            summary: &summary,
            status: status.as_ref(),
            whole,
            cells: &cells,
            cell_seconds: CELL_SECONDS,
            from,
            fixed_until,
            now,
            ended,
        })
    }

    /// The summary, up to [`SUMMARY_AGE`] old, and whether it is the final one.
    fn summary(&self) -> (Arc<Summary>, bool) {
        let mut latest = self.0.latest.lock();
        let is_old = !latest.ended && latest.made.is_none_or(|made| made.elapsed() > SUMMARY_AGE);
        match &latest.summary {
            Some(summary) if !is_old => (Arc::clone(summary), latest.ended),
            _ => {
                let summary = Arc::new(self.0.reporter.summary(End::Running));
                latest.summary = Some(Arc::clone(&summary));
                latest.made = Some(Instant::now());
                (summary, false)
            }
        }
    }
}
