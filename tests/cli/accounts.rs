//! The file of `--accounts`: which user gets which row, and the messages about faulty files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use soakrig::cli::{Resolved, parse};
use soakrig::config::Environment;
use soakrig::config::plan::{Task, Users};
use soakrig::error::{ExitCode, StartError};
use soakrig::model::Secret;

const FILE: &str = "username,password,token\nann,hunter2a,t0\nbob,hunter2b,t1\ncyd,hunter2c,t2\ndan,hunter2d,t3\n";

fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.csv");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    (directory, path)
}

/// The plan from a command line and variables; it contains no password.
fn resolve(args: &[&str], variables: &[(&str, &str)]) -> Result<Resolved, StartError> {
    let environment = Environment::of([("HOME", "/h")].iter().chain(variables).copied());
    let resolved = parse(args).unwrap().command().unwrap().resolve(&environment);
    let shown = match &resolved {
        Ok(resolved) => format!("{resolved:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!shown.contains("hunter2"), "{shown}");
    resolved
}

fn users(accounts: &str, more: &[&str]) -> Result<(Users, Vec<String>), StartError> {
    let args =
        [&["soakrig", "run", "http://h", "test", "--user-range-max", "4", "--accounts", accounts], more].concat();
    match resolve(&args, &[])? {
        Resolved { task: Task::Run(mut runs), warnings } => Ok((runs.remove(0).plan.users, warnings)),
        other => panic!("{other:?}"),
    }
}

fn account(users: &Users, number: u32) -> (String, String) {
    let account = users.account(number, &Secret::new("shared"));
    (account.username, account.password.reveal().to_owned())
}

#[test]
fn row_n_is_user_number_n_in_every_shard() {
    let (_directory, path) = file(FILE, 0o600);
    let path = path.to_str().unwrap();
    let (all, warnings) = users(path, &[]).unwrap();
    assert_eq!((account(&all, 2), warnings), (("cyd".to_owned(), "hunter2c".to_owned()), Vec::new()));
    let (part, _) = users(path, &["--user-range-min", "1", "--shard", "1/3", "--run-id", "x"]).unwrap();
    assert_eq!((part.range.min(), part.range.max()), (2, 3));
    assert_eq!(account(&part, 2), ("cyd".to_owned(), "hunter2c".to_owned()));
    assert_eq!(&*part.row(2).values()[2], "t2");
}

#[test]
fn accounts_without_passwords_share_one() {
    let (_directory, path) = file("username\nann\nbob\ncyd\ndan\n", 0o600);
    let (users, _) = users(path.to_str().unwrap(), &["--password", "hunter2"]).unwrap();
    assert_eq!(account(&users, 1), ("bob".to_owned(), "shared".to_owned()));
}

#[test]
fn a_file_that_others_can_read_is_warned_of() {
    let (_directory, path) = file(FILE, 0o644);
    let (_, warnings) = users(path.to_str().unwrap(), &[]).unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("chmod 600"), "{warnings:?}");
}

#[test]
fn fewer_rows_than_users_are_an_error_with_both_numbers() {
    let (_directory, path) = file(FILE, 0o600);
    let path = path.to_str().unwrap();
    let args = ["soakrig", "run", "http://h", "test", "--accounts", path, "--user-range-max", "9"];
    let said = resolve(&args, &[]).unwrap_err();
    assert_eq!(said.code(), ExitCode::Usage);
    let said = said.to_string();
    assert!(said.contains("has 4 accounts") && said.contains("0..9 needs 9"), "{said}");
}

#[test]
fn what_does_not_go_with_accounts_is_refused() {
    let (_directory, path) = file(FILE, 0o600);
    let path = path.to_str().unwrap();
    let said = |args: &[&str]| resolve(args, &[]).unwrap_err().to_string();
    let cleanup = said(&["soakrig", "cleanup", "http://h", "--accounts", path]);
    assert!(cleanup.contains("--accounts") && cleanup.contains("not soakrig's to delete"), "{cleanup}");
    let demo = said(&["soakrig", "demo", "--accounts", path, "--user-range-max", "4"]);
    assert!(demo.contains("--accounts"), "{demo}");
    let template = ["--username-template", "u%s", "--user-range-max", "4"];
    let template = said(&[&["soakrig", "run", "http://h", "test", "--accounts", path], &template[..]].concat());
    assert!(template.contains("--accounts and --username-template"), "{template}");
    let missing = said(&["soakrig", "run", "http://h", "test", "--accounts", "/no/such.csv"]);
    assert!(missing.contains("/no/such.csv: No such file"), "{missing}");
}

#[test]
fn a_variable_may_name_the_file_and_its_mistakes_are_then_no_wrong_flags() {
    let (_directory, path) = file("username,password\nann,hunter2\nann,hunter2\n", 0o600);
    let args = ["soakrig", "run", "http://h", "test", "--user-range-max", "2"];
    let error = resolve(&args, &[("SOAKRIG_ACCOUNTS", path.to_str().unwrap())]).unwrap_err();
    assert_eq!(error.code(), ExitCode::Environment);
    let said = error.to_string();
    assert!(said.contains("SOAKRIG_ACCOUNTS") && said.contains("accounts.csv:3: ann is already in line 2"), "{said}");
}
