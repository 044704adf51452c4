//! Leaked and replayed chats in whole runs, held against the server's own record: chats of another
//! plenary, and those of an earlier run.

use std::path::Path;

use crate::plenary_config::{TWO_PLENARIES, metrics_url, start, summary};
use crate::support::{LENIENT, PATIENCE, Rig, Target, balances, eventually, get, number, sum};
use nix::sys::signal::Signal;
use serde_json::Value;

fn injected(target: &Target, fault: &str) -> u64 {
    number(&target.counts(), &format!("/injected/{fault}"))
}

#[test]
fn a_chat_leaked_to_another_plenary_is_unexpected_on_each_of_its_connections() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let home = tempfile::tempdir().unwrap();
    let mut process = start(&target, home.path(), TWO_PLENARIES, &LENIENT);
    let pages = ["test", "nobreak"].map(|slug| metrics_url(&mut process, slug));
    let total = |metric: &str, label: &str| -> f64 {
        pages.iter().map(|page| sum(&get(&format!("{page}/metrics")).unwrap().1, metric, &[label])).sum()
    };
    eventually("all are connected", || total("soakrig_users", "state=\"connected\"") == 10.0);
    target.set_faults(r#"{"chat":{"leak":"every:3"}}"#);
    eventually("enough leaks", || injected(&target, "leak") > 100);
    target.set_faults(r#"{"chat":{"leak":"never"}}"#);
    eventually("each is counted", || {
        total("soakrig_delivery_anomalies_total", "kind=\"unexpected\"") == injected(&target, "leak") as f64
    });
    process.signal(Signal::SIGTERM);
    let ended = process.end(PATIENCE);
    let mut unexpected = 0;
    for slug in ["test", "nobreak"] {
        let summary = summary(home.path(), slug, &ended);
        assert!(balances(&summary), "{}", ended.stdout);
        let leaked = number(&summary, "/anomalies/unexpected");
        assert!(leaked > 0, "{slug}: {}", ended.stdout);
        unexpected += leaked;
        for within in ["", "/remote"] {
            for other in ["deliveries/lost", "anomalies/duplicate", "anomalies/reordered", "anomalies/corrupt"] {
                assert_eq!(number(&summary, &format!("{within}/{other}")), 0, "{within}/{other}: {}", ended.stdout);
            }
        }
        // This process sent them all.
        for remote in ["/remote/anomalies/unexpected", "/remote/deliveries/expected", "/foreign"] {
            assert_eq!(number(&summary, remote), 0, "{remote}: {}", ended.stdout);
        }
    }
    assert_eq!(unexpected, injected(&target, "leak"), "{}", ended.stdout);
    let logged = target.injections().iter().filter(|injection| injection["fault"] == "leak").count() as u64;
    assert_eq!(logged, unexpected);
}

#[test]
fn leaked_chats_fail_a_run_that_does_not_allow_anomalies() {
    let target = Target::start(&["--fault-leak", "every:2"]);
    let home = tempfile::tempdir().unwrap();
    let ended = start(&target, home.path(), TWO_PLENARIES, &["--duration", "6s"]).end(PATIENCE);
    assert_eq!(ended.code, Some(99), "{}\n{}", ended.stdout, ended.stderr);
}

/// An earlier run of five users that chat; returns its summary.
fn earlier_run(target: &Target, cache: &Path) -> Value {
    let load = ["--user-range-max", "5", "--chat-rate", "10/s", "--disable-event-leaving", "--ramp", "50/s"];
    let mut rig = Rig::run(&target.url, "test", cache, &[&load[..], &["--run-id", "monday"]].concat());
    rig.wait_until_ready();
    eventually("some chats", || number(&target.counts(), "/received/chats") > 30);
    rig.stop().1
}

#[test]
fn replayed_chats_of_an_earlier_run_are_foreign_and_counted_exactly() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("s.json");
    let earlier = earlier_run(&target, &cache);
    assert_eq!(number(&earlier, "/foreign"), 0, "there was no run before it");
    assert!(number(&earlier, "/deliveries/on_time") > 0, "{earlier}");
    target.set_faults(r#"{"chat":{"replay":7}}"#);
    let later = ["--user-range-max", "5", "--disable-chat", "--ramp", "50/s", "--run-id", "tuesday"];
    let mut rig = Rig::run(&target.url, "test", &cache, &later);
    rig.wait_until_ready();
    eventually("all are received", || rig.metric("soakrig_foreign_messages_total", &[]) == 35.0);
    let (ended, summary) = rig.stop();
    assert_eq!(injected(&target, "replay"), 35, "seven to each of five");
    for within in ["", "/remote"] {
        for nothing in ["deliveries/expected", "deliveries/lost", "deliveries/late", "anomalies/unexpected"] {
            assert_eq!(number(&summary, &format!("{within}/{nothing}")), 0, "{within}/{nothing}: {}", ended.stdout);
        }
    }
}

#[test]
fn replayed_chats_of_an_earlier_run_do_not_affect_the_runs_own_deliveries() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let home = tempfile::tempdir().unwrap();
    earlier_run(&target, &home.path().join("monday.json"));
    target.set_faults(r#"{"chat":{"replay":30}}"#);
    let load = ["--run-id", "tuesday", "--user-range-min", "5", "--user-range-max", "10", "--chat-rate", "10/s"];
    let more = ["--duration", "5s", "--disable-event-leaving", "--disable-breakout-joining"];
    let args = [&load[..], &more, &LENIENT].concat();
    let (ended, summary) = Rig::run(&target.url, "test", &home.path().join("tuesday.json"), &args).end(PATIENCE);
    assert!(balances(&summary), "{}", ended.stdout);
    assert!(number(&summary, "/foreign") > 0, "{}", ended.stdout);
    assert!(number(&summary, "/deliveries/on_time") > 0, "{}", ended.stdout);
    for zero in
        ["/deliveries/lost", "/remote/deliveries/expected", "/remote/deliveries/lost", "/remote/anomalies/unexpected"]
    {
        assert_eq!(number(&summary, zero), 0, "{zero}\n{}", ended.stdout);
    }
    assert_eq!(summary.pointer("/remote/clock_offset_seconds"), Some(&Value::Null), "{}", ended.stdout);
    assert!(ended.stdout.contains("arrivals of messages of another run"), "{}", ended.stdout);
}
