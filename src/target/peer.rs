//! One client's socket as the rooms see it: a bounded queue of frames, written at once where possible.
//!
//! A room's task writes straight to the socket while nothing waits, which spares waking the
//! socket's own task for every delivery; what the kernel does not take stays in the queue and
//! is written by that task. Knows frames, not their meaning.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::accounts::User;
use super::counts::Tally;
use super::wire::{Frame, Kind};

/// Frames that may wait for one socket; a slower reader is cut off.
const QUEUE_FRAMES: usize = 16_384;
/// Frames given to the kernel in one call.
const SLICES: usize = 16;

/// Why a socket is over, or is to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client sent a close frame, with this code if it had one.
    Client(Option<u16>),
    /// The stream ended or broke without a close frame.
    Vanished,
    /// What the application crashes on.
    Crash,
    /// Against RFC 6455 or the size limit: this close code.
    Breach(u16),
    /// No pong in time.
    Silent,
    /// Too much was waiting.
    Slow,
    /// The target stops.
    Stopped,
}

impl End {
    /// The code of the close frame that tells the client, if any does.
    pub(super) fn code(self) -> Option<u16> {
        match self {
            // A code that must not be sent (1005, 1006, 1015) is answered with a plain 1000.
            Self::Client(code) => {
                Some(code.filter(|c| matches!(c, 1000..=1003 | 1007..=1014 | 3000..)).unwrap_or(1000))
            }
            Self::Breach(code) => Some(code),
            Self::Silent => Some(1011),
            Self::Stopped => Some(1001),
            Self::Vanished | Self::Crash | Self::Slow => None,
        }
    }
}

#[derive(Debug, Default)]
struct Outbox {
    /// None once the socket is over.
    stream: Option<Arc<TcpStream>>,
    queue: VecDeque<Frame>,
    /// Bytes in `queue`, those of the first frame that are written already included.
    bytes: usize,
    /// Bytes of the first frame that are written.
    written: usize,
    end: Option<End>,
}

/// How a socket's queue behaves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    /// Whether a waiting member list gives way to a newer one.
    pub replace_presence: bool,
    /// Bytes that may wait.
    pub limit: usize,
}

/// One socket.
#[derive(Debug)]
pub(super) struct Peer {
    /// The socket's number, from 1, never used again.
    pub id: u64,
    /// Who it is; none for somebody not signed in.
    pub user: Option<Arc<User>>,
    habits: Habits,
    outbox: Mutex<Outbox>,
    /// Whether frames wait for the socket to be writable.
    waiting: AtomicBool,
    wake: Notify,
    tally: Arc<Tally>,
}

impl Peer {
    /// A peer over an open socket.
    pub(super) fn new(
        id: u64,
        user: Option<Arc<User>>,
        stream: Arc<TcpStream>,
        habits: Habits,
        tally: Arc<Tally>,
    ) -> Self {
        let outbox = Mutex::new(Outbox { stream: Some(stream), ..Outbox::default() });
        Self { id, user, habits, outbox, waiting: AtomicBool::new(false), wake: Notify::new(), tally }
    }

    /// Queues frames and writes what the kernel takes now; on a socket that is over they are
    /// counted and forgotten.
    pub(super) fn send(&self, frames: &[Frame]) {
        let mut outbox = self.outbox.lock();
        self.count_queued(frames);
        if outbox.end.is_some() {
            self.count_discarded(frames);
            return;
        }
        for frame in frames {
            self.push(&mut outbox, frame);
        }
        self.write(&mut outbox);
        if outbox.queue.len() > QUEUE_FRAMES || outbox.bytes > self.habits.limit {
            outbox.end = Some(End::Slow);
        }
        if !outbox.queue.is_empty() {
            self.wake.notify_one();
        }
    }

    /// Ends the socket: nothing is queued any more, except a close frame where `end` has a code.
    /// The first end stands.
    pub(super) fn end(&self, end: End) {
        let mut outbox = self.outbox.lock();
        if outbox.end.is_some() {
            return;
        }
        if let Some(code) = end.code() {
            self.push(&mut outbox, &Frame::close(code));
            self.write(&mut outbox);
        }
        // A write that failed has ended it already, and nothing more can be said.
        outbox.end.get_or_insert(end);
        self.wake.notify_one();
    }

    /// Why the socket is over, once it is.
    pub(super) fn ended(&self) -> Option<End> {
        self.outbox.lock().end
    }

    /// Writes on after the socket became writable.
    pub(super) fn flush(&self) {
        self.write(&mut self.outbox.lock());
    }

    /// Whether frames wait for the socket to be writable.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    /// Returns after something was queued or ended that the socket's own task must see to.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Forgets the stream and the queue; the file closes with the last owner of the stream.
    pub(super) fn release(&self) {
        let mut outbox = self.outbox.lock();
        outbox.end.get_or_insert(End::Vanished);
        outbox.stream = None;
        let left = std::mem::take(&mut outbox.queue);
        self.count_discarded(&left);
    }

    fn push(&self, outbox: &mut Outbox, frame: &Frame) {
        outbox.bytes += frame.bytes.len();
        if self.habits.replace_presence && frame.kind == Kind::Presence {
            // The first frame may be partly written, so it stays.
            let started = usize::from(outbox.written > 0);
            if let Some(old) = outbox.queue.iter_mut().skip(started).find(|old| old.kind == Kind::Presence) {
                let old = std::mem::replace(old, frame.clone());
                outbox.bytes -= old.bytes.len();
                self.tally.sent.presence_replaced.one();
                return;
            }
        }
        outbox.queue.push_back(frame.clone());
    }

    /// Gives the kernel what it takes.
    fn write(&self, outbox: &mut Outbox) {
        let Some(stream) = outbox.stream.clone() else { return };
        while !outbox.queue.is_empty() {
            match write_once(&stream, outbox) {
                Ok(count) => self.advance(outbox, count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    outbox.end.get_or_insert(End::Vanished);
                    self.wake.notify_one();
                    break;
                }
            }
        }
        self.waiting.store(!outbox.queue.is_empty() && outbox.end != Some(End::Vanished), Ordering::Release);
    }

    /// Takes `count` written bytes off the queue.
    fn advance(&self, outbox: &mut Outbox, count: usize) {
        self.tally.sent.bytes.add(count as u64);
        outbox.written += count;
        while let Some(first) = outbox.queue.front() {
            let length = first.bytes.len();
            if outbox.written < length {
                break;
            }
            self.count_written(first.kind);
            outbox.written -= length;
            outbox.bytes -= length;
            outbox.queue.pop_front();
        }
        if outbox.queue.is_empty() && outbox.queue.capacity() > SLICES {
            // A queue that was long once must not stay so for the socket's whole life.
            outbox.queue = VecDeque::new();
        }
    }

    fn count_queued(&self, frames: &[Frame]) {
        let sent = &self.tally.sent;
        for frame in frames {
            match frame.kind {
                Kind::Chat(_) => sent.chats_queued.one(),
                Kind::Presence => sent.presence_queued.one(),
                Kind::BreakoutPresence => sent.breakout_presence_queued.one(),
                Kind::Error => sent.errors.one(),
                Kind::Ping => sent.pings.one(),
                Kind::Control => {}
            }
        }
    }

    fn count_written(&self, kind: Kind) {
        let sent = &self.tally.sent;
        sent.frames_written.one();
        match kind {
            Kind::Chat(_) => sent.chats_written.one(),
            Kind::Presence => sent.presence_written.one(),
            _ => {}
        }
    }

    fn count_discarded<'a>(&self, frames: impl IntoIterator<Item = &'a Frame>) {
        let chats = frames.into_iter().filter(|frame| matches!(frame.kind, Kind::Chat(_))).count();
        if chats > 0 {
            self.tally.sent.chats_discarded.add(chats as u64);
        }
    }
}

fn write_once(stream: &TcpStream, outbox: &Outbox) -> io::Result<usize> {
    if let [only] = outbox.queue.as_slices().0
        && outbox.queue.len() == 1
    {
        return stream.try_write(only.bytes.get(outbox.written..).unwrap_or_default());
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut skip = outbox.written;
    let mut count = 0;
    for (slice, frame) in slices.iter_mut().zip(&outbox.queue) {
        *slice = IoSlice::new(frame.bytes.get(skip..).unwrap_or_default());
        skip = 0;
        count += 1;
    }
    stream.try_write_vectored(&slices[..count])
}
