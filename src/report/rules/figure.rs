//! A metric's value and the sample that it comes from.

use crate::model::{Rule, RuleMetric, RuleUnit};

/// Fewest operations for a rate or a quantile.
pub(super) const FEWEST: u64 = 20;

/// The value of a metric.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Figure {
    /// A count, a fraction, or seconds; `None` if there was nothing to judge.
    pub(super) value: Option<f64>,
    /// Sample size: deliveries, connections, operations, users or intents.
    pub(super) n: u64,
    /// Number of independent items in the sample.
    pub(super) independent: u64,
    /// The most frequent kind.
    pub(super) kind: Option<&'static str>,
    /// The end of the value's interval nearest to zero; the value exceeds a limit only if this does.
    pub(super) bound: Option<f64>,
}

impl Figure {
    /// The figure for `found` of `n`: a count or a share, by the rule's unit.
    pub(super) fn of(rule: &Rule, found: u64, n: u64) -> Self {
        let value = match rule.unit {
            RuleUnit::Count => Some(real(found)),
            _ => share(found, n),
        };
        Self { value, n, independent: n, ..Self::default() }
    }

    /// Whether there is enough data to judge the rule while the run is in progress.
    pub(super) fn is_enough(&self, rule: &Rule) -> bool {
        let is_rate = !matches!(rule.metric, RuleMetric::UsersHeld) && rule.unit != RuleUnit::Count;
        !is_rate || self.n >= FEWEST
    }

    /// The value, if it is beyond the rule's limit.
    pub(super) fn beyond(&self, rule: &Rule) -> Option<f64> {
        self.value.filter(|value| is_beyond(rule, self.bound.unwrap_or(*value)))
    }
}

/// Whether a value is beyond a rule's limit. A value of 0 never exceeds a limit of 0.
pub(super) fn is_beyond(rule: &Rule, value: f64) -> bool {
    rule.side.is_beyond(value, rule.limit)
}

/// `found / n`; `None` if `n` is 0.
pub(super) fn share(found: u64, n: u64) -> Option<f64> {
    (n > 0 || found > 0).then(|| real(found) / real(n.max(found)))
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn real(n: u64) -> f64 {
    n as f64
}
