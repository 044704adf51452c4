//! Decompresses a server's messages (RFC 7692).
//!
//! No I/O. The decoder belongs to the thread, because a message ends between two blocks. A socket keeps the texts that
//! the next message may refer to, or nothing if the server agreed to refer to none. The size of a message is bounded
//! during decompression.

use std::cell::Cell;
use std::ops::Range;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::extension::PerMessageDeflate;
use super::frame::Violation;

/// The end that a sender cuts off each message (RFC 7692, 7.2.1), and an empty last block: the decoder reaches its end
/// here, without another byte of text, only after a whole message.
const TAIL: [u8; 9] = [0, 0, 0xFF, 0xFF, 1, 0, 0, 0xFF, 0xFF];

/// Initial room for a decompressed message, in bytes.
const FIRST_ROOM: usize = 1 << 10;

/// Room that a thread keeps between messages, in bytes.
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

/// State shared by the sockets of a thread.
struct Shared {
    decoder: DecompressorOxide,
    /// The window for messages that refer to no earlier ones.
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

    /// Decompresses a whole message of at most `limit` bytes, and passes it to `then`.
    ///
    /// # Errors
    /// `TooLarge`; `Protocol` for invalid compressed data.
    pub(super) fn message<T>(
        &mut self,
        packed: &[u8],
        limit: usize,
        then: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Violation> {
        let mut shared = SHARED.take().unwrap_or_else(Shared::new);
        let Shared { decoder, alone } = &mut *shared;
        let window = if self.takeover { &mut self.window } else { alone };
        // As in browsers, this is an empty message.
        let place = if packed.is_empty() { Ok(0..0) } else { window.unpack(decoder, packed, limit) };
        let outcome = place.map(|place| then(window.bytes.get(place).unwrap_or_default()));
        window.settle();
        SHARED.set(Some(shared));
        outcome
    }

    /// Number of bytes held for later messages.
    pub(super) fn held(&self) -> usize {
        self.window.bytes.capacity()
    }
}

/// Decompressed data, the newest last, with room after it.
#[derive(Debug)]
struct Window {
    bytes: Vec<u8>,
    /// Start of the next message.
    end: usize,
    /// How far back a message may refer, in bytes.
    reach: usize,
}

impl Window {
    /// A window without memory.
    fn new(reach: usize) -> Self {
        Self { bytes: Vec::new(), end: 0, reach }
    }

    /// Decompresses a message; returns its range.
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
                // A compressor may write its own last block.
                (TINFLStatus::Done, None) if rest.is_empty() => return Ok(start..self.end),
                (TINFLStatus::Done, None) => decoder.init(),
                (TINFLStatus::Done, Some(end)) if end == self.end => return Ok(start..end),
                (TINFLStatus::NeedsMoreInput, None) => (rest, ended) = (&TAIL, Some(self.end)),
                (TINFLStatus::HasMoreOutput, None) => start = self.make_room(start, limit),
                _ => return Err(Violation::Protocol("compressed data is damaged")),
            }
        }
    }

    /// Makes room after a message that starts at `start`; returns its new start.
    fn make_room(&mut self, start: usize, limit: usize) -> usize {
        let unreachable = start.saturating_sub(self.reach);
        if unreachable >= self.slack() {
            self.bytes.copy_within(unreachable..self.end, 0);
            self.end -= unreachable;
            return start - unreachable;
        }
        // One byte over the limit shows that a message is too large.
        let most = (start + limit).saturating_add(1);
        let rest_size = self.rest_size();
        let doubled = (self.bytes.len() * 2).max(FIRST_ROOM);
        let wanted = if self.bytes.len() < rest_size { doubled.min(rest_size) } else { doubled };
        self.bytes.resize(wanted.min(most).max(self.bytes.len() + 1), 0);
        start
    }

    /// Drops data that no message can refer to, and frees the memory of a large message.
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

    /// Room for messages after the data that they may refer to; the kept data is moved once per this many bytes.
    fn slack(&self) -> usize {
        (self.reach / 2).max(2 * FIRST_ROOM)
    }

    /// Number of bytes kept between messages.
    fn rest_size(&self) -> usize {
        if self.reach == 0 { KEPT } else { self.reach + self.slack() }
    }
}

#[cfg(test)]
mod tests;
