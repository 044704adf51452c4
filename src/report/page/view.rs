//! The data that the page draws: words ready to be read, and columns of numbers.

use serde::Serialize;
use serde_json::value::RawValue;

/// Everything on a page.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// `report` or `live`.
    pub kind: &'static str,
    /// The verdict.
    pub headline: Headline,
    /// The run, its time and its length.
    pub facts: Vec<Fact>,
    /// The table of thresholds, failed ones first.
    pub thresholds: Vec<ThresholdRow>,
    /// What happened, in words.
    pub story: Vec<Moment>,
    /// Planned disruptions; absent if there were none.
    pub planned: Option<Table>,
    /// How users reconnected; absent if no connection was ended on purpose.
    pub recovered: Option<Recovered>,
    /// The charts; absent if the summary has no timeline.
    pub timeline: Option<Charts>,
    /// Further tables.
    pub tables: Vec<Table>,
}

/// A running generator, each second: what changes with every answer, and what changes only every five seconds.
#[derive(Debug, Clone, Serialize)]
pub struct LiveView<'a> {
    /// `live`.
    pub kind: &'static str,
    /// What only a running generator has.
    pub live: Live,
    /// Healthy or not.
    pub headline: Headline,
    /// As in [`View`].
    pub facts: Vec<Fact>,
    /// As in [`View`].
    pub planned: Option<Table>,
    /// As in [`View`].
    pub recovered: Option<Recovered>,
    /// The thresholds so far, as in [`View`]: JSON.
    pub thresholds: &'a RawValue,
    /// The charts as in [`View`]: JSON.
    pub timeline: &'a RawValue,
}

/// What a page of a running generator needs beside the view.
#[derive(Debug, Clone, Serialize)]
pub struct Live {
    /// When this was so, in words.
    pub at: String,
    /// Whether the run has ended, so that nothing more comes.
    pub ended: bool,
    /// Data before this moment, in seconds since 1970, will not change and need not be requested again.
    pub fixed_until: u64,
    /// Start of this answer's data, in seconds since 1970.
    pub from: u64,
}

/// The verdict.
#[derive(Debug, Clone, Serialize)]
pub struct Headline {
    /// `passed`, `failed`, `invalid` or `running`: the colour.
    pub outcome: &'static str,
    /// In one word or two.
    pub title: String,
    /// Why, in sentences.
    pub reason: String,
}

/// A name and its value.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// In words.
    pub value: String,
}

/// One threshold.
#[derive(Debug, Clone, Serialize)]
pub struct ThresholdRow {
    /// As in the summary.
    pub name: String,
    /// The limit in words.
    pub limit: String,
    /// What was found, in words.
    pub value: String,
    /// Of how many.
    pub n: String,
    /// `passed`, `too_few`, `failed`, `not_judged` or `off`.
    pub result: &'static str,
    /// When the figure was worst.
    pub worst: Option<Moment>,
}

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// Its start, in seconds since 1970; absent if it concerns the whole run.
    pub from: Option<f64>,
    /// Its end, in seconds since 1970.
    pub to: Option<f64>,
    /// The time in words; empty if there is none.
    pub time: String,
    /// What.
    pub text: String,
}

/// The charts, which share one time axis.
#[derive(Debug, Clone, Serialize)]
pub struct Charts {
    /// The length of a slice, in seconds.
    pub slice_seconds: u64,
    /// Start of each slice, in seconds since 1970.
    pub times: Vec<u64>,
    /// Start of each row of the charts' tables, in seconds since 1970.
    pub table_times: Vec<u64>,
    /// The length of a row of the tables, in seconds.
    pub table_seconds: u64,
    /// Start and end of the run, in seconds since 1970.
    pub span: [f64; 2],
    /// The charts in their order.
    pub charts: Vec<Chart>,
    /// Start and end of each planned disruption, in seconds since 1970: shaded on all charts.
    pub planned: Vec<[f64; 2]>,
    /// Marks on all charts.
    pub events: Vec<Event>,
    /// Number of events that are not shown.
    pub events_dropped: u64,
}

/// One chart.
#[derive(Debug, Clone, Serialize)]
pub struct Chart {
    /// Unique on the page.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// How its numbers are written: `number`, `per_second`, `per_minute`, `seconds`, `bytes`, `percent`.
    pub unit: &'static str,
    /// The same for its table, where `per_minute` becomes `count`.
    pub table_unit: &'static str,
    /// A sentence below the title.
    pub note: String,
    /// The lines.
    pub series: Vec<Series>,
    /// Drawn behind the lines, on a logarithmic axis.
    pub heat: Option<Heat>,
    /// A limit, drawn as a line.
    pub limit: Option<f64>,
}

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// A value for each slice; null if there is none.
    pub values: Vec<Option<f64>>,
    /// A value for each row of the table.
    pub table: Vec<Option<f64>>,
}

/// How times to delivery spread in each slice.
#[derive(Debug, Clone, Serialize)]
pub struct Heat {
    /// Lower bound of the lowest bucket, in seconds.
    pub from: f64,
    /// Each bucket's upper bound is this many times its lower one.
    pub step: f64,
    /// Number of buckets.
    pub buckets: u32,
    /// For each slice a digit for each bucket, from the lowest: 0 for none, 1 to 9 for its share of the
    /// slice's deliveries, on a logarithmic scale from 0.01 % to all.
    pub slices: Vec<String>,
}

/// How users reconnected after their connections were ended on purpose.
#[derive(Debug, Clone, Serialize)]
pub struct Recovered {
    /// One row per recovery.
    pub table: Table,
    /// The moments of the curves, in seconds since the connections ended.
    pub times: Vec<f64>,
    /// Users held at each moment, as a share of those held before.
    pub curves: Vec<Series>,
}

/// A mark on the time axis.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// When, in seconds since 1970.
    pub at: f64,
    /// The same in words.
    pub time: String,
    /// What kind.
    pub kind: String,
    /// In words.
    pub text: String,
}

/// A table.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// Unique on the page.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// A sentence below it.
    pub note: String,
    /// Its column headings.
    pub head: Vec<&'static str>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}
