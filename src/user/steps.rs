//! Each step of each user as a line of the log, for `--verbose`, and the steps of its way in as spans,
//! each the root of a trace. No line and no span holds a secret; nothing is made where nothing reads it.

use std::time::Duration;

use tracing::Span;
use tracing::field::Empty;

use crate::ledger::{Ledger, Standing};
use crate::marker::RoomTag;
use crate::model::{Failure, SPANS, STEPS};
use crate::telemetry::traces::chats::{ChatId, Progress};

/// A step that went well, or why it did not, after `took`.
pub(super) fn log(user: &str, step: &'static str, outcome: Result<(), &Failure>, took: Duration) {
    match outcome {
        Ok(()) => done(user, step, "ok", took),
        Err(failure) => tracing::debug!(target: STEPS, user, step, outcome = %failure, ?took),
    }
}

/// A step that ended in one of several ways.
pub(super) fn done(user: &str, step: &'static str, outcome: &'static str, took: Duration) {
    tracing::debug!(target: STEPS, user, step, outcome, ?took);
}

/// A sign-up or log-in with all its requests.
pub(super) fn sign_in_span(user: &str) -> Span {
    tracing::info_span!(
        target: SPANS,
        parent: None,
        "sign_in",
        soakrig.user = user,
        otel.status_code = Empty,
        outcome = Empty,
    )
}

/// The way into the room: its page, the handshake, until joined.
pub(super) fn connect_span(user: &str) -> Span {
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
pub(super) fn end_span(span: &Span, outcome: Result<(), &Failure>) {
    match outcome {
        Ok(()) => span.record("outcome", "ok"),
        Err(failure) => span.record("outcome", failure.kind.as_str()).record("otel.status_code", "ERROR"),
    };
}

/// How far a chat of ours has come.
pub(super) fn progress(ledger: &Ledger, ChatId { room, seq }: ChatId) -> Option<Progress> {
    ledger.standing(RoomTag(room), seq).map(|Standing { outstanding, lost }| Progress { outstanding, lost })
}
