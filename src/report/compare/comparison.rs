//! The data of a comparison, as `--json` writes it.

use serde::Serialize;

use crate::model::Measure;
use crate::report::changes::{FigureUnit, Interval};
use crate::report::summary::Summary;

/// Two runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The earlier run.
    pub before: RunSide,
    /// The later run.
    pub after: RunSide,
    /// The figures that both runs have.
    pub figures: Vec<Row>,
    /// Settings that differ.
    pub configured: Vec<Setting>,
    /// Caveats about the table.
    pub notes: Vec<String>,
    /// The exit code: 99 if a figure got worse by more than its tolerance, else 0.
    pub code: u8,
}

/// One of the runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSide {
    /// The file.
    pub file: String,
    /// The run id.
    pub run: String,
    /// When its ramp began, RFC 3339 in UTC.
    pub started: String,
    /// Total length of the whole slices within its hold, in seconds.
    pub seconds: f64,
    /// Number of those slices.
    pub slices: usize,
}

/// A figure of both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `lost`, `error_rate(connect)`, `p99`, `drift(p99)`, `watched(memory)`, …
    pub name: String,
    /// The unit of `before` and `after`.
    pub unit: FigureUnit,
    /// The figure of the earlier run.
    pub before: f64,
    /// The figure of the later run.
    pub after: f64,
    /// The measure of `change` and `tolerance`.
    pub measure: Measure,
    /// The change with its 95 % interval; null for a relative change from 0.
    pub change: Option<Interval>,
    /// Probability of such a difference by chance, corrected for all figures of the table.
    pub p: f64,
    /// The tolerated change for the worse; null if any is tolerated.
    pub tolerance: Option<f64>,
    /// The result.
    pub result: Outcome,
}

/// The result for a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No difference beyond chance.
    Same,
    /// A difference for the better.
    Better,
    /// A difference for the worse whose interval is not wholly beyond the tolerance.
    WithinTolerance,
    /// A difference for the worse whose whole interval is beyond the tolerance.
    Worse,
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value in the earlier run.
    pub before: String,
    /// Its value in the later run.
    pub after: String,
}

/// Summaries that cannot be compared; exit code 104.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// Written by a version without slices of time.
    #[error("{0} has no timeline: a version before 0.2 wrote it, or the run did not begin")]
    NoTimeline(String),
    /// A run that was too short.
    #[error("{0} has no slice of time that lies whole within its hold")]
    NoHold(String),
    /// Both are the same run.
    #[error("{0} and {1} are the same run")]
    SameRun(String, String),
}

/// A summary and the name of its file.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The name of the file.
    pub file: &'a str,
    /// Its contents.
    pub summary: &'a Summary,
}
