//! How figures moved during the hold, as the summary keeps it.
//!
//! Data only: [`super::drift`] works it out, the text and the page put it into words.

use serde::{Deserialize, Serialize};

/// The figures of the longest stretch of the hold without a restart or a control event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// When the stretch begins, in seconds since 1970-01-01T00:00:00Z.
    pub from: u64,
    /// When it ends, likewise.
    pub to: u64,
    /// How many whole slices it has.
    pub slices: u64,
    /// The figures that were looked at. One that never changed is left out.
    pub figures: Vec<FigureChange>,
}

/// How one figure moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FigureChange {
    /// `p50`, `p99`, `late`, `lost`, `error_rate`, `cut`, `rate`, `users_held`, `generator_memory`, or the
    /// name of a watched series.
    pub name: String,
    /// What the figure's numbers are.
    pub unit: FigureUnit,
    /// The fitted line at the beginning of the stretch.
    pub start: f64,
    /// The slope of that line, in the figure's unit per hour.
    pub per_hour: Interval,
    /// The slope as a part of `start`; absent where that is 0 or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_per_hour: Option<Interval>,
    /// The single step that fits better than the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<LevelStep>,
    /// Chance of such a change in a figure that does not change, corrected for all that were looked at.
    pub p: f64,
    /// What to say of it.
    pub change: ChangeKind,
}

/// A value with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The value.
    pub value: f64,
    /// The lower bound; null where there is none.
    pub low: Option<f64>,
    /// The upper bound; null where there is none.
    pub high: Option<f64>,
}

impl Interval {
    /// An interval of value, low and high; `None` where the value is not finite.
    #[must_use]
    pub fn of([value, low, high]: [f64; 3]) -> Option<Self> {
        let finite = |bound: f64| bound.is_finite().then_some(bound);
        Some(Self { value: finite(value)?, low: finite(low), high: finite(high) })
    }
}

/// A jump from one level to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LevelStep {
    /// The beginning of the first slice at the new level, in seconds since 1970-01-01T00:00:00Z.
    pub at: u64,
    /// The median before.
    pub before: f64,
    /// The median from then on.
    pub after: f64,
}

/// What to say of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Nothing beyond chance, or under 2 % in the whole stretch.
    None,
    /// It rose or fell steadily.
    Slope,
    /// It went from one level to another.
    Step,
}

/// What a figure's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureUnit {
    /// A length of time.
    Seconds,
    /// A part of 1.
    Share,
    /// A part of 1 per hour.
    SharePerHour,
    /// Events per second.
    PerSecond,
    /// Events per hour of one connected user.
    PerUserHour,
    /// A size.
    Bytes,
    /// Whatever the server's own metrics count.
    Other,
}
