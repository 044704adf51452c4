//! The rows of rules in the table of thresholds.

use super::figure::{Figure, is_beyond};
use super::whole;
use crate::model::{Rule, RuleMetric, RuleOption, RuleUnit, Side};
use crate::report::end::End;
use crate::report::judgement::{EndedBy, Judgement, Threshold, Unit};
use crate::report::numbers::{count, latency_over, percent, percent_over, percent_under};
use crate::report::summary::Summary;
use crate::report::thresholds::RULE_OF_THREE;

/// A row for each rule, those of `--fail-if` first. None if the target refused.
pub(in crate::report) fn rows(summary: &Summary, end: &End) -> Vec<Threshold> {
    if matches!(end, End::Refused(_)) {
        return Vec::new();
    }
    summary.rules.all().map(|(option, rule)| row(summary, end, option, rule)).collect()
}

fn row(summary: &Summary, end: &End, option: RuleOption, rule: &Rule) -> Threshold {
    let row = match rule.window {
        Some(_) => windows(summary, rule),
        None => whole_run(summary, end, rule),
    };
    let row = Threshold { rule: Some(option), below: rule.side == Side::Below, ..row };
    // The rule that ended the run may no longer hold at its end.
    match ended_by(summary, &row) {
        Some(ended) if row.result != Judgement::Failed => {
            Threshold { value: Some(ended.value), n: ended.n, result: Judgement::Failed, why: None, ..row }
        }
        _ => row,
    }
}

/// The event that ended the run, if this row's rule did.
pub(in crate::report) fn ended_by<'a>(summary: &'a Summary, row: &Threshold) -> Option<&'a EndedBy> {
    let ended = |ended: &&EndedBy| row.rule == Some(RuleOption::AbortIf) && ended.rule.to_string() == row.name;
    summary.ended_by.iter().find(ended)
}

fn whole_run(summary: &Summary, end: &End, rule: &Rule) -> Threshold {
    let Figure { value, n, independent, kind, bound } = whole::figure(summary, end, rule);
    let share_of_nothing = rule.unit == RuleUnit::Share && rule.side == Side::Above && value == Some(0.0);
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let too_few = share_of_nothing && rule.limit > 0.0 && independent as f64 * rule.limit < RULE_OF_THREE;
    let result = match value {
        None => Judgement::NotJudged,
        Some(value) if is_beyond(rule, bound.unwrap_or(value)) => Judgement::Failed,
        Some(_) if too_few => Judgement::TooFew,
        Some(_) => Judgement::Passed,
    };
    let why = value.is_none().then(|| match rule.metric {
        RuleMetric::Outstanding | RuleMetric::Drift(_) if *end == End::Running => {
            "the run is still in progress".to_owned()
        }
        RuleMetric::Drift(_) => "there are under 30 consecutive minutes with this figure".to_owned(),
        _ => "there was nothing to judge".to_owned(),
    });
    let row = Threshold::new(&rule.to_string(), unit(rule), Some(rule.limit), value, n, result);
    Threshold { kind: kind.map(str::to_owned), why, ..row }
}

fn windows(summary: &Summary, rule: &Rule) -> Threshold {
    let found = summary.windows.iter().find(|windows| windows.rule == *rule);
    let new = |value, n, result| Threshold::new(&rule.to_string(), unit(rule), Some(rule.limit), value, n, result);
    match found.and_then(|windows| windows.worst.as_ref()) {
        Some(worst) => {
            let result = if is_beyond(rule, worst.value) { Judgement::Failed } else { Judgement::Passed };
            Threshold { at: Some(worst.at.clone()), ..new(Some(worst.value), worst.n, result) }
        }
        None => {
            let why = match found {
                Some(windows) if windows.windows > 0 => "every window had too little to judge, or was spoilt",
                _ => "the hold was shorter",
            };
            Threshold { why: Some(why.to_owned()), ..new(None, 0, Judgement::NotJudged) }
        }
    }
}

fn unit(rule: &Rule) -> Unit {
    match rule.unit {
        RuleUnit::Count => Unit::Count,
        RuleUnit::Share => Unit::Share,
        RuleUnit::Seconds => Unit::Seconds,
        RuleUnit::SharePerHour => Unit::SharePerHour,
    }
}

/// A value of a rule's metric in words.
#[must_use]
pub fn in_words(rule: &Rule, value: f64) -> String {
    shown(unit(rule), Some(rule.limit), rule.side == Side::Below, value)
}

/// A row's value in words, with enough digits to show on which side of the limit it is.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are not negative")]
pub(in crate::report) fn shown(unit: Unit, limit: Option<f64>, below: bool, value: f64) -> String {
    let most = limit.unwrap_or(f64::INFINITY);
    match unit {
        Unit::Count => count(value as u64),
        Unit::Share if below => percent_under(value, most),
        Unit::Share => percent_over(value, most),
        Unit::Seconds => latency_over(value, most),
        Unit::SharePerHour => format!("{}{}/h", if value < 0.0 { "-" } else { "" }, percent(value.abs())),
    }
}
