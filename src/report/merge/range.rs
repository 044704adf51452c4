//! Rejects numbers that no generator writes: not finite, negative, or impossibly large.

use crate::report::summary::Summary;

/// A hundred years, in seconds.
const LONGEST: f64 = 100.0 * 366.0 * 86_400.0;
/// Most users of a run.
const MOST_USERS: f64 = 1e10;
/// Highest rate, in intents per second.
const HIGHEST_RATE: f64 = 1e12;

/// The first impossible number of a summary, in words.
pub(super) fn impossible(summary: &Summary) -> Option<String> {
    let Summary { run, generator, rates, thresholds, user_seconds, marked, .. } = summary;
    let seconds = [
        ("duration_seconds", run.duration_seconds),
        ("hold_seconds", run.hold_seconds),
        ("horizon_seconds", run.horizon_seconds),
        ("cpu_seconds_user", generator.cpu_seconds_user),
        ("cpu_seconds_system", generator.cpu_seconds_system),
        ("saturated_seconds", generator.saturated_seconds),
        ("spoilt_seconds", generator.spoilt_seconds),
    ];
    let by = [("saturated_by", &generator.saturated_by), ("spoilt_by", &generator.spoilt_by)];
    let by = by.into_iter().flat_map(|(what, by)| by.values().map(move |seconds| (what, *seconds)));
    let rates = rates.values().flat_map(|rate| [("set", rate.set), ("achieved", rate.achieved)]);
    let shares = [
        ("max_lost_share", thresholds.max_lost_share),
        ("max_error_rate", thresholds.max_error_rate),
        ("max_late", thresholds.max_late),
        ("max_anomalies", thresholds.max_anomalies),
        ("max_cut", thresholds.max_cut),
        ("max_saturated", thresholds.max_saturated),
    ];
    let shares = shares.into_iter().filter_map(|(what, share)| Some((what, share?)));
    let users = user_seconds.iter().chain(marked.iter().map(|marked| &marked.user_seconds)).flat_map(|held| {
        [held.target, held.connected, held.away].map(|seconds| ("user_seconds", seconds, LONGEST * MOST_USERS))
    });
    let all = seconds.into_iter().chain(by).map(|(what, n)| (what, n, LONGEST));
    let all = all.chain(rates.map(|(what, n)| (what, n, HIGHEST_RATE))).chain(shares.map(|(what, n)| (what, n, 1.0)));
    let all = all.chain(users);
    let wrong = all.into_iter().find(|(_, n, most)| !(0.0..=*most).contains(n));
    wrong.map(|(what, n, most)| format!("its {what} is {n}, not from 0 to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::inputs::tests::night;

    #[test]
    fn a_number_outside_its_range_is_named() {
        assert_eq!(impossible(&night()), None);
        let with = |change: fn(&mut Summary)| {
            let mut summary = night();
            change(&mut summary);
            impossible(&summary).unwrap()
        };
        assert!(with(|s| s.run.hold_seconds = -5.0).contains("hold_seconds is -5"));
        assert!(with(|s| s.generator.cpu_seconds_user = f64::NAN).contains("cpu_seconds_user is NaN"));
        assert!(with(|s| s.generator.spoilt_seconds = 1e300).contains("spoilt_seconds"));
        assert!(with(|s| s.thresholds.max_error_rate = Some(-0.5)).contains("max_error_rate is -0.5"));
        assert!(with(|s| s.rates.get_mut("chat").unwrap().set = -1.0).contains("set is -1"));
    }
}
