//! The settings of a driver, the capabilities of a protocol, and setup errors.

use std::sync::Arc;

use url::Url;

use super::{Probe, Trace};
use crate::clock::Clock;
use crate::model::{DeliveryRules, Secret};
use crate::transport::ConnectionOptions;
use crate::transport::tls::TlsError;

/// What a driver needs to know about its target and the run.
#[derive(Clone)]
pub struct DriverSettings {
    /// The server, http or https; a path is kept as a prefix of every request.
    pub base: Url,
    /// The room of users whose session names none; may be empty for work on accounts only.
    pub room: String,
    /// How its connections are made.
    pub connection: ConnectionOptions,
    /// The clock for stamps of what is read.
    pub clock: Clock,
    /// Passwords, which no failure's text may contain, whatever the server says.
    pub secrets: Vec<Secret>,
    /// Observer of each HTTP request.
    pub probe: Arc<dyn Probe>,
    /// Source of the trace that a request belongs to.
    pub trace: Arc<dyn Trace>,
}

/// Why no driver could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL cannot be used.
    #[error("the URL cannot be used: {reason}")]
    Url {
        /// The reason.
        reason: &'static str,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The capabilities of a protocol, read when a run is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// What the server promises about messages.
    pub delivery: DeliveryRules,
    /// Whether accounts can be created.
    pub sign_up: bool,
    /// Whether users sign in with a password.
    pub passwords: bool,
    /// Whether accounts can be deleted.
    pub delete: bool,
    /// Whether there are side rooms: second, temporary connections.
    pub side_rooms: bool,
    /// Whether the server sends lists of the members of the room.
    pub member_lists: bool,
    /// The longest text of a message that the server certainly takes, marker included, in bytes.
    pub max_text: Option<usize>,
    /// The longest username that can sign up, in characters.
    pub max_username: Option<usize>,
}
