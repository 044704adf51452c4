//! The help of every command, pinned by snapshots.

use std::process::Command;

/// The binary's standard output; without a terminal and without variables it wraps the same
/// everywhere.
fn help(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_soakrig")).args(args).env_clear().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "a line is too long");
    // clap fills the empty line between paragraphs with spaces.
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_help_of_every_command_matches_its_snapshot() {
    insta::assert_snapshot!("soakrig", help(&["--help"]));
    for command in ["run", "demo", "target", "check", "cleanup", "merge", "report", "compare", "ctl", "health"] {
        insta::assert_snapshot!(command, help(&[command, "--help"]));
    }
}

#[test]
fn the_short_help_of_run_matches_its_snapshot() {
    insta::assert_snapshot!("run_short", help(&["run", "-h"]));
}

#[test]
fn the_exit_codes_in_the_help_are_those_of_the_code() {
    use soakrig::error::ExitCode;
    let help = help(&["--help"]);
    for code in ExitCode::ALL {
        let line = format!("  {:<4} {}", code.number(), code.meaning());
        assert!(help.lines().any(|shown| shown == line), "{line:?} is not in the help");
    }
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(help(&["--version"]), format!("soakrig {}", env!("CARGO_PKG_VERSION")));
}

/// The page names each option once, and says how to make its variable and key of it.
#[test]
fn every_option_is_documented() {
    use soakrig::config::entry::{flag, in_file, variable};
    use soakrig::config::settings::Settings;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md")).unwrap();
    for key in Settings::keys() {
        let line = format!("- `{}`", flag(key).trim_matches(['<', '>']));
        let lines =
            page.lines().filter_map(|each| each.strip_prefix(&line)).filter(|rest| rest.starts_with([':', ' ']));
        assert_eq!(lines.count(), 1, "lines of docs/configuration.md that begin with {line}");
        let by_rule = format!("SOAKRIG_{}", in_file(key).replace('-', "_").to_uppercase());
        assert_eq!(variable(key), by_rule);
        let said = flag(key) == format!("--{}", in_file(key)) || page.contains(&format!("`{by_rule}`"));
        assert!(said, "docs/configuration.md does not say that {} is {by_rule}", flag(key));
    }
}
