//! The sessions of all users, and the changes that the cache file lacks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::model::UserIndex;
use crate::protocol::Session;

/// Sessions by user; a user without one must sign in.
#[derive(Debug)]
pub struct Sessions {
    entries: Box<[Mutex<SessionEntry>]>,
    /// A user has signed up or logged in since the changes were last taken.
    new_sign_in: AtomicBool,
}

#[derive(Debug, Default)]
struct SessionEntry {
    session: Option<Session>,
    /// Whether the account is known to exist: a session of it was seen once.
    known: bool,
    changed: bool,
}

impl Sessions {
    /// Sessions of users of these names; those that the cache knows are signed in already.
    #[must_use]
    pub fn new(usernames: impl Iterator<Item = String>, mut cached: HashMap<String, Session>) -> Self {
        let entry = |name: String| {
            let session = cached.remove(&name);
            Mutex::new(SessionEntry { known: session.is_some(), session, changed: false })
        };
        Self { entries: usernames.map(entry).collect(), new_sign_in: AtomicBool::new(false) }
    }

    /// A user's session, if it has one.
    #[must_use]
    pub fn get(&self, user: UserIndex) -> Option<Session> {
        self.entries.get(user.get())?.lock().session.clone()
    }

    /// Whether the user's account existed when it was last used.
    #[must_use]
    pub fn is_known(&self, user: UserIndex) -> bool {
        self.entries.get(user.get()).is_some_and(|p| p.lock().known)
    }

    /// Keeps a session.
    pub fn put(&self, user: UserIndex, mut session: Session) {
        session.user = None;
        if let Some(entry) = self.entries.get(user.get()) {
            let mut entry = entry.lock();
            entry.changed |= entry.session.as_ref() != Some(&session);
            if entry.session.is_none() {
                self.new_sign_in.store(true, Ordering::Relaxed);
            }
            entry.session = Some(session);
            entry.known = true;
        }
    }

    /// Assumes that a user's account is gone, until a session of it is seen again.
    pub fn doubt(&self, user: UserIndex) {
        if let Some(entry) = self.entries.get(user.get()) {
            entry.lock().known = false;
        }
    }

    /// Forgets a session that the server does not know.
    pub fn forget(&self, user: UserIndex) {
        if let Some(entry) = self.entries.get(user.get()) {
            let mut entry = entry.lock();
            entry.changed |= entry.session.take().is_some();
        }
    }

    /// Whether a user has signed up or logged in since the changes were last taken. A kill would lose that
    /// session; other changes only refresh one.
    #[must_use]
    pub fn has_new_sign_in(&self) -> bool {
        self.new_sign_in.load(Ordering::Relaxed)
    }

    /// The changes since the last call, for the cache file.
    #[must_use]
    pub fn take_changes(&self) -> Vec<(UserIndex, Option<Session>)> {
        self.new_sign_in.store(false, Ordering::Relaxed);
        let changed = |(i, entry): (usize, &Mutex<SessionEntry>)| {
            let mut entry = entry.lock();
            let user = UserIndex(u32::try_from(i).ok()?);
            std::mem::take(&mut entry.changed).then(|| (user, entry.session.clone()))
        };
        self.entries.iter().enumerate().filter_map(changed).collect()
    }

    /// Notes that the cache file still lacks these users' changes.
    pub fn mark_changed(&self, users: impl Iterator<Item = UserIndex>) {
        for entry in users.filter_map(|user| self.entries.get(user.get())) {
            entry.lock().changed = true;
        }
    }
}
