//! A run in three shards against one target: their merged summary is the run's, and a killed shard
//! is noticed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{PATIENCE, Rig, Target, balances, eventually, number};
use nix::sys::signal::Signal;
use serde_json::Value;

fn shard(target: &Target, cache: &Path, index: u32, args: &[&str]) -> Rig {
    let shard = format!("{index}/3");
    let fleet = ["--shard", &shard, "--run-id", "fleet", "--password", "the-fleets-own", "--user-range-max", "10"];
    let quick = ["--ramp", "90/s", "--sign-in-rate", "90/s", "--connect-rate", "90/s", "--chat-rate", "12/s"];
    // Neither leaving and rejoining nor the machine's speed matters here.
    let calm = ["--disable-event-leaving", "--disable-breakout-joining", "--max-error-rate", "100%"];
    Rig::run(&target.url, "test", cache, &[&fleet[..], &quick[..], &calm[..], args].concat())
}

pub(crate) fn merge(files: &[PathBuf], whole: &Path) -> (i32, String, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_soakrig"))
        .arg("merge")
        .args(files)
        .arg("--output")
        .arg(whole)
        .env_clear()
        .output()
        .unwrap();
    let summary = serde_json::from_slice(&std::fs::read(whole).unwrap()).unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), summary)
}

#[test]
fn merged_shards_equal_the_whole_run() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("sessions.json");
    let mut rigs: Vec<Rig> = (0..3).map(|index| shard(&target, &cache, index, &[])).collect();
    rigs.iter_mut().for_each(Rig::wait_until_ready);
    let heard = |rig: &Rig| rig.metric("soakrig_deliveries_total", &["origin=\"remote\"", "outcome=\"on_time\""]);
    eventually("all hear each other", || rigs.iter().all(|rig| heard(rig) > 50.0));
    rigs.iter().for_each(|rig| rig.process.signal(Signal::SIGTERM));
    let mut files = Vec::new();
    for (index, rig) in rigs.into_iter().enumerate() {
        let (ended, summary) = rig.end(PATIENCE);
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
        files.push(home.path().join(format!("{index}.json")));
        std::fs::write(&files[index], summary.to_string()).unwrap();
    }
    let (code, page, whole) = merge(&files, &home.path().join("whole.json"));
    assert_eq!(code, 0, "{page}");
    let counts = target.counts();
    assert_eq!(number(&whole, "/messages/sent/chat"), number(&counts, "/received/chats"));
    assert_eq!(number(&whole, "/messages/received/chat"), number(&counts, "/sent/chats_written"));
    assert_eq!(number(&counts, "/accounts/signed_up"), 10, "the users are disjoint and complete");
    assert_eq!(whole.pointer("/users").unwrap()["target"], 10);
    assert_eq!(whole.pointer("/rates/chat/set").and_then(Value::as_f64), Some(12.0), "to the last digit");
    assert_eq!((number(&whole, "/deliveries/lost"), number(&whole, "/remote/deliveries/lost")), (0, 0));
    assert!(number(&whole, "/remote/deliveries/on_time") > 0, "{page}");
    assert!(balances(&whole) && page.contains("shards 0 to 2 of 3"), "{page}");
}

#[test]
fn merge_fails_when_a_shard_was_killed() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("sessions.json");
    let mut rigs: Vec<Rig> = (0..3).map(|index| shard(&target, &cache, index, &[])).collect();
    rigs.iter_mut().for_each(Rig::wait_until_ready);
    let killed = rigs.remove(1);
    killed.process.signal(Signal::SIGKILL);
    assert_eq!(killed.end_early().code, None);
    let mut files = Vec::new();
    for rig in rigs {
        rig.process.signal(Signal::SIGTERM);
        let (_, summary) = rig.end(PATIENCE);
        files.push(home.path().join(format!("{}.json", files.len())));
        std::fs::write(files.last().unwrap(), summary.to_string()).unwrap();
    }
    let (code, page, _) = merge(&files, &home.path().join("whole.json"));
    assert_eq!(code, 99, "{page}");
    assert!(page.contains("shard 1 of 3 is missing"), "{page}");
}
