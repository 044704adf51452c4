//! The listener: accepts connections, serves HTTP, and hands upgraded ones to [`socket_task`].
//!
//! Owns every task of a client; they end when the server stops.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::site::{self, Body};
use super::socket_task::{self, Upgrade};
use super::state::ServerState;
use crate::connection_limit::{ConnectionLimit, ConnectionPermit};

/// Bytes of a request's head; hyper's own smallest buffer.
const HEAD_LIMIT: usize = 16 * 1024;
/// How long a request's head may take, the next one on an idle connection included: as in nginx
/// (`client_header_timeout`).
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after `accept` failed, so that a lack of file descriptors does not become a busy loop.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// How long clients' tasks may take to end after the stop; then they are aborted.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves until the server stops, and until every client's task is over.
pub(super) async fn serve(server: Arc<ServerState>, listener: TcpListener) {
    let mut clients = JoinSet::new();
    let places = ConnectionLimit::new(server.options.connections);
    loop {
        tokio::select! {
            () = server.stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => {
                    server.wait_while_stalled().await;
                    server.counters.http.connections.increment();
                    // If every connection allowed is a websocket, a new one is closed at once.
                    if let Some(place) = places.admit() {
                        clients.spawn(serve_client(Arc::clone(&server), stream, client, Arc::new(place)));
                    }
                }
                Err(_) => {
                    server.counters.http.accept_failures.increment();
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
    drop(listener);
    let _ = timeout(SHUTDOWN_TIMEOUT, async { while clients.join_next().await.is_some() {} }).await;
    clients.shutdown().await;
}

/// Serves one connection: HTTP, and then perhaps a websocket.
async fn serve_client(server: Arc<ServerState>, stream: TcpStream, client: SocketAddr, place: Arc<ConnectionPermit>) {
    // Frames are small and must not be delayed.
    let _ = stream.set_nodelay(true);
    // Boxed, so that HTTP's large state is freed before the websocket begins.
    let upgraded = tokio::select! {
        () = server.stop.cancelled() => return,
        () = place.closed() => return,
        upgraded = Box::pin(serve_http(&server, stream, client, &place)) => upgraded,
    };
    if let Some((upgrade, stream, early)) = upgraded {
        place.keep();
        socket_task::serve(&server, upgrade, stream, &early).await;
    }
}

/// Serves requests; returns the upgrade, the stream and its unread bytes if the last became a websocket.
async fn serve_http(
    server: &Arc<ServerState>,
    stream: TcpStream,
    client: SocketAddr,
    place: &Arc<ConnectionPermit>,
) -> Option<(Upgrade, TcpStream, bytes::Bytes)> {
    let upgrade = Arc::new(Mutex::new(None));
    let service = service_fn(|request: Request<Incoming>| {
        let (server, upgrade, place) = (Arc::clone(server), Arc::clone(&upgrade), Arc::clone(place));
        async move {
            let answer = place.answering(site::answer(&server, request, client)).await;
            *upgrade.lock() = answer.upgrade;
            Ok::<Response<Body>, Infallible>(answer.response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let parts = connection.without_shutdown().await.ok()?;
    let upgrade = upgrade.lock().take()?;
    Some((upgrade, parts.io.into_inner(), parts.read_buf))
}

/// Listens with a backlog for thousands of connects at once.
pub(super) async fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { tokio::net::TcpSocket::new_v4()? } else { tokio::net::TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(4096)
}
