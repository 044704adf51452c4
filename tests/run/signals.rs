//! Signals to a real process: what stops a run, and what does not.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{PATIENCE, Process, Rig, Target, eventually, number, soakrig};

const QUICK: [&str; 6] = ["--user-range-max", "4", "--ramp", "50/s", "--chat-rate", "5/s"];

/// Runs a command that does not ignore SIGHUP, as the tests may do themselves.
fn hearing_hangups() -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP");
    command
}

#[test]
fn a_hangup_stops_a_run_gracefully() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let mut rig = Rig::behind(hearing_hangups(), &target.url, "test", &cache.path().join("s.json"), &QUICK);
    rig.wait_until_ready();
    rig.process.signal(Signal::SIGHUP);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(summary["run"]["complete"], true, "{}", ended.stderr);
    assert_eq!(number(&summary, "/verdict/code"), u64::try_from(ended.code.unwrap()).unwrap());
    assert!(ended.stdout.contains("deliveries"), "{}", ended.stdout);
}

#[test]
fn a_run_under_nohup_ignores_hangups() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let nohup = Command::new("nohup");
    let mut rig = Rig::behind(nohup, &target.url, "test", &cache.path().join("s.json"), &QUICK);
    rig.wait_until_ready();
    rig.process.signal(Signal::SIGHUP);
    // Had the first one counted, this would be the second, which ends a run at once with 105.
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert_ne!(ended.code, Some(105), "{}", ended.stderr);
    assert_eq!(summary["run"]["complete"], true, "{}", ended.stderr);
}

#[test]
fn a_hangup_stops_the_target_and_prints_its_counts() {
    let mut command = hearing_hangups();
    command.arg(env!("CARGO_BIN_EXE_soakrig")).args(["target", "--listen", "127.0.0.1:0"]);
    let mut target = Process::command(command);
    target.wait_for_line("target: http://");
    target.signal(Signal::SIGHUP);
    let ended = target.end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("\"accounts\""), "{}", ended.stdout);
}

/// Users of a short run, saved and left on the server.
fn accounts(target: &Target, cache: &std::path::Path) {
    let many = ["--user-range-max", "40", "--ramp", "100/s", "--sign-in-rate", "100/s", "--chat-rate", "5/s"];
    let mut rig = Rig::run(&target.url, "test", cache, &many);
    rig.wait_until_ready();
    rig.process.signal(Signal::SIGTERM);
    rig.end(PATIENCE);
}

fn cleanup(target: &Target, cache: &std::path::Path, rate: &str) -> Process {
    let mut command = soakrig();
    command.args(["cleanup", &target.url, "--user-range-max", "40", "--sign-in-rate", rate, "--cache-file"]);
    command.arg(cache);
    Process::command(command)
}

#[test]
fn an_interrupted_cleanup_reports_and_saves_what_it_deleted() {
    let target = Target::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("s.json");
    accounts(&target, &cache);
    // A minute between two users: the first is deleted, the second is still waiting.
    let first = cleanup(&target, &cache, "0.0167/s");
    eventually("one is deleted", || number(&target.counts(), "/accounts/now") == 39);
    first.signal(Signal::SIGTERM);
    let ended = first.end(PATIENCE);
    assert_eq!(ended.code, Some(105), "{}", ended.stderr);
    assert!(ended.stdout.contains("interrupted: 1 accounts deleted"), "{}", ended.stdout);
    assert!(ended.stdout.contains("39 remain untried"), "{}", ended.stdout);
    let saved = std::fs::read_to_string(&cache).unwrap();
    assert!(!saved.contains("\"loadtest0\"") && saved.contains("\"loadtest1\""), "the cache keeps a dead session");
    let ended = cleanup(&target, &cache, "1000/s").end(PATIENCE);
    assert!(ended.stdout.contains("39 accounts deleted, 1 were not there"), "{}", ended.stdout);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_signal_ends_check_and_cleanup_while_a_server_does_not_answer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    for (arguments, says) in [
        (vec!["cleanup", &url, "--user-range-max", "3"], "interrupted: 0 accounts deleted"),
        (vec!["check", &url, "test"], "interrupted"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let mut command = soakrig();
        // Longer than the test waits: an attempt that is awaited fails it.
        command.args(arguments).args(["--http-timeout", "1h", "--cache-file"]).arg(home.path().join("s.json"));
        let process = Process::command(command);
        let _silent = listener.accept().unwrap();
        process.signal(Signal::SIGTERM);
        let ended = process.end(PATIENCE);
        assert_eq!(ended.code, Some(105), "{}", ended.stderr);
        assert!(ended.stdout.contains(says), "{}", ended.stdout);
    }
}
