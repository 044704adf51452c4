//! What the generators of a merged summary say about it: which are missing, did not come to their
//! end, or could not keep up.
//!
//! Looks at [`Summary::parts`] only; the summary of one generator has none and nothing to say here.

use serde::{Deserialize, Serialize};

use crate::report::summary::{Part, Summary};
use crate::report::verdict::{ABORTED, End, REFUSED, is_invalid, spoilt};

/// What a refusal's reason begins with in the verdict of one generator.
const REFUSAL: &str = "The target refused: ";

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardOf {
    /// Which part, from 0; in a merged summary the first of them.
    pub index: u32,
    /// Of how many.
    pub count: u32,
}

impl std::fmt::Display for ShardOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// The shards of the run that no part is of, in order.
#[must_use]
pub fn missing(summary: &Summary) -> Vec<u32> {
    let Some(first) = summary.parts.first() else { return Vec::new() };
    let here = |index: &u32| summary.parts.iter().any(|part| part.run.shard.index == *index);
    (0..first.run.shard.count).filter(|index| !here(index)).collect()
}

/// The parts whose generators did not come to their end: killed, or still running.
pub fn cut_off(summary: &Summary) -> impl Iterator<Item = &Part> {
    summary.parts.iter().filter(|part| !part.run.complete)
}

/// How the merged run ended: as its generators did where they agree and none is missing.
#[must_use]
pub fn end(summary: &Summary) -> End {
    let all = |code| missing(summary).is_empty() && summary.parts.iter().all(|part| part.verdict.code == code);
    match summary.parts.first() {
        Some(first) if all(REFUSED) => End::Refused(without_prefix(&first.verdict.reason).to_owned()),
        Some(_) if all(ABORTED) => End::Aborted,
        _ => End::Settled,
    }
}

/// What keeps the run from having done what it should, one clause each.
pub(super) fn failed(summary: &Summary) -> Vec<String> {
    let mut failed = Vec::new();
    let missing = missing(summary);
    if let (Some(part), false) = (summary.parts.first(), missing.is_empty()) {
        let (what, are) = if missing.len() == 1 { ("shard", "is") } else { ("shards", "are") };
        failed.push(format!("{what} {} of {} {are} missing", listed(&missing), part.run.shard.count));
    }
    failed.extend(
        cut_off(summary).map(|part| {
            format!("shard {} did not come to its end: what there is of it is a checkpoint", part.run.shard)
        }),
    );
    failed.extend(summary.parts.iter().filter(|part| part.run.complete).filter_map(|part| {
        let shard = part.run.shard;
        match part.verdict.code {
            ABORTED => Some(format!("shard {shard} was stopped by a second signal")),
            REFUSED => {
                let said = without_prefix(&part.verdict.reason);
                Some(format!("the target refused shard {shard}: {said}"))
            }
            _ => None,
        }
    }));
    failed
}

/// Which generators could not keep up, if any: one is enough to make the run's numbers invalid.
pub(super) fn invalid(summary: &Summary, limit: Option<f64>) -> Option<String> {
    let invalid: Vec<String> = summary
        .parts
        .iter()
        .filter(|part| is_invalid(&part.generator, part.run.hold_seconds, limit))
        .map(|part| format!("shard {} for {}", part.run.shard, spoilt(&part.generator, part.run.hold_seconds)))
        .collect();
    (!invalid.is_empty()).then(|| format!("generators themselves could not keep up, {}.", invalid.join("; ")))
}

/// Numbers in order, runs of them shortened: `0, 3 to 7, 9`.
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

fn without_prefix(reason: &str) -> &str {
    reason.strip_prefix(REFUSAL).unwrap_or(reason).trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::verdict::judge;

    #[test]
    fn numbers_are_listed_shortly() {
        let shown = |numbers: &[u32]| listed(numbers);
        assert_eq!(shown(&[]), "");
        assert_eq!(shown(&[4]), "4");
        assert_eq!(shown(&[0, 1]), "0, 1");
        assert_eq!(shown(&[0, 3, 4, 5, 9, 10]), "0, 3 to 5, 9, 10");
        assert_eq!(shown(&[u32::MAX - 1, u32::MAX]), "4294967294, 4294967295");
    }

    #[test]
    fn the_prefix_is_the_one_of_the_verdict() {
        let verdict = judge(&crate::report::facts::tests::night(), &End::Refused("it is closed".into()));
        assert_eq!(without_prefix(&verdict.reason), "it is closed");
    }
}
