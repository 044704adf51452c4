//! The few connections whose lists are kept: the first that heard one and are still there.
//!
//! Every connection is sent every list, and lists are large. A observer's newest list is copied
//! when it is read, and looked at later; to the others a list costs a few loads. The lists of one
//! connection have an order, which those of several have not: hence observers, and not whatever
//! list was read last.

use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::clock::Stamp;
use crate::model::UserIndex;

/// How many connections observer.
pub const OBSERVERS: usize = 5;

/// The longest list that is kept, in bytes: one of 80,000 users.
const LIST_LIMIT: usize = 16 << 20;

const NOBODY: u32 = u32::MAX;

/// What a observer has heard since it was last asked.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Whose connection it is; nobody's where the place is free.
    pub user: Option<UserIndex>,
    /// Its newest list as it stood in the frame, and when it was read.
    pub list: Option<(String, Stamp)>,
}

/// The observers' places.
#[derive(Debug, Default)]
pub struct ListObservers {
    places: [Place; OBSERVERS],
}

#[derive(Debug)]
struct Place {
    user: AtomicU32,
    newest: Mutex<Newest>,
}

#[derive(Debug, Default)]
struct Newest {
    text: String,
    at: Option<Stamp>,
}

impl Default for Place {
    fn default() -> Self {
        Self { user: AtomicU32::new(NOBODY), newest: Mutex::default() }
    }
}

impl ListObservers {
    /// A connection of `user` read a list at `at`. Takes a free place where there is one; without
    /// a place nothing is kept.
    pub fn note(&self, user: UserIndex, text: &str, at: Stamp) {
        let Some(place) = self.place_of(user).or_else(|| self.take_place(user)) else { return };
        let mut newest = place.newest.lock();
        // Somebody may have dismissed this observer meanwhile.
        if place.user.load(Ordering::Acquire) == user.0 && text.len() <= LIST_LIMIT {
            newest.text.clear();
            newest.text.push_str(text);
            newest.at = Some(at);
        }
    }

    /// The connection of `user` is ending, or is a observer no more.
    pub fn dismiss(&self, user: UserIndex) {
        if let Some(place) = self.place_of(user) {
            let mut newest = place.newest.lock();
            if place.user.compare_exchange(user.0, NOBODY, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                *newest = Newest::default();
            }
        }
    }

    /// What each observer has heard since the last call.
    #[must_use]
    pub fn take(&self) -> [Heard; OBSERVERS] {
        std::array::from_fn(|i| self.places.get(i).map(Place::take).unwrap_or_default())
    }

    fn place_of(&self, user: UserIndex) -> Option<&Place> {
        self.places.iter().find(|place| place.user.load(Ordering::Relaxed) == user.0)
    }

    fn take_place(&self, user: UserIndex) -> Option<&Place> {
        self.places.iter().find(|place| {
            place.user.load(Ordering::Relaxed) == NOBODY
                && place.user.compare_exchange(NOBODY, user.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    }
}

impl Place {
    fn take(&self) -> Heard {
        let mut newest = self.newest.lock();
        let user = self.user.load(Ordering::Acquire);
        let list = newest.at.take().map(|at| (std::mem::take(&mut newest.text), at));
        Heard { user: (user != NOBODY).then_some(UserIndex(user)), list }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_few_are_kept_until_one_leaves() {
        let observers = ListObservers::default();
        let all = u32::try_from(OBSERVERS).unwrap() + 1;
        for user in 0..all {
            observers.note(UserIndex(user), &format!("list {user}"), Stamp(1));
        }
        let users = |heard: &[Heard]| heard.iter().map(|h| h.user.map(|u| u.0)).collect::<Vec<_>>();
        assert_eq!(users(&observers.take()), [Some(0), Some(1), Some(2), Some(3), Some(4)]);
        observers.dismiss(UserIndex(2));
        observers.dismiss(UserIndex(9));
        assert_eq!(users(&observers.take()), [Some(0), Some(1), None, Some(3), Some(4)]);
        observers.note(UserIndex(5), "newer", Stamp(2));
        let heard = observers.take();
        assert_eq!(heard[2], Heard { user: Some(UserIndex(5)), list: Some(("newer".to_owned(), Stamp(2))) });
    }

    #[test]
    fn the_newest_is_kept_and_given_once() {
        let observers = ListObservers::default();
        observers.note(UserIndex(7), "a long first list", Stamp(1));
        observers.note(UserIndex(7), "second", Stamp(2));
        assert_eq!(observers.take()[0].list, Some(("second".to_owned(), Stamp(2))));
        assert_eq!(observers.take()[0], Heard { user: Some(UserIndex(7)), list: None });
        observers.note(UserIndex(7), &" ".repeat(LIST_LIMIT + 1), Stamp(3));
        assert_eq!(observers.take()[0].list, None, "too long");
    }
}
