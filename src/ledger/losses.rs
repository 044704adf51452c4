//! Lost messages by the set of receivers who missed them. If the same receivers miss messages again and
//! again, what they share is a clue.
//!
//! Memory is bounded: a set is kept as its hash and a few names, and beyond [`GROUP_LIMIT`] sets the smaller
//! half is summed. Counts of deliveries are always exact.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::evidence::{Sender, Subject};
use super::user_set::{RoomSpan, RoomUser, UserGroup};
use crate::marker::{GeneratorTag, RoomTag};
use crate::model::{LOSS_GROUPS_TOLD, Origin, UserIndex};

/// Number of groups kept; at twice as many the smaller half is summed.
const GROUP_LIMIT: usize = 1 << 10;
/// Maximum number of 64-bit words in sets of messages without a verdict: 4 MiB.
const PENDING_WORDS: usize = 1 << 19;
/// Number of receivers and senders named per group.
pub const NAMES_TOLD: usize = 5;
/// Number of messages named per group.
pub const MESSAGES_TOLD: usize = 2;

/// Messages that the same receivers missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LossGroup {
    /// Number of messages.
    pub messages: u64,
    /// Those of other generators.
    pub remote: u64,
    /// Those that no connection of this generator read.
    pub unread: u64,
    /// Number of receivers who missed each.
    pub receivers: u64,
    /// The first receivers, at most [`NAMES_TOLD`].
    pub names: Vec<UserIndex>,
    /// The first distinct senders, at most [`NAMES_TOLD`].
    pub senders: Vec<Sender>,
    /// The first messages, at most [`MESSAGES_TOLD`].
    pub examples: Vec<Subject>,
    /// The earliest intended time, in microseconds since the Unix epoch, or the time of the verdict if it is
    /// unknown.
    pub first_micros: u64,
    /// The latest, likewise.
    pub last_micros: u64,
}

impl LossGroup {
    /// Lost deliveries.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.messages.saturating_mul(self.receivers)
    }

    fn add(&mut self, missed: &Missed) {
        self.messages += 1;
        self.remote += u64::from(missed.origin == Origin::Remote);
        self.unread += u64::from(!missed.subject.read);
        if let Some(sender) = missed.subject.sender
            && self.senders.len() < NAMES_TOLD
            && !self.senders.contains(&sender)
        {
            self.senders.push(sender);
        }
        if self.examples.len() < MESSAGES_TOLD {
            self.examples.push(missed.subject);
        }
        self.first_micros = self.first_micros.min(missed.micros());
        self.last_micros = self.last_micros.max(missed.micros());
    }
}

/// The groups of all losses so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LossGroups {
    /// The [`LOSS_GROUPS_TOLD`] groups with the most deliveries, largest first.
    pub largest: Vec<LossGroup>,
    /// Messages in all other groups; one that is in several groups counts in each.
    pub rest_messages: u64,
    /// Deliveries in all other groups.
    pub rest_deliveries: u64,
}

/// Losses by the set of receivers.
#[derive(Debug, Clone, Default)]
pub(super) struct Losses {
    groups: HashMap<u128, LossGroup>,
    rest_messages: u64,
    rest_deliveries: u64,
    /// Losses found one receiver at a time, of messages without a verdict.
    pending: BTreeMap<Key, Missed>,
    pending_words: usize,
}

#[derive(Debug, Clone)]
struct Missed {
    origin: Origin,
    subject: Subject,
    at_micros: u64,
    group: UserGroup,
}

impl Missed {
    fn micros(&self) -> u64 {
        self.subject.intended_micros().unwrap_or(self.at_micros)
    }
}

impl Losses {
    /// Adds the loss of one receiver, of a message that others of its room may still lose.
    pub(super) fn one(&mut self, origin: Origin, room: RoomSpan, user: RoomUser, subject: Subject, at_micros: u64) {
        let new = || Missed { origin, subject, at_micros, group: UserGroup::none(room) };
        let Some(key) = key(&subject) else {
            let mut missed = new();
            missed.group.users.insert(user);
            return self.group(&missed);
        };
        // With forged messages a user can miss the same number on two connections.
        if self.pending.get(&key).is_some_and(|missed| missed.group.users.contains(user)) {
            self.conclude_pending();
        }
        let missed = self.pending.entry(key).or_insert_with(|| {
            let missed = new();
            self.pending_words += missed.group.users.words().len();
            missed
        });
        missed.subject.read |= subject.read;
        missed.group.users.insert(user);
        if self.pending_words > PENDING_WORDS {
            self.conclude_pending();
        }
    }

    /// Whether [`Self::judged`] must be called for a message that no other user lost.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Adds a message's verdict: the users of `group` lost it, besides those who had lost it before.
    pub(super) fn judged(&mut self, origin: Origin, group: UserGroup, subject: Subject, at_micros: u64) {
        let mut missed = Missed { origin, subject, at_micros, group };
        if let Some(before) = key(&subject).and_then(|key| self.pending.remove(&key)) {
            let (earlier, users) = (&before.group.users, &mut missed.group.users);
            self.pending_words = self.pending_words.saturating_sub(earlier.words().len());
            if earlier.iter().any(|user| users.contains(user)) {
                self.group(&before);
            } else {
                earlier.iter().for_each(|user| {
                    users.insert(user);
                });
            }
        }
        self.group(&missed);
    }

    /// The largest groups, and the sum of the rest.
    pub(super) fn groups(&self) -> LossGroups {
        let mut whole = self.clone();
        whole.conclude_pending();
        let mut groups: Vec<LossGroup> = whole.groups.into_values().collect();
        groups.sort_by_cached_key(|group| Reverse(size(group)));
        let rest = groups.split_off(groups.len().min(LOSS_GROUPS_TOLD));
        LossGroups {
            largest: groups,
            rest_messages: whole.rest_messages + rest.iter().map(|group| group.messages).sum::<u64>(),
            rest_deliveries: whole.rest_deliveries + rest.iter().map(LossGroup::deliveries).sum::<u64>(),
        }
    }

    fn conclude_pending(&mut self) {
        self.pending_words = 0;
        for missed in std::mem::take(&mut self.pending).into_values() {
            self.group(&missed);
        }
    }

    fn group(&mut self, missed: &Missed) {
        if missed.group.users.is_empty() {
            return;
        }
        let group = self.groups.entry(digest(&missed.group)).or_insert_with(|| LossGroup {
            messages: 0,
            remote: 0,
            unread: 0,
            receivers: missed.group.users.len(),
            names: missed.group.iter().take(NAMES_TOLD).collect(),
            senders: Vec::new(),
            examples: Vec::new(),
            first_micros: u64::MAX,
            last_micros: 0,
        });
        group.add(missed);
        if self.groups.len() >= 2 * GROUP_LIMIT {
            self.shrink();
        }
    }

    /// Sums all but the largest groups.
    fn shrink(&mut self) {
        let mut groups: Vec<(u128, LossGroup)> = self.groups.drain().collect();
        groups.sort_by_cached_key(|(_, group)| Reverse(size(group)));
        for (_, group) in groups.drain(GROUP_LIMIT..) {
            self.rest_messages += group.messages;
            self.rest_deliveries += group.deliveries();
        }
        self.groups.extend(groups);
    }
}

/// Identity of a message: room, generator and number.
type Key = (u32, u32, u64);

fn key(subject: &Subject) -> Option<Key> {
    subject.marker.map(|marker| {
        let (RoomTag(room), GeneratorTag(generator)) = (marker.room, marker.generator);
        (room, generator, marker.seq)
    })
}

/// The order of groups: by deliveries, then by messages, then the earlier one.
fn size(group: &LossGroup) -> impl Ord + use<> {
    (group.deliveries(), group.messages, Reverse((group.first_micros, group.names.clone())))
}

/// A 128-bit hash of a set, so that even among millions of sets no two collide.
fn digest(group: &UserGroup) -> u128 {
    let half = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        (group.room, group.users.words()).hash(&mut hasher);
        hasher.finish()
    };
    (u128::from(half(1)) << 64) | u128::from(half(2))
}
