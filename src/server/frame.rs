//! RFC 6455 frames, as a server writes them and as it reads a client's.
//!
//! Knows bytes only: no sockets, no JSON. Reading is bounded by [`MESSAGE_LIMIT`].

use bytes::{BufMut, Bytes, BytesMut};

/// The largest message a client may send, fragments together, in bytes; beyond it the close is 1009.
pub(super) const MESSAGE_LIMIT: usize = 1024 * 1024;
/// The largest payload of a control frame, in bytes (RFC 6455, 5.5).
const CONTROL_LIMIT: usize = 125;

/// The opcodes of RFC 6455.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    /// A further piece of a fragmented message.
    Continuation = 0,
    /// UTF-8 text.
    Text = 1,
    /// Bytes.
    Binary = 2,
    /// Starts the closing handshake.
    Close = 8,
    /// A ping.
    Ping = 9,
    /// The answer to a ping.
    Pong = 10,
}

impl Opcode {
    fn of(nibble: u8) -> Option<Self> {
        [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong]
            .into_iter()
            .find(|code| *code as u8 == nibble)
    }
}

/// The bits beside the opcode in a frame's first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits {
    /// Whether this frame ends its message.
    pub fin: bool,
    /// Whether the payload claims to be compressed.
    pub rsv1: bool,
}

impl Bits {
    /// An ordinary whole message.
    pub(super) const WHOLE: Self = Self { fin: true, rsv1: false };
}

/// Appends one unmasked frame to `out`.
pub(super) fn put(out: &mut BytesMut, opcode: Opcode, bits: Bits, payload: &[u8]) {
    out.reserve(payload.len() + 10);
    out.put_u8(u8::from(bits.fin) << 7 | u8::from(bits.rsv1) << 6 | opcode as u8);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if usize::from(short) <= CONTROL_LIMIT => out.put_u8(short),
        (_, Ok(medium)) => {
            out.put_u8(126);
            out.put_u16(medium);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(payload.len() as u64);
        }
    }
    out.put_slice(payload);
}

/// One whole frame, ready for the socket.
pub(super) fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    put(&mut out, opcode, Bits::WHOLE, payload);
    out.freeze()
}

/// The payload of a frame that [`encode`] made.
pub(super) fn payload(frame: &[u8]) -> Option<&[u8]> {
    let head = match frame.get(1)? {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    frame.get(head..)
}

/// A close frame with `code` and no reason.
pub(super) fn close(code: u16) -> Bytes {
    encode(Opcode::Close, &code.to_be_bytes())
}

/// A whole message or control frame of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Text that is UTF-8.
    Text(String),
    /// Bytes; the plenary knows no binary frames, so they are not kept.
    Binary,
    /// A ping; its pong carries the same bytes.
    Ping(Vec<u8>),
    /// An answer to a ping.
    Pong,
    /// The client closes, with this code if it gave one.
    Close(Option<u16>),
}

/// How a client broke RFC 6455 or the size limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameError {
    /// More than [`MESSAGE_LIMIT`] bytes.
    TooBig,
    /// Text that is not UTF-8.
    NotUtf8,
    /// Anything else: unmasked, reserved bits, broken fragments.
    Protocol,
}

impl FrameError {
    /// The close code that answers it.
    pub(super) fn close_code(self) -> u16 {
        match self {
            Self::TooBig => 1009,
            Self::NotUtf8 => 1007,
            Self::Protocol => 1002,
        }
    }
}

struct Head {
    fin: bool,
    opcode: Opcode,
    mask: [u8; 4],
    /// Bytes before the payload.
    start: usize,
    length: usize,
}

/// Collects a client's bytes into messages.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    bytes: Vec<u8>,
    /// How many of `bytes` are done with.
    done: usize,
    partial: Option<(Opcode, Vec<u8>)>,
}

impl Inbound {
    /// Adds bytes as they were read.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if self.done == self.bytes.len() {
            // Nothing is left over: free what a large frame needed.
            self.bytes = Vec::new();
        } else {
            self.bytes.drain(..self.done);
        }
        self.done = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` if more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<Message>, FrameError> {
        loop {
            let Some(head) = head(self.bytes.get(self.done..).unwrap_or_default(), self.collected())? else {
                return Ok(None);
            };
            let from = self.done + head.start;
            let Some(masked) = self.bytes.get(from..from + head.length) else { return Ok(None) };
            let payload: Vec<u8> = masked.iter().zip(head.mask.iter().cycle()).map(|(b, m)| b ^ m).collect();
            self.done = from + head.length;
            if let Some(message) = self.take(&head, payload)? {
                return Ok(Some(message));
            }
        }
    }

    /// Bytes of the fragmented message so far.
    fn collected(&self) -> usize {
        self.partial.as_ref().map_or(0, |(_, bytes)| bytes.len())
    }

    fn take(&mut self, head: &Head, payload: Vec<u8>) -> Result<Option<Message>, FrameError> {
        match (head.opcode, self.partial.take()) {
            (Opcode::Ping, partial) => {
                self.partial = partial;
                Ok(Some(Message::Ping(payload)))
            }
            (Opcode::Pong, partial) => {
                self.partial = partial;
                Ok(Some(Message::Pong))
            }
            (Opcode::Close, _) => closing(&payload).map(Some),
            (Opcode::Continuation, Some((kind, mut bytes))) => {
                bytes.extend_from_slice(&payload);
                self.finish(head.fin, kind, bytes)
            }
            (kind @ (Opcode::Text | Opcode::Binary), None) => self.finish(head.fin, kind, payload),
            _ => Err(FrameError::Protocol),
        }
    }

    fn finish(&mut self, fin: bool, kind: Opcode, bytes: Vec<u8>) -> Result<Option<Message>, FrameError> {
        if !fin {
            self.partial = Some((kind, bytes));
            return Ok(None);
        }
        match kind {
            Opcode::Text => {
                String::from_utf8(bytes).map(|text| Some(Message::Text(text))).map_err(|_| FrameError::NotUtf8)
            }
            _ => Ok(Some(Message::Binary)),
        }
    }
}

fn closing(payload: &[u8]) -> Result<Message, FrameError> {
    match payload {
        [] => Ok(Message::Close(None)),
        [_] => Err(FrameError::Protocol),
        [high, low, ..] => Ok(Message::Close(Some(u16::from_be_bytes([*high, *low])))),
    }
}

/// Reads a frame's head; `collected` bytes of its message came before.
fn head(bytes: &[u8], collected: usize) -> Result<Option<Head>, FrameError> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let (fin, opcode) = (first & 0x80 != 0, Opcode::of(first & 0x0f).ok_or(FrameError::Protocol)?);
    if first & 0x70 != 0 || second & 0x80 == 0 {
        return Err(FrameError::Protocol);
    }
    let (length, size) = match (second & 0x7f, rest) {
        (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 2),
        (127, [a, b, c, d, e, f, g, h, ..]) => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 8),
        (126 | 127, _) => return Ok(None),
        (short, _) => (u64::from(short), 0),
    };
    let length = usize::try_from(length).map_err(|_| FrameError::TooBig)?;
    if opcode as u8 >= 8 && (!fin || length > CONTROL_LIMIT) {
        return Err(FrameError::Protocol);
    }
    if length > MESSAGE_LIMIT.saturating_sub(collected) {
        return Err(FrameError::TooBig);
    }
    let Some(&[a, b, c, d]) = rest.get(size..size + 4) else { return Ok(None) };
    Ok(Some(Head { fin, opcode, mask: [a, b, c, d], start: 2 + size + 4, length }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(opcode: u8, fin: bool, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![u8::from(fin) << 7 | opcode];
        match payload.len() {
            n @ 0..=125 => out.push(0x80 | n as u8),
            n @ 126..=65535 => {
                out.push(0x80 | 126);
                out.extend((n as u16).to_be_bytes());
            }
            n => {
                out.push(0x80 | 127);
                out.extend((n as u64).to_be_bytes());
            }
        }
        let mask = [7, 99, 200, 3];
        out.extend(mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<Message>, FrameError> {
        let mut inbound = Inbound::default();
        inbound.extend(bytes);
        let mut out = Vec::new();
        while let Some(message) = inbound.next()? {
            out.push(message);
        }
        Ok(out)
    }

    #[test]
    fn a_ping_between_fragments_is_read_before_their_message() {
        let mut bytes = masked(1, false, b"he");
        bytes.extend(masked(9, true, b"?"));
        bytes.extend(masked(0, true, b"llo"));
        assert_eq!(read(&bytes).unwrap(), [Message::Ping(b"?".to_vec()), Message::Text("hello".into())]);
    }

    #[test]
    fn the_size_limit_is_on_the_whole_message() {
        assert_eq!(read(&masked(1, true, &vec![b'a'; MESSAGE_LIMIT])).unwrap().len(), 1);
        assert_eq!(read(&masked(1, true, &vec![b'a'; MESSAGE_LIMIT + 1])), Err(FrameError::TooBig));
        let mut pieces = masked(1, false, &vec![b'a'; MESSAGE_LIMIT]);
        pieces.extend(masked(0, true, b"a"));
        assert_eq!(read(&pieces), Err(FrameError::TooBig));
    }

    #[test]
    fn each_protocol_error_has_its_kind() {
        assert_eq!(read(&[0x81, 0x01, b'a']), Err(FrameError::Protocol));
        assert_eq!(read(&masked(3, true, b"")), Err(FrameError::Protocol));
        assert_eq!(read(&masked(0, true, b"a")), Err(FrameError::Protocol));
        assert_eq!(read(&masked(9, true, &[0; 126])), Err(FrameError::Protocol));
        assert_eq!(read(&masked(1, true, &[0xff])), Err(FrameError::NotUtf8));
        assert_eq!(read(&masked(8, true, &[1])), Err(FrameError::Protocol));
        assert_eq!(read(&masked(8, true, &1000_u16.to_be_bytes())).unwrap(), [Message::Close(Some(1000))]);
    }

    proptest! {
        #[test]
        fn messages_are_the_same_however_the_bytes_are_split(texts in prop::collection::vec("\\PC{0,300}", 1..5), cut in 1_usize..64) {
            let bytes: Vec<u8> = texts.iter().flat_map(|t| masked(1, true, t.as_bytes())).collect();
            let mut inbound = Inbound::default();
            let mut out = Vec::new();
            for piece in bytes.chunks(cut) {
                inbound.extend(piece);
                while let Some(message) = inbound.next().unwrap() {
                    out.push(message);
                }
            }
            let expected: Vec<_> = texts.into_iter().map(Message::Text).collect();
            prop_assert_eq!(out, expected);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }

        #[test]
        fn encoded_headers_hold_the_length(length in prop_oneof![0_usize..300, 65_500_usize..65_600]) {
            let frame = encode(Opcode::Text, &vec![b'x'; length]);
            let told = match frame[1] {
                126 => usize::from(u16::from_be_bytes([frame[2], frame[3]])) + 4,
                127 => u64::from_be_bytes(frame[2..10].try_into().unwrap()) as usize + 10,
                short => usize::from(short) + 2,
            };
            prop_assert_eq!(told, frame.len());
        }
    }
}
