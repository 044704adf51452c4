//! Which label combinations are shown at 0 from the first scrape on, so that rates work from the
//! first event. Any other appears with its first event: nothing is lost by a gap in these lists.

use crate::model::{EndReason, FailureKind, HttpOutcome, Initiator, Socket, Stage, Step};

/// What keeps a request or a connect from any answer.
fn on_the_way(kind: FailureKind) -> bool {
    use FailureKind::{
        ConnectionClosed, ConnectionRefused, ConnectionReset, Dns, Io, NoFiles, NoPorts, Timeout, Tls, Unreachable,
    };
    matches!(
        kind,
        Dns | ConnectionRefused
            | ConnectionReset
            | ConnectionClosed
            | Unreachable
            | Tls
            | Timeout
            | NoFiles
            | NoPorts
            | Io
    )
}

/// Answers that any HTTP request may get.
fn by_status(kind: FailureKind) -> bool {
    use FailureKind::{
        BadHttp, BadRequest, ClientError, Forbidden, InternalError, NotFound, ServerError, TooManyRequests,
        Unavailable, UnexpectedStatus,
    };
    matches!(
        kind,
        BadRequest
            | Forbidden
            | NotFound
            | TooManyRequests
            | ClientError
            | InternalError
            | Unavailable
            | ServerError
            | UnexpectedStatus
            | BadHttp
    )
}

/// Answers that are pages, and not the ones hoped for.
fn by_page(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::BadRedirect | FailureKind::BodyTooLarge)
}

/// `soakrig_errors_total`.
pub(crate) fn error((stage, kind): (Stage, FailureKind)) -> bool {
    use FailureKind::{
        BadHandshake, BadState, Corrupt, EventCancelled, EventClosed, FrameTooLarge, InvalidUtf8, Locked, Lost,
        Malformed, NoCsrf, NoPresence, NoState, OverCapacity, Protocol, ServerMessage, SignedOut, SignupRefused,
        TypeNotUnderstood, WriteTimeout, WrongPassword,
    };
    // A step under way when the run stops.
    let cut_short = kind == FailureKind::Stopping;
    let page = || on_the_way(kind) || by_status(kind) || by_page(kind) || cut_short;
    match stage {
        Stage::Signup => page() || matches!(kind, NoCsrf | SignupRefused),
        Stage::Login => page() || matches!(kind, NoCsrf | WrongPassword | Locked),
        Stage::Event => {
            page() || matches!(kind, NoState | BadState | SignedOut | OverCapacity | EventClosed | EventCancelled)
        }
        Stage::Connect => on_the_way(kind) || by_status(kind) || cut_short || matches!(kind, BadHandshake | NoPresence),
        Stage::Send => {
            matches!(kind, FailureKind::NotConnected | FailureKind::Backpressure | FailureKind::Stopping | WriteTimeout)
        }
        Stage::Receive => {
            matches!(kind, FrameTooLarge | InvalidUtf8 | Protocol | Malformed | TypeNotUnderstood | ServerMessage)
        }
        Stage::Delivery => matches!(kind, Lost | Corrupt),
    }
}

/// `soakrig_connect_failures_total`.
pub(crate) fn connect_failure((socket, kind): (Socket, FailureKind)) -> bool {
    error((Stage::Connect, kind))
        || socket == Socket::Breakout && matches!(kind, FailureKind::OverCapacity | FailureKind::AlreadyConnected)
}

/// `soakrig_disconnects_total`.
pub(crate) fn disconnect((socket, initiator, reason): (Socket, Initiator, EndReason)) -> bool {
    use EndReason::{
        Application, Displaced, FrameTooLarge, GoingAway, InternalError, InvalidUtf8, Io, Left, NoCloseFrame, NoCode,
        Normal, OtherCode, ProtocolViolation, Reset, ServiceRestart, Silent, Stopped, TryAgainLater, WriteTimeout,
    };
    match initiator {
        Initiator::User => matches!(reason, Left | Stopped),
        Initiator::Network => matches!(reason, Reset | Silent | WriteTimeout | Io),
        Initiator::Server => {
            matches!(
                reason,
                Normal
                    | GoingAway
                    | InternalError
                    | ServiceRestart
                    | TryAgainLater
                    | Application
                    | OtherCode
                    | NoCode
                    | NoCloseFrame
                    | FrameTooLarge
                    | InvalidUtf8
                    | ProtocolViolation
            ) || reason == Displaced && socket == Socket::Breakout
        }
    }
}

/// `soakrig_http_requests_total`: every step may come to every outcome.
pub(crate) fn http(_: (Step, HttpOutcome)) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::label::LabelSet;

    #[test]
    fn every_stage_foresees_errors_and_none_foresees_all() {
        for stage in Stage::ALL {
            let kinds = FailureKind::every().filter(|kind| error((*stage, *kind))).count();
            assert!(kinds > 0 && kinds < FailureKind::ALL.len() / 2 + 5, "{stage:?}: {kinds}");
        }
        assert!(!error((Stage::Delivery, FailureKind::Dns)));
        assert!(!disconnect((Socket::Plenary, Initiator::User, EndReason::Reset)));
    }
}
