//! A generator's counters over a span of time: the difference of two readings.

use std::collections::BTreeMap;

use super::slice::{GeneratorSlice, Slice};
use crate::metrics::ProcessFigures;
use crate::metrics::label::Label as _;
use crate::metrics::totals::Totals;
use crate::model::{SocketKind, Stage};
use crate::report::counts::{CountsByLabel, counts, grouped};

/// Stages that slices leave out, because deliveries and frames are counted elsewhere in them.
const COUNTED_ELSEWHERE: [Stage; 2] = [Stage::Delivery, Stage::Receive];

/// A generator's counters at a moment. By default all are 0.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    sent: u64,
    received: u64,
    dropped: CountsByLabel,
    operations: CountsByLabel,
    errors: BTreeMap<String, CountsByLabel>,
    joined: u64,
    disconnects: BTreeMap<String, CountsByLabel>,
    cpu_seconds: f64,
    memory_bytes: u64,
}

impl Counters {
    /// From these totals.
    #[must_use]
    pub fn of(totals: &Totals, process: &ProcessFigures) -> Self {
        let mut dropped = CountsByLabel::new();
        for ((_, reason), n) in totals.dropped.iter().filter(|(_, n)| *n > 0) {
            *dropped.entry(reason.text().to_owned()).or_default() += n;
        }
        let mut operations = counts::<Stage>(&totals.operations);
        operations.retain(|stage, _| COUNTED_ELSEWHERE.iter().all(|elsewhere| elsewhere.text() != stage));
        let errors = totals.errors.iter().filter(|((stage, _), n)| *stage != Stage::Delivery && *n > 0);
        let ends = totals.disconnects.iter().filter(|((socket, ..), n)| *socket == SocketKind::Room && *n > 0);
        Self {
            sent: totals.chats(),
            received: totals.received.iter().map(|(_, n)| n).sum(),
            dropped,
            operations,
            errors: grouped(errors.map(|((stage, kind), n)| (stage.text(), kind.text(), *n))),
            joined: totals.joined[SocketKind::Room.index()],
            disconnects: grouped(ends.map(|((_, initiator, reason), n)| (initiator.text(), reason.text(), *n))),
            cpu_seconds: process.cpu_user + process.cpu_system,
            memory_bytes: process.resident,
        }
    }

    /// The increase since `earlier`, as a slice without a start.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Slice {
        Slice {
            sent: self.sent.saturating_sub(earlier.sent),
            received: self.received.saturating_sub(earlier.received),
            dropped: less(&self.dropped, &earlier.dropped),
            operations: less(&self.operations, &earlier.operations),
            errors: less_groups(&self.errors, &earlier.errors),
            joined: self.joined.saturating_sub(earlier.joined),
            disconnects: less_groups(&self.disconnects, &earlier.disconnects),
            generator: GeneratorSlice {
                cpu_seconds: (self.cpu_seconds - earlier.cpu_seconds).max(0.0),
                memory_bytes: self.memory_bytes,
            },
            ..Slice::default()
        }
    }
}

/// The increase of counts; those that did not change are left out.
fn less(counts: &CountsByLabel, earlier: &CountsByLabel) -> CountsByLabel {
    let rose = counts.iter().map(|(label, n)| (label, n.saturating_sub(earlier.get(label).copied().unwrap_or(0))));
    rose.filter(|(_, n)| *n > 0).map(|(label, n)| (label.clone(), n)).collect()
}

fn less_groups(
    groups: &BTreeMap<String, CountsByLabel>,
    earlier: &BTreeMap<String, CountsByLabel>,
) -> BTreeMap<String, CountsByLabel> {
    let none = CountsByLabel::new();
    let rose = groups.iter().map(|(group, counts)| (group, less(counts, earlier.get(group).unwrap_or(&none))));
    rose.filter(|(_, counts)| !counts.is_empty()).map(|(group, counts)| (group.clone(), counts)).collect()
}
