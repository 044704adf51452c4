//! `--dry-run`: every option with its source, and nothing else happens.

use std::path::Path;
use std::process::{Command, Output};

const FILE: &str = "user-range-max = 30
header = [\"X-Token: of-the-file\"]
max-late = \"2%\"
";

/// Runs in a directory that has a configuration file, with a variable and a secret in each layer.
fn soakrig(home: &Path, args: &[&str]) -> Output {
    std::fs::write(home.join("soak.toml"), FILE).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    command.args(args).env_clear().env("HOME", home).current_dir(home);
    command.envs([
        ("SOAKRIG_CONFIG", "soak.toml"),
        ("SOAKRIG_CHAT_RATE", "12/s"),
        ("SOAKRIG_PASSWORD", "of-the-variable"),
    ]);
    command.output().unwrap()
}

const FIXED: [&str; 5] = ["--dry-run", "--seed", "7", "--run-id", "night"];

#[test]
fn a_dry_run_prints_every_option_with_its_origin_and_no_secret() {
    let home = tempfile::tempdir().unwrap();
    // Nothing listens there; a dry run does not notice.
    let run = ["run", "http://127.0.0.1:9", "event-%s", "--rooms", "6", "--shard", "1/2", "--speakers", "50%"];
    let output = soakrig(home.path(), &[&run[..], &FIXED].concat());
    let page = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{page}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!page.contains("of-the-"), "{page}");
    // A dry run checks options, not the machine.
    let page: Vec<&str> = page.lines().filter(|line| !line.contains("warning:")).collect();
    insta::assert_snapshot!("dry_run", page.join("\n"));
    let written: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(written, ["soak.toml"], "nothing is kept");
}

#[test]
fn a_dry_run_of_a_protocol_file_and_of_a_demo_connects_to_nothing() {
    let home = tempfile::tempdir().unwrap();
    let file = ["run", "http://127.0.0.1:9", "a room", "--protocol", "plain", "--disable-event-leaving"];
    for args in [&file[..], &["demo", "--rooms", "3"]] {
        let output = soakrig(home.path(), &[args, &FIXED].concat());
        let page = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{page}{}", String::from_utf8_lossy(&output.stderr));
        assert!(page.contains("--chat-rate") && page.contains("SOAKRIG_CHAT_RATE"), "{page}");
        assert!(page.contains("forecast for 30 users"), "{page}");
    }
}

#[test]
fn a_dry_run_ends_with_the_error_that_would_keep_the_run_from_starting() {
    let home = tempfile::tempdir().unwrap();
    let run = ["run", "http://127.0.0.1:9", "event-%s", "--dry-run"];
    for (more, code, said) in [
        (&["--rooms", "31"][..], 2, "31 rooms for 30 users"),
        (&["--rooms", "3", "--message-size", "5..100000"], 2, "the protocol plenary takes"),
        (&["--room-min", "3"], 2, "--room-min"),
        (&[], 2, "say with --rooms how many"),
        (&["--rooms", "2", "--source-ip", "192.0.2.1"], 104, "192.0.2.1"),
        (&["--rooms", "2", "--protocol", "nope"], 2, "nope"),
        (&["--rooms", "2", "--speakers", "31"], 2, "31 of 30 users"),
    ] {
        let output = soakrig(home.path(), &[&run[..], more].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{more:?}: {error}");
        assert!(error.contains(said), "{more:?}: {error}");
    }
    let plain = ["run", "http://127.0.0.1:9", "plain", "--rooms", "3", "--dry-run"];
    let error = soakrig(home.path(), &plain);
    assert!(String::from_utf8_lossy(&error.stderr).contains("write %s where it stands"), "{error:?}");
}
