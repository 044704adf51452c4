//! Intents at a rate: when a user should act, independent of the users' states.
//!
//! Timetables are pure arithmetic on absolute times, so a late wake-up does not shift later intents. Rate
//! limits (sign-ins, connects, and a ceiling on everything that is sent) are governor's.

pub mod alarm;
pub mod limit;
pub mod pacer;
pub mod set_rates;
pub mod timetable;

use crate::clock::Stamp;
use crate::model::Action;

/// An action that a user should carry out at a certain time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// What to do.
    pub action: Action,
    /// When it should happen.
    pub intended: Stamp,
}
