//! The label combinations shown at 0 from the first scrape, so that `rate()` sees the first event.
//! Any other appears with its first event; nothing is lost if these lists have a gap.

use crate::model::{EndReason, FailureKind, HttpOutcome, HttpStep, Initiator, SocketKind, Stage, Vocabulary};

/// Failures of requests and connects before any answer.
fn on_the_way(kind: FailureKind) -> bool {
    use FailureKind::{
        ConnectionClosed, ConnectionRefused, ConnectionReset, Dns, Io, NoFiles, NoPorts, ProxyRefused, Timeout, Tls,
        Unreachable,
    };
    matches!(
        kind,
        Dns | ConnectionRefused
            | ConnectionReset
            | ConnectionClosed
            | Unreachable
            | Tls
            | ProxyRefused
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

/// Failures to find the expected content in a page.
fn by_page(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::BadRedirect | FailureKind::BodyTooLarge)
}

/// `soakrig_errors_total`: what any driver may meet, and what this one may.
pub(crate) fn error(vocabulary: &Vocabulary, (stage, kind): (Stage, FailureKind)) -> bool {
    common_error(stage, kind) || vocabulary.expected_errors.contains(&(stage, kind))
}

fn common_error(stage: Stage, kind: FailureKind) -> bool {
    use FailureKind::{
        Backpressure, BadHandshake, Corrupt, Disconnected, FrameTooLarge, InvalidUtf8, Locked, Lost, Malformed,
        NoPresence, NotConnected, Overdue, Panic, Protocol, ServerMessage, SignedOut, SignupRefused, Stopping,
        WriteTimeout, WrongPassword,
    };
    // The run stopped during the step.
    let cut_short = kind == Stopping;
    let page = || on_the_way(kind) || by_status(kind) || by_page(kind) || cut_short;
    match stage {
        Stage::Signup => page() || kind == SignupRefused,
        Stage::Login => page() || matches!(kind, WrongPassword | Locked),
        Stage::Room => page() || kind == SignedOut,
        Stage::Connect => on_the_way(kind) || by_status(kind) || cut_short || matches!(kind, BadHandshake | NoPresence),
        Stage::Send => {
            // `ctl disconnect` drops intents as disconnected.
            matches!(kind, NotConnected | Backpressure | Stopping | Overdue | Disconnected | WriteTimeout)
        }
        Stage::Receive => matches!(kind, FrameTooLarge | InvalidUtf8 | Protocol | Malformed | ServerMessage | Panic),
        Stage::Delivery => matches!(kind, Lost | Corrupt),
    }
}

/// `soakrig_connect_failures_total`.
pub(crate) fn connect_failure(vocabulary: &Vocabulary, (socket, kind): (SocketKind, FailureKind)) -> bool {
    error(vocabulary, (Stage::Connect, kind))
        || socket == SocketKind::SideRoom && vocabulary.expected_side_room_failures.contains(&kind)
}

/// `soakrig_disconnects_total`.
pub(crate) fn disconnect(_: &Vocabulary, (socket, initiator, reason): (SocketKind, Initiator, EndReason)) -> bool {
    use EndReason::{
        Application, Displaced, FrameTooLarge, GoingAway, InternalError, InvalidPayload, InvalidUtf8, Io, Left,
        MessageTooBig, NoCloseFrame, NoCode, Normal, OtherCode, Panic, PolicyViolation, ProtocolError,
        ProtocolViolation, Reset, ServiceRestart, Silent, Stopped, TryAgainLater, UnsupportedData, WriteTimeout,
    };
    match initiator {
        // `ctl disconnect` resets connections.
        Initiator::User => matches!(reason, Left | Stopped) || reason == Reset && socket == SocketKind::Room,
        Initiator::Network => {
            matches!(reason, Reset | Silent | WriteTimeout | Io) || reason == Panic && socket == SocketKind::Room
        }
        Initiator::Server => {
            matches!(
                reason,
                Normal
                    | GoingAway
                    | ProtocolError
                    | UnsupportedData
                    | InvalidPayload
                    | PolicyViolation
                    | MessageTooBig
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
            ) || reason == Displaced && socket == SocketKind::SideRoom
        }
    }
}

/// `soakrig_http_requests_total`: every step may have every outcome.
pub(crate) fn http(_: &Vocabulary, _: (HttpStep, HttpOutcome)) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::OwnName;

    const NO_CSRF: FailureKind = FailureKind::Own(&OwnName::at::<0>("no_csrf"));
    const OVER_CAPACITY: FailureKind = FailureKind::Own(&OwnName::at::<1>("over_capacity"));
    const VOCABULARY: Vocabulary = Vocabulary {
        failures: &[NO_CSRF, OVER_CAPACITY],
        expected_errors: &[(Stage::Login, NO_CSRF)],
        expected_side_room_failures: &[OVER_CAPACITY],
        ..Vocabulary::COMMON
    };

    #[test]
    fn every_stage_foresees_errors_and_none_foresees_all() {
        let kinds: Vec<FailureKind> = FailureKind::of(&VOCABULARY).collect();
        for stage in Stage::ALL {
            let foreseen = kinds.iter().filter(|kind| error(&VOCABULARY, (*stage, **kind))).count();
            assert!(foreseen > 0 && foreseen < kinds.len() / 2 + 5, "{stage:?}: {foreseen}");
        }
        assert!(!error(&VOCABULARY, (Stage::Delivery, FailureKind::Dns)));
        assert!(!disconnect(&VOCABULARY, (SocketKind::Room, Initiator::User, EndReason::Silent)));
    }

    #[test]
    fn a_drivers_names_are_foreseen_where_its_vocabulary_says() {
        assert!(error(&VOCABULARY, (Stage::Login, NO_CSRF)) && !error(&VOCABULARY, (Stage::Room, NO_CSRF)));
        assert!(!error(&Vocabulary::COMMON, (Stage::Login, NO_CSRF)));
        assert!(connect_failure(&VOCABULARY, (SocketKind::SideRoom, OVER_CAPACITY)));
        assert!(!connect_failure(&VOCABULARY, (SocketKind::Room, OVER_CAPACITY)));
    }
}
