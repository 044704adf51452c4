//! The methods by which the rest of soakrig counts events: one call an event, labels as enums.
//!
//! Where one event shows in several families, its one method counts in all of them: `dropped` is
//! also an error of `send`, `connect_attempt` and `connect_failure` are also the operations and
//! errors of `connect`.

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
    /// A socket is about to be opened. Counts as an operation of [`Stage::Connect`].
    pub fn connect_attempt(&self, socket: SocketKind) {
        self.stages.connect_attempts.add(socket, 1);
    }

    /// It did not come to its first frame. Counts as an error of [`Stage::Connect`], unless the
    /// failure is [`FailureClass::Declined`].
    pub fn connect_failure(&self, socket: SocketKind, failure: &Failure) {
        self.connect_failures.add((socket, failure.kind), 1);
        if failure.class != FailureClass::Declined {
            self.stages.error(Stage::Connect, failure.kind);
        }
    }

    /// It came to its first frame, `took` after the attempt.
    pub fn connected(&self, socket: SocketKind, took: Duration) {
        self.connect_duration.with_label_values(&socket.texts()).observe(took.as_secs_f64());
    }

    /// A socket is open (from its 101 on).
    pub fn connection_opened(&self, socket: SocketKind) {
        self.connections.with_label_values(&socket.texts()).inc();
    }

    /// A socket is open no more.
    pub fn connection_closed(&self, socket: SocketKind) {
        self.connections.with_label_values(&socket.texts()).dec();
    }

    /// A connection ended after its user had been let in.
    pub fn disconnect(&self, socket: SocketKind, initiator: Initiator, reason: EndReason) {
        self.disconnects.add((socket, initiator, reason), 1);
    }

    /// A connection to the room, counted by [`disconnect`](Self::disconnect), was this old when it ended.
    pub fn ended_at(&self, initiator: Initiator, age: Duration) {
        self.connection_age.with_label_values(&initiator.texts()).observe(age.as_secs_f64());
    }
}

/// Frames. The receiving side is hot: these add to the calling thread's own counts.
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

    /// An intent was not carried out. Counts as an error of [`Stage::Send`]; its intent was
    /// counted as an operation like any other.
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

    /// How late intents were so far; the difference of two tells about the time between.
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
    /// One thing was tried.
    ///
    /// For [`Stage::Signup`], [`Stage::Login`], [`Stage::Room`] and [`Stage::Send`] (an intent);
    /// the other stages' operations are read where they are counted anyway, and a call for them
    /// changes nothing.
    pub fn operation(&self, stage: Stage) {
        self.operations(stage, 1);
    }

    /// `n` things were tried; see [`operation`](Self::operation).
    pub fn operations(&self, stage: Stage, n: u64) {
        self.stages.operations_add(stage, n);
    }

    /// One thing failed. Not to be called beside [`connect_failure`](Self::connect_failure) or
    /// [`dropped`](Self::dropped), which count their errors themselves; [`Stage::Delivery`] is the
    /// ledger's, and a call for it changes nothing.
    pub fn error(&self, stage: Stage, kind: FailureKind) {
        self.stages.error(stage, kind);
    }
}

/// The generator.
impl Metrics {
    /// Whether the generator is saturated for this reason.
    pub fn saturated(&self, reason: SaturationReason, saturated: bool) {
        self.saturated.with_label_values(&reason.texts()).set(i64::from(saturated));
    }

    /// The phase of the run; the ramp, until another is set.
    pub fn run_phase(&self, now: RunPhase) {
        for phase in RunPhase::every() {
            self.run_phase.with_label_values(&phase.texts()).set(i64::from(phase == now));
        }
    }

    /// What this generator works on: the run id, the plenary's slug, the shard as `I/N`, the protocol.
    pub fn run_info(&self, run: &str, plenary: &str, shard: &str, driver: &str) {
        self.run_info.reset();
        self.run_info.with_label_values(&[run, plenary, shard, driver]).set(1);
    }

    /// How many generators the run is meant to have.
    pub fn generators(&self, n: u32) {
        self.generators.set(i64::from(n));
    }

    /// What the run is held to; nothing is shown of what is off.
    pub fn threshold(&self, limit: Limit, most: Option<f64>) {
        if let Some(most) = most {
            self.threshold.with_label_values(&limit.texts()).set(most);
        }
    }

    /// A limit of a rule, by what the rule is about.
    pub fn rule(&self, about: &str, limit: f64) {
        self.threshold.with_label_values(&[about]).set(limit);
    }

    /// A series of the server's own metrics was read, or could not be.
    pub fn watched(&self, name: &str, value: Option<f64>) {
        match value {
            Some(value) => self.watched.with_label_values(&[name]).set(value),
            // There was none, or there is none now.
            None => drop(self.watched.remove_label_values(&[name])),
        }
    }

    /// Something happened to time, for `length` or by it.
    pub fn clock_event(&self, event: ClockEvent, length: Duration) {
        self.clock_events.add(event, 1);
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        self.clock_micros[event as usize].fetch_add(micros, Ordering::Relaxed);
    }

    /// The server's name stands for other addresses than before.
    pub fn dns_changed(&self) {
        self.dns_changes.add((), 1);
    }

    /// A command of `soakrig ctl` was carried out, or refused.
    pub fn control(&self, command: ControlKind) {
        self.control_commands.add(command, 1);
    }

    /// Changed sessions were to be written to the cache file.
    pub fn sessions_saved(&self, outcome: SaveOutcome) {
        self.session_saves.add(outcome, 1);
    }

    /// `n` log lines were left out.
    pub fn logs_suppressed(&self, n: u64) {
        self.logs_suppressed.add((), n);
    }
}
