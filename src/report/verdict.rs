//! What a run came to: the exit code, and the reason in words.
//!
//! Judges a summary and nothing else, so that one generator's run and a merged one are judged alike.

mod clauses;

use crate::report::numbers::span;
use crate::report::sections;
use crate::report::summary::{Generator, Judgement, Summary, Verdict};
use crate::report::thresholds;

/// The run did what it should.
pub const OK: u8 = 0;
/// A threshold failed.
pub const THRESHOLD: u8 = 99;
/// Stopped by a second signal.
pub const ABORTED: u8 = 105;
/// The generator could not keep up: its numbers are about itself.
pub const INVALID: u8 = 106;
/// The target refused.
pub const REFUSED: u8 = 107;

/// Of a shorter hold, in seconds, a single stall would be too large a part.
const SHORTEST_JUDGED_HOLD: f64 = 30.0;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It goes on: this is a checkpoint.
    Running,
    /// Its duration was over, or it was asked to stop, and it settled.
    Settled,
    /// A second signal ended it at once.
    Aborted,
    /// The target refused at the start; what it said.
    Refused(String),
}

/// The exit code, the reason and the table of thresholds, from everything but the summary's own
/// `verdict`.
#[must_use]
pub fn judge(summary: &Summary, end: &End) -> Verdict {
    let thresholds = thresholds::table(summary, end);
    let mut failed = sections::failed(summary);
    let rows = thresholds.iter().filter(|row| row.result == Judgement::Failed);
    failed.extend(rows.filter(|row| !clauses::is_said(summary, row, &thresholds)).map(|row| clauses::of(summary, row)));
    let (code, reason) = match end {
        End::Refused(said) => (REFUSED, format!("The target refused: {}.", said.trim_end_matches('.'))),
        End::Aborted => (ABORTED, "Stopped by a second signal, before what was outstanding could settle.".to_owned()),
        End::Running | End::Settled => match (invalid(summary, end), failed.is_empty()) {
            (None, true) => (OK, clauses::passed(summary)),
            (Some((invalid, therefore)), true) => (INVALID, format!("Invalid: {invalid}. {therefore}")),
            (None, false) => (THRESHOLD, format!("Failed: {}.", failed.join("; "))),
            (Some((invalid, _)), false) => (THRESHOLD, format!("Failed: {}. Besides, {invalid}.", failed.join("; "))),
        },
    };
    let reason = match end {
        End::Refused(_) => reason,
        _ => reason + &clauses::not_judged(summary),
    };
    let reason = match end {
        End::Running => format!("Not final, the run still went on. {reason}"),
        _ => reason,
    };
    Verdict { code, reason, thresholds }
}

/// What an exit code means, in a few words.
#[must_use]
pub fn meaning(code: u8) -> &'static str {
    match code {
        OK => "the run did what it should",
        THRESHOLD => "a threshold failed",
        ABORTED => "stopped by a second signal",
        INVALID => "invalid, the generator itself could not keep up",
        REFUSED => "the target refused",
        _ => "see the documentation of exit codes",
    }
}

/// What makes the numbers those of the generator, if anything does, and what follows from it.
fn invalid(summary: &Summary, end: &End) -> Option<(String, &'static str)> {
    let limit = summary.thresholds.max_saturated;
    let (hold, generator) = (summary.run.hold_seconds, &summary.generator);
    let saturated = if !summary.parts.is_empty() {
        sections::invalid(summary, limit)
    } else {
        is_invalid(generator, hold, limit)
            .then(|| format!("the generator itself could not keep up for {}", spoilt(generator, hold)))
    };
    saturated.map(|clause| (clause, "The numbers are about soakrig, not about the server.")).or_else(|| {
        without_a_voucher(summary, end).map(|clause| (clause, "The numbers say nothing certain about the server."))
    })
}

/// What passes only because spoilt time is not judged, after a hold that is too short to show that the
/// generator kept up.
fn without_a_voucher(summary: &Summary, end: &End) -> Option<String> {
    summary.thresholds.max_saturated?;
    let holds = summary.parts.iter().map(|part| part.run.hold_seconds);
    let hold = holds.fold(summary.run.hold_seconds, f64::min);
    if hold >= SHORTEST_JUDGED_HOLD {
        return None;
    }
    let names = thresholds::failed_but_for_spoilt_time(summary, end);
    (!names.is_empty()).then(|| {
        format!(
            "with what the generator spoilt, {} would fail, and a hold of {} is too short to judge whether the \
             generator kept up",
            names.join(", "),
            span(hold)
        )
    })
}

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

#[cfg(test)]
mod tests;
