//! The settings in which two runs differ.

use std::collections::{BTreeMap, BTreeSet};

use super::comparison::Setting;
use crate::report::numbers::{latency, limit, span};
use crate::report::sections::is_same;
use crate::report::summary::{Summary, Thresholds};

/// Options left out: they change no figure, or another row shows them.
const NOT_TOLD: [&str; 15] = [
    "<PLENARY_SLUG>",
    "--anomaly-log",
    "--cache-file",
    "--control-socket",
    "--junit",
    "--metrics-listen",
    "--otlp-endpoint",
    "--password",
    "--report",
    "--run-id",
    "--seed",
    "--shard",
    "--summary",
    "--user-range-max",
    "--user-range-min",
];
/// Holds whose lengths differ by less than this fraction count as equally long.
const AS_LONG: f64 = 0.01;

/// The settings that differ, those of the summary first, then the options by name.
pub(super) fn differences(before: &Summary, after: &Summary) -> Vec<Setting> {
    let mut found: Vec<Setting> = own(before)
        .into_iter()
        .zip(own(after))
        .filter(|((_, one), (_, other))| one != other)
        .map(|((name, before), (_, after))| Setting { name: name.to_owned(), before, after })
        .collect();
    let (one, other) = (before.run.hold_seconds, after.run.hold_seconds);
    if (one - other).abs() > AS_LONG * one.max(other) {
        found.push(Setting { name: "hold".to_owned(), before: span(one), after: span(other) });
    }
    let has_options = !before.configuration.is_empty() && !after.configuration.is_empty();
    let (one, other) = if has_options {
        (before.configuration.clone(), after.configuration.clone())
    } else {
        (limits(&before.thresholds), limits(&after.thresholds))
    };
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let text = |options: &BTreeMap<String, String>, name: &String| {
        options.get(name).cloned().unwrap_or_else(|| "-".to_owned())
    };
    let differs =
        names.into_iter().filter(|name| !NOT_TOLD.contains(&name.as_str()) && one.get(*name) != other.get(*name));
    found.extend(differs.map(|name| Setting {
        name: name.clone(),
        before: text(&one, name),
        after: text(&other, name),
    }));
    found
}

/// The settings that every summary has.
fn own(summary: &Summary) -> Vec<(&'static str, String)> {
    let run = &summary.run;
    let rate = |kind: &str| summary.rates.get(kind).map_or_else(|| "-".to_owned(), |rate| format!("{}/s", rate.set));
    let generators = summary.parts.chunk_by(is_same).count().max(1);
    vec![
        ("soakrig", run.version.clone()),
        ("room", run.plenary.clone()),
        ("seed", run.seed.to_string()),
        ("generators", generators.to_string()),
        ("users", summary.users.target.to_string()),
        ("first user", summary.users.min.to_string()),
        ("chat rate", rate("chat")),
        ("leave rate", rate("leave")),
        ("breakout rate", rate("breakout")),
    ]
}

/// The limits, by the names of their options.
fn limits(thresholds: &Thresholds) -> BTreeMap<String, String> {
    let off = || "off".to_owned();
    let share = |part: Option<f64>| part.map_or_else(off, limit);
    let lost = thresholds.max_lost.map_or_else(|| share(thresholds.max_lost_share), |n| n.to_string());
    [
        ("--max-lost", lost),
        ("--max-late", share(thresholds.max_late)),
        ("--max-anomalies", share(thresholds.max_anomalies)),
        ("--max-cut", share(thresholds.max_cut)),
        ("--max-error-rate", share(thresholds.max_error_rate)),
        ("--max-p99", thresholds.max_p99_seconds.map_or_else(off, latency)),
        ("--max-saturated", share(thresholds.max_saturated)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
