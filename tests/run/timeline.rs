//! The summary's timeline: its slices sum to the summary's figures, and each matches the target's own
//! record of that minute.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{LENIENT, PATIENCE, Rig, Target, balances, eventually, eventually_within, number};

/// Longer than it takes until the next minute begins, or the next checkpoint is written.
const MINUTES: Duration = Duration::from_secs(300);

/// The sum of a number over all slices; where it is absent it is 0.
fn sum(summary: &Value, path: &str) -> u64 {
    slices(summary).iter().map(|slice| slice.pointer(path).and_then(Value::as_u64).unwrap_or(0)).sum()
}

fn seconds(summary: &Value, path: &str) -> f64 {
    slices(summary).iter().map(|slice| slice.pointer(path).and_then(Value::as_f64).unwrap_or(0.0)).sum()
}

fn slices(summary: &Value) -> &[Value] {
    summary.pointer("/timeline/slices").and_then(Value::as_array).unwrap_or_else(|| panic!("no slices in {summary}"))
}

/// Every number in an object, by its path.
fn numbers(value: &Value, path: &str, found: &mut BTreeMap<String, u64>) {
    match value {
        Value::Object(entries) => {
            entries.iter().for_each(|(key, value)| numbers(value, &format!("{path}/{key}"), found))
        }
        Value::Number(n) if n.is_u64() => *found.entry(path.to_owned()).or_default() += n.as_u64().unwrap(),
        _ => {}
    }
}

/// Numbers of the summary that are not 0, by their path.
fn of(summary: &Value, path: &str) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    summary.pointer(path).into_iter().for_each(|value| numbers(value, "", &mut found));
    found.retain(|_, n| *n > 0);
    found
}

/// The same, summed over slices.
fn of_slices(summary: &Value, path: &str) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    slices(summary).iter().filter_map(|slice| slice.pointer(path)).for_each(|value| numbers(value, "", &mut found));
    found.retain(|_, n| *n > 0);
    found
}

/// Fails unless the slices sum to the summary's figures, of one generator or of several.
pub(crate) fn sums_match(summary: &Value) {
    for path in ["/deliveries", "/anomalies", "/remote/deliveries", "/remote/anomalies"] {
        assert_eq!(of_slices(summary, path), of(summary, path), "{path} of {summary}");
    }
    for slice in slices(summary) {
        let n = |name: &str| slice.pointer(&format!("/deliveries/{name}")).and_then(Value::as_u64).unwrap_or(0);
        let known = n("on_time") + n("late") + n("lost") + n("excused/total") + n("outstanding");
        assert_eq!(n("expected"), known, "{slice}");
        let times = slice
            .pointer("/times/counts")
            .and_then(Value::as_array)
            .map_or(0, |counts| counts.iter().map(|count| count.as_u64().unwrap()).sum());
        assert_eq!(times, n("on_time") + n("late"), "{slice}");
    }
    let without = |mut counts: BTreeMap<String, u64>, stages: &[&str]| {
        counts.retain(|path, _| stages.iter().all(|stage| path.split('/').nth(1) != Some(stage)));
        counts
    };
    let operations = without(of(summary, "/operations"), &["delivery", "receive"]);
    assert_eq!(of_slices(summary, "/operations"), operations, "operations of {summary}");
    assert_eq!(of_slices(summary, "/errors"), without(of(summary, "/errors"), &["delivery"]), "errors of {summary}");
    assert_eq!(of_slices(summary, "/disconnects"), of(summary, "/connections/plenary/disconnects"), "{summary}");
    assert_eq!(sum(summary, "/joined"), number(summary, "/connections/plenary/joined"), "{summary}");
    assert_eq!(sum(summary, "/sent"), of(summary, "/messages/sent").get("/chat").copied().unwrap_or(0), "{summary}");
    assert_eq!(sum(summary, "/received"), of(summary, "/messages/received").values().sum::<u64>(), "{summary}");
    let mut dropped = BTreeMap::new();
    let rates = summary["rates"].as_object().unwrap().values().map(|rate| &rate["dropped"]);
    rates.for_each(|reasons| numbers(reasons, "", &mut dropped));
    dropped.retain(|_, n| *n > 0);
    assert_eq!(of_slices(summary, "/dropped"), dropped, "{summary}");
    // Seconds of several generators do not sum to one length.
    if summary.get("parts").is_none() {
        let of = |path: &str| summary.pointer(path).and_then(Value::as_f64).unwrap();
        let is_about = |path: &str, wanted: f64| {
            let sum = seconds(summary, path);
            assert!((sum - wanted).abs() <= 0.1 + wanted / 1e3, "{path}: {sum} of {wanted} in {summary}");
        };
        is_about("/hold_seconds", of("/run/hold_seconds"));
        is_about("/spoilt_seconds", of("/generator/spoilt_seconds"));
        let events = summary["timeline"]["events"].as_array().into_iter().flatten();
        let mut texts = events.filter_map(|event| event["text"].as_str());
        if !texts.any(|text| text.starts_with("users ")) {
            is_about("/users/target", of("/run/duration_seconds") * of("/users/target"));
        }
        is_about("/generator/cpu_seconds", of("/generator/cpu_seconds_user") + of("/generator/cpu_seconds_system"));
    }
}

/// The minute of a delivery's intended time, in seconds since 1970.
fn minute(injection: &Value) -> u64 {
    let text = injection["text"].as_str().unwrap();
    let micros = u64::from_str_radix(text.split('-').nth(5).unwrap(), 36).unwrap();
    micros / 60_000_000 * 60
}

/// The number of each minute, of those that have any.
fn by_minute(minutes: impl Iterator<Item = u64>) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    minutes.for_each(|minute| *counts.entry(minute).or_default() += 1);
    counts
}

#[test]
fn slices_have_what_the_targets_record_has_of_their_minutes() {
    // What is sent while a connection joins may be expected on it or not.
    let faults = ["--fault-min-age", "5s", "--fault-drop", "2%", "--fault-duplicate", "2%", "--fault-seed", "7"];
    let target = Target::start(&[&["--control", "127.0.0.1:0"][..], &faults].concat());
    let cache = tempfile::tempdir().unwrap();
    let quick = ["--user-range-max", "20", "--ramp", "100/s", "--sign-in-rate", "100/s", "--connect-rate", "100/s"];
    let load = ["--chat-rate", "20/s", "--disable-event-leaving", "--disable-breakout-joining"];
    let terms = ["--delivery-deadline", "4s", "--delivery-horizon", "10s", "--grace", "5m"];
    let args = [&quick[..], &load, &terms, &LENIENT].concat();
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &args);
    rig.wait_until_ready();
    // A minute has to end meanwhile.
    let of = |fault: &str, all: &[Value]| by_minute(all.iter().filter(|i| i["fault"] == fault).map(minute));
    let many = |minutes: BTreeMap<u64, u64>| minutes.len() > 1 && minutes.values().all(|n| *n > 10);
    crate::support::eventually_within(std::time::Duration::from_secs(300), "faults in two minutes", &mut || {
        many(of("drop", &target.injections()))
    });
    let (ended, summary) = rig.stop();
    assert!(matches!(ended.code, Some(0 | 106)), "{}\n{}", ended.stdout, ended.stderr);
    assert!(balances(&summary), "{}", ended.stdout);
    let injections = target.injections();
    let found = |path: &str| -> BTreeMap<u64, u64> {
        let start = |slice: &Value| slice["start"].as_u64().unwrap();
        let counts = slices(&summary).iter().map(|s| (start(s), s.pointer(path).and_then(Value::as_u64).unwrap_or(0)));
        counts.filter(|(_, n)| *n > 0).collect()
    };
    assert_eq!(found("/deliveries/lost"), of("drop", &injections), "{}", ended.stdout);
    assert_eq!(found("/anomalies/duplicate"), of("duplicate", &injections), "{}", ended.stdout);
}

#[test]
fn a_kill_leaves_slices_that_sum_to_the_last_checkpoint() {
    let target = Target::start(&["--fault-drop", "20%"]);
    let cache = tempfile::tempdir().unwrap();
    let quick = ["--user-range-max", "10", "--ramp", "100/s", "--sign-in-rate", "100/s", "--connect-rate", "100/s"];
    let load = ["--chat-rate", "10/s", "--leave-rate", "1/s", "--away", "1s..2s", "--delivery-horizon", "20s"];
    let rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &[&quick[..], &load, &LENIENT].concat());
    let expected = |summary: Value| number(&summary, "/deliveries/expected");
    eventually_within(MINUTES, "a checkpoint", &mut || rig.written().is_some_and(|summary| expected(summary) > 0));
    rig.process.signal(Signal::SIGKILL);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!((ended.code, summary.pointer("/run/complete")), (None, Some(&Value::from(false))));
    assert!(balances(&summary) && number(&summary, "/deliveries/lost") > 0, "{summary}");
    // Of a minute each; one if it began with one.
    assert!(!slices(&summary).is_empty(), "{summary}");
}

#[test]
fn phases_are_events_in_their_order() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let args = ["--user-range-max", "5", "--ramp", "50/s", "--sign-in-rate", "50/s", "--connect-rate", "50/s"];
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &args);
    rig.wait_until_ready();
    eventually("messages arrive", || rig.metric("soakrig_deliveries_expected_total", &[]) > 0.0);
    let (ended, summary) = rig.stop();
    assert!(balances(&summary), "{}", ended.stdout);
    let events = summary.pointer("/timeline/events").and_then(Value::as_array).unwrap();
    let phases: Vec<&str> =
        events.iter().filter(|e| e["kind"] == "phase").map(|e| e["text"].as_str().unwrap()).collect();
    let wanted = ["the ramp begins", "the hold begins", "the stop begins", "every delivery has its verdict", "the end"];
    assert_eq!(phases, wanted, "{summary}");
    let times: Vec<f64> = events.iter().map(|event| event["at"].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}
