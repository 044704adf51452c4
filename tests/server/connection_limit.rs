//! The embedded server's connection limit: idle connections keep no client out.

use std::net::SocketAddr;

use crate::client::{Client, wait_until};
use soakrig::server::{Options, PresenceMode, Server, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 8;

async fn start_server() -> Server {
    let control = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let options = Options { connections: CONNECTIONS, control, presence: PresenceMode::Off, ..Options::default() };
    serve(options).await.unwrap()
}

/// Opens connections and sends only this on each.
async fn open_connections(addr: SocketAddr, count: usize, sent: &str) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        // A connection closed in favour of a newer one may refuse it.
        let _ = stream.write_all(sent.as_bytes()).await;
        open.push(stream);
    }
    open
}

/// The first socket of the answer to a request on a fresh connection; empty if none came.
async fn status_line(addr: SocketAddr, path: &str) -> String {
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
async fn unfinished_requests_do_not_block_clients_or_control() {
    let server = start_server().await;
    let alice = Client::signed_up(server.addr(), "alice").await;
    let (mut socket, _) = alice.join("/event/test/").await;
    let mut open = Vec::new();
    for sent in UNFINISHED {
        for addr in [server.addr(), server.control().unwrap()] {
            open.push(open_connections(addr, 200, sent).await);
        }
        assert_eq!(status_line(server.addr(), "/_target/live").await, "HTTP/1.1 200 OK", "after {sent:?}");
        assert_eq!(status_line(server.control().unwrap(), "/counts").await, "HTTP/1.1 200 OK", "after {sent:?}");
    }
    socket.chat("still here").await;
    assert_eq!(socket.json_of("chat").await["payload"]["message"], "still here");
}

#[tokio::test]
async fn websockets_are_not_closed_for_new_connections() {
    let server = start_server().await;
    let alice = Client::signed_up(server.addr(), "alice").await;
    let mut sockets = Vec::new();
    for _ in 0..CONNECTIONS {
        sockets.push(alice.join("/event/test/").await.0);
    }
    assert_eq!(status_line(server.addr(), "/_target/live").await, "", "the limit is reached");
    assert_eq!(status_line(server.control().unwrap(), "/counts").await, "HTTP/1.1 200 OK");
    assert_eq!(server.counts().sockets.open_now, CONNECTIONS as u64);
    sockets.pop().unwrap().close().await;
    wait_until("one is closed", || server.counts().sockets.open_now < CONNECTIONS as u64).await;
    // Its task ends a moment after it is counted.
    while status_line(server.addr(), "/_target/live").await.is_empty() {
        tokio::task::yield_now().await;
    }
}
