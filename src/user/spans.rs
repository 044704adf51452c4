//! The spans of a user's way in, each the root of a trace, and what the ledger says of a chat that
//! is traced. Nothing is made where nobody traces.

use tracing::Span;
use tracing::field::Empty;

use crate::ledger::{Ledger, Standing};
use crate::marker::RoomTag;
use crate::model::{Failure, SPANS};
use crate::telemetry::traces::chats::{ChatId, Progress};

/// A sign-up or log-in with all its requests.
pub(super) fn sign_in(user: &str) -> Span {
    tracing::info_span!(
        target: SPANS,
        parent: None,
        "sign_in",
        soakrig.user = user,
        otel.status_code = Empty,
        outcome = Empty,
    )
}

/// The way into the room: event page, handshake, first presence frame.
pub(super) fn connect(user: &str) -> Span {
    tracing::info_span!(
        target: SPANS,
        parent: None,
        "connect",
        soakrig.user = user,
        otel.status_code = Empty,
        outcome = Empty,
    )
}

/// Notes how it went. The span ends when its last handle is dropped.
pub(super) fn end(span: &Span, outcome: Result<(), &Failure>) {
    match outcome {
        Ok(()) => span.record("outcome", "ok"),
        Err(failure) => span.record("outcome", failure.kind.as_str()).record("otel.status_code", "ERROR"),
    };
}

/// How far a chat of ours has come.
pub(super) fn progress(ledger: &Ledger, ChatId { room, seq }: ChatId) -> Option<Progress> {
    ledger.standing(RoomTag(room), seq).map(|Standing { outstanding, lost }| Progress { outstanding, lost })
}
