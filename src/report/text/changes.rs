//! What changed during the hold, in words.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use super::page::Page;
use crate::report::changes::{ChangeKind, Changes, FigureChange, FigureUnit, Interval, LevelStep};
use crate::report::drift::Figure;
use crate::report::numbers::{bytes, count, latency, span};
use crate::report::timeline::Timeline;

/// A longer stretch needs dates besides times, in seconds.
const DAY: u64 = 86_400;

/// A row for each figure that changed, or one that says that none did.
pub(super) fn drift(page: &mut Page, changes: Option<&Changes>) {
    let Some(changes) = changes else { return };
    let length = changes.to.saturating_sub(changes.from);
    #[allow(clippy::cast_precision_loss, reason = "seconds of a run")]
    let over = span(length as f64);
    let changed = changes.figures.iter().filter(|figure| figure.change != ChangeKind::None);
    let lines: Vec<(&str, String)> =
        changed.map(|figure| (figure.name.as_str(), sentence(figure, length > DAY))).collect();
    let looked = count(u64::try_from(changes.figures.len()).unwrap_or(u64::MAX));
    if lines.is_empty() {
        page.row("drift", &format!("none over {over} of the hold, of {looked} figures"));
        return;
    }
    page.row("drift", &format!("over {over} of the hold, of {looked} figures"));
    for (name, said) in lines {
        page.line(&format!("  {:<16} {said}", name.replace('_', " ")));
    }
}

/// First, last, least and greatest value of each watched series, from the means of slices.
pub(super) fn watched(page: &mut Page, timeline: Option<&Timeline>) {
    let slices = timeline.map_or(&[][..], |timeline| &timeline.slices);
    let names: BTreeSet<&String> = slices.iter().flat_map(|slice| slice.watched.keys()).collect();
    if names.is_empty() {
        return;
    }
    let heads = ["first", "last", "least", "most"].map(|head| format!("{head:>12}"));
    page.line(&format!("{:<18} {}", "watched", heads.join(" ")));
    for name in names {
        let figure = Figure::Watched(name.clone());
        let means: Vec<f64> = slices.iter().filter_map(|slice| figure.value(slice)).collect();
        let (Some(first), Some(last)) = (means.first(), means.last()) else { continue };
        let (least, most) =
            means.iter().fold((*first, *first), |(least, most), mean| (least.min(*mean), most.max(*mean)));
        let cells = [*first, *last, least, most].map(|value| format!("{:>12}", number(value)));
        page.line(&format!("  {name:<16} {}", cells.join(" ")));
    }
}

/// A number of any size with four digits.
fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e6 || (size < 1e-3 && size > 0.0) { format!("{value:.3e}") } else { rounded(value) }
}

/// `rose by 9.8 % per hour (6.1 to 13.2)`, `stepped up by 30 % at 03:12 UTC`.
pub(in crate::report) fn sentence(figure: &FigureChange, dated: bool) -> String {
    match (figure.change, figure.step) {
        (ChangeKind::Step, Some(step)) => stepped(step, figure.unit, dated),
        _ => sloped(figure),
    }
}

fn stepped(step: LevelStep, unit: FigureUnit, dated: bool) -> String {
    let way = if step.after >= step.before { "up" } else { "down" };
    let by = if step.before > 0.0 {
        format!("by {} %", rounded((step.after / step.before - 1.0).abs() * 100.0))
    } else {
        format!("from {} to {}", amount(step.before, unit), amount(step.after, unit))
    };
    format!("stepped {way} {by} at {}", time(step.at, dated))
}

fn sloped(figure: &FigureChange) -> String {
    let slope = figure.relative_per_hour.unwrap_or(figure.per_hour);
    let (rose, sign) = if slope.value >= 0.0 { ("rose", 1.0) } else { ("fell", -1.0) };
    // A fall by 2 to 4 % is shown without signs, the smaller number first.
    let bounds = if sign > 0.0 { [slope.low, slope.high] } else { [slope.high, slope.low] };
    let [low, high] = bounds.map(|bound| bound.map(|bound| bound * sign));
    let positive = Interval { value: slope.value * sign, low, high };
    if figure.relative_per_hour.is_some() || figure.unit == FigureUnit::Share {
        let unit = if figure.relative_per_hour.is_some() { "%" } else { "percentage points" };
        let shown = |part: f64| rounded(part * 100.0);
        return format!("{rose} by {} {unit} per hour{}", shown(positive.value), range(positive, shown));
    }
    let shown = |value: f64| amount(value, figure.unit);
    format!("{rose} by {} per hour{}", shown(positive.value), range(positive, shown))
}

fn range(interval: Interval, shown: impl Fn(f64) -> String) -> String {
    match (interval.low, interval.high) {
        (Some(low), Some(high)) => format!(" ({} to {})", shown(low), shown(high)),
        _ => String::new(),
    }
}

/// A number with two or three digits.
fn rounded(value: f64) -> String {
    let digits = if value.abs() >= 99.95 {
        0
    } else if value.abs() >= 0.095 {
        1
    } else {
        3
    };
    let text = format!("{value:.digits$}");
    if digits == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

fn amount(value: f64, unit: FigureUnit) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    let size = value.abs();
    let text = match unit {
        FigureUnit::Seconds => latency(size),
        FigureUnit::Share => format!("{} %", rounded(size * 100.0)),
        FigureUnit::SharePerHour => format!("{} %/h", rounded(size * 100.0)),
        FigureUnit::PerSecond => format!("{}/s", rounded(size)),
        FigureUnit::PerUserHour => format!("{} per user-hour", rounded(size)),
        FigureUnit::Bytes => bytes(size),
        FigureUnit::Other => number(size),
    };
    format!("{sign}{text}")
}

fn time(at: u64, dated: bool) -> String {
    let Some(moment) = UNIX_EPOCH.checked_add(Duration::from_secs(at.min(253_402_300_799))) else {
        return at.to_string();
    };
    // 2026-11-27T03:12:00Z
    let text = humantime::format_rfc3339_seconds(moment).to_string();
    let (date, clock) = text.split_once('T').unwrap_or(("", &text));
    let clock = clock.rsplit_once(':').map_or(clock, |(minutes, _)| minutes);
    if dated { format!("{date} {clock} UTC") } else { format!("{clock} UTC") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(change: ChangeKind, start: f64, per_hour: [f64; 3]) -> FigureChange {
        let relative = (start > 0.0).then(|| Interval::of(per_hour.map(|bound| bound / start)).unwrap());
        FigureChange {
            name: "p99".to_owned(),
            unit: FigureUnit::Share,
            start,
            per_hour: Interval::of(per_hour).unwrap(),
            relative_per_hour: relative,
            step: Some(LevelStep { at: 1_795_749_120, before: 100.0, after: 130.0 }),
            p: 0.001,
            change,
        }
    }

    #[test]
    fn changes_in_words() {
        let said = |change, start, per_hour| sentence(&figure(change, start, per_hour), false);
        assert_eq!(said(ChangeKind::Slope, 1.0, [0.098, 0.061, 0.132]), "rose by 9.8 % per hour (6.1 to 13.2)");
        assert_eq!(said(ChangeKind::Slope, 1.0, [-0.098, -0.132, -0.061]), "fell by 9.8 % per hour (6.1 to 13.2)");
        assert_eq!(
            said(ChangeKind::Slope, 0.0, [0.002, 0.001, 0.003]),
            "rose by 0.2 percentage points per hour (0.1 to 0.3)"
        );
        assert_eq!(said(ChangeKind::Step, 1.0, [0.0, 0.0, 0.0]), "stepped up by 30 % at 03:12 UTC");
        let dated = sentence(&figure(ChangeKind::Step, 1.0, [0.0; 3]), true);
        assert_eq!(dated, "stepped up by 30 % at 2026-11-27 03:12 UTC");
        let endless = said(ChangeKind::Slope, 1.0, [0.5, f64::NEG_INFINITY, f64::INFINITY]);
        assert_eq!(endless, "rose by 50 % per hour");
    }

    #[test]
    fn none_is_said_too() {
        let changes =
            Changes { from: 0, to: 3_600, slices: 60, figures: vec![figure(ChangeKind::None, 1.0, [0.0; 3])] };
        let mut page = Page::default();
        drift(&mut page, Some(&changes));
        assert_eq!(page.0, "drift              none over 1h of the hold, of 1 figures\n");
    }
}
