//! What a run came to: the exit code, and the reason in words.
//!
//! Judges a summary and nothing else, so that one generator's run and a merged one are judged alike.

use crate::report::figures::{count, latency, percent, share, span};
use crate::report::parts;
use crate::report::summary::{Generator, Judgement, Summary, Threshold, Verdict};
use crate::report::thresholds::{self, Found};

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
    let mut failed = parts::failed(summary);
    failed.extend(thresholds.iter().filter(|row| row.result == Judgement::Failed).map(|row| clause(summary, row)));
    let (code, reason) = match end {
        End::Refused(said) => (REFUSED, format!("The target refused: {}.", said.trim_end_matches('.'))),
        End::Aborted => (ABORTED, "Stopped by a second signal, before what was outstanding could settle.".to_owned()),
        End::Running | End::Settled => match (invalid(summary), failed.is_empty()) {
            (None, true) => (OK, passed(summary)),
            (Some(invalid), true) => {
                (INVALID, format!("Invalid: {invalid} The numbers are about soakrig, not about the server."))
            }
            (None, false) => (THRESHOLD, format!("Failed: {}.", failed.join("; "))),
            (Some(invalid), false) => (THRESHOLD, format!("Failed: {}. Besides, {invalid}", failed.join("; "))),
        },
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

fn passed(summary: &Summary) -> String {
    let mut said = vec![deliveries(summary)];
    match thresholds::cut(summary) {
        (_, 0) => {}
        (0, joined) => said.push(format!("none of {} connections was cut", count(joined))),
        (cut, joined) => said.push(format!("{} of {} connections were cut", count(cut), count(joined))),
    }
    if let Some(limit) = summary.thresholds.max_error_rate {
        said.push(format!("no stage failed more often than {}", percent(limit)));
    }
    let said = match said.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{}, and {last}", first.join(", ")),
        all => all.join(", "),
    };
    let excused = match cut_off(summary) {
        0 => String::new(),
        n => format!(" {} of the deliveries do not count, because connections were cut off.", count(n)),
    };
    format!("Passed: {said}.{excused}")
}

/// Deliveries of a run that passed, in one clause: lost, late, anomalies.
fn deliveries(summary: &Summary) -> String {
    let found = Found::of(summary);
    if found.expected == 0 {
        return "no delivery was expected".to_owned();
    }
    let of = count(found.expected);
    let mut said = match (found.lost, found.late) {
        (0, 0) => format!("none of {of} deliveries was lost or late"),
        (0, _) => format!("none of {of} deliveries was lost"),
        (lost, _) => format!("{} of {of} deliveries lost, {}", count(lost), most_lost(summary)),
    };
    if found.late > 0 {
        said.push_str(&format!(", {} late", count(found.late)));
    }
    if let (kind, n @ 1..) = thresholds::worst_anomaly(summary) {
        said.push_str(&format!(", {} {kind}", count(n)));
    }
    if found.outstanding > 0 {
        said.push_str(&format!(", {} outstanding", count(found.outstanding)));
    }
    said
}

/// Deliveries excused for something that no user wanted: a server that disconnects everybody must
/// not look lossless.
fn cut_off(summary: &Summary) -> u64 {
    let excused = [&summary.deliveries.excused, &summary.remote.deliveries.excused];
    excused.iter().map(|excused| excused.server + excused.network + excused.sender_cut).sum()
}

fn most_lost(summary: &Summary) -> String {
    let limits = &summary.thresholds;
    match (limits.max_lost, limits.max_lost_share) {
        (Some(most), _) => format!("at most {} may be", count(most)),
        (None, Some(most)) => format!("at most {} may be", percent(most)),
        (None, None) => "as many as may be".to_owned(),
    }
}

/// A failed threshold as a clause.
fn clause(summary: &Summary, row: &Threshold) -> String {
    let found = Found::of(summary);
    let limit = percent(row.limit.unwrap_or_default());
    let of_expected = |n: u64| (share(n, found.expected.max(n)), count(n), count(found.expected));
    match row.name.as_str() {
        "nothing_measured" => nothing_measured(summary),
        "lost" => {
            format!("{} of {} deliveries were lost, {}", count(found.lost), count(found.expected), most_lost(summary))
        }
        "late" => {
            let (part, n, of) = of_expected(found.late);
            format!("{part} of the deliveries came late ({n} of {of}), at most {limit} may")
        }
        "anomalies" => {
            let (kind, n) = thresholds::worst_anomaly(summary);
            let (part, n, of) = of_expected(n);
            format!("{n} arrivals were {kind}, {part} of {of} deliveries, at most {limit} may be")
        }
        "cut" => {
            let (cut, joined) = thresholds::cut(summary);
            let part = share(cut, joined);
            let (cut, joined) = (count(cut), count(joined));
            format!(
                "the server or the network cut {part} of the connections ({cut} of {joined}), at most {limit} may be"
            )
        }
        "p99" => {
            let seconds = |n: Option<f64>| latency(n.unwrap_or_default());
            format!("p99 of the time to delivery was {}, at most {} may be", seconds(row.value), seconds(row.limit))
        }
        "outstanding" => format!(
            "{} of {} deliveries had no verdict when the grace was over (a longer --grace than the horizon gives each one)",
            count(found.outstanding),
            count(found.expected)
        ),
        stage => {
            let stage = stage.trim_start_matches("error_rate(").trim_end_matches(')');
            let (operations, errors) = thresholds::errors(summary, stage);
            let part = share(errors, operations.max(errors));
            let (errors, operations) = (count(errors), count(operations));
            format!("{part} of stage {stage} failed ({errors} of {operations}), at most {limit} may")
        }
    }
}

fn nothing_measured(summary: &Summary) -> String {
    if !thresholds::anybody_joined(summary) {
        return "no user ever joined".to_owned();
    }
    "chats were to be sent, and no delivery was expected".to_owned()
}

/// What makes the numbers those of the generator, if anything does.
fn invalid(summary: &Summary) -> Option<String> {
    let limit = summary.thresholds.max_saturated;
    if !summary.parts.is_empty() {
        return parts::invalid(summary, limit);
    }
    let hold = summary.run.hold_seconds;
    is_invalid(&summary.generator, hold, limit)
        .then(|| format!("the generator itself could not keep up for {}.", spoilt(&summary.generator, hold)))
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
