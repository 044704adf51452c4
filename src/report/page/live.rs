//! The page while a run goes on: what a tired person needs first, then the report's charts.
//!
//! It shows nothing from the server or about single users: none of their names, addresses or texts. What changes
//! only with each cell of five seconds is drawn once per cell; the answer of each second adds the words.

use serde_json::value::{RawValue, to_raw_value};

use super::assembly;
use super::charts::{self, OnAxis};
use super::clockface::{self, Clockface, seconds};
use super::grid::{Grid, Row};
use super::headline;
use super::health;
use super::heat::{ANY_TIME, heat};
use super::steering::{self, short};
use super::view::{Event, Fact, Headline, Live, LiveView};
use crate::error::ExitCode;
use crate::model::RunPhase;
use crate::report::numbers::{count, latency, rate, span};
use crate::report::planned::touches;
use crate::report::recoveries::RecoveryFigures;
use crate::report::status::Status;
use crate::report::summary::Summary;
use crate::report::timeline::{Slice, Timeline};

/// The page names what went wrong in this many last seconds.
const LATELY: u64 = 60;
/// In place of a text that may be from elsewhere.
const ELSEWHERE: &str = "see the log";

/// A page, and the policy for its answer's head.
#[derive(Debug, Clone)]
pub struct Document {
    /// The page as HTML.
    pub html: String,
    /// Its content security policy.
    pub policy: String,
}

/// The live page; its data comes from `live.json` beside it.
#[must_use]
pub fn document() -> Document {
    let (html, policy) = assembly::live();
    Document { html, policy }
}

/// The past of a running generator: the part that changes only with a new cell.
#[derive(Debug, Clone)]
pub struct Past<'a> {
    /// The run: its id, room, limits, and the table of thresholds so far or in the end.
    pub summary: &'a Summary,
    /// The slices so far, and the events.
    pub whole: &'a Timeline,
    /// Shorter ones from `fixed_until` on.
    pub cells: &'a [Slice],
    /// The length of a cell, in seconds.
    pub cell_seconds: u64,
    /// The request: slices from this moment on, in seconds since 1970.
    pub from: u64,
    /// The first moment with cells.
    pub fixed_until: u64,
    /// Now, in seconds since 1970.
    pub now: u64,
    /// Whether the run has ended.
    pub ended: bool,
    /// Start and end of each planned disruption, in seconds since 1970.
    pub planned: &'a [(f64, f64)],
    /// Whether thresholds leave them out.
    pub tolerated: bool,
}

/// The past as JSON, ready for every answer until the next cell.
#[derive(Debug, Clone)]
pub struct Drawn {
    from: u64,
    fixed_until: u64,
    timeline: Box<RawValue>,
    thresholds: Box<RawValue>,
    health: Health,
}

/// The health as of the last cell.
#[derive(Debug, Clone, Default)]
struct Health {
    /// What is wrong, in words.
    troubles: Vec<String>,
    /// The same, including the tolerated disruption in progress; empty without one.
    tolerated: Vec<String>,
    /// Since when something is wrong, and since when all is well, in seconds since 1970.
    since: [Option<f64>; 2],
}

/// A running generator now.
#[derive(Debug, Clone)]
pub struct Present<'a> {
    /// The run, as it was some seconds ago.
    pub summary: &'a Summary,
    /// The status; absent before the first.
    pub status: Option<&'a Status>,
    /// Recoveries so far.
    pub recoveries: &'a [RecoveryFigures],
    /// The planned disruption in progress: the operator's text and its start, in seconds since 1970.
    pub planned: Option<(&'a str, f64)>,
    /// Now, in seconds since 1970.
    pub now: u64,
    /// Whether the run has ended.
    pub ended: bool,
}

/// Draws the past.
#[must_use]
pub fn drawn(past: &Past<'_>) -> Drawn {
    let grid = grid(past);
    let (began, _) = clockface::span(past.summary);
    let map = heat(&grid.rows, Some(ANY_TIME));
    let limit = past.summary.thresholds.max_p99_seconds;
    let (events, events_dropped) = events(past.whole);
    let until = seconds(past.now);
    let planned = past.planned.iter().map(|(from, to)| [*from, to.min(until)]).collect();
    let marks = OnAxis { span: [began, until], planned, events, events_dropped };
    let note = format!(
        "Mean of each {} in the last {}, of each {} before.",
        charts::length(past.cell_seconds),
        charts::length(past.now.saturating_sub(past.fixed_until) / 60 * 60),
        charts::length(past.whole.slice_seconds)
    );
    let timeline = (!grid.rows.is_empty()).then(|| charts::charts(&grid, map, limit, &note, marks));
    Drawn {
        from: past.from,
        fixed_until: past.fixed_until,
        timeline: raw(&timeline),
        thresholds: raw(&headline::thresholds(past.summary, None, &Clockface::Dates)),
        health: health(past),
    }
}

fn raw<T: serde::Serialize>(value: &T) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The data of the live page as JSON.
#[must_use]
pub fn data(present: &Present<'_>, drawn: &Drawn) -> String {
    let marked = present.summary.marked.as_ref();
    let mut each = marked.map(|marked| marked.each.clone()).unwrap_or_default();
    for open in each.iter_mut().filter(|one| one.open && !present.ended) {
        open.seconds = open.seconds.max(seconds(present.now) - open.at);
    }
    let tolerated = marked.is_some_and(|marked| marked.tolerated);
    let view = LiveView {
        kind: "live",
        live: Live {
            at: clockface::whole(seconds(present.now)),
            ended: present.ended,
            fixed_until: drawn.fixed_until,
            from: drawn.from,
        },
        headline: headline(present, &drawn.health),
        facts: facts(present),
        planned: steering::planned(&each, present.recoveries, tolerated, own_words),
        recovered: steering::recovered(present.recoveries, own_words),
        thresholds: &drawn.thresholds,
        timeline: &drawn.timeline,
    };
    serde_json::to_string(&view).unwrap_or_else(|_| "null".to_owned())
}

fn grid(past: &Past<'_>) -> Grid {
    let (began, _) = clockface::span(past.summary);
    let row = |slice: &Slice, length: u64| {
        let within = (seconds(slice.start) + seconds(length)).min(seconds(past.now)) - seconds(slice.start).max(began);
        let covered = if within > 0.0 { within } else { seconds(length) };
        Row { start: slice.start, seconds: length, covered, slice: Some(slice.clone()) }
    };
    let wanted = |slice: &&Slice| slice.start >= past.from && slice.start < past.fixed_until;
    let slices = past.whole.slices.iter().filter(wanted);
    let mut rows: Vec<Row> = slices.map(|slice| row(slice, past.whole.slice_seconds)).collect();
    rows.extend(past.cells.iter().map(|cell| row(cell, past.cell_seconds)));
    Grid { row_seconds: past.cell_seconds, rows, table_seconds: 0, table: Vec::new() }
}

/// Events without texts that may be from elsewhere.
fn events(timeline: &Timeline) -> (Vec<Event>, u64) {
    let (mut events, hidden) = charts::events(timeline);
    for event in &mut events {
        event.text = if event.kind == "watch" { ELSEWHERE.to_owned() } else { own_words(&event.text) };
    }
    (events, hidden)
}

/// A text of the operator or of soakrig itself, unless it has an address in it.
fn own_words(text: &str) -> String {
    if text.contains("://") { ELSEWHERE.to_owned() } else { short(text) }
}

/// Whether all is well, why not, and since when.
fn health(past: &Past<'_>) -> Health {
    let limits = &past.summary.thresholds;
    let set_aside = if past.tolerated { past.planned } else { &[] };
    let is_judged =
        |slice: &Slice, length: u64| !touches(set_aside, seconds(slice.start), seconds(slice.start + length));
    let troubles = |judged: bool| {
        let counts = |cell: &&Slice| !judged || is_judged(cell, past.cell_seconds);
        let recent = past.cells.iter().filter(|cell| cell.start.saturating_add(LATELY) > past.now);
        let (kept, left_out): (Vec<&Slice>, Vec<&Slice>) = recent.partition(counts);
        let length = if left_out.is_empty() { LATELY } else { past.cell_seconds.saturating_mul(kept.len() as u64) };
        if length == 0 {
            return Vec::new();
        }
        health::troubles(&lately(past, past.cells.iter().filter(counts)), length, limits)
    };
    let fixed = past.whole.slices.iter().filter(|slice| slice.start < past.fixed_until);
    let fixed = fixed.map(|slice| (slice, past.whole.slice_seconds));
    let all = fixed.chain(past.cells.iter().map(|cell| (cell, past.cell_seconds)));
    let all = all.filter(|(slice, length)| is_judged(slice, *length));
    let (began, _) = clockface::span(past.summary);
    let over = set_aside.iter().map(|(_, to)| *to).filter(|to| *to <= seconds(past.now));
    let not_before = [began, over.fold(began, f64::max)];
    let is_open = set_aside.iter().any(|(_, to)| *to > seconds(past.now));
    Health {
        troubles: troubles(true),
        tolerated: if is_open { troubles(false) } else { Vec::new() },
        since: [false, true].map(|well| {
            let since = health::since(all.clone(), well, limits);
            since.map(|since| since.max(not_before[usize::from(well)]))
        }),
    }
}

fn headline(present: &Present<'_>, health: &Health) -> Headline {
    if present.ended {
        return over(present.summary);
    }
    let Some(status) = present.status else { return running("Starting", "No figures yet.".to_owned()) };
    let is_settling = status.phase == RunPhase::Settle;
    let mut troubles = if is_settling { Vec::new() } else { health.troubles.clone() };
    if status.saturated {
        troubles.insert(0, "the generator itself cannot keep up, so the figures are about soakrig".to_owned());
    }
    let well = troubles.is_empty();
    let since = health.since[usize::from(well)];
    let since = since.map_or_else(String::new, |since| format!(" since {}", clockface::whole(since)));
    let mut phase = match status.phase {
        RunPhase::Ramp => "The ramp goes on: users are still being added.",
        RunPhase::Hold => "The load is held.",
        RunPhase::Settle => "The run is stopping: what is outstanding may still arrive.",
    }
    .to_owned();
    let planned = present.planned.map(|(text, since)| {
        let since = Clockface::Hours.time(since);
        format!("Planned disruption: {} since {since}", own_words(text))
    });
    match planned {
        Some(title) if !status.saturated && !is_settling && !health.tolerated.is_empty() => {
            let reason = format!("No threshold counts it. Lately {}. {phase}", health.tolerated.join("; "));
            return running(&title, reason);
        }
        Some(title) => phase.push_str(&format!(" {title}.")),
        None => {}
    }
    match (well, status.saturated, status.phase) {
        (true, _, RunPhase::Hold) => {
            let reason = format!("Nothing was wrong lately. {phase}");
            Headline { outcome: "passed", title: format!("Healthy{since}"), reason }
        }
        (true, _, _) => running("Healthy so far", phase),
        (false, saturated, _) => {
            let outcome = if saturated { "invalid" } else { "failed" };
            let reason = format!("Lately {}. {phase}", troubles.join("; "));
            Headline { outcome, title: format!("Not healthy{since}"), reason }
        }
    }
}

/// What happened in the last minute, and the deliveries judged in it: a loss is judged only after the
/// horizon.
fn lately<'a>(past: &Past<'_>, cells: impl Iterator<Item = &'a Slice> + Clone) -> Slice {
    let within = |length: u64| {
        let mut sum = Slice::default();
        let cells = cells.clone().filter(|cell| cell.start.saturating_add(length) > past.now);
        cells.for_each(|cell| sum += cell);
        sum
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let horizon = past.summary.run.horizon_seconds.max(0.0) as u64;
    let judged = within(horizon.saturating_add(LATELY));
    Slice { deliveries: judged.deliveries, remote: judged.remote, ..within(LATELY) }
}

fn running(title: &str, reason: String) -> Headline {
    Headline { outcome: "running", title: title.to_owned(), reason }
}

/// The end of a run, without the server's texts.
fn over(summary: &Summary) -> Headline {
    let mut shown = headline::headline(summary);
    if ExitCode::from_number(summary.verdict.code) == Some(ExitCode::Refused) {
        shown.reason = "The target refused; the summary says what it said.".to_owned();
    }
    shown.title = format!("Ended: {}", shown.title.to_lowercase());
    shown
}

fn facts(present: &Present<'_>) -> Vec<Fact> {
    let run = &present.summary.run;
    let fact = |name: &str, value: String| Fact { name: name.to_owned(), value };
    let (began, _) = clockface::span(present.summary);
    let mut facts = vec![
        fact("Run", format!("{} on {}", run.id, run.plenary)),
        fact("Began", clockface::whole(began)),
        fact("Generator", format!("shard {}", run.shard)),
    ];
    let Some(status) = present.status else { return facts };
    let lasted = span(status.elapsed.as_secs_f64());
    let remaining = status.remaining.map_or_else(String::new, |left| format!(", {} left", span(left.as_secs_f64())));
    facts.push(fact("Running for", format!("{lasted}{remaining}")));
    facts.push(fact(
        "Users",
        format!("{} of {} connected, {} away", count(status.connected), count(status.target), count(status.away)),
    ));
    facts.push(fact("Messages", format!("{} of {} set", rate(status.chats), rate(status.chats_target))));
    facts.push(fact("Lost", count(status.lost)));
    facts.push(fact("Late", count(status.late)));
    facts.push(fact("On time", count(status.on_time)));
    facts.push(fact("Outstanding", count(status.outstanding)));
    facts.push(fact("Errors", count(status.errors)));
    if let (Some(p50), Some(p99)) = (status.p50, status.p99) {
        facts.push(fact("Lately", format!("half within {}, 99 % within {}", latency(p50), latency(p99))));
    }
    facts
}

#[cfg(test)]
mod tests;
