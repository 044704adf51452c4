//! How figures moved during the hold, as the summary keeps it.
//!
//! Data only: [`super::drift`] computes it; the text and the page put it into words.

use serde::{Deserialize, Serialize};

/// The figures of the longest stretch of the hold without a restart or a control event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// When the stretch begins, in seconds since 1970-01-01T00:00:00Z.
    pub from: u64,
    /// When it ends, likewise.
    pub to: u64,
    /// Number of whole slices in it.
    pub slices: u64,
    /// The figures examined. One that never changed is left out.
    pub figures: Vec<FigureChange>,
}

/// How one figure moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FigureChange {
    /// `p50`, `p99`, `late`, `lost`, `error_rate`, `cut`, `rate`, `users_held`, `generator_memory`, or the
    /// name of a watched series.
    pub name: String,
    /// The unit of the figure's numbers.
    pub unit: FigureUnit,
    /// The fitted line's value at the start of the stretch.
    pub start: f64,
    /// The slope of the fitted line, in the figure's unit per hour.
    pub per_hour: Interval,
    /// The slope as a fraction of `start` per hour; absent if `start` is 0 or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_per_hour: Option<Interval>,
    /// The single step, if it fits better than the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<LevelStep>,
    /// Probability of such a change in a figure that does not change, corrected for the number of figures.
    pub p: f64,
    /// The kind of change.
    pub change: ChangeKind,
}

/// A value with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The value.
    pub value: f64,
    /// The lower bound; null if there is none.
    pub low: Option<f64>,
    /// The upper bound; null if there is none.
    pub high: Option<f64>,
}

impl Interval {
    /// An interval of value, low and high; `None` if the value is not finite.
    #[must_use]
    pub fn of([value, low, high]: [f64; 3]) -> Option<Self> {
        let finite = |bound: f64| bound.is_finite().then_some(bound);
        Some(Self { value: finite(value)?, low: finite(low), high: finite(high) })
    }
}

/// A jump from one level to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LevelStep {
    /// Start of the first slice at the new level, in seconds since 1970-01-01T00:00:00Z.
    pub at: u64,
    /// The median before.
    pub before: f64,
    /// The median from `at` on.
    pub after: f64,
}

/// How a figure changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Not beyond chance, or by under 2 % in the whole stretch.
    None,
    /// It rose or fell steadily.
    Slope,
    /// It jumped from one level to another.
    Step,
}

/// The unit of a figure's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureUnit {
    /// A length of time.
    Seconds,
    /// A fraction, 0 to 1.
    Share,
    /// A fraction per hour.
    SharePerHour,
    /// Events per second.
    PerSecond,
    /// Events per hour and connected user.
    PerUserHour,
    /// A size.
    Bytes,
    /// The unknown unit of a watched series.
    Other,
}
