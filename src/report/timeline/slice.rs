//! One slice of a run's time, and the addition of slices.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::times::Times;
use crate::report::summary::{Anomalies, CountsByLabel, Deliveries};
use crate::report::sums::{add_anomalies, add_counts, add_deliveries, add_groups, add_to};

/// One span of time, of one generator or of several. Absent fields are zero.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Slice {
    /// Its start, in seconds since 1970-01-01T00:00:00Z; a multiple of its length.
    pub start: u64,
    /// How much of it lies within the hold, in seconds; of several generators, the most.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hold_seconds: f64,
    /// The users' states, in user-seconds.
    #[serde(default)]
    pub users: UserSeconds,
    /// Messages handed over to be sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sent: u64,
    /// Frames received, of all kinds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub received: u64,
    /// Intents that were not carried out, by reason.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dropped: CountsByLabel,
    /// Deliveries of this generator's own messages whose intended time lies in the slice.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deliveries: Deliveries,
    /// Anomalies of those messages.
    #[serde(default, skip_serializing_if = "is_default")]
    pub anomalies: Anomalies,
    /// The same for other generators' messages.
    #[serde(default, skip_serializing_if = "is_default")]
    pub remote: RemoteSlice,
    /// Times to delivery of this generator's own messages, from the intended time.
    #[serde(default, skip_serializing_if = "is_default")]
    pub times: Times,
    /// Operations attempted, by stage, without `delivery` and `receive`, which are in the counts above.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operations: CountsByLabel,
    /// Errors, by stage and kind, without those of stage `delivery`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub errors: BTreeMap<String, CountsByLabel>,
    /// Connections to the room whose user joined.
    #[serde(default, skip_serializing_if = "is_default")]
    pub joined: u64,
    /// Connections to the room that ended, by initiator and reason.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disconnects: BTreeMap<String, CountsByLabel>,
    /// How much of the slice the generator or its machine spoilt, in seconds; of several generators, the sum.
    #[serde(default, skip_serializing_if = "is_default")]
    pub spoilt_seconds: f64,
    /// The generator's figures about itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub generator: GeneratorSlice,
    /// Series of the server's own metrics (`--watch`), by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub watched: BTreeMap<String, Watched>,
}

/// Users' states in user-seconds. Divided by a length of time they are mean numbers of users.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct UserSeconds {
    /// Users that the generator should hold.
    pub target: f64,
    /// Connected.
    pub connected: f64,
    /// Away on purpose, between leaving and coming back.
    pub away: f64,
}

impl UserSeconds {
    /// Both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            target: self.target + other.target,
            connected: self.connected + other.connected,
            away: self.away + other.away,
        }
    }

    /// This many times as much.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { target: self.target * factor, connected: self.connected * factor, away: self.away * factor }
    }
}

/// Deliveries and anomalies of other generators' messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RemoteSlice {
    /// Deliveries.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deliveries: Deliveries,
    /// Anomalies.
    #[serde(default, skip_serializing_if = "is_default")]
    pub anomalies: Anomalies,
}

/// What the generator used.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct GeneratorSlice {
    /// CPU time, in seconds.
    pub cpu_seconds: f64,
    /// Highest sample of resident memory, in bytes; of several generators, the sum of their highest samples.
    pub memory_bytes: u64,
}

/// Samples of one series.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Watched {
    /// Their sum; divided by `samples`, their mean.
    pub sum: f64,
    /// Number of samples.
    pub samples: u64,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Slice {
    /// Deliveries of all generators' messages.
    #[must_use]
    pub fn all_deliveries(&self) -> Deliveries {
        let mut all = self.deliveries.clone();
        add_deliveries(&mut all, &self.remote.deliveries);
        all
    }

    /// Adds another generator's figures of the same span of time.
    pub(super) fn add_beside(&mut self, other: &Self) {
        self.hold_seconds = self.hold_seconds.max(other.hold_seconds);
        self.generator.memory_bytes = self.generator.memory_bytes.saturating_add(other.generator.memory_bytes);
        self.add_counts(other);
    }

    /// Adds the fields that are plain sums.
    fn add_counts(&mut self, other: &Self) {
        self.users = self.users.plus(other.users);
        add_to(&mut self.sent, other.sent);
        add_to(&mut self.received, other.received);
        add_counts(&mut self.dropped, &other.dropped);
        add_deliveries(&mut self.deliveries, &other.deliveries);
        add_anomalies(&mut self.anomalies, &other.anomalies);
        add_deliveries(&mut self.remote.deliveries, &other.remote.deliveries);
        add_anomalies(&mut self.remote.anomalies, &other.remote.anomalies);
        self.times.merge(&other.times);
        add_counts(&mut self.operations, &other.operations);
        add_groups(&mut self.errors, &other.errors);
        add_to(&mut self.joined, other.joined);
        add_groups(&mut self.disconnects, &other.disconnects);
        self.spoilt_seconds += other.spoilt_seconds;
        self.generator.cpu_seconds += other.generator.cpu_seconds;
        for (name, other) in &other.watched {
            let watched = self.watched.entry(name.clone()).or_default();
            watched.sum += other.sum;
            add_to(&mut watched.samples, other.samples);
        }
    }
}

/// Adds the same generators' figures of another span of time; the start stays.
impl AddAssign<&Self> for Slice {
    fn add_assign(&mut self, other: &Self) {
        self.hold_seconds += other.hold_seconds;
        self.generator.memory_bytes = self.generator.memory_bytes.max(other.generator.memory_bytes);
        self.add_counts(other);
    }
}
