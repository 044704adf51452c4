//! Protocol files on the command line: which are found, and the messages about mistakes in them.

use std::process::{Command, Output};

const FILE: &str = r#"schema = 1
[vars]
path = "/chat"
[socket]
url = "{{ws}}{{path}}"
[message]
send = "{{text}}"
[[message.received]]
match = { any = true }
text = "frame"
"#;

/// Runs soakrig in a directory with `my.toml`; the target refuses every connection.
fn soakrig(file: &str, variables: &[(&str, &str)], args: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("my.toml"), file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    command.current_dir(&directory).env_clear().env("HOME", directory.path());
    command.args(args).envs(variables.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

const CHECK: [&str; 3] = ["check", "http://127.0.0.1:1", "a room/with spaces"];

/// Ends with this exit code and says all of these.
#[track_caller]
fn ends(file: &str, variables: &[(&str, &str)], args: &[&str], code: i32, says: &[&str]) {
    let output = soakrig(file, variables, args);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{said}");
    says.iter().for_each(|part| assert!(said.contains(part), "{part:?} is not in the answer to {args:?}:\n{said}"));
}

#[test]
fn usernames_are_as_long_as_the_protocol_takes() {
    let template = "x".repeat(30) + "%s";
    let long = ["--username-template", &template];
    ends(FILE, &[], &[&CHECK[..], &long, &["--protocol", "my.toml"]].concat(), 107, &["connection_refused"]);
    let plenary = ["check", "http://127.0.0.1:1", "test"];
    ends(FILE, &[], &[&plenary[..], &long].concat(), 2, &["--username-template", "longer than 30 characters"]);
    ends(FILE, &[], &[&["cleanup", "http://127.0.0.1:1"][..], &long].concat(), 2, &["longer than 30 characters"]);
}

#[test]
fn a_file_is_found_by_its_path_and_one_that_ships_by_its_name() {
    for name in ["my.toml", "./my.toml", "socketio", "plain"] {
        // Only the target fails: any room name will do.
        ends(FILE, &[], &[&CHECK[..], &["--protocol", name]].concat(), 107, &["connection_refused"]);
    }
    ends(FILE, &[], &[&CHECK[..], &["--protocol", "socketi"]].concat(), 2, &["socketi", "plenary", "socketio", "path"]);
    ends(FILE, &[], &[&CHECK[..], &["--protocol", "./other.toml"]].concat(), 2, &["other.toml", "cannot be read"]);
}

#[test]
fn a_mistake_in_a_file_is_reported_with_its_line_and_a_remedy() {
    let wrong = FILE.replace("[[message.received]]\nmatch", "[[message.received]]\nmatsch");
    let says = ["my.toml", "9", "matsch", "remedy"];
    ends(&wrong, &[], &[&CHECK[..], &["--protocol", "my.toml"]].concat(), 2, &says);
    ends(&wrong, &[("SOAKRIG_PROTOCOL", "my.toml")], &CHECK, 104, &says);
}

#[test]
fn variables_are_set_by_flags_and_lines_of_the_environment() {
    let file = [&CHECK[..], &["--protocol", "my.toml"]].concat();
    ends(FILE, &[], &[&file[..], &["--set", "path=/other"]].concat(), 107, &["connection_refused"]);
    ends(FILE, &[], &[&file[..], &["--set", "pth=/other"]].concat(), 2, &["no variable pth", "path", "remedy"]);
    ends(FILE, &[("SOAKRIG_SET", "path=/a\npth=/b")], &file, 2, &["no variable pth"]);
    ends(FILE, &[], &[&file[..], &["--set", "=x"]].concat(), 2, &["NAME=VALUE"]);
    ends(FILE, &[], &["check", "http://127.0.0.1:1", "friday", "--set", "path=/x"], 2, &["--set", "plenary"]);
}

#[test]
fn a_plenary_still_has_a_slug() {
    ends(FILE, &[], &CHECK, 2, &["slug"]);
}

#[test]
fn what_a_file_cannot_do_is_refused() {
    ends(FILE, &[], &["cleanup", "http://127.0.0.1:1", "--protocol", "my.toml"], 2, &["cannot delete accounts"]);
}

#[test]
fn a_program_needs_leave_on_the_command_line() {
    let program = format!("{FILE}[[log_in]]\nexec = [\"true\"]\n");
    let file = [&CHECK[..], &["--protocol", "my.toml"]].concat();
    let refused = ["my.toml:12: log_in step 1, exec: the step runs a program", "give --allow-exec"];
    ends(&program, &[], &file, 2, &refused);
    // A variable does not give consent, and the message says so.
    let variable = [("SOAKRIG_ALLOW_EXEC", "true")];
    ends(&program, &variable, &file, 2, &[&refused[..], &["SOAKRIG_ALLOW_EXEC is ignored"]].concat());
    ends(&program, &[], &[&file[..], &["--allow-exec"]].concat(), 107, &["connection_refused"]);
}

#[test]
fn accounts_without_passwords_do_for_a_file_that_asks_for_none() {
    let directory = tempfile::tempdir().unwrap();
    let accounts = directory.path().join("accounts.csv");
    std::fs::write(&accounts, "username,token\nann,t0\n").unwrap();
    let given = ["--protocol", "my.toml", "--accounts", accounts.to_str().unwrap(), "--user-range-max", "1"];
    let args = [&CHECK[..], &given].concat();
    let text = FILE.replace("{{text}}", "{{text}}{{token}}");
    ends(&text, &[], &args, 107, &["as ann", "connection_refused"]);
    ends(&text.replace("{{token}}", "{{tokn}}"), &[], &args, 2, &["nothing sets {{tokn}}, did you mean token?"]);
    let says = ["no column password", "my.toml", "remedy"];
    ends(&text.replace("{{token}}", "{{password}}"), &[], &args, 2, &says);
    let args = [&args[..], &["--password", "pw"]].concat();
    ends(&text.replace("{{token}}", "{{password}}"), &[], &args, 107, &["as ann"]);
}
