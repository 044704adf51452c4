//! Where the password comes from, and that it goes nowhere else.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use soakrig::cli::{Resolved, parse};
use soakrig::config::Environment;
use soakrig::config::plan::Task;
use soakrig::error::StartError;

const RUN: [&str; 4] = ["soakrig", "run", "http://h", "test"];

fn resolve(more: &[&str], variables: &[(&str, &str)]) -> Result<(Option<String>, Vec<String>), StartError> {
    let environment = Environment::of([("HOME", "/h")].iter().chain(variables).copied());
    let command = parse([&RUN[..], more].concat()).unwrap().command().unwrap();
    assert!(!format!("{command:?}").contains("hunter2"));
    match command.resolve(&environment)? {
        Resolved { task: Task::Run(mut runs), warnings } => {
            let plan = runs.remove(0).plan;
            assert!(!format!("{plan:?}").contains("hunter2"));
            Ok((plan.users.password.map(|password| password.reveal().to_owned()), warnings))
        }
        other => panic!("{other:?}"),
    }
}

fn file(bytes: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    (directory, path)
}

#[test]
fn the_password_comes_from_a_flag_a_variable_or_a_file() {
    let (_directory, path) = file(b"hunter2-file\n", 0o600);
    let path = path.to_str().unwrap();
    let password = |more: &[&str], variables: &[(&str, &str)]| resolve(more, variables).unwrap().0;
    assert_eq!(password(&["--password", "-hunter2"], &[]).unwrap(), "-hunter2");
    assert_eq!(password(&[], &[("SOAKRIG_PASSWORD", "hunter2")]).unwrap(), "hunter2");
    assert_eq!(password(&["--password-file", path], &[]).unwrap(), "hunter2-file");
    assert_eq!(password(&[], &[("SOAKRIG_PASSWORD_FILE", path)]).unwrap(), "hunter2-file");
    assert_eq!(password(&["--password-file", path], &[("SOAKRIG_PASSWORD", "hunter2")]).unwrap(), "hunter2-file");
    assert_eq!(password(&[], &[]), None);
}

#[test]
fn the_first_line_of_a_password_file_is_the_password() {
    for (bytes, password) in [
        (&b"hunter2"[..], "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\nsecond line\n", "hunter2"),
        (b" hunter2 \n", " hunter2 "),
        ("hünter2\n".as_bytes(), "hünter2"),
    ] {
        let (_directory, path) = file(bytes, 0o400);
        let (read, warnings) = resolve(&["--password-file", path.to_str().unwrap()], &[]).unwrap();
        assert_eq!(read.as_deref(), Some(password));
        assert_eq!(warnings, Vec::<String>::new());
    }
}

#[test]
fn a_file_without_a_password_is_refused_by_name() {
    let long = [b'x'; 5000];
    for (bytes, why) in [(&b""[..], "empty"), (b"\nhunter2\n", "empty"), (b"\xff\n", "UTF-8"), (&long, "longer")] {
        let (_directory, path) = file(bytes, 0o600);
        let path = path.to_str().unwrap();
        let text = resolve(&["--password-file", path], &[]).unwrap_err().to_string();
        assert!(text.contains("--password-file") && text.contains(path) && text.contains(why), "{text}");
        assert!(!text.contains("hunter2"));
    }
}

#[test]
fn a_password_file_readable_by_others_gives_a_warning() {
    let (_directory, path) = file(b"hunter2\n", 0o644);
    let (_, warnings) = resolve(&["--password-file", path.to_str().unwrap()], &[]).unwrap();
    assert!(warnings[0].contains("password") && warnings[0].contains("chmod 600"), "{warnings:?}");

    let (_directory, path) = file(b"password = \"hunter2\"\n", 0o644);
    let (password, warnings) = resolve(&["--config", path.to_str().unwrap()], &[]).unwrap();
    assert_eq!(password.as_deref(), Some("hunter2"));
    assert!(warnings[0].contains("holds a password") && !warnings[0].contains("hunter2"), "{warnings:?}");
}
