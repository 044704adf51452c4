//! One websocket frame: reads the headers of servers, and encodes whole frames of clients.
//!
//! No I/O. The [`reader`](super::reader) checks which frames may follow which.

use strum::IntoStaticStr;

/// Largest header of a server, in bytes: two bytes and a length of eight, without a mask.
pub const HEADER_LIMIT: usize = 10;

/// Largest payload of a control frame, in bytes.
pub const CONTROL_LIMIT: u64 = 125;

/// The first reserved bit, RSV1: the message is compressed (RFC 7692, 6).
const COMPRESSED: u8 = 0x40;

/// How a server broke the protocol; the connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A message over the size limit.
    TooLarge,
    /// Text, or the reason of a close, that is not UTF-8.
    Utf8,
    /// Anything else, with the rule that was broken.
    Protocol(&'static str),
}

impl Violation {
    /// The close code for the violation.
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::TooLarge => 1009,
            Self::Utf8 => 1007,
            Self::Protocol(_) => 1002,
        }
    }
}

/// The type of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
pub enum Opcode {
    /// Continues the current message.
    Continuation,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
    /// Begins the close.
    Close,
    /// Must be answered with a pong.
    Ping,
    /// The answer to a ping.
    Pong,
}

impl Opcode {
    fn read(bits: u8) -> Result<Self, Violation> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xA => Ok(Self::Pong),
            _ => Err(Violation::Protocol("reserved opcode")),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Whether it is a close, a ping or a pong.
    #[must_use]
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The header of a server's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whether the message ends with this frame.
    pub fin: bool,
    /// Whether the message that starts here is compressed (RSV1).
    pub compressed: bool,
    /// The frame's type.
    pub opcode: Opcode,
    /// Length of the payload, in bytes.
    pub length: u64,
    /// Length of the header itself, in bytes.
    pub size: usize,
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` if more bytes are needed.
    ///
    /// # Errors
    /// Anything that no server may send: reserved bits, reserved opcodes, a mask, and control frames that are long,
    /// fragmented or compressed. The [`reader`](super::reader) checks whether compression was agreed on.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let [first, second, ..] = *bytes else { return Ok(None) };
        if first & 0x30 != 0 {
            return Err(Violation::Protocol("reserved bit"));
        }
        let (fin, opcode) = (first & 0x80 != 0, Opcode::read(first & 0x0F)?);
        let compressed = first & COMPRESSED != 0;
        if compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(Violation::Protocol("compressed frame that begins no message"));
        }
        if second & 0x80 != 0 {
            return Err(Violation::Protocol("masked frame from a server"));
        }
        if opcode.is_control() && !fin {
            return Err(Violation::Protocol("control frame in parts"));
        }
        let (length, size) = match (second, bytes) {
            (126, [_, _, a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
            (127, [_, _, a, b, c, d, e, f, g, h, ..]) => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10),
            (126 | 127, _) => return Ok(None),
            (short, _) => (u64::from(short), 2),
        };
        if opcode.is_control() && length > CONTROL_LIMIT {
            return Err(Violation::Protocol("long control frame"));
        }
        Ok(Some(Self { fin, compressed, opcode, length, size }))
    }
}

/// Encodes a whole client frame: header, `mask`, and `payload` masked with it.
#[must_use]
pub fn encode(opcode: Opcode, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    encode_with(0x80 | opcode.bits(), payload, mask)
}

/// Like [`encode`], for a compressed message (RFC 7692, 6.1).
#[must_use]
pub fn encode_compressed(opcode: Opcode, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    encode_with(0x80 | COMPRESSED | opcode.bits(), payload, mask)
}

fn encode_with(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + HEADER_LIMIT + mask.len());
    frame.push(first);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => frame.push(0x80 | short),
        (_, Ok(medium)) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Masks for one socket: cheap and seeded (splitmix64), but predictable.
///
/// RFC 6455 asks for strong entropy to protect proxies from hostile scripts; a load rig writes all its payloads itself.
#[derive(Debug)]
pub struct Masks(u64);

impl Masks {
    /// Masks that depend only on `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next mask.
    pub fn draw(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let [a, b, c, d, ..] = (z ^ (z >> 31)).to_be_bytes();
        [a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

    proptest! {
        #[test]
        fn a_server_reads_what_we_write(seed: u64, payload in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let frame = encode(Opcode::Binary, &payload, Masks::seeded(seed).draw());
            let wire = std::io::Cursor::new(frame);
            let mut server = WebSocket::from_raw_socket(wire, Role::Server, None);
            prop_assert_eq!(server.read().unwrap(), Message::Binary(payload.into()));
        }
    }

    #[test]
    fn masks_differ_from_frame_to_frame() {
        let mut masks = Masks::seeded(7);
        assert_ne!(masks.draw(), masks.draw());
    }
}
