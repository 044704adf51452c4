//! The verdict on a run: the exit code, and the reason in words.
//!
//! It reads only a summary, so that one generator's run and a merged one are judged alike.

mod clauses;

use crate::error::ExitCode;
use crate::report::end::{self, End};
use crate::report::numbers::span;
use crate::report::rules;
use crate::report::sections;
use crate::report::summary::{Judgement, Summary, Threshold, Verdict};
use crate::report::thresholds;
use crate::report::validity::{self, SHORTEST_JUDGED_HOLD};

/// The exit code, the reason and the table of thresholds, from everything but the summary's own
/// `verdict`.
#[must_use]
pub fn judge(summary: &Summary, end: &End) -> Verdict {
    let mut thresholds = thresholds::table(summary, end);
    thresholds.extend(rules::rows(summary, end));
    let mut failed = sections::failed(summary);
    let mut rows: Vec<&Threshold> = thresholds.iter().filter(|row| row.result == Judgement::Failed).collect();
    // The rule that ended the run comes first.
    rows.sort_by_key(|row| rules::ended_by(summary, row).is_none());
    let rows = rows.into_iter();
    failed.extend(rows.filter(|row| !clauses::is_said(summary, row, &thresholds)).map(|row| clauses::of(summary, row)));
    let (code, reason) = match end {
        End::Refused(said) => (ExitCode::Refused, end::refusal(said)),
        End::Aborted => (
            ExitCode::Interrupted,
            "Stopped by a second signal, before outstanding deliveries could settle.".to_owned(),
        ),
        End::Running | End::Settled => match (invalid(summary, end), failed.is_empty()) {
            (None, true) => (ExitCode::Ok, clauses::passed(summary)),
            (Some((invalid, therefore)), true) => (ExitCode::Invalid, format!("Invalid: {invalid}. {therefore}")),
            (None, false) => (ExitCode::Threshold, format!("Failed: {}.", failed.join("; "))),
            (Some((invalid, _)), false) => {
                (ExitCode::Threshold, format!("Failed: {}. Besides, {invalid}.", failed.join("; ")))
            }
        },
    };
    let reason = match end {
        End::Refused(_) => reason,
        _ => reason + &clauses::not_judged(summary) + &clauses::set_aside(summary),
    };
    let reason = match end {
        End::Running => format!("Not final: the run is still in progress. {reason}"),
        _ => reason,
    };
    Verdict { code: code.number(), reason, thresholds }
}

/// What makes the run invalid, if anything does, and what follows from it.
fn invalid(summary: &Summary, end: &End) -> Option<(String, &'static str)> {
    let limit = summary.thresholds.max_saturated;
    let (hold, generator) = (summary.run.hold_seconds, &summary.generator);
    let saturated = if !summary.parts.is_empty() {
        sections::invalid(summary, limit)
    } else {
        validity::is_invalid(generator, hold, limit)
            .then(|| format!("the generator itself could not keep up for {}", validity::spoilt(generator, hold)))
    };
    saturated.map(|clause| (clause, "The numbers are about soakrig, not about the server.")).or_else(|| {
        without_a_voucher(summary, end).map(|clause| (clause, "The numbers say nothing certain about the server."))
    })
}

/// The thresholds that pass only because spoilt time is not judged, if the hold is too short to show that
/// the generator kept up.
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

#[cfg(test)]
mod tests;
