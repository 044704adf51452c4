//! What a driver is told when it is made, what it states about its protocol, and why it cannot be made.

use std::sync::Arc;

use url::Url;

use super::{Probe, Trace};
use crate::clock::Clock;
use crate::model::{DeliveryRules, Secret};
use crate::transport::ConnectionOptions;
use crate::transport::tls::TlsError;

/// What a driver needs to know of its target and of the run.
#[derive(Clone)]
pub struct DriverSettings {
    /// The server, http or https; a path is kept as a prefix of every request.
    pub base: Url,
    /// The room of users whose session names none; may be empty where only accounts are dealt with.
    pub room: String,
    /// How its connections are made.
    pub connection: ConnectionOptions,
    /// Stamps what is read.
    pub clock: Clock,
    /// Passwords, which no failure's text may hold, whatever the server says.
    pub secrets: Vec<Secret>,
    /// Hears of each HTTP request.
    pub probe: Arc<dyn Probe>,
    /// Says which trace a request belongs to.
    pub trace: Arc<dyn Trace>,
}

/// Why no driver could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL cannot be used.
    #[error("the URL cannot be used: {reason}")]
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
    /// What the server promises about messages.
    pub delivery: DeliveryRules,
    /// Accounts can be created.
    pub sign_up: bool,
    /// Users sign in with a password.
    pub passwords: bool,
    /// Accounts can be deleted.
    pub delete: bool,
    /// There are side rooms: second, temporary connections.
    pub side_rooms: bool,
    /// The server sends lists of the members of the room.
    pub member_lists: bool,
    /// The longest text of a message that the server surely takes, marker included, in bytes.
    pub max_text: Option<usize>,
    /// The longest username that can sign up, in characters.
    pub max_username: Option<usize>,
}
