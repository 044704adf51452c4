//! One file with a table for each of several plenaries: which of them run, and with which settings.

use std::path::{Path, PathBuf};

use soakrig::cli::{Resolved, parse};
use soakrig::config::Environment;
use soakrig::config::plan::{Run, Task};
use soakrig::error::StartError;
use soakrig::model::Volume;

const TWO: &str = "
url = \"http://h\"
user-range-max = 20
chat-rate = \"6/s\"
summary = \"night.json\"
max-lost = 3

[[plenary]]
slug = \"friday\"

[[plenary]]
slug = \"monday\"
user-range-min = 20
user-range-max = 50
chattiness = 2
max_lost = 4
";

fn resolve(command: &str, file: &str, args: &[&str], variables: &[(&str, &str)]) -> Result<Resolved, StartError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("soak.toml");
    std::fs::write(&path, file).unwrap();
    let environment = Environment::of([("HOME", "/h")].iter().chain(variables).copied());
    let given = [&["soakrig", command, "--config", path.to_str().unwrap()], args].concat();
    parse(given).unwrap().command().unwrap().resolve(&environment)
}

fn runs(file: &str, args: &[&str], variables: &[(&str, &str)]) -> Vec<Run> {
    match resolve("run", file, args, variables).unwrap().task {
        Task::Run(runs) => runs,
        other => panic!("{other:?}"),
    }
}

fn refused(file: &str, args: &[&str]) -> (u8, String) {
    let error = resolve("run", file, args, &[]).unwrap_err();
    (error.code().number(), error.to_string())
}

fn slugs(runs: &[Run]) -> Vec<&str> {
    runs.iter().map(|run| run.plenary.as_str()).collect()
}

#[test]
fn without_a_slug_all_plenaries_run_at_once() {
    let runs = runs(TWO, &[], &[]);
    assert_eq!(slugs(&runs), ["friday", "monday"]);
    let ranges: Vec<_> = runs.iter().map(|run| (run.plan.users.range.min(), run.plan.users.range.max())).collect();
    assert_eq!(ranges, [(0, 20), (20, 50)]);
    // The top level holds for a table without a setting; one spelling of a setting replaces the other.
    assert!(matches!(runs[0].plan.traffic.chat, Volume::Total(rate) if rate.per_second() == 6.0));
    assert_eq!(runs[1].plan.traffic.chat, Volume::PerUser(0.02));
    assert_eq!([runs[0].plan.thresholds.max_lost, runs[1].plan.thresholds.max_lost], [Some(3), Some(4)]);
    // One run, but each has its own figures and files.
    assert_eq!(runs[0].plan.report.run_id, runs[1].plan.report.run_id);
    let ports: Vec<u16> = runs.iter().map(|run| run.plan.report.metrics_listen.port()).collect();
    assert_eq!(ports, [9464, 9465]);
    let files: Vec<_> = runs.iter().map(|run| run.plan.report.summary.clone().unwrap()).collect();
    assert_eq!(files, [PathBuf::from("night-friday.json"), PathBuf::from("night-monday.json")]);
}

#[test]
fn a_slug_picks_its_table() {
    for (args, variables) in [(&["http://h", "monday"][..], &[][..]), (&[], &[("SOAKRIG_PLENARY", "monday")])] {
        let runs = runs(TWO, args, variables);
        assert_eq!(slugs(&runs), ["monday"]);
        assert_eq!(runs[0].plan.users.range.min(), 20);
        // A single plenary is a run like any other.
        assert_eq!(runs[0].plan.report.metrics_listen.port(), 9464);
        assert_eq!(runs[0].plan.report.summary.as_deref(), Some(Path::new("night.json")));
    }
}

#[test]
fn a_slug_without_a_table_is_refused_with_the_known_slugs() {
    let (code, error) = refused(TWO, &["http://h", "tuesday"]);
    assert_eq!(code, 2);
    assert!(error.contains("tuesday has no [[plenary]] table; the file has friday, monday"), "{error}");
}

#[test]
fn flags_and_variables_win_over_tables() {
    let found = runs(TWO, &["--max-lost", "9"], &[("SOAKRIG_CHAT_RATE", "8/s")]);
    for run in &found {
        assert_eq!(run.plan.thresholds.max_lost, Some(9));
        assert!(
            matches!(run.plan.traffic.chat, Volume::Total(rate) if rate.per_second() == 8.0),
            "{:?}",
            run.plan.traffic
        );
    }
}

#[test]
fn a_shard_takes_its_part_of_each_plenary() {
    let found = runs(TWO, &["--shard", "1/2", "--run-id", "r", "--password", "p"], &[]);
    let ranges: Vec<_> = found.iter().map(|run| (run.plan.users.range.min(), run.plan.users.range.max())).collect();
    assert_eq!(ranges, [(10, 20), (35, 50)]);
}

#[test]
fn files_and_ports_of_a_table_are_used_unchanged() {
    let file = TWO.to_owned() + "metrics-listen = \"127.0.0.1:9999\"\nsummary = \"m.json\"\nanomaly-log = \"m.log\"\n";
    let report = runs(&file, &[], &[]).remove(1).plan.report;
    assert_eq!(report.metrics_listen.port(), 9999);
    assert_eq!((report.summary, report.anomaly_log), (Some("m.json".into()), Some("m.log".into())));
    let ports =
        |args: &[&str]| runs(TWO, args, &[]).iter().map(|r| r.plan.report.metrics_listen.port()).collect::<Vec<_>>();
    assert_eq!(ports(&["--metrics-listen", "127.0.0.1:0"]), [0, 0]);
    let (code, error) = refused(TWO, &["--metrics-listen", "127.0.0.1:65535"]);
    assert!(code == 2 && error.contains("no port 1 after 65535"), "{error}");
}

#[test]
fn a_user_in_two_plenaries_at_once_is_refused() {
    let overlapping = TWO.replace("user-range-min = 20", "user-range-min = 19");
    let (code, error) = refused(&overlapping, &[]);
    assert_eq!(code, 104);
    assert!(error.contains("loadtest19 would be in friday and in monday at once"), "{error}");
    assert!(error.contains("soak.toml:13"), "{error}");
    // A template each is as good, unless its names are the same ones.
    let apart = overlapping.clone() + "username-template = \"other%s\"\n";
    assert_eq!(runs(&apart, &[], &[]).len(), 2);
    let same = overlapping + "username-template = \"loadtest1%s\"\nuser-range-max = 21\n";
    let same = same.replace("user-range-min = 19\nuser-range-max = 50", "user-range-min = 5");
    let (_, error) = refused(&same, &[]);
    assert!(error.contains("loadtest15 would be in"), "{error}");
}

#[test]
fn plenaries_with_the_same_room_hash_are_refused() {
    // A known pair of equal CRC-32.
    let file = TWO.replace("\"friday\"", "\"plumless\"").replace("\"monday\"", "\"buckeroo\"");
    let (code, error) = refused(&file, &["http://h"]);
    assert_eq!(code, 104, "{error}");
    assert!(error.contains("plumless and buckeroo have the same 32-bit hash"), "{error}");
    assert!(error.contains("rename one of the two"), "{error}");
    assert_eq!(slugs(&runs(&file, &["http://h", "buckeroo"], &[])), ["buckeroo"], "alone it is a name like any other");
}

#[test]
fn tables_that_contradict_each_other_are_refused() {
    let (code, error) = refused(&TWO.replace("\"monday\"", "\"friday\""), &[]);
    assert!(code == 104 && error.contains("friday has two tables"), "{error}");
    let same_file = TWO.to_owned() + "summary = \"night-friday.json\"\n";
    let (_, error) = refused(&same_file, &[]);
    assert!(error.contains("night-friday.json would be written by friday and by monday"), "{error}");
    let same_file = TWO.to_owned() + "summary = \"./night-friday.json\"\n";
    let (_, error) = refused(&same_file, &[]);
    assert!(error.contains("would be written by friday and by monday"), "by another path: {error}");
    let other_purpose = TWO.to_owned() + "anomaly-log = \"night-friday.json\"\n";
    let (code, error) = refused(&other_purpose, &[]);
    assert!(code == 104 && error.contains("--anomaly-log") && error.contains("--summary"), "{error}");
}

#[test]
fn a_wrong_value_in_a_table_that_is_not_picked_is_an_error_too() {
    let wrong = TWO.replace("chattiness = 2", "chattiness = 12");
    let (code, error) = refused(&wrong, &["http://h", "friday"]);
    assert!(code == 104 && error.contains("soak.toml:15: invalid value '12' for chattiness"), "{error}");
}

#[test]
fn check_needs_one_plenary_and_cleanup_takes_all() {
    let error = resolve("check", TWO, &[], &[]).unwrap_err().to_string();
    assert!(error.contains("name the one to check: the file has friday, monday"), "{error}");
    match resolve("check", TWO, &["http://h", "monday"], &[]).unwrap().task {
        Task::Check(check) => assert_eq!(check.users.range.min(), 20),
        other => panic!("{other:?}"),
    }
    match resolve("cleanup", TWO, &[], &[]).unwrap().task {
        Task::Cleanup(cleanup) => {
            assert_eq!(cleanup.users.iter().map(|crowd| crowd.range.len()).collect::<Vec<_>>(), [20, 30]);
        }
        other => panic!("{other:?}"),
    }
}
