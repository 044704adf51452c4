//! Rules in whole runs: --fail-if in windows around a fault, and --abort-if that ends a run cleanly.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{LENIENT, PATIENCE, Rig, Target, balances, eventually, number};

const LOAD: [&str; 17] = [
    "--reconnect",
    "immediate",
    "--ramp",
    "100/s",
    "--sign-in-rate",
    "100/s",
    "--connect-rate",
    "100/s",
    "--user-range-max",
    "24",
    "--chat-rate",
    "20/s",
    "--disable-event-leaving",
    "--delivery-deadline",
    "300ms",
    "--delivery-horizon",
    "2s",
];

/// How long to wait on a busy machine for five unspoilt seconds in a row.
const LONG_ENOUGH: Duration = Duration::from_secs(60);

/// On a busy machine some time is spoilt, which must not make these runs invalid.
const BUSY: [&str; 2] = ["--max-saturated", "off"];

fn run(url: &str, rules: &[&str]) -> Rig {
    let cache = tempfile::tempdir().unwrap();
    let args = [&LOAD[..], &LENIENT, &BUSY, rules].concat();
    Rig::run(url, "test", &cache.path().join("s.json"), &args)
}

fn row<'a>(summary: &'a Value, name: &str) -> &'a Value {
    let rows = summary["verdict"]["thresholds"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {rows:?}"))
}

fn events(summary: &Value) -> Vec<&str> {
    let events = summary["timeline"]["events"].as_array().unwrap().iter();
    events.filter(|event| event["kind"] == "rule").map(|event| event["text"].as_str().unwrap()).collect()
}

#[test]
fn a_count_of_losses_ends_the_run_in_order() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let home = tempfile::tempdir().unwrap();
    let junit = home.path().join("junit.xml");
    let rules = ["--abort-if", "lost > 3", "--abort-if", "p99 > 1h", "--junit", junit.to_str().unwrap()];
    let mut rig = run(&target.url, &rules);
    rig.wait_until_ready();
    assert_eq!(rig.metric("soakrig_threshold", &["name=\"lost\""]), 3.0);
    target.set_faults(r#"{"chat": {"drop": "20%"}}"#);
    let line = rig.process.wait_for_line("--abort-if lost > 3 ends the run");
    target.clear_faults();
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(99), "{line}\n{}", ended.stdout);
    let by = &summary["ended_by"][0];
    assert_eq!(by["rule"], "lost > 3");
    assert!(by["value"].as_f64().unwrap() > 3.0 && number(by, "/n") > 0, "{by}");
    let at = by["at"].as_str().unwrap();
    let said = ended.stdout.lines().next().unwrap();
    assert!(said.starts_with(&format!("Failed: --abort-if lost > 3 ended the run at {at}, at ")), "{said}");
    assert_eq!(events(&summary).len(), 1, "{:?}", events(&summary));
    assert!(balances(&summary) && number(&summary, "/deliveries/outstanding") == 0, "in good order: {summary}");
    assert_eq!(
        (&row(&summary, "lost > 3")["result"], &row(&summary, "lost > 3")["rule"]),
        (&"failed".into(), &"abort_if".into())
    );
    assert_ne!(row(&summary, "p99 > 1h")["result"], "failed");
    let xml = std::fs::read_to_string(junit).unwrap();
    let case = xml.split("<testcase").find(|case| case.contains("name=\"lost &gt; 3\"")).unwrap();
    assert!(case.contains("<failure") && xml.matches("<failure").count() == 1, "{xml}");
}

#[test]
fn a_window_around_a_fault_is_the_worst_one() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let (cut, long) = ("cut > 50% over 10s", "cut > 50% over 6h");
    let mut rig = run(&target.url, &["--fail-if", cut, "--fail-if", long, "--fail-if", "users_held < 1% over 5s"]);
    rig.wait_until_ready();
    assert_eq!(rig.metric("soakrig_threshold", &["name=\"cut over 10s\""]), 0.5);
    // A spoilt cell is not judged, so more than one may be needed; on a busy machine there may be none.
    let (mut held, begun) = (false, Instant::now());
    while !held && begun.elapsed() < LONG_ENOUGH {
        target.act(r#"{"do":"close","code":1011,"share":1.0}"#);
        eventually("all are back", || rig.metric("soakrig_users", &["state=\"connected\""]) == 24.0);
        held = rig.process.has_said("cut > 50% over 10s holds");
    }
    let over = ["cut > 50% over 10s no longer holds", "cut > 50% over 10s can no longer be judged"];
    eventually("it is over", || !held || over.iter().any(|text| rig.process.has_said(text)));
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    if !held {
        assert!(summary["generator"]["spoilt_seconds"].as_f64().unwrap() > 5.0, "{summary}");
        return;
    }
    assert_eq!(ended.code, Some(99), "{}", ended.stdout);
    let row_of = |name| row(&summary, name);
    let found = row_of(cut);
    assert_eq!(found["result"], "failed");
    assert!(found["value"].as_f64().unwrap() > 0.5 && number(found, "/n") >= 20, "{found}");
    let at = |end: &str| humantime::parse_rfc3339(found["at"][end].as_str().unwrap()).unwrap();
    assert_eq!(at("ended").duration_since(at("began")).unwrap().as_secs(), 10);
    let began = humantime::parse_rfc3339(summary["run"]["hold_began"].as_str().unwrap()).unwrap();
    // To a fiftieth of a cell: clocks are read a little late.
    assert!(at("began") + Duration::from_millis(100) >= began, "wholly in the hold: {found}");
    assert_eq!(row_of(long)["result"], "not_judged");
    assert_eq!(row_of(long)["why"], "the hold was shorter");
    assert_eq!(row_of("users_held < 1% over 5s")["result"], "passed");
    let said = events(&summary);
    assert!(said.len() >= 2 && said[0].contains("cut > 50% over 10s holds: "), "{said:?}");
    assert!(ended.stdout.contains("cut > 50% over 10s holds: "), "{}", ended.stdout);
    assert!(ended.stdout.contains("not judged: the hold was shorter"), "{}", ended.stdout);
}

#[test]
fn an_unwritable_junit_file_prevents_the_start_and_a_faulty_rule_is_pointed_at() {
    let mut rig = run("http://127.0.0.1:9", &["--junit", "/proc/no/such/junit.xml"]);
    let _ = rig.process.wait_for_line("--junit");
    assert_eq!(rig.end_early().code, Some(2));
    let mut rig = run("http://127.0.0.1:9", &["--fail-if", "p99 > 500 over 5m"]);
    rig.process.wait_for_line("  p99 > 500 over 5m");
    let line = rig.process.wait_for_line("^ expected");
    assert_eq!(line, "           ^ expected a length of time with its unit, such as 500ms or 1.5s");
    assert_eq!(rig.end_early().code, Some(2));
    let mut rig = run("http://127.0.0.1:9", &["--fail-if", "drift(memory) > 5%/h"]);
    rig.process.wait_for_line("drift(memory) > 5%/h: nothing records memory");
    assert_eq!(rig.end_early().code, Some(2));
}

#[test]
fn a_window_of_losses_fails_a_run_that_lost_little_in_all() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let mut rig = run(&target.url, &["--fail-if", "lost > 0 over 10s", "--fail-if", "lost > 90%"]);
    rig.wait_until_ready();
    target.set_faults(r#"{"chat": {"drop": "20%"}}"#);
    let (mut held, begun) = (false, Instant::now());
    while !held && begun.elapsed() < LONG_ENOUGH {
        std::thread::sleep(Duration::from_millis(100));
        held = rig.process.has_said("lost > 0 over 10s holds");
    }
    target.clear_faults();
    let over = ["lost > 0 over 10s no longer holds", "lost > 0 over 10s can no longer be judged"];
    eventually("it is over", || !held || over.iter().any(|text| rig.process.has_said(text)));
    let (ended, summary) = rig.stop();
    if held {
        assert_eq!(ended.code, Some(99), "{}", ended.stdout);
        assert_eq!(row(&summary, "lost > 0 over 10s")["result"], "failed");
    } else {
        assert!(summary["generator"]["spoilt_seconds"].as_f64().unwrap() > 5.0, "{summary}");
    }
    assert_eq!(row(&summary, "lost > 90%")["result"], "passed");
}
