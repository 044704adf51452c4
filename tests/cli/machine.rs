//! Limits of the machine are found before the first connection.

use std::process::{Command, Output};

/// Runs `soakrig run` with these arguments, with at most `files` open files.
fn run(files: &str, args: &str) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let script = format!("ulimit -n {files} && exec \"$SOAKRIG\" run http://127.0.0.1:1 test {args}");
    let Output { status, stderr, .. } = Command::new("sh")
        .args(["-c", &script])
        .current_dir(&directory)
        .env("HOME", directory.path())
        .env("SOAKRIG", env!("CARGO_BIN_EXE_soakrig"))
        .output()
        .unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn more_users_than_open_files_end_the_start_with_104() {
    let (code, said) = run("64", "--user-range-max 100 --metrics-listen 127.0.0.1:0");
    assert_eq!(code, Some(104), "{said}");
    for part in ["100 users", "may open 64 files", "remedy: raise the hard limit", "LimitNOFILE="] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn a_source_address_that_cannot_be_used_ends_the_start_with_104() {
    // 203.0.113.0/24 is for documentation: no machine has it.
    let (code, said) = run("512", "--user-range-max 3 --metrics-listen 127.0.0.1:0 --source-ip 203.0.113.77");
    assert_eq!(code, Some(104), "{said}");
    assert!(
        said.contains("--source-ip 203.0.113.77") && said.contains("remedy: give addresses of this machine"),
        "{said}"
    );
}
