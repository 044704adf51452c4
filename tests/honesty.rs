//! What the rig says of itself, and of servers that are slow: nothing is bent to look well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::time::Duration;

use support::{Rig, Target, balances, eventually, number};

const QUICK: [&str; 6] = ["--ramp", "100/s", "--sign-in-rate", "100/s", "--connect-rate", "100/s"];

/// Sums the numbers of an object.
fn total(value: &serde_json::Value) -> u64 {
    value.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum()
}

#[test]
fn a_stalled_server_does_not_bend_the_schedule() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let cache = tempfile::tempdir().unwrap();
    let load = [
        "--user-range-max",
        "20",
        "--chat-rate",
        "50/s",
        "--disable-event-leaving",
        "--disable-breakout-joining",
        "--duration",
        "20s",
        "--max-error-rate",
        "100%",
    ];
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &[&QUICK[..], &load].concat());
    rig.wait_until_ready();
    target.act(r#"{"do":"stall","ms":8000}"#);
    let (ended, summary) = rig.end(Duration::from_secs(90));
    assert!(balances(&summary), "{}", ended.stdout);
    let sent = number(&summary, "/messages/sent/chat");
    let dropped = total(&summary["rates"]["chat"]["dropped"]);
    assert_eq!(number(&summary, "/operations/send"), sent + dropped, "every intent is accounted for\n{}", ended.stdout);
    // 50 a second for nearly 20 s, less the ramp: the server's eight seconds are not missing.
    assert!((900..=1_000).contains(&(sent + dropped)), "{}", ended.stdout);
    let max = summary["delivery_seconds"]["intended"]["max"].as_f64().unwrap();
    assert!(max > 7.0, "time to delivery shows the stall: {max}\n{}", ended.stdout);
    assert_eq!(summary["generator"]["saturated_seconds"].as_f64(), Some(0.0), "a slow server is not a slow rig");
    assert_eq!(number(&summary, "/deliveries/lost"), 0, "{}", ended.stdout);
}

#[test]
fn a_rig_that_cannot_keep_up_says_so() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let load = [
        "--user-range-max",
        "3",
        "--chat-rate",
        "1000000/s",
        "--breakout-rate",
        "1000000/s",
        "--leave-rate",
        "1000000/s",
        "--duration",
        "45s",
        "--max-error-rate",
        "100%",
        "--grace",
        "1s",
        "--max-lost",
        "1000000000",
    ];
    let mut rig = Rig::run(&target.url, "nobreak", &cache.path().join("s.json"), &[&QUICK[..], &load].concat());
    rig.wait_for_metrics();
    eventually("saturated", || rig.metric("soakrig_saturated", &["reason=\"schedule_lag\""]) == 1.0);
    let (ended, summary) = rig.end(Duration::from_secs(120));
    assert_eq!(ended.code, Some(106), "{}", ended.stdout);
    assert!(ended.stdout.lines().next().unwrap().contains("oid"), "{}", ended.stdout);
    assert!(summary["generator"]["saturated_seconds"].as_f64().unwrap() >= 30.0);
}

#[test]
fn two_generators_see_each_others_losses() {
    let target = Target::start(&[
        "--control",
        "127.0.0.1:0",
        "--fault-drop",
        "2%",
        "--fault-min-age",
        "1s",
        "--fault-seed",
        "3",
    ]);
    let cache = tempfile::tempdir().unwrap();
    let cache = cache.path().join("s.json");
    let load = [
        "--chat-rate",
        "25/s",
        "--disable-event-leaving",
        "--disable-breakout-joining",
        "--duration",
        "24s",
        "--delivery-deadline",
        "2s",
        "--delivery-horizon",
        "5s",
        "--grace",
        "15s",
        "--max-lost",
        "1000000",
        "--max-error-rate",
        "100%",
        "--run-id",
        "pair",
    ];
    let rigs = [("0", "15"), ("15", "30")].map(|(min, max)| {
        let range = ["--user-range-min", min, "--user-range-max", max];
        Rig::run(&target.url, "test", &cache, &[&range[..], &QUICK, &load].concat())
    });
    eventually("enough is dropped", || target.injections().len() > 150);
    target.set_faults(r#"{"chat":{"drop":"never"}}"#);
    for (part, rig) in rigs.into_iter().enumerate() {
        let (ended, summary) = rig.end(Duration::from_secs(90));
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
        let injections = target.injections();
        let of_part = |name: &serde_json::Value| usize::from(number_of(name.as_str().unwrap()) >= 15) == part;
        let here = || injections.iter().filter(|i| of_part(&i["username"]));
        let local = here().filter(|i| of_part(&i["sender"])).count() as u64;
        let remote = here().count() as u64 - local;
        assert_eq!(number(&summary, "/deliveries/lost"), local, "{}", ended.stdout);
        let seen = number(&summary, "/remote/deliveries/lost");
        // A drop before the first number that a connection reads of the other generator is not seen.
        assert!(seen <= remote && seen + 2 >= remote, "{seen} of {remote}\n{}", ended.stdout);
        assert!(remote > 20 && local > 20);
    }
}

fn number_of(username: &str) -> u32 {
    username.trim_start_matches("loadtest").parse().unwrap()
}
