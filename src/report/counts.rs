//! Counts in the summary: by label text, deliveries by outcome, anomalies by kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::label::{Label, LabelSet as _};
use crate::model::{Anomaly, DeliveryCounts, Outcome};

/// Counts by label text; those that are 0 may be left out.
pub type CountsByLabel = BTreeMap<String, u64>;

/// Outcomes of deliveries: expected = on time + late + lost + excused + outstanding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Deliveries {
    /// One per message and connection that should receive it.
    pub expected: u64,
    /// Arrived within the deadline.
    pub on_time: u64,
    /// Arrived after the deadline, within the horizon.
    pub late: u64,
    /// Did not arrive within the horizon.
    pub lost: u64,
    /// Not required, for one of the reasons of [`Excused`].
    pub excused: Excused,
    /// Had no verdict when the run ended.
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
    /// The sender's connection ended before any user received the message.
    pub sender_cut: u64,
    /// The server did not take the message.
    #[serde(default)]
    pub refused: u64,
}

/// Arrivals with something wrong about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Anomalies {
    /// Arrived more than once.
    pub duplicate: u64,
    /// Arrived after a later message of the same sender.
    pub reordered: u64,
    /// Arrived although they were not expected.
    pub unexpected: u64,
    /// Their markers did not match.
    pub corrupt: u64,
}

impl Deliveries {
    /// From the ledger's counts.
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
    /// From the ledger's counts.
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

/// Connections that the server or the network ended, by initiator and reason.
pub(super) fn cut(disconnects: &BTreeMap<String, CountsByLabel>) -> u64 {
    let by = |initiator: &str| disconnects.get(initiator).into_iter().flat_map(BTreeMap::values);
    by("server").chain(by("network")).fold(0, |sum, n| sum.saturating_add(*n))
}
