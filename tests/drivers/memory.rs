//! The heap use of a socket: nothing per chat, little at rest, nothing kept of a large frame.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::scripted_server::{driver, text};
use allocation_counter::measure;
use soakrig::drivers::plenary::{Plenary, PlenarySocket};
use soakrig::marker::{Decoded, GeneratorTag, Marker, RoomTag, RunTag};
use soakrig::model::SenderId;
use soakrig::protocol::{Connection, Driver, Event, Session};
use soakrig::user::run_user;
use tokio::runtime::{Builder, Runtime};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Heap that a connected socket may hold at rest, tokio's registration included, in bytes.
const BUDGET: i64 = 600;

/// A server on its own thread, so that its allocations are not counted here: it upgrades
/// each connection in turn and writes what it is given.
fn server() -> (String, Sender<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (orders, work) = channel();
    std::thread::spawn(move || serve(&listener, &work));
    (url, orders)
}

/// An empty order means the next connection.
fn serve(listener: &TcpListener, work: &Receiver<Vec<u8>>) {
    let mut kept = Vec::new();
    loop {
        let mut stream = listener.accept().unwrap().0;
        upgrade(&mut stream);
        loop {
            match work.recv() {
                Err(_) => return,
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => stream.write_all(&bytes).unwrap(),
            }
        }
        kept.push(stream);
    }
}

fn upgrade(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let key = headers.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")).unwrap().1;
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).unwrap();
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Drives until `count` frames of the wanted kind have come.
fn receive(runtime: &Runtime, socket: &mut PlenarySocket, count: usize, wanted: impl Fn(&Event<'_>) -> bool + Sync) {
    runtime.block_on(async {
        let mut seen = 0;
        while seen < count {
            socket.drive(|received| seen += usize::from(wanted(&received.event))).await;
        }
    });
}

fn chat(seq: u64) -> Vec<u8> {
    let marker = Marker {
        run: RunTag::of("night"),
        room: RoomTag::of("test"),
        generator: GeneratorTag(7),
        seq,
        intended_micros: 1,
    };
    let message =
        marker.encode(SenderId::number(6), "the quick brown fox jumps over the lazy dog and so on and so forth");
    text(&format!(
        "{{\"payload\": {{\"id\": {seq}, \"user\": 6, \"created\": \"2026-11-23T04:55:58.971523+00:00\", \
         \"message\": \"{message}\", \"highlight\": false, \"archived\": false, \"mentions\": []}}, \"type\": \"chat\"}}"
    ))
}

fn is_intact(event: &Event<'_>) -> bool {
    matches!(event, Event::Message { sender: SenderId(6), decoded: Decoded::Intact(_), .. })
}

fn presence(size: usize) -> Vec<u8> {
    let name = "x".repeat(size);
    text(&format!(r#"{{"payload": {{"members": ["{name}"], "lurkers": 0}}, "type": "presence"}}"#))
}

#[test]
fn a_received_chat_allocates_nothing() {
    let (url, orders) = server();
    let (runtime, driver) = (runtime(), driver(&url));
    let mut socket = runtime.block_on(driver.connect(&mut Session::default())).unwrap();
    // The thread's memory of recent texts fills up first.
    orders.send((1_000..1_040).flat_map(chat).collect()).unwrap();
    receive(&runtime, &mut socket, 40, is_intact);
    // One frame per read, and many in one.
    for (batches, size) in [(50, 1), (1, 50)] {
        let frames: Vec<Vec<u8>> = (0..batches).map(|_| (0..size).flat_map(chat).collect()).collect();
        let allocated = measure(|| {
            for bytes in frames {
                orders.send(bytes).unwrap();
                receive(&runtime, &mut socket, size as usize, is_intact);
            }
        });
        // The channel of the test itself takes a block for each 31 orders.
        assert!(allocated.count_total <= 2, "{allocated:?}");
    }
}

#[test]
fn an_idle_socket_is_small_even_after_a_large_frame() {
    assert!(size_of::<PlenarySocket>() <= 320, "{}", size_of::<PlenarySocket>());
    let (url, orders) = server();
    let (runtime, driver) = (runtime(), driver(&url));
    let is_presence = |event: &Event<'_>| matches!(event, Event::Members(_));
    // The first connection allocates what all share.
    let mut first = runtime.block_on(driver.connect(&mut Session::default())).unwrap();
    // The thread's memory of recent texts fills up first.
    for size in (200_000..200_004).chain([100]) {
        orders.send(presence(size)).unwrap();
        receive(&runtime, &mut first, 1, is_presence);
    }
    orders.send(Vec::new()).unwrap();

    let mut sockets = Vec::with_capacity(2);
    let mut held = |frames: Vec<Vec<u8>>| {
        let frames: Vec<_> = frames.into_iter().chain([presence(100), Vec::new()]).collect();
        measure(|| {
            sockets.push(runtime.block_on(driver.connect(&mut Session::default())).unwrap());
            for bytes in frames {
                let count = usize::from(!bytes.is_empty());
                orders.send(bytes).unwrap();
                receive(&runtime, sockets.last_mut().unwrap(), count, is_presence);
            }
        })
    };
    let unknown = held(vec![presence(200_000 - 1)]);
    assert!(unknown.bytes_max > 200_000, "the frame came in parts: {unknown:?}");
    assert!(unknown.bytes_current < BUDGET, "{unknown:?}");
    let known = held(vec![presence(200_000 - 1)]);
    assert!(known.bytes_max < 100_000, "a list that is known is compared, not collected: {known:?}");
    assert!(known.bytes_current < BUDGET, "{known:?}");
}

/// A user's task has the size that the user needs in the room; the state of the join is boxed
/// and freed.
#[test]
fn a_users_task_is_small() {
    fn size<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }
    let bytes = size(run_user::<Plenary>);
    assert!(bytes <= 2_048, "{bytes} bytes");
}
