//! The methods that count events: one call per event, labels as enums.
//!
//! If an event shows in several families, its one method counts in all of them: `dropped` is also an
//! error of `send`; `connect_attempt` and `connect_failure` are also the operations and errors of
//! `connect`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::metrics::label::LabelSet;
use crate::metrics::{LagCounts, Metrics};
use crate::model::{
    Action, ClockEvent, ControlKind, DropReason, EndReason, Failure, FailureClass, FailureKind, FrameKind, HttpOutcome,
    HttpStep, Initiator, Limit, RunPhase, SaturationReason, SaveOutcome, SentKind, SocketKind, Stage,
};
use crate::protocol::Probe;

impl Probe for Metrics {
    fn http(&self, step: HttpStep, outcome: HttpOutcome, took: Duration) {
        self.http_requests.add((step, outcome), 1);
        self.http_duration.with_label_values(&(step, outcome).texts()).observe(took.as_secs_f64());
    }

    fn http_retry(&self, _step: HttpStep) {
        self.http_retries.add((), 1);
    }
}

/// Sockets.
impl Metrics {
    /// A connect starts. Counts as an operation of [`Stage::Connect`].
    pub fn connect_attempt(&self, socket: SocketKind) {
        self.stages.connect_attempts.add(socket, 1);
    }

    /// A connect failed before the user had joined. Counts as an error of [`Stage::Connect`], unless the
    /// failure is [`FailureClass::Declined`].
    pub fn connect_failure(&self, socket: SocketKind, failure: &Failure) {
        self.connect_failures.add((socket, failure.kind), 1);
        if failure.class != FailureClass::Declined {
            self.stages.error(Stage::Connect, failure.kind);
        }
    }

    /// The user joined, `took` after the connect started.
    pub fn connected(&self, socket: SocketKind, took: Duration) {
        self.connect_duration.with_label_values(&socket.texts()).observe(took.as_secs_f64());
    }

    /// A socket is open (after its 101).
    pub fn connection_opened(&self, socket: SocketKind) {
        self.connections.with_label_values(&socket.texts()).inc();
    }

    /// A socket is no longer open.
    pub fn connection_closed(&self, socket: SocketKind) {
        self.connections.with_label_values(&socket.texts()).dec();
    }

    /// A connection ended after its user had joined.
    pub fn disconnect(&self, socket: SocketKind, initiator: Initiator, reason: EndReason) {
        self.disconnects.add((socket, initiator, reason), 1);
    }

    /// The age of a connection to the room when it ended. [`disconnect`](Self::disconnect) counts it too.
    pub fn ended_at(&self, initiator: Initiator, age: Duration) {
        self.connection_age.with_label_values(&initiator.texts()).observe(age.as_secs_f64());
    }
}

/// Frames. The receiving side is hot, so it adds to the calling thread's own counts.
impl Metrics {
    /// A frame was written.
    pub fn sent(&self, kind: SentKind) {
        self.sent.add(kind, 1);
    }

    /// `n` whole frames were read. Counts as operations of [`Stage::Receive`].
    pub fn received(&self, kind: FrameKind, n: u64) {
        self.hot.received(kind, n);
    }

    /// `n` bytes were read.
    pub fn received_bytes(&self, n: u64) {
        self.hot.received_bytes(n);
    }
}

/// The schedule.
impl Metrics {
    /// An intent was carried out.
    pub fn carried_out(&self, action: Action) {
        self.actions.add(action, 1);
    }

    /// An intent was not carried out. Counts as an error of [`Stage::Send`]; the intent itself counts as an
    /// operation like any other.
    pub fn dropped(&self, action: Action, reason: DropReason) {
        self.dropped.add((action, reason), 1);
        let kind = match reason {
            DropReason::NotConnected => FailureKind::NotConnected,
            DropReason::Backpressure => FailureKind::Backpressure,
            DropReason::Stopping => FailureKind::Stopping,
            DropReason::Overdue => FailureKind::Overdue,
            DropReason::Disconnected => FailureKind::Disconnected,
        };
        self.stages.error(Stage::Send, kind);
    }

    /// An intent was issued this much later than intended.
    pub fn schedule_lag(&self, lag: Duration) {
        self.hot.schedule_lag(lag);
    }

    /// Counts of intents by lateness so far; the difference of two covers the time between them.
    #[must_use]
    pub fn lag_counts(&self) -> LagCounts {
        self.hot.lag()
    }

    /// The schedule's set rate, in intents per second.
    pub fn rate_target(&self, action: Action, per_second: f64) {
        self.rate_target.with_label_values(&action.texts()).set(per_second);
    }
}

/// Operations and errors.
impl Metrics {
    /// One operation was attempted.
    ///
    /// For [`Stage::Signup`], [`Stage::Login`], [`Stage::Room`] and [`Stage::Send`] (an intent). A call for
    /// another stage has no effect: those operations are counted elsewhere.
    pub fn operation(&self, stage: Stage) {
        self.operations(stage, 1);
    }

    /// `n` operations were attempted; see [`operation`](Self::operation).
    pub fn operations(&self, stage: Stage, n: u64) {
        self.stages.operations_add(stage, n);
    }

    /// One operation failed. Do not call it together with [`connect_failure`](Self::connect_failure) or
    /// [`dropped`](Self::dropped), which count their errors themselves. A call for [`Stage::Delivery`] has
    /// no effect: the ledger counts those errors.
    pub fn error(&self, stage: Stage, kind: FailureKind) {
        self.stages.error(stage, kind);
    }
}

/// The generator.
impl Metrics {
    /// Sets whether the generator is saturated for this reason.
    pub fn saturated(&self, reason: SaturationReason, saturated: bool) {
        self.saturated.with_label_values(&reason.texts()).set(i64::from(saturated));
    }

    /// Sets the phase of the run; it is the ramp until then.
    pub fn run_phase(&self, now: RunPhase) {
        for phase in RunPhase::every() {
            self.run_phase.with_label_values(&phase.texts()).set(i64::from(phase == now));
        }
    }

    /// Sets the run id, the plenary's slug, the shard as `I/N`, and the protocol of this generator.
    pub fn run_info(&self, run: &str, plenary: &str, shard: &str, driver: &str) {
        self.run_info.reset();
        self.run_info.with_label_values(&[run, plenary, shard, driver]).set(1);
    }

    /// Sets the number of generators that the run should have.
    pub fn generators(&self, n: u32) {
        self.generators.set(i64::from(n));
    }

    /// Sets a limit of the run; `None` for one that is off, which is not shown.
    pub fn threshold(&self, limit: Limit, most: Option<f64>) {
        if let Some(most) = most {
            self.threshold.with_label_values(&limit.texts()).set(most);
        }
    }

    /// Sets the limit of a rule, by what the rule limits.
    pub fn rule(&self, about: &str, limit: f64) {
        self.threshold.with_label_values(&[about]).set(limit);
    }

    /// Sets the value of a watched series of the server's own metrics; `None` if it could not be read.
    pub fn watched(&self, name: &str, value: Option<f64>) {
        match value {
            Some(value) => self.watched.with_label_values(&[name]).set(value),
            // Fails only if there was no value before.
            None => drop(self.watched.remove_label_values(&[name])),
        }
    }

    /// A clock event: time stood still for `length`, or jumped by it.
    pub fn clock_event(&self, event: ClockEvent, length: Duration) {
        self.clock_events.add(event, 1);
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        self.clock_micros[event as usize].fetch_add(micros, Ordering::Relaxed);
    }

    /// The server's name resolved to different addresses than before.
    pub fn dns_changed(&self) {
        self.dns_changes.add((), 1);
    }

    /// A command of `soakrig ctl` was carried out, or refused.
    pub fn control(&self, command: ControlKind) {
        self.control_commands.add(command, 1);
    }

    /// Changed sessions were written to the cache file, or could not be.
    pub fn sessions_saved(&self, outcome: SaveOutcome) {
        self.session_saves.add(outcome, 1);
    }

    /// `n` log lines were suppressed.
    pub fn logs_suppressed(&self, n: u64) {
        self.logs_suppressed.add((), n);
    }
}
