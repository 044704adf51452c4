//! Where `--summary` goes in a real run: devices, FIFOs, links, the files of earlier runs, and disks
//! that refuse writes.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{Ended, PATIENCE, Process, Target, eventually, get, number, soakrig, sum};

/// A run of one user, short unless a flag says otherwise.
fn run(target: &Target, home: &Path, summary: &Path, args: &[&str]) -> Process {
    let mut command = soakrig();
    command.args(["run", &target.url, "test", "--user-range-max", "1", "--chat-rate", "10/s"]);
    command.env("SOAKRIG_DURATION", "2s");
    command.args(["--metrics-listen", "127.0.0.1:0", "--cache-file"]).arg(home.join("sessions"));
    command.arg("--summary").arg(summary).args(args);
    Process::command(command)
}

/// Waits until something was delivered: a run without a delivery fails.
fn until_delivered(rig: &mut Process) {
    let line = rig.wait_for_line("metrics on http://");
    let metrics = line.split_once("metrics on ").unwrap().1.split_whitespace().next().unwrap();
    let delivered = || get(metrics).map_or(0.0, |(_, page)| sum(&page, "soakrig_deliveries_total", &["on_time"]));
    eventually("deliveries", || delivered() > 0.0);
}

fn stopped(mut rig: Process) -> Ended {
    until_delivered(&mut rig);
    rig.signal(Signal::SIGTERM);
    rig.end(PATIENCE)
}

fn parsed(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

#[test]
fn devices_and_links_are_written_to_and_not_replaced() {
    let (target, home) = (Target::start(&[]), tempfile::tempdir().unwrap());
    let ended = run(&target, home.path(), Path::new("/dev/null"), &[]).end(PATIENCE);
    assert_ne!(ended.code, Some(104), "{}", ended.stderr);
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let link = home.path().join("link.json");
    symlink("real.json", &link).unwrap();
    run(&target, home.path(), &link, &[]).end(PATIENCE);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(parsed(home.path().join("real.json"))["run"]["complete"], true);
    let ended = run(&target, home.path(), Path::new("/dev/stdout"), &[]).end(PATIENCE);
    let json = ended.stdout.split_once("\n}\n").map(|(json, _)| format!("{json}}}")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["run"]["complete"], true);
}

#[test]
fn an_unwritable_summary_turns_exit_code_0_into_104() {
    let target = Target::start(&[]);
    // A device that only fails at the end, and a disk that has gone meanwhile.
    let home = tempfile::tempdir().unwrap();
    let ended = stopped(run(&target, home.path(), Path::new("/dev/full"), &["--duration", "10m"]));
    assert_eq!(ended.code, Some(104), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot write the summary /dev/full"), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("Passed"), "{}", ended.stdout);
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut rig = run(&target, home.path(), &disk.join("s.json"), &["--duration", "10m"]);
    until_delivered(&mut rig);
    fs::remove_dir_all(&disk).unwrap();
    rig.signal(Signal::SIGTERM);
    let ended = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(104), "{}", ended.stderr);
    assert!(ended.stderr.contains("the file does not exist"), "{}", ended.stderr);
}

#[test]
fn a_failed_verdict_outranks_an_unwritable_summary() {
    let (target, home) = (Target::start(&[]), tempfile::tempdir().unwrap());
    let mut command = soakrig();
    command.args(["run", &target.url, "nowhere", "--metrics-listen", "127.0.0.1:0", "--summary", "/dev/full"]);
    command.arg("--cache-file").arg(home.path().join("sessions"));
    assert_eq!(Process::command(command).end(PATIENCE).code, Some(107));
}

#[test]
fn an_earlier_summary_is_kept_under_another_name() {
    let (target, home) = (Target::start(&[]), tempfile::tempdir().unwrap());
    let summary = home.path().join("night.json");
    let first = run(&target, home.path(), &summary, &["--run-id", "monday"]).end(PATIENCE);
    assert!(!first.stderr.contains("warning: --summary"), "{}", first.stderr);
    let second = run(&target, home.path(), &summary, &["--run-id", "tuesday"]).end(PATIENCE);
    assert!(second.stderr.contains("was the summary of run monday, started 20"), "{}", second.stderr);
    assert_eq!(parsed(home.path().join("night.json.previous"))["run"]["id"], "monday");
    assert_eq!(parsed(summary)["run"]["id"], "tuesday");
}

#[test]
fn a_generator_restarted_after_a_kill_reports_it() {
    let (target, home) = (Target::start(&[]), tempfile::tempdir().unwrap());
    let summary = home.path().join("0.json");
    let again = ["--run-id", "night", "--duration", "10m"];
    let mut killed = run(&target, home.path(), &summary, &again);
    killed.wait_for_line("metrics on");
    killed.signal(Signal::SIGKILL);
    killed.end(PATIENCE);
    let ended = run(&target, home.path(), &summary, &["--run-id", "night"]).end(PATIENCE);
    assert!(ended.stderr.contains("is of an earlier start of this generator"), "{}", ended.stderr);
    let life = parsed(home.path().join("0.json.life-1"));
    assert_eq!((&life["run"]["complete"], &life["run"]["id"]), (&Value::from(false), &Value::from("night")));
    let summary = parsed(summary);
    assert_eq!(number(&summary, "/run/earlier_lives"), 1);
    let events = summary.pointer("/timeline/events").and_then(Value::as_array).unwrap();
    assert_eq!(events.iter().filter(|event| event["kind"] == "restart").count(), 1, "{summary}");
}
