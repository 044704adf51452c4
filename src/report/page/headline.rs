//! The first screen: whether the run passed, why, and when each threshold was at its worst.

use super::clockface::{self, Clockface};
use super::grid::{Grid, Row};
use super::view::{Fact, Headline, Moment, ThresholdRow};
use crate::error::ExitCode;
use crate::report::numbers::{count, latency, rate, share, span};
use crate::report::summary::{Anomalies, Judgement, Summary, Threshold};
use crate::report::text::limits;
use crate::report::thresholds::is_not_the_servers;
use crate::report::timeline::Slice;

/// The verdict as it is shown first.
pub(super) fn headline(summary: &Summary) -> Headline {
    let code = summary.verdict.code;
    let (outcome, title) = match ExitCode::from_number(code) {
        _ if !summary.run.complete => ("running", "Not finished"),
        Some(ExitCode::Ok) => ("passed", "Passed"),
        Some(ExitCode::Invalid) => ("invalid", "Invalid"),
        Some(ExitCode::Refused) => ("failed", "Refused"),
        Some(ExitCode::Interrupted) => ("invalid", "Cut short"),
        _ => ("failed", "Failed"),
    };
    // The title says it already.
    let reason = summary.verdict.reason.as_str();
    let rest = ["Passed: ", "Failed: ", "Invalid: "].iter().find_map(|prefix| reason.strip_prefix(prefix));
    Headline { outcome, title: title.to_owned(), reason: capitalised(rest.unwrap_or(reason)) }
}

/// The run, its time, its length and its users.
pub(super) fn facts(summary: &Summary) -> Vec<Fact> {
    let run = &summary.run;
    let (began, ended) = clockface::span(summary);
    let fact = |name: &str, value: String| Fact { name: name.to_owned(), value };
    let mut facts = vec![
        fact("Run", format!("{} on {}", run.id, run.plenary)),
        fact("Began", clockface::whole(began)),
        fact(if run.complete { "Ended" } else { "Last heard of" }, clockface::whole(ended)),
        fact("Lasted", format!("{}, of which {} at full load", span(run.duration_seconds), span(run.hold_seconds))),
        fact("Users", count(summary.users.target)),
    ];
    if let Some(chat) = summary.rates.get("chat") {
        facts.push(fact("Messages", format!("{} of {} set", rate(chat.achieved), rate(chat.set))));
    }
    let expected = summary.deliveries.expected.saturating_add(summary.remote.deliveries.expected);
    let on_time = summary.deliveries.on_time.saturating_add(summary.remote.deliveries.on_time);
    facts.push(fact("Deliveries", format!("{} expected, {} on time", count(expected), share(on_time, expected))));
    if let Some(p99) = summary.delivery_seconds.get("intended").and_then(|times| times.p99) {
        facts.push(fact("99 % arrived within", latency(p99)));
    }
    let generators = match summary.parts.len() {
        0 if run.shard.count > 1 => format!("shard {} alone", run.shard),
        0 => "1".to_owned(),
        n => format!("{} of {}", count(n as u64), run.shard.count.max(1)),
    };
    facts.push(fact("Generators", generators));
    facts.push(fact("Exit code", exit_code(summary.verdict.code)));
    facts
}

fn exit_code(code: u8) -> String {
    ExitCode::from_number(code).map_or_else(|| code.to_string(), |known| format!("{code}: {}", known.meaning()))
}

/// The thresholds: failed ones first, those that are off last.
pub(super) fn thresholds(summary: &Summary, grid: Option<&Grid>, clockface: &Clockface) -> Vec<ThresholdRow> {
    let mut rows: Vec<&Threshold> = summary.verdict.thresholds.iter().collect();
    rows.sort_by_key(|row| match row.result {
        Judgement::Failed => 0,
        Judgement::TooFew => 1,
        Judgement::Passed => 2,
        Judgement::NotJudged => 3,
        Judgement::Off => 4,
    });
    let row = |row: &Threshold| ThresholdRow {
        name: match &row.kind {
            Some(kind) => format!("{} ({kind})", row.name),
            None => row.name.clone(),
        },
        limit: row.limit.map_or_else(|| "off".to_owned(), |limit| bound(row, limit)),
        value: row.value.map_or_else(|| "–".to_owned(), |value| limits::value(row, value)),
        n: count(row.n),
        result: match row.result {
            Judgement::Failed => "failed",
            Judgement::TooFew => "too_few",
            Judgement::Passed => "passed",
            Judgement::NotJudged => "not_judged",
            Judgement::Off => "off",
        },
        worst: window(row, clockface).or_else(|| grid.and_then(|grid| worst(row, grid, clockface))),
    };
    rows.into_iter().map(row).collect()
}

/// A limit in words; a lower limit says so.
fn bound(row: &Threshold, limit: f64) -> String {
    let text = limits::limit(row.unit, limit);
    if row.below { format!("at least {text}") } else { text }
}

/// The worst window of a rule, or why it was not judged.
fn window(row: &Threshold, clockface: &Clockface) -> Option<Moment> {
    if let Some(why) = &row.why {
        return Some(Moment { from: None, to: None, time: String::new(), text: why.clone() });
    }
    let at = row.at.as_ref()?;
    let (from, to) = (clockface::read(&at.began)?, clockface::read(&at.ended)?);
    let text = row.value.map_or_else(String::new, |value| limits::value(row, value));
    Some(Moment { from: Some(from), to: Some(to), time: clockface.span(from, to), text })
}

/// The slice in which a threshold's figure was highest, if it was above zero.
fn worst(threshold: &Threshold, grid: &Grid, clockface: &Clockface) -> Option<Moment> {
    let figure = figure(threshold)?;
    let figures = grid.rows.iter().filter_map(|row| Some((row, figure(row.slice.as_ref()?)?)));
    let (row, (_, text)) = figures.max_by(|(_, one), (_, other)| one.0.total_cmp(&other.0))?;
    Some(moment(row, clockface, text))
}

fn moment(row: &Row, clockface: &Clockface, text: String) -> Moment {
    let (from, to) = (clockface::seconds(row.start), row.end());
    Moment { from: Some(from), to: Some(to), time: clockface.span(from, to), text }
}

/// A threshold's figure in one slice, and the same in words; `None` if it is zero.
type Figure = Box<dyn Fn(&Slice) -> Option<(f64, String)>>;

fn figure(threshold: &Threshold) -> Option<Figure> {
    let counted = |of: fn(&Slice) -> u64| -> Figure { Box::new(move |slice| some(of(slice))) };
    let name = threshold.name.as_str();
    if let Some(stage) = name.strip_prefix("error_rate(").and_then(|rest| rest.strip_suffix(')')) {
        let stage = stage.to_owned();
        return Some(Box::new(move |slice| some(errors(slice, &stage))));
    }
    Some(match name {
        "lost" => counted(|slice| slice.all_deliveries().lost),
        "late" => counted(|slice| slice.all_deliveries().late),
        "outstanding" => counted(|slice| slice.all_deliveries().outstanding),
        "cut" => counted(cut),
        "anomalies" => counted(|slice| anomalies(&slice.anomalies).max(anomalies(&slice.remote.anomalies))),
        "p99" => Box::new(|slice| quantile(slice, 0.99)),
        "p50" => Box::new(|slice| quantile(slice, 0.5)),
        _ => return None,
    })
}

#[allow(clippy::cast_precision_loss, reason = "only to compare")]
fn some(n: u64) -> Option<(f64, String)> {
    (n > 0).then(|| (n as f64, count(n)))
}

fn quantile(slice: &Slice, q: f64) -> Option<(f64, String)> {
    slice.times.sketch().quantile(q).map(|seconds| (seconds, latency(seconds)))
}

/// Connections that the server or the network ended.
pub(super) fn cut(slice: &Slice) -> u64 {
    let by = |initiator: &str| slice.disconnects.get(initiator).into_iter().flat_map(|reasons| reasons.values());
    by("server").chain(by("network")).fold(0, |sum, n| sum.saturating_add(*n))
}

fn anomalies(kinds: &Anomalies) -> u64 {
    kinds.duplicate.max(kinds.reordered).max(kinds.unexpected).max(kinds.corrupt)
}

/// The server's errors in a stage.
fn errors(slice: &Slice, stage: &str) -> u64 {
    if stage == "delivery" {
        return slice.all_deliveries().lost;
    }
    let kinds = slice.errors.get(stage).into_iter().flatten();
    kinds.filter(|(kind, _)| !is_not_the_servers(kind)).fold(0, |sum, (_, n)| sum.saturating_add(*n))
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}
