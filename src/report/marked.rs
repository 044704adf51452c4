//! Planned disruptions in the summary. With `--tolerate-marked` no threshold counts them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Stage;
use crate::report::counts::{Anomalies, CountsByLabel, Deliveries, cut};
use crate::report::disruptions::{self, Disruption};
use crate::report::numbers::{count, span};
use crate::report::sums::{add_anomalies, add_counts, add_deliveries, add_groups, add_to};
use crate::report::timeline::{RemoteSlice, Slice, UserSeconds};

/// What happened between `ctl mark begin` and `mark end`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Marked {
    /// Whether it is left out of thresholds.
    pub tolerated: bool,
    /// Total length, in seconds; of several generators, the longest.
    pub seconds: f64,
    /// Messages sent.
    pub sent: u64,
    /// Frames received.
    pub received: u64,
    /// Deliveries of own messages intended in it that have a verdict.
    pub deliveries: Deliveries,
    /// Anomalies of those messages.
    pub anomalies: Anomalies,
    /// The same for other generators' messages, without excused ones.
    pub remote: RemoteSlice,
    /// Operations attempted, by stage.
    pub operations: CountsByLabel,
    /// Errors, by stage and kind.
    pub errors: BTreeMap<String, CountsByLabel>,
    /// Connections to the room that ended, by initiator and reason.
    pub disconnects: BTreeMap<String, CountsByLabel>,
    /// User-seconds in it, within the hold.
    #[serde(default)]
    pub user_seconds: UserSeconds,
    /// The figures of each of the first hundred disruptions.
    #[serde(default)]
    pub each: Vec<Disruption>,
}

impl Marked {
    /// From the increase of the counters; deliveries come from the ledger.
    #[must_use]
    pub fn of(tolerated: bool, seconds: f64, counted: &Slice) -> Self {
        let Slice { sent, received, operations, errors, disconnects, .. } = counted.clone();
        Self { tolerated, seconds, sent, received, operations, errors, disconnects, ..Self::default() }
    }

    /// Connections that the server or the network ended.
    #[must_use]
    pub fn cut(&self) -> u64 {
        cut(&self.disconnects)
    }

    /// Operations attempted in a stage.
    #[must_use]
    pub fn operations(&self, stage: &str) -> u64 {
        // Each frame is one operation.
        if stage == Stage::Receive.as_str() {
            return self.received;
        }
        self.operations.get(stage).copied().unwrap_or(0)
    }

    /// Errors of a kind in a stage.
    #[must_use]
    pub fn errors(&self, stage: &str, kind: &str) -> u64 {
        self.errors.get(stage).and_then(|kinds| kinds.get(kind)).copied().unwrap_or(0)
    }

    /// Adds another generator's.
    fn add(&mut self, other: &Self) {
        self.tolerated &= other.tolerated;
        self.seconds = self.seconds.max(other.seconds);
        add_to(&mut self.sent, other.sent);
        add_to(&mut self.received, other.received);
        add_deliveries(&mut self.deliveries, &other.deliveries);
        add_anomalies(&mut self.anomalies, &other.anomalies);
        add_deliveries(&mut self.remote.deliveries, &other.remote.deliveries);
        add_anomalies(&mut self.remote.anomalies, &other.remote.anomalies);
        add_counts(&mut self.operations, &other.operations);
        add_groups(&mut self.errors, &other.errors);
        add_groups(&mut self.disconnects, &other.disconnects);
        self.user_seconds = self.user_seconds.plus(other.user_seconds);
        disruptions::merge(&mut self.each, &other.each);
    }

    /// Faults found in it, by name; those that are 0 are left out.
    #[must_use]
    pub fn found(&self) -> Vec<(&'static str, u64)> {
        let (own, remote, odd, remote_odd) =
            (&self.deliveries, &self.remote.deliveries, &self.anomalies, &self.remote.anomalies);
        let errors = self.errors.values().flat_map(BTreeMap::values).sum();
        let found = [
            ("lost", own.lost.saturating_add(remote.lost)),
            ("late", own.late.saturating_add(remote.late)),
            ("duplicate", odd.duplicate.saturating_add(remote_odd.duplicate)),
            ("reordered", odd.reordered.saturating_add(remote_odd.reordered)),
            ("unexpected", odd.unexpected.saturating_add(remote_odd.unexpected)),
            ("corrupt", odd.corrupt.saturating_add(remote_odd.corrupt)),
            ("cut", self.cut()),
            ("errors", errors),
        ];
        found.into_iter().filter(|(_, n)| *n > 0).collect()
    }

    /// Its length and faults in words: `2m: 12 lost, 40 cut`.
    #[must_use]
    pub fn said(&self) -> String {
        let found: Vec<String> = self.found().into_iter().map(|(name, n)| format!("{} {name}", count(n))).collect();
        let found = if found.is_empty() { "nothing lost, late, cut or failed".to_owned() } else { found.join(", ") };
        format!("{}: {found}", span(self.seconds))
    }
}

/// Deliveries minus those of a part.
pub(super) fn without(all: &Deliveries, part: &Deliveries) -> Deliveries {
    let mut rest = all.clone();
    let less = |from: &mut u64, n: u64| *from = from.saturating_sub(n);
    less(&mut rest.expected, part.expected);
    less(&mut rest.on_time, part.on_time);
    less(&mut rest.late, part.late);
    less(&mut rest.lost, part.lost);
    less(&mut rest.excused.total, part.excused.total);
    less(&mut rest.excused.left, part.excused.left);
    less(&mut rest.excused.server, part.excused.server);
    less(&mut rest.excused.network, part.excused.network);
    less(&mut rest.excused.sender_cut, part.excused.sender_cut);
    less(&mut rest.excused.refused, part.excused.refused);
    rest
}

/// Anomalies minus those of a part.
pub(super) fn without_anomalies(all: &Anomalies, part: &Anomalies) -> Anomalies {
    Anomalies {
        duplicate: all.duplicate.saturating_sub(part.duplicate),
        reordered: all.reordered.saturating_sub(part.reordered),
        unexpected: all.unexpected.saturating_sub(part.unexpected),
        corrupt: all.corrupt.saturating_sub(part.corrupt),
    }
}

/// Adds another generator's.
pub(super) fn merge(ours: &mut Option<Marked>, theirs: Option<&Marked>) {
    match (ours.as_mut(), theirs) {
        (Some(ours), Some(theirs)) => ours.add(theirs),
        (None, Some(theirs)) => *ours = Some(theirs.clone()),
        (_, None) => {}
    }
}
