//! How connections to the server are made, as the user asks for it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::dial::Dialer;
use super::proxy::Proxy;
use super::resolve::{Files, Resolve, Resolver};
use super::tls::{self, TlsError, TlsSettings};

/// How connections to the server are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// Which certificates are trusted, and which is shown.
    pub tls: TlsSettings,
    /// Local addresses to connect from, used in turn; none leaves the choice to the system.
    pub source_ips: Vec<IpAddr>,
    /// Addresses given for a host and port instead of DNS's.
    pub resolve: Vec<Resolve>,
    /// The proxy before the server, and the servers that it is not used for.
    pub proxy: Option<Proxy>,
    /// Headers of every request to the server; their values are secrets.
    pub headers: HeaderMap,
    /// Whether compression of websocket messages is offered.
    pub compression: bool,
    /// The largest frame that is accepted, in bytes; compressed messages unpack to no more.
    pub max_frame: usize,
    /// The longest wait for an HTTP answer, and for each websocket handshake.
    pub http_timeout: Duration,
}

impl ConnectionOptions {
    /// What opens connections of these options.
    ///
    /// # Errors
    /// A file of certificates or of a key that cannot be read, or cannot be used.
    pub fn dialer(&self) -> Result<Arc<Dialer>, TlsError> {
        let tls = tls::configure(&self.tls)?;
        let resolver = Resolver::new(Files::default(), self.resolve.clone());
        let dialer = Dialer::new(tls, self.source_ips.clone(), resolver);
        let Some(proxy) = &self.proxy else { return Ok(Arc::new(dialer)) };
        // The certificate of our own is for the server alone.
        let tls = tls::configure(&TlsSettings { client: None, ..self.tls.clone() })?;
        // A proxy that says nothing has to be told from a server that does: it has less time.
        Ok(Arc::new(dialer.through(proxy.clone(), tls, self.http_timeout * 9 / 10)))
    }
}
