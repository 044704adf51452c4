//! Standard output and standard error, each written by its own thread. A caller never waits for a reader and never
//! fails, so a closed pipe, a full disk or a stopped terminal neither ends nor delays a run.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Maximum number of bytes that wait for a slow reader; further texts are dropped and counted. A text with nothing
/// before it may be larger.
const MOST_WAITING: usize = 4 << 20;
/// Size of a write, small enough to show whether a slow reader takes anything.
const CHUNK: usize = 4 << 10;
/// Longest wait at the end of the process for a reader of standard error that takes nothing.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Interval between two attempts if the descriptor is non-blocking and the reader slow.
const RETRY: Duration = Duration::from_millis(20);
/// Longest wait of one stream for the other, to keep the order of lines on a shared terminal.
const ORDER: Duration = Duration::from_millis(500);

#[allow(clippy::disallowed_methods)]
static STDOUT: LazyLock<Stream> = LazyLock::new(|| Stream::of(&io::stdout()));
#[allow(clippy::disallowed_methods)]
static STDERR: LazyLock<Stream> = LazyLock::new(|| Stream::of(&io::stderr()));

/// Standard error.
#[must_use]
pub fn stderr() -> Stream {
    STDERR.clone()
}

/// Writes a line to standard error, after the pending text of standard output.
pub fn say(text: &str) {
    STDOUT.settle(ORDER);
    STDERR.line(text);
}

/// Writes a line to standard output, after the pending text of standard error.
pub fn tell(text: &str) {
    STDERR.settle(ORDER);
    STDOUT.line(text);
}

/// Waits at the end of the process until both streams are written: for standard output as long as its reader takes
/// something within `patience`, or without limit. [`leave`] ends the wait.
pub fn finish(patience: Option<Duration>) {
    STDERR.read_to_the_end(Some(LAST_WORDS));
    STDOUT.read_to_the_end(patience);
}

/// Makes [`finish`] stop waiting for readers.
pub fn leave() {
    for stream in [&STDERR, &STDOUT] {
        stream.shared.state.lock().left = true;
        stream.shared.changed.notify_all();
    }
}

/// A stream that takes text without blocking; clones share it.
#[derive(Clone)]
pub struct Stream {
    shared: Arc<Shared>,
    fd: RawFd,
}

struct Shared {
    sink: Mutex<Box<dyn Write + Send>>,
    state: Mutex<OutputState>,
    /// Signalled when there is something to write, or everything is written.
    changed: Condvar,
}

#[derive(Default)]
struct OutputState {
    waiting: Vec<u8>,
    /// Whether bytes are on their way to the reader.
    writing: bool,
    /// Whether a wait for the reader was in vain; if so, there is no further wait until it reads again.
    stuck: bool,
    /// Number of bytes that the reader took.
    taken: u64,
    /// Whether the process no longer waits for readers.
    left: bool,
    /// Number of dropped writes since the last query.
    left_out: u64,
    /// Whether no thread could be started, so that the caller writes.
    threadless: bool,
}

impl OutputState {
    fn is_written(&self) -> bool {
        self.waiting.is_empty() && !self.writing
    }
}

impl Stream {
    fn of(descriptor: &(impl AsFd + AsRawFd)) -> Self {
        let own = descriptor.as_fd().try_clone_to_owned();
        let sink: Box<dyn Write + Send> = match own {
            Ok(own) => Box::new(File::from(own)),
            Err(_) => Box::new(io::sink()),
        };
        Self::over(sink, descriptor.as_raw_fd())
    }

    fn over(sink: Box<dyn Write + Send>, fd: RawFd) -> Self {
        let shared = Arc::new(Shared { sink: Mutex::new(sink), state: Mutex::default(), changed: Condvar::new() });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("output".to_owned()).spawn(move || own.write_on());
        shared.state.lock().threadless = thread.is_err();
        Self { shared, fd }
    }

    /// Takes bytes to write; if there is no room for them, drops all of them.
    pub fn put(&self, bytes: &[u8]) {
        let mut state = self.shared.state.lock();
        if state.threadless {
            drop(state);
            return write_all(&mut *self.shared.sink.lock(), bytes, |_| {});
        }
        if !state.waiting.is_empty() && state.waiting.len() + bytes.len() > MOST_WAITING {
            state.left_out += 1;
            return;
        }
        state.waiting.extend_from_slice(bytes);
        self.shared.changed.notify_all();
    }

    fn line(&self, text: &str) {
        self.put(format!("{text}\n").as_bytes());
    }

    /// Number of writes dropped since the last call because the reader was too slow.
    #[must_use]
    pub fn take_left_out(&self) -> u64 {
        std::mem::take(&mut self.shared.state.lock().left_out)
    }

    /// Waits a moment for the reader, unless an earlier wait was in vain.
    fn settle(&self, patience: Duration) {
        if !self.shared.state.lock().stuck && !self.written_by(Instant::now() + patience) {
            self.shared.state.lock().stuck = true;
        }
    }

    /// Waits until everything is written, or `until`; false in the latter case.
    fn written_by(&self, until: Instant) -> bool {
        let mut state = self.shared.state.lock();
        self.shared.changed.wait_while_until(&mut state, |state| !state.is_written(), until);
        state.is_written()
    }

    /// Waits until everything is written, as long as the reader takes something within `patience`; false if it does
    /// not.
    fn read_to_the_end(&self, patience: Option<Duration>) -> bool {
        let mut state = self.shared.state.lock();
        while !state.is_written() && !state.left {
            let before = state.taken;
            let stands = |state: &mut OutputState| !state.is_written() && !state.left && state.taken == before;
            match patience {
                None => self.shared.changed.wait_while(&mut state, stands),
                Some(patience) => {
                    if self.shared.changed.wait_while_for(&mut state, stands, patience).timed_out() {
                        break;
                    }
                }
            }
        }
        state.is_written()
    }
}

impl Shared {
    /// Writes pending text as long as the process lives.
    fn write_on(&self) {
        let mut bytes = Vec::new();
        loop {
            {
                let mut state = self.state.lock();
                (state.writing, state.stuck) = (false, false);
                self.changed.notify_all();
                self.changed.wait_while(&mut state, |state| state.waiting.is_empty());
                std::mem::swap(&mut state.waiting, &mut bytes);
                state.writing = true;
            }
            write_all(&mut *self.sink.lock(), &bytes, |taken| {
                self.state.lock().taken += taken as u64;
                self.changed.notify_all();
            });
            // Free the memory of a large text.
            bytes.clear();
            bytes.shrink_to(MOST_WAITING);
        }
    }
}

/// Writes as much as possible; failures can no longer be reported.
fn write_all(sink: &mut dyn Write, mut bytes: &[u8], mut taken: impl FnMut(usize)) {
    while !bytes.is_empty() {
        match sink.write(bytes.get(..CHUNK).unwrap_or(bytes)) {
            Ok(0) => return,
            Ok(n) => {
                bytes = bytes.get(n..).unwrap_or_default();
                taken(n);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(RETRY),
            Err(_) => return,
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The stream's descriptor, for queries of the terminal.
impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("fd", &self.fd).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A generous limit: nothing in these tests takes long.
    const SOON: Duration = Duration::from_secs(60);

    /// More than enough turns for everything that may be pending.
    const TURNS: usize = 3 * MOST_WAITING / CHUNK;

    /// A reader that takes one write per signal, and is gone when the sender of signals is.
    struct Slow {
        go: Receiver<()>,
        heard: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.go.recv().map_err(|_| ErrorKind::BrokenPipe)?;
            self.heard.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Stream, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let ((tell, go), heard) = (channel(), Arc::default());
        (Stream::over(Box::new(Slow { go, heard: Arc::clone(&heard) }), 2), tell, heard)
    }

    #[test]
    fn a_reader_that_is_stuck_holds_no_writer_up() {
        let (stream, go, heard) = slow();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..10 {
            stream.put(&line);
        }
        // At most one write is with the reader, and four are pending.
        assert!((5..=6).contains(&stream.take_left_out()));
        assert_eq!(stream.take_left_out(), 0);
        assert!(!stream.written_by(Instant::now()));
        for _ in 0..TURNS {
            let _ = go.send(());
        }
        assert!(stream.written_by(Instant::now() + SOON));
        assert!((4..=5).contains(&(heard.lock().len() >> 20)));
    }

    #[test]
    fn a_text_larger_than_the_queue_is_written_to_its_end() {
        let (stream, go, heard) = slow();
        let text = vec![b'x'; 2 * MOST_WAITING];
        stream.put(&text);
        assert_eq!(stream.take_left_out(), 0);
        let reader = std::thread::spawn(move || (0..TURNS).all(|_| go.send(()).is_ok()));
        assert!(stream.read_to_the_end(None));
        assert!(*heard.lock() == text);
        reader.join().unwrap();
    }

    #[test]
    fn the_end_waits_as_long_as_a_reader_takes_something() {
        let (stream, go, _) = slow();
        stream.put(&vec![b'x'; 3 * CHUNK]);
        assert!(!stream.read_to_the_end(Some(Duration::ZERO)), "a reader that takes nothing");
        let ending = stream.clone();
        let end = std::thread::spawn(move || ending.read_to_the_end(None));
        for turn in 1..=3 {
            assert!(!end.is_finished());
            let _ = go.send(());
            let mut state = stream.shared.state.lock();
            stream.shared.changed.wait_while(&mut state, |state| state.taken < turn * CHUNK as u64);
        }
        assert!(end.join().unwrap());
    }

    #[test]
    fn the_end_leaves_a_reader_when_told_to() {
        let (stream, _go, _) = slow();
        stream.line("this is not read");
        let ending = stream.clone();
        let end = std::thread::spawn(move || ending.read_to_the_end(None));
        stream.shared.state.lock().left = true;
        stream.shared.changed.notify_all();
        assert!(!end.join().unwrap());
    }

    #[test]
    fn a_stuck_reader_is_waited_for_once() {
        let (stream, go, heard) = slow();
        stream.line("one");
        stream.settle(Duration::ZERO);
        assert!(stream.shared.state.lock().stuck);
        // If it were waited for again, this would last longer than any test run.
        stream.settle(SOON * 1_000);
        let _ = go.send(());
        assert!(stream.written_by(Instant::now() + SOON));
        assert!(!stream.shared.state.lock().stuck);
        assert_eq!(*heard.lock(), b"one\n");
    }

    #[test]
    fn what_cannot_be_written_is_dropped() {
        let (stream, go, heard) = slow();
        drop(go);
        stream.line("this is not read");
        assert!(stream.written_by(Instant::now() + SOON));
        stream.line("nor this");
        assert!(stream.written_by(Instant::now() + SOON));
        assert!(heard.lock().is_empty());
    }
}
