//! What a summary is judged by: the lines of the table of thresholds, the windows of rules, the verdict.
//!
//! Data alone; [`super::thresholds`] and [`super::rules`] fill it in.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::model::{Rule, RuleOption};

/// One line of the table of thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// `lost`, `late`, `anomalies`, `cut`, `p99`, `error_rate(STAGE)`, `outstanding`, `nothing_measured`; of
    /// a rule its text.
    pub name: String,
    /// What `limit` and `value` are.
    pub unit: Unit,
    /// The most that may be, or the least where `below` is true; null where the threshold is off.
    pub limit: Option<f64>,
    /// What was found, of a rule with windows in the worst one; null where there was nothing to look at.
    pub value: Option<f64>,
    /// Of how many: deliveries, connections or operations.
    pub n: u64,
    /// What came of it.
    pub result: Judgement,
    /// Which kind of anomaly was the most frequent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The option of a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleOption>,
    /// Whether it fails below the limit, not above it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub below: bool,
    /// When the worst window was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// Why it was not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Threshold {
    /// A line without what only some have.
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

/// When a window was, RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// Its beginning.
    pub began: String,
    /// Its end.
    pub ended: String,
}

impl At {
    /// From one moment to another, in seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn between(began: u64, ended: u64) -> Self {
        Self { began: moment(began), ended: moment(ended) }
    }
}

/// A moment in seconds since 1970-01-01T00:00:00Z, RFC 3339 in UTC.
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
    /// Windows within the hold.
    pub windows: u64,
    /// Those of them in which there was enough to look at.
    pub judged: u64,
    /// The worst of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<WorstWindow>,
}

/// The window in which a rule's metric was worst.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorstWindow {
    /// The metric: a number, a part of 1, or seconds.
    pub value: f64,
    /// Of how many deliveries, connections, operations, users or intents.
    pub n: u64,
    /// When it was.
    pub at: At,
}

/// A rule of `--abort-if` that ended a generator's run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndedBy {
    /// The rule.
    pub rule: Rule,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What the metric was.
    pub value: f64,
    /// Of how many.
    pub n: u64,
    /// Which generator.
    pub shard: u32,
}

/// What a threshold's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A whole number.
    Count,
    /// A part of 1.
    Share,
    /// A length of time.
    Seconds,
    /// A part of 1 per hour.
    SharePerHour,
}

/// What came of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Within the limit.
    Passed,
    /// Within the limit, but nothing was seen in too few to exclude it.
    TooFew,
    /// Over the limit.
    Failed,
    /// Off.
    Off,
    /// There was not enough to judge it by.
    NotJudged,
}

/// The verdict on the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The exit code.
    pub code: u8,
    /// The reason in words, one sentence or several.
    pub reason: String,
    /// The table of thresholds; empty where the target refused, and in files of 0.1.
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
}
