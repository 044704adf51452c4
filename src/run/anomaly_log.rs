//! The anomaly log: one JSON line per loss or anomaly, written by a thread of its own.
//!
//! The ledger holds the notes until the thread takes them, and bounds their number. A file that
//! accepts no more (a full disk, a pipe without a reader) blocks only the thread. Every note that does
//! not become a line is counted.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, UNIX_EPOCH};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::error::StartError;
use crate::ledger::{Gap, Ledger, Note, NoteKind, Notes, Sender};
use crate::marker::RunTag;
use crate::model::{FailureKind, SenderId, Stage};
use crate::protocol::Driver;
use crate::user::RunContext;

/// Interval at which the thread takes new notes.
const DRAIN: Duration = Duration::from_millis(100);
/// Interval between two attempts to write after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How long a FIFO may take to get a reader.
const READER: Duration = Duration::from_secs(5);
/// Interval between two attempts to open a FIFO that has no reader.
const READER_RETRY: Duration = Duration::from_millis(20);
/// Longest wait for the last lines at the end of a run.
const LAST: Duration = Duration::from_secs(5);
/// Largest single write, in bytes.
const CHUNK: usize = 64 * 1024;
/// Maximum number of lines; further ones are only counted.
const LINE_LIMIT: u64 = 1_000_000;
/// The last microsecond of the year 9999, the end of RFC 3339's range.
const LAST_MICROS: u64 = 253_402_300_799_999_999;

/// The file, and the fields that all lines share.
#[derive(Debug)]
pub(crate) struct AnomalyLog {
    file: File,
    path: String,
    room: String,
    run: String,
}

impl AnomalyLog {
    /// Opens the log of a room and a run for appending.
    ///
    /// # Errors
    /// If the file cannot be opened for writing; a FIFO that gets no reader within 5 s.
    pub(crate) fn open(path: &Path, room: &str, run: &str) -> Result<Self, StartError> {
        let failed = |e: io::Error| StartError::environment(format!("--anomaly-log {}", path.display()), e.to_string());
        let is_pipe = std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo());
        let file = if is_pipe {
            let opened = open_pipe(path, Instant::now() + READER);
            opened.map_err(|e| failed(e).remedy("start what reads the FIFO first, or give a file"))?
        } else {
            OpenOptions::new().create(true).append(true).open(path).map_err(failed)?
        };
        Ok(Self { file, path: path.display().to_string(), room: room.to_owned(), run: run.to_owned() })
    }

    /// Writes the notes until `until` is cancelled, then counts those that could not be written.
    pub(crate) async fn keep<D: Driver>(self, context: Arc<RunContext<D>>, until: CancellationToken) {
        let (stop, stopped) = channel();
        let (done, ended) = oneshot::channel();
        let (for_thread, AnomalyLog { file, path, room, run }) = (Arc::clone(&context), self);
        let thread = std::thread::Builder::new().name("anomaly-log".into()).spawn(move || {
            let terms =
                LineContext { usernames: &for_thread.credentials.usernames, room: &room, run: &run, path: &path };
            Journal::new(file, terms, &for_thread.ledger, Pause(stopped)).write_all();
            // The receiver is gone if the run ended without waiting.
            let _ = done.send(());
        });
        if let Err(error) = &thread {
            tracing::error!(%error, "no thread for the anomaly log; it stays empty");
        }
        until.cancelled().await;
        drop(stop);
        match tokio::time::timeout(LAST, ended).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) if thread.is_ok() => {
                context.metrics.error(Stage::Receive, FailureKind::Panic);
                tracing::error!("a bug in soakrig ended the anomaly log");
            }
            Ok(Err(_)) => {}
            Err(_) => tracing::error!("the anomaly log accepts no more lines; dropping the rest"),
        }
        let dropped = context.ledger.lock().close_log();
        if dropped > 0 {
            tracing::warn!(lines = dropped, "the anomaly log is incomplete");
        }
    }
}

/// Opens a FIFO for writing once it has a reader. Each later write waits for the reader and fails
/// while there is none.
fn open_pipe(path: &Path, until: Instant) -> io::Result<File> {
    let mut open = OpenOptions::new();
    open.write(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
    loop {
        match open.open(path) {
            Err(error) if error.raw_os_error() != Some(Errno::ENXIO as i32) => return Err(error),
            Ok(file) => {
                fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
                return Ok(file);
            }
            Err(_) if Instant::now() >= until => {
                return Err(io::Error::other(format!("nothing has read this FIFO for {} s", READER.as_secs())));
            }
            Err(_) => std::thread::sleep(READER_RETRY),
        }
    }
}

/// What the lines need besides the notes.
#[derive(Clone, Copy)]
struct LineContext<'a> {
    usernames: &'a [Box<str>],
    room: &'a str,
    run: &'a str,
    /// Name of the file, for the process's own log.
    path: &'a str,
}

/// Waits that end early when the run does.
struct Pause(Receiver<()>);

impl Pause {
    /// False once the run is at its end.
    fn wait(&self, time: Duration) -> bool {
        self.0.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
    }
}

/// Turns notes into lines, and writes them.
struct Journal<'a, W> {
    out: W,
    terms: LineContext<'a>,
    ledger: &'a Mutex<Ledger>,
    pause: Pause,
    text: Vec<u8>,
    lines: u64,
    limit: u64,
    retry: Duration,
    /// Lines left out because the file has reached its limit.
    over: Gap,
    /// Whether the last attempt to write failed.
    failing: bool,
}

/// The file accepts no more, and the run is at its end.
struct GivenUp;

impl<'a, W: Write> Journal<'a, W> {
    fn new(out: W, terms: LineContext<'a>, ledger: &'a Mutex<Ledger>, pause: Pause) -> Self {
        let (text, over) = (Vec::new(), Gap::default());
        Self { out, terms, ledger, pause, text, lines: 0, limit: LINE_LIMIT, retry: RETRY, over, failing: false }
    }

    fn write_all(mut self) {
        loop {
            let goes_on = self.pause.wait(DRAIN);
            let notes = self.ledger.lock().take_notes();
            if self.write(&notes).is_err() {
                return;
            }
            if !goes_on {
                let over = std::mem::take(&mut self.over);
                // The task that waits for this thread counts what is not written.
                let _ = self.write_gap(over, "the log has reached its limit of lines");
                return;
            }
        }
    }

    fn write(&mut self, notes: &Notes) -> Result<(), GivenUp> {
        for note in notes.iter() {
            if self.lines >= self.limit {
                self.ledger.lock().logged(0, 1);
                self.over.add(1, note.at_micros);
                continue;
            }
            self.lines += 1;
            self.push(&line(&self.terms, &note));
            if self.text.len() >= CHUNK {
                self.flush(true)?;
            }
            if self.lines == self.limit {
                self.flush(true)?;
                self.push(&serde_json::json!({"kind": "log_full"}));
                self.flush(false)?;
            }
        }
        self.flush(true)?;
        let gap = notes.gap();
        if self.over.lines > 0 && gap.lines > 0 {
            self.over.add(gap.lines, gap.to_micros);
            return Ok(());
        }
        self.write_gap(gap, "too many at once")
    }

    fn write_gap(&mut self, gap: Gap, why: &str) -> Result<(), GivenUp> {
        if gap.lines == 0 {
            return Ok(());
        }
        self.push(&serde_json::json!({
            "kind": "dropped", "lines": gap.lines, "from": time(gap.from_micros), "to": time(gap.to_micros), "why": why,
        }));
        self.flush(false)
    }

    fn push(&mut self, line: &impl Serialize) {
        // Writing to memory cannot fail, nor can texts and numbers fail to be JSON.
        let _ = serde_json::to_writer(&mut self.text, line);
        self.text.push(b'\n');
    }

    /// Writes the text and retries after failures. Whole lines count as written if they are notes.
    fn flush(&mut self, notes: bool) -> Result<(), GivenUp> {
        let text = std::mem::take(&mut self.text);
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => self.failed(&std::io::Error::from(std::io::ErrorKind::WriteZero))?,
                Ok(n) => {
                    let (written, left) = rest.split_at(n.min(rest.len()));
                    let lines = written.iter().filter(|byte| **byte == b'\n').count() as u64;
                    self.ledger.lock().logged(if notes { lines } else { 0 }, 0);
                    (rest, self.failing) = (left, false);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => self.failed(&error)?,
            }
        }
        self.text = text;
        self.text.clear();
        Ok(())
    }

    fn failed(&mut self, error: &std::io::Error) -> Result<(), GivenUp> {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, path = self.terms.path, "anomaly log not written; retrying");
        }
        if self.pause.wait(self.retry) { Ok(()) } else { Err(GivenUp) }
    }
}

/// One line; `user` is the receiver, as version 0.1 called it.
#[derive(Serialize)]
struct Line<'a> {
    at: Option<String>,
    kind: &'static str,
    origin: &'static str,
    sender: Option<Cow<'a, str>>,
    receiver: Option<&'a str>,
    room: &'a str,
    run: Option<&'a str>,
    marker: Option<String>,
    intended: Option<String>,
    received: Option<String>,
    seq: Option<u64>,
    user: Option<&'a str>,
}

fn line<'a>(terms: &LineContext<'a>, note: &Note) -> Line<'a> {
    let name = |user: crate::model::UserIndex| terms.usernames.get(user.get()).map(|name| &**name);
    let subject = note.subject;
    let marker = subject.marker;
    let of_this_run = marker.is_none_or(|marker| marker.run == RunTag::of(terms.run));
    Line {
        at: time(note.at_micros),
        kind: match note.kind {
            NoteKind::Lost => "lost",
            NoteKind::Anomaly(anomaly) => anomaly.as_str(),
        },
        origin: note.origin.as_str(),
        sender: subject.sender.and_then(|sender| match sender {
            Sender::User(user) => name(user).map(Cow::Borrowed),
            Sender::Id(SenderId::NONE) => None,
            Sender::Id(SenderId(id)) => Some(Cow::Owned(id.to_string())),
        }),
        receiver: name(note.receiver),
        room: terms.room,
        run: of_this_run.then_some(terms.run),
        marker: marker.map(|marker| marker.head(subject.intended_known)),
        intended: subject.intended_micros().and_then(time),
        received: if note.arrived { time(note.at_micros) } else { None },
        seq: marker.map(|marker| marker.seq),
        user: name(note.receiver),
    }
}

/// A time in RFC 3339 with microseconds; `None` if a forged marker names one after the year 9999.
pub(crate) fn time(micros: u64) -> Option<String> {
    let at = UNIX_EPOCH.checked_add(Duration::from_micros(micros)).filter(|_| micros <= LAST_MICROS)?;
    Some(humantime::format_rfc3339_micros(at).to_string())
}

#[cfg(test)]
mod tests;
