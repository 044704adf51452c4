//! The members of a channel: one entry per user, which belongs to the user's newest socket.
//!
//! Pure: time is passed in. A user with two sockets has one entry; closing the older socket
//! changes nothing, closing the newer one removes the user from the list. So does silence.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accounts::User;

#[derive(Debug)]
struct MemberEntry {
    user: Arc<User>,
    socket_id: u64,
    seen: Instant,
}

/// The members of one channel.
#[derive(Debug, Default)]
pub(super) struct Members {
    entries: BTreeMap<u64, MemberEntry>,
    lurkers: HashSet<u64>,
}

impl Members {
    /// Lists the user of a new socket; without a user the socket lurks.
    pub(super) fn join(&mut self, socket_id: u64, user: Option<&Arc<User>>, now: Instant) {
        match user {
            Some(user) => {
                self.entries.insert(user.id, MemberEntry { user: Arc::clone(user), socket_id, seen: now });
            }
            None => {
                self.lurkers.insert(socket_id);
            }
        }
    }

    /// Removes a socket; true if that changes the list.
    pub(super) fn leave(&mut self, socket_id: u64, user: Option<&Arc<User>>) -> bool {
        let Some(user) = user else { return self.lurkers.remove(&socket_id) };
        let newest = self.entries.get(&user.id).is_some_and(|entry| entry.socket_id == socket_id);
        if newest {
            self.entries.remove(&user.id);
        }
        newest
    }

    /// Records a keepalive of a user; a user who is not listed stays unlisted.
    pub(super) fn touch(&mut self, user: u64, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&user) {
            entry.seen = now;
        }
    }

    /// Removes the users who were silent for longer than `silence`; returns how many.
    pub(super) fn prune(&mut self, now: Instant, silence: Duration) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, entry| now.saturating_duration_since(entry.seen) <= silence);
        before - self.entries.len()
    }

    /// Whether the user is listed.
    pub(super) fn contains(&self, user: u64) -> bool {
        self.entries.contains_key(&user)
    }

    /// Users listed.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Sockets without a signed-in user.
    pub(super) fn lurkers(&self) -> usize {
        self.lurkers.len()
    }

    /// The listed users by id.
    pub(super) fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.entries.values().map(|entry| &entry.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u64) -> Arc<User> {
        Arc::new(User { id, username: format!("user{id}") })
    }

    #[test]
    fn a_members_entry_belongs_to_its_newest_socket() {
        let (mut members, now, alice) = (Members::default(), Instant::now(), user(1));
        members.join(10, Some(&alice), now);
        members.join(11, Some(&alice), now);
        assert!(!members.leave(10, Some(&alice)) && members.contains(1));
        members.join(12, Some(&alice), now);
        assert!(members.leave(12, Some(&alice)) && !members.contains(1));
    }

    #[test]
    fn silent_members_are_pruned_and_stay_unlisted() {
        let (mut members, now) = (Members::default(), Instant::now());
        let minute = Duration::from_secs(60);
        members.join(10, Some(&user(1)), now);
        members.join(11, Some(&user(2)), now);
        members.touch(1, now + minute / 2);
        assert_eq!(members.prune(now + minute, minute), 0);
        assert_eq!(members.prune(now + minute + Duration::from_millis(1), minute), 1);
        members.touch(2, now + minute);
        assert_eq!(members.users().map(|user| user.id).collect::<Vec<_>>(), [1]);
        assert!(!members.leave(11, Some(&user(2))));
    }

    #[test]
    fn a_socket_without_a_user_is_a_lurker() {
        let mut members = Members::default();
        members.join(5, None, Instant::now());
        assert_eq!((members.len(), members.lurkers()), (0, 1));
        assert!(members.leave(5, None) && !members.leave(5, None));
    }
}
