//! The table of thresholds in words, and the time that the generator itself spoilt.

use super::page::Page;
use crate::model::RuleOption;
use crate::report::numbers::{self, count, latency, percent, span};
use crate::report::rules::shown;
use crate::report::summary::{Judged, Judgement, Summary, Threshold, Unit};
use crate::report::thresholds::not_judged;
use crate::report::validity::is_too_short;

/// A row for each threshold that was set, and for those that are off but have found something.
pub(super) fn thresholds(page: &mut Page, rows: &[Threshold]) {
    if rows.is_empty() {
        return;
    }
    page.line(&format!("{:<22} {:>9} {:>12} {:>13}  result", "threshold", "limit", "value", "of"));
    for row in rows.iter().filter(|row| row.rule.is_none()) {
        let limit = row.limit.map_or_else(|| "off".to_owned(), |limit| self::limit(row.unit, limit));
        let value = row.value.map_or_else(|| "-".to_owned(), |value| self::value(row, value));
        let line = format!("  {:<20} {limit:>9} {value:>12} {:>13}  {}", row.name, count(row.n), result(row));
        page.line(line.trim_end());
    }
    rules(page, rows);
}

/// A row for each rule of --fail-if and --abort-if, with its worst window.
fn rules(page: &mut Page, rows: &[Threshold]) {
    let rows: Vec<&Threshold> = rows.iter().filter(|row| row.rule.is_some()).collect();
    if rows.is_empty() {
        return;
    }
    page.line("");
    page.line(&format!("{:<36} {:>12} {:>13}  result", "fails if", "value", "of"));
    for row in rows {
        let value = row.value.map_or_else(|| "-".to_owned(), |value| self::value(row, value));
        let mut line = format!("  {:<34} {value:>12} {:>13}  {}", row.name, count(row.n), result(row));
        // If all was well, the time of a worst window means nothing.
        let well = if row.below { row.value >= Some(1.0) } else { row.value == Some(0.0) };
        if let Some(at) = row.at.as_ref().filter(|_| !well || row.result == Judgement::Failed) {
            line.push_str(&format!(", at its worst from {} to {}", at.began, at.ended));
        }
        if row.rule == Some(RuleOption::AbortIf) {
            line.push_str(if row.result == Judgement::Failed { "; ends the run" } else { "; would end the run" });
        }
        page.line(line.trim_end());
    }
}

/// A limit in words.
pub(in crate::report) fn limit(unit: Unit, limit: f64) -> String {
    match unit {
        Unit::Count => count(limit as u64),
        Unit::Share => numbers::limit(limit),
        Unit::Seconds => latency(limit),
        Unit::SharePerHour => format!("{}/h", numbers::limit(limit)),
    }
}

/// The value found, with enough digits to show whether it is over the limit.
pub(in crate::report) fn value(row: &Threshold, value: f64) -> String {
    shown(row.unit, row.limit, row.below, value)
}

fn result(row: &Threshold) -> String {
    let result = match row.result {
        Judgement::Passed => "passed",
        Judgement::TooFew => "passed, too few to exclude the limit",
        Judgement::Failed => "FAILED",
        Judgement::Off => "",
        Judgement::NotJudged => "not judged",
    };
    if let Some(why) = &row.why {
        return format!("{result}: {why}");
    }
    match &row.kind {
        Some(kind) if result.is_empty() => kind.clone(),
        Some(kind) => format!("{result} ({kind})"),
        None => result.to_owned(),
    }
}

/// A row about the deliveries above that are not judged.
pub(super) fn left_out(page: &mut Page, all: &Judged, judged: Option<&Judged>) {
    let Some(Judged { deliveries: judged, anomalies: few }) = judged else { return };
    let Judged { deliveries, anomalies } = all;
    let kinds = [
        ("lost", deliveries.lost, judged.lost),
        ("late", deliveries.late, judged.late),
        ("duplicate", anomalies.duplicate, few.duplicate),
        ("reordered", anomalies.reordered, few.reordered),
        ("unexpected", anomalies.unexpected, few.unexpected),
        ("corrupt", anomalies.corrupt, few.corrupt),
    ];
    let differ = kinds.map(|(name, all, judged)| (name, all.saturating_sub(judged)));
    let said: Vec<String> =
        differ.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{} {name}", count(*n))).collect();
    if !said.is_empty() {
        let n = differ.iter().map(|(_, n)| n).fold(0_u64, |sum, n| sum.saturating_add(*n));
        page.number("not judged", n, &format!("{}: the generator spoilt their time", said.join(", ")));
    }
}

/// A row about the part of the hold that the generator spoilt.
pub(super) fn spoilt(page: &mut Page, summary: &Summary) {
    let (generator, hold) = (&summary.generator, summary.run.hold_seconds);
    if generator.spoilt_seconds <= 0.0 {
        if !not_judged(summary).is_empty() {
            page.row("spoilt", "nothing of the hold, but time before or after it, in which deliveries are not judged");
        }
        return;
    }
    let why: Vec<String> = generator
        .spoilt_by
        .iter()
        .map(|(by, seconds)| format!("{} {}", by.replace('_', " "), span(*seconds)))
        .collect();
    let by = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
    let share = if is_too_short(generator, hold) {
        "too short to judge saturation".to_owned()
    } else {
        percent((generator.spoilt_seconds / hold * 1e4).round() / 1e4)
    };
    page.row("spoilt", &format!("{} of the hold of {}{by}: {share}", span(generator.spoilt_seconds), span(hold)));
}

#[cfg(test)]
mod tests {
    use crate::report::inputs::tests::night;
    use crate::report::text::render;

    #[test]
    fn what_is_not_judged_has_a_line_and_a_reason() {
        let mut summary = night();
        assert!(!render(&summary).contains("not judged"));
        (summary.deliveries.lost, summary.deliveries.late, summary.remote.anomalies.unexpected) = (56, 3, 2);
        let page = render(&summary);
        assert!(
            page.contains("not judged                  59  56 lost, 3 late: the generator spoilt their time"),
            "{page}"
        );
        assert!(page.contains("not judged                   2  2 unexpected: the generator"), "{page}");
        assert!(page.contains("spoilt             nothing of the hold, but time before or after it"), "{page}");
        assert!(page.contains("saturated          never in the hold"), "{page}");
    }
}
