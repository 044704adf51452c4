//! A server's compressed messages (RFC 7692): from the bytes of a whole message to what they mean.
//!
//! No I/O. The decoder belongs to the thread, as a message ends between two blocks. A socket keeps
//! the texts that the next message may refer to, and nothing where the server agreed to refer to
//! none. What a message unpacks to is bounded while it is unpacked.

use std::cell::Cell;
use std::ops::Range;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::extension::PerMessageDeflate;
use super::frame::Violation;

/// What a sender cuts off at the end of each message (RFC 7692, 7.2.1), and an empty last block:
/// the decoder comes to its end, without another byte of text, only behind a message that was whole.
const TAIL: [u8; 9] = [0, 0, 0xFF, 0xFF, 1, 0, 0, 0xFF, 0xFF];

/// The least room for what a message unpacks to, in bytes.
const FIRST_ROOM: usize = 1 << 10;

/// The room that a thread keeps between messages, in bytes.
const KEPT: usize = 64 << 10;

/// The receiving side of one socket's compression.
#[derive(Debug)]
pub(super) struct Inflate {
    takeover: bool,
    window: Window,
}

thread_local! {
    /// Taken out for the length of one message, and put back.
    static SHARED: Cell<Option<Box<Shared>>> = const { Cell::new(None) };
}

/// What the sockets of a thread share.
struct Shared {
    decoder: DecompressorOxide,
    /// Where messages that refer to none before them are unpacked.
    alone: Window,
}

impl Shared {
    fn new() -> Box<Self> {
        Box::new(Self { decoder: DecompressorOxide::new(), alone: Window::new(0) })
    }
}

impl Inflate {
    pub(super) fn new(terms: PerMessageDeflate) -> Self {
        let reach = if terms.server_takeover { 1 << terms.server_window_bits } else { 0 };
        Self { takeover: terms.server_takeover, window: Window::new(reach) }
    }

    /// Unpacks a whole message of at most `limit` bytes, and gives it to `then`.
    ///
    /// # Errors
    /// `TooLarge`; `Protocol` for what is no compressed message.
    pub(super) fn message<T>(
        &mut self,
        packed: &[u8],
        limit: usize,
        then: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Violation> {
        let mut shared = SHARED.take().unwrap_or_else(Shared::new);
        let Shared { decoder, alone } = &mut *shared;
        let window = if self.takeover { &mut self.window } else { alone };
        // Browsers take this for an empty message, too.
        let place = if packed.is_empty() { Ok(0..0) } else { window.unpack(decoder, packed, limit) };
        let outcome = place.map(|place| then(window.bytes.get(place).unwrap_or_default()));
        window.settle();
        SHARED.set(Some(shared));
        outcome
    }

    /// Bytes held for messages to come.
    pub(super) fn held(&self) -> usize {
        self.window.bytes.capacity()
    }
}

/// What was unpacked, the newest last, with room behind it.
#[derive(Debug)]
struct Window {
    bytes: Vec<u8>,
    /// Where the next message begins.
    end: usize,
    /// How far back a message may refer.
    reach: usize,
}

impl Window {
    /// It has no memory yet.
    fn new(reach: usize) -> Self {
        Self { bytes: Vec::new(), end: 0, reach }
    }

    /// Unpacks a message; where it is.
    fn unpack(
        &mut self,
        decoder: &mut DecompressorOxide,
        packed: &[u8],
        limit: usize,
    ) -> Result<Range<usize>, Violation> {
        const FLAGS: u32 = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_HAS_MORE_INPUT;
        let (mut start, mut rest) = (self.end, packed);
        // Where the message ended, once its tail is read.
        let mut ended = None;
        decoder.init();
        loop {
            let (status, read, written) = decompress(decoder, rest, &mut self.bytes, self.end, FLAGS);
            rest = rest.get(read..).unwrap_or_default();
            self.end += written;
            if self.end - start > limit {
                return Err(Violation::TooLarge);
            }
            match (status, ended) {
                // A compressor may end with a last block of its own.
                (TINFLStatus::Done, None) if rest.is_empty() => return Ok(start..self.end),
                (TINFLStatus::Done, None) => decoder.init(),
                (TINFLStatus::Done, Some(end)) if end == self.end => return Ok(start..end),
                (TINFLStatus::NeedsMoreInput, None) => (rest, ended) = (&TAIL, Some(self.end)),
                (TINFLStatus::HasMoreOutput, None) => start = self.make_room(start, limit),
                _ => return Err(Violation::Protocol("compressed data is damaged")),
            }
        }
    }

    /// Makes room behind a message that began at `start`; where it begins then.
    fn make_room(&mut self, start: usize, limit: usize) -> usize {
        let unreachable = start.saturating_sub(self.reach);
        if unreachable >= self.slack() {
            self.bytes.copy_within(unreachable..self.end, 0);
            self.end -= unreachable;
            return start - unreachable;
        }
        // One byte more than the limit shows that a message is too large.
        let most = (start + limit).saturating_add(1);
        let rest_size = self.rest_size();
        let doubled = (self.bytes.len() * 2).max(FIRST_ROOM);
        let wanted = if self.bytes.len() < rest_size { doubled.min(rest_size) } else { doubled };
        self.bytes.resize(wanted.min(most).max(self.bytes.len() + 1), 0);
        start
    }

    /// Forgets what no message can refer to, and gives the memory of a large message back.
    fn settle(&mut self) {
        if self.reach == 0 {
            self.end = 0;
        }
        if self.bytes.len() > self.rest_size() {
            let unreachable = self.end.saturating_sub(self.reach);
            self.bytes.copy_within(unreachable..self.end, 0);
            self.end -= unreachable;
            self.bytes.truncate(self.rest_size());
            self.bytes.shrink_to_fit();
        }
    }

    /// Room for messages behind what they may refer to: what is kept is moved once for so many bytes.
    fn slack(&self) -> usize {
        (self.reach / 2).max(2 * FIRST_ROOM)
    }

    /// Bytes kept between messages.
    fn rest_size(&self) -> usize {
        if self.reach == 0 { KEPT } else { self.reach + self.slack() }
    }
}

#[cfg(test)]
mod tests;
