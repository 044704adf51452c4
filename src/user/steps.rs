//! Each step of each user as a log line, for `--verbose`, and the steps of connecting as spans, each the
//! root of a trace. No line or span holds a secret, and none is made if nothing reads it.

use std::time::Duration;

use tracing::Span;
use tracing::field::Empty;

use crate::ledger::{Ledger, Standing};
use crate::marker::RoomTag;
use crate::model::{Failure, SPANS, STEPS};
use crate::telemetry::traces::chats::{ChatId, Progress};

/// Logs a step that succeeded, or why it failed, after `took`.
pub(super) fn log(user: &str, step: &'static str, outcome: Result<(), &Failure>, took: Duration) {
    match outcome {
        Ok(()) => done(user, step, "ok", took),
        Err(failure) => tracing::debug!(target: STEPS, user, step, outcome = %failure, ?took),
    }
}

/// Logs a step that ended in one of several ways.
pub(super) fn done(user: &str, step: &'static str, outcome: &'static str, took: Duration) {
    tracing::debug!(target: STEPS, user, step, outcome, ?took);
}

/// The span of a sign-up or log-in with all its requests.
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

/// The span of connecting: from the room's page through the handshake until joined.
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

/// Notes the outcome of a span, which ends when its last handle is dropped.
pub(super) fn end_span(span: &Span, outcome: Result<(), &Failure>) {
    match outcome {
        Ok(()) => span.record("outcome", "ok"),
        Err(failure) => span.record("outcome", failure.kind.as_str()).record("otel.status_code", "ERROR"),
    };
}

/// The progress of one of our chats.
pub(super) fn progress(ledger: &Ledger, ChatId { room, seq }: ChatId) -> Option<Progress> {
    ledger.standing(RoomTag(room), seq).map(|Standing { outstanding, lost }| Progress { outstanding, lost })
}
