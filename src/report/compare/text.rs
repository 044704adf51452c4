//! A comparison as text: what got worse first, then the table, then the caveats.

use super::comparison::{Comparison, Outcome, Row, RunSide};
use crate::model::Measure;
use crate::report::changes::{FigureUnit, Interval};
use crate::report::numbers::{bytes, latency, plain, span};

/// The comparison as lines of text, ending in a line break.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let mut lines = vec![verdict(&comparison.figures), String::new()];
    lines.push(side("before", &comparison.before));
    lines.push(side("after", &comparison.after));
    lines.push(String::new());
    lines.push(table_line([&format!("{:<24}", "figure"), "before", "after", "change", "95 % interval"], "result"));
    lines.extend(comparison.figures.iter().map(figure));
    lines.push(String::new());
    if comparison.configured.is_empty() {
        lines.push("configured alike".to_owned());
    } else {
        lines.push("configured differently".to_owned());
        lines.extend(
            comparison.configured.iter().map(|s| format!("  {:<22} {} before, {} after", s.name, s.before, s.after)),
        );
    }
    lines.extend(comparison.notes.iter().map(|note| format!("note: {note}")));
    // Much of the text comes from files, so escape it.
    lines.iter().map(|line| plain(line.trim_end()) + "\n").collect()
}

fn verdict(rows: &[Row]) -> String {
    let named = |wanted: Outcome| {
        let names = rows.iter().filter(|row| row.result == wanted).map(|row| row.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let (worse, within, better) = (named(Outcome::Worse), named(Outcome::WithinTolerance), named(Outcome::Better));
    let mut said = vec![match worse.as_str() {
        "" => "No figure is worse beyond its tolerance.".to_owned(),
        worse => format!("WORSE: {worse}."),
    }];
    if !within.is_empty() {
        said.push(format!("Worse within the tolerance, or without one: {within}."));
    }
    if !better.is_empty() {
        said.push(format!("Better: {better}."));
    }
    said.join(" ")
}

fn side(name: &str, side: &RunSide) -> String {
    let RunSide { file, run, started, seconds, slices } = side;
    format!("{name:<18} {file}: run {run}, started {started}, {} of the hold in {slices} slices", span(*seconds))
}

fn table_line([figure, before, after, change, interval]: [&str; 5], result: &str) -> String {
    format!("{figure:<22} {before:>13} {after:>13} {change:>11} {interval:>21}  {result}")
}

fn figure(row: &Row) -> String {
    let (change, interval) = match row.change {
        Some(change) => (changed(change.value, row.measure), range(change, row.measure)),
        None => ("from none".to_owned(), String::new()),
    };
    let result = match (row.result, row.tolerance) {
        (Outcome::Same, _) => String::new(),
        (Outcome::Better, _) => "better".to_owned(),
        (Outcome::WithinTolerance, None) => "worse".to_owned(),
        (Outcome::WithinTolerance, Some(limit)) => format!("worse, within {}", tolerated(limit, row.measure)),
        (Outcome::Worse, limit) => format!("WORSE by over {}", tolerated(limit.unwrap_or(0.0), row.measure)),
    };
    let (before, after) = (amount(row.before, row.unit), amount(row.after, row.unit));
    format!("  {}", table_line([&format!("{:<20}", row.name), &before, &after, &change, &interval], &result).trim_end())
}

fn range(change: Interval, measure: Measure) -> String {
    let bound = |bound: Option<f64>, none: &str| bound.map_or_else(|| none.to_owned(), |bound| changed(bound, measure));
    format!("{} to {}", bound(change.low, "?").trim_end_matches(" %").trim_end_matches(" pp"), bound(change.high, "?"))
}

fn changed(change: f64, measure: Measure) -> String {
    let unit = match measure {
        Measure::Relative => "%",
        Measure::Points => "pp",
    };
    let percent = change * 100.0;
    // Percentage points of rare losses are small.
    let digits = match percent.abs() {
        size if size >= 99.95 => 0,
        size if size >= 0.95 || measure == Measure::Relative => 1,
        size if size >= 0.0095 || size == 0.0 => 3,
        _ => 5,
    };
    format!("{percent:+.digits$} {unit}")
}

fn tolerated(limit: f64, measure: Measure) -> String {
    let text = format!("{:.4}", limit * 100.0);
    let number = text.trim_end_matches('0').trim_end_matches('.');
    let unit = if measure == Measure::Relative { "%" } else { "pp" };
    format!("{number} {unit}")
}

/// A figure with four digits.
fn amount(value: f64, unit: FigureUnit) -> String {
    let digits = |value: f64| {
        let places = match value.abs() {
            size if size >= 999.5 || size == 0.0 => 0,
            size if size >= 9.995 => 1,
            size if size >= 0.995 => 2,
            size if size >= 0.0095 => 4,
            _ => 6,
        };
        format!("{value:.places$}")
    };
    match unit {
        FigureUnit::Seconds => latency(value),
        FigureUnit::Share => format!("{} %", digits(value * 100.0)),
        FigureUnit::SharePerHour => format!("{} %/h", digits(value * 100.0)),
        FigureUnit::PerSecond => format!("{}/s", digits(value)),
        FigureUnit::PerUserHour => format!("{}/user-h", digits(value)),
        FigureUnit::Bytes => bytes(value),
        FigureUnit::Other if value.abs() >= 1e6 => format!("{value:.3e}"),
        FigureUnit::Other => digits(value),
    }
}
