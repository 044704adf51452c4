//! The timeline as charts on one time axis, each with a table.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::clockface::{self, seconds};
use super::grid::{Grid, Row};
use super::heat::heat;
use super::steering::short;
use super::view::{Chart, Charts, Event, Heat, Series};
use crate::report::summary::{Anomalies, Deliveries, Summary};
use crate::report::timeline::{Slice, Timeline};

/// Maximum number of lines in a chart of errors; further kinds are summed.
const MOST_KINDS: usize = 6;
/// Maximum number of charts of watched series.
const MOST_WATCHED: usize = 24;
/// Maximum number of drawn events.
const MOST_EVENTS: usize = 300;

/// A figure of a slice, of which this many seconds lie within the run.
type Figure<'a> = Box<dyn Fn(&Slice, f64) -> Option<f64> + 'a>;

/// All charts of a summary's timeline.
pub(super) fn timeline(summary: &Summary, grid: &Grid) -> Charts {
    let (events, events_dropped) = summary.timeline.as_ref().map(events).unwrap_or_default();
    let (began, ended) = clockface::span(summary);
    let map = heat(&grid.rows, None);
    let planned = summary.marked.iter().flat_map(|marked| &marked.each).map(|one| [one.at, one.end()]);
    let planned = planned.filter(|span| span.iter().all(|at| at.is_finite())).collect();
    let note = format!("Mean of each {}.", length(grid.row_seconds));
    let marks = OnAxis { span: [began, ended], planned, events, events_dropped };
    charts(grid, map, summary.thresholds.max_p99_seconds, &note, marks)
}

/// A slice's length in words, without the number if it is one: `minute`, `2 minutes`, `5 seconds`.
pub(super) fn length(slice_seconds: u64) -> String {
    match slice_seconds {
        60 => "minute".to_owned(),
        n if n.is_multiple_of(60) => format!("{} minutes", n / 60),
        n => format!("{n} seconds"),
    }
}

/// What is marked on the time axis of all charts; times are in seconds since 1970.
#[derive(Debug, Clone, Default)]
pub(super) struct OnAxis {
    /// Start and end of the run.
    pub(super) span: [f64; 2],
    /// Planned disruptions.
    pub(super) planned: Vec<[f64; 2]>,
    /// Events that are drawn.
    pub(super) events: Vec<Event>,
    /// Number of events that are not drawn.
    pub(super) events_dropped: u64,
}

/// All charts of a grid; `limit` is that of the 99th percentile, in seconds, `note` says what a mean is of.
pub(super) fn charts(grid: &Grid, map: Option<Heat>, limit: Option<f64>, note: &str, marks: OnAxis) -> Charts {
    let charts = Drawn { grid };
    let OnAxis { span, planned, events, events_dropped } = marks;
    let mut all = vec![charts.users(note), charts.rates(), charts.frames(), charts.on_time(), charts.not_on_time()];
    all.extend(charts.anomalies());
    all.push(charts.quantiles(map, limit));
    all.push(charts.errors());
    all.push(charts.connections());
    all.extend(charts.generator());
    all.extend(charts.watched());
    let starts = |rows: &[Row]| rows.iter().map(|row| row.start).collect();
    Charts {
        slice_seconds: grid.row_seconds,
        times: starts(&grid.rows),
        table_times: starts(&grid.table),
        table_seconds: grid.table_seconds,
        span,
        charts: all,
        planned,
        events,
        events_dropped,
    }
}

/// The events to draw, and the number of the others.
pub(super) fn events(timeline: &Timeline) -> (Vec<Event>, u64) {
    let event = |event: &crate::report::timeline::TimelineEvent| Event {
        at: event.at,
        time: clockface::whole(event.at),
        kind: short(&event.kind),
        text: match event.shard {
            Some(shard) => format!("{} (generator {shard})", short(&event.text)),
            None => short(&event.text),
        },
    };
    let shown: Vec<Event> = timeline.events.iter().take(MOST_EVENTS).map(event).collect();
    let hidden = (timeline.events.len() - shown.len()) as u64;
    (shown, timeline.events_dropped.saturating_add(hidden))
}

/// A count as a number to draw.
#[allow(clippy::cast_precision_loss, reason = "a chart shows four digits")]
fn number(n: u64) -> Option<f64> {
    Some(n as f64)
}

/// Four significant digits: what is drawn, in a file of bounded size.
fn rounded(value: f64) -> Option<f64> {
    if !value.is_finite() {
        return None;
    }
    format!("{value:.3e}").parse().ok()
}

struct Drawn<'a> {
    grid: &'a Grid,
}

/// One of the counts of anomalies.
type CountOf = fn(&Anomalies) -> u64;

impl Drawn<'_> {
    /// A line whose value for a row of the table is computed as for a slice.
    fn line(&self, name: &str, figure: Figure<'_>) -> Series {
        let column = |rows: &[Row]| {
            let value = |row: &Row| figure(row.slice.as_ref()?, row.covered).and_then(rounded);
            rows.iter().map(value).collect()
        };
        Series { name: short(name), values: column(&self.grid.rows), table: column(&self.grid.table) }
    }

    /// A line of counts: per minute in the chart, whole in the table.
    fn counts(&self, name: &str, of: impl Fn(&Slice) -> u64) -> Series {
        let exact = |row: &Row| row.slice.as_ref().and_then(|slice| number(of(slice)));
        let per_minute = |row: &Row| match row.seconds {
            60 => exact(row),
            length => exact(row).and_then(|n| rounded(n * 60.0 / seconds(length))),
        };
        Series {
            name: short(name),
            values: self.grid.rows.iter().map(per_minute).collect(),
            table: self.grid.table.iter().map(exact).collect(),
        }
    }

    fn chart(id: &str, title: &str, [unit, table_unit]: [&'static str; 2], note: &str, series: Vec<Series>) -> Chart {
        let (id, title, note) = (id.to_owned(), title.to_owned(), note.to_owned());
        Chart { id, title, unit, table_unit, note, series, heat: None, limit: None }
    }

    fn counted(id: &str, title: &str, note: &str, series: Vec<Series>) -> Chart {
        Self::chart(id, title, ["per_minute", "count"], note, series)
    }

    fn users(&self, note: &str) -> Chart {
        let series = vec![
            self.line("target", Box::new(|slice, covered| Some(slice.users.target / covered))),
            self.line("connected", Box::new(|slice, covered| Some(slice.users.connected / covered))),
            self.line("away on purpose", Box::new(|slice, covered| Some(slice.users.away / covered))),
        ];
        Self::chart("users", "Users", ["number"; 2], note, series)
    }

    fn rates(&self) -> Chart {
        let per_second = |n: u64, covered: f64| number(n).map(|n| n / covered);
        let series = vec![self.line("messages sent", Box::new(move |slice, covered| per_second(slice.sent, covered)))];
        Self::chart("rates", "Messages sent, per second", ["per_second"; 2], "", series)
    }

    fn frames(&self) -> Chart {
        let per_second = |n: u64, covered: f64| number(n).map(|n| n / covered);
        let line = self.line("frames received", Box::new(move |slice, covered| per_second(slice.received, covered)));
        Self::chart("frames", "Frames received, per second", ["per_second"; 2], "", vec![line])
    }

    fn deliveries(&self, name: &str, of: impl Fn(&Deliveries) -> u64) -> Series {
        self.counts(name, |slice| of(&slice.all_deliveries()))
    }

    fn on_time(&self) -> Chart {
        let series = vec![
            self.deliveries("expected", |deliveries| deliveries.expected),
            self.deliveries("on time", |deliveries| deliveries.on_time),
        ];
        let note = "By the time at which the message was to be sent.";
        Self::counted("deliveries", "Deliveries per minute", note, series)
    }

    fn not_on_time(&self) -> Chart {
        let series = vec![
            self.deliveries("lost", |deliveries| deliveries.lost),
            self.deliveries("late", |deliveries| deliveries.late),
            self.deliveries("excused", |deliveries| deliveries.excused.total),
            self.deliveries("outstanding", |deliveries| deliveries.outstanding),
        ];
        let note = "Lost: not there after the horizon. Excused: the connection ended before it could arrive.";
        Self::counted("missed", "Deliveries that were not on time, per minute", note, series)
    }

    fn anomalies(&self) -> Option<Chart> {
        let kinds: [(&str, CountOf); 4] = [
            ("duplicate", |kinds| kinds.duplicate),
            ("reordered", |kinds| kinds.reordered),
            ("unexpected", |kinds| kinds.unexpected),
            ("corrupt", |kinds| kinds.corrupt),
        ];
        let of = |slice: &Slice, kind: CountOf| kind(&slice.anomalies).saturating_add(kind(&slice.remote.anomalies));
        let lines = kinds.map(|(name, kind)| self.counts(name, |slice| of(slice, kind)));
        let seen: Vec<Series> = lines.into_iter().filter(happened).collect();
        let note = "Arrivals with something wrong about them.";
        (!seen.is_empty()).then(|| Self::counted("anomalies", "Anomalies per minute", note, seen))
    }

    fn quantiles(&self, heat: Option<Heat>, limit: Option<f64>) -> Chart {
        let quantile = |q: f64| -> Figure<'_> { Box::new(move |slice, _| slice.times.sketch().quantile(q)) };
        let series = vec![
            self.line("half within", quantile(0.5)),
            self.line("90 % within", quantile(0.9)),
            self.line("99 % within", quantile(0.99)),
        ];
        let note = "Of the messages of this run’s own generators, from the time at which they were to be sent. The \
                    darker a cell, the larger its share of the deliveries of its time.";
        let chart = Self::chart("times", "Time to delivery", ["seconds"; 2], note, series);
        Chart { heat, limit, ..chart }
    }

    fn errors(&self) -> Chart {
        let mut sums: BTreeMap<(String, String), u64> = BTreeMap::new();
        let slices = self.grid.rows.iter().filter_map(|row| row.slice.as_ref());
        for (stage, kind, n) in slices.flat_map(all_errors) {
            let sum = sums.entry((stage.to_owned(), kind.to_owned())).or_default();
            *sum = sum.saturating_add(n);
        }
        let mut ranked: Vec<_> = sums.into_iter().filter(|(_, n)| *n > 0).collect();
        ranked.sort_by_key(|(_, n)| Reverse(*n));
        let shown: Vec<(String, String)> = ranked.iter().take(MOST_KINDS).map(|(key, _)| key.clone()).collect();
        let of = |slice: &Slice, wanted: &dyn Fn(&str, &str) -> bool| {
            let found = all_errors(slice).filter(|(stage, kind, _)| wanted(stage, kind));
            found.fold(0, |sum: u64, (_, _, n)| sum.saturating_add(n))
        };
        let name = |stage: &str, kind: &str| format!("{stage}: {}", kind.replace('_', " "));
        let line = |(stage, kind): &(String, String)| {
            self.counts(&name(stage, kind), |slice| of(slice, &|s, k| s == stage && k == kind))
        };
        let mut series: Vec<Series> = shown.iter().map(line).collect();
        if ranked.len() > MOST_KINDS {
            let is_shown = |stage: &str, kind: &str| shown.iter().any(|(s, k)| s == stage && k == kind);
            series.push(self.counts("all others", |slice| of(slice, &|s, k| !is_shown(s, k))));
        }
        let note = if series.is_empty() {
            "None."
        } else {
            "By step and kind; “dropped” are messages that were not sent."
        };
        Self::counted("errors", "Errors per minute", note, series)
    }

    fn connections(&self) -> Chart {
        let ended = |initiator: &'static str| {
            move |slice: &Slice| {
                let reasons = slice.disconnects.get(initiator).into_iter().flat_map(|reasons| reasons.values());
                reasons.fold(0, |sum: u64, n| sum.saturating_add(*n))
            }
        };
        let series = vec![
            self.counts("ended by the server", ended("server")),
            self.counts("ended by the network", ended("network")),
            self.counts("ended by the user", ended("user")),
            self.counts("joined", |slice| slice.joined),
        ];
        Self::counted("connections", "Connections that ended or joined, per minute", "", series)
    }

    fn generator(&self) -> [Chart; 2] {
        let load = vec![
            self.line("CPU", Box::new(|slice, covered| Some(slice.generator.cpu_seconds / covered))),
            self.line("spoilt time", Box::new(|slice, covered| Some(slice.spoilt_seconds / covered))),
        ];
        let note = "Of one core. Spoilt time: the generator or its machine could not keep up, and nothing is judged.";
        let memory = |slice: &Slice, _: f64| number(slice.generator.memory_bytes).filter(|bytes| *bytes > 0.0);
        [
            Self::chart("generator", "The generator itself: CPU and spoilt time", ["percent"; 2], note, load),
            Self::chart(
                "memory",
                "The generator itself: memory",
                ["bytes"; 2],
                "",
                vec![self.line("resident memory", Box::new(memory))],
            ),
        ]
    }

    /// A chart for each series of the server's own metrics: their units differ.
    fn watched(&self) -> Vec<Chart> {
        let slices = self.grid.rows.iter().filter_map(|row| row.slice.as_ref());
        let names: BTreeSet<&String> = slices.flat_map(|slice| slice.watched.keys()).collect();
        let chart = |(n, name): (usize, &&String)| {
            let mean = |slice: &Slice, _: f64| {
                let watched = slice.watched.get(*name)?;
                number(watched.samples).filter(|samples| *samples > 0.0).map(|samples| watched.sum / samples)
            };
            let title = format!("Watched: {}", short(name));
            let line = self.line(name, Box::new(mean));
            Self::chart(
                &format!("watched-{n}"),
                &title,
                ["number"; 2],
                "The server’s own metric (--watch).",
                vec![line],
            )
        };
        names.iter().enumerate().take(MOST_WATCHED).map(chart).collect()
    }
}

/// Errors by stage and kind, and intents that were not carried out.
fn all_errors(slice: &Slice) -> impl Iterator<Item = (&str, &str, u64)> {
    let errors = slice.errors.iter().flat_map(|(stage, kinds)| kinds.iter().map(|(kind, n)| (&**stage, &**kind, *n)));
    errors.chain(slice.dropped.iter().map(|(reason, n)| ("dropped", &**reason, *n)))
}

fn happened(series: &Series) -> bool {
    series.values.iter().flatten().any(|value| *value > 0.0)
}
