//! The state of a user, since when, and whether the lists are wrong about it.

use std::time::Duration;

use crate::clock::Stamp;
use crate::model::PresenceMismatch;

/// Whether a user is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connectivity {
    /// It has no connection.
    #[default]
    Disconnected,
    /// It is joining: the server may list it or not.
    Connecting,
    /// Connected.
    Connected,
}

/// A user's last known state.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct User {
    connectivity: Connectivity,
    changes: u32,
    /// When the state was first seen.
    since: Stamp,
    /// Whether the server may rightly have taken the connected user off the list.
    excused: bool,
    /// How the newest lists are wrong about it, if they are.
    pub(super) wrong: Option<PresenceMismatch>,
}

impl User {
    pub(super) fn seen(&mut self, connectivity: Connectivity, changes: u32, now: Stamp) {
        if (connectivity, changes) != (self.connectivity, self.changes) {
            *self = Self { connectivity, changes, since: now, excused: false, wrong: None };
        }
    }

    pub(super) fn excuse(&mut self) {
        if self.connectivity == Connectivity::Connected {
            self.excused = true;
            self.wrong = None;
        }
    }

    /// Takes the vote of `of` lists, `listed` of which name the user; returns a mismatch if one begins. During the
    /// settling time nothing counts as wrong.
    pub(super) fn judge(
        &mut self,
        listed: usize,
        of: usize,
        now: Stamp,
        settling: Duration,
    ) -> Option<PresenceMismatch> {
        let wrong = match self.connectivity {
            _ if now.since(self.since) <= settling => None,
            Connectivity::Disconnected if listed * 2 > of => Some(PresenceMismatch::Ghost),
            Connectivity::Connected if !self.excused && (of - listed) * 2 > of => Some(PresenceMismatch::Missing),
            _ => None,
        };
        let began = wrong.filter(|_| self.wrong.is_none());
        self.wrong = wrong;
        began
    }
}
