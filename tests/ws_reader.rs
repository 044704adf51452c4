//! The frame reader against tungstenite's, on arbitrary byte streams in arbitrary pieces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use soakrig::drivers::ws::frame::Violation;
use soakrig::drivers::ws::reader::{Message, Reader};
use soakrig::drivers::ws::recent::Recent;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Theirs};

const LIMIT: usize = 1000;

/// A message of either reader, in one form.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

/// How a stream ended for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All bytes read, and more may come.
    Open,
    Closed,
    Refused,
}

fn ours(pieces: &[&[u8]]) -> (Vec<Owned>, End) {
    read_up_to(LIMIT, pieces, &mut Recent::default())
}

fn read_up_to(limit: usize, pieces: &[&[u8]], recent: &mut Recent) -> (Vec<Owned>, End) {
    let mut reader = Reader::new(limit);
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
struct Wire(Cursor<Vec<u8>>);

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn theirs(stream: &[u8]) -> (Vec<Owned>, End) {
    let config = WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(Wire(Cursor::new(stream.to_vec())), Role::Client, Some(config));
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

/// Cuts a stream into pieces at the given places.
fn cut<'a>(stream: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

fn agree(stream: &[u8], places: &[prop::sample::Index]) -> Result<(), TestCaseError> {
    let mine = ours(&cut(stream, places));
    let reference = theirs(stream);
    prop_assert_eq!(&mine.0, &reference.0);
    if mine.1 == End::Refused && reference.1 == End::Open {
        // We refuse a frame by its header, tungstenite once it is whole: let it come whole.
        let mut longer = stream.to_vec();
        longer.extend([0; 2 * LIMIT]);
        let (_, end) = theirs(&longer);
        prop_assert_eq!(end, End::Refused);
        return Ok(());
    }
    prop_assert_eq!(mine.1, reference.1);
    Ok(())
}

/// A frame of a server, mostly as it should be.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        12 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => "\\PC{0,60}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..10),
        1 => ("é".prop_map(String::into_bytes), 0..2_usize).prop_map(|(b, at)| vec![b[at]]),
        1 => prop::collection::vec(0x61..0x7A_u8, 100..400),
        1 => (900..1100_u16, "[a-z]{0,5}").prop_map(|(c, r)| [&c.to_be_bytes(), r.as_bytes()].concat()),
        1 => (any::<u16>(), "[a-z]{0,5}").prop_map(|(c, r)| [&c.to_be_bytes(), r.as_bytes()].concat()),
    ];
    let shape = prop::sample::select(vec![0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
    (first, payload, shape).prop_map(|(first, payload, shape)| {
        let mut frame = vec![first];
        match (shape, payload.len()) {
            (0, short @ 0..=125) => frame.push(short as u8),
            (0 | 1, medium) => {
                frame.push(126);
                frame.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            (2, long) => {
                frame.push(127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
            (_, masked) => {
                frame.push(0x80 | (masked.min(125) as u8));
                frame.extend_from_slice(&[0; 4]);
            }
        }
        frame.extend_from_slice(&payload);
        frame
    })
}

/// 1014 is in the registry since 2020; tungstenite does not know it.
fn holds_1014(messages: &[Owned]) -> bool {
    messages.iter().any(|message| matches!(message, Owned::Close(Some((1014, _)))))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn frames_are_read_as_tungstenite_reads_them(
        frames in prop::collection::vec(frame(), 0..12),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream = frames.concat();
        prop_assume!(!holds_1014(&ours(&[&stream]).0));
        agree(&stream, &places)?;
    }

    #[test]
    fn bytes_are_read_as_tungstenite_reads_them(
        stream in prop::collection::vec(any::<u8>(), 0..300),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        prop_assume!(!holds_1014(&ours(&[&stream]).0));
        agree(&stream, &places)?;
    }
}

/// A text frame with a header of four bytes.
fn long_text(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0x81, 126][..], &length, payload].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever a thread remembers: what it reads is the same. Small texts, large ones, and ones
    /// that begin like a known one and then go on otherwise, or end in half a character.
    #[test]
    fn remembering_changes_nothing(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize, any::<bool>()), 1..12),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let known = "a list of members, \u{e9}. ".repeat(250).into_bytes();
        let frames = changes.iter().map(|(at, change, small)| {
            let mut text = known[..if *small { 40 } else { known.len() }].to_vec();
            let at = at.index(text.len());
            match change {
                1 => text[at] = b'x',
                2 => text.truncate(at),
                3 => text[at] = 0xFF,
                _ => {}
            }
            long_text(&text)
        });
        let stream: Vec<u8> = frames.collect::<Vec<_>>().concat();
        let whole = read_up_to(1 << 20, &[&stream], &mut Recent::default());
        let mut recent = Recent::default();
        for _ in 0..2 {
            prop_assert_eq!(&read_up_to(1 << 20, &cut(&stream, &places), &mut recent), &whole);
        }
    }
}

fn feed(bytes: &[u8]) -> Result<(), Violation> {
    Reader::new(LIMIT).feed(bytes, &mut Recent::default(), |_| {})
}

#[test]
fn sizes_are_judged_by_the_header_alone() {
    let mut reader = Reader::new(LIMIT);
    let announced = [&[0x82, 127][..], &u64::MAX.to_be_bytes()].concat();
    assert_eq!(reader.feed(&announced, &mut Recent::default(), |_| {}), Err(Violation::TooLarge));
    assert_eq!(reader.held(), 0);
    assert_eq!(feed(&[0x82, 126, 0x03, 0xE9]), Err(Violation::TooLarge));
    assert_eq!(feed(&[0x82, 126, 0x03, 0xE8]), Ok(()));
    let fragments = [&[0x02, 126, 0x03, 0xE8][..], &[7; 1000], &[0x80, 1]].concat();
    assert_eq!(feed(&fragments), Err(Violation::TooLarge));
}

#[test]
fn control_frames_may_come_between_fragments() {
    let stream = [&[0x01, 2][..], b"he", &[0x89, 1], b"p", &[0x00, 0], &[0x80, 3], b"llo"].concat();
    let (messages, end) = ours(&[&stream]);
    assert_eq!(messages, [Owned::Ping(b"p".to_vec()), Owned::Text("hello".to_owned())]);
    assert_eq!(end, End::Open);
}

#[test]
fn codes_of_the_registry_are_accepted() {
    for code in [1000, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4000, 4999_u16] {
        let stream = [&[0x88, 2][..], &code.to_be_bytes()].concat();
        assert_eq!(ours(&[&stream]).0, [Owned::Close(Some((code, String::new())))]);
    }
}

#[test]
fn memory_of_a_large_frame_is_given_back() {
    let mut reader = Reader::new(1 << 20);
    let stream = [&[0x81, 127][..], &200_000_u64.to_be_bytes(), &[b'x'; 200_000]].concat();
    let mut whole = 0;
    let mut recent = Recent::default();
    for piece in stream.chunks(65_536) {
        reader.feed(piece, &mut recent, |message| whole += usize::from(matches!(message, Message::Text(..)))).unwrap();
    }
    assert_eq!((whole, reader.held()), (1, 0));
}

#[test]
fn nothing_counts_after_a_close() {
    let stream = [&[0x88, 0][..], &[0x81, 1], b"x", &[0xFF, 0xFF]].concat();
    assert_eq!(ours(&[&stream]), (vec![Owned::Close(None)], End::Closed));
}
