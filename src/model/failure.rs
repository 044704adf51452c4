//! Failures as data: a class to decide by, a kind for labels, a bounded text for people.

use std::borrow::Cow;
use std::time::Duration;

use strum::{EnumCount, IntoStaticStr, VariantArray};

use super::SpoiltBy;

labels! {
    /// Why something failed: the closed set behind the labels `kind` and `reason`.
    FailureKind {
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
        /// A form without its CSRF field.
        NoCsrf,
        /// An event page without `__INITIAL_STATE__`.
        NoState,
        /// A page whose state is not the JSON expected.
        BadState,
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
        /// As many are present as may be.
        OverCapacity,
        /// The event is over or has not begun.
        EventClosed,
        /// The event was cancelled.
        EventCancelled,
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
        /// An `error` frame: type not understood.
        TypeNotUnderstood,
        /// An `error` frame: missing type.
        MissingType,
        /// An `error` frame: must be an admin.
        MustBeAdmin,
        /// An `error` frame: authentication required.
        AuthenticationRequired,
        /// An `error` frame: breakout not found.
        BreakoutNotFound,
        /// An `error` frame of any other text.
        ServerMessage,
        /// Breakout: already in another one.
        AlreadyConnected,
        /// A socket that said nothing, not even a pong, for too long.
        Silent,
        /// A frame that could not be written for too long.
        WriteTimeout,
        /// An intent with nobody connected.
        NotConnected,
        /// An intent while every outbox was full.
        Backpressure,
        /// An intent during the stop.
        Stopping,
        /// An intent that this process issued too late, or that came while it was catching up.
        Overdue,
        /// A delivery that did not come by the horizon.
        Lost,
        /// A delivery whose marker does not fit.
        Corrupt,
        /// A defect of soakrig itself, caught and counted.
        Panic,
    }
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

    /// Why the time is spoilt for which a user waits after this failure, if it is.
    #[must_use]
    pub fn spoils(self) -> Option<SpoiltBy> {
        match self {
            Self::NoFiles => Some(SpoiltBy::NoFiles),
            Self::NoPorts => Some(SpoiltBy::NoPorts),
            _ => None,
        }
    }

    /// The class of a failure of this kind, unless a driver knows better.
    #[must_use]
    pub fn usual_class(self) -> FailureClass {
        match self {
            Self::ConnectionReset | Self::ConnectionClosed | Self::Timeout => FailureClass::Unanswered,
            Self::SignedOut => FailureClass::SignedOut,
            Self::NameTaken => FailureClass::NameTaken,
            Self::WrongPassword | Self::SignupRefused => FailureClass::Final,
            Self::Dns
            | Self::ConnectionRefused
            | Self::Unreachable
            | Self::Tls
            | Self::BadRequest
            | Self::NotFound
            | Self::BadRedirect
            | Self::OverCapacity
            | Self::EventClosed
            | Self::EventCancelled => FailureClass::HopelessAtStart,
            Self::AlreadyConnected => FailureClass::Declined,
            _ => FailureClass::Retry,
        }
    }
}

/// What a failure means for the user that meets it. Drivers set it; everything else decides by
/// the class alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// May pass: the user tries again after a backoff.
    Retry,
    /// No answer came, though the request may have reached the server. Tried again like `Retry`.
    Unanswered,
    /// The server wants no attempt for this long. Refuses the run where the first user meets it.
    Wait(Duration),
    /// The server does not know the session: the user signs in again.
    SignedOut,
    /// The account exists: the user logs in.
    NameTaken,
    /// The server refuses the account, and another attempt could lock it: the user gives up. Refuses
    /// the run where the first user meets it.
    Final,
    /// Tried again like `Retry`, but refuses the run where the first user or the preflight meets it.
    HopelessAtStart,
    /// A side room is full, or the user has joined another one: a valid answer, not an error.
    Declined,
}

impl FailureClass {
    /// Whether a first user or a preflight that fails like this ends the run: no backoff helps.
    #[must_use]
    pub fn refuses_run(self) -> bool {
        matches!(self, Self::Wait(_) | Self::Final | Self::HopelessAtStart)
    }
}

/// A step that failed, as data: the run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it means for the user.
    pub class: FailureClass,
    /// Its name, for labels and for people; nothing decides by it.
    pub kind: FailureKind,
    /// What the server or the system said, bounded, without secrets, with control
    /// characters removed; for logs and for `check`, never for a label.
    pub detail: Cow<'static, str>,
    /// How long the server asked to wait (`Retry-After`), if it did.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// How much of a server's text is kept, in characters.
    pub const DETAIL_LIMIT: usize = 300;

    /// A failure of the kind's usual class, without a text.
    #[must_use]
    pub fn new(kind: FailureKind) -> Self {
        Self { class: kind.usual_class(), kind, detail: Cow::Borrowed(""), retry_after: None }
    }

    /// The same failure in another class than its kind's usual one.
    #[must_use]
    pub fn classed(self, class: FailureClass) -> Self {
        Self { class, ..self }
    }

    /// A failure of the kind's usual class with a text, which is shortened and stripped of what could steer a terminal or
    /// disguise the text on it.
    #[must_use]
    pub fn with(kind: FailureKind, detail: impl AsRef<str>) -> Self {
        let harmless = |c: char| if c.is_control() { ' ' } else { c };
        let detail: String =
            detail.as_ref().chars().filter(|c| !turns_direction(*c)).map(harmless).take(Self::DETAIL_LIMIT).collect();
        Self { detail: Cow::Owned(detail), ..Self::new(kind) }
    }
}

/// Characters that turn the direction of text, and so can disguise it.
#[must_use]
pub fn turns_direction(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.detail.is_empty() {
            f.write_str(self.kind.as_str())
        } else {
            write!(f, "{}: {}", self.kind.as_str(), self.detail)
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_refused_by_what_no_backoff_mends() {
        for kind in [FailureKind::WrongPassword, FailureKind::SignupRefused, FailureKind::NotFound, FailureKind::Dns] {
            assert!(Failure::new(kind).class.refuses_run(), "{kind:?}");
        }
        for kind in [FailureKind::Timeout, FailureKind::InternalError, FailureKind::NameTaken, FailureKind::NoFiles] {
            assert!(!Failure::new(kind).class.refuses_run(), "{kind:?}");
        }
        assert!(FailureClass::Wait(Duration::from_secs(1)).refuses_run());
    }

    #[test]
    fn a_class_set_by_a_driver_outlives_the_kinds_own() {
        let failure = Failure::with(FailureKind::ServerMessage, "banned").classed(FailureClass::Final);
        assert_eq!((failure.class, failure.to_string().as_str()), (FailureClass::Final, "server_message: banned"));
        assert_eq!(Failure::new(FailureKind::ServerMessage).class, FailureClass::Retry);
    }
}
