//! Signs of life on a connection to the room, and the timeouts that end it.

use std::time::Duration;

use super::{RoomConnection, Turn};
use crate::clock::Stamp;
use crate::model::{EndReason, Initiator};
use crate::protocol::{Connection as _, Driver, Ended, Keepalive, Outgoing, SignOfLife};
use crate::user::frame_handler::Phase;
use crate::user::socket::next_keepalive;

/// If a frame is not written after this long, the server no longer reads. A minute, as nginx's
/// `proxy_send_timeout`: a server that reads every other second is slow, not gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

impl<D: Driver> RoomConnection<D> {
    /// Handles a due keepalive or an expired timeout.
    pub(super) fn keepalive(&mut self) -> Option<Turn> {
        let now = self.context.clock.now();
        if let Some(reason) = self.overdue(now) {
            return Some(Turn::GiveUp(Ended { initiator: Initiator::Network, reason }));
        }
        if now >= self.next_keepalive {
            let Keepalive { sign, every, .. } = self.cold.keepalive;
            self.next_keepalive = next_keepalive(self.next_keepalive, now, every);
            self.cold.keepalives = self.cold.keepalives.wrapping_add(1);
            let frame = match sign {
                SignOfLife::Alternate if !self.cold.keepalives.is_multiple_of(2) => Outgoing::Ping,
                SignOfLife::Alternate | SignOfLife::Heartbeat => Outgoing::Heartbeat,
                SignOfLife::Ping => Outgoing::Ping,
            };
            // A socket that is being read from is alive, and needs no ping.
            let is_asked =
                sign != SignOfLife::Alternate || frame != Outgoing::Ping || now.since(self.last_read) >= every;
            if is_asked && !self.connection.is_writing() {
                self.send(frame, now);
            }
        }
        None
    }

    fn overdue(&self, now: Stamp) -> Option<EndReason> {
        if self.phase == Phase::Joining && self.join_limit().is_some_and(|limit| now >= limit) {
            return Some(EndReason::NoPresence);
        }
        if self.cold.writing_since.is_some_and(|since| now.since(since) >= WRITE_TIMEOUT) {
            return Some(EndReason::WriteTimeout);
        }
        (now.since(self.last_read) >= self.cold.keepalive.silent_after).then_some(EndReason::Silent)
    }

    fn join_limit(&self) -> Option<Stamp> {
        self.cold.keepalive.join_timeout.map(|limit| self.began.plus(limit))
    }

    pub(super) fn next_wake(&self) -> Stamp {
        // Reads and writes extend these limits, which are checked at the next keepalive.
        let written = self.cold.writing_since.map_or(self.next_keepalive, |since| since.plus(WRITE_TIMEOUT));
        let next = self.next_keepalive.min(self.last_read.plus(self.cold.keepalive.silent_after)).min(written);
        match self.phase {
            Phase::Joining => self.join_limit().map_or(next, |limit| next.min(limit)),
            Phase::Connected | Phase::Closing => next,
        }
    }
}
