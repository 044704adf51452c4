//! What a socket has to write: one frame at a time, whole, in the order the protocol wants.
//!
//! Bounded by its shape: at most one frame in writing, one user frame, one pong and one
//! close frame waiting. A newer ping's pong replaces an unwritten older one (RFC 6455, 5.5.3).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use super::frame::{Masks, Opcode, encode};

/// Which frame is in writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InWriting {
    Nothing,
    User,
    Pong,
    Close,
}

/// The writing side of one socket.
#[derive(Debug)]
pub struct Writer {
    frame: Vec<u8>,
    at: usize,
    kind: InWriting,
    masks: Masks,
    waiting: Option<Box<Waiting>>,
    closing: bool,
}

/// Frames behind the one in writing; boxed, as there are seldom any.
#[derive(Debug, Default)]
struct Waiting {
    user: Option<Vec<u8>>,
    pong: Option<Vec<u8>>,
    close: Option<Vec<u8>>,
}

impl Writer {
    /// A writer with nothing to write.
    #[must_use]
    pub fn new(masks: Masks) -> Self {
        Self { frame: Vec::new(), at: 0, kind: InWriting::Nothing, masks, waiting: None, closing: false }
    }

    /// Takes a user's frame. False, and nothing taken, while the one before is unwritten or
    /// after the close has begun.
    pub fn begin(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        if self.closing || self.has_user_frame() {
            return false;
        }
        let frame = encode(opcode, payload, self.masks.draw());
        self.waiting().user = Some(frame);
        true
    }

    /// Whether a user's frame is not wholly written.
    #[must_use]
    pub fn has_user_frame(&self) -> bool {
        self.kind == InWriting::User || self.waiting.as_ref().is_some_and(|w| w.user.is_some())
    }

    /// Whether there is nothing to write at all.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.kind == InWriting::Nothing && self.waiting.is_none()
    }

    /// Answers a ping; nothing once the close has begun.
    pub fn pong(&mut self, payload: &[u8]) {
        if !self.closing {
            let frame = encode(Opcode::Pong, payload, self.masks.draw());
            self.waiting().pong = Some(frame);
        }
    }

    /// Writes a close frame after the user's frame, and nothing after it.
    pub fn close(&mut self, code: Option<u16>) {
        if !self.closing {
            self.closing = true;
            let payload = code.map(u16::to_be_bytes);
            let payload = payload.as_ref().map_or(&[][..], |bytes| &bytes[..]);
            let frame = encode(Opcode::Close, payload, self.masks.draw());
            self.waiting().close = Some(frame);
        }
    }

    /// As [`close`](Self::close), but a user's frame of which nothing is written is dropped:
    /// the peer would not read it.
    pub fn close_at_once(&mut self, code: Option<u16>) {
        if let Some(waiting) = &mut self.waiting {
            waiting.user = None;
        }
        self.close(code);
    }

    /// Drops everything: the stream takes no more bytes.
    pub fn give_up(&mut self) {
        self.closing = true;
        self.rest();
        self.waiting = None;
    }

    /// Writes until the stream takes no more, a user's frame is wholly written (true), or all is written.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn flush(&mut self, mut stream: Pin<&mut impl AsyncWrite>, cx: &mut Context<'_>) -> io::Result<bool> {
        loop {
            if self.kind == InWriting::Nothing && !self.next() {
                return Ok(false);
            }
            while let Some(rest) = self.frame.get(self.at..).filter(|rest| !rest.is_empty()) {
                match stream.as_mut().poll_write(cx, rest) {
                    Poll::Pending => return Ok(false),
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(written)) => self.at += written,
                    Poll::Ready(Err(e)) => return Err(e),
                }
            }
            if stream.as_mut().poll_flush(cx)?.is_pending() {
                return Ok(false);
            }
            if self.rest() == InWriting::User {
                return Ok(true);
            }
        }
    }

    /// Ends the frame in writing and gives its memory back.
    fn rest(&mut self) -> InWriting {
        self.frame = Vec::new();
        self.at = 0;
        std::mem::replace(&mut self.kind, InWriting::Nothing)
    }

    /// Moves the next waiting frame into writing: pong, then user, then close.
    fn next(&mut self) -> bool {
        let Some(waiting) = &mut self.waiting else { return false };
        let order = [
            (&mut waiting.pong, InWriting::Pong),
            (&mut waiting.user, InWriting::User),
            (&mut waiting.close, InWriting::Close),
        ];
        for (frame, kind) in order {
            if let Some(frame) = frame.take() {
                self.frame = frame;
                self.kind = kind;
                return true;
            }
        }
        self.waiting = None;
        false
    }

    fn waiting(&mut self) -> &mut Waiting {
        self.waiting.get_or_insert_default()
    }
}
