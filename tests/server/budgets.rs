//! The embedded target's connections: clients that only hold them keep nobody out.

use std::net::SocketAddr;

use crate::target_client::{Person, until};
use soakrig::server::{Options, PresenceMode, Server, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 8;

async fn target() -> Server {
    let control = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let options = Options { connections: CONNECTIONS, control, presence: PresenceMode::Off, ..Options::default() };
    serve(options).await.unwrap()
}

/// Connections on which only this is said.
async fn hold(addr: SocketAddr, count: usize, said: &str) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        // One that has made room by now may refuse it.
        let _ = stream.write_all(said.as_bytes()).await;
        held.push(stream);
    }
    held
}

/// The first line of the answer to a request on a fresh connection; empty where none came.
async fn asked(addr: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

const UNFINISHED: [&str; 3] =
    ["", "GET /event/test/ HTTP/1.1\r\nHost: x", "POST /faults HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"];

#[tokio::test]
async fn half_open_requests_keep_neither_clients_nor_control_out() {
    let target = target().await;
    let alice = Person::signed_up(target.addr(), "alice").await;
    let (mut line, _) = alice.enter("/event/test/").await;
    let mut held = Vec::new();
    for said in UNFINISHED {
        for addr in [target.addr(), target.control().unwrap()] {
            held.push(hold(addr, 200, said).await);
        }
        assert_eq!(asked(target.addr(), "/_target/live").await, "HTTP/1.1 200 OK", "behind {said:?}");
        assert_eq!(asked(target.control().unwrap(), "/counts").await, "HTTP/1.1 200 OK", "behind {said:?}");
    }
    line.chat("still here").await;
    assert_eq!(line.json_of("chat").await["payload"]["message"], "still here");
}

#[tokio::test]
async fn websockets_keep_their_places() {
    let target = target().await;
    let alice = Person::signed_up(target.addr(), "alice").await;
    let mut lines = Vec::new();
    for _ in 0..CONNECTIONS {
        lines.push(alice.enter("/event/test/").await.0);
    }
    assert_eq!(asked(target.addr(), "/_target/live").await, "", "all places are taken");
    assert_eq!(asked(target.control().unwrap(), "/counts").await, "HTTP/1.1 200 OK");
    assert_eq!(target.counts().sockets.open_now, CONNECTIONS as u64);
    lines.pop().unwrap().close().await;
    until("the place is free", || target.counts().sockets.open_now < CONNECTIONS as u64).await;
    // Its task ends a moment after it is counted.
    while asked(target.addr(), "/_target/live").await.is_empty() {
        tokio::task::yield_now().await;
    }
}
