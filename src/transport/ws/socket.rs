//! One open websocket: reads into a buffer of the thread, stamps, parses, writes, ends.
//!
//! It knows messages, but not their meaning. Between reads a socket keeps no read buffer, so ten thousand of them cost
//! only their state.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::extension::PerMessageDeflate;
use super::frame::{Masks, Opcode, Violation};
use super::reader::{Message, Reader};
use super::recent::Recent;
use super::writer::Writer;
use crate::clock::{Clock, Stamp};
use crate::model::{EndReason, Initiator};
use crate::transport::dial::Stream;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Who ended it.
    pub initiator: Initiator,
    /// How.
    pub reason: EndReason,
}

/// Why driving a socket returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bytes were read; the frames completed by them went to the sink.
    Read {
        /// When the bytes were read.
        at: Stamp,
        /// Number of bytes read.
        bytes: usize,
    },
    /// The frame given to `begin` is wholly written.
    Written,
    /// A close began on the server's side: its close frame was read. Keep driving until `Ended`.
    Closing(Ended),
    /// The connection is over.
    Ended(Ended),
}

/// Size of the read buffer that all sockets of a thread share, in bytes.
pub const SCRATCH_SIZE: usize = 64 * 1024;

thread_local! {
    /// Taken out during one synchronous read, and put back.
    static BUFFERS: Cell<Option<Box<ThreadBuffers>>> = const { Cell::new(None) };
}

/// Buffers that the sockets of a thread share while reading.
struct ThreadBuffers {
    scratch: Box<[u8]>,
    recent: Recent,
}

impl ThreadBuffers {
    /// Takes the thread's buffers, or creates them.
    fn take() -> Box<Self> {
        BUFFERS.take().unwrap_or_else(|| {
            Box::new(Self { scratch: vec![0; SCRATCH_SIZE].into_boxed_slice(), recent: Recent::default() })
        })
    }

    fn give_back(self: Box<Self>) {
        BUFFERS.set(Some(self));
    }
}

/// An open websocket.
#[derive(Debug)]
pub struct WebSocket {
    stream: Stream,
    reader: Reader,
    writer: Writer,
    clock: Clock,
    life: SocketState,
    /// News to return at the next call, before reading on.
    news: Option<News>,
    /// Bytes that arrived together with the 101.
    early: Option<Box<Early>>,
}

/// Bytes that were read with the handshake's answer.
#[derive(Debug)]
pub struct Early {
    /// When they were read.
    pub at: Stamp,
    /// The bytes.
    pub bytes: Box<[u8]>,
}

/// News other than reads and writes.
#[derive(Debug, Clone, Copy)]
enum News {
    Closing(Ended),
    Ended(Ended),
}

impl From<News> for Progress {
    fn from(news: News) -> Self {
        match news {
            News::Closing(ended) => Self::Closing(ended),
            News::Ended(ended) => Self::Ended(ended),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum SocketState {
    Open,
    /// The stream takes no more bytes; data that arrived before the end is still read.
    Unwritable(Ended),
    /// We began to close.
    Leaving,
    /// The server began to close, for this reason.
    PeerClosing(EndReason),
    Over(Ended),
}

impl WebSocket {
    /// A socket over a stream whose handshake is done.
    #[must_use]
    pub fn new(stream: Stream, early: Option<Early>, limit: usize, clock: Clock, masks: Masks) -> Self {
        Self {
            stream,
            reader: Reader::new(limit),
            writer: Writer::new(masks),
            clock,
            life: SocketState::Open,
            news: None,
            early: early.map(Box::new),
        }
    }

    /// Enables compression, on terms that both sides agreed on.
    #[must_use]
    pub fn compressed(mut self, terms: PerMessageDeflate) -> Self {
        self.reader = self.reader.compressed(terms);
        self.writer.compress(terms.client_window_bits);
        self
    }

    /// Takes one frame to write; false, and nothing taken, while the previous one is unwritten or after the close has
    /// begun.
    pub fn begin(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        matches!(self.life, SocketState::Open) && self.writer.begin(opcode, payload)
    }

    /// Whether a frame given to [`begin`](Self::begin) is not wholly written.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.writer.has_user_frame()
    }

    /// Begins a graceful close with code 1000. The connection ends when the server ends the stream, so that the server
    /// bears its TIME_WAIT.
    pub fn close(&mut self) {
        if matches!(self.life, SocketState::Open | SocketState::Unwritable(_)) {
            self.life = SocketState::Leaving;
            self.writer.close(Some(1000));
        }
    }

    /// Makes dropping the connection reset it.
    pub fn reset_when_dropped(&self) {
        self.stream.reset_when_dropped();
    }

    /// Bytes held for messages that have not come whole.
    #[must_use]
    pub fn held(&self) -> usize {
        self.reader.held()
    }

    /// Writes what is due, reads once, and passes every whole message to `sink`.
    pub fn poll_drive(&mut self, cx: &mut Context<'_>, mut sink: impl FnMut(Stamp, Message<'_>)) -> Poll<Progress> {
        if let Some(news) = self.news.take() {
            return Poll::Ready(news.into());
        }
        if let SocketState::Over(ended) = self.life {
            return Poll::Ready(Progress::Ended(ended));
        }
        if !self.writer.is_idle() && self.flush(cx) {
            return Poll::Ready(Progress::Written);
        }
        let mut buffers = ThreadBuffers::take();
        let progress = match self.early.take() {
            Some(early) => Poll::Ready(self.take_in(cx, early.at, &early.bytes, &mut buffers.recent, &mut sink)),
            None => self.poll_read(cx, &mut buffers, &mut sink),
        };
        buffers.give_back();
        progress
    }

    /// Writes; true if a user's frame became wholly written. If the stream refuses bytes, reading continues, because
    /// data that arrived before its end counts.
    fn flush(&mut self, cx: &mut Context<'_>) -> bool {
        match self.writer.flush(Pin::new(&mut self.stream), cx) {
            Ok(written) => written,
            Err(e) => {
                self.writer.give_up();
                if matches!(self.life, SocketState::Open) {
                    self.life = SocketState::Unwritable(broken(&e));
                }
                false
            }
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut ThreadBuffers,
        sink: &mut impl FnMut(Stamp, Message<'_>),
    ) -> Poll<Progress> {
        let mut buffer = ReadBuf::new(&mut buffers.scratch);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(e)) => Poll::Ready(Progress::Ended(self.end(broken(&e)))),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Progress::Ended(self.end(END_OF_STREAM))),
            Poll::Ready(Ok(())) => {
                let at = self.clock.now();
                Poll::Ready(self.take_in(cx, at, buffer.filled(), &mut buffers.recent, sink))
            }
        }
    }

    fn take_in(
        &mut self,
        cx: &mut Context<'_>,
        at: Stamp,
        bytes: &[u8],
        recent: &mut Recent,
        sink: &mut impl FnMut(Stamp, Message<'_>),
    ) -> Progress {
        let Self { reader, writer, life, news, .. } = self;
        let outcome = reader.feed(bytes, recent, |message| {
            match message {
                Message::Ping(payload) => writer.pong(payload),
                Message::Close { code, .. } if !matches!(life, SocketState::Leaving) => {
                    let reason = reason_of(code);
                    *life = SocketState::PeerClosing(reason);
                    *news = Some(News::Closing(Ended { initiator: Initiator::Server, reason }));
                    writer.close_at_once(code);
                }
                _ => {}
            }
            sink(at, message);
        });
        if let Err(violation) = outcome {
            self.refuse(cx, violation);
        }
        Progress::Read { at, bytes: bytes.len() }
    }

    /// Ends the socket because the server broke the protocol, with a close frame if the stream takes one at once.
    fn refuse(&mut self, cx: &mut Context<'_>, violation: Violation) {
        self.writer.close_at_once(Some(violation.close_code()));
        while self.flush(cx) {}
        self.writer.give_up();
        let reason = match violation {
            Violation::TooLarge => EndReason::FrameTooLarge,
            Violation::Utf8 => EndReason::InvalidUtf8,
            Violation::Protocol(_) => EndReason::ProtocolViolation,
        };
        // For a closing socket the violation only ends the close early.
        let ended = self.end(Ended { initiator: Initiator::Server, reason });
        self.news = Some(News::Ended(ended));
    }

    /// Ends the socket, for the reason of a close that had begun, else as `seen`.
    fn end(&mut self, seen: Ended) -> Ended {
        let ended = match self.life {
            SocketState::Open => seen,
            // The write saw a reset; the read after it may see a plain end of stream.
            SocketState::Unwritable(ended) if seen == END_OF_STREAM => ended,
            SocketState::Unwritable(_) => seen,
            SocketState::Leaving => Ended { initiator: Initiator::User, reason: EndReason::Left },
            SocketState::PeerClosing(reason) => Ended { initiator: Initiator::Server, reason },
            SocketState::Over(ended) => ended,
        };
        self.life = SocketState::Over(ended);
        ended
    }
}

const END_OF_STREAM: Ended = Ended { initiator: Initiator::Server, reason: EndReason::NoCloseFrame };

/// How a connection ended, by an error of its stream.
fn broken(e: &io::Error) -> Ended {
    match e.kind() {
        // A TLS stream without close_notify; a pipe whose reader has already ended.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::WriteZero => END_OF_STREAM,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            Ended { initiator: Initiator::Network, reason: EndReason::Reset }
        }
        _ => Ended { initiator: Initiator::Network, reason: EndReason::Io },
    }
}

/// The label of a server's close code.
fn reason_of(code: Option<u16>) -> EndReason {
    match code {
        None => EndReason::NoCode,
        Some(1000) => EndReason::Normal,
        Some(1001) => EndReason::GoingAway,
        Some(1002) => EndReason::ProtocolError,
        Some(1003) => EndReason::UnsupportedData,
        Some(1007) => EndReason::InvalidPayload,
        Some(1008) => EndReason::PolicyViolation,
        Some(1009) => EndReason::MessageTooBig,
        Some(1011) => EndReason::InternalError,
        Some(1012) => EndReason::ServiceRestart,
        Some(1013) => EndReason::TryAgainLater,
        Some(4000..=4999) => EndReason::Application,
        Some(_) => EndReason::OtherCode,
    }
}
