//! Changes by commands during a run: the number of users to hold, and resets of connections.

use std::sync::atomic::Ordering;

use rand::seq::SliceRandom as _;

use super::{BITS, Roster, UserTable, bit};
use crate::model::UserIndex;

/// Changes by commands during a run.
impl Roster {
    /// Sets the number of users to hold, at most all; [`retargeted`](Self::retargeted) announces it.
    pub fn set_target(&self, users: usize) {
        let mut table = self.table.lock();
        let table = &mut *table;
        let (was, is) = (table.target, users.min(self.slots.len()));
        for state in table.states.get(was.min(is)..was.max(is)).unwrap_or_default() {
            let count = &mut table.counts[*state as usize];
            *count = if is > was { *count + 1 } else { *count - 1 };
        }
        table.target = is;
        if let Some(speakers) = &mut table.speakers {
            speakers.total = speakers.speaks.iter().take(is).filter(|speaks| **speaks).count();
        }
        self.retargeted.notify_one();
    }

    /// Returns after the next change of the target, or at once if there was one since.
    pub async fn retargeted(&self) {
        self.retargeted.notified().await;
    }

    /// Makes all users from this one on leave for good; `None`: none.
    pub fn recall_from(&self, user: Option<UserIndex>) {
        self.recalled_from.store(user.map_or(u32::MAX, |user| user.0), Ordering::Release);
        if let Some(user) = user {
            self.notify(user);
            self.recalls.notify_waiters();
        }
    }

    /// Whether a user must leave for good.
    #[must_use]
    pub fn is_recalled(&self, user: UserIndex) -> bool {
        user.0 >= self.recalled_from.load(Ordering::Acquire)
    }

    /// Waits until a user must leave for good.
    pub async fn recalled(&self, user: UserIndex) {
        loop {
            let next = self.recalls.notified();
            let mut next = std::pin::pin!(next);
            next.as_mut().enable();
            if self.is_recalled(user) {
                return;
            }
            next.await;
        }
    }

    /// A random share of the connected users, at least one if there are any.
    #[must_use]
    pub fn draw(&self, share: f64) -> Vec<UserIndex> {
        let mut table = self.table.lock();
        let UserTable { connected, rng, .. } = &mut *table;
        let mut drawn = connected.users.clone();
        drawn.shuffle(rng);
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "users are far fewer than 2⁵³"
        )]
        let many = (drawn.len() as f64 * share).round() as usize;
        drawn.truncate(many.max(1));
        drawn.into_iter().map(UserIndex).collect()
    }

    /// Sets whether a user's task is running.
    pub fn set_under_way(&self, user: UserIndex, is_under_way: bool) {
        if let Some(word) = self.under_way.get(user.get() / BITS) {
            if is_under_way {
                word.fetch_or(bit(user), Ordering::Release);
            } else {
                word.fetch_and(!bit(user), Ordering::Release);
            }
        }
    }

    /// Whether a user's task is running.
    #[must_use]
    pub fn is_under_way(&self, user: UserIndex) -> bool {
        self.under_way.get(user.get() / BITS).is_some_and(|word| word.load(Ordering::Acquire) & bit(user) != 0)
    }

    /// Makes a user reset its connection.
    pub fn reset(&self, user: UserIndex) {
        if let Some(word) = self.resets.get(user.get() / BITS) {
            word.fetch_or(bit(user), Ordering::Release);
        }
        self.notify(user);
    }

    /// Whether a user must reset its connection; clears the request.
    pub fn takes_reset(&self, user: UserIndex) -> bool {
        let Some(word) = self.resets.get(user.get() / BITS) else { return false };
        word.load(Ordering::Acquire) & bit(user) != 0 && word.fetch_and(!bit(user), Ordering::AcqRel) & bit(user) != 0
    }
}
