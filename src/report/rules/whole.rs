//! Metrics over the whole run, from the judged figures of a summary.

use super::figure::{FEWEST, Figure, real};
use crate::model::{Action, Rule, RuleMetric, Side, Stage};
use crate::report::drift;
use crate::report::end::End;
use crate::report::planned;
use crate::report::summary::Summary;
use crate::report::thresholds::{self, Found};
use crate::report::timeline::UserSeconds;

/// The metric's value and its sample size, if it is beyond the limit of a rule without windows during the
/// run. Rates and quantiles need 20 operations.
#[must_use]
pub fn beyond(summary: &Summary, rule: &Rule) -> Option<(f64, u64)> {
    if rule.window.is_some() {
        return None;
    }
    let figure = figure(summary, &End::Running, rule);
    let value = figure.beyond(rule).filter(|_| figure.is_enough(rule))?;
    Some((value, figure.n))
}

/// The value of a rule's metric over the whole run, without windows.
pub(super) fn figure(summary: &Summary, end: &End, rule: &Rule) -> Figure {
    let found = Found::of(summary);
    let messages = summary.messages.sent.get(Action::Chat.as_str()).copied().unwrap_or(0);
    let of_expected = |n| Figure { independent: messages, ..Figure::of(rule, n, found.expected) };
    match &rule.metric {
        RuleMetric::P50 | RuleMetric::P99 => quantile(summary, &rule.metric),
        RuleMetric::Lost => of_expected(found.lost),
        RuleMetric::Late => of_expected(found.late),
        RuleMetric::Anomalies => {
            let (kind, n) = thresholds::worst_anomaly(summary);
            Figure { kind: (n > 0).then_some(kind), ..of_expected(n) }
        }
        RuleMetric::Cut => {
            let (cut, joined) = thresholds::cut(summary);
            Figure::of(rule, cut, joined)
        }
        // A run in progress always has outstanding deliveries.
        RuleMetric::Outstanding if *end == End::Running => Figure::default(),
        RuleMetric::Outstanding => of_expected(found.outstanding),
        RuleMetric::UsersHeld => users_held(summary),
        RuleMetric::ErrorRate(stage) => {
            let (operations, errors) = errors(summary, *stage);
            Figure::of(rule, errors, operations)
        }
        RuleMetric::Rate(action) => rate(summary, *action),
        // The interval changes with each minute of the run, so it is judged once, at the end.
        RuleMetric::Drift(_) if *end == End::Running => Figure::default(),
        RuleMetric::Drift(name) => drifting(summary, rule, name),
    }
}

fn quantile(summary: &Summary, metric: &RuleMetric) -> Figure {
    let Some(times) = summary.judged_seconds.get("intended") else { return Figure::default() };
    let value = if *metric == RuleMetric::P50 { times.p50 } else { times.p99 };
    Figure { value, n: times.count, independent: times.count, ..Figure::default() }
}

/// The fraction of the target's user-seconds in the hold that was held, without tolerated disruptions.
fn users_held(summary: &Summary) -> Figure {
    let aside = summary.set_aside().map_or(UserSeconds::default(), |aside| aside.user_seconds);
    let held = summary.user_seconds.map(|held| held.plus(aside.times(-1.0)));
    let Some(held) = held.filter(|held| held.target > 0.0) else { return Figure::default() };
    let value = (held.connected + held.away).max(0.0) / held.target;
    Figure { value: Some(value), n: summary.users.target, independent: FEWEST, ..Figure::default() }
}

/// The change per hour, and the end of its interval nearest to zero.
fn drifting(summary: &Summary, rule: &Rule, name: &str) -> Figure {
    let Some(timeline) = &summary.timeline else { return Figure::default() };
    let stretch = drift::longest_stretch(timeline, &planned::set_aside(summary));
    let (n, named) = (stretch.len() as u64, drift::Figure::named(name));
    let Some([value, low, high]) = drift::of(stretch, timeline.slice_seconds, &named) else { return Figure::default() };
    let bound = if rule.side == Side::Above { low } else { high };
    Figure { value: Some(value), n, independent: n, bound: Some(bound), ..Figure::default() }
}

/// Operations of a stage, and those of its errors that count against the server.
fn errors(summary: &Summary, stage: Stage) -> (u64, u64) {
    if stage != Stage::Delivery {
        return thresholds::errors(summary, stage.as_str());
    }
    let found = Found::of(summary);
    let corrupt = thresholds::anomalies(summary).iter().find(|(kind, _)| *kind == "corrupt").map_or(0, |(_, n)| *n);
    (found.settled, found.lost.saturating_add(corrupt))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
fn rate(summary: &Summary, action: Action) -> Figure {
    let Some(rate) = summary.rates.get(action.as_str()) else { return Figure::default() };
    let hold = summary.run.hold_seconds;
    let set = (rate.set * hold).round() as u64;
    let value = (set > 0).then(|| real(rate.carried_out) / (rate.set * hold));
    Figure { value, n: set, independent: set, ..Figure::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::inputs::tests::night;
    use crate::report::marked::Marked;
    use crate::report::rules::figure::share;

    fn of(text: &str) -> (Option<f64>, u64) {
        let mut summary = night();
        summary.judged.as_mut().unwrap().deliveries.lost = 24;
        summary.user_seconds = Some(UserSeconds { target: 12_000.0, connected: 11_000.0, away: 400.0 });
        let figure = figure(&summary, &End::Settled, &text.parse().unwrap());
        (figure.value, figure.n)
    }

    #[test]
    fn each_metric_is_what_the_documentation_says() {
        assert_eq!(of("lost > 0"), (Some(24.0), 240_000));
        assert_eq!(of("lost > 0.1%"), (Some(0.0001), 240_000));
        assert_eq!(of("late > 1%"), (Some(0.0), 240_000));
        assert_eq!(of("cut > 1%"), (Some(0.0), 260));
        assert_eq!(of("error_rate(delivery) > 1%"), (Some(0.0001), 240_000));
        assert_eq!(of("error_rate(connect) > 1%"), (share(1, 380), 380));
        assert_eq!(of("users_held < 95%"), (Some(0.95), 200));
        assert_eq!(of("rate(chat) < 95%"), (Some(1.0), 1_200));
        assert_eq!(of("outstanding > 0"), (Some(0.0), 240_000));
        let (p99, n) = of("p99 > 1s");
        assert!(p99.is_some_and(|p99| (p99 - 0.013).abs() < 0.0005) && n == 239_000, "{p99:?} of {n}");
        assert!(of("p50 > 1s").0 < p99);
    }

    #[test]
    fn users_held_is_without_what_is_set_aside() {
        let mut summary = night();
        summary.user_seconds = Some(UserSeconds { target: 12_000.0, connected: 11_000.0, away: 400.0 });
        let user_seconds = UserSeconds { target: 2_000.0, connected: 1_400.0, away: 0.0 };
        let mut with = |tolerated| {
            summary.marked = Some(Marked { tolerated, user_seconds, ..Marked::default() });
            figure(&summary, &End::Settled, &"users_held < 95%".parse().unwrap()).value
        };
        assert_eq!((with(false), with(true)), (Some(0.95), Some(1.0)));
        summary.marked =
            Some(Marked { tolerated: true, user_seconds: summary.user_seconds.unwrap(), ..Marked::default() });
        let all = figure(&summary, &End::Settled, &"users_held < 95%".parse().unwrap());
        assert_eq!(all.value, None, "nothing is left to judge");
    }

    #[test]
    fn figures_whose_drift_a_rule_may_name_are_recorded() {
        for name in crate::model::DRIFT_FIGURES {
            assert!(!matches!(drift::Figure::named(name), drift::Figure::Watched(_)), "{name}");
        }
    }

    #[test]
    fn while_a_run_goes_on_rates_and_quantiles_need_twenty() {
        let mut summary = night();
        let holds = |summary: &Summary, text: &str| beyond(summary, &text.parse().unwrap()).is_some();
        assert!(holds(&summary, "p99 > 1ms") && !holds(&summary, "p99 > 1s"));
        assert!(!holds(&summary, "p99 > 1ms over 5m"), "windows are looked at elsewhere");
        summary.judged_seconds.get_mut("intended").unwrap().count = 19;
        assert!(!holds(&summary, "p99 > 1ms"));
        summary.operations.insert("login".into(), 19);
        summary.errors.insert("login".into(), [("timeout".to_owned(), 19)].into());
        assert!(!holds(&summary, "error_rate(login) > 5%"));
        summary.judged.as_mut().unwrap().deliveries.lost = 1;
        assert!(holds(&summary, "lost > 0"), "a count needs no number");
        summary.judged.as_mut().unwrap().deliveries.outstanding = 1;
        assert!(!holds(&summary, "outstanding > 0"), "of a run that goes on something always is");
    }
}
