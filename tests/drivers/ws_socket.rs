//! One socket against a bare TCP peer: writing, reading, and every way a connection ends.

use std::future::poll_fn;
use std::time::Duration;

use crate::scripted_server::{close, frame, text};
use soakrig::clock::Clock;
use soakrig::model::{EndReason, Initiator};
use soakrig::protocol::{Ended, Progress};
use soakrig::transport::dial::Stream;
use soakrig::transport::ws::frame::{Masks, Opcode};
use soakrig::transport::ws::reader::Message;
use soakrig::transport::ws::socket::WebSocket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message as Theirs, Utf8Bytes};

use futures_util::{SinkExt, StreamExt};

const LIMIT: usize = 1 << 20;

/// A socket and its peer's end.
async fn pair() -> (WebSocket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let theirs = listener.accept().await.unwrap().0;
    (WebSocket::new(Stream::Plain(ours), None, LIMIT, Clock::start(), Masks::seeded(1)), theirs)
}

/// Like [`pair`], with a websocket server at the other end.
async fn pair_with_server() -> (WebSocket, WebSocketStream<TcpStream>) {
    let (socket, peer) = pair().await;
    (socket, WebSocketStream::from_raw_socket(peer, Role::Server, None).await)
}

async fn step(socket: &mut WebSocket, seen: &mut Vec<String>) -> Progress {
    poll_fn(|cx| {
        socket.poll_drive(cx, |_, message| {
            seen.push(match message {
                Message::Text(text, _) => text.to_owned(),
                other => format!("{other:?}"),
            });
        })
    })
    .await
}

/// Drives to the end; returns the events, and how it ended.
async fn to_the_end(socket: &mut WebSocket) -> (Vec<String>, Vec<Progress>, Ended) {
    let (mut seen, mut news) = (Vec::new(), Vec::new());
    let work = async {
        loop {
            match step(socket, &mut seen).await {
                Progress::Ended(ended) => return ended,
                Progress::Read { .. } => {}
                other => news.push(other),
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(180), work).await.expect("an end");
    (seen, news, ended)
}

fn ended(initiator: Initiator, reason: EndReason) -> Ended {
    Ended { initiator, reason }
}

#[tokio::test]
async fn tungstenite_reads_what_we_write() {
    let (mut socket, mut server) = pair_with_server().await;
    for size in [0, 125, 126, 65_535, 65_536] {
        let payload = "x".repeat(size);
        assert!(socket.begin(Opcode::Text, payload.as_bytes()));
        assert!(socket.is_writing());
        assert!(!socket.begin(Opcode::Text, b"too early"));
        let mut seen = Vec::new();
        let (progress, message) = tokio::join!(step(&mut socket, &mut seen), server.next());
        assert_eq!(progress, Progress::Written);
        assert!(!socket.is_writing());
        assert_eq!(message.unwrap().unwrap(), Theirs::Text(payload.into()));
    }
}

#[tokio::test]
async fn pings_are_answered_with_their_payload() {
    let (mut socket, mut server) = pair_with_server().await;
    server.send(Theirs::Ping(vec![1, 2, 3].into())).await.unwrap();
    let mut seen = Vec::new();
    let pong = async {
        tokio::select! {
            message = server.next() => message.unwrap().unwrap(),
            () = async { loop { step(&mut socket, &mut seen).await; } } => unreachable!(),
        }
    };
    assert_eq!(pong.await, Theirs::Pong(vec![1, 2, 3].into()));
    assert_eq!(seen, ["Ping([1, 2, 3])"]);
}

#[tokio::test]
async fn frames_are_read_while_a_write_is_blocked() {
    let (mut socket, mut peer) = pair().await;
    let large = vec![b'x'; 16 << 20];
    assert!(socket.begin(Opcode::Binary, &large));
    peer.write_all(&[text("one"), frame(0x89, b"p"), text("two")].concat()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        assert!(matches!(step(&mut socket, &mut seen).await, Progress::Read { .. }));
    }
    assert_eq!(seen, ["one", "Ping([112])", "two"]);
    assert!(socket.is_writing());
    // The pong waits until the frame in writing is whole.
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let mut server = WebSocketStream::from_raw_socket(peer, Role::Server, Some(config)).await;
    let request = tokio::spawn(async move {
        let whole = server.next().await.unwrap().unwrap();
        (whole.len(), server.next().await.unwrap().unwrap())
    });
    assert_eq!(to_the_end(&mut socket).await.1, [Progress::Written]);
    assert_eq!(request.await.unwrap(), (large.len(), Theirs::Pong(b"p".to_vec().into())));
}

#[tokio::test]
async fn a_dropped_drive_loses_no_frame() {
    let (mut socket, mut peer) = pair().await;
    let stream = [text("a"), text(&"b".repeat(300)), text("c")].concat();
    let mut seen = Vec::new();
    for chunk in stream.chunks(7) {
        // Polled once and dropped, mostly before anything has arrived.
        let _ = futures_util::FutureExt::now_or_never(step(&mut socket, &mut seen));
        peer.write_all(chunk).await.unwrap();
    }
    while seen.len() < 3 {
        step(&mut socket, &mut seen).await;
    }
    assert_eq!(seen, ["a".to_owned(), "b".repeat(300), "c".to_owned()]);
}

#[tokio::test]
async fn each_close_code_of_the_server_has_its_reason() {
    for (code, reason) in [
        (1000, EndReason::Normal),
        (1001, EndReason::GoingAway),
        (1009, EndReason::MessageTooBig),
        (1011, EndReason::InternalError),
        (1012, EndReason::ServiceRestart),
        (4000, EndReason::Application),
        (3000, EndReason::OtherCode),
    ] {
        let (mut socket, mut peer) = pair().await;
        peer.write_all(&[text("last"), close(code)].concat()).await.unwrap();
        let reply = tokio::spawn(async move {
            let mut reply = vec![0; 8];
            peer.read_exact(&mut reply).await.unwrap();
            reply
        });
        let (seen, news, end) = to_the_end(&mut socket).await;
        assert_eq!(seen[0], "last");
        assert_eq!(news, [Progress::Closing(ended(Initiator::Server, reason))]);
        assert_eq!(end, ended(Initiator::Server, reason));
        let reply = reply.await.unwrap();
        let code_back = u16::from_be_bytes([reply[6] ^ reply[2], reply[7] ^ reply[3]]);
        assert_eq!((reply[0], reply[1], code_back), (0x88, 0x82, code));
    }
}

#[tokio::test]
async fn a_close_without_a_code_and_an_end_without_a_close_differ() {
    let (mut socket, mut peer) = pair().await;
    peer.write_all(&frame(0x88, b"")).await.unwrap();
    drop(peer);
    assert_eq!(to_the_end(&mut socket).await.2, ended(Initiator::Server, EndReason::NoCode));
    let (mut socket, mut peer) = pair().await;
    peer.write_all(&text("last")).await.unwrap();
    drop(peer);
    let (seen, _, end) = to_the_end(&mut socket).await;
    assert_eq!((seen, end), (vec!["last".to_owned()], ended(Initiator::Server, EndReason::NoCloseFrame)));
}

#[tokio::test]
async fn a_reset_is_a_network_disconnect_after_the_frames_before_it() {
    for writing in [false, true] {
        let (mut socket, mut peer) = pair().await;
        if writing {
            assert!(socket.begin(Opcode::Binary, &vec![0; 16 << 20]));
        }
        peer.write_all(&text("last")).await.unwrap();
        let mut seen = Vec::new();
        step(&mut socket, &mut seen).await;
        peer.set_zero_linger().unwrap();
        drop(peer);
        assert_eq!(to_the_end(&mut socket).await.2, ended(Initiator::Network, EndReason::Reset), "{writing}");
        assert_eq!(seen, ["last"]);
    }
}

#[tokio::test]
async fn violations_close_the_connection_with_their_code() {
    let too_large = [&[0x81, 127][..], &(LIMIT as u64 + 1).to_be_bytes()].concat();
    for (bytes, reason, code) in [
        (too_large, EndReason::FrameTooLarge, 1009_u16),
        (frame(0x81, &[0xFF]), EndReason::InvalidUtf8, 1007),
        (frame(0xC1, b"deflated"), EndReason::ProtocolViolation, 1002),
        (frame(0x83, b""), EndReason::ProtocolViolation, 1002),
        (frame(0x80, b"of nothing"), EndReason::ProtocolViolation, 1002),
        (vec![0x81, 0x81, 0, 0, 0, 0, b'x'], EndReason::ProtocolViolation, 1002),
        (frame(0x88, &[3]), EndReason::ProtocolViolation, 1002),
        (frame(0x88, &1005_u16.to_be_bytes()), EndReason::ProtocolViolation, 1002),
    ] {
        let (mut socket, mut peer) = pair().await;
        peer.write_all(&[text("before"), bytes, text("after")].concat()).await.unwrap();
        let (seen, _, end) = to_the_end(&mut socket).await;
        assert_eq!((seen, end), (vec!["before".to_owned()], ended(Initiator::Server, reason)));
        let mut reply = [0; 8];
        peer.read_exact(&mut reply).await.unwrap();
        assert_eq!(u16::from_be_bytes([reply[6] ^ reply[2], reply[7] ^ reply[3]]), code);
    }
}

#[tokio::test]
async fn after_a_close_by_us_pending_frames_are_still_read() {
    let (mut socket, mut server) = pair_with_server().await;
    server.send(Theirs::Text("under way".into())).await.unwrap();
    socket.close();
    assert!(!socket.begin(Opcode::Text, b"too late"));
    let server = tokio::spawn(async move {
        let mut request = Vec::new();
        while let Some(Ok(message)) = server.next().await {
            request.push(message);
        }
        request
    });
    let (seen, _, end) = to_the_end(&mut socket).await;
    assert_eq!(seen[0], "under way");
    assert_eq!(end, ended(Initiator::User, EndReason::Left));
    let request = server.await.unwrap();
    assert!(matches!(&request[..], [Theirs::Close(Some(close))] if u16::from(close.code) == 1000), "{request:?}");
}

#[tokio::test]
async fn a_frame_begun_before_the_close_is_written_first() {
    let (mut socket, mut server) = pair_with_server().await;
    assert!(socket.begin(Opcode::Text, b"last words"));
    socket.close();
    let server = tokio::spawn(async move {
        let first = server.next().await.unwrap().unwrap();
        while let Some(Ok(_)) = server.next().await {}
        first
    });
    let (_, news, end) = to_the_end(&mut socket).await;
    assert_eq!(news, [Progress::Written]);
    assert_eq!(end, ended(Initiator::User, EndReason::Left));
    assert_eq!(server.await.unwrap(), Theirs::Text(Utf8Bytes::from("last words")));
}

#[tokio::test]
async fn a_close_by_us_stays_ours_however_the_server_ends() {
    for bytes in [close(1011), frame(0xC1, b"x"), Vec::new()] {
        let (mut socket, mut peer) = pair().await;
        socket.close();
        peer.write_all(&bytes).await.unwrap();
        peer.shutdown().await.unwrap();
        assert_eq!(to_the_end(&mut socket).await.2, ended(Initiator::User, EndReason::Left));
    }
}

#[tokio::test]
async fn the_end_is_reported_again_on_each_drive() {
    let (mut socket, peer) = pair().await;
    drop(peer);
    let first = to_the_end(&mut socket).await.2;
    assert_eq!(to_the_end(&mut socket).await.2, first);
}
