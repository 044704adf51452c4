//! The meaning of a connection's end: for outstanding deliveries, and for a user who had not joined yet.

use std::time::Duration;

use crate::ledger::DisconnectCause;
use crate::model::{EndReason, Failure, FailureKind, Initiator};

/// How a connection to the room ended.
#[derive(Debug)]
pub(super) enum ConnectionOutcome {
    /// The user left on purpose.
    Left,
    /// The connection was cut after lasting this long.
    Cut(Duration),
    /// The user did not join.
    Failed(Failure),
    /// The run stopped.
    Stopped,
}

/// The cause of a connection's end, for outstanding deliveries.
pub(super) fn cause(initiator: Initiator) -> DisconnectCause {
    match initiator {
        Initiator::User => DisconnectCause::Left,
        Initiator::Server => DisconnectCause::Server,
        Initiator::Network => DisconnectCause::Network,
    }
}

/// Why a user did not join, in words: the connection ended, or soakrig gave up.
pub(super) fn never_joined(reason: EndReason, patience: Duration) -> String {
    let gave_up = |what: String| format!("{what}; soakrig gave up");
    match reason {
        EndReason::NoPresence => {
            gave_up(format!("the server did not say within {} s that the user has joined", patience.as_secs()))
        }
        EndReason::Silent => gave_up("nothing was read for too long before the user had joined".to_owned()),
        EndReason::WriteTimeout => gave_up("a frame could not be written before the user had joined".to_owned()),
        reason => format!("the socket ended before the user had joined: {}", reason.as_str()),
    }
}

/// The failure of a user whose connection ended before it had joined.
pub(super) fn failure(reason: EndReason) -> FailureKind {
    match reason {
        EndReason::NoPresence => FailureKind::NoPresence,
        EndReason::Reset => FailureKind::ConnectionReset,
        EndReason::FrameTooLarge => FailureKind::FrameTooLarge,
        EndReason::InvalidUtf8 => FailureKind::InvalidUtf8,
        EndReason::ProtocolViolation => FailureKind::Protocol,
        EndReason::Io => FailureKind::Io,
        _ => FailureKind::ConnectionClosed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_that_gave_up_is_named() {
        let said = |reason| never_joined(reason, Duration::from_secs(30));
        assert_eq!(
            said(EndReason::NoPresence),
            "the server did not say within 30 s that the user has joined; soakrig gave up"
        );
        assert_eq!(said(EndReason::Reset), "the socket ended before the user had joined: reset");
    }
}
