//! A websocket as broadcasts see it: a bounded outbox of frames, written at once if possible.
//!
//! A plenary's task writes straight to the socket while its outbox is empty, which spares waking the
//! socket's own task for every delivery. What the kernel does not take stays in the outbox, and
//! that task writes it. Knows frames, not their meaning.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::accounts::User;
use super::counts::Counters;
use super::delivery_log::DeliveryLog;
use super::faults::injection_log::ConnectionTimes;
use super::faults::injector::FaultInjector;
use super::faults::kinds::Fault;
use super::wire::{Frame, FrameKind};

/// Frames that may wait for one socket; beyond this, the reader is too slow and is disconnected.
const QUEUE_FRAMES: usize = 16_384;
/// Frames given to the kernel in one call.
const SLICES: usize = 16;

/// Why a socket was disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DisconnectReason {
    /// The client sent a close frame, with this code if it had one.
    ClientClosed(Option<u16>),
    /// The stream ended or broke without a close frame.
    ConnectionLost,
    /// The client sent what the application crashes on.
    ApplicationCrash,
    /// The client broke RFC 6455 or the size limit: this close code.
    ProtocolError(u16),
    /// No pong in time.
    PongTimeout,
    /// The outbox was full.
    SlowReader,
    /// The server stops.
    Shutdown,
    /// A fault: a close frame with this code.
    InjectedClose(u16),
    /// A fault: no close frame; [`Fault::Reset`] or [`Fault::Cut`].
    InjectedFault(Fault),
}

impl DisconnectReason {
    /// The code of the close frame to send, if one is sent.
    pub(super) fn close_code(self) -> Option<u16> {
        match self {
            // A code that must not be sent (1005, 1006, 1015) is answered with a plain 1000.
            Self::ClientClosed(code) => {
                Some(code.filter(|c| matches!(c, 1000..=1003 | 1007..=1014 | 3000..)).unwrap_or(1000))
            }
            Self::ProtocolError(code) | Self::InjectedClose(code) => Some(code),
            Self::PongTimeout => Some(1011),
            Self::Shutdown => Some(1001),
            Self::ConnectionLost | Self::ApplicationCrash | Self::SlowReader | Self::InjectedFault(_) => None,
        }
    }
}

#[derive(Debug, Default)]
struct Outbox {
    /// `None` once the socket is released.
    stream: Option<Arc<TcpStream>>,
    queue: VecDeque<Frame>,
    /// Bytes in `queue`, those of the first frame that are written already included.
    bytes: usize,
    /// Bytes of the first frame that are written.
    written: usize,
    disconnected: Option<DisconnectReason>,
}

/// What all sockets of a server share.
#[derive(Debug)]
pub(super) struct SocketContext {
    /// Whether a newer member list replaces one that waits.
    pub replace_presence: bool,
    /// Bytes that may wait for one socket.
    pub limit: usize,
    pub counters: Arc<Counters>,
    pub injector: Arc<FaultInjector>,
    /// The log of written deliveries, if one is kept.
    pub delivery_log: Option<DeliveryLog>,
}

/// One websocket.
#[derive(Debug)]
pub(super) struct ServerSocket {
    /// The socket's number, from 1, never reused.
    pub id: u64,
    /// The signed-in user, if any.
    pub user: Option<Arc<User>>,
    /// When it joined and ended.
    pub times: Arc<ConnectionTimes>,
    context: Arc<SocketContext>,
    outbox: Mutex<Outbox>,
    /// Whether frames wait for the socket to be writable.
    waiting: AtomicBool,
    /// Whether a fault withholds everything from it.
    mute: AtomicBool,
    wake: Notify,
}

impl ServerSocket {
    /// A socket over an open stream.
    pub(super) fn new(id: u64, user: Option<Arc<User>>, stream: Arc<TcpStream>, context: Arc<SocketContext>) -> Self {
        Self {
            id,
            user,
            times: Arc::default(),
            context,
            outbox: Mutex::new(Outbox { stream: Some(stream), ..Outbox::default() }),
            waiting: AtomicBool::new(false),
            mute: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// Notes the time at which it joined its first channel.
    pub(super) fn mark_joined(&self) {
        let now = self.context.injector.clock.micros();
        let _ = self.times.joined.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether a fault withholds everything from it.
    pub(super) fn is_mute(&self) -> bool {
        self.mute.load(Ordering::Acquire)
    }

    /// Starts or stops withholding everything from it.
    pub(super) fn set_mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::Release);
    }

    /// Queues frames and writes what the kernel takes now; on a disconnected socket they are
    /// counted and discarded.
    pub(super) fn send(&self, frames: &[Frame]) {
        if self.is_mute() {
            self.context.injector.injected.add(Fault::Mute, chats(frames));
            return;
        }
        let mut outbox = self.outbox.lock();
        self.count_queued(frames);
        if outbox.disconnected.is_some() {
            self.count_discarded(frames);
            return;
        }
        for frame in frames {
            self.push(&mut outbox, frame);
        }
        self.write(&mut outbox);
        if outbox.queue.len() > QUEUE_FRAMES || outbox.bytes > self.context.limit {
            self.record_disconnect(&mut outbox, DisconnectReason::SlowReader);
        }
        if !outbox.queue.is_empty() {
            self.wake.notify_one();
        }
    }

    /// Disconnects the socket: nothing more is queued, except a close frame if `reason` has a
    /// code. The first reason stands.
    pub(super) fn disconnect(&self, reason: DisconnectReason) {
        let mut outbox = self.outbox.lock();
        if outbox.disconnected.is_some() {
            return;
        }
        if let Some(code) = reason.close_code().filter(|_| !self.is_mute()) {
            self.push(&mut outbox, &Frame::close(code));
            self.write(&mut outbox);
        }
        // A write that failed has disconnected it already, and nothing more can be sent.
        self.record_disconnect(&mut outbox, reason);
    }

    /// Notes the reason, if it is the first.
    fn record_disconnect(&self, outbox: &mut Outbox, reason: DisconnectReason) {
        if outbox.disconnected.is_none() {
            outbox.disconnected = Some(reason);
            self.times.ended.store(self.context.injector.clock.micros(), Ordering::Release);
            self.wake.notify_one();
        }
    }

    /// Why it was disconnected, once it was.
    pub(super) fn disconnected(&self) -> Option<DisconnectReason> {
        self.outbox.lock().disconnected
    }

    /// Continues writing after the socket became writable.
    pub(super) fn flush(&self) {
        self.write(&mut self.outbox.lock());
    }

    /// Whether frames wait for the socket to be writable.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    /// Returns after something was queued or disconnected that the socket's own task must handle.
    pub(super) async fn notified(&self) {
        self.wake.notified().await;
    }

    /// Drops the stream and the outbox; the descriptor closes with the last owner of the stream.
    pub(super) fn release(&self) {
        let mut outbox = self.outbox.lock();
        self.record_disconnect(&mut outbox, DisconnectReason::ConnectionLost);
        self.discard_queue(&mut outbox);
    }

    /// Drops the stream and what was still to be written: from here on nothing waits.
    fn discard_queue(&self, outbox: &mut Outbox) {
        outbox.stream = None;
        (outbox.bytes, outbox.written) = (0, 0);
        let left = std::mem::take(&mut outbox.queue);
        self.count_discarded(&left);
        self.waiting.store(false, Ordering::Release);
    }

    fn push(&self, outbox: &mut Outbox, frame: &Frame) {
        outbox.bytes += frame.bytes.len();
        if self.context.replace_presence && frame.kind == FrameKind::Presence {
            // The first frame may be partly written, so it stays.
            let started = usize::from(outbox.written > 0);
            if let Some(old) = outbox.queue.iter_mut().skip(started).find(|old| old.kind == FrameKind::Presence) {
                let old = std::mem::replace(old, frame.clone());
                outbox.bytes -= old.bytes.len();
                self.context.counters.sent.presence_replaced.increment();
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
                    // An earlier reason stands, but what was to follow it cannot be written either.
                    self.record_disconnect(outbox, DisconnectReason::ConnectionLost);
                    return self.discard_queue(outbox);
                }
            }
        }
        self.waiting.store(!outbox.queue.is_empty(), Ordering::Release);
    }

    /// Takes `count` written bytes off the queue.
    fn advance(&self, outbox: &mut Outbox, count: usize) {
        self.context.counters.sent.bytes.add(count as u64);
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
        let sent = &self.context.counters.sent;
        for frame in frames {
            match frame.kind {
                FrameKind::Chat(_) => sent.chats_queued.increment(),
                FrameKind::Presence => sent.presence_queued.increment(),
                FrameKind::BreakoutPresence => sent.breakout_presence_queued.increment(),
                FrameKind::Error => sent.errors.increment(),
                FrameKind::Ping => sent.pings.increment(),
                FrameKind::Control | FrameKind::Injected => {}
            }
        }
    }

    fn count_written(&self, kind: FrameKind) {
        if let (FrameKind::Chat(chat), Some(delivery_log)) = (kind, &self.context.delivery_log) {
            delivery_log.push(chat, self.id);
        }
        let sent = &self.context.counters.sent;
        sent.frames_written.increment();
        match kind {
            FrameKind::Chat(_) => sent.chats_written.increment(),
            FrameKind::Presence => sent.presence_written.increment(),
            _ => {}
        }
    }

    fn count_discarded<'a>(&self, frames: impl IntoIterator<Item = &'a Frame>) {
        self.context.counters.sent.chats_discarded.add(chats(frames));
    }
}

/// How many of the frames are chats.
fn chats<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> u64 {
    frames.into_iter().filter(|frame| matches!(frame.kind, FrameKind::Chat(_))).count() as u64
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

    /// More bytes than the kernel buffers.
    const LARGE: usize = 32 * 1024 * 1024;

    async fn socket() -> (Arc<TcpStream>, ServerSocket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = Arc::new(listener.accept().await.unwrap().0);
        let context = SocketContext {
            replace_presence: false,
            limit: 2 * LARGE,
            counters: Arc::default(),
            injector: Arc::new(FaultInjector::new(Faults::default(), 0).unwrap()),
            delivery_log: None,
        };
        (Arc::clone(&stream), ServerSocket::new(1, None, stream, Arc::new(context)), client)
    }

    #[tokio::test]
    async fn an_outbox_is_discarded_once_the_client_is_gone() {
        let (stream, socket, client) = socket().await;
        socket.send(&[Frame::padding(LARGE)]);
        socket.disconnect(DisconnectReason::ClientClosed(None));
        assert!(socket.is_waiting());
        // With bytes unread, closing resets the connection.
        drop(client);
        for _ in 0..100 {
            if !socket.is_waiting() {
                break;
            }
            stream.writable().await.unwrap();
            socket.flush();
        }
        assert!(!socket.is_waiting(), "a socket that cannot be written to still waits");
        assert_eq!(socket.disconnected(), Some(DisconnectReason::ClientClosed(None)));
        socket.flush();
        socket.release();
        assert!(!socket.is_waiting());
    }
}
