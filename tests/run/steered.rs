//! Runs that take commands of `soakrig ctl`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Ended, PATIENCE, Process, Rig, Target, balances, number, soakrig};

pub(crate) const QUIET: [&str; 2] = ["--disable-event-leaving", "--disable-breakout-joining"];
pub(crate) const QUICK: [&str; 6] = ["--ramp", "200/s", "--sign-in-rate", "200/s", "--connect-rate", "200/s"];

/// A run that takes commands.
pub(crate) struct Steered {
    pub(crate) target: Target,
    pub(crate) rig: Rig,
    pub(crate) socket: PathBuf,
    pub(crate) _home: tempfile::TempDir,
}

pub(crate) fn steered(users: &str, args: &[&str]) -> Steered {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("soak.sock");
    let place = socket.to_str().unwrap();
    let own = ["--user-range-max", users, "--control-socket", place];
    let args = [&own[..], &QUICK, &QUIET, args].concat();
    let rig = Rig::run(&target.url, "test", &home.path().join("s.json"), &args);
    Steered { target, rig, socket, _home: home }
}

impl Steered {
    pub(crate) fn ready(mut self) -> Self {
        self.rig.wait_until_ready();
        self
    }

    /// What a command prints, which is carried out.
    pub(crate) fn ctl(&self, words: &[&str]) -> String {
        let ended = ctl(&self.socket, words);
        assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.stderr);
        ended.stdout
    }

    pub(crate) fn status(&self) -> Value {
        let said: Value = serde_json::from_str(&self.ctl(&["--json", "status"])).unwrap();
        said["figures"].clone()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.rig.metric("soakrig_rate_target", &[r#"kind="chat""#])
    }

    /// The end of a run in good order, whose books and the server's are the same.
    pub(crate) fn settled(self) -> (Ended, Value) {
        let (target, ended, summary) = self.stopped();
        let counts = target.counts();
        let sent = summary.pointer("/messages/sent/chat").and_then(Value::as_u64).unwrap_or(0);
        assert_eq!(sent, number(&counts, "/received/chats"), "{counts}");
        (ended, summary)
    }

    /// The same, where a reset may have destroyed messages on their way to the server.
    pub(crate) fn stopped(self) -> (Target, Ended, Value) {
        self.ctl(&["stop"]);
        let (ended, summary) = self.rig.end(PATIENCE);
        // A machine that is busy with other work voids a run; what was counted is exact all the same.
        assert!(matches!(ended.code, Some(0 | 106)), "{}\n{}", ended.stdout, ended.stderr);
        assert!(balances(&summary), "{}", ended.stdout);
        assert_eq!(number(&summary, "/deliveries/lost"), 0, "{}", ended.stdout);
        assert!(!self.socket.exists(), "the socket is removed at the end");
        (self.target, ended, summary)
    }
}

pub(crate) fn ctl(socket: &Path, words: &[&str]) -> Ended {
    let mut command = soakrig();
    command.arg("ctl").arg("--socket").arg(socket).args(words);
    Process::command(command).end(PATIENCE)
}
