//! The listener: accepts, serves HTTP, and hands what became a websocket on.
//!
//! Owns every task of a client; they end when the world stops.

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
use super::socket::{self, Admission};
use super::world::World;
use crate::places::{Place, Places};

/// Bytes of a request's head; hyper's own smallest buffer.
const HEAD_LIMIT: usize = 16 * 1024;
/// How long a request's head may take, an idle connection's next one included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long accepting rests after it failed, so that a lack of files does not become a spin.
const REST: Duration = Duration::from_millis(50);
/// How long clients' tasks may take to end after the stop; then they are cut off.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves until the world stops, and until every client's task is over.
pub(super) async fn serve(world: Arc<World>, listener: TcpListener) {
    let mut clients = JoinSet::new();
    let places = Places::new(world.options.connections);
    loop {
        tokio::select! {
            () = world.stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => {
                    world.pass().await;
                    world.tally.http.connections.one();
                    // Where every place is a websocket's, it is closed at once.
                    if let Some(place) = places.admit() {
                        clients.spawn(meet(Arc::clone(&world), stream, client, Arc::new(place)));
                    }
                }
                Err(_) => {
                    world.tally.http.accept_failures.one();
                    tokio::time::sleep(REST).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
    drop(listener);
    let _ = timeout(FAREWELL, async { while clients.join_next().await.is_some() {} }).await;
    clients.shutdown().await;
}

/// One client's connection: HTTP, then a websocket perhaps.
async fn meet(world: Arc<World>, stream: TcpStream, client: SocketAddr, place: Arc<Place>) {
    // Frames are small and each matters now.
    let _ = stream.set_nodelay(true);
    // The box is gone before the socket's long life begins: HTTP's state is large.
    let admitted = tokio::select! {
        () = world.stop.cancelled() => return,
        () = place.closed() => return,
        admitted = Box::pin(serve_http(&world, stream, client, &place)) => admitted,
    };
    if let Some((admission, stream, early)) = admitted {
        place.keep();
        socket::live(&world, admission, stream, &early).await;
    }
}

/// Serves requests; what came of it where the last became a websocket.
async fn serve_http(
    world: &Arc<World>,
    stream: TcpStream,
    client: SocketAddr,
    place: &Arc<Place>,
) -> Option<(Admission, TcpStream, bytes::Bytes)> {
    let admission = Arc::new(Mutex::new(None));
    let service = service_fn(|request: Request<Incoming>| {
        let (world, admission, place) = (Arc::clone(world), Arc::clone(&admission), Arc::clone(place));
        async move {
            let answer = place.answering(site::answer(&world, request, client)).await;
            *admission.lock() = answer.admission;
            Ok::<Response<Body>, Infallible>(answer.response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let parts = connection.without_shutdown().await.ok()?;
    let admission = admission.lock().take()?;
    Some((admission, parts.io.into_inner(), parts.read_buf))
}

/// Listens with a backlog that takes a stampede.
pub(super) async fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { tokio::net::TcpSocket::new_v4()? } else { tokio::net::TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(4096)
}
