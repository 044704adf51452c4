//! A TCP proxy that makes the wire itself bad: delays, stalls, resets, and cuts mid-frame.
//!
//! Bytes only: it knows neither HTTP nor frames. For tests, in front of any server. What it is
//! told holds for connections that are open and for new ones. One task a connection, all owned
//! by [`Proxy`].

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
const PIECE: usize = 16 * 1024;
/// How long accepting rests after it failed.
const REST: Duration = Duration::from_millis(50);

/// How the wire is; by default it is good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// Every piece of bytes from the server waits for this long before it goes on, so a stream
    /// is slowed as well; pieces keep their order.
    pub delay: Duration,
    /// Nothing goes on in either direction; what is under way waits.
    pub stalled: bool,
    /// New connections are reset at once, as with nobody listening.
    pub refuses: bool,
    /// Each connection is cut after so many more bytes from the server, counted from when this
    /// was set or the connection opened: mid-frame, wherever that falls.
    pub cut_after: Option<u64>,
}

/// How open connections are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    None,
    /// With a FIN.
    Cut,
    /// With a RST.
    Reset,
}

/// What was done so far.
#[derive(Debug, Default)]
struct Tally {
    opened: AtomicU64,
    open_now: AtomicU64,
    cut: AtomicU64,
    reset: AtomicU64,
}

/// A reading of what a proxy did.
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
    server: SocketAddr,
    weather: watch::Sender<Weather>,
    /// Goes up with each order to end what is open.
    ending: watch::Sender<(u64, Ending)>,
    tally: Tally,
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
    /// Listens on a free port of this machine's own and passes everything on to `server`.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn before(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            weather: watch::Sender::new(Weather::default()),
            ending: watch::Sender::new((0, Ending::None)),
            tally: Tally::default(),
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

    /// Makes the wire so from now on.
    pub fn set(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
    }

    /// Ends every open connection with a FIN on both sides.
    pub fn cut(&self) {
        self.shared.ending.send_modify(|ending| *ending = (ending.0 + 1, Ending::Cut));
    }

    /// Ends every open connection with a RST to the client.
    pub fn reset(&self) {
        self.shared.ending.send_modify(|ending| *ending = (ending.0 + 1, Ending::Reset));
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> ProxyCounts {
        let tally = &self.shared.tally;
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        ProxyCounts {
            opened: read(&tally.opened),
            open_now: read(&tally.open_now),
            cut: read(&tally.cut),
            reset: read(&tally.reset),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((client, _)) if shared.weather.borrow().refuses => {
                    let _ = client.set_zero_linger();
                }
                Ok((client, _)) => {
                    lines.spawn(line(Arc::clone(&shared), client));
                }
                Err(_) => tokio::time::sleep(REST).await,
            },
            Some(_) = lines.join_next() => {}
        }
    }
}

/// One connection from its opening to its end.
async fn line(shared: Arc<Shared>, mut client: TcpStream) {
    let Ok(mut server) = TcpStream::connect(shared.server).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let tally = &shared.tally;
    tally.opened.fetch_add(1, Ordering::AcqRel);
    tally.open_now.fetch_add(1, Ordering::AcqRel);
    let mut ending = shared.ending.subscribe();
    let how = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = Way { weather: shared.weather.subscribe(), from: from_client, to: to_server, down: false };
        let down = Way { weather: shared.weather.subscribe(), from: from_server, to: to_client, down: true };
        tokio::select! {
            how = both(up, down) => how,
            changed = ending.changed() => if changed.is_ok() { ending.borrow().1 } else { Ending::Cut },
        }
    };
    tally.open_now.fetch_sub(1, Ordering::AcqRel);
    match how {
        Ending::None => {}
        Ending::Cut => {
            tally.cut.fetch_add(1, Ordering::AcqRel);
        }
        Ending::Reset => {
            // Closing without lingering is what sends the RST.
            let _ = client.set_zero_linger();
            tally.reset.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Both directions, until both are at their end or the weather cuts one.
async fn both(up: Way<'_>, down: Way<'_>) -> Ending {
    let (up, down) = (up.run(), down.run());
    tokio::pin!(up, down);
    tokio::select! {
        _ = &mut up => down.await,
        how = &mut down => {
            if how == Ending::None {
                up.await;
            }
            how
        }
    }
}

/// One direction of a connection.
struct Way<'a> {
    weather: watch::Receiver<Weather>,
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    /// Whether it leads from the server to the client.
    down: bool,
}

impl Way<'_> {
    /// Moves bytes until either end is gone, or the weather cuts it.
    async fn run(mut self) -> Ending {
        let mut piece = vec![0; PIECE];
        let mut left = self.weather.borrow_and_update().cut_after;
        loop {
            let count = match self.from.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            let weather = self.clear().await;
            if self.down && !weather.delay.is_zero() {
                tokio::time::sleep(weather.delay).await;
            }
            if self.weather.has_changed().unwrap_or(false) {
                left = self.weather.borrow_and_update().cut_after;
            }
            let room =
                left.filter(|_| self.down).map_or(count, |left| count.min(usize::try_from(left).unwrap_or(count)));
            let Some(bytes) = piece.get(..room) else { break };
            if self.to.write_all(bytes).await.is_err() {
                break;
            }
            left = left.map(|left| left.saturating_sub(room as u64));
            if room < count {
                let _ = self.to.shutdown().await;
                return Ending::Cut;
            }
        }
        let _ = self.to.shutdown().await;
        Ending::None
    }

    /// The weather, once it is not stalled.
    async fn clear(&mut self) -> Weather {
        let mut weather = self.weather.clone();
        match weather.wait_for(|weather| !weather.stalled).await {
            Ok(clear) => *clear,
            Err(_) => Weather::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A server that sends back what it gets, and a proxy before it.
    async fn echo() -> (Proxy, JoinSet<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::before(listener.local_addr().unwrap()).await.unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                lines.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        (proxy, task)
    }

    async fn dial(proxy: &Proxy) -> TcpStream {
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        assert_eq!(say(&mut stream, b"hello").await.unwrap(), b"hello");
        stream
    }

    async fn say(stream: &mut TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
        stream.write_all(text).await?;
        let mut back = vec![0; text.len()];
        tokio::time::timeout(LIMIT, stream.read_exact(&mut back)).await.expect("something comes")?;
        Ok(back)
    }

    async fn rest(stream: &mut TcpStream) -> io::Result<usize> {
        let mut back = Vec::new();
        tokio::time::timeout(LIMIT, stream.read_to_end(&mut back)).await.expect("an end comes")
    }

    #[tokio::test]
    async fn delays_and_stalls() {
        let (proxy, _server) = echo().await;
        let mut stream = dial(&proxy).await;
        let delay = Duration::from_millis(60);
        proxy.set(Weather { delay, ..Weather::default() });
        let start = tokio::time::Instant::now();
        say(&mut stream, b"slowly").await.unwrap();
        assert!(start.elapsed() >= delay);
        proxy.set(Weather { stalled: true, ..Weather::default() });
        stream.write_all(b"wait").await.unwrap();
        let mut back = [0; 4];
        let none = tokio::time::timeout(Duration::from_millis(50), stream.read_exact(&mut back)).await;
        assert!(none.is_err());
        proxy.set(Weather::default());
        tokio::time::timeout(LIMIT, stream.read_exact(&mut back)).await.unwrap().unwrap();
        assert_eq!(&back, b"wait");
    }

    #[tokio::test]
    async fn cuts_in_the_middle() {
        let (proxy, _server) = echo().await;
        let mut stream = dial(&proxy).await;
        proxy.set(Weather { cut_after: Some(3), ..Weather::default() });
        stream.write_all(b"hello").await.unwrap();
        assert_eq!(rest(&mut stream).await.unwrap(), 3);
        proxy.set(Weather::default());
        let mut stream = dial(&proxy).await;
        proxy.cut();
        assert_eq!(rest(&mut stream).await.unwrap(), 0);
        assert_eq!(proxy.counts(), ProxyCounts { opened: 2, open_now: 0, cut: 2, reset: 0 });
    }

    #[tokio::test]
    async fn resets_and_refuses() {
        let (proxy, _server) = echo().await;
        let mut stream = dial(&proxy).await;
        proxy.reset();
        assert_eq!(rest(&mut stream).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        proxy.set(Weather { refuses: true, ..Weather::default() });
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        assert!(say(&mut stream, b"hello").await.is_err());
        assert_eq!(proxy.counts().opened, 1);
    }
}
