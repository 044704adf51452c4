//! permessage-deflate (RFC 7692): the offer, which answers are accepted, and messages both ways.

use std::future::poll_fn;
use std::time::Duration;

use crate::scripted_server::{ScriptedServer, frame, settings, switching_protocols};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use proptest::prelude::*;
use soakrig::clock::Clock;
use soakrig::drivers::plenary::Plenary;
use soakrig::model::{EndReason, Failure, FailureKind, Initiator};
use soakrig::protocol::{Driver, Ended, Progress, Session};
use soakrig::transport::dial::Stream;
use soakrig::transport::ws::extension::PerMessageDeflate;
use soakrig::transport::ws::frame::{Masks, Opcode, Violation};
use soakrig::transport::ws::reader::{Message, Reader};
use soakrig::transport::ws::recent::{Recent, TextNumber};
use soakrig::transport::ws::socket::WebSocket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: usize = 10_000;
const END: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// A server's compressor; with `fresh`, no message refers to an earlier one.
struct Server {
    compressor: Compress,
    fresh: bool,
}

impl Server {
    fn new(fresh: bool) -> Self {
        Self { compressor: Compress::new(Compression::default(), false), fresh }
    }

    fn pack(&mut self, text: &[u8]) -> Vec<u8> {
        if self.fresh {
            self.compressor.reset();
        }
        let mut packed = Vec::with_capacity(text.len() + 1_000);
        self.compressor.compress_vec(text, &mut packed, FlushCompress::Sync).unwrap();
        packed.truncate(packed.len() - END.len());
        packed
    }

    /// A whole text frame, compressed.
    fn text(&mut self, text: &str) -> Vec<u8> {
        frame(0xC1, &self.pack(text.as_bytes()))
    }
}

fn reader(server_takeover: bool) -> Reader {
    Reader::new(LIMIT).compressed(PerMessageDeflate { server_takeover, ..PerMessageDeflate::default() })
}

/// What a reader makes of pieces of a stream: texts, and other messages as they are shown.
fn read(reader: &mut Reader, pieces: &[&[u8]]) -> (Vec<String>, Result<(), Violation>) {
    let (mut seen, mut recent) = (Vec::new(), Recent::default());
    for piece in pieces {
        let outcome = reader.feed(piece, &mut recent, |message| {
            seen.push(match message {
                Message::Text(text, _) => text.to_owned(),
                other => format!("{other:?}"),
            });
        });
        if outcome.is_err() {
            return (seen, outcome);
        }
    }
    (seen, Ok(()))
}

#[test]
fn a_compressed_broadcast_has_one_number_on_all_sockets() {
    let (mut first, mut second) = (reader(true), reader(true));
    let mut recent = Recent::default();
    let mut numbers = Vec::new();
    let texts = ["a chat to all", "a chat to all", "another chat to all"];
    let (mut to_first, mut to_second) = (Server::new(false), Server::new(false));
    to_second.pack(b"so that the same text is compressed otherwise");
    second
        .feed(&Server::new(false).text("so that the same text is compressed otherwise"), &mut recent, |_| {})
        .unwrap();
    for text in texts {
        let mut hear = |message: Message<'_>| {
            let Message::Text(heard, number) = message else { panic!("{message:?}") };
            assert_eq!(heard, text);
            numbers.push(number);
        };
        first.feed(&to_first.text(text), &mut recent, &mut hear).unwrap();
        second.feed(&to_second.text(text), &mut recent, &mut hear).unwrap();
    }
    assert!(numbers[..4].iter().all(|number| *number == numbers[0] && *number != TextNumber::NONE), "{numbers:?}");
    assert!(numbers[4] == numbers[5] && numbers[4] != numbers[0], "{numbers:?}");
}

#[test]
fn compressed_and_plain_messages_may_alternate_and_come_in_fragments() {
    let sentence = "a message in three parts, a message in three parts";
    for server_takeover in [true, false] {
        let mut server = Server::new(!server_takeover);
        let first = server.text("first");
        let packed = server.pack(sentence.as_bytes());
        let stream = [
            first,
            frame(0x81, b"plain"),
            frame(0x41, &packed[..3]),
            frame(0x89, b"p"),
            frame(0x00, &packed[3..4]),
            frame(0x80, &packed[4..]),
            frame(0xC1, &[0]),
            frame(0xC2, &server.pack(b"bytes")),
        ]
        .concat();
        let expected = ["first", "plain", "Ping([112])", sentence, "", "Binary([98, 121, 116, 101, 115])"];
        let by_bytes: Vec<&[u8]> = stream.chunks(1).collect();
        for pieces in [&[&stream[..]][..], &by_bytes] {
            let (seen, outcome) = read(&mut reader(server_takeover), pieces);
            assert_eq!((seen.as_slice(), outcome), (expected.map(String::from).as_slice(), Ok(())));
        }
    }
}

#[test]
fn rsv1_is_a_violation_unless_a_message_starts_and_compression_was_agreed_on() {
    let text = Server::new(true).text("hello");
    assert!(matches!(read(&mut Reader::new(LIMIT), &[&text]).1, Err(Violation::Protocol(_))));
    let begun = frame(0x01, b"he");
    for stream in [frame(0xC9, b"p"), frame(0xCA, b"p"), frame(0xC8, &[]), [begun, frame(0xC0, b"llo")].concat()] {
        let (_, outcome) = read(&mut reader(true), &[&stream]);
        assert_eq!(outcome.map_err(Violation::close_code), Err(1002), "{stream:02x?}");
    }
    for reserved in [0xA1, 0x91, 0xE1, 0xD1] {
        assert!(read(&mut reader(true), &[&frame(reserved, b"x")]).1.is_err());
    }
}

#[test]
fn the_frame_limit_holds_for_what_comes_and_for_what_it_unpacks_to() {
    let text = "x".repeat(LIMIT);
    assert_eq!(read(&mut reader(true), &[&Server::new(true).text(&text)]).0, [text]);
    let bomb = Server::new(true).pack(&vec![b'x'; 50 << 20]);
    let (begin, rest) = bomb[..9_000].split_at(4_000);
    let in_fragments = [frame(0x41, begin), frame(0x80, rest)].concat();
    for stream in [frame(0xC1, &bomb[..9_000]), in_fragments, frame(0xC1, &vec![0; LIMIT + 1])] {
        let mut reader = reader(true);
        assert_eq!(read(&mut reader, &[&stream]), (Vec::new(), Err(Violation::TooLarge)));
        assert_eq!((reader.held(), reader.window()), (0, 0), "a refused reader keeps nothing");
    }
}

#[test]
fn text_is_checked_for_utf8_once_it_is_unpacked() {
    let broken = frame(0xC1, &Server::new(true).pack(&[b'a', 0xFF]));
    assert_eq!(read(&mut reader(true), &[&broken]).1, Err(Violation::Utf8));
    let bytes = frame(0xC2, &Server::new(true).pack(&[b'a', 0xFF]));
    assert_eq!(read(&mut reader(true), &[&bytes]).0, ["Binary([97, 255])"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn messages_are_read_however_they_are_cut(
        messages in prop::collection::vec(("[a-d ]{0,200}", any::<bool>(), any::<prop::sample::Index>()), 1..10),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        server_takeover: bool,
    ) {
        let mut server = Server::new(!server_takeover);
        let stream: Vec<u8> = messages.iter().flat_map(|(text, compressed, part)| {
            if !*compressed {
                return frame(0x81, text.as_bytes());
            }
            let packed = server.pack(text.as_bytes());
            let (begin, rest) = packed.split_at(part.index(packed.len() + 1));
            [frame(0x41, begin), frame(0x80, rest)].concat()
        }).collect();
        let mut places: Vec<usize> = places.iter().map(|place| place.index(stream.len() + 1)).collect();
        places.extend([0, stream.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        let texts: Vec<String> = messages.into_iter().map(|(text, ..)| text).collect();
        prop_assert_eq!(read(&mut reader(server_takeover), &pieces), (texts, Ok(())));
    }
}

/// Connects to a server that adds these lines to its answer; returns the request it received.
async fn connect(compression: bool, answer: &'static str) -> (Option<String>, Result<(), Failure>) {
    let server = ScriptedServer::start(move |request, mut stream| async move {
        let head = switching_protocols(&request);
        let head = head.strip_suffix("\r\n").unwrap();
        let _ = stream.write_all(format!("{head}{answer}\r\n").as_bytes()).await;
    })
    .await;
    let mut settings = settings(&server.url());
    settings.connection.compression = compression;
    let outcome = Plenary::new(settings).unwrap().connect(&mut Session::default()).await.map(drop);
    let asked = server.requests().pop().unwrap();
    (asked.header("sec-websocket-extensions").map(str::to_owned), outcome)
}

#[tokio::test]
async fn compression_is_offered_as_browsers_do_and_only_where_it_is_on() {
    let offer = Some("permessage-deflate; client_max_window_bits".to_owned());
    let (asked, outcome) = connect(true, "").await;
    assert_eq!(asked, offer, "a server may decline");
    outcome.unwrap();
    let (asked, outcome) =
        connect(true, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n").await;
    assert_eq!(asked, offer);
    outcome.unwrap();
    let (asked, outcome) = connect(false, "Sec-WebSocket-Extensions: permessage-deflate\r\n").await;
    assert_eq!((asked, outcome.unwrap_err().kind), (None, FailureKind::BadHandshake));
}

#[tokio::test]
async fn an_answer_that_was_not_offered_fails_the_handshake_in_words() {
    let (_, outcome) =
        connect(true, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7\r\n").await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.kind, FailureKind::BadHandshake);
    assert!(failure.detail.contains("server_max_window_bits=7") && failure.detail.contains("8 to 15"), "{failure}");
}

/// A socket with compression, and its peer's end.
async fn pair(terms: PerMessageDeflate) -> (WebSocket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let theirs = listener.accept().await.unwrap().0;
    let socket = WebSocket::new(Stream::Plain(ours), None, LIMIT, Clock::start(), Masks::seeded(1));
    (socket.compressed(terms), theirs)
}

async fn step(socket: &mut WebSocket) -> Progress {
    let step = poll_fn(|cx| socket.poll_drive(cx, |_, _| {}));
    tokio::time::timeout(Duration::from_secs(180), step).await.expect("progress")
}

/// A client's frame: its first byte, and its payload without the mask.
async fn client_frame(peer: &mut TcpStream) -> (u8, Vec<u8>) {
    let (first, second) = (peer.read_u8().await.unwrap(), peer.read_u8().await.unwrap());
    let length = match second & 0x7F {
        126 => usize::from(peer.read_u16().await.unwrap()),
        short => usize::from(short),
    };
    let mut mask = [0; 4];
    peer.read_exact(&mut mask).await.unwrap();
    let mut payload = vec![0; length];
    peer.read_exact(&mut payload).await.unwrap();
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    (first, payload)
}

#[tokio::test]
async fn our_messages_are_compressed_within_the_servers_window_and_control_frames_never() {
    let (mut socket, mut peer) =
        pair(PerMessageDeflate { client_window_bits: 10, ..PerMessageDeflate::default() }).await;
    // One decompressor for all: a server may keep its context, whatever the client does.
    let mut decompressor = Decompress::new(false);
    for (length, compressed) in [(1, false), (500, true), (1_024, true), (1_025, false), (400, true)] {
        let text = vec![b'y'; length];
        assert!(socket.begin(Opcode::Text, &text));
        let (progress, (first, payload)) = tokio::join!(step(&mut socket), client_frame(&mut peer));
        assert_eq!(progress, Progress::Written);
        assert_eq!(first, if compressed { 0xC1 } else { 0x81 }, "{length} bytes");
        if compressed {
            let mut unpacked = Vec::with_capacity(LIMIT);
            let whole = [payload.as_slice(), &END].concat();
            decompressor.decompress_vec(&whole, &mut unpacked, FlushDecompress::Sync).unwrap();
            assert_eq!(unpacked, text);
        } else {
            assert_eq!(payload, text);
        }
    }
    peer.write_all(&frame(0x89, &[b'p'; 100])).await.unwrap();
    assert!(matches!(step(&mut socket).await, Progress::Read { .. }));
    let pong = tokio::select! {
        pong = client_frame(&mut peer) => pong,
        other = step(&mut socket) => panic!("{other:?}"),
    };
    assert_eq!(pong, (0x8A, vec![b'p'; 100]));
}

#[tokio::test]
async fn damaged_data_ends_the_connection_with_1002_and_a_bomb_with_1009() {
    let bomb = frame(0xC1, &Server::new(true).pack(&vec![b'x'; 1 << 20]));
    for (bytes, code, reason) in
        [(frame(0xC1, b"no deflate"), 1002_u16, EndReason::ProtocolViolation), (bomb, 1009, EndReason::FrameTooLarge)]
    {
        let (mut socket, mut peer) = pair(PerMessageDeflate::default()).await;
        peer.write_all(&bytes).await.unwrap();
        let ended = loop {
            if let Progress::Ended(ended) = step(&mut socket).await {
                break ended;
            }
        };
        assert_eq!(ended, Ended { initiator: Initiator::Server, reason });
        assert_eq!(client_frame(&mut peer).await, (0x88, code.to_be_bytes().to_vec()));
    }
}
