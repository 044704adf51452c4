//! The page while a run goes on: what a tired person needs first, then the report's charts.
//!
//! Nothing of it is from the server or about single users: no names, addresses or texts of theirs.

use super::assembly;
use super::charts;
use super::clockface::{self, Clockface, seconds};
use super::grid::{Grid, Row};
use super::headline;
use super::health;
use super::heat::{ANY_TIME, heat};
use super::view::{Event, Fact, Headline, Live, View};
use crate::error::ExitCode;
use crate::model::RunPhase;
use crate::report::numbers::{count, latency, rate, span};
use crate::report::status::Status;
use crate::report::summary::Summary;
use crate::report::timeline::{Slice, Timeline};

/// What went wrong in so many last seconds is said.
const LATELY: u64 = 60;

/// A page and the policy that its answer's head has to name.
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

/// What is known of a running generator.
#[derive(Debug, Clone)]
pub struct Moment<'a> {
    /// The run: its id, room, limits, and the table of thresholds so far or in the end.
    pub summary: &'a Summary,
    /// The status; absent before the first.
    pub status: Option<&'a Status>,
    /// The slices so far, and the events.
    pub whole: &'a Timeline,
    /// Shorter ones from `fixed_until` on.
    pub cells: &'a [Slice],
    /// The length of a cell, in seconds.
    pub cell_seconds: u64,
    /// What was asked for: slices from then on, in seconds since 1970.
    pub from: u64,
    /// From when on there are cells.
    pub fixed_until: u64,
    /// Now, in seconds since 1970.
    pub now: u64,
    /// Whether the run has ended.
    pub ended: bool,
}

/// The data of the live page as JSON.
#[must_use]
pub fn data(moment: &Moment<'_>) -> String {
    serde_json::to_string(&view(moment)).unwrap_or_else(|_| "null".to_owned())
}

fn view(moment: &Moment<'_>) -> View {
    let grid = grid(moment);
    let clockface = Clockface::Dates;
    let (began, _) = clockface::span(moment.summary);
    let map = heat(&grid.rows, Some(ANY_TIME));
    let limit = moment.summary.thresholds.max_p99_seconds;
    let charts = charts::charts(&grid, map, limit, [began, seconds(moment.now)], events(moment.whole));
    View {
        kind: "live",
        live: Some(Live {
            at: clockface::whole(seconds(moment.now)),
            ended: moment.ended,
            fixed_until: moment.fixed_until,
            from: moment.from,
        }),
        headline: headline(moment),
        facts: facts(moment),
        thresholds: headline::thresholds(moment.summary, None, &clockface),
        story: Vec::new(),
        timeline: (!grid.rows.is_empty()).then_some(charts),
        tables: Vec::new(),
    }
}

fn grid(moment: &Moment<'_>) -> Grid {
    let row = |slice: &Slice, length: u64| {
        let (began, _) = clockface::span(moment.summary);
        let within =
            (seconds(slice.start) + seconds(length)).min(seconds(moment.now)) - seconds(slice.start).max(began);
        let covered = if within > 0.0 { within } else { seconds(length) };
        Row { start: slice.start, seconds: length, covered, slice: Some(slice.clone()) }
    };
    let wanted = |slice: &&Slice| slice.start >= moment.from && slice.start < moment.fixed_until;
    let slices = moment.whole.slices.iter().filter(wanted);
    let mut rows: Vec<Row> = slices.map(|slice| row(slice, moment.whole.slice_seconds)).collect();
    rows.extend(moment.cells.iter().map(|cell| row(cell, moment.cell_seconds)));
    Grid { row_seconds: moment.cell_seconds, rows, table_seconds: 0, table: Vec::new() }
}

/// Events without texts that may be from elsewhere.
fn events(timeline: &Timeline) -> (Vec<Event>, u64) {
    let (mut events, hidden) = charts::events(timeline);
    for event in &mut events {
        if event.kind == "watch" || event.text.contains("://") {
            event.text = "see the log".to_owned();
        }
    }
    (events, hidden)
}

fn headline(moment: &Moment<'_>) -> Headline {
    if moment.ended {
        return over(moment.summary);
    }
    let limits = &moment.summary.thresholds;
    let Some(status) = moment.status else { return running("Starting", "No figures yet.".to_owned()) };
    let sum = lately(moment);
    let mut troubles =
        if status.phase == RunPhase::Settle { Vec::new() } else { health::troubles(&sum, LATELY, limits) };
    if status.saturated {
        troubles.insert(0, "the generator itself cannot keep up, so the figures are about soakrig".to_owned());
    }
    let well = troubles.is_empty();
    let slices = moment
        .whole
        .slices
        .iter()
        .filter(|slice| slice.start < moment.fixed_until)
        .map(|slice| (slice, moment.whole.slice_seconds));
    let slices = slices.chain(moment.cells.iter().map(|cell| (cell, moment.cell_seconds)));
    let since = health::since(slices, well, limits)
        .map_or_else(String::new, |since| format!(" since {}", clockface::whole(since)));
    let phase = match status.phase {
        RunPhase::Ramp => "The ramp goes on: users are still being added.",
        RunPhase::Hold => "The load is held.",
        RunPhase::Settle => "The run is stopping: what is outstanding may still arrive.",
    };
    match (well, status.saturated, status.phase) {
        (true, _, RunPhase::Hold) => {
            let reason = format!("Nothing was wrong lately. {phase}");
            Headline { outcome: "passed", title: format!("Healthy{since}"), reason }
        }
        (true, _, _) => running("Healthy so far", phase.to_owned()),
        (false, saturated, _) => {
            let outcome = if saturated { "invalid" } else { "failed" };
            let reason = format!("Lately {}. {phase}", troubles.join("; "));
            Headline { outcome, title: format!("Not healthy{since}"), reason }
        }
    }
}

/// What happened in the last minute, and to the deliveries that got their verdict in it: one that is lost has
/// one only after the horizon.
fn lately(moment: &Moment<'_>) -> Slice {
    let within = |length: u64| {
        let mut sum = Slice::default();
        let cells = moment.cells.iter().filter(|cell| cell.start.saturating_add(length) > moment.now);
        cells.for_each(|cell| sum += cell);
        sum
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let horizon = moment.summary.run.horizon_seconds.max(0.0) as u64;
    let judged = within(horizon.saturating_add(LATELY));
    Slice { deliveries: judged.deliveries, remote: judged.remote, ..within(LATELY) }
}

fn running(title: &str, reason: String) -> Headline {
    Headline { outcome: "running", title: title.to_owned(), reason }
}

/// The end of a run, without what a server said.
fn over(summary: &Summary) -> Headline {
    let mut shown = headline::headline(summary);
    if ExitCode::from_number(summary.verdict.code) == Some(ExitCode::Refused) {
        shown.reason = "The target refused; the summary says what it said.".to_owned();
    }
    shown.title = format!("Ended: {}", shown.title.to_lowercase());
    shown
}

fn facts(moment: &Moment<'_>) -> Vec<Fact> {
    let run = &moment.summary.run;
    let fact = |name: &str, value: String| Fact { name: name.to_owned(), value };
    let (began, _) = clockface::span(moment.summary);
    let mut facts = vec![
        fact("Run", format!("{} on {}", run.id, run.plenary)),
        fact("Began", clockface::whole(began)),
        fact("Generator", format!("shard {}", run.shard)),
    ];
    let Some(status) = moment.status else { return facts };
    let lasted = span(status.elapsed.as_secs_f64());
    let remaining = status.remaining.map_or_else(String::new, |left| format!(", {} left", span(left.as_secs_f64())));
    facts.push(fact("Goes on for", format!("{lasted}{remaining}")));
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
