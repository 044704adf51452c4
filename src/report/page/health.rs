//! Whether a run in progress is healthy, why not, and since when: judged by the last minutes.

use super::clockface::seconds;
use super::headline::cut;
use crate::model::Thresholds;
use crate::report::numbers::{count, latency, share};
use crate::report::thresholds::is_not_the_servers;
use crate::report::timeline::Slice;

/// The smallest healthy share of the target number of users, once the load is held.
const FEWEST_USERS: f64 = 0.95;
/// Fewer operations than this prove no rate.
const FEWEST_OPERATIONS: u64 = 20;
/// Whether what went wrong is still going wrong: quiet seconds in between.
const QUIET: u64 = 30;
/// Users are judged if this share of the time lies in the hold.
const HELD: f64 = 0.9;

/// What is wrong in a span of this many seconds, in words; empty if nothing is.
pub(super) fn troubles(slice: &Slice, length: u64, limits: &Thresholds) -> Vec<String> {
    let mut found = Vec::new();
    let deliveries = slice.all_deliveries();
    let over = |part: u64, whole: u64, limit: Option<f64>| limit.is_some_and(|limit| is_over(part, whole, limit));
    if slice.hold_seconds > 0.0 && slice.hold_seconds >= seconds(length) * HELD {
        let held = (slice.users.connected + slice.users.away) / slice.users.target.max(1.0);
        if held < FEWEST_USERS {
            found.push(format!("{} of the users are connected", share(thousandths(held), 1_000)));
        }
    }
    if deliveries.lost > 0
        && (limits.max_lost.is_some() || over(deliveries.lost, deliveries.expected, limits.max_lost_share))
    {
        found.push(format!("{} deliveries were lost", count(deliveries.lost)));
    }
    if deliveries.expected >= FEWEST_OPERATIONS && over(deliveries.late, deliveries.expected, limits.max_late) {
        found.push(format!("{} of the deliveries came late", share(deliveries.late, deliveries.expected)));
    }
    if over(cut(slice), whole(slice.users.target / seconds(length.max(1))), limits.max_cut) {
        found.push(format!("the server or the network ended {} connections", count(cut(slice))));
    }
    found.extend(errors(slice, limits));
    if let (Some(limit), Some(p99)) = (limits.max_p99_seconds, slice.times.sketch().quantile(0.99))
        && p99 > limit
    {
        found.push(format!("1 % of the deliveries took longer than {}", latency(p99)));
    }
    found
}

fn errors(slice: &Slice, limits: &Thresholds) -> Vec<String> {
    let failing = |(stage, kinds): (&String, &crate::report::summary::CountsByLabel)| {
        let theirs = kinds.iter().filter(|(kind, _)| !is_not_the_servers(kind));
        let errors = theirs.clone().fold(0_u64, |sum, (_, n)| sum.saturating_add(*n));
        let tried = slice.operations.get(stage).copied().unwrap_or(0).max(errors);
        let limit = limits.max_error_rate?;
        if tried < FEWEST_OPERATIONS || !is_over(errors, tried, limit) {
            return None;
        }
        let (kind, _) = theirs.max_by_key(|(_, n)| **n)?;
        Some(format!(
            "{} of “{}” fail, mostly “{}”",
            share(errors, tried),
            stage.replace('_', " "),
            kind.replace('_', " ")
        ))
    };
    slice.errors.iter().filter_map(failing).collect()
}

#[allow(clippy::cast_precision_loss, reason = "only to compare")]
fn is_over(part: u64, whole: u64, limit: f64) -> bool {
    part > 0 && part as f64 > whole as f64 * limit
}

fn thousandths(part: f64) -> u64 {
    whole(part.clamp(0.0, 1.0) * 1_000.0)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn whole(n: f64) -> u64 {
    n.max(0.0).round() as u64
}

/// Since when it is as it is at the end of these slices, `well` or not; they are in order of time, each with
/// its length in seconds.
pub(super) fn since<'a>(
    slices: impl DoubleEndedIterator<Item = (&'a Slice, u64)>,
    well: bool,
    limits: &Thresholds,
) -> Option<f64> {
    let mut since = None;
    for (slice, length) in slices.rev() {
        let is_well = troubles(slice, length, limits).is_empty();
        if well {
            if !is_well {
                break;
            }
            since = Some(slice.start);
        } else if !is_well {
            since = Some(slice.start);
        } else if since.is_some_and(|start| start > slice.start.saturating_add(length).saturating_add(QUIET)) {
            break;
        }
    }
    since.map(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::inputs::tests::thresholds;
    use crate::report::summary::Deliveries;
    use crate::report::timeline::UserSeconds;

    fn slice(minute: u64, connected: f64, lost: u64) -> Slice {
        let users = UserSeconds { target: 6_000.0, connected: connected * 60.0, away: 0.0 };
        let deliveries = Deliveries { expected: 1_000, on_time: 1_000 - lost, lost, ..Deliveries::default() };
        Slice { start: minute * 60, hold_seconds: 60.0, users, deliveries, ..Slice::default() }
    }

    fn minutes(slices: &[Slice]) -> impl DoubleEndedIterator<Item = (&Slice, u64)> {
        slices.iter().map(|slice| (slice, 60))
    }

    #[test]
    fn what_is_wrong_is_said_and_only_that() {
        assert!(troubles(&slice(0, 100.0, 0), 60, &thresholds()).is_empty());
        let found = troubles(&slice(0, 40.0, 3), 60, &thresholds());
        assert_eq!(found, ["40 % of the users are connected", "3 deliveries were lost"]);
        let mut failing = slice(0, 100.0, 0);
        failing.operations.insert("log_in".into(), 50);
        failing.errors.insert("log_in".into(), [("http_503".into(), 5), ("stopping".into(), 20)].into());
        assert_eq!(troubles(&failing, 60, &thresholds()), ["10 % of “log in” fail, mostly “http 503”"]);
        let mut cut = slice(0, 100.0, 0);
        cut.disconnects.insert("server".into(), [("closed".into(), 100)].into());
        assert_eq!(troubles(&cut, 60, &thresholds()), ["the server or the network ended 100 connections"]);
    }

    #[test]
    fn since_when_it_is_so() {
        let slices = [slice(1, 100.0, 0), slice(2, 50.0, 0), slice(3, 100.0, 0), slice(4, 60.0, 0)];
        assert_eq!(since(minutes(&slices), false, &thresholds()), Some(120.0), "one quiet minute does not end it");
        let slices = [slice(1, 40.0, 0), slice(2, 100.0, 0), slice(3, 100.0, 0)];
        assert_eq!(since(minutes(&slices), true, &thresholds()), Some(120.0));
        assert_eq!(since(minutes(&[]), true, &thresholds()), None);
    }
}
