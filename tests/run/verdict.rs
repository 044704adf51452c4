//! The verdict on a run, by exit code and first line: runs with bad delivery, or with no measurement, fail.

use std::net::TcpListener;

use crate::support::{Ended, PATIENCE, Process, Rig, Target, eventually, number, soakrig};
use nix::sys::signal::Signal;
use serde_json::Value;

const QUICK: [&str; 6] = ["--ramp", "100/s", "--sign-in-rate", "100/s", "--connect-rate", "100/s"];
const TERMS: [&str; 4] = ["--delivery-deadline", "300ms", "--delivery-horizon", "3s"];

fn run(url: &str, args: &[&str]) -> Rig {
    let cache = tempfile::tempdir().unwrap();
    let load = ["--user-range-max", "8", "--chat-rate", "20/s", "--disable-event-leaving"];
    Rig::run(url, "test", &cache.path().join("s.json"), &[&QUICK[..], &load, args].concat())
}

fn against(faults: &[&str], args: &[&str]) -> (Ended, Value) {
    let target = Target::start(faults);
    let mut rig = run(&target.url, args);
    rig.wait_for_metrics();
    eventually("deliveries", || rig.metric("soakrig_deliveries_expected_total", &[]) > 60.0);
    rig.process.signal(Signal::SIGTERM);
    rig.end(PATIENCE)
}

fn first_line(ended: &Ended) -> &str {
    ended.stdout.lines().next().unwrap_or_default()
}

fn row<'a>(summary: &'a Value, name: &str) -> &'a Value {
    let rows = summary["verdict"]["thresholds"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {rows:?}"))
}

#[test]
fn a_run_with_only_late_deliveries_fails() {
    let late = ["--fault-delay", "100%", "--fault-delay-min", "400ms", "--fault-delay-max", "500ms"];
    let (ended, summary) = against(&late, &TERMS);
    if number(&summary, "/judged/late") > 0 {
        assert_eq!(ended.code, Some(99), "{}", ended.stdout);
        assert!(first_line(&ended).contains("of the deliveries came late"), "{}", ended.stdout);
        assert_eq!(row(&summary, "late")["result"], "failed");
        assert_eq!(row(&summary, "late")["value"], 1.0);
    } else {
        // A busy machine spoils the whole run, which then does not pass.
        assert_eq!(ended.code, Some(106), "{}", ended.stdout);
        assert!(first_line(&ended).contains("late would fail"), "{}", ended.stdout);
    }
    let off = [&TERMS[..], &["--max-late", "off", "--max-anomalies", "off", "--max-saturated", "off"]].concat();
    let (ended, summary) = against(&late, &off);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(row(&summary, "late")["result"], "off");
    assert_eq!(summary["thresholds"]["max_late"], Value::Null);
}

/// With the default grace, which outlasts the horizon.
#[test]
fn a_loss_in_a_run_shorter_than_the_horizon_is_counted() {
    let (ended, summary) = against(&["--fault-drop", "every:10"], &TERMS);
    assert_eq!(ended.code, Some(99), "{}", ended.stdout);
    assert!(first_line(&ended).contains("deliveries were lost (limit 0)"), "{}", ended.stdout);
    assert_eq!(number(&summary, "/deliveries/outstanding"), 0, "{}", ended.stdout);
    assert!(number(&summary, "/deliveries/lost") > 0);
    let (ended, _) = against(&["--fault-drop", "every:10"], &[&TERMS[..], &["--grace", "0s"]].concat());
    assert_eq!(ended.code, Some(99), "{}", ended.stdout);
    assert!(first_line(&ended).contains("had no verdict when the grace was over"), "{}", ended.stdout);
}

#[test]
fn cut_connections_and_duplicate_chats_fail_a_run() {
    let target = Target::start(&["--control", "127.0.0.1:0", "--fault-duplicate", "20%"]);
    let mut rig = run(&target.url, &["--max-lost", "2%", "--delivery-deadline", "12s"]);
    rig.wait_until_ready();
    assert_eq!(rig.metric("soakrig_threshold", &["name=\"late\""]), 0.01);
    assert_eq!(rig.metric("soakrig_threshold", &["name=\"lost_share\""]), 0.02);
    assert!(!rig.scrape().contains("name=\"lost\""), "a share is no count");
    assert!(rig.scrape().contains("le=\"12\""), "the deadline is a bound");
    assert_eq!(rig.metric("soakrig_generators", &[]), 1.0);
    assert!(!rig.scrape().contains("name=\"p99\""), "off");
    target.act(r#"{"do":"close","code":1011,"share":1.0}"#);
    let cut = ["plenary", "initiator=\"server\""];
    eventually("all are cut", || rig.metric("soakrig_disconnects_total", &cut) >= 8.0);
    eventually("all are back", || rig.metric("soakrig_users", &["state=\"connected\""]) == 8.0);
    eventually("chats come twice", || rig.metric("soakrig_delivery_anomalies_total", &["duplicate"]) > 0.0);
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(99), "{}", ended.stdout);
    assert!(first_line(&ended).contains("the server or the network cut"), "{}", ended.stdout);
    assert!(first_line(&ended).contains("arrivals were duplicate"), "{}", ended.stdout);
    assert_eq!(row(&summary, "anomalies")["kind"], "duplicate");
    assert!(row(&summary, "cut")["n"].as_u64().unwrap() >= 16, "{summary}");
}

/// A server that accepts connections and never says anything.
struct BlackHole(TcpListener);

impl BlackHole {
    fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }
}

#[test]
fn a_server_that_never_answers_fails_a_run_within_its_duration() {
    let hole = BlackHole::open();
    let rig = run(&hole.url(), &["--duration", "2s", "--http-timeout", "30m"]);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(99), "{}", ended.stdout);
    assert_eq!(first_line(&ended), "Failed: no user ever joined.");
    assert_eq!(number(&summary, "/errors/event/stopping"), 1, "the page that was asked for: {summary}");
    assert_eq!(row(&summary, "error_rate(event)")["n"], 0, "it counts for no error rate");
}

#[test]
fn a_server_that_never_answers_fails_a_run_that_is_stopped() {
    let hole = BlackHole::open();
    let rig = run(&hole.url(), &["--http-timeout", "30m"]);
    let _asked = hole.0.accept().unwrap();
    rig.process.signal(Signal::SIGTERM);
    let (ended, _) = rig.end(PATIENCE);
    assert_eq!((ended.code, first_line(&ended)), (Some(99), "Failed: no user ever joined."), "{}", ended.stderr);
}

#[test]
fn connects_under_way_at_the_stop_are_counted_and_fail_no_run() {
    let target = Target::start(&["--fault-hang-upgrade", "100%"]);
    let mut rig = run(&target.url, &["--http-timeout", "30m"]);
    rig.wait_for_metrics();
    eventually("a connect is under way", || rig.metric("soakrig_connect_attempts_total", &["plenary"]) > 0.0);
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(first_line(&ended), "Failed: no user ever joined.");
    let attempts = number(&summary, "/connections/plenary/attempts");
    assert_eq!(number(&summary, "/errors/connect/stopping"), attempts, "{summary}");
    assert_eq!(row(&summary, "error_rate(connect)")["n"], 0);
}

/// Answers that are overdue when the run stops: no deadline has to pass for real.
#[test]
fn a_step_slower_than_the_delivery_deadline_counts_as_failed_at_the_stop() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let patience = ["--http-timeout", "30m", "--delivery-deadline", "1ms", "--max-late", "off"];
    let mut rig = run(&target.url, &patience);
    rig.wait_until_ready();
    target.set_faults(r#"{"socket":{"hang_upgrade":1.0}}"#);
    target.act(r#"{"do":"close","code":1011,"share":1.0}"#);
    eventually("all try to come back", || rig.metric("soakrig_connect_attempts_total", &["plenary"]) >= 16.0);
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(99), "{}", ended.stdout);
    assert!(first_line(&ended).contains("of stage connect failed"), "{}", ended.stdout);
    assert!(number(&summary, "/errors/connect/timeout") >= 7, "{summary}");
}

/// The default grace outlasts the horizon; a server that delivers does not have to wait for it.
#[test]
fn a_healthy_run_does_not_wait_for_the_horizon() {
    let (ended, summary) = against(&[], &["--max-saturated", "off", "--delivery-horizon", "1h"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(first_line(&ended).starts_with("Passed: none of "), "{}", ended.stdout);
    assert_eq!(row(&summary, "late")["result"], "too_few");
    assert!(ended.stdout.contains("passed, too few to exclude the limit"), "{}", ended.stdout);
}

#[test]
fn more_than_one_shard_needs_a_run_id() {
    let mut command = soakrig();
    command.args(["run", "http://127.0.0.1:9", "test", "--shard", "0/2", "--password", "p"]);
    let ended = Process::command(command).end(PATIENCE);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("--run-id"), "{}", ended.stderr);
}
