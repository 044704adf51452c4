//! Processes under measurement: starting them, talking to them over pipes, reading their CPU and
//! memory from the kernel, ending them by id.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use super::Outcome;

/// How long a process may take to say what it should.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A child process, ended when dropped.
pub struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
    clock: ClockId,
}

impl Process {
    /// Starts a command; its lines, of output and of log, can be waited for.
    pub fn start(mut command: Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (tell, lines) = channel();
        let streams: [Option<Box<dyn std::io::Read + Send>>; 2] =
            [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
        for stream in streams.into_iter().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || {
                BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| drop(tell.send(line)));
            });
        }
        let clock = clock_getcpuclockid(Pid::from_raw(child.id().try_into()?))?;
        let orders = child.stdin.take();
        Ok(Self { child, orders, lines, clock })
    }

    /// Waits for a line that contains `text`.
    pub fn wait_for(&mut self, text: &str) -> Outcome<String> {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.contains(text) {
                return Ok(line);
            }
            seen.push(line);
        }
        Err(format!("no line with {text:?} came; seen:\n{}", seen.join("\n")).into())
    }

    /// Gives an order.
    pub fn order(&mut self, line: &str) -> Outcome<()> {
        let orders = self.orders.as_mut().ok_or("its input is closed")?;
        writeln!(orders, "{line}")?;
        Ok(orders.flush()?)
    }

    /// Asks for its counts.
    pub fn count(&mut self) -> Outcome<Vec<u64>> {
        self.order("count")?;
        let line = self.wait_for("count ")?;
        Ok(line.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect())
    }

    /// CPU seconds so far, user and system, of all its threads.
    pub fn cpu(&self) -> Outcome<f64> {
        Ok(Duration::from(self.clock.now()?).as_secs_f64())
    }

    /// Resident memory in bytes, without the pages shared with files.
    pub fn memory(&self) -> Outcome<u64> {
        tree_memory(self.child.id())
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as an operator would, and waits.
    pub fn interrupt(&mut self) -> Outcome<()> {
        self.orders = None;
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGINT)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of a page on this machine.
pub fn get(address: &str, path: &str) -> Outcome<String> {
    get_with(address, path, "")
}

/// The body of a page, requested with extra headers, each with its line ending.
pub fn get_with(address: &str, path: &str, headers: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    if head.starts_with("HTTP/1.1 200") { Ok(body.to_owned()) } else { Err(head.to_owned().into()) }
}

/// Asks until there is an answer.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> Outcome<T> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(found) = probe() {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(format!("waited in vain for {what}").into())
}

/// The sum of a metric's series whose line holds all of `labels`.
pub fn metric(page: &str, name: &str, labels: &[&str]) -> f64 {
    page.lines()
        .filter(|line| line.starts_with(name) && line[name.len()..].starts_with(['{', ' ']))
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// A process and all its descendants.
fn tree(root: u32) -> Outcome<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if let Some(parent) = stat(id).and_then(|fields| fields.get(1)?.parse::<u32>().ok()) {
            parents.push((id, parent));
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(id, _)| *id));
        at += 1;
    }
    Ok(found)
}

/// The fields of `/proc/ID/stat` behind the command's name: state, parent, and so on.
fn stat(id: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// CPU seconds of a process and its descendants, to a hundredth (proc(5): utime and stime).
pub fn tree_cpu(root: u32) -> Outcome<f64> {
    let ticks = |id| {
        let fields = stat(id)?;
        Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
    };
    Ok(tree(root)?.into_iter().filter_map(ticks).sum::<f64>() / 100.0)
}

/// Resident memory of a process and its descendants in bytes, without pages shared with files.
pub fn tree_memory(root: u32) -> Outcome<u64> {
    let own = |id: u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("RssAnon"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    Ok(tree(root)?.into_iter().filter_map(own).sum::<u64>() * 1024)
}
