//! Runs of two plenaries from a configuration file: the file, the process, its addresses and summaries.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::process::Command;

use crate::support::{Ended, Process, Target};
use serde_json::Value;

/// Six users in `test`, four in `nobreak`.
pub const TWO_PLENARIES: &str = "
metrics-listen = \"127.0.0.1:0\"
disable-event-leaving = true
disable-breakout-joining = true
max-error-rate = \"100%\"
ramp = \"90/s\"
sign-in-rate = \"90/s\"
connect-rate = \"90/s\"
chat-rate = \"9/s\"

[[plenary]]
slug = \"test\"
user-range-max = 6

[[plenary]]
slug = \"nobreak\"
user-range-min = 6
user-range-max = 10
chat-rate = \"5/s\"
";

/// Starts a run from the configuration `file`, with `home` as its directory.
pub fn start(target: &Target, home: &Path, file: &str, args: &[&str]) -> Process {
    std::fs::write(home.join("soak.toml"), file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    command.args(["run", &target.url, "--config", "soak.toml", "--summary", "night.json"]).args(args);
    command.env_clear().env("HOME", home).current_dir(home);
    Process::command(command)
}

/// Where a plenary's metrics are, once the run prints it.
pub fn metrics_url(process: &mut Process, slug: &str) -> String {
    let line = process.wait_for_line(&format!("room {slug}; metrics on http://"));
    line.rsplit_once("metrics on ").unwrap().1.split("/metrics").next().unwrap().to_owned()
}

/// The summary of a plenary of a run that ended.
pub fn summary(home: &Path, slug: &str, ended: &Ended) -> Value {
    let path = home.join(format!("night-{slug}.json"));
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}\n{}", path.display(), ended.stderr));
    serde_json::from_slice(&text).unwrap()
}
