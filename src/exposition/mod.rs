//! The small HTTP server of a run: `/metrics` for Prometheus, `/live` and `/ready` for a process
//! supervisor, and a live page for people.
//!
//! It serves what it is given, and does not know where figures or readiness come from. Everything is
//! bounded: connections, header bytes, time to send a request, time to stop.

mod last_scrape;
mod live;
mod pages;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Request;
use http::header::USER_AGENT;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

pub use self::live::LivePage;
pub use self::pages::Readiness;

use self::last_scrape::{RegularScrapes, Scraper};
use self::live::{Live, Watches};
use self::pages::Pages;
use crate::connection_limit::{ConnectionLimit, ConnectionPermit};
use crate::metrics::Metrics;

/// Maximum number of connections; a further one closes the one that has been quiet longest.
const MOST_CONNECTIONS: usize = 64;
/// Most bytes of a request's head; also hyper's smallest buffer.
const MOST_HEAD: usize = 8 * 1024;
/// Most headers of a request.
const MOST_HEADERS: usize = 64;
/// Longest time for a request's head, and longest idle time of a connection: twice Prometheus' usual
/// scrape interval (15 s), so that its connection stays open.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait of a stop for answers under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after a failed accept, which mostly means that there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The listen address could not be taken.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {addr} for metrics: {source}; give another address with --metrics-listen, \
     or port 0 there for any free port"
)]
pub struct ListenError {
    /// The address asked for.
    pub addr: SocketAddr,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// A running server.
#[derive(Debug)]
pub struct Exposition {
    addr: SocketAddr,
    task: JoinHandle<()>,
    looks: RegularScrapes,
    watches: Watches,
    live: Option<Arc<Live>>,
}

impl Exposition {
    /// The address it listens on, with the actual port if 0 was asked for.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until all regular scrapers have scraped once more, and twice since the stop began, which was
    /// `stopping` ago; for at most a minute from then. Returns at once if there are none.
    pub async fn last_look(&self, stopping: Duration) {
        if !self.looks.another(stopping).await {
            tracing::debug!("the metrics are no longer scraped");
        }
    }

    /// Waits until the live page's viewers have been updated once more, for at most some seconds. Returns
    /// at once if there are none.
    pub async fn last_watch(&self) {
        let Some(live) = &self.live else { return };
        live.forget().await;
        self.watches.another().await;
    }

    /// Waits until the server has stopped, at most some seconds after its token was cancelled.
    pub async fn stopped(self) {
        // A panic in the server has already been reported.
        let _ = self.task.await;
    }
}

/// Listens on `addr` and serves until `stop` is cancelled. Each `/ready` calls `ready`. The live page, if there
/// is one, is at `/`.
///
/// # Errors
/// If the address cannot be taken: exit code 104.
pub async fn serve(
    addr: SocketAddr,
    metrics: Arc<Metrics>,
    ready: impl Fn() -> Readiness + Send + Sync + 'static,
    live: Option<LivePage>,
    stop: CancellationToken,
) -> Result<Exposition, ListenError> {
    let failed = |source| ListenError { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let looks = RegularScrapes::default();
    let live = live.map(|page| Arc::new(Live::new(page, addr)));
    let watches = Watches::default();
    let watched = (live.clone(), watches.clone());
    let pages = Arc::new(Pages::new(metrics, Box::new(ready), looks.clone(), watched));
    let task = tokio::spawn(accept(listener, pages, stop));
    Ok(Exposition { addr, task, looks, watches, live })
}

async fn accept(listener: TcpListener, pages: Arc<Pages>, stop: CancellationToken) {
    let places = ConnectionLimit::new(MOST_CONNECTIONS);
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                number += 1;
                let peer = Peer { from: from.ip(), number, scrapes: AtomicU64::new(0) };
                // No place is kept for good, so one is always free.
                if let Some(place) = places.admit() {
                    connections.spawn(meet(stream, peer, Arc::new(place), Arc::clone(&pages), stop.clone()));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the metrics");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let settled = async { while connections.join_next().await.is_some() {} };
    // Dropping the set aborts the remaining connections.
    let _ = tokio::time::timeout(STOP_TIMEOUT, settled).await;
}

/// One client's connection.
struct Peer {
    from: IpAddr,
    number: u64,
    /// Number of its scrapes.
    scrapes: AtomicU64,
}

impl Peer {
    /// The scraper that makes this request.
    fn scraper<B>(&self, request: &Request<B>) -> Scraper {
        let again = request.uri().path() == "/metrics" && self.scrapes.fetch_add(1, Ordering::Relaxed) > 0;
        let name = request.headers().get(USER_AGENT).map_or_else(Vec::new, |name| name.as_bytes().to_vec());
        Scraper { from: self.from, name, connection: again.then_some(self.number) }
    }
}

/// Serves one client's connection until its place is given to another.
async fn meet(stream: TcpStream, peer: Peer, place: Arc<ConnectionPermit>, pages: Arc<Pages>, stop: CancellationToken) {
    tokio::select! {
        () = converse(stream, peer, Arc::clone(&place), pages, stop) => {}
        () = place.closed() => {}
    }
}

/// Answers one client's requests until it goes, idles or is told to stop.
async fn converse(
    stream: TcpStream,
    peer: Peer,
    place: Arc<ConnectionPermit>,
    pages: Arc<Pages>,
    stop: CancellationToken,
) {
    let service = service_fn(move |request| {
        let (pages, place, scraper) = (Arc::clone(&pages), Arc::clone(&place), peer.scraper(&request));
        async move {
            let answer = place.answering(pages.answer(&request, &place, scraper)).await;
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MOST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the metrics ended in an error");
    }
}

#[cfg(test)]
mod tests;
