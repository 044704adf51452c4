//! Intents at a rate: when a user should act, whatever the state of the users.
//!
//! Timetables are pure arithmetic on absolute times, so a late wake-up shifts nothing: the
//! next intent comes when it was always going to come. Limits (sign-ins, connects, and a
//! ceiling over everything that is sent) are governor's.

pub mod alarm;
pub mod limit;
pub mod pacer;
pub mod set_rates;
pub mod timetable;

use crate::clock::Stamp;
use crate::model::Action;

/// "A user does this now."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// What to do.
    pub action: Action,
    /// When it should happen.
    pub intended: Stamp,
}
