//! Rules of `--fail-if` and `--abort-if`: the values of their metrics over the whole run and in windows.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `figure` | a metric's value with what it is of, and whether that is enough to judge it by |
//! | `whole` | metrics over the whole run, from a summary |
//! | `cell` | what rules need to know of five seconds, and of several of them together |
//! | `windows` | windows that slide over cells, and the worst of each rule |
//! | `watch` | both over a run that goes on |
//! | `rows` | lines of the table of thresholds |
//! | `merged` | windows of several generators together |
//!
//! Knows no clock: times are passed in.

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
