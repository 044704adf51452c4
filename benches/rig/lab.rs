//! The setup of a measurement: a server and a reader, each in its own process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::Outcome;
use super::process::{Process, eventually, get, metric};

/// Sockets per source address: a quarter of the kernel's usual ports.
const SOCKETS_A_SOURCE: usize = 7_000;

/// Source addresses for this many sockets.
pub fn sources(sockets: usize) -> Vec<String> {
    (0..sockets.div_ceil(SOCKETS_A_SOURCE)).map(|n| format!("127.0.0.{}", n + 2)).collect()
}

/// This program in another role.
fn own_part(words: &[&str]) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words);
    Ok(command)
}

fn soakrig() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    command.env_remove("SOAKRIG_PASSWORD");
    command
}

/// A server to read from.
pub struct Server {
    pub process: Process,
    pub address: String,
    kind: Kind,
}

/// A server at an address, perhaps behind TLS.
pub struct Elsewhere {
    address: String,
    secure: bool,
    _front: Option<Process>,
}

/// Where a reader connects.
pub trait Address {
    /// Host and port.
    fn address(&self) -> &str;

    /// The start of its URLs.
    fn scheme(&self) -> &str {
        "http"
    }
}

impl Address for Server {
    fn address(&self) -> &str {
        &self.address
    }
}

impl Address for Elsewhere {
    fn address(&self) -> &str {
        &self.address
    }

    fn scheme(&self) -> &str {
        if self.secure { "https" } else { "http" }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bare,
    Target,
}

impl Server {
    /// The bare broadcaster.
    pub fn bare() -> Outcome<Self> {
        let mut process = Process::start(own_part(&["broadcast"])?)?;
        let line = process.wait_for("listening on ")?;
        let address = line.rsplit(' ').next().unwrap_or_default().to_owned();
        Ok(Self { process, address, kind: Kind::Bare })
    }

    /// The embedded target, with these flags.
    pub fn target(flags: &[&str]) -> Outcome<Self> {
        let mut command = soakrig();
        command.args(["target", "--listen", "127.0.0.1:0"]).args(flags);
        let mut process = Process::start(command)?;
        let line = process.wait_for("target: http://")?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let address = address.to_owned();
        Ok(Self { process, address, kind: Kind::Target })
    }

    /// A server at an address of this machine.
    pub fn at(address: &str) -> Elsewhere {
        Elsewhere { address: address.to_owned(), secure: false, _front: None }
    }

    /// The same server behind TLS.
    pub fn behind_tls(&self) -> Outcome<Elsewhere> {
        let mut front = Process::start(own_part(&["tls", &self.address])?)?;
        let line = front.wait_for("listening on ")?;
        let address = line.rsplit(' ').next().unwrap_or_default().to_owned();
        Ok(Elsewhere { address, secure: true, _front: Some(front) })
    }

    /// Waits until the bare broadcaster's last reader has gone.
    pub fn wait_until_empty(&mut self) -> Outcome<()> {
        eventually("the sockets to be gone", || (*self.process.count().ok()?.first()? == 0).then_some(()))
    }

    /// Frames written so far: all frames of the bare broadcaster, or the target's chats.
    pub fn frames(&mut self) -> Outcome<f64> {
        if self.kind == Kind::Bare {
            return Ok(self.process.count()?.get(1).copied().unwrap_or(0) as f64);
        }
        let counts: serde_json::Value = serde_json::from_str(&get(&self.address, "/_target/counts")?)?;
        counts.pointer("/sent/chats_written").and_then(serde_json::Value::as_f64).ok_or_else(|| "no counts".into())
    }
}

/// A reader under measurement.
pub struct Reader {
    pub process: Process,
    kind: Reading,
}

enum Reading {
    /// Counts bytes; the size of a frame is known beforehand.
    Raw,
    /// soakrig, with the address of its metrics.
    Runner(String),
}

impl Reader {
    /// The raw reader over `users` sockets.
    pub fn raw(server: &Server, users: usize, path: &str, cookie: &str) -> Outcome<Self> {
        let sources = sources(users).join(",");
        let mut process =
            Process::start(own_part(&["read", &server.address, path, cookie, &users.to_string(), &sources])?)?;
        process.wait_for("open ")?;
        Ok(Self { process, kind: Reading::Raw })
    }

    /// A soakrig run, once all users have joined.
    pub fn rig(server: &impl Address, users: usize, chats: f64, cache: &Path, flags: &[&str]) -> Outcome<Self> {
        let range = users.to_string();
        Self::rig_of(server, users, chats, cache, &[&["--user-range-max", &range], flags].concat())
    }

    /// A soakrig run of a range given by `flags`, once `users` users have joined.
    pub fn rig_of(server: &impl Address, users: usize, chats: f64, cache: &Path, flags: &[&str]) -> Outcome<Self> {
        let mut command = soakrig();
        command.args(["run", &format!("{}://{}", server.scheme(), server.address()), "test"]);
        command.args(["--chat-rate", &format!("{chats:.4}/s")]);
        command.args(["--ramp", "3000/s", "--sign-in-rate", "3000/s", "--connect-rate", "3000/s"]);
        command.args(["--disable-event-leaving", "--disable-breakout-joining", "--metrics-listen", "127.0.0.1:0"]);
        command.args(["--grace", "2s"]).arg("--cache-file").arg(cache).args(flags);
        for source in sources(users) {
            command.args(["--source-ip", &source]);
        }
        let mut process = Process::start(command)?;
        let line = process.wait_for("/metrics")?;
        let page = line.split("http://").find(|rest| rest.contains("/metrics")).ok_or("no address of metrics")?;
        let address = page.split("/metrics").next().unwrap_or_default().to_owned();
        let reader = Self { process, kind: Reading::Runner(address) };
        eventually("everybody to be connected", || (reader.connected()? >= users as f64).then_some(()))?;
        Ok(reader)
    }

    fn connected(&self) -> Option<f64> {
        Some(metric(&self.metrics().ok()?, "soakrig_users", &["state=\"connected\""]))
    }

    /// The metrics of a soakrig run.
    pub fn metrics(&self) -> Outcome<String> {
        match &self.kind {
            Reading::Runner(address) => get(address, "/metrics"),
            Reading::Raw => Err("a raw reader has no metrics".into()),
        }
    }

    /// Bytes read so far.
    pub fn bytes(&mut self) -> Outcome<f64> {
        match self.kind {
            Reading::Raw => Ok(self.process.count()?.first().copied().unwrap_or(0) as f64),
            Reading::Runner(_) => Ok(metric(&self.metrics()?, "soakrig_received_bytes_total", &[])),
        }
    }
}

/// The cost of reading for a while.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// CPU of the reader, in seconds.
    pub reader: f64,
    /// CPU of the server, in seconds.
    pub server: f64,
    /// Frames that the server wrote.
    pub frames: f64,
    /// Bytes that the reader read.
    pub bytes: f64,
    /// How long it was, in seconds.
    pub seconds: f64,
}

impl Cost {
    /// CPU of the reader per million frames, in seconds.
    pub fn per_million(&self) -> f64 {
        self.reader / self.frames * 1e6
    }

    /// CPU of the server per million frames, in seconds.
    pub fn server_per_million(&self) -> f64 {
        self.server / self.frames * 1e6
    }
}

/// Watches for `time`, after a warm-up.
pub fn watch(server: &mut Server, reader: &mut Reader, warm_up: Duration, time: Duration) -> Outcome<Cost> {
    std::thread::sleep(warm_up);
    let begin = Instant::now();
    let before = (reader.bytes()?, server.frames()?, reader.process.cpu()?, server.process.cpu()?);
    std::thread::sleep(time);
    let after = (reader.process.cpu()?, server.process.cpu()?, server.frames()?, reader.bytes()?);
    Ok(Cost {
        reader: after.0 - before.2,
        server: after.1 - before.3,
        frames: after.2 - before.1,
        bytes: after.3 - before.0,
        seconds: begin.elapsed().as_secs_f64(),
    })
}

/// A directory for caches, removed at the end.
pub fn cache_file(directory: &tempfile::TempDir, name: &str) -> PathBuf {
    directory.path().join(format!("{name}.json"))
}
