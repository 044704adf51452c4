//! Compares member lists with the connected users: ghosts are listed though they are gone, and missing users
//! are connected but not listed.
//!
//! The [`MembershipCheck`] is pure bookkeeping without clock, I/O or protocol; every call brings its time. Once
//! per second it gets the state of each user and the newest list of each [observer](ListObservers). The
//! definitions are in `docs/presence.md`.

mod member_set;
mod observers;
#[cfg(test)]
mod tests;
mod user_state;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use strum::EnumCount;

pub use member_set::MemberSet;
pub use observers::{ListObservers, OBSERVERS, ObservedList};
pub use user_state::Connectivity;

use user_state::User;

use crate::clock::Stamp;
use crate::model::{ListFate, PresenceFindings, PresenceMismatch, SenderId, UserIndex};

/// Shortest settling time: lists may be sent in batches of seconds, and a close takes up to five seconds.
pub const SHORTEST_SETTLING: Duration = Duration::from_secs(5);

/// Maximum number of new mismatches returned by one call of [`MembershipCheck::judge`]; further ones are only
/// counted.
pub const NAMED: usize = 5;

/// The newest list of an observer.
#[derive(Debug)]
struct Shown {
    to: UserIndex,
    at: Stamp,
    members: Arc<MemberSet>,
}

/// The users' states, the lists, and the mismatches between them.
#[derive(Debug)]
pub struct MembershipCheck {
    settling: Duration,
    names: HashMap<Box<str>, UserIndex>,
    /// The server's numeric ids, as far as users have signed in.
    ids: HashMap<SenderId, UserIndex>,
    users: Vec<User>,
    shown: [Option<Shown>; OBSERVERS],
    findings: PresenceFindings,
}

impl MembershipCheck {
    /// A check of users who are not connected yet, by their usernames. For `settling` after a change, at least
    /// [`SHORTEST_SETTLING`], both the old and the new state count as right.
    pub fn new<'a>(settling: Duration, usernames: impl IntoIterator<Item = &'a str>) -> Self {
        let usernames: Vec<&str> = usernames.into_iter().collect();
        let users = vec![User::default(); usernames.len()];
        Self {
            settling: settling.max(SHORTEST_SETTLING),
            users,
            names: usernames.into_iter().map(Box::from).zip((0..).map(UserIndex)).collect(),
            ids: HashMap::new(),
            shown: std::array::from_fn(|_| None),
            findings: PresenceFindings::default(),
        }
    }

    /// Notes how the server names a user.
    pub fn introduce(&mut self, user: UserIndex, id: SenderId) {
        self.ids.insert(id, user);
    }

    /// Takes the state of every user at `now`, in order, each with a number that changes whenever the user's
    /// state does.
    pub fn update(&mut self, now: Stamp, states: impl IntoIterator<Item = (Connectivity, u32)>) {
        for (user, (connectivity, changes)) in self.users.iter_mut().zip(states) {
            user.seen(connectivity, changes, now);
        }
    }

    /// Notes that this generator was silent for so long that the server may rightly have delisted its users: those
    /// connected now do not count as missing until they reconnect.
    pub fn was_silent(&mut self) {
        self.users.iter_mut().for_each(User::excuse);
    }

    /// An empty set, to be filled with the members of a list.
    #[must_use]
    pub fn member_set(&self) -> MemberSet {
        MemberSet::empty(self.users.len())
    }

    /// Adds a member to a set; users of others only count.
    pub fn add_member(&self, members: &mut MemberSet, id: SenderId, name: &str) {
        members.enter(self.ids.get(&id).or_else(|| self.names.get(name)).copied());
    }

    /// Takes a member out of a set; users of others only count.
    pub fn remove_member(&self, members: &mut MemberSet, id: SenderId, name: &str) {
        members.leave(self.ids.get(&id).or_else(|| self.names.get(name)).copied());
    }

    /// The list that an observer was shown last, for changes to it; `None` if it was shown none.
    #[must_use]
    pub fn shown(&self, observer: usize, to: UserIndex) -> Option<&MemberSet> {
        let shown = self.shown.get(observer)?.as_ref().filter(|shown| shown.to == to)?;
        Some(&shown.members)
    }

    /// Takes a list that an observer was shown at `at`. A list that names only its receiver says nothing about the
    /// others: it may be a short list.
    pub fn show(&mut self, observer: usize, to: UserIndex, at: Stamp, members: Arc<MemberSet>) {
        self.list(if members.is_only(to) { ListFate::Short } else { ListFate::Judged });
        if let Some(slot) = self.shown.get_mut(observer) {
            *slot = Some(Shown { to, at, members });
        }
    }

    /// Counts something that an observer was shown and that is not a list.
    pub fn unreadable(&mut self) {
        self.list(ListFate::Unreadable);
    }

    /// Forgets an observer's list, unless its connection is still that of the user `unless`.
    pub fn forget(&mut self, observer: usize, unless: Option<UserIndex>) {
        if let Some(slot) = self.shown.get_mut(observer)
            && slot.as_ref().is_some_and(|shown| Some(shown.to) != unless)
        {
            *slot = None;
        }
    }

    /// Observers that no longer get lists: others have been shown lists for longer than the settling time since
    /// their last one. Their lists do not count, and another connection should be observed.
    pub fn passed_over(&self) -> impl Iterator<Item = (usize, UserIndex)> + '_ {
        let newest = self.newest();
        let shown = self.shown.iter().enumerate().filter_map(|(i, shown)| Some((i, shown.as_ref()?)));
        shown.filter(move |(_, shown)| !self.counts(shown, newest)).map(|(i, shown)| (i, shown.to))
    }

    /// Compares the newest lists with the users' states at `now`; returns the mismatches that began.
    pub fn judge(&mut self, now: Stamp) -> Vec<(UserIndex, PresenceMismatch)> {
        let newest = self.newest();
        let voters: Vec<Arc<MemberSet>> = self
            .shown
            .iter()
            .flatten()
            .filter(|shown| self.counts(shown, newest) && !shown.members.is_only(shown.to))
            .map(|shown| Arc::clone(&shown.members))
            .collect();
        let mut began = Vec::new();
        self.findings.now = [0; PresenceMismatch::COUNT];
        for (index, user) in (0..).map(UserIndex).zip(&mut self.users) {
            let listed = voters.iter().filter(|members| members.names(index)).count();
            // Without a vote, the last finding stands until the user's state changes.
            if !voters.is_empty()
                && let Some(found) = user.judge(listed, voters.len(), now, self.settling)
            {
                self.findings.episodes[found as usize] += 1;
                if began.len() < NAMED {
                    began.push((index, found));
                }
            }
            if let Some(wrong) = user.wrong {
                self.findings.now[wrong as usize] += 1;
            }
        }
        for (most, now) in self.findings.most.iter_mut().zip(self.findings.now) {
            *most = now.max(*most);
        }
        began
    }

    /// The findings so far.
    #[must_use]
    pub fn findings(&self) -> PresenceFindings {
        self.findings
    }

    fn newest(&self) -> Option<Stamp> {
        self.shown.iter().flatten().map(|shown| shown.at).max()
    }

    fn counts(&self, shown: &Shown, newest: Option<Stamp>) -> bool {
        newest.is_none_or(|newest| newest.since(shown.at) <= self.settling)
    }

    fn list(&mut self, fate: ListFate) {
        self.findings.lists[fate as usize] += 1;
    }
}
