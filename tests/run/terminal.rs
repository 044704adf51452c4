//! What a run looks like on a terminal: `script` gives it one.

use std::process::Command;

use crate::support::{PATIENCE, Process, Target, soakrig};

/// What a short run writes to a terminal with these variables.
fn on_a_terminal(variables: &str) -> String {
    let (target, home) = (Target::start(&[]), tempfile::tempdir().unwrap());
    let cache = home.path().join("sessions");
    let run = format!(
        "env -u NO_COLOR -u CLICOLOR_FORCE {variables} {} run {} test --user-range-max 2 --chat-rate 5/s \
         --duration 4s --metrics-listen 127.0.0.1:0 --cache-file {}",
        soakrig().get_program().display(),
        target.url,
        cache.display()
    );
    let mut script = Command::new("script");
    script.args(["-qec", &run, "/dev/null"]);
    let ended = Process::command(script).end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    ended.stdout
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_plain_lines() {
    for variables in ["TERM=dumb", "-u TERM"] {
        let seen = on_a_terminal(variables);
        assert!(seen.lines().any(|line| line.contains("INFO hold") && line.contains("on time, ")), "{seen}");
        assert!(!seen.contains('\u{1b}'), "{seen}");
    }
}

#[test]
fn no_color_switches_colours_off_where_it_is_not_empty() {
    let coloured = "\u{1b}[32m INFO";
    let seen = on_a_terminal("TERM=xterm NO_COLOR=");
    assert!(seen.contains(coloured), "{seen}");
    let seen = on_a_terminal("TERM=xterm NO_COLOR=1");
    assert!(!seen.contains(coloured) && !seen.contains("\u{1b}[33m"), "{seen}");
    // Without colours there is still a status line, which is redrawn.
    assert!(seen.contains("\u{1b}["), "{seen}");
}
