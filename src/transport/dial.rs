//! TCP and TLS connections to one endpoint, from a choice of source addresses.
//!
//! It knows no HTTP. The caller bounds the time of dialling and of everything after it.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use tokio::net::{TcpSocket, TcpStream};

pub use super::endpoint::Endpoint;
use super::errors;
use super::proxy::Proxy;
use super::resolve::Resolver;
pub use super::stream::Stream;
use crate::model::{Failure, FailureKind};

/// Head start of an address over the next one (RFC 8305, 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Size of the system's send buffer, in bytes (it allocates twice that). By default it takes megabytes, room for
/// thousands of chats, so that a server that no longer reads would go unnoticed.
const SEND_BUFFER: u32 = 32 * 1024;

/// Opens connections.
#[derive(Debug)]
pub struct Dialer {
    tls: Arc<rustls::ClientConfig>,
    sources: Sources,
    resolver: Resolver,
    proxy: Option<ProxyUse>,
    /// The turn of the next user.
    turns: AtomicU32,
}

/// The proxy, and how to connect to it.
#[derive(Debug)]
struct ProxyUse {
    proxy: Proxy,
    /// TLS without a client certificate, which is only for the server.
    tls: Arc<rustls::ClientConfig>,
    /// Longest time for opening a tunnel.
    limit: Duration,
}

/// Decides which of a name's addresses a user's connections try first. It is assigned at the first dial, and ignored
/// in comparisons: all turns are equal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turn(Option<u32>);

impl PartialEq for Turn {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Turn {}

impl Dialer {
    /// A dialler with the shared TLS configuration. It uses `sources` in turn; if there are none, the system chooses.
    #[must_use]
    pub fn new(tls: Arc<rustls::ClientConfig>, sources: Vec<IpAddr>, resolver: Resolver) -> Self {
        let sources = Sources { list: sources, next: AtomicUsize::new(0) };
        Self { tls, sources, resolver, proxy: None, turns: AtomicU32::new(0) }
    }

    /// Adds a proxy; `tls` is for connections to the proxy itself, and `limit` the longest time for opening a tunnel.
    #[must_use]
    pub fn through(self, proxy: Proxy, tls: Arc<rustls::ClientConfig>, limit: Duration) -> Self {
        Self { proxy: Some(ProxyUse { proxy, tls, limit }), ..self }
    }

    /// Opens a connection for a user: to the first of the name's addresses that answers, each with a head start over
    /// the next (RFC 8305).
    ///
    /// # Errors
    /// `Dns` for a name without an address; else the failure of an address, of the proxy, or of TLS.
    pub async fn dial(&self, endpoint: &Endpoint, turn: &mut Turn) -> Result<Stream, Failure> {
        let turn = *turn.0.get_or_insert_with(|| self.turns.fetch_add(1, Ordering::Relaxed));
        let stream = match self.proxy_for(endpoint) {
            None => Stream::Plain(self.connect(endpoint, turn).await?),
            Some(way) => {
                let tunnel = tokio::time::timeout(way.limit, self.tunnel(way, endpoint, turn)).await;
                let late = || Failure::with(FailureKind::Timeout, "no tunnel in time");
                tunnel.unwrap_or_else(|_| Err(late())).map_err(|failure| of_proxy(&way.proxy, failure))?
            }
        };
        if endpoint.secure { stream.secured(&self.tls, &endpoint.host).await } else { Ok(stream) }
    }

    /// The current addresses for connections to an endpoint: those of its name, or of the proxy's.
    ///
    /// # Errors
    /// `Dns` for a name without an address.
    pub async fn addresses(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
        let endpoint = self.proxy_for(endpoint).map_or(endpoint, |way| &way.proxy.endpoint);
        self.resolver.resolve(&endpoint.host, endpoint.port).await
    }

    /// The proxy, if connections to this endpoint go through it.
    fn proxy_for(&self, endpoint: &Endpoint) -> Option<&ProxyUse> {
        self.proxy.as_ref().filter(|way| way.proxy.takes(endpoint))
    }

    /// A stream through the proxy, which looks up the endpoint's name; an address from `--resolve` replaces the name.
    async fn tunnel(&self, way: &ProxyUse, endpoint: &Endpoint, turn: u32) -> Result<Stream, Failure> {
        let mut stream = Stream::Plain(self.connect(&way.proxy.endpoint, turn).await?);
        if way.proxy.endpoint.secure {
            stream = stream.secured(&way.tls, &way.proxy.endpoint.host).await?;
        }
        let given = self.resolver.given(&endpoint.host, endpoint.port).unwrap_or_default();
        let first = (turn as usize).checked_rem(given.len()).and_then(|first| given.get(first));
        let host = first.map_or_else(|| endpoint.host.clone(), IpAddr::to_string);
        way.proxy.tunnel(stream, &host, endpoint.port).await
    }

    async fn connect(&self, endpoint: &Endpoint, turn: u32) -> Result<TcpStream, Failure> {
        let addresses = self.resolver.resolve(&endpoint.host, endpoint.port).await?;
        let addresses = in_order(self.sources.reachable(addresses), turn);
        let nowhere = Failure::with(FailureKind::Dns, format!("{} has no address", endpoint.host));
        let attempts = addresses.into_iter().map(|address| self.connect_to(address));
        staggered(attempts, HEAD_START).await.map_err(|e| e.map_or(nowhere, |e| errors::of_io(&e)))
    }

    async fn connect_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_nodelay(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        if let Some(source) = self.sources.next_for(address) {
            // Without this the kernel reserves a port of the source at bind, which limits the connections of
            // all servers together to the number of ports; with it each server has its own ports.
            setsockopt(&socket, IpBindAddressNoPort, &true)?;
            socket.bind(SocketAddr::new(source, 0))?;
        }
        socket.connect(address).await
    }
}

/// Marks a failure as the proxy's, not the server's.
fn of_proxy(proxy: &Proxy, failure: Failure) -> Failure {
    let text = format!("the proxy {proxy}: {}", failure.detail);
    Failure { detail: Failure::with(failure.kind, text).detail, ..failure }
}

/// Source addresses, used in turn.
#[derive(Debug)]
struct Sources {
    list: Vec<IpAddr>,
    next: AtomicUsize,
}

impl Sources {
    /// The addresses for which there is a source, or all if there is none.
    fn reachable(&self, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let has_source = |address: &SocketAddr| self.list.iter().any(|ip| ip.is_ipv4() == address.is_ipv4());
        let fitting: Vec<_> = addresses.iter().copied().filter(has_source).collect();
        if fitting.is_empty() { addresses } else { fitting }
    }

    /// The next source of the same family as `target`.
    fn next_for(&self, target: SocketAddr) -> Option<IpAddr> {
        let fitting = || self.list.iter().filter(|ip| ip.is_ipv4() == target.is_ipv4());
        let count = fitting().count();
        let turn = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(count)?;
        fitting().nth(turn).copied()
    }
}

/// The order in which addresses are tried: families alternate, IPv6 first (RFC 8305, 4), and each turn starts with a
/// different address of each family.
fn in_order(addresses: Vec<SocketAddr>, turn: u32) -> Vec<SocketAddr> {
    let (mut six, mut four): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    for family in [&mut six, &mut four] {
        let first = (turn as usize).checked_rem(family.len()).unwrap_or(0);
        family.rotate_left(first);
    }
    let mut order = Vec::with_capacity(six.len() + four.len());
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    while order.len() < order.capacity() {
        order.extend(six.next());
        order.extend(four.next());
    }
    order
}

/// The first of several attempts that succeeds. Each starts when those before it have failed or have had their head
/// start; the first success ends the others.
///
/// # Errors
/// The error of the last attempt to fail; `None` if there were no attempts.
async fn staggered<T, F>(mut attempts: impl Iterator<Item = F>, head_start: Duration) -> Result<T, Option<io::Error>>
where
    F: Future<Output = io::Result<T>>,
{
    let mut running = FuturesUnordered::new();
    running.extend(attempts.next());
    let mut attempts = attempts.peekable();
    let mut last = None;
    while !running.is_empty() {
        tokio::select! {
            biased;
            Some(outcome) = running.next() => match outcome {
                Ok(done) => return Ok(done),
                Err(e) => {
                    last = Some(e);
                    running.extend(attempts.next());
                }
            },
            () = tokio::time::sleep(head_start), if attempts.peek().is_some() => running.extend(attempts.next()),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::resolve::{Files, Resolve};

    fn dialer(sources: Vec<IpAddr>) -> Dialer {
        let tls = super::super::tls::accept_any().unwrap();
        Dialer::new(tls, sources, Resolver::new(Files::default(), Vec::new()))
    }

    /// A dialler for which `chat.example` has these addresses.
    fn knowing(port: u16, addresses: &[&str]) -> (Dialer, Endpoint) {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let fixed = Resolve { host: "chat.example".into(), port, addresses };
        let resolver = Resolver::new(Files::default(), vec![fixed]);
        let endpoint = Endpoint { host: "chat.example".into(), port, secure: false };
        (Dialer::new(super::super::tls::accept_any().unwrap(), Vec::new(), resolver), endpoint)
    }

    fn address_of(stream: &Stream) -> String {
        let Stream::Plain(stream) = stream else { panic!("under TLS") };
        stream.peer_addr().unwrap().ip().to_string()
    }

    #[test]
    fn families_alternate_and_each_user_starts_with_another_address() {
        let parse = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let known = parse(&["1.0.0.1:1", "1.0.0.2:1", "1.0.0.3:1", "[::1]:1", "[::2]:1"]);
        let order = |turn| in_order(known.clone(), turn);
        assert_eq!(order(0), parse(&["[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1", "1.0.0.3:1"]));
        assert_eq!(order(4), parse(&["[::1]:1", "1.0.0.2:1", "[::2]:1", "1.0.0.3:1", "1.0.0.1:1"]));
        assert_eq!(in_order(Vec::new(), 7), []);
    }

    #[tokio::test]
    async fn users_are_spread_over_the_addresses_and_each_stays_with_its_own() {
        let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
        let (dialer, endpoint) =
            knowing(listener.local_addr().unwrap().port(), &["127.0.0.5", "127.0.0.6", "127.0.0.7"]);
        let mut firsts = Vec::new();
        for _ in 0..4 {
            let mut turn = Turn::default();
            let mut reached = Vec::new();
            for _ in 0..3 {
                reached.push(address_of(&dialer.dial(&endpoint, &mut turn).await.unwrap()));
            }
            assert!(reached.iter().all(|address| *address == reached[0]), "{reached:?}");
            firsts.push(reached.remove(0));
        }
        assert_eq!(firsts, ["127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.5"]);
    }

    #[tokio::test]
    async fn a_dead_first_address_delays_no_user() {
        let live = tokio::net::TcpListener::bind("127.0.0.6:0").await.unwrap();
        let port = live.local_addr().unwrap().port();
        // A listener with a full backlog: further connects get no answer.
        let dead = TcpSocket::new_v4().unwrap();
        dead.bind(SocketAddr::new("127.0.0.5".parse().unwrap(), port)).unwrap();
        let dead = dead.listen(1).unwrap();
        let mut filling = Vec::new();
        loop {
            let attempt = TcpStream::connect(dead.local_addr().unwrap());
            match tokio::time::timeout(Duration::from_millis(300), attempt).await {
                Ok(stream) => filling.push(stream.unwrap()),
                Err(_) => break,
            }
        }
        let (dialer, endpoint) = knowing(port, &["127.0.0.5", "127.0.0.6"]);
        let stream = tokio::time::timeout(Duration::from_secs(30), dialer.dial(&endpoint, &mut Turn::default())).await;
        assert_eq!(address_of(&stream.unwrap().unwrap()), "127.0.0.6");
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_start_when_earlier_ones_have_failed_or_had_their_head_start() {
        let began = tokio::time::Instant::now();
        let attempt = |takes: u64, fails: bool| async move {
            let start = began.elapsed().as_millis();
            tokio::time::sleep(Duration::from_millis(takes)).await;
            if fails { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok((start, began.elapsed().as_millis())) }
        };
        let attempts = [attempt(10, true), attempt(10_000, false), attempt(20, false), attempt(0, false)];
        assert_eq!(staggered(attempts.into_iter(), HEAD_START).await.unwrap(), (260, 280));
        let failed = staggered([attempt(10, true), attempt(5, true)].into_iter(), HEAD_START).await;
        assert_eq!(failed.unwrap_err().unwrap().kind(), io::ErrorKind::ConnectionRefused);
        assert!(
            staggered(std::iter::empty::<std::future::Ready<io::Result<()>>>(), HEAD_START)
                .await
                .unwrap_err()
                .is_none()
        );
    }

    #[test]
    fn an_ipv6_url_loses_its_brackets() {
        let endpoint = Endpoint::of(&"https://[::1]/x".parse().unwrap()).unwrap();
        assert_eq!(endpoint, Endpoint { host: "::1".into(), port: 443, secure: true });
    }

    #[tokio::test]
    async fn sources_are_used_in_turn() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sources = vec!["127.0.0.2".parse().unwrap(), "127.0.0.3".parse().unwrap(), "::1".parse().unwrap()];
        let dialer = dialer(sources);
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint { host: "127.0.0.1".into(), port, secure: false };
        let mut seen = Vec::new();
        for _ in 0..3 {
            let _stream = dialer.dial(&endpoint, &mut Turn::default()).await.unwrap();
            seen.push(listener.accept().await.unwrap().1.ip().to_string());
        }
        assert_eq!(seen, ["127.0.0.2", "127.0.0.3", "127.0.0.2"]);
    }

    #[tokio::test]
    async fn a_source_that_is_not_ours_has_no_ports() {
        let dialer = dialer(vec!["192.0.2.1".parse().unwrap()]);
        let endpoint = Endpoint { host: "127.0.0.1".into(), port: 9, secure: false };
        assert_eq!(dialer.dial(&endpoint, &mut Turn::default()).await.unwrap_err().kind, FailureKind::NoPorts);
    }
}
