//! The target and the rig, each a process of the binary under test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Options, Trouble};

/// How long a process may take to say where it listens.
const START: Duration = Duration::from_secs(30);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the rig may take to end after its duration: grace, closing, a busy machine.
const END: Duration = Duration::from_secs(120);

pub struct Pair {
    target: Process,
    rig: Process,
    control: String,
    metrics: String,
    command: String,
    folder: tempfile::TempDir,
}

/// How the rig ended.
pub struct Ended {
    pub exit_code: Option<i32>,
    pub summary: Value,
    /// What the target says it received, sent and injected.
    pub target: Value,
    /// The rig's command line.
    pub command: String,
}

impl Pair {
    /// Starts both, and waits until the rig says where its metrics are.
    pub fn start(options: &Options, whole: Duration) -> Result<Self, Trouble> {
        let binary = match &options.soakrig {
            Some(path) => path.clone(),
            None => beside_this_program()?,
        };
        let mut command = Command::new(&binary);
        command.args(["target", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--presence", "batched:1s"]);
        let mut target = Process::start(command)?;
        let url = target.word_of_line("target: http://")?;
        let control = target.word_of_line("control: http://")?;

        let folder = tempfile::tempdir()?;
        let file = |name: &str| folder.path().join(name).display().to_string();
        let args = [
            "run".to_owned(),
            url,
            "test".to_owned(),
            format!("--user-range-max={}", options.users),
            format!("--chat-rate={}", options.chat_rate),
            // Beyond the last look, so that no look sees the stop.
            format!("--duration={}s", whole.as_secs() + 30),
            "--metrics-listen=127.0.0.1:0".to_owned(),
            format!("--cache-file={}", file("sessions.json")),
            format!("--summary={}", file("summary.json")),
            format!("--anomaly-log={}", file("anomalies.jsonl")),
            // The losses are the target's, on purpose.
            "--max-lost=1000000000".to_owned(),
            "--max-error-rate=100%".to_owned(),
        ];
        let mut command = Command::new(&binary);
        command.args(&args);
        let mut rig = Process::start(command)?;
        let metrics = rig.word_of_line("metrics on http://")?;
        let metrics = metrics.trim_end_matches("/metrics").to_owned();
        Ok(Self { target, rig, control, metrics, command: format!("soakrig {}", args.join(" ")), folder })
    }

    /// Whether both still run.
    pub fn goes_on(&mut self) -> Result<bool, Trouble> {
        if let Some(status) = self.target.child.try_wait()? {
            return Err(format!("the target ended: {status}").into());
        }
        match self.rig.child.try_wait()? {
            None => Ok(true),
            Some(status) => Err(format!("the rig ended early: {status}; it said: {}", self.rig.last()).into()),
        }
    }

    /// The rig's metrics.
    pub fn scrape(&self) -> Result<String, Trouble> {
        ask(&self.metrics, "GET", "/metrics", "")
    }

    /// Changes the target.
    pub fn control(&self, method: &str, path: &str, body: &str) -> Result<String, Trouble> {
        ask(&self.control, method, path, body)
    }

    /// Ends all faults.
    pub fn calm(&self) -> Result<(), Trouble> {
        self.control("PUT", "/faults", "{}").map(drop)
    }

    pub fn target_pid(&self) -> u32 {
        self.target.child.id()
    }

    /// Waits for the rig's end, and reads its summary of the run.
    pub fn end(mut self) -> Result<Ended, Trouble> {
        let until = Instant::now() + END;
        let status = loop {
            if let Some(status) = self.rig.child.try_wait()? {
                break status;
            }
            if Instant::now() > until {
                return Err("the rig does not end".into());
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let summary = std::fs::read(self.folder.path().join("summary.json"))?;
        let target = self.control("GET", "/counts", "")?;
        Ok(Ended {
            exit_code: status.code(),
            summary: serde_json::from_slice(&summary)?,
            target: serde_json::from_str(&target)?,
            command: std::mem::take(&mut self.command),
        })
    }
}

/// `target/release/soakrig` for `target/release/examples/soak_self`.
fn beside_this_program() -> Result<PathBuf, Trouble> {
    let this = std::env::current_exe()?;
    let folder = this.parent().and_then(|examples| examples.parent()).ok_or("this program is nowhere")?;
    let binary = folder.join("soakrig");
    if binary.exists() {
        return Ok(binary);
    }
    Err(format!("{} is not there; build it (`just soak-self` does), or give --soakrig", binary.display()).into())
}

/// A child that does not outlive its owner.
struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    fn start(mut command: Command) -> Result<Self, Trouble> {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SOAKRIG_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
        // Bounded: unread lines are dropped.
        let (tell, lines) = mpsc::sync_channel(256);
        let pipes = [child.stdout.take().map(boxed), child.stderr.take().map(boxed)];
        for pipe in pipes.into_iter().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = tell.try_send(line);
                }
            });
        }
        Ok(Self { child, lines })
    }

    /// The host and port after `before` in the line that contains it; with the scheme for the target.
    fn word_of_line(&mut self, before: &str) -> Result<String, Trouble> {
        let until = Instant::now() + START;
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Some((_, rest)) = line.split_once(before) {
                let word = rest.split_whitespace().next().unwrap_or_default();
                return Ok(if before.starts_with("target") { format!("http://{word}") } else { word.to_owned() });
            }
            seen.push(line);
        }
        Err(format!("no line with {before:?} came, but: {}", seen.join(" / ")).into())
    }

    /// The last lines it printed.
    fn last(&self) -> String {
        self.lines.try_iter().collect::<Vec<_>>().join(" / ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn boxed(pipe: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(pipe)
}

/// One request; the body of a good answer.
fn ask(host: &str, method: &str, path: &str, body: &str) -> Result<String, Trouble> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
    if head.split(' ').nth(1) != Some("200") {
        return Err(format!("{method} {path}: {}: {body}", head.lines().next().unwrap_or_default()).into());
    }
    Ok(body.to_owned())
}
