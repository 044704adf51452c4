//! The inputs of a ledger, and its figures of rooms and single messages.

use std::time::Duration;

use strum::EnumCount as _;

use crate::marker::{GeneratorTag, Marker, RoomTag, RunTag};
use crate::model::Outcome;

/// Time from a horizon to its verdict. Bytes stamped before the horizon may still be on their way from the
/// socket to the ledger; they count by their stamp.
pub const SETTLE: Duration = Duration::from_secs(1);

/// The identity of this generator in markers, and the relation of its stamps to the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// The run's tag.
    pub run: RunTag,
    /// This process's tag, the same in all its rooms.
    pub generator: GeneratorTag,
    /// The wall clock at stamp 0, in microseconds since the Unix epoch.
    pub origin_micros: u64,
}

/// A room, and the number of this generator's users in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomShare {
    /// The room's tag.
    pub tag: RoomTag,
    /// The number of users.
    pub users: u32,
}

/// The outcomes of the deliveries in one room, local and remote: expected = sum of outcomes + outstanding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomFigures {
    /// The index of the room, from 0.
    pub nth: usize,
    /// Deliveries that should arrive.
    pub expected: u64,
    /// Deliveries by [`Outcome`]; each has only one.
    pub outcomes: [u64; Outcome::COUNT],
    /// Deliveries without a verdict.
    pub outstanding: u64,
    /// Arrivals here of messages from other rooms of the run; in none of the above.
    pub leaked: u64,
}

impl RoomFigures {
    /// The number of deliveries with `outcome`.
    #[must_use]
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// The sort key of rooms: the worse, the greater; all zero if all is well.
    pub(super) fn badness(&self) -> (u64, u64, u64) {
        (self.outcome(Outcome::Lost), self.outcome(Outcome::Late), self.leaked)
    }
}

/// A recorded message: everything that its marker needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedSend {
    /// The marker for the chat.
    pub marker: Marker,
    /// The number of connections that should receive it.
    pub expected: u32,
}

/// The progress of one of our messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Expected deliveries without a verdict.
    pub outstanding: u32,
    /// Deliveries that were lost.
    pub lost: u32,
}
