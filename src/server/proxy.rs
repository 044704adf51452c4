//! A TCP proxy that degrades the network: delays, stalls, resets, and cuts mid-frame.
//!
//! Bytes only: it knows neither HTTP nor frames. For tests, in front of any server. Its conditions
//! hold for open connections and for new ones. One task per connection, all owned by [`Proxy`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Bytes moved at once.
const CHUNK: usize = 16 * 1024;
/// Pause after `accept` failed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Network conditions; by default there is no fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetworkConditions {
    /// Every chunk of bytes from the server waits for this long before it goes on, so a stream
    /// is slowed as well; chunks keep their order.
    pub delay: Duration,
    /// Nothing is passed on in either direction; what is under way waits.
    pub stalled: bool,
    /// New connections are reset at once, as at a port without a listener.
    pub refuses: bool,
    /// Each connection is cut after this many more bytes from the server, counted from when this
    /// was set or the connection opened: mid-frame, wherever that falls.
    pub cut_after: Option<u64>,
}

/// How open connections are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Teardown {
    None,
    /// With a FIN.
    Cut,
    /// With a RST.
    Reset,
}

/// What was done so far.
#[derive(Debug, Default)]
struct ProxyCounters {
    opened: AtomicU64,
    open_now: AtomicU64,
    cut: AtomicU64,
    reset: AtomicU64,
}

/// What a proxy did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyCounts {
    /// Connections accepted, those that were refused at once not included.
    pub opened: u64,
    /// Open now.
    pub open_now: u64,
    /// Ended by the proxy with a FIN.
    pub cut: u64,
    /// Ended by the proxy with a RST.
    pub reset: u64,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    conditions: watch::Sender<NetworkConditions>,
    /// Rises with each order to end the open connections.
    teardown: watch::Sender<(u64, Teardown)>,
    counters: ProxyCounters,
    stop: CancellationToken,
}

/// A running proxy; dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free loopback port and passes everything on to `upstream`.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            conditions: watch::Sender::new(NetworkConditions::default()),
            teardown: watch::Sender::new((0, Teardown::None)),
            counters: ProxyCounters::default(),
            stop: CancellationToken::new(),
        });
        let mut task = JoinSet::new();
        task.spawn(accept(Arc::clone(&shared), listener));
        Ok(Self { addr, shared, _task: task })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sets the conditions, from now on.
    pub fn set(&self, conditions: NetworkConditions) {
        self.shared.conditions.send_replace(conditions);
    }

    /// Ends every open connection with a FIN on both sides.
    pub fn cut(&self) {
        self.shared.teardown.send_modify(|teardown| *teardown = (teardown.0 + 1, Teardown::Cut));
    }

    /// Ends every open connection with a RST to the client.
    pub fn reset(&self) {
        self.shared.teardown.send_modify(|teardown| *teardown = (teardown.0 + 1, Teardown::Reset));
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> ProxyCounts {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        ProxyCounts {
            opened: read(&counters.opened),
            open_now: read(&counters.open_now),
            cut: read(&counters.cut),
            reset: read(&counters.reset),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((client, _)) if shared.conditions.borrow().refuses => {
                    let _ = client.set_zero_linger();
                }
                Ok((client, _)) => {
                    connections.spawn(relay(Arc::clone(&shared), client));
                }
                Err(_) => tokio::time::sleep(ACCEPT_BACKOFF).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection from its opening to its end.
async fn relay(shared: Arc<Shared>, mut client: TcpStream) {
    let Ok(mut server) = TcpStream::connect(shared.upstream).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let counters = &shared.counters;
    counters.opened.fetch_add(1, Ordering::AcqRel);
    counters.open_now.fetch_add(1, Ordering::AcqRel);
    let mut teardown = shared.teardown.subscribe();
    let how = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = Direction { conditions: shared.conditions.subscribe(), from: from_client, to: to_server, down: false };
        let down =
            Direction { conditions: shared.conditions.subscribe(), from: from_server, to: to_client, down: true };
        tokio::select! {
            how = relay_both(up, down) => how,
            changed = teardown.changed() => if changed.is_ok() { teardown.borrow().1 } else { Teardown::Cut },
        }
    };
    counters.open_now.fetch_sub(1, Ordering::AcqRel);
    match how {
        Teardown::None => {}
        Teardown::Cut => {
            counters.cut.fetch_add(1, Ordering::AcqRel);
        }
        Teardown::Reset => {
            // Closing without lingering is what sends the RST.
            let _ = client.set_zero_linger();
            counters.reset.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Both directions, until both have ended or the conditions cut one.
async fn relay_both(up: Direction<'_>, down: Direction<'_>) -> Teardown {
    let (up, down) = (up.run(), down.run());
    tokio::pin!(up, down);
    tokio::select! {
        _ = &mut up => down.await,
        how = &mut down => {
            if how == Teardown::None {
                up.await;
            }
            how
        }
    }
}

/// One direction of a connection.
struct Direction<'a> {
    conditions: watch::Receiver<NetworkConditions>,
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    /// Whether it leads from the server to the client.
    down: bool,
}

impl Direction<'_> {
    /// Moves bytes until either end is gone, or the conditions cut it.
    async fn run(mut self) -> Teardown {
        let mut chunk = vec![0; CHUNK];
        let mut left = self.conditions.borrow_and_update().cut_after;
        loop {
            let count = match self.from.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            let conditions = self.wait_while_stalled().await;
            if self.down && !conditions.delay.is_zero() {
                tokio::time::sleep(conditions.delay).await;
            }
            if self.conditions.has_changed().unwrap_or(false) {
                left = self.conditions.borrow_and_update().cut_after;
            }
            let allowed =
                left.filter(|_| self.down).map_or(count, |left| count.min(usize::try_from(left).unwrap_or(count)));
            let Some(bytes) = chunk.get(..allowed) else { break };
            if self.to.write_all(bytes).await.is_err() {
                break;
            }
            left = left.map(|left| left.saturating_sub(allowed as u64));
            if allowed < count {
                let _ = self.to.shutdown().await;
                return Teardown::Cut;
            }
        }
        let _ = self.to.shutdown().await;
        Teardown::None
    }

    /// The conditions, once they are not stalled.
    async fn wait_while_stalled(&mut self) -> NetworkConditions {
        let mut conditions = self.conditions.clone();
        match conditions.wait_for(|conditions| !conditions.stalled).await {
            Ok(flowing) => *flowing,
            Err(_) => NetworkConditions::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// An echo server, and a proxy in front of it.
    async fn echo() -> (Proxy, JoinSet<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        (proxy, task)
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        assert_eq!(round_trip(&mut stream, b"hello").await.unwrap(), b"hello");
        stream
    }

    async fn round_trip(stream: &mut TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
        stream.write_all(text).await?;
        let mut back = vec![0; text.len()];
        tokio::time::timeout(LIMIT, stream.read_exact(&mut back)).await.expect("something comes")?;
        Ok(back)
    }

    async fn read_to_end(stream: &mut TcpStream) -> io::Result<usize> {
        let mut back = Vec::new();
        tokio::time::timeout(LIMIT, stream.read_to_end(&mut back)).await.expect("an end comes")
    }

    #[tokio::test]
    async fn conditions_delay_and_stall_an_open_connection() {
        let (proxy, _server) = echo().await;
        let mut stream = connect(&proxy).await;
        let delay = Duration::from_millis(60);
        proxy.set(NetworkConditions { delay, ..NetworkConditions::default() });
        let start = tokio::time::Instant::now();
        round_trip(&mut stream, b"slowly").await.unwrap();
        assert!(start.elapsed() >= delay);
        proxy.set(NetworkConditions { stalled: true, ..NetworkConditions::default() });
        stream.write_all(b"wait").await.unwrap();
        let mut back = [0; 4];
        let none = tokio::time::timeout(Duration::from_millis(50), stream.read_exact(&mut back)).await;
        assert!(none.is_err());
        proxy.set(NetworkConditions::default());
        tokio::time::timeout(LIMIT, stream.read_exact(&mut back)).await.unwrap().unwrap();
        assert_eq!(&back, b"wait");
    }

    #[tokio::test]
    async fn connections_are_cut_after_a_byte_count_and_on_demand() {
        let (proxy, _server) = echo().await;
        let mut stream = connect(&proxy).await;
        proxy.set(NetworkConditions { cut_after: Some(3), ..NetworkConditions::default() });
        stream.write_all(b"hello").await.unwrap();
        assert_eq!(read_to_end(&mut stream).await.unwrap(), 3);
        proxy.set(NetworkConditions::default());
        let mut stream = connect(&proxy).await;
        proxy.cut();
        assert_eq!(read_to_end(&mut stream).await.unwrap(), 0);
        assert_eq!(proxy.counts(), ProxyCounts { opened: 2, open_now: 0, cut: 2, reset: 0 });
    }

    #[tokio::test]
    async fn connections_are_reset_on_demand_and_refused_when_set() {
        let (proxy, _server) = echo().await;
        let mut stream = connect(&proxy).await;
        proxy.reset();
        assert_eq!(read_to_end(&mut stream).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        proxy.set(NetworkConditions { refuses: true, ..NetworkConditions::default() });
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        assert!(round_trip(&mut stream, b"hello").await.is_err());
        assert_eq!(proxy.counts().opened, 1);
    }
}
