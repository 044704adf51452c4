//! What people are told: the forecast before, the status while, the summary after.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`summary`] | the summary's data, as JSON keeps it |
//! | [`durations`] | times to delivery in the summary: quantiles and the mergeable histogram |
//!
//! Knows how to put figures into words; must not know sockets, users or the schedule.

pub mod durations;
pub mod summary;
