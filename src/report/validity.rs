//! Whether a generator spoilt too much of its hold for its numbers to be about the server.

use crate::report::numbers::span;
use crate::report::summary::Generator;

/// Of a shorter hold, in seconds, a single stall would be too large a part.
pub(super) const SHORTEST_JUDGED_HOLD: f64 = 30.0;

/// Whether a generator spoilt too much of its hold, given in seconds.
pub(super) fn is_invalid(generator: &Generator, hold: f64, limit: Option<f64>) -> bool {
    let spoilt = generator.spoilt_seconds;
    hold >= SHORTEST_JUDGED_HOLD && limit.is_some_and(|limit| spoilt > 0.0 && spoilt > hold * limit)
}

/// Whether a hold, in seconds, says nothing about a generator that spoilt some of it.
pub(super) fn is_too_short(generator: &Generator, hold: f64) -> bool {
    hold < SHORTEST_JUDGED_HOLD && generator.spoilt_seconds > 0.0
}

/// How much of its hold a generator spoilt, and by what, in words.
pub(super) fn spoilt(generator: &Generator, hold: f64) -> String {
    let reasons: Vec<&str> =
        generator.spoilt_by.iter().filter(|(_, s)| **s > 0.0).map(|(reason, _)| said(reason)).collect();
    let why = if reasons.is_empty() { "for no known reason".to_owned() } else { reasons.join(", ") };
    format!("{} of the hold of {}: {why}", span(generator.spoilt_seconds), span(hold))
}

/// What spoils time, in words.
fn said(reason: &str) -> &str {
    match reason {
        "schedule_lag" => "intents were issued late",
        "read_delay" => "readable sockets waited to be read",
        "stall" => "the process stood still",
        "no_files" => "there was no file descriptor left",
        "no_ports" => "there was no local port left",
        other => other,
    }
}
