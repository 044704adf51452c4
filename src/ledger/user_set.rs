//! Sets of a room's users, one bit per user.

use crate::model::UserIndex;

/// A user, by its index in its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RoomUser(pub(super) u32);

impl RoomUser {
    /// The index.
    pub(super) fn get(self) -> usize {
        self.0 as usize
    }
}

/// A room's contiguous range of the generator's users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RoomSpan {
    pub(super) first: u32,
    pub(super) users: u32,
}

impl RoomSpan {
    /// The generator's user with this index in the room.
    pub(super) fn user(self, user: RoomUser) -> UserIndex {
        UserIndex(self.first.saturating_add(user.0))
    }

    /// The index in the room of one of its users.
    pub(super) fn place(self, user: UserIndex) -> RoomUser {
        RoomUser(user.0.saturating_sub(self.first))
    }

    /// The number of users.
    pub(super) fn len(self) -> usize {
        self.users as usize
    }
}

/// A set of a room's users; up to 64 users need no allocation.
#[derive(Debug, Clone)]
pub(super) enum UserSet {
    Small(u64),
    Large(Box<[u64]>),
}

impl UserSet {
    /// The empty set for a room of `users` users.
    pub(super) fn empty(users: usize) -> Self {
        if users <= 64 { Self::Small(0) } else { Self::Large(vec![0; users.div_ceil(64)].into_boxed_slice()) }
    }

    /// The users of a room of `users` users for whom `holds` is true.
    pub(super) fn of(users: usize, holds: impl Fn(RoomUser) -> bool) -> Self {
        let mut set = Self::empty(users);
        (0..u32::try_from(users).unwrap_or(u32::MAX)).map(RoomUser).filter(|user| holds(*user)).for_each(|user| {
            set.insert(user);
        });
        set
    }

    /// Adds a user; true if it was not in the set.
    pub(super) fn insert(&mut self, user: RoomUser) -> bool {
        let bit = 1_u64 << (user.get() % 64);
        let Some(word) = self.word_mut(user) else { return false };
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    /// Adds a user, growing the set to `users` users if needed; true if it was not in the set.
    pub(super) fn insert_of(&mut self, user: RoomUser, users: usize) -> bool {
        if users > 64 && matches!(self, Self::Small(_)) {
            *self = Self::empty(users);
        }
        self.insert(user)
    }

    /// Whether every user of another set is in this one.
    pub(super) fn contains_all(&self, other: &Self) -> bool {
        let (own, other) = (self.words(), other.words());
        other.iter().enumerate().all(|(i, word)| word & !own.get(i).copied().unwrap_or(0) == 0)
    }

    pub(super) fn contains(&self, user: RoomUser) -> bool {
        let bit = 1_u64 << (user.get() % 64);
        match self {
            Self::Small(word) => user.get() < 64 && word & bit != 0,
            Self::Large(words) => words.get(user.get() / 64).is_some_and(|w| w & bit != 0),
        }
    }

    pub(super) fn words(&self) -> &[u64] {
        match self {
            Self::Small(word) => std::slice::from_ref(word),
            Self::Large(words) => words,
        }
    }

    /// The number of users in it.
    pub(super) fn len(&self) -> u64 {
        self.words().iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words().iter().all(|word| *word == 0)
    }

    /// The users in it, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = RoomUser> + '_ {
        (0_u32..).step_by(64).zip(self.words()).flat_map(|(base, word)| {
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| RoomUser(base + bit))
        })
    }

    fn word_mut(&mut self, user: RoomUser) -> Option<&mut u64> {
        match self {
            Self::Small(word) => (user.get() < 64).then_some(word),
            Self::Large(words) => words.get_mut(user.get() / 64),
        }
    }
}

/// A set of users of one room.
#[derive(Debug, Clone)]
pub(super) struct UserGroup {
    pub(super) room: RoomSpan,
    pub(super) users: UserSet,
}

impl UserGroup {
    /// An empty group of a room.
    pub(super) fn none(room: RoomSpan) -> Self {
        Self { room, users: UserSet::empty(room.len()) }
    }

    /// The users in it, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = UserIndex> + '_ {
        self.users.iter().map(|user| self.room.user(user))
    }
}
