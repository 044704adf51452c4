//! What happened when, in words, for a reader who knows nothing of the run: bursts of ended connections,
//! losses and late deliveries, what was different at the end, and what the generator spoilt.

use std::cmp::Reverse;

use super::clockface::{Clockface, seconds};
use super::grid::{Grid, Row};
use super::headline::cut;
use super::steering::short;
use super::view::Moment;
use crate::report::changes::{ChangeKind, FigureChange};
use crate::report::numbers::{count, latency, percent, share, span};
use crate::report::recoveries::{RecoveryFigures, said};
use crate::report::summary::Summary;
use crate::report::text::changes::sentence;
use crate::report::thresholds::is_not_the_servers;
use crate::report::timeline::{Slice, TimelineEvent, Times, Watched};

/// Maximum number of moments of one kind.
const MOST_TOLD: usize = 5;
/// Maximum number of commands.
const MOST_COMMANDS: usize = 20;
/// Seconds within which the generators of a run are sent the same command.
const SAME_COMMAND: f64 = 10.0;
/// Maximum number of figures with drift.
const MOST_DRIFTS: usize = 12;
/// Quiet rows within one stretch.
const QUIET: usize = 2;
/// Smallest share of the connected users whose connections end at once that is mentioned.
const BURST: f64 = 0.05;
/// Smallest share of late deliveries that is mentioned.
const LATE: f64 = 0.01;
/// Users have reconnected once this share of the earlier number is connected.
const BACK: f64 = 0.95;
/// The first and the last sixth of the hold are compared.
const PARTS: usize = 6;
/// Smaller changes from start to end are not mentioned.
const CHANGE: f64 = 0.2;

/// The story of a run, in order of time; what concerns the whole run comes first.
pub(super) fn story(summary: &Summary, grid: Option<&Grid>, clockface: &Clockface) -> Vec<Moment> {
    let Some(grid) = grid else { return Vec::new() };
    let mut story = changes(grid);
    story.extend(drift(summary, clockface));
    let mut moments = disconnects(grid, clockface);
    moments.extend(losses(grid, clockface));
    moments.extend(lateness(grid, clockface));
    moments.extend(errors(grid, clockface));
    moments.extend(spoilt(grid, clockface));
    moments.extend(recoveries(summary, clockface));
    moments.extend(commands(summary, clockface));
    moments.sort_by(|one, other| one.from.unwrap_or(0.0).total_cmp(&other.from.unwrap_or(0.0)));
    story.extend(moments);
    if story.is_empty() && summary.run.hold_seconds > 0.0 {
        let text = "Nothing stands out: no burst of losses, late deliveries, errors or ended connections, and the \
                    times to delivery at the end are those of the beginning.";
        story.push(about_all(text.to_owned()));
    }
    story
}

fn about_all(text: String) -> Moment {
    Moment { from: None, to: None, time: String::new(), text }
}

/// Consecutive rows with a figure above 0, and its sum.
struct Stretch {
    first: usize,
    last: usize,
    sum: u64,
}

/// The largest stretches of rows in which something happened, largest first.
fn stretches(rows: &[Row], of: impl Fn(&Slice, f64) -> u64) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let n = row.slice.as_ref().map_or(0, |slice| of(slice, row.covered));
        match found.last_mut() {
            _ if n == 0 => {}
            Some(last) if at - last.last <= QUIET + 1 => (last.last, last.sum) = (at, last.sum.saturating_add(n)),
            _ => found.push(Stretch { first: at, last: at, sum: n }),
        }
    }
    found.sort_by_key(|stretch| Reverse(stretch.sum));
    found.truncate(MOST_TOLD);
    found
}

fn told(grid: &Grid, clockface: &Clockface, stretch: &Stretch, text: String) -> Option<Moment> {
    let (from, to) = (seconds(grid.rows.get(stretch.first)?.start), grid.rows.get(stretch.last)?.end());
    Some(Moment { from: Some(from), to: Some(to), time: clockface.span(from, to), text })
}

fn connected(row: &Row) -> f64 {
    row.slice.as_ref().map_or(0.0, |slice| slice.users.connected / row.covered)
}

/// Many connections that ended at once, and when the users had reconnected.
fn disconnects(grid: &Grid, clockface: &Clockface) -> Vec<Moment> {
    let rows = &grid.rows;
    let most = rows.iter().map(connected).fold(0.0, f64::max);
    #[allow(clippy::cast_precision_loss, reason = "only to compare")]
    let bursts = stretches(rows, |slice, _| Some(cut(slice)).filter(|n| *n as f64 > most * BURST).unwrap_or(0));
    let moment = |burst: &Stretch| {
        let before = burst.first.checked_sub(1).and_then(|at| rows.get(at)).map_or(0.0, connected);
        let back = rows.iter().skip(burst.first + 1).find(|row| connected(row) >= before * BACK);
        let recovery = match back {
            _ if before < 1.0 => String::new(),
            Some(row) => format!("; 95 % of the users were connected again by {}", clockface.time(row.end())),
            None => "; the users were not all back by the end".to_owned(),
        };
        let were =
            if before < 1.0 { String::new() } else { format!("; about {} users had been connected", whole(before)) };
        let text = format!("The server or the network ended {} connections{were}{recovery}.", count(burst.sum));
        told(grid, clockface, burst, text)
    };
    bursts.iter().filter_map(moment).collect()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of users")]
fn whole(n: f64) -> String {
    count(n.max(0.0).round() as u64)
}

fn losses(grid: &Grid, clockface: &Clockface) -> Vec<Moment> {
    let lost = |slice: &Slice| slice.all_deliveries().lost;
    let all = grid.rows.iter().filter_map(|row| row.slice.as_ref()).map(lost).fold(0, u64::saturating_add);
    let moment = |stretch: &Stretch| {
        let of = if stretch.sum == all {
            "all of the run’s".to_owned()
        } else {
            format!("of {} in the whole run", count(all))
        };
        let text = format!("{} deliveries of this time’s messages were lost, {of}.", count(stretch.sum));
        told(grid, clockface, stretch, text)
    };
    stretches(&grid.rows, |slice, _| lost(slice)).iter().filter_map(moment).collect()
}

fn lateness(grid: &Grid, clockface: &Clockface) -> Vec<Moment> {
    #[allow(clippy::cast_precision_loss, reason = "only to compare")]
    let late = |slice: &Slice, _: f64| {
        let deliveries = slice.all_deliveries();
        Some(deliveries.late).filter(|late| *late as f64 > deliveries.expected as f64 * LATE).unwrap_or(0)
    };
    let moment = |stretch: &Stretch| {
        let rows = grid.rows.get(stretch.first..=stretch.last)?;
        let slices = rows.iter().filter_map(|row| row.slice.as_ref());
        let expected = slices.map(|slice| slice.all_deliveries().expected).fold(0, u64::saturating_add);
        let text =
            format!("{} deliveries came late, {} of those expected.", count(stretch.sum), share(stretch.sum, expected));
        told(grid, clockface, stretch, text)
    };
    stretches(&grid.rows, late).iter().filter_map(moment).collect()
}

/// The most frequent errors, and when there were most.
fn errors(grid: &Grid, clockface: &Clockface) -> Vec<Moment> {
    let mut sums: Vec<(String, String, u64)> = Vec::new();
    for slice in grid.rows.iter().filter_map(|row| row.slice.as_ref()) {
        for (stage, kind, n) in
            slice.errors.iter().flat_map(|(stage, kinds)| kinds.iter().map(move |(k, n)| (stage, k, n)))
        {
            match sums.iter_mut().find(|(s, k, _)| s == stage && k == kind) {
                Some((_, _, sum)) => *sum = sum.saturating_add(*n),
                None => sums.push((stage.clone(), kind.clone(), *n)),
            }
        }
    }
    sums.retain(|(_, kind, _)| !is_not_the_servers(kind));
    sums.sort_by_key(|(_, _, n)| Reverse(*n));
    sums.truncate(2);
    let moment = |(stage, kind, all): &(String, String, u64)| {
        let of =
            |slice: &Slice, _: f64| slice.errors.get(stage).and_then(|kinds| kinds.get(kind)).copied().unwrap_or(0);
        let worst = stretches(&grid.rows, of).into_iter().next()?;
        let kind = kind.replace('_', " ");
        let when = if worst.sum == *all {
            "all in this time".to_owned()
        } else {
            format!("{} in this time", count(worst.sum))
        };
        told(grid, clockface, &worst, format!("{} errors “{kind}” at the step “{stage}”, {when}.", count(*all)))
    };
    sums.iter().filter_map(moment).collect()
}

/// How long users took to reconnect after their connections were ended on purpose.
fn recoveries(summary: &Summary, clockface: &Clockface) -> Vec<Moment> {
    let moment = |one: &RecoveryFigures| {
        let to = one.at + one.seconds.all.unwrap_or(0.0);
        let text = format!("{}: {}.", short(&one.what), said(one));
        Moment { from: Some(one.at), to: Some(to), time: clockface.time(one.at), text }
    };
    slowest(summary).into_iter().map(moment).collect()
}

/// What `soakrig ctl` was told, and planned disruptions; the commands of all generators of a run once. Users who
/// were disconnected are told of by [`recoveries`].
fn commands(summary: &Summary, clockface: &Clockface) -> Vec<Moment> {
    let told = slowest(summary);
    let mut found: Vec<&TimelineEvent> = Vec::new();
    for event in summary.timeline.iter().flat_map(|timeline| &timeline.events) {
        let again = |other: &&&TimelineEvent| other.text == event.text && event.at - other.at < SAME_COMMAND;
        let is_recovery = |one: &&RecoveryFigures| one.what == event.text && (one.at - event.at).abs() < SAME_COMMAND;
        let is_told = match event.kind.as_str() {
            "control" => told.iter().any(is_recovery),
            "mark_begin" => false,
            _ => true,
        };
        if !is_told && !found.iter().rev().any(|other| again(&other)) {
            found.push(event);
        }
    }
    let moment = |event: &TimelineEvent| {
        let what = if event.kind == "control" { "Command" } else { "Planned disruption" };
        let text = format!("{what}: {}.", short(&event.text));
        Moment { from: Some(event.at), to: Some(event.at), time: clockface.time(event.at), text }
    };
    found.into_iter().take(MOST_COMMANDS).map(moment).collect()
}

/// The slowest recoveries, slowest first.
fn slowest(summary: &Summary) -> Vec<&RecoveryFigures> {
    let mut slowest: Vec<&RecoveryFigures> = summary.recoveries.iter().collect();
    slowest.sort_by(|one, other| {
        let all = |one: &RecoveryFigures| one.seconds.all.unwrap_or(f64::INFINITY);
        all(other).total_cmp(&all(one))
    });
    slowest.truncate(MOST_TOLD);
    slowest
}

/// What the generator itself spoilt.
fn spoilt(grid: &Grid, clockface: &Clockface) -> Vec<Moment> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let millis = |slice: &Slice, _: f64| (slice.spoilt_seconds * 1e3) as u64;
    let moment = |stretch: &Stretch| {
        #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
        let lasted = span(stretch.sum as f64 / 1e3);
        let text =
            format!("The generator or its machine could not keep up for {lasted}; what that touched is not judged.");
        told(grid, clockface, stretch, text)
    };
    let found = stretches(&grid.rows, millis);
    found.iter().filter(|stretch| stretch.sum >= 1_000).filter_map(moment).collect()
}

/// Figures that moved by more than chance, over the stretch in which they did.
fn drift(summary: &Summary, clockface: &Clockface) -> Vec<Moment> {
    let Some(changes) = &summary.drift else { return Vec::new() };
    let (from, to) = (seconds(changes.from), seconds(changes.to));
    let dated = *clockface != Clockface::Hours;
    let changed = changes.figures.iter().filter(|figure| figure.change != ChangeKind::None);
    let moment = |figure: &FigureChange| Moment {
        from: Some(from),
        to: Some(to),
        time: clockface.span(from, to),
        text: format!("{} {}.", figure.name, sentence(figure, dated)),
    };
    changed.take(MOST_DRIFTS).map(moment).collect()
}

/// What was different at the end of the hold.
fn changes(grid: &Grid) -> Vec<Moment> {
    let held: Vec<&Slice> =
        grid.rows.iter().filter_map(|row| row.slice.as_ref()).filter(|slice| slice.hold_seconds > 0.0).collect();
    let part = held.len() / PARTS;
    let (Some(first), Some(last)) = (held.get(..part), held.get(held.len() - part..)) else { return Vec::new() };
    if part == 0 {
        return Vec::new();
    }
    let length = span(seconds(grid.row_seconds) * seconds(part as u64));
    let mut found = Vec::new();
    for (name, q) in [("Half of the deliveries", 0.5), ("99 % of the deliveries", 0.99)] {
        if let (Some(from), Some(to)) = (quantile(first, q), quantile(last, q))
            && let Some(change) = change(from, to)
        {
            let (from, to) = (latency(from), latency(to));
            found.push(about_all(format!(
                "{name} arrived within {from} in the first {length} and within {to} in the last: {change}."
            )));
        }
    }
    for name in held.iter().flat_map(|slice| slice.watched.keys()).collect::<std::collections::BTreeSet<_>>() {
        let mean = |slices: &[&Slice]| mean(slices.iter().filter_map(|slice| slice.watched.get(name)));
        if let (Some(from), Some(to)) = (mean(first), mean(last))
            && let Some(change) = change(from, to)
        {
            let (from, to) = (value(from), value(to));
            found.push(about_all(format!("The watched series {name} went from {from} to {to}: {change}.")));
        }
    }
    found
}

fn quantile(slices: &[&Slice], q: f64) -> Option<f64> {
    let mut all = Times::default();
    slices.iter().for_each(|slice| all.merge(&slice.times));
    all.sketch().quantile(q)
}

#[allow(clippy::cast_precision_loss, reason = "a mean")]
fn mean<'a>(watched: impl Iterator<Item = &'a Watched>) -> Option<f64> {
    let (sum, n) = watched.fold((0.0, 0_u64), |(sum, n), one| (sum + one.sum, n.saturating_add(one.samples)));
    (n > 0).then(|| sum / n as f64)
}

/// How much more or less; `None` if the change is small.
fn change(from: f64, to: f64) -> Option<String> {
    let part = to / from - 1.0;
    if !part.is_finite() || part.abs() < CHANGE {
        return None;
    }
    Some(match part {
        part if part >= 1.0 => format!("{:.1} times as much", part + 1.0),
        part if part > 0.0 => format!("{} more", percent(part)),
        part => format!("{} less", percent(-part)),
    })
}

/// A figure of a series of unknown unit, in three digits.
fn value(n: f64) -> String {
    match n.abs() {
        size if size >= 1e9 => format!("{:.2} billion", n / 1e9),
        size if size >= 1e6 => format!("{:.1} million", n / 1e6),
        size if size >= 1_000.0 => format!("{n:.0}"),
        size if size >= 1.0 => format!("{n:.1}"),
        _ => format!("{n:.3}"),
    }
}
