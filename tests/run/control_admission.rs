//! Who is let in at the socket of `soakrig ctl`: hostile peers, other users, and sockets left behind.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::steered::{QUICK, QUIET, Steered, ctl, steered};
use crate::support::{LENIENT, PATIENCE, Process, Rig};

#[test]
fn hostile_peers_change_nothing_and_keep_nobody_out() {
    let run = steered("3", &["--chat-rate", "1/s"]).ready();
    let said = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(&run.socket).unwrap();
        // The generator may have read enough, and be gone.
        let _ = stream.write_all(bytes);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let long = said(&[b'x'; 100_000]);
    assert!(long.is_empty() || long.contains("4096"), "{long}");
    assert!(said(b"\x00\xff\x1b[2J\n").contains("UTF-8"));
    assert!(said(b"\x1b[2J\n").contains("no such command"));
    assert!(said(b"stop now\n").contains(r#""ok":false"#));
    // Writers who never come to the end of their line, and more of them than there are places.
    let slow: Vec<UnixStream> = (0..50)
        .map(|_| {
            let mut stream = UnixStream::connect(&run.socket).unwrap();
            let _ = stream.write_all(b"abo");
            stream
        })
        .collect();
    assert_eq!(run.status()["users"]["connected"], 3);
    drop(slow);
    assert!(run.rig.metric("soakrig_control_commands_total", &[r#"command="refused""#]) >= 3.0);
    let (ended, _) = run.settled();
    assert!(!ended.stderr.contains('\u{1b}'), "what a peer sends reaches no terminal: {}", ended.stderr);
}

#[test]
fn the_socket_is_its_users_alone() {
    let run = steered("3", &["--chat-rate", "1/s"]).ready();
    let mode = std::fs::metadata(&run.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    if nix::unistd::geteuid().is_root() {
        // A program that another user can run, and a socket that it can reach: the uid alone is in the way.
        let public = tempfile::tempdir_in("/tmp").unwrap();
        let copy = public.path().join("soakrig");
        std::fs::copy(env!("CARGO_BIN_EXE_soakrig"), &copy).unwrap();
        let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        open(public.path(), 0o755);
        open(&copy, 0o755);
        open(run.socket.parent().unwrap(), 0o755);
        open(&run.socket, 0o666);
        let mut command = Command::new(&copy);
        command.env_clear().current_dir("/").arg("ctl").arg("--socket").arg(&run.socket).arg("abort");
        command.uid(65_534).gid(65_534);
        let ended = Process::command(command).end(PATIENCE);
        assert_eq!(ended.code, Some(104), "{}", ended.stderr);
        assert!(ended.stderr.contains("its own user and root"), "{}", ended.stderr);
    }
    let (ended, _) = run.settled();
    assert_ne!(ended.code, Some(105));
}

#[test]
fn a_socket_that_is_in_use_is_not_taken_and_a_stale_one_is() {
    let run = steered("3", &["--chat-rate", "1/s"]).ready();
    let second = {
        let home = tempfile::tempdir().unwrap();
        let args = ["--control-socket", run.socket.to_str().unwrap(), "--user-range-min", "3", "--user-range-max", "4"];
        Rig::run(&run.target.url, "test", &home.path().join("s.json"), &args).end_early()
    };
    assert_eq!(second.code, Some(104), "{}", second.stderr);
    assert!(
        second.stderr.contains("--control-socket") && second.stderr.contains("another process"),
        "{}",
        second.stderr
    );
    // Killed, it leaves its socket behind, which the next one replaces.
    let Steered { target, rig, socket, _home: home } = run;
    rig.process.signal(nix::sys::signal::Signal::SIGKILL);
    drop(rig);
    assert!(socket.exists());
    let args = ["--control-socket", socket.to_str().unwrap(), "--user-range-max", "3", "--chat-rate", "1/s"];
    let args = [&args[..], &QUICK, &QUIET, &LENIENT].concat();
    let mut again = Rig::run(&target.url, "test", &home.path().join("s.json"), &args);
    again.wait_until_ready();
    assert!(ctl(&socket, &["status"]).stdout.contains("3 of 3"));
    again.stop();
}
