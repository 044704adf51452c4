//! TCP and TLS connections to one endpoint, from a choice of source addresses.
//!
//! It knows no HTTP. Whoever calls bounds the time over dialling and what follows it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::faults;
use crate::model::{Failure, FailureKind};

/// How many addresses of a name are tried.
const ADDRESS_LIMIT: usize = 8;

/// What the system may hold back of what a server does not read, in bytes (it takes twice that).
/// Left to itself it takes megabytes: a queue of thousands of chats behind the one frame that a
/// user may have in writing, in which a server that reads no more would go unnoticed.
const SEND_BUFFER: u32 = 32 * 1024;

/// A server's host, port, and whether it speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether to speak TLS.
    pub secure: bool,
}

impl Endpoint {
    /// The endpoint of an http or https URL; `None` where it has no host.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        Some(Self { host, port: url.port_or_known_default()?, secure: url.scheme() == "https" })
    }
}

/// Opens connections.
#[derive(Debug)]
pub struct Dialer {
    tls: Arc<rustls::ClientConfig>,
    sources: Sources,
}

impl Dialer {
    /// A dialler with the shared TLS configuration; `sources` are used in turn, none means
    /// that the system chooses.
    #[must_use]
    pub fn new(tls: Arc<rustls::ClientConfig>, sources: Vec<IpAddr>) -> Self {
        Self { tls, sources: Sources { list: sources, next: AtomicUsize::new(0) } }
    }

    /// Opens a connection: each address of the name is tried in turn.
    ///
    /// # Errors
    /// The failure of the last address tried.
    pub async fn dial(&self, endpoint: &Endpoint) -> Result<Stream, Failure> {
        let tcp = self.connect(endpoint).await?;
        if !endpoint.secure {
            return Ok(Stream::Plain(tcp));
        }
        let name = ServerName::try_from(endpoint.host.clone())
            .map_err(|_| Failure::with(FailureKind::Tls, format!("{} is not a server name", endpoint.host)))?;
        let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await;
        tls.map(|stream| Stream::Tls(Box::new(stream))).map_err(|e| faults::of_tls(&e))
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<TcpStream, Failure> {
        let addresses = resolve(&endpoint.host, endpoint.port).await.map_err(|e| dns_failure(&endpoint.host, &e))?;
        let mut last = Failure::with(FailureKind::Dns, format!("{} has no address", endpoint.host));
        for address in addresses {
            match self.connect_to(address).await {
                Ok(stream) => return Ok(stream),
                Err(e) => last = faults::of_io(&e),
            }
        }
        Err(last)
    }

    async fn connect_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_nodelay(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        if let Some(source) = self.sources.next_for(address) {
            // Without this the kernel reserves a port for the source alone at bind, and so
            // allows as many connections as there are ports; with it the pair counts.
            setsockopt(&socket, IpBindAddressNoPort, &true)?;
            socket.bind(SocketAddr::new(source, 0))?;
        }
        socket.connect(address).await
    }
}

/// Source addresses, used in turn.
#[derive(Debug)]
struct Sources {
    list: Vec<IpAddr>,
    next: AtomicUsize,
}

impl Sources {
    /// The next source of the same family as `target`.
    fn next_for(&self, target: SocketAddr) -> Option<IpAddr> {
        let fitting = || self.list.iter().filter(|ip| ip.is_ipv4() == target.is_ipv4());
        let count = fitting().count();
        let turn = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(count)?;
        fitting().nth(turn).copied()
    }
}

/// The addresses of a name, or the address it spells; at most eight.
///
/// # Errors
/// Those of the resolver.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Ok(vec![SocketAddr::new(ip.into(), port)]);
    }
    if let Ok(ip) = host.parse::<Ipv6Addr>() {
        return Ok(vec![SocketAddr::new(ip.into(), port)]);
    }
    Ok(tokio::net::lookup_host((host, port)).await?.take(ADDRESS_LIMIT).collect())
}

/// A failed lookup.
#[must_use]
pub fn dns_failure(host: &str, e: &io::Error) -> Failure {
    match faults::of_io(e).kind {
        // Out of files is this machine's trouble, not the name's.
        FailureKind::NoFiles => faults::of_io(e),
        _ => Failure::with(FailureKind::Dns, format!("{host}: {e}")),
    }
}

/// A TCP connection, bare or under TLS.
#[derive(Debug)]
pub enum Stream {
    /// Bare.
    Plain(TcpStream),
    /// Under TLS; boxed, as it is a hundred times larger.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn address_literals_need_no_resolver() {
        assert_eq!(resolve("127.0.0.1", 80).await.unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(resolve("::1", 443).await.unwrap(), ["[::1]:443".parse().unwrap()]);
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
        let dialer = Dialer::new(super::super::tls::accept_any().unwrap(), sources);
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint { host: "127.0.0.1".into(), port, secure: false };
        let mut seen = Vec::new();
        for _ in 0..3 {
            let _stream = dialer.dial(&endpoint).await.unwrap();
            seen.push(listener.accept().await.unwrap().1.ip().to_string());
        }
        assert_eq!(seen, ["127.0.0.2", "127.0.0.3", "127.0.0.2"]);
    }

    #[tokio::test]
    async fn a_source_that_is_not_ours_is_no_ports() {
        let dialer = Dialer::new(super::super::tls::accept_any().unwrap(), vec!["192.0.2.1".parse().unwrap()]);
        let endpoint = Endpoint { host: "127.0.0.1".into(), port: 9, secure: false };
        assert_eq!(dialer.dial(&endpoint).await.unwrap_err().kind, FailureKind::NoPorts);
    }
}
