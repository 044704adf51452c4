//! Each step of each user as a line of the log, for `--verbose`. No line holds a secret.

use std::time::Duration;

use crate::model::{Failure, STEPS};

/// A step that went well, or why it did not, after `took`.
pub(super) fn log(user: &str, step: &'static str, outcome: Result<(), &Failure>, took: Duration) {
    match outcome {
        Ok(()) => done(user, step, "ok", took),
        Err(failure) => tracing::debug!(target: STEPS, user, step, outcome = %failure, ?took),
    }
}

/// A step that ended in one of several ways.
pub(super) fn done(user: &str, step: &'static str, outcome: &'static str, took: Duration) {
    tracing::debug!(target: STEPS, user, step, outcome, ?took);
}
