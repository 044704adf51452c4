//! The counts read back, for the status line and the summary.

use std::sync::atomic::Ordering;

use strum::EnumCount;

use crate::metrics::Metrics;
use crate::metrics::label::LabelSet;
use crate::metrics::snapshot::LedgerSnapshot;
use crate::model::{
    Action, ClockEvent, DropReason, EndReason, FailureKind, FrameKind, HttpOutcome, HttpStep, Initiator, SentKind,
    SocketKind, Stage,
};

/// Every count since the start; lists hold only counts that are not 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Operations attempted, by stage.
    pub operations: [u64; Stage::COUNT],
    /// Errors, by stage and kind.
    pub errors: Vec<((Stage, FailureKind), u64)>,
    /// Frames sent, by kind.
    pub sent: Vec<(SentKind, u64)>,
    /// Frames received, by kind.
    pub received: Vec<(FrameKind, u64)>,
    /// Bytes received.
    pub received_bytes: u64,
    /// Connect attempts, by socket.
    pub connect_attempts: [u64; SocketKind::COUNT],
    /// Connects after which the user joined, by socket.
    pub joined: [u64; SocketKind::COUNT],
    /// Connects that failed.
    pub connect_failures: Vec<((SocketKind, FailureKind), u64)>,
    /// Connections that ended.
    pub disconnects: Vec<((SocketKind, Initiator, EndReason), u64)>,
    /// Intents not carried out.
    pub dropped: Vec<((Action, DropReason), u64)>,
    /// HTTP requests.
    pub http: Vec<((HttpStep, HttpOutcome), u64)>,
    /// Clock events, by kind.
    pub clock_events: [u64; ClockEvent::COUNT],
    /// Their total length, in microseconds.
    pub clock_micros: [u64; ClockEvent::COUNT],
    /// Changes of the addresses behind the server's name.
    pub dns_changes: u64,
}

impl Totals {
    /// Chats sent.
    #[must_use]
    pub fn chats(&self) -> u64 {
        self.sent.iter().filter(|(kind, _)| *kind == SentKind::Chat).map(|(_, n)| n).sum()
    }

    /// Errors of one stage, of all kinds.
    #[must_use]
    pub fn stage_errors(&self, stage: Stage) -> u64 {
        self.errors.iter().filter(|((s, _), _)| *s == stage).map(|(_, n)| n).sum()
    }
}

impl Metrics {
    /// The counts so far, those of deliveries as of `ledger`.
    #[must_use]
    pub fn totals(&self, ledger: &LedgerSnapshot) -> Totals {
        Totals {
            operations: each(|stage| self.stages.operations(stage, ledger)),
            errors: self.stages.errors(ledger).into_iter().filter(|(_, n)| *n > 0).collect(),
            sent: self.sent.every().collect(),
            received: self.hot.frames(),
            received_bytes: self.hot.bytes(),
            connect_attempts: each(|socket| self.stages.connect_attempts.get(socket)),
            joined: each(|socket: SocketKind| {
                self.connect_duration.with_label_values(&socket.texts()).get_sample_count()
            }),
            connect_failures: self.connect_failures.counted().collect(),
            disconnects: self.disconnects.counted().collect(),
            dropped: self.dropped.counted().collect(),
            http: self.http_requests.counted().collect(),
            clock_events: each(|event| self.clock_events.get(event)),
            clock_micros: std::array::from_fn(|event| self.clock_micros[event].load(Ordering::Relaxed)),
            dns_changes: self.dns_changes.get(()),
        }
    }
}

/// An array by label.
fn each<L: LabelSet, const N: usize>(count: impl Fn(L) -> u64) -> [u64; N] {
    let mut counts = [0; N];
    for label in L::every() {
        counts[label.cell()] = count(label);
    }
    counts
}
