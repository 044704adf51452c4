//! The summary of a run, as `--summary` writes it. `docs/summary.md` describes the schema in words.
//!
//! It holds everything that `merge` and the printed text need. Knows neither clocks nor metrics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::model::{Rules, Shard, Thresholds};
use crate::report::changes::Changes;
pub use crate::report::counts::{Anomalies, CountsByLabel, Deliveries, Excused};
use crate::report::durations::Durations;
use crate::report::judgement::{EndedBy, RuleWindows};
pub use crate::report::judgement::{Judgement, Threshold, Unit, Verdict};
use crate::report::losses::{AnomalyLogLines, NamedLossGroups};
use crate::report::marked::Marked;
use crate::report::recoveries::RecoveryFigures;
use crate::report::rooms::Rooms;
use crate::report::timeline::{Timeline, UserSeconds};

/// Version of the schema that this code writes and reads; raised when older readers would go wrong.
pub const SCHEMA_VERSION: u32 = 1;

/// The summary of one generator, or of a whole run after `merge`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The writer's [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The run.
    pub run: Run,
    /// The users.
    pub users: Users,
    /// The users' states in the hold, in user-seconds. Absent in files of 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_seconds: Option<UserSeconds>,
    /// Intents by kind: `chat`, `leave`, `breakout`.
    pub rates: BTreeMap<String, Rate>,
    /// Deliveries of this generator's own messages.
    pub deliveries: Deliveries,
    /// The same without what the generator itself spoilt; thresholds read these. Absent in files of 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// Anomalies of its own messages.
    pub anomalies: Anomalies,
    /// Times to delivery of its own messages, by basis: `intended`, `sent`.
    pub delivery_seconds: BTreeMap<String, Durations>,
    /// Times from the `intended` time, during the hold, without those that the generator itself spoilt.
    #[serde(default)]
    pub judged_seconds: BTreeMap<String, Durations>,
    /// The same for other generators' messages, as they arrived here.
    pub remote: Remote,
    /// Arrivals of messages from another run, or from before the generator started; in no other number.
    #[serde(default)]
    pub foreign: u64,
    /// Lost deliveries by the receivers who missed them.
    #[serde(default)]
    pub loss_groups: NamedLossGroups,
    /// The rooms, if users are divided among several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rooms: Option<Rooms>,
    /// The lines of the anomaly log, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly_log: Option<AnomalyLogLines>,
    /// Operations attempted, by stage.
    pub operations: CountsByLabel,
    /// Errors, by stage and kind.
    pub errors: BTreeMap<String, CountsByLabel>,
    /// Frames.
    pub messages: Messages,
    /// Sockets, by kind: `plenary`, `breakout`.
    pub connections: BTreeMap<String, Connections>,
    /// How long users took to reconnect after `ctl disconnect` or in a planned disruption, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<RecoveryFigures>,
    /// What happened in planned disruptions, if there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked: Option<Marked>,
    /// Mismatches between member lists and connections.
    #[serde(default)]
    pub presence: Presence,
    /// Clock events.
    #[serde(default)]
    pub clock: ClockEvents,
    /// The generator itself.
    pub generator: Generator,
    /// The run over time. Absent in files of 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
    /// The figures that changed during the hold; absent in checkpoints and after a short hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Changes>,
    /// Every option in force, by its flag, without secrets; of several generators, those that they share.
    /// Absent in files of 0.1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configuration: BTreeMap<String, String>,
    /// The thresholds that were set.
    pub thresholds: Thresholds,
    /// The rules that were set.
    #[serde(default, skip_serializing_if = "Rules::is_empty")]
    pub rules: Rules,
    /// What the windows of rules showed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<RuleWindows>,
    /// The rules of `--abort-if` that ended the run, one per generator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended_by: Vec<EndedBy>,
    /// The verdict on the run.
    pub verdict: Verdict,
    /// The generators that a merged summary is made of, in the order of their shards; empty in the
    /// summary of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

impl Summary {
    /// The planned disruptions, if thresholds leave them out.
    pub(super) fn set_aside(&self) -> Option<&Marked> {
        self.marked.as_ref().filter(|marked| marked.tolerated)
    }
}

/// One generator in a merged summary: figures that cannot be summed, and what identifies it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its shard, its times, and whether it finished.
    pub run: Run,
    /// Its users.
    pub users: Users,
    /// Its rates.
    pub rates: BTreeMap<String, Rate>,
    /// Its estimate of the difference between the clocks, in seconds.
    pub clock_offset_seconds: Option<f64>,
    /// Its figures about itself.
    pub generator: Generator,
    /// Its users' states in its hold, in user-seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_seconds: Option<UserSeconds>,
    /// What its windows showed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<RuleWindows>,
    /// Its own verdict.
    pub verdict: Verdict,
}

/// The identity and times of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The run id, the same for all generators of a run.
    pub id: String,
    /// The seed of schedule and texts.
    pub seed: u64,
    /// The plenary's slug.
    pub plenary: String,
    /// The shard of the run.
    pub shard: Shard,
    /// The version of soakrig.
    pub version: String,
    /// When the ramp began, RFC 3339 in UTC.
    pub started: String,
    /// Time from the start of the ramp to the end of the grace, in seconds.
    pub duration_seconds: f64,
    /// Time from the end of the ramp to the stop, in seconds.
    pub hold_seconds: f64,
    /// When the hold began, RFC 3339 in UTC; of several generators, the first one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_began: Option<String>,
    /// A delivery that takes longer is lost, in seconds.
    #[serde(default = "a_minute")]
    pub horizon_seconds: f64,
    /// False in a checkpoint of a run that is still running or was killed.
    pub complete: bool,
    /// Number of earlier starts of this generator in the same run; their counts are not included.
    #[serde(default, skip_serializing_if = "is_none")]
    pub earlier_lives: u32,
}

/// The default horizon in seconds, for files of 0.1, which do not say.
fn a_minute() -> f64 {
    60.0
}

fn is_none(n: &u32) -> bool {
    *n == 0
}

/// The users of this generator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// The first number of its part of the username range.
    pub min: u64,
    /// The number after its last.
    pub max: u64,
    /// Number of users that it should hold.
    pub target: u64,
    /// Number of users in each state at the stop.
    pub states: CountsByLabel,
}

/// Intents of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// The rate that was set, in intents per second.
    pub set: f64,
    /// The rate achieved in the hold, in intents per second.
    pub achieved: f64,
    /// Number of intents carried out.
    pub carried_out: u64,
    /// Number of intents dropped, by reason.
    pub dropped: CountsByLabel,
}

/// Deliveries and anomalies without what the generator itself spoilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Judged {
    /// Deliveries, with the same keys; they balance by themselves.
    #[serde(flatten)]
    pub deliveries: Deliveries,
    /// Anomalies.
    #[serde(default)]
    pub anomalies: Anomalies,
}

/// Other generators' messages, as they arrived here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Remote {
    /// Deliveries.
    pub deliveries: Deliveries,
    /// The same without what the generator itself spoilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// Anomalies.
    pub anomalies: Anomalies,
    /// Times to delivery; across machines they include the difference between the clocks.
    pub delivery_seconds: BTreeMap<String, Durations>,
    /// Estimate of that difference, in seconds; positive if the other clocks are ahead.
    pub clock_offset_seconds: Option<f64>,
}

/// Frames sent and received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Messages {
    /// Sent, by kind.
    pub sent: CountsByLabel,
    /// Received, by kind.
    pub received: CountsByLabel,
    /// Bytes received.
    pub received_bytes: u64,
}

/// Sockets of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Connections {
    /// Attempts to open one.
    pub attempts: u64,
    /// Attempts after which the user joined.
    #[serde(default)]
    pub joined: u64,
    /// Failed attempts, by reason.
    pub failures: CountsByLabel,
    /// Ended connections, by initiator and reason.
    pub disconnects: BTreeMap<String, CountsByLabel>,
}

/// Users whom member lists showed wrongly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Presence {
    /// Listed, though gone.
    pub ghost: Mismatches,
    /// Connected, but not listed.
    pub missing: Mismatches,
    /// Lists read, by fate.
    pub lists: CountsByLabel,
}

/// Mismatches of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Mismatches {
    /// Their number at the stop.
    pub at_end: u64,
    /// Their highest number at any time.
    pub most: u64,
    /// Episodes that began; a user counts again after having been listed correctly in between.
    pub episodes: u64,
}

/// Clock events that the generator noticed, and changes of the server's addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct ClockEvents {
    /// Number of events by kind: `wall_jump`, `suspend`, `stall`.
    pub events: CountsByLabel,
    /// Total length by kind, in seconds: how far the clock was set, how long the machine slept, how long the
    /// process stood still.
    pub seconds: BTreeMap<String, f64>,
    /// How often the server's name resolved to different addresses than before.
    pub dns_changes: u64,
}

/// The generator's figures about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Generator {
    /// CPU time in user code, in seconds.
    pub cpu_seconds_user: f64,
    /// CPU time in the kernel, in seconds.
    pub cpu_seconds_system: f64,
    /// Peak resident memory, in bytes.
    pub peak_memory_bytes: u64,
    /// Threads at the end.
    pub threads: u64,
    /// How long it was saturated for any reason, in seconds.
    pub saturated_seconds: f64,
    /// The same for each reason, in seconds; they may overlap.
    pub saturated_by: BTreeMap<String, f64>,
    /// How much of the hold the generator or its machine spoilt, in seconds; overlaps count once.
    #[serde(default)]
    pub spoilt_seconds: f64,
    /// The same for each reason, in seconds; they may overlap.
    #[serde(default)]
    pub spoilt_by: BTreeMap<String, f64>,
}
