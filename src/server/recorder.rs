//! The target's own record of when each delivery of a chat was written.
//!
//! Bounded: the oldest are forgotten first. A delivery counts as written when the kernel has
//! taken its last byte.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::faults::record::Epoch;

/// A chat frame that was wholly written to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The chat's id.
    pub chat: u64,
    /// The socket's number.
    pub connection: u64,
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
}

/// Keeps the last deliveries.
#[derive(Debug)]
pub(super) struct Recorder {
    epoch: Epoch,
    limit: usize,
    written: Mutex<VecDeque<Written>>,
}

impl Recorder {
    pub(super) fn new(epoch: Epoch, limit: usize) -> Self {
        Self { epoch, limit, written: Mutex::default() }
    }

    /// A chat's frame was written to a socket just now.
    pub(super) fn written(&self, chat: u64, connection: u64) {
        let at = self.epoch.micros();
        let mut written = self.written.lock();
        if written.len() == self.limit {
            written.pop_front();
        }
        written.push_back(Written { chat, connection, at });
    }

    /// What is kept, oldest first.
    pub(super) fn read(&self) -> Vec<Written> {
        self.written.lock().iter().copied().collect()
    }
}
