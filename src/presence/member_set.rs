//! The set of this generator's users that a member list names, one bit per user.

use crate::model::UserIndex;

const BITS: usize = u64::BITS as usize;

/// The members of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSet {
    ours: Box<[u64]>,
    /// Number of all members, including users of others.
    members: usize,
}

impl MemberSet {
    /// An empty set, with room for `users` users.
    pub(super) fn empty(users: usize) -> Self {
        Self { ours: vec![0; users.div_ceil(BITS)].into_boxed_slice(), members: 0 }
    }

    /// Notes a member, ours or not.
    pub(super) fn enter(&mut self, ours: Option<UserIndex>) {
        self.members += 1;
        if let Some(user) = ours
            && let Some(word) = self.ours.get_mut(user.get() / BITS)
        {
            *word |= 1 << (user.get() % BITS);
        }
    }

    /// A member left, ours or not.
    pub(super) fn leave(&mut self, ours: Option<UserIndex>) {
        let Some(user) = ours else {
            self.members = self.members.saturating_sub(1);
            return;
        };
        if self.names(user)
            && let Some(word) = self.ours.get_mut(user.get() / BITS)
        {
            *word &= !(1 << (user.get() % BITS));
            self.members = self.members.saturating_sub(1);
        }
    }

    /// Whether it names this user.
    pub(super) fn names(&self, user: UserIndex) -> bool {
        self.ours.get(user.get() / BITS).is_some_and(|word| word >> (user.get() % BITS) & 1 == 1)
    }

    /// Whether it names only this user.
    pub(super) fn is_only(&self, user: UserIndex) -> bool {
        self.members == 1 && self.names(user)
    }
}
