//! `soakrig merge` as a script sees it: exit codes, the file it writes, and the names in its messages.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// The summary of one generator that held ten users for a minute.
pub(crate) fn summary(index: u32, count: u32) -> Value {
    let deliveries = json!({
        "expected": 100, "on_time": 100, "late": 0, "lost": 0, "outstanding": 0, "raced": 0,
        "excused": {"total": 0, "left": 0, "server": 0, "network": 0, "sender_cut": 0},
    });
    let nothing = json!({
        "expected": 0, "on_time": 0, "late": 0, "lost": 0, "outstanding": 0, "raced": 0,
        "excused": {"total": 0, "left": 0, "server": 0, "network": 0, "sender_cut": 0},
    });
    let anomalies = json!({"duplicate": 0, "reordered": 0, "unexpected": 0, "corrupt": 0});
    json!({
        "schema_version": 1,
        "run": {
            "id": "night", "seed": 1, "plenary": "test", "shard": {"index": index, "count": count},
            "version": "0.1.0", "started": "2026-11-05T10:00:00.000Z", "duration_seconds": 70.0,
            "hold_seconds": 60.0, "complete": true,
        },
        "users": {"min": index * 10, "max": index * 10 + 10, "target": 10, "states": {"connected": 10}},
        "rates": {"chat": {"set": 1.0, "achieved": 1.0, "carried_out": 60, "dropped": {}}},
        "deliveries": deliveries,
        "anomalies": anomalies,
        "delivery_seconds": {},
        "remote": {
            "deliveries": nothing, "anomalies": anomalies, "delivery_seconds": {}, "clock_offset_seconds": null,
        },
        "operations": {"delivery": 100},
        "errors": {},
        "messages": {"sent": {"chat": 60}, "received": {"chat": 100}, "received_bytes": 9000},
        "connections": {},
        "generator": {
            "cpu_seconds_user": 1.0, "cpu_seconds_system": 0.5, "peak_memory_bytes": 9_000_000, "threads": 5,
            "saturated_seconds": 0.0, "saturated_by": {},
        },
        "thresholds": {"max_lost": 0, "max_error_rate": 0.01},
        "verdict": {"code": 0, "reason": "Passed."},
    })
}

fn put(home: &Path, name: &str, summary: &Value) -> PathBuf {
    let path = home.join(name);
    std::fs::write(&path, summary.to_string()).unwrap();
    path
}

fn merge(args: &[&Path]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_soakrig")).arg("merge").args(args).env_clear().output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_merged_summary_can_be_merged_again() {
    let home = tempfile::tempdir().unwrap();
    let [a, b, c] = [0, 1, 2].map(|i| put(home.path(), &format!("{i}.json"), &summary(i, 3)));
    let (ab, abc) = (home.path().join("ab.json"), home.path().join("abc.json"));
    assert_eq!(merge(&[&b, &a, Path::new("--summary"), &ab]).0, 99, "the third is missing");
    let (code, page, errors) = merge(&[&c, &ab, Path::new("-o"), &abc]);
    assert_eq!((code, errors.as_str()), (0, ""), "{page}");
    assert!(page.contains("shards 0 to 2 of 3") && page.contains("expected 300 = on time 300"), "{page}");
    let whole: Value = serde_json::from_slice(&std::fs::read(&abc).unwrap()).unwrap();
    assert_eq!(whole["deliveries"]["expected"], 300);
    assert_eq!(whole["users"], json!({"min": 0, "max": 30, "target": 30, "states": {"connected": 30}}));
    assert_eq!(whole["parts"].as_array().unwrap().len(), 3);
}

#[test]
fn missing_and_killed_shards_are_named_and_fail_the_merge() {
    let home = tempfile::tempdir().unwrap();
    let a = put(home.path(), "a.json", &summary(0, 3));
    let mut killed = summary(2, 3);
    killed["run"]["complete"] = false.into();
    let c = put(home.path(), "killed.json", &killed);
    let (code, page, errors) = merge(&[&a, &c]);
    assert_eq!(code, 99);
    assert!(page.contains("shard 1 of 3 is missing"), "{page}");
    assert!(page.contains("shard 2/3 did not finish"), "{page}");
    assert!(errors.contains("killed.json") && errors.contains("checkpoint"), "{errors}");
}

#[test]
fn a_refusal_names_both_files_and_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let a = put(home.path(), "a.json", &summary(0, 2));
    let twin = put(home.path(), "twin.json", &summary(0, 2));
    let mut other = summary(1, 2);
    other["run"]["id"] = "morning".into();
    let other = put(home.path(), "other.json", &other);
    let mut newer = summary(1, 2);
    newer["schema_version"] = 2.into();
    let newer = put(home.path(), "newer.json", &newer);
    let (absent, whole) = (home.path().join("absent.json"), home.path().join("whole.json"));
    for (second, said) in [
        (&twin, ["a.json", "twin.json", "shard 0/2"]),
        (&other, ["a.json", "other.json", "run id is morning, not night"]),
        (&newer, ["newer.json", "schema is 2", "remedy"]),
        (&absent, ["absent.json", "cannot read", "remedy"]),
    ] {
        let (code, page, errors) = merge(&[&a, second, Path::new("-o"), &whole]);
        assert_eq!((code, page.as_str()), (104, ""), "{errors}");
        assert!(said.iter().all(|part| errors.contains(part)), "{errors} for {said:?}");
        assert!(!whole.exists());
    }
}

#[test]
fn merge_reports_an_unwritable_output_first() {
    let home = tempfile::tempdir().unwrap();
    let a = put(home.path(), "a.json", &summary(0, 1));
    let (code, page, errors) = merge(&[&a, Path::new("-o"), &home.path().join("no/such/whole.json")]);
    assert_eq!((code, page.as_str()), (104, ""));
    assert!(errors.contains("no/such/whole.json"), "{errors}");
}

#[test]
fn merge_never_overwrites_an_input() {
    let home = tempfile::tempdir().unwrap();
    let [a, b] = [0, 1].map(|i| put(home.path(), &format!("{i}.json"), &summary(i, 2)));
    let link = home.path().join("link.json");
    std::os::unix::fs::symlink(&a, &link).unwrap();
    for output in [&a, &link] {
        let before = std::fs::read(&a).unwrap();
        let (code, _, errors) = merge(&[&a, &b, Path::new("-o"), output]);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains("--output") && errors.contains("is one of the files to merge"), "{errors}");
        assert_eq!(std::fs::read(&a).unwrap(), before);
    }
}

#[test]
fn rules_hold_for_the_sums_and_are_cases_of_the_junit_file() {
    let home = tempfile::tempdir().unwrap();
    let files = [(0, "late > 50%"), (1, "lost > 0")].map(|(i, rule)| {
        let mut part = summary(i, 2);
        (part["deliveries"]["lost"], part["deliveries"]["on_time"]) = (i.into(), (100 - i).into());
        part["thresholds"]["max_lost"] = Value::Null;
        part["rules"] = json!({"fail_if": [rule, "cut > 1% over 5m"]});
        put(home.path(), &format!("{i}.json"), &part)
    });
    let junit = home.path().join("junit.xml");
    let (code, page, errors) = merge(&[&files[0], &files[1], Path::new("--junit"), &junit]);
    assert_eq!((code, errors.as_str()), (99, ""), "{page}");
    assert!(page.starts_with("Failed: lost > 0 holds: it was 1."), "{page}");
    let xml = std::fs::read_to_string(&junit).unwrap();
    for case in ["late > 50%", "lost > 0", "cut > 1% over 5m"] {
        assert_eq!(xml.matches(&format!("<testcase name=\"{}\"", case.replace('>', "&gt;"))).count(), 1, "{xml}");
    }
    assert_eq!((xml.matches("<failure").count(), xml.matches("<error").count()), (1, 0), "{xml}");
    let (code, _, errors) = merge(&[&files[0], &files[1], Path::new("--junit"), &files[0]]);
    assert!(code == 2 && errors.contains("--junit") && errors.contains("is one of the files to merge"), "{errors}");
    let nowhere = home.path().join("no/such/junit.xml");
    let (code, page, errors) = merge(&[&files[0], &files[1], Path::new("--junit"), &nowhere]);
    assert!(code == 104 && page.is_empty() && errors.contains("no/such/junit.xml"), "{errors}");
}
