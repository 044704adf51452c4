//! Which fault was injected where, and how the connection ended: the record that tests compare with.
//!
//! Bounded: the oldest entries go first. Times are microseconds since the Unix epoch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::kinds::Fault;

/// Characters of a chat's text that are kept.
const EXCERPT: usize = 120;

/// Wall-clock microseconds that never jump: the wall clock is read once, at the start.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct WallClock {
    started: Instant,
    micros: u64,
}

impl WallClock {
    pub(in crate::server) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), micros: u64::try_from(since.as_micros()).unwrap_or(u64::MAX) }
    }

    /// Microseconds since the Unix epoch.
    pub(in crate::server) fn micros(&self) -> u64 {
        self.micros.saturating_add(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// When a connection joined and ended.
#[derive(Debug, Default)]
pub(in crate::server) struct ConnectionTimes {
    /// When its first member list was queued; 0 until then.
    pub joined: AtomicU64,
    /// When the server noticed or started its end; 0 until then.
    pub ended: AtomicU64,
}

/// An injected fault of a delivery; its times are still being filled in.
#[derive(Debug)]
pub(in crate::server) struct InjectionEntry {
    pub fault: Fault,
    pub at: u64,
    pub connection: u64,
    pub username: String,
    pub times: Arc<ConnectionTimes>,
    pub chat: u64,
    pub sender: String,
    pub text: String,
    /// How long the delivery is delayed, in milliseconds.
    pub delay_ms: u64,
    /// When a delayed delivery was written; 0 until then.
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
    /// The socket's user; empty if none is signed in.
    pub username: String,
    /// When the socket joined.
    pub joined: u64,
    /// When the socket's end started, as far as the server knows; `None` while it is open. A lost
    /// delivery on a socket that ended before the horizon is not a loss but excused.
    pub ended: Option<u64>,
    /// The chat's id.
    pub chat: u64,
    /// Who sent the chat.
    pub sender: String,
    /// The start of the chat's text as it goes out, marker included.
    pub text: String,
    /// The intended delay, in milliseconds; 0 if the fault is not a delay.
    pub delay_ms: u64,
    /// When a delayed delivery was handed to the socket; `None` if it has not been.
    pub written: Option<u64>,
    /// Whether a later chat of the same sender was written to this socket before it.
    pub overtaken: bool,
}

/// The log.
#[derive(Debug)]
pub(in crate::server) struct InjectionLog {
    entries: Mutex<(u64, VecDeque<Arc<InjectionEntry>>)>,
    limit: usize,
}

impl InjectionLog {
    /// Keeps the last `limit` entries.
    pub(in crate::server) fn new(limit: usize) -> Self {
        Self { entries: Mutex::default(), limit }
    }

    pub(in crate::server) fn push(&self, entry: Arc<InjectionEntry>) {
        let mut entries = self.entries.lock();
        let (dropped, kept) = &mut *entries;
        kept.push_back(entry);
        if kept.len() > self.limit {
            kept.pop_front();
            *dropped += 1;
        }
    }

    /// The kept entries from number `since` on, oldest first.
    pub(in crate::server) fn read(&self, since: u64) -> Vec<Injection> {
        let entries = self.entries.lock();
        let (dropped, kept) = &*entries;
        let numbered = kept.iter().zip(*dropped..).skip_while(|(_, seq)| *seq < since);
        numbered.map(|(entry, seq)| injection(seq, entry)).collect()
    }
}

/// The start of a text, for an entry.
pub(in crate::server) fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT).collect()
}

fn injection(seq: u64, entry: &InjectionEntry) -> Injection {
    let time = |at: &AtomicU64| Some(at.load(Ordering::Acquire)).filter(|at| *at > 0);
    Injection {
        seq,
        fault: entry.fault.as_str().to_owned(),
        at: entry.at,
        connection: entry.connection,
        username: entry.username.clone(),
        joined: entry.times.joined.load(Ordering::Acquire),
        ended: time(&entry.times.ended),
        chat: entry.chat,
        sender: entry.sender.clone(),
        text: entry.text.clone(),
        delay_ms: entry.delay_ms,
        written: time(&entry.written),
        overtaken: entry.overtaken.load(Ordering::Acquire),
    }
}
