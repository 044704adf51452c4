//! A rule: a metric, the forbidden side of a limit, and the length of its windows.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::model::{Action, Stage};

/// Step by which windows slide; lengths of windows are multiples of it.
pub const WINDOW_STEP: Duration = Duration::from_secs(5);
/// Longest window.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(86_400);

/// The figures whose drift every run has; a watched series has it under its own name.
pub const DRIFT_FIGURES: [&str; 10] =
    ["p50", "p90", "p99", "late", "lost", "error_rate", "cut", "rate", "users_held", "generator_memory"];

/// Forbids a metric to be on one side of a limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The metric.
    pub metric: RuleMetric,
    /// The forbidden side of the limit.
    pub side: Side,
    /// The limit, by `unit`: a count, a fraction, seconds, or a fraction per hour.
    pub limit: f64,
    /// The unit of the limit.
    pub unit: RuleUnit,
    /// The limit as written.
    pub(super) written: String,
    /// The length of its windows; `None`: the whole run.
    pub window: Option<Duration>,
}

/// The metric of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleMetric {
    /// The median time to delivery of own messages, from the intended time.
    P50,
    /// The same at the 99th percentile.
    P99,
    /// Lost deliveries.
    Lost,
    /// Late deliveries.
    Late,
    /// Arrivals of the most frequent kind of anomaly.
    Anomalies,
    /// Connections that the server or the network ended.
    Cut,
    /// Deliveries without a verdict at the end.
    Outstanding,
    /// Users connected or away, as a fraction of the target.
    UsersHeld,
    /// Errors of a stage, as a fraction of its operations.
    ErrorRate(Stage),
    /// Intents carried out, as a fraction of those set.
    Rate(Action),
    /// The change of a figure, by its name.
    Drift(String),
}

/// A side of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// More than the limit.
    Above,
    /// Less than the limit.
    Below,
}

impl Side {
    /// Whether a value lies on this side of a limit.
    #[must_use]
    pub fn is_beyond(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::Below => value < limit,
        }
    }

    /// The worse of two values.
    #[must_use]
    pub fn worse(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Above => one.max(other),
            Self::Below => one.min(other),
        }
    }
}

/// The unit of a rule's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleUnit {
    /// A whole number.
    Count,
    /// A fraction, 0 to 1.
    Share,
    /// Seconds.
    Seconds,
    /// A fraction per hour.
    SharePerHour,
}

/// The consequence for a run if a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOption {
    /// The run fails.
    FailIf,
    /// The run fails and ends.
    AbortIf,
}

impl RuleOption {
    /// The option's flag.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::FailIf => "--fail-if",
            Self::AbortIf => "--abort-if",
        }
    }
}

/// The rules of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Rules {
    /// Those of `--fail-if`.
    #[serde(default)]
    pub fail_if: Vec<Rule>,
    /// Those of `--abort-if`.
    #[serde(default)]
    pub abort_if: Vec<Rule>,
}

impl Rules {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fail_if.is_empty() && self.abort_if.is_empty()
    }

    /// All rules with their options, those of `--fail-if` first.
    pub fn all(&self) -> impl Iterator<Item = (RuleOption, &Rule)> {
        let of = |option: RuleOption| move |rule| (option, rule);
        self.fail_if.iter().map(of(RuleOption::FailIf)).chain(self.abort_if.iter().map(of(RuleOption::AbortIf)))
    }

    /// Adds another generator's rules that are not there yet.
    pub fn add(&mut self, other: &Self) {
        for (sum, other) in [(&mut self.fail_if, &other.fail_if), (&mut self.abort_if, &other.abort_if)] {
            for rule in other {
                if !sum.contains(rule) {
                    sum.push(rule.clone());
                }
            }
        }
    }

    /// The longest window.
    #[must_use]
    pub fn longest_window(&self) -> Option<Duration> {
        self.all().filter_map(|(_, rule)| rule.window).max()
    }
}

impl RuleMetric {
    /// Whether its figures are final only after the verdicts on deliveries.
    #[must_use]
    pub fn needs_verdicts(&self) -> bool {
        !matches!(self, Self::Cut | Self::UsersHeld | Self::Rate(_))
            && !matches!(self, Self::ErrorRate(stage) if *stage != Stage::Delivery)
    }
}

impl Rule {
    /// What the rule limits, without its limit: `p99`, `error_rate(connect) over 10m`.
    #[must_use]
    pub fn subject(&self) -> String {
        match self.window {
            Some(window) => format!("{} over {}", self.metric, length(window)),
            None => self.metric.to_string(),
        }
    }
}

/// A length of time as typed: `1h30m`.
fn length(window: Duration) -> String {
    humantime::format_duration(window).to_string().replace(' ', "")
}

impl fmt::Display for RuleMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P50 => f.write_str("p50"),
            Self::P99 => f.write_str("p99"),
            Self::Lost => f.write_str("lost"),
            Self::Late => f.write_str("late"),
            Self::Anomalies => f.write_str("anomalies"),
            Self::Cut => f.write_str("cut"),
            Self::Outstanding => f.write_str("outstanding"),
            Self::UsersHeld => f.write_str("users_held"),
            Self::ErrorRate(stage) => write!(f, "error_rate({})", stage.as_str()),
            Self::Rate(action) => write!(f, "rate({})", action.as_str()),
            Self::Drift(figure) => write!(f, "drift({figure})"),
        }
    }
}

/// Formats the rule so that it parses again.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Above => '>',
            Side::Below => '<',
        };
        write!(f, "{} {side} {}", self.metric, self.written)?;
        self.window.map_or(Ok(()), |window| write!(f, " over {}", length(window)))
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
