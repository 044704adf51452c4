//! What a driver is told when it is made, what it states about its protocol, and why it cannot be made.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use url::Url;

use super::{Probe, Trace};
use crate::clock::Clock;
use crate::model::Secret;
use crate::transport::dial::Dialer;
use crate::transport::resolve::{Files, Resolve, Resolver};
use crate::transport::tls::{self, ClientCertificate, TlsError, TlsSettings};

/// What a driver needs to know of its target and of the run.
#[derive(Clone)]
pub struct Settings {
    /// The server, http or https; a path is kept as a prefix of every request.
    pub base: Url,
    /// The room as it was typed; may be empty where only accounts are dealt with.
    pub room: String,
    /// A private certificate authority, PEM, beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// Source addresses, used in turn; none leaves the choice to the system.
    pub source_ips: Vec<IpAddr>,
    /// A certificate of our own, for servers that ask for one.
    pub client_certificate: Option<ClientCertificate>,
    /// Addresses given for a host and port instead of DNS's.
    pub resolve: Vec<Resolve>,
    /// Headers of every request to the target; their values are secrets.
    pub headers: HeaderMap,
    /// The largest frame that is accepted, in bytes.
    pub max_frame: usize,
    /// For each request, and for each websocket handshake.
    pub http_timeout: Duration,
    /// Stamps what is read.
    pub clock: Clock,
    /// Passwords, which no failure's text may hold, whatever the server says.
    pub secrets: Vec<Secret>,
    /// Hears of each HTTP request.
    pub probe: Arc<dyn Probe>,
    /// Says which trace a request belongs to.
    pub trace: Arc<dyn Trace>,
}

impl Settings {
    /// What opens this driver's connections.
    ///
    /// # Errors
    /// A file of certificates or of a key that cannot be read, or is of no use.
    pub fn dialer(&self) -> Result<Dialer, TlsError> {
        let tls = tls::configure(&TlsSettings {
            ca_file: self.ca_file.clone(),
            insecure_skip_verify: self.insecure_skip_verify,
            client: self.client_certificate.clone(),
        })?;
        Ok(Dialer::new(tls, self.source_ips.clone(), Resolver::new(Files::default(), self.resolve.clone())))
    }
}

/// Why no driver could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL is of no use.
    #[error("the URL is of no use: {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What a protocol can do. Stated once, and read when a run is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The server sends a message back to its sender.
    pub echo: bool,
    /// The server keeps the order of messages on each connection.
    pub ordered: bool,
    /// A message that is received names its sender.
    pub senders: bool,
    /// Accounts can be created.
    pub sign_up: bool,
    /// Accounts can be deleted.
    pub delete: bool,
    /// There are side rooms: second, temporary connections.
    pub side_rooms: bool,
    /// The server sends lists of the members of the room.
    pub member_lists: bool,
}
