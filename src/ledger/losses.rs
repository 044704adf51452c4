//! Lost messages by the set of receivers who missed them. A server that loses messages for the
//! same receivers again and again points at what those receivers share.
//!
//! Memory is bounded: a set is kept as its hash and a few names, and of more than [`GROUP_LIMIT`]
//! sets the smaller half is summed. Deliveries are exact in any case.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::evidence::{Sender, Subject};
use super::user_set::{RoomSpan, RoomUser, UserGroup};
use crate::marker::{GeneratorTag, RoomTag};
use crate::model::{LOSS_GROUPS_TOLD, Origin, UserIndex};

/// Groups kept; the smaller half is summed at twice as many.
const GROUP_LIMIT: usize = 1 << 10;
/// 64-bit words of sets whose message has no verdict yet: 4 MiB.
const PENDING_WORDS: usize = 1 << 19;
/// Receivers, and senders, named for each group.
pub const NAMES_TOLD: usize = 5;
/// Messages named for each group.
pub const MESSAGES_TOLD: usize = 2;

/// Messages that the same receivers missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LossGroup {
    /// How many messages.
    pub messages: u64,
    /// Of those, other generators'.
    pub remote: u64,
    /// Of those, messages that no connection of this generator read.
    pub unread: u64,
    /// How many receivers missed each.
    pub receivers: u64,
    /// The first of the receivers, [`NAMES_TOLD`] at most.
    pub names: Vec<UserIndex>,
    /// The first different senders, [`NAMES_TOLD`] at most.
    pub senders: Vec<Sender>,
    /// The first of the messages, [`MESSAGES_TOLD`] at most.
    pub examples: Vec<Subject>,
    /// The earliest intended time, in microseconds since the Unix epoch. Where it is not known, the
    /// time of the verdict.
    pub first_micros: u64,
    /// The latest.
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
    /// The [`LOSS_GROUPS_TOLD`] with the most deliveries, the largest first.
    pub largest: Vec<LossGroup>,
    /// Messages in all others; one that was missed in several pieces counts for each.
    pub rest_messages: u64,
    /// Deliveries in all others.
    pub rest_deliveries: u64,
}

/// Losses by the set of receivers.
#[derive(Debug, Clone, Default)]
pub(super) struct Losses {
    groups: HashMap<u128, LossGroup>,
    rest_messages: u64,
    rest_deliveries: u64,
    /// Losses that were found one receiver at a time, of messages without a verdict.
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
    /// One receiver lost a message that may still be lost by others of its room.
    pub(super) fn one(&mut self, origin: Origin, room: RoomSpan, user: RoomUser, subject: Subject, at_micros: u64) {
        let new = || Missed { origin, subject, at_micros, group: UserGroup::none(room) };
        let Some(key) = key(&subject) else {
            let mut missed = new();
            missed.group.users.insert(user);
            return self.group(&missed);
        };
        // A forged history can have a user miss the same number on two connections.
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

    /// A message has its verdict: `users` lost it, beside those for whom it was lost before.
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

/// What tells messages apart: room, generator and number.
type Key = (u32, u32, u64);

fn key(subject: &Subject) -> Option<Key> {
    subject.marker.map(|marker| {
        let (RoomTag(room), GeneratorTag(generator)) = (marker.room, marker.generator);
        (room, generator, marker.seq)
    })
}

/// The order of groups: by deliveries; of equal ones that with more messages, then the earlier.
fn size(group: &LossGroup) -> impl Ord + use<> {
    (group.deliveries(), group.messages, Reverse((group.first_micros, group.names.clone())))
}

/// 128 bits of a set: among millions of sets no two are taken for one.
fn digest(group: &UserGroup) -> u128 {
    let half = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        (group.room, group.users.words()).hash(&mut hasher);
        hasher.finish()
    };
    (u128::from(half(1)) << 64) | u128::from(half(2))
}
