//! Bytes in, whole messages out: the receiving side of RFC 6455, incrementally.
//!
//! No I/O and no clock. A frame that lies wholly inside the given bytes is passed on in place, without a copy or an
//! allocation; this is the path of nearly every frame. Only incomplete frames are kept, and their memory is freed when
//! they are complete, so a large frame does not pin its size to the socket. A large text that [`Recent`] knows is not
//! kept at all, but compared as it arrives.

use super::extension::PerMessageDeflate;
use super::frame::{HEADER_LIMIT, Header, Opcode, Violation};
use super::inflate::Inflate;
use super::partial_message::{MemoryBudget, PROCESS, PartialMessage};
use super::recent::{Large, Recent, TextNumber};

/// A whole message, borrowed from where it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text, and its number among those that the thread remembers.
    Text(&'a str, TextNumber),
    /// Bytes.
    Binary(&'a [u8]),
    /// A ping, which must be answered with the same payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// A close frame; everything after it is ignored.
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
    room: &'static MemoryBudget,
    /// Boxed, because with thousands of sockets the state touched by every read must be small.
    partial: Option<Box<Partial>>,
    /// An incomplete fragmented message; boxed because it is rare.
    fragments: Option<Box<Fragments>>,
    /// The decompressor, if compression was agreed on.
    inflate: Option<Box<Inflate>>,
    finished: bool,
}

/// An incomplete frame.
#[derive(Debug)]
enum Partial {
    /// A part of the header.
    Head { bytes: [u8; HEADER_LIMIT], count: usize },
    /// The header, and a part of the payload.
    Body { header: Header, payload: PartialMessage },
    /// The header of a text whose first `same` bytes equal those of a known text.
    Known { header: Header, known: Large, same: usize },
}

#[derive(Debug)]
struct Fragments {
    text: bool,
    compressed: bool,
    kept: PartialMessage,
    /// Number of its bytes known to be UTF-8.
    valid: usize,
}

impl Reader {
    /// A reader that refuses messages of more than `limit` bytes, and those beyond the process's memory budget.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::within(limit, &PROCESS)
    }

    /// A reader that refuses messages of more than `limit` bytes, and those beyond `room`.
    #[must_use]
    pub fn within(limit: usize, room: &'static MemoryBudget) -> Self {
        Self { limit, room, partial: None, fragments: None, inflate: None, finished: false }
    }

    /// Makes the reader accept compressed messages. Its limit applies before and after decompression.
    #[must_use]
    pub fn compressed(mut self, terms: PerMessageDeflate) -> Self {
        self.inflate = Some(Box::new(Inflate::new(terms)));
        self
    }

    /// Takes more bytes, and passes every message that is now complete to `sink`. Texts are looked up and remembered in
    /// `recent`. After a close frame or a violation everything is ignored.
    ///
    /// # Errors
    /// The first violation of the protocol; messages before it have been passed to `sink`.
    pub fn feed(
        &mut self,
        input: &[u8],
        recent: &mut Recent,
        mut sink: impl FnMut(Message<'_>),
    ) -> Result<(), Violation> {
        let outcome = self.read(input, recent, &mut sink);
        if outcome.is_err() {
            self.finish();
        }
        outcome
    }

    /// Number of bytes held for incomplete messages.
    #[must_use]
    pub fn held(&self) -> usize {
        let partial =
            if let Some(Partial::Body { payload, .. }) = self.partial.as_deref() { payload.capacity() } else { 0 };
        partial + self.fragments.as_ref().map_or(0, |f| f.kept.capacity())
    }

    /// Number of bytes held because compressed messages may refer to them.
    #[must_use]
    pub fn window(&self) -> usize {
        self.inflate.as_ref().map_or(0, |inflate| inflate.held())
    }

    fn read(
        &mut self,
        mut input: &[u8],
        recent: &mut Recent,
        sink: &mut impl FnMut(Message<'_>),
    ) -> Result<(), Violation> {
        if let Some(partial) = self.partial.take() {
            input = self.complete(*partial, input, recent, sink)?;
        }
        while !self.finished && !input.is_empty() {
            let Some(header) = Header::read(input)? else {
                let mut bytes = [0; HEADER_LIMIT];
                let count = input.len().min(HEADER_LIMIT);
                bytes[..count].copy_from_slice(&input[..count]);
                self.keep(Partial::Head { bytes, count });
                return Ok(());
            };
            let length = self.admit(header)?;
            input = self.take_payload(header, length, &input[header.size..], recent, sink)?;
        }
        Ok(())
    }

    /// Takes the payload of an admitted frame, or the part of it that is there; returns the rest of the bytes.
    fn take_payload<'a>(
        &mut self,
        header: Header,
        length: usize,
        input: &'a [u8],
        recent: &mut Recent,
        sink: &mut impl FnMut(Message<'_>),
    ) -> Result<&'a [u8], Violation> {
        if let Some((payload, rest)) = input.split_at_checked(length) {
            self.accept(header, payload, recent, sink)?;
            return Ok(rest);
        }
        let may_be_known = header.fin && header.opcode == Opcode::Text && !header.compressed;
        self.keep(match recent.begins(input, length).filter(|_| may_be_known) {
            Some(known) => Partial::Known { header, known, same: input.len() },
            None => Partial::Body { header, payload: self.collect(input, length)? },
        });
        Ok(&[])
    }

    /// The start of a payload of `length` bytes, with room for the rest of it.
    fn collect(&self, beginning: &[u8], length: usize) -> Result<PartialMessage, Violation> {
        let mut payload = PartialMessage::new(self.room);
        payload.add(beginning, length)?;
        Ok(payload)
    }

    fn keep(&mut self, partial: Partial) {
        self.partial = Some(Box::new(partial));
    }

    /// Adds bytes to the partial frame; returns the rest of the bytes.
    fn complete<'a>(
        &mut self,
        partial: Partial,
        input: &'a [u8],
        recent: &mut Recent,
        sink: &mut impl FnMut(Message<'_>),
    ) -> Result<&'a [u8], Violation> {
        match partial {
            Partial::Head { bytes, count } => self.complete_head(bytes, count, input, recent, sink),
            Partial::Body { header, mut payload } => {
                let length = self.admit(header)?;
                let (now, rest) = input.split_at(length.saturating_sub(payload.bytes().len()).min(input.len()));
                payload.add(now, length)?;
                if payload.bytes().len() < length {
                    self.keep(Partial::Body { header, payload });
                } else {
                    self.accept(header, payload.bytes(), recent, sink)?;
                }
                Ok(rest)
            }
            Partial::Known { header, known, same } => {
                let expected = &known.text.as_bytes()[same..];
                let (now, rest) = input.split_at(expected.len().min(input.len()));
                if !expected.starts_with(now) {
                    // It is a different text, so collect it from here on.
                    let payload = self.collect(&known.text.as_bytes()[..same], known.text.len())?;
                    return self.complete(Partial::Body { header, payload }, input, recent, sink);
                }
                if now.len() < expected.len() {
                    let same = same + now.len();
                    self.keep(Partial::Known { header, known, same });
                } else {
                    sink(Message::Text(&known.text, known.number));
                }
                Ok(rest)
            }
        }
    }

    fn complete_head<'a>(
        &mut self,
        mut bytes: [u8; HEADER_LIMIT],
        mut count: usize,
        mut input: &'a [u8],
        recent: &mut Recent,
        sink: &mut impl FnMut(Message<'_>),
    ) -> Result<&'a [u8], Violation> {
        let header = loop {
            if let Some(header) = Header::read(&bytes[..count])? {
                break header;
            }
            let Some((next, rest)) = input.split_first() else {
                self.keep(Partial::Head { bytes, count });
                return Ok(&[]);
            };
            bytes[count] = *next;
            count += 1;
            input = rest;
        };
        let length = self.admit(header)?;
        self.take_payload(header, length, input, recent, sink)
    }

    /// Decides by its header whether a frame is allowed now, before any of it is kept.
    /// Returns the size of its payload in bytes.
    fn admit(&self, header: Header) -> Result<usize, Violation> {
        if header.compressed && self.inflate.is_none() {
            return Err(Violation::Protocol("compressed message, but compression was not agreed on"));
        }
        let length = usize::try_from(header.length).map_err(|_| Violation::TooLarge)?;
        let before = match (header.opcode, &self.fragments) {
            (Opcode::Continuation, None) => return Err(Violation::Protocol("continuation of nothing")),
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Violation::Protocol("new message inside a fragmented one"));
            }
            (Opcode::Continuation, Some(fragments)) => fragments.kept.bytes().len(),
            _ => 0,
        };
        if !header.opcode.is_control() && before.saturating_add(length) > self.limit {
            return Err(Violation::TooLarge);
        }
        Ok(length)
    }

    /// Takes a whole admitted frame.
    fn accept(
        &mut self,
        header: Header,
        payload: &[u8],
        recent: &mut Recent,
        sink: &mut impl FnMut(Message<'_>),
    ) -> Result<(), Violation> {
        match header.opcode {
            opcode @ (Opcode::Text | Opcode::Binary) if header.compressed && header.fin => {
                self.inflate(opcode == Opcode::Text, payload, recent, sink)?;
            }
            Opcode::Text if header.fin => text(payload, recent, sink)?,
            Opcode::Binary if header.fin => sink(Message::Binary(payload)),
            Opcode::Ping => sink(Message::Ping(payload)),
            Opcode::Pong => sink(Message::Pong(payload)),
            Opcode::Close => {
                let (code, reason) = close(payload)?;
                self.finish();
                sink(Message::Close { code, reason });
            }
            first @ (Opcode::Text | Opcode::Binary) => {
                let mut kept = PartialMessage::new(self.room);
                kept.add(payload, 0)?;
                let (text, compressed) = (first == Opcode::Text, header.compressed);
                let mut fragments = Box::new(Fragments { text, compressed, kept, valid: 0 });
                fragments.check(false)?;
                self.fragments = Some(fragments);
            }
            Opcode::Continuation => self.go_on(header.fin, payload, recent, sink)?,
        }
        Ok(())
    }

    fn go_on(
        &mut self,
        last: bool,
        payload: &[u8],
        recent: &mut Recent,
        sink: &mut impl FnMut(Message<'_>),
    ) -> Result<(), Violation> {
        let Some(mut fragments) = self.fragments.take() else { return Ok(()) };
        fragments.kept.add(payload, 0)?;
        fragments.check(last)?;
        if !last {
            self.fragments = Some(fragments);
        } else if fragments.compressed {
            self.inflate(fragments.text, fragments.kept.bytes(), recent, sink)?;
        } else if fragments.text {
            sink(Message::Text(utf8(fragments.kept.bytes())?, TextNumber::NONE));
        } else {
            sink(Message::Binary(fragments.kept.bytes()));
        }
        Ok(())
    }

    /// Decompresses a whole message and passes it on.
    fn inflate(
        &mut self,
        is_text: bool,
        packed: &[u8],
        recent: &mut Recent,
        sink: &mut impl FnMut(Message<'_>),
    ) -> Result<(), Violation> {
        let Some(inflate) = &mut self.inflate else { return Ok(()) };
        inflate.message(packed, self.limit, |payload| {
            if is_text {
                return text(payload, recent, sink);
            }
            sink(Message::Binary(payload));
            Ok(())
        })?
    }

    fn finish(&mut self) {
        self.finished = true;
        self.partial = None;
        self.fragments = None;
        self.inflate = None;
    }
}

impl Fragments {
    /// Fails as soon as the text can no longer be UTF-8.
    fn check(&mut self, last: bool) -> Result<(), Violation> {
        if !self.text || self.compressed {
            return Ok(());
        }
        match std::str::from_utf8(&self.kept.bytes()[self.valid..]) {
            Ok(_) => self.valid = self.kept.bytes().len(),
            Err(e) if last || e.error_len().is_some() => return Err(Violation::Utf8),
            Err(e) => self.valid += e.valid_up_to(),
        }
        Ok(())
    }
}

/// Passes on a whole text with its number.
fn text(payload: &[u8], recent: &mut Recent, sink: &mut impl FnMut(Message<'_>)) -> Result<(), Violation> {
    match recent.find(payload) {
        Ok((text, number)) => sink(Message::Text(text, number)),
        Err(fingerprint) => {
            let text = utf8(payload)?;
            sink(Message::Text(text, recent.remember(text, fingerprint)));
        }
    }
    Ok(())
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
