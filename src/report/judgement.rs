//! The judgement of a run: the rows of the table of thresholds, the windows of rules, the verdict.
//!
//! Data only; [`super::thresholds`] and [`super::rules`] fill it in.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::model::{Rule, RuleOption};

/// One row of the table of thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// `lost`, `late`, `anomalies`, `cut`, `p99`, `error_rate(STAGE)`, `outstanding`, `nothing_measured`; for
    /// a rule, its text.
    pub name: String,
    /// The unit of `limit` and `value`.
    pub unit: Unit,
    /// The maximum, or the minimum if `below` is true; null if the threshold is off.
    pub limit: Option<f64>,
    /// The value found, for a rule with windows in the worst one; null if there was nothing to judge.
    pub value: Option<f64>,
    /// Sample size: deliveries, connections or operations.
    pub n: u64,
    /// The result.
    pub result: Judgement,
    /// The most frequent kind of anomaly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The option that set the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleOption>,
    /// Whether it fails below the limit rather than above it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub below: bool,
    /// Time of the worst window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// Why it was not judged, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Threshold {
    /// A row without the optional fields.
    pub(super) fn new(
        name: &str,
        unit: Unit,
        limit: Option<f64>,
        value: Option<f64>,
        n: u64,
        result: Judgement,
    ) -> Self {
        let name = name.to_owned();
        Self { name, unit, limit, value, n, result, kind: None, rule: None, below: false, at: None, why: None }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The time of a window, RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// Its start.
    pub began: String,
    /// Its end.
    pub ended: String,
}

impl At {
    /// The time between two moments, in seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn between(began: u64, ended: u64) -> Self {
        Self { began: moment(began), ended: moment(ended) }
    }
}

/// Formats a moment, in seconds since 1970-01-01T00:00:00Z, as RFC 3339 in UTC.
#[must_use]
pub fn moment(seconds: u64) -> String {
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_seconds(at).to_string()
}

/// What the windows of a rule showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleWindows {
    /// The rule.
    pub rule: Rule,
    /// Number of windows within the hold.
    pub windows: u64,
    /// Number of those with enough data to judge.
    pub judged: u64,
    /// The worst of the judged windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<WorstWindow>,
}

/// The window in which a rule's metric was worst.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorstWindow {
    /// Value of the metric: a count, a fraction, or seconds.
    pub value: f64,
    /// Sample size: deliveries, connections, operations, users or intents.
    pub n: u64,
    /// Its time.
    pub at: At,
}

/// A rule of `--abort-if` that ended a generator's run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndedBy {
    /// The rule.
    pub rule: Rule,
    /// Time at which it ended the run, RFC 3339 in UTC.
    pub at: String,
    /// Value of the metric.
    pub value: f64,
    /// Sample size.
    pub n: u64,
    /// Index of the generator.
    pub shard: u32,
}

/// The unit of a threshold's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A whole number.
    Count,
    /// A fraction, 0 to 1.
    Share,
    /// A length of time.
    Seconds,
    /// A fraction per hour.
    SharePerHour,
}

/// The result of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Within the limit.
    Passed,
    /// Nothing was seen, but in too small a sample to say that it is within the limit.
    TooFew,
    /// Over the limit.
    Failed,
    /// The threshold is off.
    Off,
    /// There was not enough data to judge.
    NotJudged,
}

/// The verdict on the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The exit code.
    pub code: u8,
    /// The reason in words, one sentence or several.
    pub reason: String,
    /// The table of thresholds; empty if the target refused, and in files of 0.1.
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
}
