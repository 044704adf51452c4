//! `soakrig compare` as a script sees it: exit codes, the file it writes, and the names in its messages.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::merge::summary;

/// A run of an hour; `scale` times as slow as others, so many buckets higher.
fn run(id: &str, slower: i64) -> Value {
    let slice = |minute: u64| {
        let late = 40 + minute % 7;
        json!({
            "start": 1_795_737_600 + 60 * minute, "hold_seconds": 60.0, "sent": 60, "received": 6_000,
            "users": {"target": 600.0, "connected": 600.0, "away": 0.0},
            "deliveries": {
                "expected": 6_000, "on_time": 6_000 - late, "late": late, "lost": 0, "outstanding": 0, "raced": 0,
                "excused": {"total": 0, "left": 0, "server": 0, "network": 0, "sender_cut": 0},
            },
            "times": {"from": -100 + slower, "counts": [1_000 + minute % 5, 3_000, 1_900 + minute % 11, 90, 10]},
            "generator": {"cpu_seconds": 6.0 + 0.1 * (minute % 3) as f64, "memory_bytes": 9_000_000},
        })
    };
    let mut summary = summary(0, 1);
    summary["run"]["id"] = id.into();
    summary["run"]["hold_seconds"] = 3_600.0.into();
    summary["timeline"] = json!({"slice_seconds": 60, "slices": (0..60).map(slice).collect::<Vec<_>>()});
    summary
}

fn compare(home: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    let Output { status, stdout, stderr } =
        command.arg("compare").args(args).env_clear().current_dir(home).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn the_exit_code_says_whether_a_figure_got_worse() {
    let home = tempfile::tempdir().unwrap();
    let put = |name: &str, summary: Value| std::fs::write(home.path().join(name), summary.to_string()).unwrap();
    put("before.json", run("one", 0));
    put("same.json", run("two", 0));
    put("slow.json", run("three", 3));
    let (code, table, _) = compare(home.path(), &["before.json", "same.json"]);
    assert_eq!((code, table.lines().next()), (0, Some("No figure is worse beyond its tolerance.")), "{table}");
    let (code, table, _) = compare(home.path(), &["before.json", "slow.json", "--json", "out.json"]);
    assert_eq!((code, table.lines().next()), (99, Some("WORSE: p50, p90, p99.")), "{table}");
    let written: Value = serde_json::from_slice(&std::fs::read(home.path().join("out.json")).unwrap()).unwrap();
    assert_eq!((&written["code"], &written["after"]["run"]), (&json!(99), &json!("three")));
    let tolerant = ["p50", "p90", "p99"].map(|name| format!("--tolerance={name}=50%"));
    let args = [&["before.json", "slow.json"][..], &tolerant.each_ref().map(String::as_str)].concat();
    assert_eq!(compare(home.path(), &args).0, 0);
}

#[test]
fn files_that_cannot_be_compared_are_named_with_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    put("run.json", &run("one", 0).to_string());
    put("old.json", &summary(0, 1).to_string());
    put("other.json", "{}");
    for (args, code, said) in [
        (&["run.json", "none.json"][..], 104, "none.json"),
        (&["run.json", "other.json"], 104, "other.json is not a summary"),
        (&["run.json", "old.json"], 104, "old.json has no timeline"),
        (&["run.json", "run.json"], 104, "are the same run"),
        (&["run.json", "old.json", "--json", "run.json"], 2, "is one of the files to compare"),
        (&["run.json", "old.json", "--tolerance", "p98=1%"], 2, "there is no figure `p98`"),
        (&["run.json"], 2, "AFTER"),
    ] {
        let (found, _, stderr) = compare(home.path(), args);
        assert!(found == code && stderr.contains(said), "{args:?}: {found}: {stderr}");
    }
}
