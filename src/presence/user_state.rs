//! Where a user is, since when, and whether the lists are wrong about it.

use std::time::Duration;

use crate::clock::Stamp;
use crate::model::PresenceMismatch;

/// Whether a user is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connectivity {
    /// It has no connection.
    #[default]
    Disconnected,
    /// It is coming in: the server may list it or not.
    Connecting,
    /// Connected.
    Connected,
}

/// A user as it was last seen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct User {
    connectivity: Connectivity,
    changes: u32,
    /// When it was first seen there.
    since: Stamp,
    /// Connected, but the server may rightly have taken it off the list.
    excused: bool,
    /// What the newest lists have wrong about it.
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

    /// Takes the vote of `of` lists, `listed` of which name the user; what is wrong from now on.
    /// Before it has settled where it is, nothing is wrong.
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
