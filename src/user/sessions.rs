//! The sessions of all users, and which of them the cache file does not know yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::model::UserIndex;
use crate::protocol::Session;

/// Sessions by user; a user without one has to sign in.
#[derive(Debug)]
pub struct Sessions {
    places: Box<[Mutex<Place>]>,
    /// Somebody has signed up or logged in since the changes were last taken.
    somebody_new: AtomicBool,
}

#[derive(Debug, Default)]
struct Place {
    session: Option<Session>,
    /// Whether the account is known to exist: a session of it was seen once.
    known: bool,
    changed: bool,
}

impl Sessions {
    /// ConnectionLimit for users of these names; those that the cache knows are signed in already.
    #[must_use]
    pub fn new(usernames: impl Iterator<Item = String>, mut cached: HashMap<String, Session>) -> Self {
        let place = |name: String| {
            let session = cached.remove(&name);
            Mutex::new(Place { known: session.is_some(), session, changed: false })
        };
        Self { places: usernames.map(place).collect(), somebody_new: AtomicBool::new(false) }
    }

    /// A user's session, if it has one.
    #[must_use]
    pub fn get(&self, user: UserIndex) -> Option<Session> {
        self.places.get(user.get())?.lock().session.clone()
    }

    /// Whether the user's account existed when it was last heard of.
    #[must_use]
    pub fn is_known(&self, user: UserIndex) -> bool {
        self.places.get(user.get()).is_some_and(|p| p.lock().known)
    }

    /// Keeps a session.
    pub fn put(&self, user: UserIndex, session: Session) {
        if let Some(place) = self.places.get(user.get()) {
            let mut place = place.lock();
            place.changed |= place.session.as_ref() != Some(&session);
            if place.session.is_none() {
                self.somebody_new.store(true, Ordering::Relaxed);
            }
            place.session = Some(session);
            place.known = true;
        }
    }

    /// Takes a user's account for gone, until a session of it is seen again.
    pub fn doubt(&self, user: UserIndex) {
        if let Some(place) = self.places.get(user.get()) {
            place.lock().known = false;
        }
    }

    /// Forgets a session that the server does not know.
    pub fn forget(&self, user: UserIndex) {
        if let Some(place) = self.places.get(user.get()) {
            let mut place = place.lock();
            place.changed |= place.session.take().is_some();
        }
    }

    /// Whether somebody has signed up or logged in since the changes were last taken: a session that
    /// a kill would lose, where other changes only refresh one.
    #[must_use]
    pub fn is_somebody_new(&self) -> bool {
        self.somebody_new.load(Ordering::Relaxed)
    }

    /// What has changed since the last call, for the cache file.
    #[must_use]
    pub fn take_changes(&self) -> Vec<(UserIndex, Option<Session>)> {
        self.somebody_new.store(false, Ordering::Relaxed);
        let changed = |(i, place): (usize, &Mutex<Place>)| {
            let mut place = place.lock();
            let user = UserIndex(u32::try_from(i).ok()?);
            std::mem::take(&mut place.changed).then(|| (user, place.session.clone()))
        };
        self.places.iter().enumerate().filter_map(changed).collect()
    }

    /// Says that the cache file still lacks these users' changes.
    pub fn mark_changed(&self, users: impl Iterator<Item = UserIndex>) {
        for place in users.filter_map(|user| self.places.get(user.get())) {
            place.lock().changed = true;
        }
    }
}
