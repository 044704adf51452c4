//! Starts the real binary: targets and rigs as processes, as an operator would.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything here takes, on any machine: a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Limits that no fault of a test breaks, where the verdict is not the question.
pub const LENIENT: [&str; 10] =
    ["--max-lost", "off", "--max-error-rate", "off", "--max-late", "off", "--max-anomalies", "off", "--max-cut", "off"];

pub fn soakrig() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SOAKRIG_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A child process; ended by its id when dropped.
pub struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
    stdout: Option<std::thread::JoinHandle<String>>,
}

pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (tell, lines) = mpsc::channel();
        let tell_too = tell.clone();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|l| drop(tell.send(l))));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            for line in stdout.lines().map_while(Result::ok) {
                text.push_str(&line);
                text.push('\n');
                drop(tell_too.send(line));
            }
            text
        });
        Self { child, lines, seen: Vec::new(), stdout: Some(stdout) }
    }

    /// A command that the test has built.
    pub fn command(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::start(command)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for a line, of the log or of the output, that holds `text`.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {text:?} came; seen:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Whether a line with `text` has come so far.
    pub fn has_said(&mut self, text: &str) -> bool {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().any(|line| line.contains(text))
    }

    /// Waits for its end.
    pub fn end(mut self, within: Duration) -> Ended {
        let until = Instant::now() + within;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(Instant::now() < until, "still running after {within:?}");
            std::thread::sleep(Duration::from_millis(20));
        };
        let stdout = self.stdout.take().unwrap().join().unwrap();
        self.seen.extend(self.lines.iter());
        Ended { code, stdout, stderr: std::mem::take(&mut self.seen).join("\n") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A target in a process of its own.
pub struct Target {
    process: Process,
    pub url: String,
    control: Option<String>,
}

impl Target {
    pub fn start(args: &[&str]) -> Self {
        Self::listen("127.0.0.1:0", args)
    }

    pub fn listen(listen: &str, args: &[&str]) -> Self {
        let mut command = soakrig();
        command.args(["target", "--listen", listen]).args(args);
        let mut process = Process::start(command);
        let line = process.wait_for_line("target: http://");
        let url = line.split_whitespace().find(|w| w.starts_with("http://")).unwrap().to_owned();
        let control = args
            .contains(&"--control")
            .then(|| process.wait_for_line("control: http://").trim_start_matches("control: ").to_owned());
        Self { process, url, control }
    }

    pub fn address(&self) -> String {
        self.url.trim_start_matches("http://").split('/').next().unwrap().to_owned()
    }

    pub fn counts(&self) -> Value {
        get_json(&format!("http://{}/_target/counts", self.address()))
    }

    /// Every fault of a delivery that was injected.
    pub fn injections(&self) -> Vec<Value> {
        let text = get(&format!("{}/injections", self.control.as_ref().unwrap())).unwrap().1;
        text.lines().filter(|l| !l.is_empty()).map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    /// What it counted in each plenary.
    pub fn rooms(&self) -> Vec<Value> {
        let text = get(&format!("{}/rooms", self.control.as_ref().unwrap())).unwrap().1;
        text.lines().filter(|l| !l.is_empty()).map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    /// Does something to the target now.
    pub fn act(&self, what: &str) {
        self.post("/act", what);
    }

    /// Changes some of its faults.
    pub fn set_faults(&self, what: &str) {
        self.post("/faults", what);
    }

    /// Removes all its faults.
    pub fn clear_faults(&self) {
        self.request("PUT", "/faults", "{}");
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        self.process.signal(signal);
    }

    fn post(&self, path: &str, body: &str) {
        self.request("POST", path, body);
    }

    fn request(&self, method: &str, path: &str, body: &str) {
        use std::io::Write as _;
        let host = self.control.as_ref().unwrap().trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close",
            body.len()
        );
        write!(stream, "{head}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }

    pub fn kill(self) -> String {
        self.address()
    }
}

/// A running `soakrig run` or `demo`.
pub struct Rig {
    pub process: Process,
    summary: PathBuf,
    pub metrics: String,
    _directory: tempfile::TempDir,
}

impl Rig {
    pub fn run(url: &str, slug: &str, cache: &Path, args: &[&str]) -> Self {
        let mut command = soakrig();
        command.args(["run", url, slug, "--cache-file"]).arg(cache).args(args);
        Self::start(command)
    }

    /// `soakrig run` as the last arguments of another command, which executes it.
    pub fn behind(mut command: Command, url: &str, slug: &str, cache: &Path, args: &[&str]) -> Self {
        let plain = soakrig();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.arg(plain.get_program()).args(["run", url, slug, "--cache-file"]).arg(cache).args(args);
        Self::start(command)
    }

    pub fn demo(args: &[&str]) -> Self {
        let mut command = soakrig();
        command.arg("demo").args(args);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let summary = directory.path().join("summary.json");
        command.args(["--metrics-listen", "127.0.0.1:0", "--summary"]).arg(&summary);
        Self { process: Process::start(command), summary, metrics: String::new(), _directory: directory }
    }

    /// Waits until it prints the address of its metrics.
    pub fn wait_for_metrics(&mut self) {
        let line = self.process.wait_for_line("metrics on http://");
        let at = line.find("http://127.0.0.1").map(|_| line.rsplit_once("metrics on ").unwrap().1).unwrap();
        self.metrics = at.split("/metrics").next().unwrap().to_owned();
    }

    /// Waits until `/ready` answers 200.
    pub fn wait_until_ready(&mut self) {
        if self.metrics.is_empty() {
            self.wait_for_metrics();
        }
        eventually("ready", || get(&format!("{}/ready", self.metrics)).is_some_and(|(status, _)| status == 200));
    }

    pub fn scrape(&self) -> String {
        get(&format!("{}/metrics", self.metrics)).unwrap().1
    }

    /// The sum of the series of a metric whose labels hold all of `labels`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        sum(&self.scrape(), name, labels)
    }

    /// The summary as it is now: the last checkpoint.
    pub fn written(&self) -> Option<Value> {
        serde_json::from_str(&std::fs::read_to_string(&self.summary).ok()?).ok()
    }

    /// Stops the run cleanly and waits for its end.
    pub fn stop(self) -> (Ended, Value) {
        self.process.signal(nix::sys::signal::Signal::SIGTERM);
        self.end(PATIENCE)
    }

    pub fn end(self, within: Duration) -> (Ended, Value) {
        let Self { process, summary, .. } = self;
        let ended = process.end(within);
        let text = std::fs::read_to_string(&summary).unwrap_or_else(|e| panic!("no summary ({e}): {}", ended.stderr));
        (ended, serde_json::from_str(&text).unwrap())
    }

    /// Waits for the end of a run that had nothing to sum up.
    pub fn end_early(self) -> Ended {
        self.process.end(PATIENCE)
    }
}

pub fn sum(scrape: &str, name: &str, labels: &[&str]) -> f64 {
    let of_metric = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let fits = |line: &&str| labels.iter().all(|l| line.contains(l));
    scrape.lines().filter(of_metric).filter(fits).map(|l| l.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

/// Polls until the condition holds.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, &mut is_so);
}

pub fn eventually_within(patience: Duration, what: &str, is_so: &mut dyn FnMut() -> bool) {
    let until = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < until, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A plain GET over a socket: status and body.
pub fn get(url: &str) -> Option<(u16, String)> {
    use std::io::Write as _;
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = std::net::TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

pub fn get_json(url: &str) -> Value {
    serde_json::from_str(&get(url).unwrap().1).unwrap()
}

/// A number of a JSON document by its path.
pub fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no number at {path} in {value}"))
}

/// Whether expected = on time + late + lost + excused + outstanding, in all and in each slice of time, and
/// the slices sum to all.
pub fn balances(summary: &Value) -> bool {
    crate::timeline::sums_match(summary);
    let n = |name: &str| number(summary, &format!("/deliveries/{name}"));
    n("expected") == n("on_time") + n("late") + n("lost") + n("excused/total") + n("outstanding")
}
