//! The generators of a merged summary: those that are missing, did not finish, or could not keep up.
//!
//! Reads only [`Summary::parts`], which the summary of a single generator does not have.

use crate::error::ExitCode;
use crate::report::end::{self, End};
use crate::report::summary::{Part, Summary};
use crate::report::thresholds::NOTHING_MEASURED;
use crate::report::validity::{is_invalid, spoilt};

/// The shards of the run without a part, in order.
#[must_use]
pub fn missing(summary: &Summary) -> Vec<u32> {
    let Some(first) = summary.parts.first() else { return Vec::new() };
    let here = |index: &u32| summary.parts.iter().any(|part| part.run.shard.index == *index);
    (0..first.run.shard.count).filter(|index| !here(index)).collect()
}

/// Whether two parts are of the same generator: the same shard of the same users. A generator that was
/// restarted within the run has a part for each of its lives.
#[must_use]
pub fn is_same(one: &Part, other: &Part) -> bool {
    let seat = |part: &Part| (part.run.shard, part.users.min, part.users.max);
    seat(one) == seat(other)
}

/// Name of a part: its shard, or its users if generators were given ranges instead.
#[must_use]
pub fn name(parts: &[Part], part: &Part) -> String {
    let by_ranges = parts.iter().any(|other| other.run.shard == part.run.shard && !is_same(other, part));
    let name = if by_ranges {
        format!("users {} to {}", part.users.min, part.users.max.saturating_sub(1))
    } else {
        format!("shard {}", part.run.shard)
    };
    let lives: Vec<&Part> = parts.iter().filter(|other| is_same(other, part)).collect();
    match lives.iter().position(|life| life.run.started == part.run.started) {
        Some(n) if lives.len() > 1 => format!("{name} life {}", n + 1),
        _ => name,
    }
}

/// The generators that were started before in the run, with the number of those lives without a part.
fn lives_missing(summary: &Summary) -> impl Iterator<Item = (&Part, usize)> {
    let parts = summary.parts.as_slice();
    parts.chunk_by(is_same).filter_map(|lives| {
        let said = lives.iter().map(|life| life.run.earlier_lives).max().unwrap_or(0) as usize + 1;
        let missing = said.saturating_sub(lives.len());
        lives.first().filter(|_| missing > 0).map(|part| (part, missing))
    })
}

/// The parts whose generators did not finish: killed, or still running.
pub fn cut_off(summary: &Summary) -> impl Iterator<Item = &Part> {
    summary.parts.iter().filter(|part| !part.run.complete)
}

/// How the merged run ended: as its generators did, if they agree and none is missing.
#[must_use]
pub fn end(summary: &Summary) -> End {
    let all = |code: ExitCode| {
        missing(summary).is_empty() && summary.parts.iter().all(|part| part.verdict.code == code.number())
    };
    match summary.parts.first() {
        Some(first) if all(ExitCode::Refused) => End::Refused(end::refusal_said(&first.verdict.reason).to_owned()),
        Some(_) if all(ExitCode::Interrupted) => End::Aborted,
        _ => End::Settled,
    }
}

/// Reasons why the merged run failed, one clause each.
pub(super) fn failed(summary: &Summary) -> Vec<String> {
    let mut failed = Vec::new();
    let missing = missing(summary);
    if let (Some(part), false) = (summary.parts.first(), missing.is_empty()) {
        let (what, are) = if missing.len() == 1 { ("shard", "is") } else { ("shards", "are") };
        failed.push(format!("{what} {} of {} {are} missing", listed(&missing), part.run.shard.count));
    }
    let parts = summary.parts.as_slice();
    failed.extend(lives_missing(summary).map(|(part, n)| {
        let (summaries, are) = if n == 1 { ("summary", "is") } else { ("summaries", "are") };
        format!("{} was started again, and {n} earlier {summaries} (FILE.life-N) {are} missing", name(parts, part))
    }));
    failed.extend(
        cut_off(summary).map(|part| format!("{} did not finish: only a checkpoint of it exists", name(parts, part))),
    );
    failed.extend(parts.iter().filter(|part| part.run.complete).filter_map(|part| {
        let shard = name(parts, part);
        match ExitCode::from_number(part.verdict.code) {
            Some(ExitCode::Interrupted) => Some(format!("{shard} was stopped by a second signal")),
            Some(ExitCode::Refused) => {
                let said = end::refusal_said(&part.verdict.reason);
                Some(format!("the target refused {shard}: {said}"))
            }
            _ => None,
        }
    }));
    failed.extend(measured_nothing(summary).map(|part| format!("{} measured nothing", name(parts, part))));
    failed
}

/// The generators that finished but measured nothing in any of their lives, which the sums do not show.
fn measured_nothing(summary: &Summary) -> impl Iterator<Item = &Part> {
    let row =
        |part: &Part| part.verdict.thresholds.iter().find(|row| row.name == NOTHING_MEASURED).and_then(|r| r.value);
    let nothing = move |part: &Part| row(part).is_some_and(|n| n > 0.0);
    let lives = summary.parts.chunk_by(is_same);
    let silent = lives.filter(move |lives| lives.iter().all(nothing) && lives.iter().any(|life| life.run.complete));
    silent.filter_map(<[_]>::first)
}

/// The generators that were still in their ramp at the stop.
pub(super) fn still_ramping(summary: &Summary) -> Vec<String> {
    let parts = summary.parts.as_slice();
    parts.iter().filter(|part| part.run.hold_seconds <= 0.0).map(|part| name(parts, part)).collect()
}

/// The generators that could not keep up, if any; one is enough to make the run invalid.
pub(super) fn invalid(summary: &Summary, limit: Option<f64>) -> Option<String> {
    let invalid: Vec<String> = summary
        .parts
        .iter()
        .filter(|part| is_invalid(&part.generator, part.run.hold_seconds, limit))
        .map(|part| format!("{} for {}", name(&summary.parts, part), spoilt(&part.generator, part.run.hold_seconds)))
        .collect();
    (!invalid.is_empty()).then(|| format!("generators themselves could not keep up, {}", invalid.join("; ")))
}

/// Ascending numbers, with runs shortened: `0, 3 to 7, 9`.
#[must_use]
pub fn listed(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if number.checked_sub(1) == Some(*last) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let shown = runs.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_listed_shortly() {
        let shown = |numbers: &[u32]| listed(numbers);
        assert_eq!(shown(&[]), "");
        assert_eq!(shown(&[4]), "4");
        assert_eq!(shown(&[0, 1]), "0, 1");
        assert_eq!(shown(&[0, 3, 4, 5, 9, 10]), "0, 3 to 5, 9, 10");
        assert_eq!(shown(&[u32::MAX - 1, u32::MAX]), "4294967294, 4294967295");
    }
}
