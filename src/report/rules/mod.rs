//! Rules of `--fail-if` and `--abort-if`: the values of their metrics over the whole run and in windows.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `figure` | a metric's value and its sample, and whether that is large enough to judge |
//! | `whole` | metrics over the whole run, from a summary |
//! | `cell` | the figures of five seconds, or of several cells together |
//! | `windows` | windows that slide over cells, and the worst of each rule |
//! | `watch` | both during a run |
//! | `rows` | rows of the table of thresholds |
//! | `merged` | windows of several generators together |
//!
//! It has no clock: callers pass times in.

mod cell;
mod figure;
mod merged;
mod rows;
#[cfg(test)]
mod tests;
mod watch;
mod whole;
mod windows;

pub use cell::Cell;
pub(super) use merged::windows as merged_windows;
pub use rows::in_words;
pub(super) use rows::{ended_by, rows, shown};
pub use watch::{Crossing, Watch};
pub use whole::beyond;
pub use windows::Engine;
