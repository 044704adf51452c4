//! The table of thresholds in words, and what the generator itself spoilt.

use super::Page;
use crate::report::figures::{count, latency, percent, span};
use crate::report::summary::{Judgement, Summary, Threshold, Unit};
use crate::report::verdict::is_too_short;

/// A line for each threshold that was set, and for those that are off where they show something.
pub(super) fn thresholds(page: &mut Page, rows: &[Threshold]) {
    if rows.is_empty() {
        return;
    }
    page.line(&format!("{:<22} {:>9} {:>12} {:>13}  result", "threshold", "limit", "value", "of"));
    for row in rows {
        let limit = row.limit.map_or_else(|| "off".to_owned(), |limit| number(row.unit, limit));
        let value = row.value.map_or_else(|| "-".to_owned(), |value| number(row.unit, value));
        let line = format!("  {:<20} {limit:>9} {value:>12} {:>13}  {}", row.name, count(row.n), result(row));
        page.line(line.trim_end());
    }
}

fn number(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count => count(value as u64),
        Unit::Share => percent(value),
        Unit::Seconds => latency(value),
    }
}

fn result(row: &Threshold) -> String {
    let result = match row.result {
        Judgement::Passed => "passed",
        Judgement::TooFew => "passed, too few to exclude the limit",
        Judgement::Failed => "FAILED",
        Judgement::Off => "",
    };
    match &row.kind {
        Some(kind) if result.is_empty() => kind.clone(),
        Some(kind) => format!("{result} ({kind})"),
        None => result.to_owned(),
    }
}

/// What the generator spoilt of its own hold.
pub(super) fn spoilt(page: &mut Page, summary: &Summary) {
    let (generator, hold) = (&summary.generator, summary.run.hold_seconds);
    if generator.spoilt_seconds <= 0.0 {
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
