//! The few connections whose lists are kept: the first ones that got a list and are still open.
//!
//! Every connection is sent every list, and lists are large. An observer's newest list is copied when it is read
//! and checked later; for other connections a list costs a few loads. Lists have an order only within one
//! connection, so the check uses observers rather than whatever list was read last.

use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::clock::Stamp;
use crate::model::{MemberChange, UserIndex};

/// Number of observed connections: a majority of five outvotes two with a wrong or an old list, and five lists
/// per second cost little to parse.
pub const OBSERVERS: usize = 5;

/// Longest list that is kept, in bytes: one of 80,000 users.
const LIST_LIMIT: usize = 16 << 20;

const FREE: u32 = u32::MAX;

/// What an observer has received since the last call.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ObservedList {
    /// The user of the connection; `None` if the slot is free.
    pub user: Option<UserIndex>,
    /// The texts of its newest list and of the changes after it, or only of further changes; and when the last
    /// one was read.
    pub list: Option<(Vec<(MemberChange, String)>, Stamp)>,
}

/// The observers.
#[derive(Debug, Default)]
pub struct ListObservers {
    slots: [ObserverSlot; OBSERVERS],
}

#[derive(Debug)]
struct ObserverSlot {
    user: AtomicU32,
    newest: Mutex<Newest>,
}

#[derive(Debug, Default)]
struct Newest {
    parts: Vec<(MemberChange, String)>,
    bytes: usize,
    at: Option<Stamp>,
}

impl Default for ObserverSlot {
    fn default() -> Self {
        Self { user: AtomicU32::new(FREE), newest: Mutex::default() }
    }
}

impl ListObservers {
    /// Takes a list, or a change to it, that a connection of `user` read at `at`. A list takes a free slot, if there
    /// is one; without a slot nothing is kept.
    pub fn note(&self, user: UserIndex, change: MemberChange, text: &str, at: Stamp) {
        let free = || if change == MemberChange::All { self.claim_slot(user) } else { None };
        let Some(slot) = self.slot_of(user).or_else(free) else { return };
        let mut newest = slot.newest.lock();
        // The observer may have been dismissed meanwhile.
        if slot.user.load(Ordering::Acquire) != user.0 {
            return;
        }
        let before = if change == MemberChange::All { 0 } else { newest.bytes };
        if before + text.len() > LIST_LIMIT {
            return;
        }
        if change == MemberChange::All {
            newest.parts.truncate(1);
            newest.parts.iter_mut().for_each(|(_, text)| text.clear());
        }
        match newest.parts.first_mut().filter(|_| change == MemberChange::All) {
            Some(first) => {
                first.0 = change;
                first.1.push_str(text);
            }
            None => newest.parts.push((change, text.to_owned())),
        }
        newest.bytes = before + text.len();
        newest.at = Some(at);
    }

    /// Ends the observation of `user`'s connection.
    pub fn dismiss(&self, user: UserIndex) {
        if let Some(slot) = self.slot_of(user) {
            let mut newest = slot.newest.lock();
            if slot.user.compare_exchange(user.0, FREE, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                *newest = Newest::default();
            }
        }
    }

    /// Takes what each observer has received since the last call.
    #[must_use]
    pub fn take(&self) -> [ObservedList; OBSERVERS] {
        std::array::from_fn(|i| self.slots.get(i).map(ObserverSlot::take).unwrap_or_default())
    }

    fn slot_of(&self, user: UserIndex) -> Option<&ObserverSlot> {
        self.slots.iter().find(|slot| slot.user.load(Ordering::Relaxed) == user.0)
    }

    fn claim_slot(&self, user: UserIndex) -> Option<&ObserverSlot> {
        self.slots.iter().find(|slot| {
            slot.user.load(Ordering::Relaxed) == FREE
                && slot.user.compare_exchange(FREE, user.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    }
}

impl ObserverSlot {
    fn take(&self) -> ObservedList {
        let mut newest = self.newest.lock();
        let user = self.user.load(Ordering::Acquire);
        let list = newest.at.take().map(|at| (std::mem::take(&mut newest.parts), at));
        newest.bytes = 0;
        ObservedList { user: (user != FREE).then_some(UserIndex(user)), list }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str, at: Stamp) -> Option<(Vec<(MemberChange, String)>, Stamp)> {
        Some((vec![(MemberChange::All, text.to_owned())], at))
    }

    #[test]
    fn changes_follow_the_list_that_they_belong_to() {
        let observers = ListObservers::default();
        let note = |change, text: &str, at| observers.note(UserIndex(7), change, text, Stamp(at));
        note(MemberChange::Came, "a", 1);
        assert_eq!(observers.take()[0], ObservedList::default(), "a change alone makes no observer");
        note(MemberChange::All, "list", 2);
        note(MemberChange::Came, "b", 3);
        note(MemberChange::All, "list 2", 4);
        note(MemberChange::Left, "b", 5);
        let parts =
            |parts: &[(MemberChange, &str)]| parts.iter().map(|(c, t)| (*c, (*t).to_owned())).collect::<Vec<_>>();
        let heard = Some((parts(&[(MemberChange::All, "list 2"), (MemberChange::Left, "b")]), Stamp(5)));
        assert_eq!(observers.take()[0].list, heard);
        note(MemberChange::Came, "c", 6);
        assert_eq!(observers.take()[0].list, Some((parts(&[(MemberChange::Came, "c")]), Stamp(6))));
        note(MemberChange::Came, &"x".repeat(LIST_LIMIT), 7);
        note(MemberChange::Came, "y", 8);
        assert_eq!(observers.take()[0].list.as_ref().map(|(parts, _)| parts.len()), Some(1), "bounded");
    }

    #[test]
    fn only_the_first_few_are_kept_until_one_leaves() {
        let observers = ListObservers::default();
        let all = u32::try_from(OBSERVERS).unwrap() + 1;
        for user in 0..all {
            observers.note(UserIndex(user), MemberChange::All, &format!("list {user}"), Stamp(1));
        }
        let users = |heard: &[ObservedList]| heard.iter().map(|h| h.user.map(|u| u.0)).collect::<Vec<_>>();
        assert_eq!(users(&observers.take()), [Some(0), Some(1), Some(2), Some(3), Some(4)]);
        observers.dismiss(UserIndex(2));
        observers.dismiss(UserIndex(9));
        assert_eq!(users(&observers.take()), [Some(0), Some(1), None, Some(3), Some(4)]);
        observers.note(UserIndex(5), MemberChange::All, "newer", Stamp(2));
        let heard = observers.take();
        assert_eq!(heard[2], ObservedList { user: Some(UserIndex(5)), list: list("newer", Stamp(2)) });
    }

    #[test]
    fn the_newest_is_kept_and_given_once() {
        let observers = ListObservers::default();
        observers.note(UserIndex(7), MemberChange::All, "a long first list", Stamp(1));
        observers.note(UserIndex(7), MemberChange::All, "second", Stamp(2));
        assert_eq!(observers.take()[0].list, list("second", Stamp(2)));
        assert_eq!(observers.take()[0], ObservedList { user: Some(UserIndex(7)), list: None });
        observers.note(UserIndex(7), MemberChange::All, &" ".repeat(LIST_LIMIT + 1), Stamp(3));
        assert_eq!(observers.take()[0].list, None, "too long");
    }
}
