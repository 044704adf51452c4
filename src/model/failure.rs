//! Failures as data: a class for decisions, a kind for labels, a bounded text for people.

use std::borrow::Cow;
use std::time::Duration;

use super::FailureKind;

impl FailureKind {
    /// The class of a failure of this kind, unless a driver sets another; `Retry` for a name of a driver.
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
            | Self::ProxyRefused
            | Self::BadRequest
            | Self::NotFound
            | Self::BadRedirect => FailureClass::HopelessAtStart,
            _ => FailureClass::Retry,
        }
    }
}

/// The consequence of a failure for its user. Drivers set it; all decisions depend on the class alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// Temporary: the user retries after a backoff.
    Retry,
    /// No answer came, though the request may have reached the server. Retried like `Retry`.
    Unanswered,
    /// The server wants no attempt for this long. Refuses the run if the first user meets it.
    Wait(Duration),
    /// The server does not know the session: the user signs in again.
    SignedOut,
    /// The account exists: the user logs in.
    NameTaken,
    /// The server refuses the account, and another attempt could lock it: the user gives up. Refuses the run if the
    /// first user meets it.
    Final,
    /// Retried like `Retry`, but refuses the run if the first user or the preflight meets it.
    HopelessAtStart,
    /// A side room is full, or the user has joined another one: a valid answer, not an error.
    Declined,
}

impl FailureClass {
    /// Whether the run ends if the first user or the preflight fails like this, because a backoff would not help.
    #[must_use]
    pub fn refuses_run(self) -> bool {
        matches!(self, Self::Wait(_) | Self::Final | Self::HopelessAtStart)
    }
}

/// A step that failed, as data: the run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The consequence for the user.
    pub class: FailureClass,
    /// Its name, for labels and for people; no decision depends on it.
    pub kind: FailureKind,
    /// The text of the server or the system: bounded, without secrets and control characters. For logs and for
    /// `check`, never for a label.
    pub detail: Cow<'static, str>,
    /// How long the server asked to wait (`Retry-After`), if it did.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Longest text of a server that is kept, in characters.
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

    /// A failure of the kind's usual class with a text, which is shortened and stripped of what could steer a terminal
    /// or disguise the text on it.
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
