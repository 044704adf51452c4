//! What the books are kept by, and what they tell of one message.

use std::time::Duration;

use crate::marker::{GeneratorTag, Marker, RoomTag, RunTag};

/// How long after a horizon its verdict falls. Bytes stamped before the horizon may still
/// be on their way from the socket to the ledger; they count by their stamp.
pub const SETTLE: Duration = Duration::from_secs(1);

/// The limits that decide between on time, late and lost. Both run from the intended time.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Up to this age a first arrival is on time.
    pub deadline: Duration,
    /// Up to this age a first arrival is late; after it the delivery is lost.
    pub horizon: Duration,
}

/// What a protocol promises about messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The server sends a message back to the connection it came from. Where it does not, that
    /// connection expects none, and an arrival there is `unexpected`.
    pub echo: bool,
    /// The server keeps the order of one sender's messages. Where it does not, order is not judged.
    pub ordered: bool,
    /// Messages name their senders. Where they do not, attribution is not checked.
    pub senders: bool,
}

impl Default for Rules {
    /// All of it: the rules of a plenary.
    fn default() -> Self {
        Self { echo: true, ordered: true, senders: true }
    }
}

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

/// What went wrong in one room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomFigures {
    /// Which of the rooms, from 0.
    pub nth: usize,
    /// Deliveries that were lost, local and remote.
    pub lost: u64,
    /// Deliveries that were late, local and remote.
    pub late: u64,
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
