//! Whether a generator spoilt so much of its hold that its figures say nothing about the server.

use crate::report::numbers::span;
use crate::report::summary::Generator;

/// Shortest hold that is judged, in seconds: in a shorter one a single stall would weigh too much.
pub(super) const SHORTEST_JUDGED_HOLD: f64 = 30.0;

/// Whether a generator spoilt too much of its hold; `hold` is in seconds.
pub(super) fn is_invalid(generator: &Generator, hold: f64, limit: Option<f64>) -> bool {
    let spoilt = generator.spoilt_seconds;
    hold >= SHORTEST_JUDGED_HOLD && limit.is_some_and(|limit| spoilt > 0.0 && spoilt > hold * limit)
}

/// Whether a hold is too short to judge a generator that spoilt some of it; `hold` is in seconds.
pub(super) fn is_too_short(generator: &Generator, hold: f64) -> bool {
    hold < SHORTEST_JUDGED_HOLD && generator.spoilt_seconds > 0.0
}

/// How much of its hold a generator spoilt and why, in words.
pub(super) fn spoilt(generator: &Generator, hold: f64) -> String {
    let reasons: Vec<&str> =
        generator.spoilt_by.iter().filter(|(_, s)| **s > 0.0).map(|(reason, _)| said(reason)).collect();
    let why = if reasons.is_empty() { "for no known reason".to_owned() } else { reasons.join(", ") };
    format!("{} of the hold of {}: {why}", span(generator.spoilt_seconds), span(hold))
}

/// A reason for spoilt time, in words.
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
