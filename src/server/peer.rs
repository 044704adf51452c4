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
use super::faults::desk::Desk;
use super::faults::kinds::Fault;
use super::faults::record::Stay;
use super::recorder::Recorder;
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
    /// A fault: a close frame with this code.
    Closed(u16),
    /// A fault: no close frame; [`Fault::Reset`] or [`Fault::Cut`].
    Fault(Fault),
}

impl End {
    /// The code of the close frame that tells the client, if any does.
    pub(super) fn code(self) -> Option<u16> {
        match self {
            // A code that must not be sent (1005, 1006, 1015) is answered with a plain 1000.
            Self::Client(code) => {
                Some(code.filter(|c| matches!(c, 1000..=1003 | 1007..=1014 | 3000..)).unwrap_or(1000))
            }
            Self::Breach(code) | Self::Closed(code) => Some(code),
            Self::Silent => Some(1011),
            Self::Stopped => Some(1001),
            Self::Vanished | Self::Crash | Self::Slow | Self::Fault(_) => None,
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

/// What all sockets of a target have in common.
#[derive(Debug)]
pub(super) struct Habits {
    /// Whether a waiting member list gives way to a newer one.
    pub replace_presence: bool,
    /// Bytes that may wait for one socket.
    pub limit: usize,
    pub tally: Arc<Tally>,
    pub desk: Arc<Desk>,
    /// Where deliveries are recorded, if they are.
    pub recorder: Option<Recorder>,
}

/// One socket.
#[derive(Debug)]
pub(super) struct Peer {
    /// The socket's number, from 1, never used again.
    pub id: u64,
    /// Who it is; none for somebody not signed in.
    pub user: Option<Arc<User>>,
    /// When it came and went.
    pub stay: Arc<Stay>,
    habits: Arc<Habits>,
    outbox: Mutex<Outbox>,
    /// Whether frames wait for the socket to be writable.
    waiting: AtomicBool,
    /// Whether a fault keeps everything from it.
    mute: AtomicBool,
    wake: Notify,
}

impl Peer {
    /// A peer over an open socket.
    pub(super) fn new(id: u64, user: Option<Arc<User>>, stream: Arc<TcpStream>, habits: Arc<Habits>) -> Self {
        Self {
            id,
            user,
            stay: Arc::default(),
            habits,
            outbox: Mutex::new(Outbox { stream: Some(stream), ..Outbox::default() }),
            waiting: AtomicBool::new(false),
            mute: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// It is in its room from here on.
    pub(super) fn joined(&self) {
        let now = self.habits.desk.epoch.micros();
        // The first room counts.
        let _ = self.stay.joined.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether a fault keeps everything from it.
    pub(super) fn is_mute(&self) -> bool {
        self.mute.load(Ordering::Acquire)
    }

    /// Begins or ends keeping everything from it.
    pub(super) fn set_mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::Release);
    }

    /// Queues frames and writes what the kernel takes now; on a socket that is over they are
    /// counted and forgotten.
    pub(super) fn send(&self, frames: &[Frame]) {
        if self.is_mute() {
            self.habits.desk.injected.add(Fault::Mute, chats(frames));
            return;
        }
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
            self.finish(&mut outbox, End::Slow);
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
        if let Some(code) = end.code().filter(|_| !self.is_mute()) {
            self.push(&mut outbox, &Frame::close(code));
            self.write(&mut outbox);
        }
        // A write that failed has ended it already, and nothing more can be said.
        self.finish(&mut outbox, end);
    }

    /// Notes the end, if it is the first.
    fn finish(&self, outbox: &mut Outbox, end: End) {
        if outbox.end.is_none() {
            outbox.end = Some(end);
            self.stay.ended.store(self.habits.desk.epoch.micros(), Ordering::Release);
            self.wake.notify_one();
        }
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
        self.finish(&mut outbox, End::Vanished);
        self.give_up(&mut outbox);
    }

    /// Forgets the stream and what was still to be written: from here on nothing waits.
    fn give_up(&self, outbox: &mut Outbox) {
        outbox.stream = None;
        (outbox.bytes, outbox.written) = (0, 0);
        let left = std::mem::take(&mut outbox.queue);
        self.count_discarded(&left);
        self.waiting.store(false, Ordering::Release);
    }

    fn push(&self, outbox: &mut Outbox, frame: &Frame) {
        outbox.bytes += frame.bytes.len();
        if self.habits.replace_presence && frame.kind == Kind::Presence {
            // The first frame may be partly written, so it stays.
            let started = usize::from(outbox.written > 0);
            if let Some(old) = outbox.queue.iter_mut().skip(started).find(|old| old.kind == Kind::Presence) {
                let old = std::mem::replace(old, frame.clone());
                outbox.bytes -= old.bytes.len();
                self.habits.tally.sent.presence_replaced.one();
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
                    // An earlier end stands, but what was to follow it cannot be written either.
                    self.finish(outbox, End::Vanished);
                    return self.give_up(outbox);
                }
            }
        }
        self.waiting.store(!outbox.queue.is_empty(), Ordering::Release);
    }

    /// Takes `count` written bytes off the queue.
    fn advance(&self, outbox: &mut Outbox, count: usize) {
        self.habits.tally.sent.bytes.add(count as u64);
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
        let sent = &self.habits.tally.sent;
        for frame in frames {
            match frame.kind {
                Kind::Chat(_) => sent.chats_queued.one(),
                Kind::Presence => sent.presence_queued.one(),
                Kind::BreakoutPresence => sent.breakout_presence_queued.one(),
                Kind::Error => sent.errors.one(),
                Kind::Ping => sent.pings.one(),
                Kind::Control | Kind::Strange => {}
            }
        }
    }

    fn count_written(&self, kind: Kind) {
        if let (Kind::Chat(chat), Some(recorder)) = (kind, &self.habits.recorder) {
            recorder.written(chat, self.id);
        }
        let sent = &self.habits.tally.sent;
        sent.frames_written.one();
        match kind {
            Kind::Chat(_) => sent.chats_written.one(),
            Kind::Presence => sent.presence_written.one(),
            _ => {}
        }
    }

    fn count_discarded<'a>(&self, frames: impl IntoIterator<Item = &'a Frame>) {
        self.habits.tally.sent.chats_discarded.add(chats(frames));
    }
}

/// How many of the frames are chats.
fn chats<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> u64 {
    frames.into_iter().filter(|frame| matches!(frame.kind, Kind::Chat(_))).count() as u64
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::faults::Faults;
    use tokio::net::TcpListener;

    /// More than the kernel takes while nobody reads.
    const LARGE: usize = 32 * 1024 * 1024;

    async fn peer() -> (Arc<TcpStream>, Peer, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = Arc::new(listener.accept().await.unwrap().0);
        let habits = Habits {
            replace_presence: false,
            limit: 2 * LARGE,
            tally: Arc::default(),
            desk: Arc::new(Desk::new(Faults::default(), 0).unwrap()),
            recorder: None,
        };
        (Arc::clone(&stream), Peer::new(1, None, stream, Arc::new(habits)), client)
    }

    #[tokio::test]
    async fn nothing_waits_behind_an_end_once_the_client_is_gone() {
        let (stream, peer, client) = peer().await;
        peer.send(&[Frame::padding(LARGE)]);
        peer.end(End::Client(None));
        assert!(peer.is_waiting());
        // With bytes unread, closing resets the connection.
        drop(client);
        for _ in 0..100 {
            if !peer.is_waiting() {
                break;
            }
            stream.writable().await.unwrap();
            peer.flush();
        }
        assert!(!peer.is_waiting(), "a socket that cannot be written to is waited for");
        assert_eq!(peer.ended(), Some(End::Client(None)));
        peer.flush();
        peer.release();
        assert!(!peer.is_waiting());
    }
}
