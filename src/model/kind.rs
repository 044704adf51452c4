//! Kinds of failures and frames: small indices with a name, common ones and those of the driver.

use strum::{EnumDiscriminants, EnumIter, IntoStaticStr};

use super::SpoiltBy;

/// A name that a driver adds to the common ones, with its place among them. Kinds refer to it: they
/// are copied with each frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnName {
    index: u8,
    text: &'static str,
}

impl OwnName {
    /// How many names a driver may add to those of one kind: counts have room for so many.
    pub const LIMIT: usize = 64;

    /// The `index`-th name of a driver, in snake case; nothing from [`Self::LIMIT`] on.
    #[must_use]
    pub fn new(index: usize, text: &'static str) -> Option<Self> {
        let index = u8::try_from(index).ok().filter(|index| usize::from(*index) < Self::LIMIT)?;
        Some(Self { index, text })
    }

    /// The `INDEX`-th name of a driver; one too many does not compile.
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
    /// The name exists; not an error by itself, logging in is the next step.
    NameTaken,
    /// The name exists and the password is not its own.
    WrongPassword,
    /// Too many failed log-ins; the server wants minutes of quiet.
    Locked,
    /// The session is unknown to the server.
    SignedOut,
    /// The websocket upgrade was answered wrongly: accept key, headers.
    BadHandshake,
    /// A 101, and then no presence frame in time.
    NoPresence,
    /// A frame over the size limit.
    FrameTooLarge,
    /// A text frame that is not UTF-8.
    InvalidUtf8,
    /// Any other violation of RFC 6455.
    Protocol,
    /// A text frame that is not the JSON expected.
    Malformed,
    /// An `error` frame of any other text.
    ServerMessage,
    /// A socket that said nothing, not even a pong, for too long.
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
    /// A delivery that did not come by the horizon.
    Lost,
    /// A delivery whose marker does not fit.
    Corrupt,
    /// A defect of soakrig itself, caught and counted.
    Panic,
    /// A name of the driver's.
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
    /// Not the JSON expected.
    Malformed,
    /// A binary frame.
    Binary,
    /// Websocket ping.
    Ping,
    /// Websocket pong.
    Pong,
    /// Websocket close.
    Close,
    /// A name of the driver's.
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
    /// A name of the driver's.
    #[strum(disabled)]
    Own(&'static OwnName),
}

/// Gives kinds their text and their place in arrays of counts.
macro_rules! kinds {
    ($($name:ident $discriminant:ident;)+) => { $(
        impl $name {
            /// How many kinds are common: `Own` comes last.
            const COMMON: usize = $discriminant::Own as usize;

            /// How many places an array of counts by this kind has, those for a driver's names included.
            pub const PLACES: usize = Self::COMMON + OwnName::LIMIT;

            /// The kind's name, which is its label's text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::Own(name) => name.text,
                    common => common.into(),
                }
            }

            /// The kind's place in an array of counts, below [`Self::PLACES`].
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
    /// Failures that this generator's machine caused, and no server: an intent that it issued too
    /// late, or no file descriptor or local port left for a connection.
    pub const OWN_FAULTS: [Self; 3] = [Self::NoFiles, Self::NoPorts, Self::Overdue];

    /// Whether this is one of [`Self::OWN_FAULTS`]. The metrics count them like any other failure;
    /// no error rate that a verdict reads does.
    #[must_use]
    pub fn is_own_fault(self) -> bool {
        Self::OWN_FAULTS.contains(&self)
    }

    /// Why the time is spoilt for which a user waits after this failure, if it is. Decided by kind, and
    /// not by class: these are faults of this machine, whatever the protocol does about them.
    #[must_use]
    pub fn spoils(self) -> Option<SpoiltBy> {
        match self {
            Self::NoFiles => Some(SpoiltBy::NoFiles),
            Self::NoPorts => Some(SpoiltBy::NoPorts),
            _ => None,
        }
    }
}
