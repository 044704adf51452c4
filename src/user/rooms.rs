//! The rooms of a run by name, and this generator's users in each.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::ledger::RoomShare;
use crate::marker::RoomTag;
use crate::model::UserIndex;
use crate::presence::{ListObservers, MembershipCheck};
use crate::protocol::SideRoomId;

/// The rooms of a run: the first users are in the first room, the next in the second.
#[derive(Debug)]
pub struct Rooms {
    names: Box<[Arc<str>]>,
    /// For each room the index after its last user.
    ends: Box<[u32]>,
}

/// Two rooms of a run have the same tag, so that markers cannot tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} have the same 32-bit hash (CRC-32), by which messages name their room")]
pub struct SameTag {
    /// One of them.
    pub first: String,
    /// The other.
    pub second: String,
}

impl Rooms {
    /// Rooms by name, each with its number of this generator's users.
    ///
    /// # Errors
    /// Two of them have the same tag.
    pub fn new<'a>(rooms: impl IntoIterator<Item = (&'a str, u32)>) -> Result<Self, SameTag> {
        let (names, users): (Vec<Arc<str>>, Vec<u32>) =
            rooms.into_iter().map(|(name, users)| (Arc::from(name), users)).unzip();
        are_told_apart(names.iter().map(|name| &**name))?;
        let mut end = 0_u32;
        let ends = users.iter().map(|users| {
            end = end.saturating_add(*users);
            end
        });
        Ok(Self { ends: ends.collect(), names: names.into() })
    }

    /// One room with `users` users.
    #[must_use]
    pub fn one(name: &str, users: u32) -> Self {
        Self { names: Box::new([Arc::from(name)]), ends: Box::new([users]) }
    }

    /// The index of a user's room, from 0.
    #[must_use]
    pub fn of(&self, user: UserIndex) -> usize {
        self.ends.partition_point(|end| *end <= user.0)
    }

    /// The name of a room; empty if there is no such room.
    #[must_use]
    pub fn name(&self, nth: usize) -> &str {
        self.names.get(nth).map_or("", |name| name)
    }

    /// The name of a user's room.
    #[must_use]
    pub fn name_of(&self, user: UserIndex) -> Option<&Arc<str>> {
        self.names.get(self.of(user))
    }

    /// The number of rooms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The users of a room; empty if there is no such room.
    #[must_use]
    pub fn users(&self, nth: usize) -> Range<u32> {
        let start = nth.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        start..self.ends.get(nth).copied().unwrap_or(start)
    }

    /// What the ledger needs to know about each room.
    #[must_use]
    pub fn shares(&self) -> Vec<RoomShare> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let users = self.ends.iter().zip(starts).map(|(end, start)| end - start);
        self.names.iter().zip(users).map(|(name, users)| RoomShare { tag: RoomTag::of(name), users }).collect()
    }
}

/// Checks that markers can tell these rooms apart.
///
/// # Errors
/// Two of them have the same tag.
pub fn are_told_apart<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Result<(), SameTag> {
    let mut tags: Vec<(u32, N)> = names.into_iter().map(|name| (RoomTag::of(name.as_ref()).0, name)).collect();
    tags.sort_unstable_by(|one, other| (one.0, one.1.as_ref()).cmp(&(other.0, other.1.as_ref())));
    let mut neighbours = tags.iter().zip(tags.iter().skip(1));
    match neighbours.find(|(one, other)| one.0 == other.0) {
        Some(((_, first), (_, second))) => {
            Err(SameTag { first: first.as_ref().to_owned(), second: second.as_ref().to_owned() })
        }
        None => Ok(()),
    }
}

/// The state that the users of one room share.
#[derive(Debug)]
pub struct RoomState {
    /// The connections whose member lists are checked.
    pub observers: ListObservers,
    /// The check of member lists against connected users; its user numbers count from the room's first.
    pub membership: Mutex<MembershipCheck>,
    /// Side rooms that may be joined, as the server last said.
    pub side_rooms: Mutex<Arc<[SideRoomId]>>,
}

impl RoomState {
    /// A room without users so far.
    #[must_use]
    pub fn new(membership: MembershipCheck) -> Self {
        Self {
            observers: ListObservers::default(),
            membership: Mutex::new(membership),
            side_rooms: Mutex::new(Arc::from([])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_in_the_rooms_in_their_order_and_an_empty_room_has_none() {
        let rooms = Rooms::new([("a", 2), ("b", 0), ("c", 3)]).unwrap();
        let names: Vec<&str> = (0..6).map(|user| rooms.name(rooms.of(UserIndex(user)))).collect();
        assert_eq!(names, ["a", "a", "c", "c", "c", ""]);
        let shares = [("a", 2), ("b", 0), ("c", 3)].map(|(name, users)| RoomShare { tag: RoomTag::of(name), users });
        assert_eq!(rooms.shares(), shares);
        assert_eq!([0, 1, 2, 3].map(|nth| rooms.users(nth)), [0..2, 2..2, 2..5, 5..5]);
        assert_eq!(Rooms::one("a", 2).shares(), shares[..1]);
    }

    #[test]
    fn rooms_with_the_same_tag_are_refused_by_name() {
        // Two texts with the same CRC-32.
        assert_eq!(RoomTag::of("plumless"), RoomTag::of("buckeroo"));
        let error = Rooms::new([("plumless", 1), ("other", 1), ("buckeroo", 1)]).unwrap_err();
        assert!(error.to_string().starts_with("buckeroo and plumless have the same 32-bit hash"), "{error}");
        assert!(Rooms::new([("twice", 1), ("twice", 1)]).is_err());
    }
}
