//! Writes the frames of a socket: one at a time, whole, in the order that the protocol requires.
//!
//! Bounded by design: at most one frame is being written, and one user frame, one pong and one close frame wait. A
//! newer ping's pong replaces an older unwritten one (RFC 6455, 5.5.3).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use super::deflate;
use super::frame::{Masks, Opcode, encode, encode_compressed};

/// The frame that is being written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum InWriting {
    #[default]
    Nothing,
    User,
    Pong,
    Close,
}

/// The writing side of one socket.
#[derive(Debug)]
pub struct Writer {
    /// Unwritten frames; boxed because there are seldom any.
    unwritten: Option<Box<Unwritten>>,
    masks: Masks,
    closing: bool,
    /// Window of the server's decompressor in bits, if compression was agreed on.
    window_bits: Option<u8>,
}

/// The frame that is being written, and those after it.
#[derive(Debug, Default)]
struct Unwritten {
    frame: Vec<u8>,
    /// Number of its bytes written.
    at: usize,
    kind: InWriting,
    user: Option<Vec<u8>>,
    pong: Option<Vec<u8>>,
    close: Option<Vec<u8>>,
}

impl Writer {
    /// A writer with nothing to write.
    #[must_use]
    pub fn new(masks: Masks) -> Self {
        Self { unwritten: None, masks, closing: false, window_bits: None }
    }

    /// Enables compression of the users' frames, for a window of 2 to the power of `window_bits` bytes.
    pub fn compress(&mut self, window_bits: u8) {
        self.window_bits = Some(window_bits);
    }

    /// Takes a user's frame. False, and nothing taken, while the previous one is unwritten or after the close has
    /// begun.
    pub fn begin(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        if self.closing || self.has_user_frame() {
            return false;
        }
        let mask = self.masks.draw();
        let packed = self.window_bits.and_then(|bits| deflate::pack(payload, bits));
        let frame = match packed {
            Some(packed) => encode_compressed(opcode, &packed, mask),
            None => encode(opcode, payload, mask),
        };
        self.unwritten().user = Some(frame);
        true
    }

    /// Whether a user's frame is not wholly written.
    #[must_use]
    pub fn has_user_frame(&self) -> bool {
        self.unwritten.as_ref().is_some_and(|u| u.kind == InWriting::User || u.user.is_some())
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.unwritten.is_none()
    }

    /// Answers a ping, unless the close has begun.
    pub fn pong(&mut self, payload: &[u8]) {
        if !self.closing {
            let frame = encode(Opcode::Pong, payload, self.masks.draw());
            self.unwritten().pong = Some(frame);
        }
    }

    /// Writes a close frame after the user's frame, and nothing after it.
    pub fn close(&mut self, code: Option<u16>) {
        if !self.closing {
            self.closing = true;
            let payload = code.map(u16::to_be_bytes);
            let payload = payload.as_ref().map_or(&[][..], |bytes| &bytes[..]);
            let frame = encode(Opcode::Close, payload, self.masks.draw());
            self.unwritten().close = Some(frame);
        }
    }

    /// Like [`close`](Self::close), but drops a user's frame of which nothing is written, since the peer would not read
    /// it.
    pub fn close_at_once(&mut self, code: Option<u16>) {
        if let Some(unwritten) = &mut self.unwritten {
            unwritten.user = None;
        }
        self.close(code);
    }

    /// Drops everything, because the stream takes no more bytes.
    pub fn give_up(&mut self) {
        self.closing = true;
        self.unwritten = None;
    }

    /// Writes until the stream takes no more, a user's frame is wholly written (true), or everything is written.
    ///
    /// # Errors
    /// Errors of the stream.
    pub fn flush(&mut self, mut stream: Pin<&mut impl AsyncWrite>, cx: &mut Context<'_>) -> io::Result<bool> {
        while let Some(unwritten) = &mut self.unwritten {
            if unwritten.kind == InWriting::Nothing && !unwritten.next() {
                self.unwritten = None;
                break;
            }
            while let Some(rest) = unwritten.frame.get(unwritten.at..).filter(|rest| !rest.is_empty()) {
                match stream.as_mut().poll_write(cx, rest) {
                    Poll::Pending => return Ok(false),
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(written)) => unwritten.at += written,
                    Poll::Ready(Err(e)) => return Err(e),
                }
            }
            if stream.as_mut().poll_flush(cx)?.is_pending() {
                return Ok(false);
            }
            if unwritten.rest() == InWriting::User {
                if unwritten.is_empty() {
                    self.unwritten = None;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn unwritten(&mut self) -> &mut Unwritten {
        self.unwritten.get_or_insert_default()
    }
}

impl Unwritten {
    /// Whether no frame waits after the current one.
    fn is_empty(&self) -> bool {
        self.user.is_none() && self.pong.is_none() && self.close.is_none()
    }

    /// Ends the current frame and frees its memory.
    fn rest(&mut self) -> InWriting {
        self.frame = Vec::new();
        self.at = 0;
        std::mem::take(&mut self.kind)
    }

    /// Starts the next waiting frame: pong, then user, then close.
    fn next(&mut self) -> bool {
        let order =
            [(&mut self.pong, InWriting::Pong), (&mut self.user, InWriting::User), (&mut self.close, InWriting::Close)];
        for (frame, kind) in order {
            if let Some(frame) = frame.take() {
                self.frame = frame;
                self.kind = kind;
                return true;
            }
        }
        false
    }
}
