//! What a person reads: the forecast before a run, the status during it, the summary after it.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`forecast`], [`machine`] | what a run will cost, and what this machine has |
//! | [`progress`], [`status`], [`rates`] | the progress bar, the status line, and its figures |
//! | [`summary`] | the summary's data, as JSON keeps it |
//! | [`counts`] | its counts of deliveries and anomalies, and counts by label |
//! | [`timeline`] | the run in slices of time, and its events |
//! | [`drift`], [`changes`] | figures that change during the hold |
//! | [`inputs`] | makes a summary of what the run knows and the metrics counted |
//! | [`thresholds`] | the table of thresholds: limit, value, pass or fail |
//! | [`rules`] | rules of `--fail-if` and `--abort-if`, over the whole run and in windows |
//! | [`judgement`] | rows of the table, findings of rules, the verdict: data only |
//! | [`verdict`] | the exit code and its reason |
//! | [`end`] | how a run ended |
//! | [`validity`] | whether a generator spoilt too much of its hold |
//! | [`text`] | the summary as a person reads it |
//! | [`junit`] | the table of thresholds as JUnit XML |
//! | [`numbers`] | numbers as people read them |
//! | [`file`](mod@file) | the summary's file, replaced atomically |
//! | [`merge`](mod@merge) | several generators' summaries as one |
//! | [`compare`](mod@compare) | two runs side by side: what got worse |
//! | [`sections`] | what is missing or invalid among the generators of a merged summary |
//! | [`page`] | the report: a summary as one HTML page |
//! | [`losses`] | losses by the receivers who missed them, and the lines of the anomaly log |
//! | [`rooms`] | the rooms of a run, and the worst of them |
//! | [`marked`], [`disruptions`] | planned disruptions: the figures of all and of each |
//! | [`planned`] | the times of tolerated disruptions |
//! | [`recoveries`] | how long users took to come back |
//! | [`durations`] | times to delivery in the summary: quantiles and the mergeable histogram |
//!
//! It puts figures into words, and knows nothing of sockets, users or the schedule.

pub mod changes;
pub mod compare;
pub mod counts;
pub mod disruptions;
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
pub mod marked;
pub mod merge;
pub mod numbers;
pub mod page;
pub mod planned;
pub mod progress;
pub mod rates;
pub mod recoveries;
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
