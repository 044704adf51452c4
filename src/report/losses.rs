//! Losses in the summary: the messages that the same receivers missed, and how complete the anomaly log
//! is.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::model::LOSS_GROUPS_TOLD;

/// Lost deliveries, local and remote, grouped by the set of receivers who missed a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct NamedLossGroups {
    /// The [`LOSS_GROUPS_TOLD`] groups with the most deliveries, the largest first.
    pub largest: Vec<NamedLossGroup>,
    /// All others together.
    pub rest: OtherLosses,
}

/// Messages that exactly the same receivers missed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct NamedLossGroup {
    /// The earliest intended time, RFC 3339 in UTC.
    pub first: String,
    /// The latest.
    pub last: String,
    /// Lost deliveries: messages times receivers.
    pub deliveries: u64,
    /// Messages.
    pub messages: u64,
    /// Those of other generators.
    pub remote_messages: u64,
    /// Those that no user of this generator received.
    pub unread_messages: u64,
    /// Number of receivers who missed each of them.
    pub receivers: u64,
    /// Names of the first receivers.
    pub receiver_names: Vec<String>,
    /// Names of some of the senders.
    pub sender_names: Vec<String>,
    /// The markers of the first messages, up to the checksum.
    pub markers: Vec<String>,
}

/// Losses that are in no group of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct OtherLosses {
    /// Messages.
    pub messages: u64,
    /// Lost deliveries.
    pub deliveries: u64,
}

/// Numbers of lines of the anomaly log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct AnomalyLogLines {
    /// Lines written.
    pub lines: u64,
    /// Lines left out.
    pub dropped: u64,
}

impl NamedLossGroups {
    /// The largest of `groups`, and the others in `rest`.
    #[must_use]
    pub fn of(groups: Vec<NamedLossGroup>, rest: OtherLosses) -> Self {
        let mut largest = groups;
        largest.sort_by(order);
        let mut whole = Self { rest, largest: Vec::new() };
        for group in largest.split_off(largest.len().min(LOSS_GROUPS_TOLD)) {
            whole.rest.add(OtherLosses { messages: group.messages, deliveries: group.deliveries });
        }
        whole.largest = largest;
        whole
    }

    /// Adds the groups of another generator, whose receivers are different users.
    pub fn add(&mut self, other: &Self) {
        let mut groups = std::mem::take(&mut self.largest);
        groups.extend(other.largest.iter().cloned());
        self.rest.add(other.rest);
        *self = Self::of(groups, self.rest);
    }

    /// Whether nothing was lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.largest.is_empty() && self.rest.deliveries == 0
    }
}

impl OtherLosses {
    fn add(&mut self, other: Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.deliveries = self.deliveries.saturating_add(other.deliveries);
    }
}

impl AnomalyLogLines {
    /// Adds the lines of another generator's log.
    pub fn add(&mut self, other: Self) {
        self.lines = self.lines.saturating_add(other.lines);
        self.dropped = self.dropped.saturating_add(other.dropped);
    }
}

/// Most deliveries first, then most messages; the other keys only make the order deterministic.
fn order(one: &NamedLossGroup, other: &NamedLossGroup) -> Ordering {
    (other.deliveries, other.messages).cmp(&(one.deliveries, one.messages)).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(messages: u64, receivers: u64) -> NamedLossGroup {
        NamedLossGroup { deliveries: messages * receivers, messages, receivers, ..NamedLossGroup::default() }
    }

    #[test]
    fn the_ten_largest_groups_are_kept_and_the_rest_summed() {
        let groups = (1..=12).map(|n| group(n, 3)).collect();
        let whole = NamedLossGroups::of(groups, OtherLosses { messages: 5, deliveries: 5 });
        assert_eq!(
            whole.largest.iter().map(|group| group.messages).collect::<Vec<_>>(),
            (3..=12).rev().collect::<Vec<_>>()
        );
        assert_eq!(whole.rest, OtherLosses { messages: 8, deliveries: 14 });
    }

    #[test]
    fn groups_of_several_generators_add_up_in_any_grouping() {
        let part =
            |from: u64| NamedLossGroups::of((from..from + 9).map(|n| group(n, 2)).collect(), OtherLosses::default());
        let (a, b, c) = (part(1), part(4), part(7));
        let mut left = a.clone();
        left.add(&b);
        left.add(&c);
        let mut right = c;
        right.add(&b);
        let mut whole = a;
        whole.add(&right);
        assert_eq!(left, whole);
        let sum: u64 = whole.largest.iter().map(|group| group.deliveries).sum::<u64>() + whole.rest.deliveries;
        let all: u64 = [1, 4, 7].iter().flat_map(|from| *from..from + 9).map(|n| n * 2).sum();
        assert_eq!(sum, all);
    }
}
