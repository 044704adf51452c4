//! Losses with names instead of indices, for the summary.

use super::anomaly_log::time;
use crate::ledger::{self, Sender};
use crate::model::{SenderId, UserIndex};
use crate::report::losses::{LossGroup, LossGroups, OtherLosses};

/// The ledger's groups of losses in words that mean something outside of it.
pub(crate) fn told(found: &ledger::LossGroups, usernames: &[Box<str>]) -> LossGroups {
    let rest = OtherLosses { messages: found.rest_messages, deliveries: found.rest_deliveries };
    LossGroups::of(found.largest.iter().map(|group| named(group, usernames)).collect(), rest)
}

fn named(group: &ledger::LossGroup, usernames: &[Box<str>]) -> LossGroup {
    let name = |user: &UserIndex| usernames.get(user.get()).map(|name| name.to_string());
    let sender = |sender: &Sender| match sender {
        Sender::User(user) => name(user),
        Sender::Id(SenderId::NONE) => None,
        Sender::Id(SenderId(id)) => Some(id.to_string()),
    };
    let marker = |subject: &ledger::Subject| subject.marker.map(|marker| marker.head(subject.intended_known));
    LossGroup {
        first: time(group.first_micros).unwrap_or_default(),
        last: time(group.last_micros).unwrap_or_default(),
        deliveries: group.deliveries(),
        messages: group.messages,
        remote_messages: group.remote,
        unread_messages: group.unread,
        receivers: group.receivers,
        receiver_names: group.names.iter().filter_map(name).collect(),
        sender_names: group.senders.iter().filter_map(sender).collect(),
        markers: group.examples.iter().filter_map(marker).collect(),
    }
}
