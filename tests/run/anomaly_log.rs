//! The anomaly log against the summary and the target's own record: a line for each loss and each
//! anomaly, or a count of the missing ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::{PATIENCE, Rig, Target, balances, eventually, number};
use nix::sys::signal::Signal;
use serde_json::Value;

const QUICK: [&str; 6] = ["--ramp", "100/s", "--sign-in-rate", "100/s", "--connect-rate", "100/s"];
const CALM: [&str; 5] =
    ["--disable-event-leaving", "--disable-breakout-joining", "--grace", "10s", "--max-error-rate=100%"];

/// A run that writes an anomaly log into a directory.
fn run(target: &Target, home: &Path, name: &str, load: &[&str]) -> (Rig, PathBuf) {
    let log = home.join(format!("{name}.jsonl"));
    let wanted = ["--anomaly-log", log.to_str().unwrap()];
    let args = [&QUICK[..], &CALM, load, &wanted].concat();
    (Rig::run(&target.url, "test", &home.join(format!("{name}.json")), &args), log)
}

fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}"))
}

/// Checks the lines by origin and kind against the figures of the summary.
fn agrees_with_summary(lines: &[Value], summary: &Value) {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for line in lines {
        *counts.entry((text(line, "origin"), text(line, "kind"))).or_default() += 1;
    }
    for (origin, within) in [("local", ""), ("remote", "/remote")] {
        let count = |kind| counts.get(&(origin, kind)).copied().unwrap_or(0);
        assert_eq!(count("lost"), number(summary, &format!("{within}/deliveries/lost")), "{origin}");
        for kind in ["duplicate", "reordered", "unexpected", "corrupt"] {
            assert_eq!(count(kind), number(summary, &format!("{within}/anomalies/{kind}")), "{origin} {kind}");
        }
    }
    assert_eq!(number(summary, "/anomaly_log/lines"), lines.len() as u64);
    assert_eq!(number(summary, "/anomaly_log/dropped"), 0);
    let groups = summary["loss_groups"]["largest"].as_array().unwrap();
    let grouped: u64 = groups.iter().map(|group| number(group, "/deliveries")).sum();
    let lost = number(summary, "/deliveries/lost") + number(summary, "/remote/deliveries/lost");
    assert_eq!(grouped + number(summary, "/loss_groups/rest/deliveries"), lost);
}

#[test]
fn a_frozen_server_gives_a_line_for_each_lost_and_each_late_delivery() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let load =
        ["--user-range-max", "60", "--chat-rate", "60/s", "--delivery-deadline", "1s", "--delivery-horizon", "2s"];
    let (mut rig, log) = run(&target, home.path(), "frozen", &load);
    rig.wait_until_ready();
    let lost = |rig: &Rig| rig.metric("soakrig_deliveries_total", &["outcome=\"lost\""]);
    let unexpected = |rig: &Rig| rig.metric("soakrig_delivery_anomalies_total", &["kind=\"unexpected\""]);
    eventually("chats arrive", || rig.metric("soakrig_deliveries_total", &["outcome=\"on_time\""]) > 1_000.0);
    target.signal(Signal::SIGSTOP);
    eventually("deliveries are lost", || lost(&rig) > 5_000.0);
    target.signal(Signal::SIGCONT);
    eventually("they come after all", || unexpected(&rig) > 1_000.0);
    assert!(rig.scrape().contains("\nsoakrig_anomaly_log_dropped_total 0\n"));
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert!(balances(&summary), "{}", ended.stdout);
    let lines = lines(&log);
    agrees_with_summary(&lines, &summary);
    let mut seen = BTreeSet::new();
    for line in lines.iter().filter(|line| line["kind"] == "lost") {
        assert!(seen.insert((text(line, "receiver"), text(line, "marker"))), "{line} is there twice");
        assert!(text(line, "marker").starts_with("sr2-") && text(line, "intended") < text(line, "at"), "{line}");
        assert_eq!((&line["room"], &line["user"]), (&"test".into(), &line["receiver"]));
    }
    assert!(ended.stdout.contains("missed by"), "{}", ended.stdout);
}

/// Sockets take a change of the mute fault over one by one, and the server's log of injections
/// another moment later: a chat that is being sent meanwhile may be withheld from each of the 48
/// users without an entry, or have an entry and arrive; one chat at each of the two changes.
const IN_BETWEEN: usize = 2 * 48;

#[test]
fn losses_of_the_same_users_form_one_group_and_lines_name_message_and_receiver() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let home = tempfile::tempdir().unwrap();
    // Longer than any delay on a busy machine: what is lost was withheld.
    let terms = ["--delivery-deadline", "10s", "--delivery-horizon", "25s", "--chat-rate", "40/s"];
    let shard = |index: &'static str| {
        let fleet = ["--shard", index, "--run-id", "muted", "--password", "the-fleets-own", "--user-range-max", "24"];
        run(&target, home.path(), &index.replace('/', "of"), &[&fleet[..], &terms].concat())
    };
    let mut rigs = [shard("0/2"), shard("1/2")];
    rigs.iter_mut().for_each(|(rig, _)| rig.wait_until_ready());
    let remote = |rig: &Rig| rig.metric("soakrig_deliveries_total", &["outcome=\"on_time\"", "remote"]);
    eventually("they hear each other", || rigs.iter().all(|(rig, _)| remote(rig) > 500.0));
    target.set_faults(r#"{"socket": {"mute": 0.5}}"#);
    eventually("deliveries are withheld", || target.injections().len() > 1_000);
    target.set_faults(r#"{"socket": {"mute": 0.0}}"#);
    let lost = |rig: &Rig| rig.metric("soakrig_deliveries_total", &["outcome=\"lost\""]) as usize;
    // Others' messages are judged between two that were read: muted users keep receiving.
    eventually("all of it is lost", || {
        rigs.iter().map(|(rig, _)| lost(rig)).sum::<usize>() + IN_BETWEEN >= target.injections().len()
    });
    let withheld: BTreeSet<(String, String)> = target
        .injections()
        .iter()
        .map(|injection| (text(injection, "username").to_owned(), text(injection, "text").to_owned()))
        .collect();
    let muted: BTreeSet<&String> = withheld.iter().map(|(user, _)| user).collect();
    let (mut named, mut unlogged) = (0_usize, 0);
    for (rig, log) in rigs {
        rig.process.signal(Signal::SIGTERM);
        let (ended, summary) = rig.end(PATIENCE);
        let lines = lines(&log);
        agrees_with_summary(&lines, &summary);
        let mut users = BTreeSet::new();
        for line in lines.iter().filter(|line| line["kind"] == "lost") {
            let (receiver, marker) = (text(line, "receiver"), text(line, "marker"));
            let of_this = |(user, text): &&(String, String)| user == receiver && text.starts_with(marker);
            if !withheld.iter().any(|w| of_this(&w)) {
                assert!(muted.iter().any(|user| *user == receiver), "{line} was not withheld");
                unlogged += 1;
            }
            users.insert(receiver.to_owned());
            named += 1;
        }
        let largest = &summary["loss_groups"]["largest"][0];
        assert_eq!(number(largest, "/receivers"), users.len() as u64, "{}", ended.stdout);
        assert!(number(largest, "/messages") > 10 && number(largest, "/remote_messages") > 0, "{}", ended.stdout);
        for name in largest["receiver_names"].as_array().unwrap() {
            assert!(users.contains(name.as_str().unwrap()), "{name}");
        }
    }
    assert!(unlogged <= IN_BETWEEN, "{unlogged} lost deliveries were not withheld");
    assert!(named.abs_diff(withheld.len()) <= IN_BETWEEN, "{named} lines of {} withheld deliveries", withheld.len());
}

#[test]
fn a_full_disk_does_not_block_the_run_and_missing_lines_are_counted() {
    let target = Target::start(&["--fault-duplicate", "every:5"]);
    let home = tempfile::tempdir().unwrap();
    let log = ["--anomaly-log", "/dev/full", "--user-range-max", "10", "--chat-rate", "20/s"];
    let args = [&QUICK[..], &CALM, &log].concat();
    let mut rig = Rig::run(&target.url, "test", &home.path().join("s.json"), &args);
    rig.wait_until_ready();
    eventually("copies come", || rig.metric("soakrig_delivery_anomalies_total", &["kind=\"duplicate\""]) > 100.0);
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(number(&summary, "/anomaly_log/lines"), 0);
    assert_eq!(number(&summary, "/anomaly_log/dropped"), number(&summary, "/anomalies/duplicate"));
    assert!(ended.stderr.contains("the anomaly log is incomplete"), "{}", ended.stderr);
    assert!(ended.stdout.contains("anomaly log        incomplete: 0 lines written"), "{}", ended.stdout);
}

/// A FIFO, and a reader of it that reads nothing.
fn pipe(home: &Path) -> (PathBuf, File) {
    let path = home.join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let reader = File::options().read(true).custom_flags(flags).open(&path).unwrap();
    (path, reader)
}

#[test]
fn an_anomaly_log_pipe_without_a_reader_does_not_block_the_run() {
    for stays in [true, false] {
        let target = Target::start(&["--fault-duplicate", "every:2"]);
        let home = tempfile::tempdir().unwrap();
        let (pipe, reader) = pipe(home.path());
        let mut reader = Some(reader);
        let log = ["--anomaly-log", pipe.to_str().unwrap(), "--user-range-max", "20", "--chat-rate", "40/s"];
        let args = [&QUICK[..], &CALM, &log].concat();
        let mut rig = Rig::run(&target.url, "test", &home.path().join("s.json"), &args);
        rig.wait_until_ready();
        if !stays {
            reader = None;
        }
        // A pipe takes 64 KiB.
        eventually("copies", || rig.metric("soakrig_delivery_anomalies_total", &["kind=\"duplicate\""]) > 1_000.0);
        rig.process.signal(Signal::SIGTERM);
        let (ended, summary) = rig.end(PATIENCE);
        let (lines, dropped) = (number(&summary, "/anomaly_log/lines"), number(&summary, "/anomaly_log/dropped"));
        assert_eq!(lines + dropped, number(&summary, "/anomalies/duplicate"), "{}", ended.stdout);
        assert!(dropped > 500, "{dropped}");
        assert!(ended.stderr.contains("the anomaly log is incomplete"), "{}", ended.stderr);
        drop(reader);
    }
}

#[test]
fn an_anomaly_log_pipe_without_a_reader_is_a_start_error() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let (pipe, reader) = pipe(home.path());
    drop(reader);
    let mut command = crate::support::soakrig();
    command.args(["run", &target.url, "test", "--metrics-listen", "127.0.0.1:0", "--cache-file"]);
    command.arg(home.path().join("s.json")).arg("--anomaly-log").arg(&pipe);
    let ended = crate::support::Process::command(command).end(PATIENCE);
    assert_eq!(ended.code, Some(104), "{}", ended.stderr);
    assert!(ended.stderr.contains("start what reads the FIFO first"), "{}", ended.stderr);
}
