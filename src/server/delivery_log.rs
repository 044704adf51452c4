//! A log of when each delivery of a chat was written.
//!
//! Bounded: the oldest entries go first. A delivery counts as written when the kernel has
//! taken its last byte.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::faults::injection_log::WallClock;

/// A chat frame that was wholly written to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenDelivery {
    /// The chat's id.
    pub chat: u64,
    /// The socket's number.
    pub connection: u64,
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
}

/// The last deliveries.
#[derive(Debug)]
pub(super) struct DeliveryLog {
    clock: WallClock,
    limit: usize,
    written: Mutex<VecDeque<WrittenDelivery>>,
}

impl DeliveryLog {
    pub(super) fn new(clock: WallClock, limit: usize) -> Self {
        Self { clock, limit, written: Mutex::default() }
    }

    /// Adds a chat frame that was written to a socket just now.
    pub(super) fn push(&self, chat: u64, connection: u64) {
        let at = self.clock.micros();
        let mut written = self.written.lock();
        if written.len() == self.limit {
            written.pop_front();
        }
        written.push_back(WrittenDelivery { chat, connection, at });
    }

    /// All entries, oldest first.
    pub(super) fn read(&self) -> Vec<WrittenDelivery> {
        self.written.lock().iter().copied().collect()
    }
}
