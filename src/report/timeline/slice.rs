//! One slice of a run's time, and how slices add up.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::times::Times;
use crate::report::summary::{Anomalies, CountsByLabel, Deliveries};
use crate::report::sums::{add_anomalies, add_counts, add_deliveries, add_groups, add_to};

/// What happened in one span of time: of one generator, or of several. Fields that are absent are zero.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Slice {
    /// When it begins, in seconds since 1970-01-01T00:00:00Z; a multiple of its length.
    pub start: u64,
    /// How much of it lies within the hold, in seconds. Of several generators: the most.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hold_seconds: f64,
    /// Where users were, in user-seconds.
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
    /// The same of other generators' messages.
    #[serde(default, skip_serializing_if = "is_default")]
    pub remote: RemoteSlice,
    /// Times to delivery of this generator's own messages, from the intended time.
    #[serde(default, skip_serializing_if = "is_default")]
    pub times: Times,
    /// Things tried, by stage; `delivery` and `receive` are left out: they are in the counts above.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operations: CountsByLabel,
    /// Things that failed, by stage and kind; of stage `delivery` nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub errors: BTreeMap<String, CountsByLabel>,
    /// Connections to the room that were joined.
    #[serde(default, skip_serializing_if = "is_default")]
    pub joined: u64,
    /// Connections to the room that ended, by initiator and reason.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disconnects: BTreeMap<String, CountsByLabel>,
    /// How much of the slice the generator or its machine spoilt, in seconds. Of several generators: in all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub spoilt_seconds: f64,
    /// The generator's own figures.
    #[serde(default, skip_serializing_if = "is_default")]
    pub generator: GeneratorSlice,
    /// Series of the server's own metrics (`--watch`), by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub watched: BTreeMap<String, Watched>,
}

/// Where users were, in user-seconds: divided by a length of time, a mean number of users.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct UserSeconds {
    /// That the generator was to hold.
    pub target: f64,
    /// Connected.
    pub connected: f64,
    /// Away on purpose, between leaving and coming back.
    pub away: f64,
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
    /// Most resident memory at a sample, in bytes. Of several generators: the sum of each one's most.
    pub memory_bytes: u64,
}

/// Samples of one series.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Watched {
    /// Their sum; divided by `samples`, their mean.
    pub sum: f64,
    /// How many there were.
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

    /// Adds what another generator did in the same span of time.
    pub(super) fn add_beside(&mut self, other: &Self) {
        self.hold_seconds = self.hold_seconds.max(other.hold_seconds);
        self.generator.memory_bytes = self.generator.memory_bytes.saturating_add(other.generator.memory_bytes);
        self.add_counts(other);
    }

    /// Adds what only sums.
    fn add_counts(&mut self, other: &Self) {
        self.users.target += other.users.target;
        self.users.connected += other.users.connected;
        self.users.away += other.users.away;
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

/// Adds what the same generators did in another span of time; the start stays.
impl AddAssign<&Self> for Slice {
    fn add_assign(&mut self, other: &Self) {
        self.hold_seconds += other.hold_seconds;
        self.generator.memory_bytes = self.generator.memory_bytes.max(other.generator.memory_bytes);
        self.add_counts(other);
    }
}
