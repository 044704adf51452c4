//! A metric's value with what it is of.

use crate::model::{Rule, RuleMetric, RuleUnit};

/// Fewer operations than this are no base for a rate or a quantile.
pub(super) const FEWEST: u64 = 20;

/// The value of a metric.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Figure {
    /// A number, a part of 1, or seconds; `None` where there was nothing to look at.
    pub(super) value: Option<f64>,
    /// Of how many deliveries, connections, operations, users or intents.
    pub(super) n: u64,
    /// How many of them do not share a fate.
    pub(super) independent: u64,
    /// Which kind was the most frequent.
    pub(super) kind: Option<&'static str>,
    /// The end of the value's interval that is nearest to nothing; a limit has to be beyond that.
    pub(super) bound: Option<f64>,
}

impl Figure {
    /// `found`, of `n`: by the rule's unit a number or a share.
    pub(super) fn of(rule: &Rule, found: u64, n: u64) -> Self {
        let value = match rule.unit {
            RuleUnit::Count => Some(real(found)),
            _ => share(found, n),
        };
        Self { value, n, independent: n, ..Self::default() }
    }

    /// Whether there is enough to judge the rule by while the run goes on.
    pub(super) fn is_enough(&self, rule: &Rule) -> bool {
        let is_rate = !matches!(rule.metric, RuleMetric::UsersHeld) && rule.unit != RuleUnit::Count;
        !is_rate || self.n >= FEWEST
    }

    /// The value, where it is beyond the rule's limit.
    pub(super) fn beyond(&self, rule: &Rule) -> Option<f64> {
        self.value.filter(|value| is_beyond(rule, self.bound.unwrap_or(*value)))
    }
}

/// Whether a value is beyond a rule's limit. Where the limit is 0, nothing is not more than that.
pub(super) fn is_beyond(rule: &Rule, value: f64) -> bool {
    rule.side.is_beyond(value, rule.limit)
}

/// A part of 1; `None` of nothing.
pub(super) fn share(found: u64, n: u64) -> Option<f64> {
    (n > 0 || found > 0).then(|| real(found) / real(n.max(found)))
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn real(n: u64) -> f64 {
    n as f64
}
