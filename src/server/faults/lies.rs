//! Lies of member lists: users who left and stay listed, users who are in and are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::desk::{Desk, lot};
use super::kinds::Fault;
use crate::server::accounts::User;
use crate::server::wire::Card;

/// Ghosts of one plenary; beyond it no more are made.
const GHOST_LIMIT: usize = 10_000;

/// The lies of one plenary's lists.
#[derive(Debug)]
pub(in crate::server) struct Lies {
    desk: Arc<Desk>,
    ghosts: BTreeMap<u64, Arc<User>>,
}

impl Lies {
    pub(in crate::server) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, ghosts: BTreeMap::new() }
    }

    /// A user came in.
    pub(in crate::server) fn entered(&mut self, user: &User) {
        self.ghosts.remove(&user.id);
        if self.hides(user.id) {
            self.desk.injected.one(Fault::Missing);
        }
    }

    /// A user's row was taken off the list.
    pub(in crate::server) fn left(&mut self, user: &Arc<User>) {
        let faults = self.desk.faults();
        if lot(faults.seed, user.id) < faults.presence.ghosts && self.ghosts.len() < GHOST_LIMIT {
            self.ghosts.insert(user.id, Arc::clone(user));
            self.desk.injected.one(Fault::Ghost);
        }
    }

    /// Makes a true list a false one, where that is set.
    pub(in crate::server) fn tell<'a>(&'a mut self, members: &mut Vec<Card<'a>>, image: &'a str) {
        if self.desk.faults().presence.ghosts == 0.0 {
            self.ghosts.clear();
        }
        members.retain(|card| !self.hides(card.user.id));
        members.extend(self.ghosts.values().map(|user| Card { user, image }));
    }

    fn hides(&self, user: u64) -> bool {
        let faults = self.desk.faults();
        // The complement, so that small shares of ghosts and of missing fall on different users.
        1.0 - lot(faults.seed, user) <= faults.presence.missing && faults.presence.missing > 0.0
    }
}
