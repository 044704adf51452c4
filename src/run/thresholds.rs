//! The limits of a run, as `/metrics` shows them.

use std::collections::BTreeMap;

use crate::metrics::Metrics;
use crate::model::{Limit, Rule, RuleMetric, RuleUnit, Rules, Side, Thresholds};

/// Shows limits and rules; the strictest if several limit the same thing.
pub(super) fn show(limits: &Thresholds, rules: &Rules, metrics: &Metrics) {
    let set = [
        (Limit::Lost, limits.max_lost.map(|most| most as f64)),
        (Limit::LostShare, limits.max_lost_share),
        (Limit::Late, limits.max_late),
        (Limit::Anomalies, limits.max_anomalies),
        (Limit::Cut, limits.max_cut),
        (Limit::P99, limits.max_p99_seconds),
        (Limit::ErrorRate, limits.max_error_rate),
        (Limit::Saturated, limits.max_saturated),
    ];
    set.into_iter().for_each(|(limit, most)| metrics.threshold(limit, most));
    let set = set.into_iter().filter_map(|(limit, most)| Some((limit.as_str().to_owned(), most?)));
    for (about, limit) in strictest(set.collect(), rules) {
        metrics.rule(&about, limit);
    }
}

/// The strictest limits, by what they limit: those already `set`, and the rules'.
fn strictest(set: BTreeMap<String, f64>, rules: &Rules) -> BTreeMap<String, f64> {
    let mut all = set;
    for (_, rule) in rules.all() {
        let limit = all.entry(about(rule)).or_insert(rule.limit);
        *limit = match rule.side {
            Side::Above => limit.min(rule.limit),
            Side::Below => limit.max(rule.limit),
        };
    }
    all
}

/// What a rule limits. A metric with both a number and a share has a separate series for the share.
fn about(rule: &Rule) -> String {
    let is_either = matches!(rule.metric, RuleMetric::Lost | RuleMetric::Outstanding);
    let subject = rule.subject();
    match subject.split_once(' ') {
        _ if !is_either || rule.unit != RuleUnit::Share => subject,
        Some((metric, window)) => format!("{metric}_share {window}"),
        None => format!("{subject}_share"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_limit_on_a_thing_is_shown() {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let rules = Rules {
            fail_if: read(&["p99 > 500ms", "p99 > 2s over 5m", "users_held < 95% over 2m", "lost > 1% over 10s"]),
            abort_if: read(&["p99 > 700ms", "users_held < 99% over 2m", "error_rate(connect) > 2%"]),
        };
        let shown = strictest([("p99".to_owned(), 1.0), ("late".to_owned(), 0.01)].into(), &rules);
        let wanted = [
            ("error_rate(connect)", 0.02),
            ("late", 0.01),
            ("lost_share over 10s", 0.01),
            ("p99", 0.5),
            ("p99 over 5m", 2.0),
            ("users_held over 2m", 0.99),
        ];
        assert_eq!(shown, wanted.map(|(about, limit)| (about.to_owned(), limit)).into());
    }
}
