//! Kinds of failures and frames: small indices with names, common ones and those of a driver.

use strum::{EnumDiscriminants, EnumIter, IntoStaticStr};

use super::SpoiltBy;

/// A name that a driver adds to the common ones, with its index. Kinds refer to it, because they are copied with
/// each frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnName {
    index: u8,
    text: &'static str,
}

impl OwnName {
    /// Maximum number of names that a driver may add to one kind; counts have room for as many.
    pub const LIMIT: usize = 64;

    /// The `index`-th name of a driver, in snake case; `None` from [`Self::LIMIT`] on.
    #[must_use]
    pub fn new(index: usize, text: &'static str) -> Option<Self> {
        let index = u8::try_from(index).ok().filter(|index| usize::from(*index) < Self::LIMIT)?;
        Some(Self { index, text })
    }

    /// The `INDEX`-th name of a driver; an index from [`Self::LIMIT`] on does not compile.
    #[must_use]
    pub const fn at<const INDEX: u8>(text: &'static str) -> Self {
        const { assert!((INDEX as usize) < Self::LIMIT) };
        Self { index: INDEX, text }
    }
}

/// Why something failed: the closed set behind the labels `kind` and `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumDiscriminants, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[strum_discriminants(name(CommonFailureKind), vis(pub(super)))]
pub enum FailureKind {
    /// Name resolution failed.
    Dns,
    /// TCP connection refused.
    ConnectionRefused,
    /// The peer reset the connection.
    ConnectionReset,
    /// The peer ended the connection before an answer.
    ConnectionClosed,
    /// No route, network unreachable and the like.
    Unreachable,
    /// Certificate or TLS protocol.
    Tls,
    /// The proxy made no tunnel to the server.
    ProxyRefused,
    /// No answer in time.
    Timeout,
    /// This machine has no file descriptor left.
    NoFiles,
    /// This machine has no local port left.
    NoPorts,
    /// Any other error of the operating system.
    Io,
    /// HTTP 400.
    BadRequest,
    /// HTTP 403.
    Forbidden,
    /// HTTP 404 for a page that should exist.
    NotFound,
    /// HTTP 429.
    TooManyRequests,
    /// Any other HTTP 4xx.
    ClientError,
    /// HTTP 500.
    InternalError,
    /// HTTP 503.
    Unavailable,
    /// Any other HTTP 5xx.
    ServerError,
    /// A status that the step does not know.
    UnexpectedStatus,
    /// A redirect to another origin, or one that leads nowhere.
    BadRedirect,
    /// HTTP that cannot be parsed, header limits included.
    BadHttp,
    /// A body over the limit.
    BodyTooLarge,
    /// The sign-up form was refused, with the page's reasons.
    SignupRefused,
    /// The name exists. Not an error by itself: logging in is the next step.
    NameTaken,
    /// The name exists with another password.
    WrongPassword,
    /// Too many failed log-ins; the server wants minutes of quiet.
    Locked,
    /// The session is unknown to the server.
    SignedOut,
    /// The websocket upgrade was answered wrongly: accept key, headers.
    BadHandshake,
    /// A 101, but no presence frame in time.
    NoPresence,
    /// A frame over the size limit.
    FrameTooLarge,
    /// A text frame that is not UTF-8.
    InvalidUtf8,
    /// Any other violation of RFC 6455.
    Protocol,
    /// A text frame that is not the expected JSON.
    Malformed,
    /// An `error` frame with any other text.
    ServerMessage,
    /// A socket on which nothing arrived, not even a pong, for too long.
    Silent,
    /// A frame that could not be written for too long.
    WriteTimeout,
    /// An intent with no user connected.
    NotConnected,
    /// An intent while every outbox was full.
    Backpressure,
    /// An intent during the stop, or a step cut short by it or by the end of its user's connection.
    Stopping,
    /// An intent that this process issued too late, or that came while it was catching up.
    Overdue,
    /// An intent while `ctl disconnect` had everyone disconnected and no user was back.
    Disconnected,
    /// A delivery that did not arrive within the horizon.
    Lost,
    /// A delivery whose marker does not match.
    Corrupt,
    /// A panic in soakrig itself, caught and counted.
    Panic,
    /// A name of the driver.
    #[strum(disabled)]
    Own(&'static OwnName),
}

/// Kinds of frames the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumDiscriminants, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[strum_discriminants(name(CommonFrameKind), vis(pub(super)))]
pub enum FrameKind {
    /// Member list.
    Presence,
    /// A chat.
    Chat,
    /// An error text.
    Error,
    /// Valid JSON of a type this list does not know.
    Unknown,
    /// Not the expected JSON.
    Malformed,
    /// A binary frame.
    Binary,
    /// Websocket ping.
    Ping,
    /// Websocket pong.
    Pong,
    /// Websocket close.
    Close,
    /// A name of the driver.
    #[strum(disabled)]
    Own(&'static OwnName),
}

/// Kinds of frames the rig sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumDiscriminants, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[strum_discriminants(name(CommonSentKind), vis(pub(super)))]
pub enum SentKind {
    /// A chat.
    Chat,
    /// The heartbeat text.
    Heartbeat,
    /// Websocket ping.
    Ping,
    /// Websocket pong.
    Pong,
    /// Websocket close.
    Close,
    /// A name of the driver.
    #[strum(disabled)]
    Own(&'static OwnName),
}

/// Gives kinds their text and their index in arrays of counts.
macro_rules! kinds {
    ($($name:ident $discriminant:ident;)+) => { $(
        impl $name {
            /// Number of common kinds; `Own` comes last.
            const COMMON: usize = $discriminant::Own as usize;

            /// Length of an array of counts by this kind, including the names of a driver.
            pub const PLACES: usize = Self::COMMON + OwnName::LIMIT;

            /// The kind's name, which is its label's text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::Own(name) => name.text,
                    common => common.into(),
                }
            }

            /// The kind's index in an array of counts, below [`Self::PLACES`].
            #[must_use]
            pub fn place(self) -> usize {
                match self {
                    Self::Own(name) => Self::COMMON + usize::from(name.index),
                    common => $discriminant::from(common) as usize,
                }
            }
        }
    )+ };
}

kinds! {
    FailureKind CommonFailureKind;
    FrameKind CommonFrameKind;
    SentKind CommonSentKind;
}

impl FailureKind {
    /// Failures caused by this generator's machine, not the server: an intent issued too late, or no file descriptor
    /// or local port left for a connection.
    pub const OWN_FAULTS: [Self; 3] = [Self::NoFiles, Self::NoPorts, Self::Overdue];

    /// Whether this is one of [`Self::OWN_FAULTS`]. The metrics count them like any other failure; the error rates of
    /// verdicts do not.
    #[must_use]
    pub fn is_own_fault(self) -> bool {
        Self::OWN_FAULTS.contains(&self)
    }

    /// Why a user's wait after this failure is spoilt time, if it is. This depends on the kind, not the class: these
    /// are faults of this machine, whatever the protocol does about them.
    #[must_use]
    pub fn spoils(self) -> Option<SpoiltBy> {
        match self {
            Self::NoFiles => Some(SpoiltBy::NoFiles),
            Self::NoPorts => Some(SpoiltBy::NoPorts),
            _ => None,
        }
    }
}
