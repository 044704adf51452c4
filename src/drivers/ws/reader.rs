//! Bytes in, whole messages out: the receiving side of RFC 6455, incrementally.
//!
//! No I/O and no clock. A frame that lies wholly inside the bytes given is handed on as it
//! lies there, without a copy or an allocation: that is the path of nearly every frame.
//! Only what is incomplete is kept, and its memory is given back when it is complete, so one
//! large frame does not pin its size to the socket for good.

use super::frame::{HEADER_LIMIT, Header, Opcode, Violation};

/// How much is reserved at once for a frame that has not come yet; a server can announce
/// gigabytes in ten bytes.
const RESERVE_LIMIT: usize = 1 << 20;

/// A whole message, borrowed from where it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
    /// A ping, to be answered with the same payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// A close frame; nothing after it counts.
    Close {
        /// Its code, if it has one.
        code: Option<u16>,
        /// Its reason, often empty.
        reason: &'a str,
    },
}

/// The receiving side of one socket.
#[derive(Debug)]
pub struct Reader {
    limit: usize,
    /// The beginning of a frame whose end has not come, header included.
    partial: Vec<u8>,
    /// A message in fragments whose last has not come; boxed, as it is rare.
    fragments: Option<Box<Fragments>>,
    finished: bool,
}

#[derive(Debug)]
struct Fragments {
    text: bool,
    bytes: Vec<u8>,
    /// How many of `bytes` are known to be UTF-8.
    valid: usize,
}

impl Reader {
    /// A reader that refuses messages of more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, partial: Vec::new(), fragments: None, finished: false }
    }

    /// Reads on, and gives every message that is whole now to `sink`.
    /// After a close frame or a violation everything is ignored.
    ///
    /// # Errors
    /// The first breach of the protocol; messages before it have gone to `sink`.
    pub fn feed(&mut self, input: &[u8], mut sink: impl FnMut(Message<'_>)) -> Result<(), Violation> {
        let outcome = self.read(input, &mut sink);
        if outcome.is_err() {
            self.finish();
        }
        outcome
    }

    /// Bytes held for messages that have not come whole.
    #[must_use]
    pub fn held(&self) -> usize {
        self.partial.capacity() + self.fragments.as_ref().map_or(0, |f| f.bytes.capacity())
    }

    fn read(&mut self, mut input: &[u8], sink: &mut impl FnMut(Message<'_>)) -> Result<(), Violation> {
        if self.finished {
            return Ok(());
        }
        if !self.partial.is_empty() {
            let Some((header, rest)) = self.complete(input)? else { return Ok(()) };
            let frame = std::mem::take(&mut self.partial);
            self.accept(header, &frame[header.size..], sink)?;
            input = rest;
        }
        while !self.finished && !input.is_empty() {
            let Some(header) = Header::read(input)? else {
                self.partial = input.to_vec();
                return Ok(());
            };
            let total = self.admit(header)?;
            if input.len() < total {
                self.partial.reserve_exact(total.min(RESERVE_LIMIT));
                self.partial.extend_from_slice(input);
                return Ok(());
            }
            let (frame, rest) = input.split_at(total);
            self.accept(header, &frame[header.size..], sink)?;
            input = rest;
        }
        Ok(())
    }

    /// Adds to the partial frame what belongs to it. Once it is whole: its header, and the
    /// input behind it.
    fn complete<'a>(&mut self, mut input: &'a [u8]) -> Result<Option<(Header, &'a [u8])>, Violation> {
        let header = loop {
            if let Some(header) = Header::read(&self.partial)? {
                break header;
            }
            debug_assert!(self.partial.len() < HEADER_LIMIT);
            let Some((next, rest)) = input.split_first() else { return Ok(None) };
            self.partial.push(*next);
            input = rest;
        };
        let total = self.admit(header)?;
        let missing = total.saturating_sub(self.partial.len());
        let (now, rest) = input.split_at(missing.min(input.len()));
        if total <= RESERVE_LIMIT {
            self.partial.reserve_exact(missing);
        }
        self.partial.extend_from_slice(now);
        Ok((now.len() == missing).then_some((header, rest)))
    }

    /// Decides by its header whether a frame may come now, before any of it is kept.
    /// Returns its whole size in bytes.
    fn admit(&self, header: Header) -> Result<usize, Violation> {
        let length = usize::try_from(header.length).map_err(|_| Violation::TooLarge)?;
        let before = match (header.opcode, &self.fragments) {
            (Opcode::Continuation, None) => return Err(Violation::Protocol("continuation of nothing")),
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Violation::Protocol("new message inside a fragmented one"));
            }
            (Opcode::Continuation, Some(fragments)) => fragments.bytes.len(),
            _ => 0,
        };
        if !header.opcode.is_control() && before.saturating_add(length) > self.limit {
            return Err(Violation::TooLarge);
        }
        length.checked_add(header.size).ok_or(Violation::TooLarge)
    }

    /// Takes a whole frame that was admitted.
    fn accept(&mut self, header: Header, payload: &[u8], sink: &mut impl FnMut(Message<'_>)) -> Result<(), Violation> {
        match header.opcode {
            Opcode::Text if header.fin => sink(Message::Text(utf8(payload)?)),
            Opcode::Binary if header.fin => sink(Message::Binary(payload)),
            Opcode::Ping => sink(Message::Ping(payload)),
            Opcode::Pong => sink(Message::Pong(payload)),
            Opcode::Close => {
                let (code, reason) = close(payload)?;
                self.finish();
                sink(Message::Close { code, reason });
            }
            first @ (Opcode::Text | Opcode::Binary) => {
                let mut fragments =
                    Box::new(Fragments { text: first == Opcode::Text, bytes: payload.to_vec(), valid: 0 });
                fragments.check(false)?;
                self.fragments = Some(fragments);
            }
            Opcode::Continuation => self.go_on(header.fin, payload, sink)?,
        }
        Ok(())
    }

    fn go_on(&mut self, last: bool, payload: &[u8], sink: &mut impl FnMut(Message<'_>)) -> Result<(), Violation> {
        let Some(mut fragments) = self.fragments.take() else { return Ok(()) };
        fragments.bytes.extend_from_slice(payload);
        fragments.check(last)?;
        if !last {
            self.fragments = Some(fragments);
        } else if fragments.text {
            sink(Message::Text(utf8(&fragments.bytes)?));
        } else {
            sink(Message::Binary(&fragments.bytes));
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.finished = true;
        self.partial = Vec::new();
        self.fragments = None;
    }
}

impl Fragments {
    /// Fails as early as the text cannot become UTF-8 any more.
    fn check(&mut self, last: bool) -> Result<(), Violation> {
        if !self.text {
            return Ok(());
        }
        match std::str::from_utf8(&self.bytes[self.valid..]) {
            Ok(_) => self.valid = self.bytes.len(),
            Err(e) if last || e.error_len().is_some() => return Err(Violation::Utf8),
            Err(e) => self.valid += e.valid_up_to(),
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Violation> {
    std::str::from_utf8(bytes).map_err(|_| Violation::Utf8)
}

/// Code and reason of a close frame (RFC 6455, 5.5.1 and 7.4; 1014 from the IANA registry).
fn close(payload: &[u8]) -> Result<(Option<u16>, &str), Violation> {
    match payload {
        [] => Ok((None, "")),
        [_] => Err(Violation::Protocol("close frame of one byte")),
        [a, b, reason @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            let reason = utf8(reason)?;
            match code {
                1000..=1003 | 1007..=1014 | 3000..=4999 => Ok((Some(code), reason)),
                _ => Err(Violation::Protocol("close code out of range")),
            }
        }
    }
}
