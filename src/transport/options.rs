//! How connections to the server are made, as the user asks for it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::dial::Dialer;
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
    /// Headers of every request to the server; their values are secrets.
    pub headers: HeaderMap,
    /// The largest frame that is accepted, in bytes.
    pub max_frame: usize,
    /// The longest wait for an HTTP answer, and for each websocket handshake.
    pub http_timeout: Duration,
}

impl ConnectionOptions {
    /// What opens connections of these options.
    ///
    /// # Errors
    /// A file of certificates or of a key that cannot be read, or is of no use.
    pub fn dialer(&self) -> Result<Arc<Dialer>, TlsError> {
        let tls = tls::configure(&self.tls)?;
        let resolver = Resolver::new(Files::default(), self.resolve.clone());
        Ok(Arc::new(Dialer::new(tls, self.source_ips.clone(), resolver)))
    }
}
