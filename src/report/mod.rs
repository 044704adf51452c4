//! What people are told: the forecast before, the status while, the summary after.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`forecast`], [`machine`] | what a run will cost, and what this machine has |
//! | [`progress`], [`status`], [`rates`] | the bar, what the status line says, and where its figures come from |
//! | [`summary`] | the summary's data, as JSON keeps it |
//! | [`counts`] | its counts of deliveries and anomalies, and counts by label |
//! | [`timeline`] | the run in slices of time, and its events |
//! | [`drift`], [`changes`] | which figures change during the hold, and what the summary says of it |
//! | [`inputs`] | from what the run knows and the metrics counted to a summary |
//! | [`thresholds`] | the table of thresholds: limit, value, pass or fail |
//! | [`rules`] | rules of `--fail-if` and `--abort-if`, over the whole run and in windows |
//! | [`judgement`] | lines of the table, what rules found, the verdict: data alone |
//! | [`verdict`] | the exit code and its reason |
//! | [`end`] | how a run ended |
//! | [`validity`] | whether a generator spoilt too much of its hold |
//! | [`text`] | the summary as a person reads it |
//! | [`junit`] | the table of thresholds as JUnit XML |
//! | [`numbers`] | numbers as people read them |
//! | [`file`](mod@file) | the summary's file, replaced atomically |
//! | [`merge`](mod@merge) | several generators' summaries as one |
//! | [`sections`] | what the generators of a merged summary say about it |
//! | [`page`] | the report: a summary as one HTML page |
//! | [`losses`] | losses by the receivers who missed them, and the lines of the anomaly log |
//! | [`rooms`] | the rooms of a run, and the worst of them |
//! | [`durations`] | times to delivery in the summary: quantiles and the mergeable histogram |
//!
//! Knows how to put figures into words; must not know sockets, users or the schedule.

pub mod changes;
pub mod counts;
pub mod drift;
pub mod durations;
pub mod end;
pub mod file;
pub mod forecast;
pub mod inputs;
pub mod judgement;
pub mod junit;
pub mod losses;
pub mod machine;
pub mod merge;
pub mod numbers;
pub mod page;
pub mod progress;
pub mod rates;
pub mod rooms;
pub mod rules;
pub mod sections;
pub mod status;
pub mod summary;
mod sums;
pub mod text;
pub mod thresholds;
pub mod timeline;
pub mod validity;
pub mod verdict;
