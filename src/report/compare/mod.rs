//! `soakrig compare`: what got worse from one run to another, by how much, and with what certainty.
//!
//! Reads two summaries and nothing else. Only slices wholly within the hold count, and the unit of
//! uncertainty is the slice ([`crate::stats`]); p-values are corrected for all figures compared.

mod comparison;
mod configured;
mod figures;
#[cfg(test)]
mod tests;
mod text;

use crate::error::ExitCode;
use crate::model::Tolerances;
use crate::report::changes::Interval;
use crate::report::numbers::{percent, span};
use crate::report::sections::{cut_off, listed, missing};
use crate::report::summary::Summary;
use crate::stats;

use figures::{Candidate, Side};

pub use comparison::{CompareError, Comparison, Input, Outcome, Row, RunSide, Setting};
pub use text::render;

/// The significance level of the table.
const SIGNIFICANT: f64 = 0.05;

/// Compares two runs.
///
/// # Errors
/// If a side has nothing to compare, or both are the same run.
pub fn compare(before: Input<'_>, after: Input<'_>, tolerances: &Tolerances) -> Result<Comparison, CompareError> {
    let same = |one: &Summary, other: &Summary| {
        (&one.run.id, &one.run.started, one.run.shard) == (&other.run.id, &other.run.started, other.run.shard)
    };
    if same(before.summary, after.summary) {
        return Err(CompareError::SameRun(before.file.to_owned(), after.file.to_owned()));
    }
    let sides = [Side::of(before.file, before.summary)?, Side::of(after.file, after.summary)?];
    let candidates = figures::candidates(&sides);
    let adjusted = stats::adjusted(&candidates.iter().map(|candidate| candidate.p).collect::<Vec<_>>());
    let rows: Vec<Row> =
        candidates.into_iter().zip(adjusted).map(|(candidate, p)| row(candidate, p, tolerances)).collect();
    let configured = configured::differences(before.summary, after.summary);
    let worse = rows.iter().any(|row| row.result == Outcome::Worse);
    let code = if worse { ExitCode::Threshold } else { ExitCode::Ok };
    let [one, other] = &sides;
    Ok(Comparison {
        before: run_side(before, one),
        after: run_side(after, other),
        figures: rows,
        configured,
        notes: [doubts("before", before.summary), doubts("after", after.summary), general()].concat(),
        code: code.number(),
    })
}

fn run_side(input: Input<'_>, side: &Side<'_>) -> RunSide {
    let run = &input.summary.run;
    RunSide {
        file: input.file.to_owned(),
        run: run.id.clone(),
        started: run.started.clone(),
        seconds: side.seconds(),
        slices: side.slices.len(),
    }
}

fn row(candidate: Candidate, p: f64, tolerances: &Tolerances) -> Row {
    let tolerance = tolerances.of(&candidate.name);
    let [value, low, high] = candidate.change;
    // Positive is worse here.
    let (least, towards_worse) = if tolerance.falling_is_worse { (-high, value < 0.0) } else { (low, value > 0.0) };
    let result = match tolerance.limit {
        _ if p >= SIGNIFICANT => Outcome::Same,
        Some(limit) if least > limit => Outcome::Worse,
        _ if towards_worse => Outcome::WithinTolerance,
        _ => Outcome::Better,
    };
    Row {
        name: candidate.name,
        unit: candidate.unit,
        before: candidate.before,
        after: candidate.after,
        measure: tolerance.measure,
        change: Interval::of([value, low, high]),
        p,
        tolerance: tolerance.limit,
        result,
    }
}

/// Caveats about the figures of one run.
fn doubts(side: &str, summary: &Summary) -> Vec<String> {
    let run = &summary.run;
    let mut doubts = Vec::new();
    let (spoilt, hold) = (summary.generator.spoilt_seconds, run.hold_seconds);
    if spoilt > 0.0 && hold > 0.0 {
        let share = percent((spoilt / hold * 1e4).round() / 1e4);
        doubts.push(format!(
            "{side}: a generator or its machine was saturated or stood still for {} of the hold ({share}); \
             these figures are not only the server's",
            span(spoilt)
        ));
    }
    if !run.complete || cut_off(summary).next().is_some() {
        doubts.push(format!("{side}: the run did not finish; this is a checkpoint"));
    }
    let missing = missing(summary);
    if !missing.is_empty() {
        doubts.push(format!("{side}: shards {} of {} are missing", listed(&missing), run.shard.count));
    } else if summary.parts.is_empty() && run.shard.count > 1 {
        doubts.push(format!("{side}: shard {} alone; merge the shards of each run first", run.shard));
    }
    if let Some(code) = ExitCode::from_number(summary.verdict.code).filter(|code| *code != ExitCode::Ok) {
        doubts.push(format!("{side}: the run itself ended with {}: {}", code.number(), code.meaning()));
    }
    doubts
}

fn general() -> Vec<String> {
    vec![
        "One run per side cannot show how much runs vary by themselves: the intervals hold only what varies \
         within each. Repeat both before you act on a small difference."
            .to_owned(),
    ]
}
