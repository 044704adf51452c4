//! A plenary or breakout socket: a websocket with the application's text frames.

use std::future::{Future, poll_fn};
use std::sync::Arc;

use super::decode::Shared;
use super::wire;
use crate::clock::Stamp;
use crate::model::FrameKind;
use crate::protocol::{Connection, Event, Outgoing, Progress, Received, Said, Transcript};
use crate::transport::ws::extension::PerMessageDeflate;
use crate::transport::ws::frame::{Opcode, Violation};
use crate::transport::ws::reader::{Message, Reader};
use crate::transport::ws::recent::Recent;
use crate::transport::ws::socket::WebSocket;

/// An open socket of the application.
#[derive(Debug)]
pub struct PlenarySocket {
    socket: WebSocket,
    shared: Arc<Shared>,
    /// Whether a member list has arrived.
    joined: bool,
}

impl PlenarySocket {
    pub(super) fn new(socket: WebSocket, shared: Arc<Shared>) -> Self {
        Self { socket, shared, joined: false }
    }
}

/// A socket's processing of bytes without the socket, for measurements and tests.
#[derive(Debug)]
pub struct Inbox {
    reader: Reader,
    shared: Arc<Shared>,
    joined: bool,
}

impl Inbox {
    /// An inbox that refuses messages of more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { reader: Reader::new(limit), shared: Arc::default(), joined: false }
    }

    /// Another inbox of the same driver, which shares the known texts.
    #[must_use]
    pub fn another(&self, limit: usize) -> Self {
        Self { reader: Reader::new(limit), shared: Arc::clone(&self.shared), joined: false }
    }

    /// Enables compression, on these terms.
    #[must_use]
    pub fn compressed(mut self, terms: PerMessageDeflate) -> Self {
        self.reader = self.reader.compressed(terms);
        self
    }

    /// Takes bytes that were read at `at`, and passes every frame that is now complete to `sink`.
    ///
    /// # Errors
    /// The first violation of RFC 6455; frames before it have been passed to `sink`.
    pub fn feed(
        &mut self,
        at: Stamp,
        bytes: &[u8],
        recent: &mut Recent,
        mut sink: impl FnMut(Received<'_>),
    ) -> Result<(), Violation> {
        let Self { reader, shared, joined } = self;
        reader.feed(bytes, recent, |message| hand_on(at, message, shared, joined, &mut sink))
    }
}

impl Connection for PlenarySocket {
    fn begin(&mut self, frame: Outgoing<'_>) -> bool {
        match wire::compose(frame) {
            Some(text) => {
                let taken = self.socket.begin(Opcode::Text, &text);
                if let (true, Some(transcript)) = (taken, &self.shared.transcript) {
                    transcript.note(Said::Sent(&String::from_utf8_lossy(&text)));
                }
                taken
            }
            None => self.socket.begin(Opcode::Ping, &[]),
        }
    }

    fn is_writing(&self) -> bool {
        self.socket.is_writing()
    }

    fn close(&mut self) {
        self.socket.close();
    }

    fn reset_when_dropped(&mut self) {
        self.socket.reset_when_dropped();
    }

    fn drive<F>(&mut self, mut sink: F) -> impl Future<Output = Progress> + Send
    where
        F: FnMut(Received<'_>) + Send,
    {
        let Self { socket, shared, joined } = self;
        poll_fn(move |cx| socket.poll_drive(cx, |at, message| hand_on(at, message, shared, joined, &mut sink)))
    }
}

/// Passes the meaning of a message to the user's loop. The first member list means that the user has joined: the server
/// has put it into the room.
fn hand_on(at: Stamp, message: Message<'_>, shared: &Shared, joined: &mut bool, sink: &mut impl FnMut(Received<'_>)) {
    let kind = match message {
        Message::Text(text, number) => {
            return shared.decode(text, number, |kind, event| {
                if let Some(transcript) = &shared.transcript {
                    note(&**transcript, text, kind);
                }
                if !*joined && matches!(event, Event::Members(_)) {
                    *joined = true;
                    sink(Received { at, kind: None, event: Event::Joined });
                }
                sink(Received { at, kind: Some(kind), event });
            });
        }
        Message::Binary(_) => FrameKind::Binary,
        Message::Ping(_) => FrameKind::Ping,
        Message::Pong(_) => FrameKind::Pong,
        Message::Close { .. } => FrameKind::Close,
    };
    if let Some(transcript) = &shared.transcript {
        transcript.note(Said::Control(kind.as_str()));
    }
    sink(Received { at, kind: Some(kind), event: Event::Other });
}

/// Reports a frame; its kind takes the place of a rule.
fn note(transcript: &dyn Transcript, text: &str, kind: FrameKind) {
    let is_known = !matches!(kind, FrameKind::Unknown | FrameKind::Malformed);
    let rule = is_known.then(|| kind.as_str());
    transcript.note(Said::Frame { text, rule, message: None, sender: None });
}
