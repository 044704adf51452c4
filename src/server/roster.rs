//! Who is listed in a room: a row a user, held by its newest socket.
//!
//! Pure: time is passed in. A user with two sockets has one row; closing the older socket
//! changes nothing, closing the newer takes the user off the list. So does being silent.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accounts::User;

#[derive(Debug)]
struct Row {
    user: Arc<User>,
    socket: u64,
    seen: Instant,
}

/// The rows of one room.
#[derive(Debug, Default)]
pub(super) struct Roster {
    rows: BTreeMap<u64, Row>,
    lurkers: HashSet<u64>,
}

impl Roster {
    /// Lists the user of a new socket; without a user the socket lurks.
    pub(super) fn enter(&mut self, socket: u64, user: Option<&Arc<User>>, now: Instant) {
        match user {
            Some(user) => {
                self.rows.insert(user.id, Row { user: Arc::clone(user), socket, seen: now });
            }
            None => {
                self.lurkers.insert(socket);
            }
        }
    }

    /// A socket is gone; true where that changes the list.
    pub(super) fn leave(&mut self, socket: u64, user: Option<&Arc<User>>) -> bool {
        let Some(user) = user else { return self.lurkers.remove(&socket) };
        let newest = self.rows.get(&user.id).is_some_and(|row| row.socket == socket);
        if newest {
            self.rows.remove(&user.id);
        }
        newest
    }

    /// A user gave a sign of life; one that is not listed stays so.
    pub(super) fn touch(&mut self, user: u64, now: Instant) {
        if let Some(row) = self.rows.get_mut(&user) {
            row.seen = now;
        }
    }

    /// Takes off everybody who was silent for more than `silence`; how many.
    pub(super) fn prune(&mut self, now: Instant, silence: Duration) -> usize {
        let before = self.rows.len();
        self.rows.retain(|_, row| now.saturating_duration_since(row.seen) <= silence);
        before - self.rows.len()
    }

    /// Whether the user is listed.
    pub(super) fn lists(&self, user: u64) -> bool {
        self.rows.contains_key(&user)
    }

    /// Users listed.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Sockets of people who are not signed in.
    pub(super) fn lurkers(&self) -> usize {
        self.lurkers.len()
    }

    /// The listed users by id.
    pub(super) fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.rows.values().map(|row| &row.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u64) -> Arc<User> {
        Arc::new(User { id, username: format!("user{id}") })
    }

    #[test]
    fn the_newest_socket_holds_the_row() {
        let (mut roster, now, alice) = (Roster::default(), Instant::now(), user(1));
        roster.enter(10, Some(&alice), now);
        roster.enter(11, Some(&alice), now);
        assert!(!roster.leave(10, Some(&alice)) && roster.lists(1));
        roster.enter(12, Some(&alice), now);
        assert!(roster.leave(12, Some(&alice)) && !roster.lists(1));
    }

    #[test]
    fn the_silent_are_pruned_and_stay_unlisted() {
        let (mut roster, now) = (Roster::default(), Instant::now());
        let minute = Duration::from_secs(60);
        roster.enter(10, Some(&user(1)), now);
        roster.enter(11, Some(&user(2)), now);
        roster.touch(1, now + minute / 2);
        assert_eq!(roster.prune(now + minute, minute), 0);
        assert_eq!(roster.prune(now + minute + Duration::from_millis(1), minute), 1);
        roster.touch(2, now + minute);
        assert_eq!(roster.users().map(|user| user.id).collect::<Vec<_>>(), [1]);
        assert!(!roster.leave(11, Some(&user(2))));
    }

    #[test]
    fn who_is_not_signed_in_lurks() {
        let mut roster = Roster::default();
        roster.enter(5, None, Instant::now());
        assert_eq!((roster.len(), roster.lurkers()), (0, 1));
        assert!(roster.leave(5, None) && !roster.leave(5, None));
    }
}
