//! Counts as the summary keeps them: by label text, deliveries by outcome, anomalies by kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::label::{Label, LabelSet as _};
use crate::model::{Anomaly, DeliveryCounts, Outcome};

/// Counts by label text; what is 0 may be left out.
pub type CountsByLabel = BTreeMap<String, u64>;

/// Where expected deliveries went: expected = on time + late + lost + excused + outstanding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Deliveries {
    /// One for each message on each connection that should get it.
    pub expected: u64,
    /// Came within the deadline.
    pub on_time: u64,
    /// Came after it, by the horizon.
    pub late: u64,
    /// Did not come by the horizon.
    pub lost: u64,
    /// The connection ended before.
    pub excused: Excused,
    /// No verdict when the run ended.
    pub outstanding: u64,
    /// Arrivals on a connection that was just joining or closing when the message was sent; in no
    /// other number.
    pub raced: u64,
}

/// Why deliveries were excused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Excused {
    /// All of them.
    pub total: u64,
    /// The receiving user left.
    pub left: u64,
    /// The server ended the receiving connection.
    pub server: u64,
    /// The network ended it.
    pub network: u64,
    /// The sender's connection ended before anybody received the message.
    pub sender_cut: u64,
    /// The server did not take the message.
    #[serde(default)]
    pub refused: u64,
}

/// Arrivals with something wrong about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Anomalies {
    /// Came again.
    pub duplicate: u64,
    /// Came after a later message of the same sender.
    pub reordered: u64,
    /// Came where it was not expected.
    pub unexpected: u64,
    /// Its marker did not fit.
    pub corrupt: u64,
}

impl Deliveries {
    /// From the ledger's.
    #[must_use]
    pub fn of(counts: &DeliveryCounts) -> Self {
        let excused = Excused {
            total: 0,
            left: counts.outcome(Outcome::ExcusedLeft),
            server: counts.outcome(Outcome::ExcusedServer),
            network: counts.outcome(Outcome::ExcusedNetwork),
            sender_cut: counts.outcome(Outcome::ExcusedSenderCut),
            refused: counts.outcome(Outcome::ExcusedRefused),
        };
        Self {
            expected: counts.expected,
            on_time: counts.outcome(Outcome::OnTime),
            late: counts.outcome(Outcome::Late),
            lost: counts.outcome(Outcome::Lost),
            excused: Excused {
                total: excused.left + excused.server + excused.network + excused.sender_cut + excused.refused,
                ..excused
            },
            outstanding: counts.outstanding,
            raced: counts.raced,
        }
    }
}

impl Anomalies {
    /// From the ledger's.
    #[must_use]
    pub fn of(counts: &DeliveryCounts) -> Self {
        Self {
            duplicate: counts.anomaly(Anomaly::Duplicate),
            reordered: counts.anomaly(Anomaly::Reordered),
            unexpected: counts.anomaly(Anomaly::Unexpected),
            corrupt: counts.anomaly(Anomaly::Corrupt),
        }
    }
}

/// Counts that are not 0, by label text.
pub(super) fn counts<L: Label>(numbers: &[u64]) -> CountsByLabel {
    named(&L::every().zip(numbers.iter().copied()).collect::<Vec<_>>())
}

/// Counts that are not 0, by the text of their label.
pub(super) fn named<L: Label>(numbers: &[(L, u64)]) -> CountsByLabel {
    numbers.iter().filter(|(_, n)| *n > 0).map(|(label, n)| (label.text().to_owned(), *n)).collect()
}

/// Counts by the texts of two labels.
pub(super) fn grouped<'a>(numbers: impl Iterator<Item = (&'a str, &'a str, u64)>) -> BTreeMap<String, CountsByLabel> {
    let mut groups: BTreeMap<String, CountsByLabel> = BTreeMap::new();
    for (group, kind, n) in numbers {
        groups.entry(group.to_owned()).or_default().insert(kind.to_owned(), n);
    }
    groups
}
