//! Output that cannot be written: closed pipes, full devices, stuck readers.

use std::fs::File;
use std::io::{PipeReader, Read as _, Write as _, pipe};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Target, eventually, soakrig};

/// A pipe without a reader.
fn closed() -> Stdio {
    pipe().unwrap().1.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe that is full, and whose reader has stopped reading.
fn stuck() -> (PipeReader, Stdio) {
    let (reader, mut writer) = pipe().unwrap();
    fcntl(writer.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while writer.write(&[b'x'; 4_096]).is_ok() {}
    fcntl(writer.as_fd(), FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    (reader, writer.into())
}

/// A run that lasts three seconds and that the target makes fail with 99.
fn failing_run(target: &Target, home: &Path) -> Command {
    let mut command = soakrig();
    command.args(["run", &target.url, "test", "--user-range-max", "3", "--ramp", "50/s", "--chat-rate", "10/s"]);
    command.args(["--duration", "3s", "--delivery-deadline", "1s", "--delivery-horizon", "2s", "--grace", "4s"]);
    command.args(["--metrics-listen", "127.0.0.1:0", "--cache-file"]).arg(home.join("sessions.json"));
    command.arg("--summary").arg(home.join("summary.json"));
    command
}

/// The exit code, and standard error if it was a pipe.
fn end(mut child: Child) -> (Option<i32>, String) {
    let mut text = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut text).unwrap();
    }
    let mut code = None;
    eventually("the end", || child.try_wait().unwrap().map(|status| code = status.code()).is_some());
    (code, text)
}

fn verdict(home: &Path) -> Value {
    let file = home.join("summary.json");
    let summary: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::remove_file(file).unwrap();
    assert_eq!(summary["run"]["complete"], true);
    summary["verdict"]["code"].clone()
}

#[test]
fn a_run_with_closed_output_keeps_its_exit_code_and_summary() {
    let target = Target::start(&["--fault-drop", "every:7"]);
    let home = tempfile::tempdir().unwrap();
    for (out, err) in [(closed(), Stdio::piped()), (full(), full()), (Stdio::null(), closed())] {
        let child = failing_run(&target, home.path()).stdout(out).stderr(err).spawn().unwrap();
        let (code, stderr) = end(child);
        assert_eq!((code, verdict(home.path())), (Some(99), Value::from(99)), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn a_stuck_reader_of_the_output_does_not_block_the_run() {
    let target = Target::start(&["--fault-drop", "every:7"]);
    let home = tempfile::tempdir().unwrap();
    let ((_out, out), (_err, err)) = (stuck(), stuck());
    let child = failing_run(&target, home.path()).stdout(out).stderr(err).spawn().unwrap();
    assert_eq!(end(child).0, Some(99));
    assert_eq!(verdict(home.path()), 99);
}

#[test]
fn check_and_merge_with_closed_output_keep_their_exit_codes() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let mut command = soakrig();
    command.args(["check", &target.url, "test", "--cache-file"]).arg(home.path().join("sessions.json"));
    let (code, stderr) = end(command.stdout(closed()).spawn().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    let mut run = failing_run(&target, home.path());
    // Nothing is wrong with this target; a busy machine may fail it all the same.
    let verdict = run.output().unwrap().status.code();
    assert!(matches!(verdict, Some(0 | 99 | 106)), "{verdict:?}");
    let mut command = soakrig();
    command.arg("merge").arg(home.path().join("summary.json"));
    let (code, stderr) = end(command.stdout(closed()).spawn().unwrap());
    assert_eq!(code, verdict, "{stderr}");
}

#[test]
fn help_and_completions_accept_a_closed_pipe() {
    for arguments in [vec!["--help"], vec!["run", "--help"], vec!["completions", "bash"], vec!["man"]] {
        let (code, stderr) = end(soakrig().args(&arguments).stdout(closed()).spawn().unwrap());
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_target_with_closed_output_keeps_serving() {
    let child =
        soakrig().args(["target", "--listen", "127.0.0.1:0"]).stdout(closed()).stderr(closed()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let catches_sigterm = || {
        let status = std::fs::read_to_string(&status).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
        mask.is_some_and(|mask| u64::from_str_radix(mask, 16).unwrap() >> (Signal::SIGTERM as u32 - 1) & 1 == 1)
    };
    eventually("listening to signals", catches_sigterm);
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(end(child).0, Some(0));
}
