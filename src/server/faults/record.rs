//! What was injected where, and what became of the connection: the truth that tests compare with.
//!
//! Bounded: the oldest are forgotten first. Times are microseconds since the Unix epoch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::kinds::Fault;

/// Characters of a chat's text that are kept.
const TEXT: usize = 120;

/// Wall-clock microseconds that never jump: the wall clock is read once, at the start.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Epoch {
    started: Instant,
    micros: u64,
}

impl Epoch {
    pub(in crate::server) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), micros: u64::try_from(since.as_micros()).unwrap_or(u64::MAX) }
    }

    /// Microseconds since the Unix epoch.
    pub(in crate::server) fn micros(&self) -> u64 {
        self.micros.saturating_add(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// When a connection was in its room.
#[derive(Debug, Default)]
pub(in crate::server) struct Stay {
    /// When its first member list was queued; 0 before.
    pub joined: AtomicU64,
    /// When the target saw its end or began it; 0 before.
    pub ended: AtomicU64,
}

/// A fault that struck a delivery.
#[derive(Debug)]
pub(in crate::server) struct Strike {
    pub fault: Fault,
    pub at: u64,
    pub connection: u64,
    pub username: String,
    pub stay: Arc<Stay>,
    pub chat: u64,
    pub sender: String,
    pub text: String,
    /// How long the delivery is held back, in milliseconds.
    pub delay_ms: u64,
    /// When a delivery that was held back was written; 0 before.
    pub written: AtomicU64,
    pub overtaken: AtomicBool,
}

/// One injected fault of a delivery, as `GET /injections` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injection {
    /// Its number, from 0.
    pub seq: u64,
    /// [`Fault::as_str`].
    pub fault: String,
    /// When it was decided.
    pub at: u64,
    /// The socket's number.
    pub connection: u64,
    /// Whose socket it is; empty for somebody not signed in.
    pub username: String,
    /// When the socket came into the room.
    pub joined: u64,
    /// When the socket's end began, as far as the target knows; none while it is open. A lost
    /// delivery on a socket that ended before the horizon is not a loss but excused.
    pub ended: Option<u64>,
    /// The chat's id.
    pub chat: u64,
    /// Who sent the chat.
    pub sender: String,
    /// The beginning of the chat's text as it goes out, the marker included.
    pub text: String,
    /// How long it was to be held back, in milliseconds; 0 where that is not the fault.
    pub delay_ms: u64,
    /// When a delivery that was held back was handed to the socket; none where it was not (yet).
    pub written: Option<u64>,
    /// Whether a later chat of the same sender was written to this socket before it.
    pub overtaken: bool,
}

/// The bounded record.
#[derive(Debug)]
pub(in crate::server) struct Record {
    strikes: Mutex<(u64, VecDeque<Arc<Strike>>)>,
    limit: usize,
}

impl Record {
    /// Keeps the last `limit`.
    pub(in crate::server) fn new(limit: usize) -> Self {
        Self { strikes: Mutex::default(), limit }
    }

    pub(in crate::server) fn push(&self, strike: Arc<Strike>) {
        let mut strikes = self.strikes.lock();
        let (forgotten, kept) = &mut *strikes;
        kept.push_back(strike);
        if kept.len() > self.limit {
            kept.pop_front();
            *forgotten += 1;
        }
    }

    /// Those from number `since` on that are still kept, oldest first.
    pub(in crate::server) fn read(&self, since: u64) -> Vec<Injection> {
        let strikes = self.strikes.lock();
        let (forgotten, kept) = &*strikes;
        let numbered = kept.iter().zip(*forgotten..).skip_while(|(_, seq)| *seq < since);
        numbered.map(|(strike, seq)| shown(seq, strike)).collect()
    }
}

/// The beginning of a text, for a strike.
pub(in crate::server) fn beginning(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

fn shown(seq: u64, strike: &Strike) -> Injection {
    let time = |at: &AtomicU64| Some(at.load(Ordering::Acquire)).filter(|at| *at > 0);
    Injection {
        seq,
        fault: strike.fault.as_str().to_owned(),
        at: strike.at,
        connection: strike.connection,
        username: strike.username.clone(),
        joined: strike.stay.joined.load(Ordering::Acquire),
        ended: time(&strike.stay.ended),
        chat: strike.chat,
        sender: strike.sender.clone(),
        text: strike.text.clone(),
        delay_ms: strike.delay_ms,
        written: time(&strike.written),
        overtaken: strike.overtaken.load(Ordering::Acquire),
    }
}
