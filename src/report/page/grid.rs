//! The timeline as rows at equal distances, with gaps where no slice was recorded.

use super::clockface::{self, seconds};
use crate::report::summary::Summary;
use crate::report::timeline::{MOST_SLICES, Slice, Timeline};

/// Maximum number of rows of a table beside a chart.
const MOST_TABLE_ROWS: usize = 96;
/// A day, in seconds: longer slices get no gaps.
const LONGEST: u64 = 86_400;

/// One span of time.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Its start, in seconds since 1970.
    pub(super) start: u64,
    /// Its length, in seconds.
    pub(super) seconds: u64,
    /// How much of it lies within the run, in seconds; above 0.
    pub(super) covered: f64,
    /// What was recorded.
    pub(super) slice: Option<Slice>,
}

/// A run's timeline, once in full and once in a few rows.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    /// The length of a row, in seconds.
    pub(super) row_seconds: u64,
    /// In order of time.
    pub(super) rows: Vec<Row>,
    /// The length of a row of the tables, in seconds.
    pub(super) table_seconds: u64,
    /// The rows of the tables.
    pub(super) table: Vec<Row>,
}

impl Grid {
    /// The grid of a summary; `None` if it has no slices.
    pub(super) fn of(summary: &Summary) -> Option<Self> {
        let timeline = summary.timeline.as_ref()?;
        let fine = timeline.joined(MOST_SLICES);
        if fine.slices.is_empty() {
            return None;
        }
        let coarse = fine.joined(MOST_TABLE_ROWS);
        Some(Self {
            row_seconds: fine.slice_seconds,
            rows: rows(summary, fine.clone()),
            table_seconds: coarse.slice_seconds,
            table: rows(summary, coarse),
        })
    }
}

impl Row {
    /// When it ends, in seconds since 1970.
    pub(super) fn end(&self) -> f64 {
        seconds(self.start) + seconds(self.seconds)
    }
}

fn rows(summary: &Summary, timeline: Timeline) -> Vec<Row> {
    let (began, ended) = clockface::span(summary);
    let length = timeline.slice_seconds.max(1);
    let covered = |start: u64| {
        let (from, to) = (seconds(start), seconds(start) + seconds(length));
        let within = to.min(ended) - from.max(began);
        if within > 0.0 { within } else { seconds(length) }
    };
    let mut rows: Vec<Row> = Vec::with_capacity(timeline.slices.len());
    for slice in timeline.slices {
        let start = slice.start;
        let missing = rows.last().map_or(0, |last| start.saturating_sub(last.start) / length);
        if length <= LONGEST && missing <= MOST_SLICES as u64 && rows.len() <= 2 * MOST_SLICES {
            let gaps = (1..missing).rev().map(|n| start.saturating_sub(n.saturating_mul(length)));
            rows.extend(gaps.map(|start| Row { start, seconds: length, covered: covered(start), slice: None }));
        }
        rows.push(Row { start, seconds: length, covered: covered(start), slice: Some(slice) });
    }
    rows
}
