//! The table of every metric family. Registration, documentation and tests all read it.
//!
//! A family is a contract with dashboards and alerts. The table holds no values.

use crate::metrics::label::texts;
use crate::model::{
    Action, Anomaly, Basis, ClockEvent, ControlKind, DropReason, EndReason, FailureKind, FrameKind, HttpOutcome,
    HttpStep, Initiator, ListFate, Origin, Outcome, PresenceMismatch, RunPhase, SaturationReason, SaveOutcome,
    SentKind, SocketKind, SpanFate, Stage, UserState, Vocabulary,
};

/// How a family's values behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bound, with a sum and a count.
    Histogram,
}

impl Kind {
    /// Its name in the text format.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The possible values of a label.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// One of a closed set, given the driver's vocabulary.
    Closed(fn(&Vocabulary) -> Vec<&'static str>),
    /// One value per process, or a bounded number of them, described in words.
    Described(&'static str),
}

/// One label of a family.
#[derive(Debug, Clone, Copy)]
pub struct LabelName {
    /// The name.
    pub name: &'static str,
    /// Its possible values.
    pub values: Values,
}

/// One metric family.
#[derive(Debug)]
pub struct Family {
    /// The full name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Its labels, in the order of the values.
    pub labels: &'static [LabelName],
    /// The help text: one sentence, no line break.
    pub help: &'static str,
}

impl Family {
    /// The names of its labels.
    #[must_use]
    pub fn label_names(&self) -> Vec<&'static str> {
        self.labels.iter().map(|label| label.name).collect()
    }
}

const fn closed(name: &'static str, texts: fn(&Vocabulary) -> Vec<&'static str>) -> LabelName {
    LabelName { name, values: Values::Closed(texts) }
}

const fn described(name: &'static str, words: &'static str) -> LabelName {
    LabelName { name, values: Values::Described(words) }
}

macro_rules! families {
    ($($ident:ident = $kind:ident $name:literal [$($label:expr),*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub static $ident: Family = Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )+

        /// Every family, in the order of the documentation.
        pub static ALL: &[&Family] = &[$(&$ident),+];
    };
}

families! {
    BUILD_INFO = Gauge "soakrig_build_info" [described("version", "the version of soakrig")]
        "Always 1, with the version.";
    RUN_INFO = Gauge "soakrig_run_info"
        [
            described("run", "the run id"), described("plenary", "the plenary's slug"), described("shard", "`I/N`"),
            described("driver", "the protocol")
        ]
        "Always 1, with run, plenary, shard and protocol.";
    RUN_PHASE = Gauge "soakrig_run_phase" [closed("phase", texts::<RunPhase>)]
        "1 for the current phase, 0 for the others.";
    GENERATORS = Gauge "soakrig_generators" []
        "Generators that this run should have: N of `--shard I/N`.";
    THRESHOLD = Gauge "soakrig_threshold"
        [described(
            "name",
            "`lost`, `lost_share`, `late`, `anomalies`, `cut`, `p99`, `error_rate`, `outstanding`, `saturated`; for `--fail-if` and `--abort-if` what the rule limits, such as `users_held` or `p99 over 5m`"
        )]
        "Limits, absent if off: `lost` and `outstanding` are counts, `p99` and `p50` seconds, `drift` a fraction per hour, the others fractions.";
    WATCHED = Gauge "soakrig_watched" [described("name", "the NAME of `--watch`")]
        "Last reading of a series that `--watch` names; absent while it cannot be read.";
    USERS_TARGET = Gauge "soakrig_users_target" []
        "Users that this generator should hold.";
    USERS = Gauge "soakrig_users" [closed("state", texts::<UserState>)]
        "Users by state; the states sum to the target.";
    CONNECTIONS = Gauge "soakrig_connections" [closed("socket", texts::<SocketKind>)]
        "Open sockets.";
    CONNECT_ATTEMPTS = Counter "soakrig_connect_attempts_total" [closed("socket", texts::<SocketKind>)]
        "Attempts to open a socket.";
    CONNECT_FAILURES = Counter "soakrig_connect_failures_total"
        [closed("socket", texts::<SocketKind>), closed("reason", texts::<FailureKind>)]
        "Attempts that ended before the user had joined.";
    CONNECT_DURATION = Histogram "soakrig_connect_duration_seconds" [closed("socket", texts::<SocketKind>)]
        "Time from the start of an attempt until the user had joined.";
    DISCONNECTS = Counter "soakrig_disconnects_total"
        [
            closed("socket", texts::<SocketKind>),
            closed("initiator", texts::<Initiator>),
            closed("reason", texts::<EndReason>)
        ]
        "Connections that ended after the user had joined.";
    CONNECTION_AGE = Histogram "soakrig_connection_age_seconds" [closed("initiator", texts::<Initiator>)]
        "Age of room connections when they ended.";
    HTTP_REQUESTS = Counter "soakrig_http_requests_total"
        [closed("step", texts::<HttpStep>), closed("outcome", texts::<HttpOutcome>)]
        "HTTP requests that have ended.";
    HTTP_DURATION = Histogram "soakrig_http_request_duration_seconds"
        [closed("step", texts::<HttpStep>), closed("outcome", texts::<HttpOutcome>)]
        "Time from the start of a request to the end of its answer.";
    HTTP_RETRIES = Counter "soakrig_http_retries_total" []
        "Requests repeated once because their keep-alive connection ended unanswered.";
    MESSAGES_SENT = Counter "soakrig_messages_sent_total" [closed("kind", texts::<SentKind>)]
        "Frames sent.";
    MESSAGES_RECEIVED = Counter "soakrig_messages_received_total" [closed("kind", texts::<FrameKind>)]
        "Whole frames received.";
    RECEIVED_BYTES = Counter "soakrig_received_bytes_total" []
        "Bytes read from sockets after the handshake.";
    RATE_TARGET = Gauge "soakrig_rate_target" [closed("kind", texts::<Action>)]
        "Intents per second that this generator's schedule issues.";
    ACTIONS = Counter "soakrig_actions_total" [closed("kind", texts::<Action>)]
        "Intents carried out.";
    SENDS_DROPPED = Counter "soakrig_sends_dropped_total"
        [closed("kind", texts::<Action>), closed("reason", texts::<DropReason>)]
        "Intents not carried out.";
    DELIVERIES_EXPECTED = Counter "soakrig_deliveries_expected_total" []
        "Expected deliveries: one per message and connection that should receive it.";
    DELIVERIES = Counter "soakrig_deliveries_total"
        [closed("outcome", texts::<Outcome>), closed("origin", texts::<Origin>)]
        "Expected deliveries by verdict; each has exactly one.";
    OUTSTANDING = Gauge "soakrig_outstanding" []
        "Expected deliveries without a verdict yet, local and remote.";
    ANOMALIES = Counter "soakrig_delivery_anomalies_total"
        [closed("kind", texts::<Anomaly>), closed("origin", texts::<Origin>)]
        "Faulty arrivals; counted besides the verdicts.";
    FOREIGN_MESSAGES = Counter "soakrig_foreign_messages_total" []
        "Arrivals from another run, or from before this generator started.";
    ANOMALY_LOG_DROPPED = Counter "soakrig_anomaly_log_dropped_total" []
        "Lines missing from the anomaly log: too many, or not writable.";
    DELIVERY_DURATION = Histogram "soakrig_delivery_duration_seconds"
        [closed("basis", texts::<Basis>), closed("origin", texts::<Origin>)]
        "Time to delivery of on-time and late deliveries.";
    PRESENCE_MISMATCHES = Gauge "soakrig_presence_mismatches" [closed("kind", texts::<PresenceMismatch>)]
        "Users that the newest member lists show wrongly.";
    PRESENCE_EPISODES = Counter "soakrig_presence_mismatch_episodes_total" [closed("kind", texts::<PresenceMismatch>)]
        "Mismatches of member lists, counted when they begin.";
    PRESENCE_LISTS = Counter "soakrig_presence_lists_total" [closed("fate", texts::<ListFate>)]
        "Member lists read; only judged ones show mismatches.";
    CLOCK_OFFSET = Gauge "soakrig_clock_offset_seconds" []
        "Estimate of how far other generators' clocks are ahead.";
    OPERATIONS = Counter "soakrig_operations_total" [closed("stage", texts::<Stage>)]
        "Operations attempted; the denominator of error rates.";
    ERRORS = Counter "soakrig_errors_total" [closed("stage", texts::<Stage>), closed("kind", texts::<FailureKind>)]
        "Errors by stage and kind.";
    SCHEDULE_LAG = Histogram "soakrig_schedule_lag_seconds" []
        "Delay between an intent's intended time and its issue.";
    SATURATED = Gauge "soakrig_saturated" [closed("reason", texts::<SaturationReason>)]
        "1 while this generator cannot keep up: its figures describe itself, not the server.";
    CLOCK_EVENTS = Counter "soakrig_clock_events_total" [closed("kind", texts::<ClockEvent>)]
        "Clock jumps, suspends and stalls.";
    DNS_CHANGES = Counter "soakrig_dns_changes_total" []
        "Look-ups of the server's name that returned new addresses.";
    CONTROL_COMMANDS = Counter "soakrig_control_commands_total" [closed("command", texts::<ControlKind>)]
        "Commands of `soakrig ctl`, carried out or refused.";
    LEDGER_MESSAGES = Gauge "soakrig_ledger_messages" []
        "Messages that the ledger holds.";
    SESSION_SAVES = Counter "soakrig_session_saves_total" [closed("outcome", texts::<SaveOutcome>)]
        "Attempts to write changed sessions to the cache file.";
    LOGS_SUPPRESSED = Counter "soakrig_logs_suppressed_total" []
        "Log lines suppressed because their source logged too much.";
    TRACE_SPANS = Counter "soakrig_trace_spans_total" [closed("fate", texts::<SpanFate>)]
        "Ended spans; all but the exported ones were dropped.";
    PROCESS_CPU = Counter "process_cpu_seconds_total" []
        "Total user and system CPU time spent in seconds.";
    PROCESS_OPEN_FDS = Gauge "process_open_fds" []
        "Number of open file descriptors.";
    PROCESS_MAX_FDS = Gauge "process_max_fds" []
        "Maximum number of open file descriptors.";
    PROCESS_VIRTUAL_MEMORY = Gauge "process_virtual_memory_bytes" []
        "Virtual memory size in bytes.";
    PROCESS_RESIDENT_MEMORY = Gauge "process_resident_memory_bytes" []
        "Resident memory size in bytes.";
    PROCESS_START_TIME = Gauge "process_start_time_seconds" []
        "Start time of the process since unix epoch in seconds.";
    PROCESS_THREADS = Gauge "process_threads" []
        "Number of OS threads in the process.";
    TOKIO_WORKERS = Gauge "tokio_workers" []
        "Worker threads.";
    TOKIO_ALIVE_TASKS = Gauge "tokio_alive_tasks" []
        "Tasks that have not ended.";
    TOKIO_GLOBAL_QUEUE_DEPTH = Gauge "tokio_global_queue_depth" []
        "Tasks waiting in shared queues.";
    TOKIO_WORKER_BUSY = Counter "tokio_worker_busy_seconds_total" [described("worker", "the worker's number, from 0")]
        "Time that a worker thread spent on tasks.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_conventions() {
        let mut seen = std::collections::HashSet::new();
        for family in ALL {
            assert!(seen.insert(family.name), "{} is there twice", family.name);
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
            assert!(!family.help.contains('\n') && family.help.ends_with('.'), "{}", family.name);
        }
    }
}
