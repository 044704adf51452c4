//! The table of thresholds: each limit, the value found, and the result.
//!
//! Pure: reads only a summary's judged figures and limits, so that one generator's run and a merged one
//! are judged alike. [`super::verdict`] puts the results into words.

use crate::model::{FailureKind, SocketKind, Stage};
use crate::report::end::End;
use crate::report::marked::{Marked, without, without_anomalies};
use crate::report::summary::{Anomalies, CountsByLabel, Deliveries, Judged, Judgement, Summary, Threshold, Unit};

/// If nothing was seen in `n`, the true share is under 3 / n with 95 % confidence (Hanley and Lippman-Hand,
/// "If nothing goes wrong, is everything all right?", JAMA 249, 1983).
pub(super) const RULE_OF_THREE: f64 = 3.0;

/// Name of the row for a run in which there was nothing to measure.
pub(super) const NOTHING_MEASURED: &str = "nothing_measured";

/// Whether error rates leave out this kind of error: those of the stop, of a command, and the generator's own.
pub(super) fn is_not_the_servers(kind: &str) -> bool {
    let mut ours = FailureKind::OWN_FAULTS.iter().chain([&FailureKind::Stopping, &FailureKind::Disconnected]);
    ours.any(|ours| ours.as_str() == kind)
}

/// The figures that thresholds read, for local and remote messages together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) expected: u64,
    pub(super) late: u64,
    pub(super) lost: u64,
    pub(super) outstanding: u64,
    /// Deliveries with a verdict.
    pub(super) settled: u64,
}

impl Found {
    /// The judged figures; for a file of 0.1, which has none, those of all deliveries.
    pub(super) fn of(summary: &Summary) -> Self {
        let local = summary.judged.as_ref().map_or(&summary.deliveries, |judged| &judged.deliveries);
        let remote = &summary.remote;
        let remote = remote.judged.as_ref().map_or(&remote.deliveries, |judged| &judged.deliveries);
        let sum = |of: fn(&Deliveries) -> u64| of(local).saturating_add(of(remote));
        let (expected, outstanding) = (sum(|d| d.expected), sum(|d| d.outstanding));
        Self {
            expected,
            late: sum(|d| d.late),
            lost: sum(|d| d.lost),
            outstanding,
            settled: expected.saturating_sub(outstanding),
        }
    }
}

/// The users' connections that the server or the network ended, and those that joined.
pub(super) fn cut(summary: &Summary) -> (u64, u64) {
    let Some(sockets) = summary.connections.get(SocketKind::Room.as_str()) else { return (0, 0) };
    let by = |initiator: &str| sockets.disconnects.get(initiator).map_or(0, |reasons| reasons.values().sum::<u64>());
    // A file of 0.1 has only those that ended.
    let ended = by("user") + by("server") + by("network");
    let aside = summary.set_aside().map_or(0, Marked::cut);
    ((by("server") + by("network")).saturating_sub(aside), sockets.joined.max(ended).saturating_sub(aside))
}

fn judged_anomalies(summary: &Summary) -> [&Anomalies; 2] {
    let (local, remote) = (summary.judged.as_ref(), summary.remote.judged.as_ref());
    [
        local.map_or(&summary.anomalies, |judged| &judged.anomalies),
        remote.map_or(&summary.remote.anomalies, |judged| &judged.anomalies),
    ]
}

/// Anomalies by kind, of local and remote messages together.
pub(super) fn anomalies(summary: &Summary) -> [(&'static str, u64); 4] {
    by_kind(judged_anomalies(summary))
}

fn by_kind([local, remote]: [&Anomalies; 2]) -> [(&'static str, u64); 4] {
    let sum = |of: fn(&Anomalies) -> u64| of(local).saturating_add(of(remote));
    [
        ("duplicate", sum(|a| a.duplicate)),
        ("reordered", sum(|a| a.reordered)),
        ("unexpected", sum(|a| a.unexpected)),
        ("corrupt", sum(|a| a.corrupt)),
    ]
}

/// The most frequent kind of anomaly, of local and remote messages together.
pub(super) fn worst_anomaly(summary: &Summary) -> (&'static str, u64) {
    anomalies(summary).into_iter().rev().max_by_key(|(_, n)| *n).unwrap_or(("duplicate", 0))
}

/// All figures except tolerated planned disruptions: what would be judged if nothing were spoilt.
pub(super) fn all_but_set_aside(summary: &Summary) -> [Judged; 2] {
    let none = Marked::default();
    let aside = summary.set_aside().unwrap_or(&none);
    let rest = |all: &Deliveries, odd: &Anomalies, part: &Deliveries, part_odd: &Anomalies| Judged {
        deliveries: without(all, part),
        anomalies: without_anomalies(odd, part_odd),
    };
    let (remote, aside_remote) = (&summary.remote, &aside.remote);
    [
        rest(&summary.deliveries, &summary.anomalies, &aside.deliveries, &aside.anomalies),
        rest(&remote.deliveries, &remote.anomalies, &aside_remote.deliveries, &aside_remote.anomalies),
    ]
}

/// Faults left out of the judged figures as spoilt, by name: `lost`, `late` and the kinds of anomalies.
/// Planned disruptions do not count.
pub(super) fn not_judged(summary: &Summary) -> Vec<(&'static str, u64)> {
    let [local, remote] = all_but_set_aside(summary);
    let all = [&local.anomalies, &remote.anomalies];
    let (local, remote) = (&local.deliveries, &remote.deliveries);
    let found = Found::of(summary);
    let left_out = [("lost", local.lost, remote.lost, found.lost), ("late", local.late, remote.late, found.late)]
        .map(|(name, local, remote, judged)| (name, local.saturating_add(remote).saturating_sub(judged)));
    let anomalies = by_kind(all).into_iter().zip(anomalies(summary));
    let anomalies = anomalies.map(|((kind, all), (_, judged))| (kind, all.saturating_sub(judged)));
    left_out.into_iter().chain(anomalies).filter(|(_, n)| *n > 0).collect()
}

/// The thresholds of deliveries that pass only because spoilt deliveries are left out.
pub(super) fn failed_but_for_spoilt_time(summary: &Summary, end: &End) -> Vec<String> {
    if not_judged(summary).is_empty() {
        return Vec::new();
    }
    let mut all = summary.clone();
    (all.judged, all.remote.judged) = all_but_set_aside(summary).map(Some).into();
    let judged = table(summary, end);
    let passes = |name: &str| judged.iter().any(|row| row.name == name && row.result != Judgement::Failed);
    let rows = table(&all, end).into_iter().filter(|row| ["lost", "late", "anomalies"].contains(&row.name.as_str()));
    rows.filter(|row| row.result == Judgement::Failed && passes(&row.name)).map(|row| row.name).collect()
}

/// Operations of a stage, and those of its errors that count for the error rate.
pub(super) fn errors(summary: &Summary, stage: &str) -> (u64, u64) {
    let operations = summary.operations.get(stage).copied().unwrap_or(0);
    let none = CountsByLabel::new();
    let kinds = summary.errors.get(stage).unwrap_or(&none);
    if stage == Stage::Delivery.as_str() {
        return (Found::of(summary).settled, of_deliveries(summary));
    }
    let aside = summary.set_aside();
    let operations = operations.saturating_sub(aside.map_or(0, |aside| aside.operations(stage)));
    let judged = |(kind, n): (&String, &u64)| n.saturating_sub(aside.map_or(0, |aside| aside.errors(stage, kind)));
    let ours: u64 = kinds.iter().filter(|(kind, _)| is_not_the_servers(kind)).map(judged).sum();
    let all: u64 = kinds.iter().map(judged).sum();
    (operations.saturating_sub(ours), all - ours)
}

/// Errors of the stage `delivery`: losses and corrupt arrivals, unless limits of their own cover them.
fn of_deliveries(summary: &Summary) -> u64 {
    let limits = &summary.thresholds;
    let lost = if limits.max_lost.is_some() { Found::of(summary).lost } else { 0 };
    let corrupt = judged_anomalies(summary).iter().map(|anomalies| anomalies.corrupt).fold(0, u64::saturating_add);
    lost.saturating_add(if limits.max_anomalies.is_some() { corrupt } else { 0 })
}

/// All expected deliveries, those that the generator spoilt included.
fn expected(summary: &Summary) -> u64 {
    summary.deliveries.expected.saturating_add(summary.remote.deliveries.expected)
}

/// Whether any user ever joined.
pub(super) fn anybody_joined(summary: &Summary) -> bool {
    cut(summary).1 > 0 || expected(summary) > 0
}

/// Whether messages should have been sent but no delivery was expected.
pub(super) fn nothing_expected(summary: &Summary) -> bool {
    let hold = summary.run.hold_seconds;
    // At a low or mostly paused rate, not even one may have been due.
    let due = |set: f64| set > 0.0 && (hold <= 0.0 || set * hold >= 1.0);
    let were_to_be = summary.rates.get("chat").is_some_and(|rate| due(rate.set));
    were_to_be && expected(summary) == 0
}

/// Every threshold, in order. Thresholds that only the end can show do not apply to a run in progress.
pub(super) fn table(summary: &Summary, end: &End) -> Vec<Threshold> {
    if matches!(end, End::Refused(_)) {
        return Vec::new();
    }
    let (limits, found) = (&summary.thresholds, Found::of(summary));
    let messages = summary.messages.sent.get("chat").copied().unwrap_or(0);
    let messages = messages.saturating_sub(summary.set_aside().map_or(0, |aside| aside.sent));
    let of_expected = |name, limit, n| share(name, limit, n, found.expected, messages);
    let mut rows = vec![nothing_measured(summary), lost(summary, found, messages)];
    rows.push(of_expected("late", limits.max_late, found.late));
    let (kind, n) = worst_anomaly(summary);
    let kind = (n > 0).then(|| kind.to_owned());
    rows.push(Threshold { kind, ..of_expected("anomalies", limits.max_anomalies, n) });
    let (ended, joined) = cut(summary);
    rows.push(share("cut", limits.max_cut, ended, joined, joined));
    rows.push(p99(summary));
    let stages = Stage::ALL.iter().map(|stage| stage.as_str());
    rows.extend(stages.filter(|stage| summary.operations.contains_key(*stage) || has_errors(summary, stage)).map(
        |stage| {
            let (operations, errors) = errors(summary, stage);
            share(&format!("error_rate({stage})"), limits.max_error_rate, errors, operations, operations)
        },
    ));
    let limit = (*end != End::Running).then_some(0);
    rows.push(counted("outstanding", limit, found.outstanding, found.expected));
    rows
}

fn has_errors(summary: &Summary, stage: &str) -> bool {
    summary.errors.get(stage).is_some_and(|kinds| kinds.values().any(|n| *n > 0))
}

fn nothing_measured(summary: &Summary) -> Threshold {
    let nothing = !anybody_joined(summary) || nothing_expected(summary);
    counted(NOTHING_MEASURED, Some(0), u64::from(nothing), expected(summary))
}

fn lost(summary: &Summary, found: Found, messages: u64) -> Threshold {
    match summary.thresholds.max_lost {
        Some(most) => counted("lost", Some(most), found.lost, found.expected),
        None => share("lost", summary.thresholds.max_lost_share, found.lost, found.expected, messages),
    }
}

fn p99(summary: &Summary) -> Threshold {
    let limit = summary.thresholds.max_p99_seconds;
    let times = summary.judged_seconds.get("intended").or_else(|| summary.delivery_seconds.get("intended"));
    let (value, n) = (times.and_then(|times| times.p99), times.map_or(0, |times| times.count));
    let result = match (limit, value) {
        (None, _) => Judgement::Off,
        (Some(limit), Some(value)) if value > limit => Judgement::Failed,
        (Some(_), None) => Judgement::TooFew,
        _ => Judgement::Passed,
    };
    Threshold::new("p99", Unit::Seconds, limit, value, n, result)
}

fn counted(name: &str, limit: Option<u64>, found: u64, n: u64) -> Threshold {
    let result = match limit {
        None => Judgement::Off,
        Some(limit) if found > limit => Judgement::Failed,
        Some(_) => Judgement::Passed,
    };
    let (limit, value) = (limit.map(|limit| limit as f64), Some(found as f64));
    Threshold::new(name, Unit::Count, limit, value, n, result)
}

/// The row for `found` of `n`, with a sample of `independent` independent ones.
fn share(name: &str, limit: Option<f64>, found: u64, n: u64, independent: u64) -> Threshold {
    let result = match limit {
        None => Judgement::Off,
        Some(limit) if found > 0 && found as f64 > limit * n as f64 => Judgement::Failed,
        // With a limit of 0 there is no smaller share to exclude.
        Some(limit) if found == 0 && limit > 0.0 && (independent as f64) * limit < RULE_OF_THREE => Judgement::TooFew,
        Some(_) => Judgement::Passed,
    };
    let value = (n > 0 || found > 0).then(|| found as f64 / n.max(found) as f64);
    Threshold::new(name, Unit::Share, limit, value, n, result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::inputs::tests::night;

    fn row(name: &str, change: impl FnOnce(&mut Summary)) -> Threshold {
        let mut summary = night();
        change(&mut summary);
        table(&summary, &End::Settled).into_iter().find(|row| row.name == name).unwrap()
    }

    #[test]
    fn every_threshold_has_a_row() {
        let names: Vec<String> = table(&night(), &End::Settled).into_iter().map(|row| row.name).collect();
        let first = ["nothing_measured", "lost", "late", "anomalies", "cut", "p99", "error_rate(signup)"];
        assert_eq!(names[..7], first);
        assert_eq!(names.last().unwrap(), "outstanding");
        assert!(table(&night(), &End::Refused(String::new())).is_empty());
    }

    #[test]
    fn nothing_seen_in_fewer_than_three_over_the_limit_excludes_nothing() {
        let result = |messages: u64, late: u64| {
            row("late", |s| {
                s.messages.sent.insert("chat".into(), messages);
                s.judged.as_mut().unwrap().deliveries.late = late;
            })
            .result
        };
        // A limit of 1 % needs 300 messages, however many deliveries each of them has.
        assert_eq!([result(299, 0), result(300, 0)], [Judgement::TooFew, Judgement::Passed]);
        assert_eq!(result(299, 1), Judgement::Passed, "something was seen");
    }

    #[test]
    fn nothing_seen_excludes_nothing_below_a_limit_of_0() {
        let late = row("late", |s| {
            s.messages.sent.insert("chat".into(), 5);
            s.thresholds.max_late = Some(0.0);
        });
        assert_eq!(late.result, Judgement::Passed);
    }

    #[test]
    fn a_count_needs_no_message_numbers() {
        assert_eq!(row("lost", |s| s.messages.sent.clear()).result, Judgement::Passed);
        let shared = |s: &mut Summary| (s.thresholds.max_lost, s.thresholds.max_lost_share) = (None, Some(0.001));
        let lost = row("lost", shared);
        assert_eq!((lost.unit, lost.limit, lost.result), (Unit::Share, Some(0.001), Judgement::TooFew));
    }

    #[test]
    fn what_is_off_is_shown_and_not_judged() {
        let late = row("late", |s| {
            s.thresholds.max_late = None;
            s.judged.as_mut().unwrap().deliveries.late = 120_000;
        });
        assert_eq!((late.limit, late.value, late.result), (None, Some(0.5), Judgement::Off));
        let stage = row("error_rate(signup)", |s| {
            s.thresholds.max_error_rate = None;
            s.errors.insert("signup".into(), CountsByLabel::from([("timeout".into(), 150)]));
        });
        assert_eq!(stage.result, Judgement::Off);
    }

    #[test]
    fn the_generators_own_errors_are_in_no_error_rate() {
        for kind in ["stopping", "disconnected", "overdue", "no_files", "no_ports"] {
            let stage = row("error_rate(signup)", |s| {
                s.errors.insert("signup".into(), CountsByLabel::from([(kind.into(), 150), ("timeout".into(), 5)]));
            });
            assert_eq!((stage.n, stage.value), (50, Some(0.1)), "{kind}");
        }
    }

    #[test]
    fn losses_are_in_no_error_rate_where_they_have_a_share_of_their_own_or_none() {
        let result = |count, share| {
            row("error_rate(delivery)", |s| {
                s.judged.as_mut().unwrap().deliveries.lost = 10_000;
                (s.thresholds.max_lost, s.thresholds.max_lost_share) = (count, share);
            })
            .result
        };
        assert_eq!(result(Some(20_000), None), Judgement::Failed);
        assert_eq!([result(None, Some(0.5)), result(None, None)], [Judgement::Passed; 2]);
    }
}
