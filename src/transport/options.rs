//! The options of connections to the server.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::dial::Dialer;
use super::proxy::Proxy;
use super::resolve::{Files, Resolve, Resolver};
use super::tls::{self, TlsError, TlsSettings};

/// The options of connections to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// The trusted certificates, and the one to show.
    pub tls: TlsSettings,
    /// Local addresses to connect from, used in turn; if empty, the system chooses.
    pub source_ips: Vec<IpAddr>,
    /// Addresses for hosts and ports that replace DNS.
    pub resolve: Vec<Resolve>,
    /// The proxy, and the servers to connect to without it.
    pub proxy: Option<Proxy>,
    /// Headers of every request to the server; their values are secrets.
    pub headers: HeaderMap,
    /// Whether to offer compression of websocket messages.
    pub compression: bool,
    /// Largest frame accepted, in bytes, also after decompression.
    pub max_frame: usize,
    /// Longest wait for an HTTP answer, and for each websocket handshake.
    pub http_timeout: Duration,
}

impl ConnectionOptions {
    /// A dialler with these options.
    ///
    /// # Errors
    /// A file of certificates or of a key that cannot be read, or cannot be used.
    pub fn dialer(&self) -> Result<Arc<Dialer>, TlsError> {
        let tls = tls::configure(&self.tls)?;
        let resolver = Resolver::new(Files::default(), self.resolve.clone());
        let dialer = Dialer::new(tls, self.source_ips.clone(), resolver);
        let Some(proxy) = &self.proxy else { return Ok(Arc::new(dialer)) };
        // Our own certificate is only for the server.
        let tls = tls::configure(&TlsSettings { client: None, ..self.tls.clone() })?;
        // Give the proxy less time than the server, so that a silent proxy can be told from a silent server.
        Ok(Arc::new(dialer.through(proxy.clone(), tls, self.http_timeout * 9 / 10)))
    }
}
