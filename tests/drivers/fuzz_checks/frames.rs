//! Checks the frame reader against tungstenite, on any bytes in any pieces.

use std::io::{Cursor, Read, Write};

use soakrig::transport::ws::extension::PerMessageDeflate;
use soakrig::transport::ws::reader::{Message, Reader};
use soakrig::transport::ws::recent::Recent;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Theirs};

/// The largest message either reader takes.
pub const LIMIT: usize = 1000;

/// A message of either reader, in one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

/// How a stream ended for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All bytes read, and more may come.
    Open,
    Closed,
    Refused,
}

pub fn ours(pieces: &[&[u8]]) -> (Vec<Owned>, End) {
    read_up_to(LIMIT, pieces, &mut Recent::default())
}

pub fn read_up_to(limit: usize, pieces: &[&[u8]], recent: &mut Recent) -> (Vec<Owned>, End) {
    read_by(Reader::new(limit), pieces, recent)
}

fn read_by(mut reader: Reader, pieces: &[&[u8]], recent: &mut Recent) -> (Vec<Owned>, End) {
    let mut messages = Vec::new();
    let mut end = End::Open;
    for piece in pieces {
        let outcome = reader.feed(piece, recent, |message| {
            messages.push(match message {
                Message::Text(text, _) => Owned::Text(text.to_owned()),
                Message::Binary(bytes) => Owned::Binary(bytes.to_vec()),
                Message::Ping(bytes) => Owned::Ping(bytes.to_vec()),
                Message::Pong(bytes) => Owned::Pong(bytes.to_vec()),
                Message::Close { code, reason } => Owned::Close(code.map(|code| (code, reason.to_owned()))),
            });
        });
        if outcome.is_err() {
            end = End::Refused;
        }
    }
    if matches!(messages.last(), Some(Owned::Close(_))) {
        end = End::Closed;
    }
    (messages, end)
}

/// The bytes of a stream; what is written to it is dropped.
struct MemoryStream(Cursor<Vec<u8>>);

impl Read for MemoryStream {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for MemoryStream {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn theirs(stream: &[u8]) -> (Vec<Owned>, End) {
    let config = WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(MemoryStream(Cursor::new(stream.to_vec())), Role::Client, Some(config));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(Theirs::Text(text)) => messages.push(Owned::Text(text.to_string())),
            Ok(Theirs::Binary(bytes)) => messages.push(Owned::Binary(bytes.to_vec())),
            Ok(Theirs::Ping(bytes)) => messages.push(Owned::Ping(bytes.to_vec())),
            Ok(Theirs::Pong(bytes)) => messages.push(Owned::Pong(bytes.to_vec())),
            // It does not refuse a close code out of range, it rewrites it.
            Ok(Theirs::Close(Some(close)))
                if close.code == CloseCode::Protocol && close.reason.as_str() == "Protocol violation" =>
            {
                return (messages, End::Refused);
            }
            Ok(Theirs::Close(close)) => {
                messages.push(Owned::Close(close.map(|c| (c.code.into(), c.reason.to_string()))));
                return (messages, End::Closed);
            }
            Ok(Theirs::Frame(_)) => unreachable!(),
            Err(Error::Protocol(e)) if e.to_string().contains("without closing handshake") => {
                return (messages, End::Open);
            }
            Err(_) => return (messages, End::Refused),
        }
    }
}

/// Reads a stream in `pieces` and whole, by either reader, and wants the same verdict.
pub fn agree(pieces: &[&[u8]]) {
    let stream = pieces.concat();
    let mine = ours(pieces);
    if holds_1014(&mine.0) {
        return;
    }
    let reference = theirs(&stream);
    assert_eq!(mine.0, reference.0, "{stream:02x?}");
    if mine.1 == End::Refused && reference.1 == End::Open {
        // We refuse a frame by its header, tungstenite once it is whole: let it come whole.
        let mut longer = stream;
        longer.extend([0; 2 * LIMIT]);
        assert_eq!(theirs(&longer).1, End::Refused, "{longer:02x?}");
        return;
    }
    assert_eq!(mine.1, reference.1, "{stream:02x?}");
}

/// 1014 is in the registry since 2020; tungstenite does not know it.
fn holds_1014(messages: &[Owned]) -> bool {
    messages.iter().any(|message| matches!(message, Owned::Close(Some((1014, _)))))
}

/// The cache must change nothing: for the same stream, in pieces or whole, and for a stream that only
/// resembles a cached one.
fn the_cache_changes_nothing(pieces: &[&[u8]]) {
    const LARGE: usize = 1 << 20;
    let stream = pieces.concat();
    let fresh = read_up_to(LARGE, &[&stream], &mut Recent::default());
    let mut recent = Recent::default();
    for again in [pieces, &[stream.as_slice()], pieces] {
        assert_eq!(read_up_to(LARGE, again, &mut recent), fresh, "{stream:02x?}");
    }
    let mut other = stream;
    if let Some(last) = other.last_mut() {
        *last ^= 1;
    }
    let alone = read_up_to(LARGE, &[&other], &mut Recent::default());
    assert_eq!(read_up_to(LARGE, &[&other], &mut recent), alone, "{other:02x?}");
}

/// With compression, on any bytes: no message is over the limit, and cuts change nothing.
fn compression_is_bounded(pieces: &[&[u8]]) {
    let stream = pieces.concat();
    for server_takeover in [true, false] {
        let terms = PerMessageDeflate { server_takeover, ..PerMessageDeflate::default() };
        let read = |pieces: &[&[u8]]| read_by(Reader::new(LIMIT).compressed(terms), pieces, &mut Recent::default());
        let whole = read(&[&stream]);
        for message in &whole.0 {
            let size = match message {
                Owned::Text(text) => text.len(),
                Owned::Binary(bytes) => bytes.len(),
                _ => 0,
            };
            assert!(size <= LIMIT, "{stream:02x?}");
        }
        assert_eq!(read(pieces), whole, "{stream:02x?}");
    }
}

/// The fuzz target: the first byte is the number of bytes that follow as places to cut at, in
/// 256ths of the rest; the rest is the stream.
pub fn check(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else { return };
    let (cuts, stream) = rest.split_at(usize::from(count % 8).min(rest.len()));
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) * stream.len() / 256).collect();
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
    agree(&pieces);
    compression_is_bounded(&pieces);
    the_cache_changes_nothing(&pieces);
}
