//! Every wrong input is answered with its name, the reason and the right exit code.

use std::path::Path;
use std::process::Command;

const SECRET: &str = "hunter2";

/// One wrong call: its arguments, and the expected answer.
struct Wrong<'a> {
    args: &'a [&'a str],
    variables: &'a [(&'a str, &'a str)],
    file: Option<&'a str>,
    code: i32,
    says: &'a [&'a str],
}

const RUN: &[&str] = &["run", "http://127.0.0.1:1", "test"];
const NOTHING: Wrong<'_> = Wrong { args: &[], variables: &[], file: None, code: 2, says: &[] };

fn check(wrong: &Wrong<'_>) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    command.current_dir(&directory).env_clear().env("HOME", directory.path());
    command.args(wrong.args).envs(wrong.variables.iter().copied());
    if let Some(text) = wrong.file {
        std::fs::write(directory.path().join("soak.toml"), text).unwrap();
        command.args(["--config", "soak.toml"]);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let given = format!("{:?} {:?} {:?}", wrong.args, wrong.variables, wrong.file);
    assert_eq!(output.status.code(), Some(wrong.code), "{given}\n{said}");
    for part in wrong.says {
        assert!(said.contains(part), "{part:?} is not in the answer to {given}:\n{said}");
    }
    assert!(!said.contains(SECRET), "{given} is answered with the secret:\n{said}");
    assert!(!said.contains("StartError") && !said.contains("Err("), "a debug dump:\n{said}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
}

#[test]
fn a_wrong_flag_is_named_and_ends_with_2() {
    for (flag, value, says) in [
        ("--chat-rate", "0/s", "above zero"),
        ("--chat-rate", "-1/s", "above zero"),
        ("--chat-rate", "5", "5/s, 300/m"),
        ("--duration", "90", "90s, 5m, 8h"),
        ("--duration", "0s", "longer than zero"),
        ("--away", "30s..2s", "2s..30s"),
        ("--username-template", "loadtest", "exactly one %s"),
        ("--username-template", "%s%s", "exactly one %s"),
        ("--user-range-min", "-1", "whole number"),
        ("--chattiness", "11", "from 0 to 10"),
        ("--max-error-rate", "2", "1%"),
        ("--max-frame", "16mb", "16MiB"),
        ("--pacing", "random", "poisson"),
        ("--log-format", "xml", "json"),
        ("--shard", "3/3", "2/3"),
        ("--metrics-listen", "9464", "127.0.0.1:9464"),
        ("--run-id", "a b", "letters, digits"),
        ("--start-at", "tomorrow", "RFC 3339"),
        ("--source-ip", "eth0", "127.0.0.2"),
        ("--otlp-endpoint", "localhost:4317", "http"),
        ("--disable-chat", "maybe", "true or false"),
    ] {
        let given = format!("{flag}={value}");
        check(&Wrong { args: &[RUN, &[&given]].concat(), says: &[flag, value, says], ..NOTHING });
    }
}

#[test]
fn a_wrong_proxy_is_named_without_its_text() {
    for (value, says) in [
        ("socks5://me:hunter2@proxy", "http:// or https:// proxy"),
        ("hunter2", "http://proxy.example:3128"),
        ("@/nowhere/proxy", "/nowhere/proxy"),
    ] {
        let given = format!("--proxy={value}");
        check(&Wrong { args: &[RUN, &[&given]].concat(), says: &["--proxy", says], ..NOTHING });
        let variables = [("SOAKRIG_PROXY", value)];
        check(&Wrong { args: RUN, variables: &variables, code: 104, says: &["SOAKRIG_PROXY", says], ..NOTHING });
        let file = format!("proxy = \"{value}\"\n");
        check(&Wrong { args: RUN, file: Some(&file), code: 104, says: &["soak.toml:1", says], ..NOTHING });
    }
}

#[test]
fn an_invalid_or_missing_target_is_named() {
    for (url, says) in [
        ("ftp://host", "http"),
        ("host.example.org", "https://chat.example.org"),
        ("http://host/?q=1", "? or #"),
        ("http://me:hunter2@host", "a user or a password"),
        ("http://me:hunter2/x@host", "https://chat.example.org"),
    ] {
        check(&Wrong { args: &["run", url, "test"], says: &["URL]", says], ..NOTHING });
    }
    check(&Wrong { args: &["run"], says: &["<URL>", "not given", "the server's address", "SOAKRIG_URL"], ..NOTHING });
    let room = ["<PLENARY_SLUG>", "not given", "the room's name", "SOAKRIG_PLENARY"];
    check(&Wrong { args: &["run", "http://h"], says: &room, ..NOTHING });
    check(&Wrong { args: &["run", "http://h", "a/b"], says: &["PLENARY_SLUG>", "letters"], ..NOTHING });
    check(&Wrong { args: &["cleanup"], says: &["<URL>"], ..NOTHING });
    check(&Wrong { args: &["frobnicate"], says: &["frobnicate"], ..NOTHING });
    check(&Wrong { args: &["run", "--chat-rat", "5/s"], says: &["--chat-rat", "--chat-rate"], ..NOTHING });
}

#[test]
fn a_wrong_variable_is_named_and_ends_with_104() {
    for (variable, value, says) in [
        ("SOAKRIG_CHAT_RATE", "0/s", "above zero"),
        ("SOAKRIG_USER_RANGE_MAX", "ten", "whole number"),
        ("SOAKRIG_DISABLE_CHAT", "maybe", "true or false"),
        ("SOAKRIG_SOURCE_IP", "127.0.0.2,x", "not an IP address"),
        ("SOAKRIG_SHARD", "3", "0/3"),
        ("SOAKRIG_OTLP_ENDPOINT", "http://me:hunter2@h", "a user or a password"),
        ("SOAKRIG_CONFIG", "missing.toml", "cannot be read"),
    ] {
        let named = if variable == "SOAKRIG_CONFIG" { "missing.toml" } else { variable };
        check(&Wrong { args: RUN, variables: &[(variable, value)], code: 104, says: &[named, says], ..NOTHING });
    }
    // Also where a flag overrides it.
    let args = [RUN, &["--chat-rate", "5/s"]].concat();
    let variables = &[("SOAKRIG_CHAT_RATE", "x")];
    check(&Wrong { args: &args, variables, code: 104, says: &["SOAKRIG_CHAT_RATE", "'x'"], ..NOTHING });
}

#[test]
fn a_wrong_file_is_named_with_the_line_and_ends_with_104() {
    for (text, says) in [
        ("seed = 1\nchat-rate = \"0/s\"\n", &["soak.toml:2:", "chat-rate", "'0/s'", "above zero"][..]),
        ("\n\nchat-rat = \"5/s\"\n", &["soak.toml:3:", "unknown key chat-rat", "did you mean chat-rate?"]),
        ("user-range-min = -1\n", &["soak.toml:1:", "user-range-min", "'-1'"]),
        ("seed = 1\nseed = 2\n", &["soak.toml:2:"]),
        ("seed = \n", &["soak.toml:1:", "not TOML"]),
        ("password = \"hunter2\" x\n", &["soak.toml:1:", "not TOML"]),
        ("password = [\"hunter2\"]\n", &["soak.toml:1:", "password", "not a list"]),
        ("[run]\nseed = 1\n", &["soak.toml:1:", "unknown key run"]),
        ("url = \"ftp://me:hunter2@h\"\n", &["soak.toml:1:", "url", "http"]),
    ] {
        check(&Wrong { args: RUN, file: Some(text), code: 104, says, ..NOTHING });
    }
    let args = [RUN, &["--config", "missing.toml"]].concat();
    check(&Wrong { args: &args, code: 104, says: &["missing.toml", "cannot be read", "--config"], ..NOTHING });
    let args = [RUN, &["--config", "."]].concat();
    check(&Wrong { args: &args, code: 104, says: &["cannot be read"], ..NOTHING });
}

#[test]
fn options_that_do_not_fit_together_are_both_named() {
    for (args, says) in [
        (
            &["--user-range-min", "5", "--user-range-max", "5"][..],
            &["--user-range-min and --user-range-max", "5..5"][..],
        ),
        (&["--user-range-min", "20"], &["--user-range-min and --user-range-max (not given)", "20..10"]),
        (&["--delivery-deadline", "2m"], &["--delivery-deadline", "--delivery-horizon", "2m", "1m"]),
        (&["--shard", "0/2"], &["--shard", "password", "--password-file", "SOAKRIG_PASSWORD"]),
        (&["--shard", "0/20", "--password", SECRET], &["--shard", "--user-range-max", "holds no user"]),
        (&["--shard", "0/2", "--shards", "3", "--password", SECRET], &["--shard and --shards"]),
        (&["--shards", "3", "--password", SECRET], &["--shards", "JOB_COMPLETION_INDEX", "--shard I/N"]),
        (&["--password", SECRET, "--password-file", "f"], &["--password and --password-file"]),
        (&["--password", ""], &["--password", "is empty"]),
        (&["--user-range-max", "4000000000"], &["--user-range-max", "1000000"]),
        (&["--ca-file", "missing.pem"], &["--ca-file", "missing.pem"]),
        (&["--summary", "missing/s.json"], &["--summary", "missing is not a directory"]),
        (&["--anomaly-log", "."], &["--anomaly-log", "is a directory"]),
        (&["--password-file", "missing"], &["--password-file", "missing"]),
        (
            &["--username-template", "abcdefghijklmnopqrstuvwxyzab%s", "--user-range-max", "1001"],
            &["--username-template and --user-range-max", "abcdefghijklmnopqrstuvwxyzab1000", "30"],
        ),
    ] {
        check(&Wrong { args: &[RUN, args].concat(), says, ..NOTHING });
    }
}

#[test]
fn a_conflict_outside_the_flags_exits_104_and_names_its_sources() {
    check(&Wrong {
        args: RUN,
        variables: &[("SOAKRIG_USER_RANGE_MIN", "7")],
        file: Some("\nuser-range-max = 5\n"),
        code: 104,
        says: &["--user-range-min (SOAKRIG_USER_RANGE_MIN)", "--user-range-max (soak.toml:2)", "remedy"],
    });
    let variables = &[("JOB_COMPLETION_INDEX", "3"), ("SOAKRIG_SHARDS", "3"), ("SOAKRIG_PASSWORD", SECRET)];
    check(&Wrong { args: RUN, variables, code: 104, says: &["JOB_COMPLETION_INDEX", "3", "2/3"], ..NOTHING });
}

#[test]
fn without_a_home_the_remedy_is_a_cache_file() {
    let output = Command::new(env!("CARGO_BIN_EXE_soakrig")).args(RUN).env_clear().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(104), "{said}");
    assert!(said.contains("--cache-file") && said.contains("HOME"), "{said}");
}

#[test]
fn a_secret_that_starts_with_a_dash_is_not_shown() {
    check(&Wrong { args: &["run", "http://h", "--password", "-hunter2"], says: &["<PLENARY_SLUG>"], ..NOTHING });
    check(&Wrong { args: &["run", "--pasword=hunter2"], says: &["--pasword"], ..NOTHING });
}

#[test]
fn a_control_address_other_than_loopback_is_refused() {
    let args = &["target", "--control", "0.0.0.0:1"];
    check(&Wrong { args, says: &["--control", "loopback", "127.0.0.1"], ..NOTHING });
}

#[test]
fn a_variable_that_is_not_utf8_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let output = Command::new(env!("CARGO_BIN_EXE_soakrig"))
        .args(RUN)
        .env_clear()
        .env("HOME", Path::new("/"))
        .env("SOAKRIG_PASSWORD", std::ffi::OsStr::from_bytes(b"hunter2\xff"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(104), "{said}");
    assert!(said.contains("SOAKRIG_PASSWORD") && !said.contains(SECRET), "{said}");
}

#[test]
fn one_file_for_two_purposes_is_refused() {
    for [one, path, other, same] in [
        ["--summary", "x", "--cache-file", "x"],
        ["--summary", "x", "--anomaly-log", "./x"],
        ["--anomaly-log", "x", "--cache-file", "./x"],
    ] {
        let args = [RUN, &[one, path, other, same]].concat();
        check(&Wrong { args: &args, says: &[one, other, "a file of its own"], ..NOTHING });
    }
    let demo = ["demo", "--summary", "x", "--anomaly-log", "x"];
    check(&Wrong { args: &demo, says: &["--summary", "--anomaly-log"], ..NOTHING });
    let file = "summary = \"x\"\nanomaly-log = \"x\"\n";
    check(&Wrong { args: RUN, file: Some(file), code: 104, says: &["soak.toml:1", "soak.toml:2"], ..NOTHING });
}

#[test]
fn an_unknown_protocol_is_answered_with_those_there_are() {
    let says = &["--protocol", "there is no protocol plenery", "give one of: plenary"][..];
    for command in [RUN, &["check", "http://127.0.0.1:1", "test"], &["cleanup", "http://127.0.0.1:1"]] {
        let args = [command, &["--protocol", "plenery"]].concat();
        check(&Wrong { args: &args, says, ..NOTHING });
    }
    let variables = &[("SOAKRIG_PROTOCOL", "plenery")];
    check(&Wrong { args: RUN, variables, code: 104, says: &["SOAKRIG_PROTOCOL", "give one of: plenary"], ..NOTHING });
    check(&Wrong { args: RUN, file: Some("protocol = \"plenery\""), code: 104, says: &["soak.toml:1"], ..NOTHING });
}
