//! The summary of a run, as `--summary` writes it: the schema, in `docs/summary.md` in words.
//!
//! Only data that adds up: everything that `merge` needs is in it, and nothing of one machine only
//! is needed to print it. Knows no clock and no metrics.

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

/// The schema that this code writes and reads; a new number where a reader must know better.
pub const SCHEMA_VERSION: u32 = 1;

/// What one generator has to say about its part of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Which run.
    pub run: Run,
    /// The users.
    pub users: Users,
    /// Where they were in the hold, in user-seconds. Absent in files of 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_seconds: Option<UserSeconds>,
    /// Intents by kind: `chat`, `leave`, `breakout`.
    pub rates: BTreeMap<String, Rate>,
    /// Deliveries of this generator's own messages.
    pub deliveries: Deliveries,
    /// The same without what the generator itself spoilt: what thresholds read. Absent in files of 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// Anomalies of its own messages.
    pub anomalies: Anomalies,
    /// Times to delivery of its own messages, by basis: `intended`, `sent`.
    pub delivery_seconds: BTreeMap<String, Durations>,
    /// Those from the `intended` time, during the hold, that the generator itself did not spoil.
    #[serde(default)]
    pub judged_seconds: BTreeMap<String, Durations>,
    /// The same of other generators' messages, as they came here.
    pub remote: Remote,
    /// Arrivals of messages of another run, or of a time before the generator: in no other number.
    #[serde(default)]
    pub foreign: u64,
    /// Lost deliveries by who missed them.
    #[serde(default)]
    pub loss_groups: NamedLossGroups,
    /// The rooms, where users are divided among several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rooms: Option<Rooms>,
    /// The lines of the anomaly log, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly_log: Option<AnomalyLogLines>,
    /// Things tried, by stage.
    pub operations: CountsByLabel,
    /// Things that failed, by stage and kind.
    pub errors: BTreeMap<String, CountsByLabel>,
    /// Frames.
    pub messages: Messages,
    /// Sockets, by kind: `plenary`, `breakout`.
    pub connections: BTreeMap<String, Connections>,
    /// How long users took to come back after `ctl disconnect` or in a planned disruption, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<RecoveryFigures>,
    /// What happened in planned disruptions, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked: Option<Marked>,
    /// Member lists against who was connected.
    #[serde(default)]
    pub presence: Presence,
    /// What happened to time itself.
    #[serde(default)]
    pub clock: ClockEvents,
    /// The generator itself.
    pub generator: Generator,
    /// The run over time. Absent in files of 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
    /// Which figures changed during the hold; absent in checkpoints, and where the hold was too short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Changes>,
    /// Every option that was in force, by its flag, without secrets; of several generators those that they
    /// share. Absent in files of 0.1.
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
    /// The rules of `--abort-if` that ended the run: of several generators, each one's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended_by: Vec<EndedBy>,
    /// What it came to.
    pub verdict: Verdict,
    /// The generators that a merged summary is made of, in the order of their shards; empty in the
    /// summary of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

impl Summary {
    /// What is in no threshold, because it was planned and is tolerated.
    pub(super) fn set_aside(&self) -> Option<&Marked> {
        self.marked.as_ref().filter(|marked| marked.tolerated)
    }
}

/// One generator in a merged summary: what does not add up, and what tells the generators apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Which part of the run, when, and whether it came to its end.
    pub run: Run,
    /// Its users.
    pub users: Users,
    /// Its rates.
    pub rates: BTreeMap<String, Rate>,
    /// Its estimate of the difference of the clocks.
    pub clock_offset_seconds: Option<f64>,
    /// Its account of itself.
    pub generator: Generator,
    /// Where its users were in its hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_seconds: Option<UserSeconds>,
    /// What its windows showed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<RuleWindows>,
    /// What it came to by itself.
    pub verdict: Verdict,
}

/// Which run this is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The run id, the same for all generators of a run.
    pub id: String,
    /// The seed of schedule and texts.
    pub seed: u64,
    /// The plenary's slug.
    pub plenary: String,
    /// Which part of the run.
    pub shard: Shard,
    /// The version of soakrig.
    pub version: String,
    /// When the ramp began, RFC 3339 in UTC.
    pub started: String,
    /// From there to the end of the grace, in seconds.
    pub duration_seconds: f64,
    /// Of that, how long the load was held: from the end of the ramp to the stop, in seconds.
    pub hold_seconds: f64,
    /// When the hold began, RFC 3339 in UTC; of several generators, when the first one's did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_began: Option<String>,
    /// A delivery that has not come by then is lost, in seconds.
    #[serde(default = "a_minute")]
    pub horizon_seconds: f64,
    /// False in a checkpoint of a run that still goes on, or was killed.
    pub complete: bool,
    /// How often this generator was started before in the same run; what it counted then is not in here.
    #[serde(default, skip_serializing_if = "is_none")]
    pub earlier_lives: u32,
}

/// The default of 0.1, which does not say.
fn a_minute() -> f64 {
    60.0
}

fn is_none(n: &u32) -> bool {
    *n == 0
}

/// The users of this generator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// First number of its part of the username range.
    pub min: u64,
    /// The number after its last.
    pub max: u64,
    /// How many it was to hold.
    pub target: u64,
    /// Where they were at the stop, by state.
    pub states: CountsByLabel,
}

/// Intents of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Set, in intents per second.
    pub set: f64,
    /// Carried out, in intents per second of the hold.
    pub achieved: f64,
    /// Carried out.
    pub carried_out: u64,
    /// Dropped, by reason.
    pub dropped: CountsByLabel,
}

/// Deliveries and anomalies without what the generator itself spoilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Judged {
    /// Deliveries, by the same keys, which balance by themselves.
    #[serde(flatten)]
    pub deliveries: Deliveries,
    /// Anomalies.
    #[serde(default)]
    pub anomalies: Anomalies,
}

/// Other generators' messages, as they came here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Remote {
    /// Deliveries.
    pub deliveries: Deliveries,
    /// The same without what the generator itself spoilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// Anomalies.
    pub anomalies: Anomalies,
    /// Times to delivery; across machines they hold the difference of the clocks.
    pub delivery_seconds: BTreeMap<String, Durations>,
    /// Estimate of that difference, in seconds, positive where the others' clocks are ahead.
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
    /// Tried to open.
    pub attempts: u64,
    /// Opened, and the user was let in.
    #[serde(default)]
    pub joined: u64,
    /// Did not open, by reason.
    pub failures: CountsByLabel,
    /// Ended, by initiator and reason.
    pub disconnects: BTreeMap<String, CountsByLabel>,
}

/// Users whom member lists had wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Presence {
    /// Listed, though gone.
    pub ghost: Mismatches,
    /// Connected, and not listed.
    pub missing: Mismatches,
    /// Lists that were looked at, by what came of it.
    pub lists: CountsByLabel,
}

/// Mismatches of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Mismatches {
    /// When they were last looked at: at the stop.
    pub at_end: u64,
    /// At a time, the most.
    pub most: u64,
    /// That began: a user again where it was right in between.
    pub episodes: u64,
}

/// What happened to time as the generator saw it, and to the server's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct ClockEvents {
    /// How often, by kind: `wall_jump`, `suspend`, `stall`.
    pub events: CountsByLabel,
    /// How far the clock was set, how long the machine slept, how long the process stood still, in
    /// all, in seconds.
    pub seconds: BTreeMap<String, f64>,
    /// How often the server's name stood for other addresses than before.
    pub dns_changes: u64,
}

/// The generator's own account of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Generator {
    /// CPU time in user code, in seconds.
    pub cpu_seconds_user: f64,
    /// CPU time in the kernel, in seconds.
    pub cpu_seconds_system: f64,
    /// Most resident memory, in bytes.
    pub peak_memory_bytes: u64,
    /// Threads at the end.
    pub threads: u64,
    /// How long it was saturated for any reason, in seconds.
    pub saturated_seconds: f64,
    /// How long for each reason, in seconds; they may overlap.
    pub saturated_by: BTreeMap<String, f64>,
    /// How much of the hold the generator or its machine spoilt, in seconds: overlaps count once.
    #[serde(default)]
    pub spoilt_seconds: f64,
    /// How much for each reason, in seconds; they may overlap.
    #[serde(default)]
    pub spoilt_by: BTreeMap<String, f64>,
}
