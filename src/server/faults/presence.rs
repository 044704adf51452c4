//! Injects faults into member lists: users who left and stay listed, users who joined and are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::injector::{FaultInjector, unit_hash};
use super::kinds::Fault;
use crate::server::accounts::User;
use crate::server::wire::Member;

/// Maximum number of ghosts of one plenary.
const GHOST_LIMIT: usize = 10_000;

/// Falsifies one plenary's lists.
#[derive(Debug)]
pub(in crate::server) struct PresenceInjector {
    injector: Arc<FaultInjector>,
    ghosts: BTreeMap<u64, Arc<User>>,
}

impl PresenceInjector {
    pub(in crate::server) fn new(injector: Arc<FaultInjector>) -> Self {
        Self { injector, ghosts: BTreeMap::new() }
    }

    /// Records that a user joined.
    pub(in crate::server) fn joined(&mut self, user: &User) {
        self.ghosts.remove(&user.id);
        if self.hides(user.id) {
            self.injector.injected.increment(Fault::Missing);
        }
    }

    /// Records that a user was taken off the list.
    pub(in crate::server) fn left(&mut self, user: &Arc<User>) {
        let faults = self.injector.faults();
        if unit_hash(faults.seed, user.id) < faults.presence.ghosts && self.ghosts.len() < GHOST_LIMIT {
            self.ghosts.insert(user.id, Arc::clone(user));
            self.injector.injected.increment(Fault::Ghost);
        }
    }

    /// Adds ghosts to a list and hides missing users, as the settings say.
    pub(in crate::server) fn apply<'a>(&'a mut self, members: &mut Vec<Member<'a>>, image: &'a str) {
        if self.injector.faults().presence.ghosts == 0.0 {
            self.ghosts.clear();
        }
        members.retain(|member| !self.hides(member.user.id));
        members.extend(self.ghosts.values().map(|user| Member { user, image }));
    }

    fn hides(&self, user: u64) -> bool {
        let faults = self.injector.faults();
        // The complement, so that small shares of ghosts and of missing fall on different users.
        1.0 - unit_hash(faults.seed, user) <= faults.presence.missing && faults.presence.missing > 0.0
    }
}
