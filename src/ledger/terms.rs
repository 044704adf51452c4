//! What the books are kept by, and what they tell of one message.

use std::time::Duration;

use strum::EnumCount as _;

use crate::marker::{GeneratorTag, Marker, RoomTag, RunTag};
use crate::model::Outcome;

/// How long after a horizon its verdict falls. Bytes stamped before the horizon may still
/// be on their way from the socket to the ledger; they count by their stamp.
pub const SETTLE: Duration = Duration::from_secs(1);

/// Who this generator is in markers, and how its stamps relate to the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// The run's tag.
    pub run: RunTag,
    /// This process's tag, the same in all its rooms.
    pub generator: GeneratorTag,
    /// The wall clock at stamp 0, in microseconds since the Unix epoch.
    pub origin_micros: u64,
}

/// A room, and how many of this generator's users are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomShare {
    /// The room's tag.
    pub tag: RoomTag,
    /// How many users.
    pub users: u32,
}

/// What became of the deliveries in one room, local and remote: expected = the outcomes and outstanding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomFigures {
    /// Which of the rooms, from 0.
    pub nth: usize,
    /// Deliveries that should have come.
    pub expected: u64,
    /// By [`Outcome`], exclusive.
    pub outcomes: [u64; Outcome::COUNT],
    /// Without a verdict.
    pub outstanding: u64,
    /// Messages of other rooms of the run that arrived here: in none of the above.
    pub leaked: u64,
}

impl RoomFigures {
    /// How many deliveries came to `outcome`.
    #[must_use]
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// What rooms are compared by: the worse, the greater; nothing where all is well.
    pub(super) fn badness(&self) -> (u64, u64, u64) {
        (self.outcome(Outcome::Lost), self.outcome(Outcome::Late), self.leaked)
    }
}

/// A message that was handed over: everything its marker needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedSend {
    /// What to stamp the chat with.
    pub marker: Marker,
    /// How many connections are expected to receive it.
    pub expected: u32,
}

/// How far one message of ours has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Expected deliveries without a verdict.
    pub outstanding: u32,
    /// Deliveries that were lost.
    pub lost: u32,
}
