//! What the end of a connection means: for what had not come, and where the user was not in yet.

use crate::chat::{EndReason, FailureKind, Initiator};
use crate::ledger::Excuse;

/// What a connection's end means for what had not come.
pub(super) fn excuse(initiator: Initiator) -> Excuse {
    match initiator {
        Initiator::User => Excuse::Left,
        Initiator::Server => Excuse::Server,
        Initiator::Network => Excuse::Network,
    }
}

/// Why a user did not get in whose connection ended before the first presence frame.
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
