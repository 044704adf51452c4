//! The state of a user's connection, in message numbers instead of times.

use super::message_log::Message;
use crate::clock::Stamp;
use crate::model::Outcome;

/// Why a connection ended, which decides how its open deliveries count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisconnectCause {
    /// The receiving user left on purpose.
    Left,
    /// The server ended its connection.
    Server,
    /// The network ended it.
    Network,
}

impl DisconnectCause {
    /// The outcome of an open delivery with this cause.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Left => Outcome::ExcusedLeft,
            Self::Server => Outcome::ExcusedServer,
            Self::Network => Outcome::ExcusedNetwork,
        }
    }
}

/// The connection of a user. `nth` counts openings. `opened`, `connected` and `closing` are the next message
/// number when that state began. `joined` and `since` are the times of the join and of the close's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionWindow {
    /// No connection.
    Vacant,
    /// The handshake has begun; the user has not joined yet.
    Opening { nth: u64, opened: u64 },
    /// In the room, since `joined`.
    Connected { nth: u64, opened: u64, connected: u64, joined: Stamp },
    /// A close has begun; bytes may still arrive.
    Closing { nth: u64, opened: u64, connected: u64, joined: Stamp, closing: u64, since: Stamp },
}

impl ConnectionWindow {
    /// Whether this connection is expected to receive message `seq`.
    pub(super) fn expected(self, seq: u64) -> bool {
        match self {
            Self::Vacant | Self::Opening { .. } => false,
            Self::Connected { connected, .. } => connected <= seq,
            Self::Closing { connected, closing, .. } => (connected..closing).contains(&seq),
        }
    }

    /// Whether this connection may receive `message`, numbered `seq`, without expecting it: it was handed over
    /// while this connection was joining or closing, or no connection had read it when this one was opened, so
    /// that the server may have sent it on after the join.
    pub(super) fn may_receive(self, seq: u64, message: &Message) -> bool {
        match self {
            Self::Vacant => false,
            Self::Opening { nth, opened } | Self::Connected { nth, opened, .. } | Self::Closing { nth, opened, .. } => {
                opened <= seq || (message.read_at >= nth && !message.judged)
            }
        }
    }

    /// The number of this opening, and when it joined, if it has; `None` without a connection.
    pub(super) fn joined(self) -> Option<(u64, Option<Stamp>)> {
        match self {
            Self::Vacant => None,
            Self::Opening { nth, .. } => Some((nth, None)),
            Self::Connected { nth, joined, .. } | Self::Closing { nth, joined, .. } => Some((nth, Some(joined))),
        }
    }

    /// When the connection stopped being connected: when its close began, else `now`, at its end.
    pub(super) fn gone_since(self, now: Stamp) -> Stamp {
        match self {
            Self::Closing { since, .. } => since,
            _ => now,
        }
    }

    /// The range of numbers that this connection expects (end exclusive); `next` is the next number to be issued.
    pub(super) fn expects(self, next: u64) -> Option<(u64, u64)> {
        match self {
            Self::Vacant | Self::Opening { .. } => None,
            Self::Connected { connected, .. } => Some((connected, next)),
            Self::Closing { connected, closing, .. } => Some((connected, closing)),
        }
    }
}
