//! A queue of delayed deliveries: until a time, or until another chat has overtaken them.
//!
//! Pure bookkeeping: time is passed in, and what is due is returned to be sent.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::faults::Fault;
use super::faults::injection_log::InjectionEntry;
use super::socket::ServerSocket;
use super::wire::Frame;

/// Deliveries that may wait at once; beyond this, none is delayed.
const LIMIT: usize = 200_000;

/// A socket and a sender: reordering is among the chats of one sender on one socket.
type SenderKey = (u64, u64);

/// A delayed delivery.
#[derive(Debug)]
pub(super) struct DelayedDelivery {
    pub socket: Arc<ServerSocket>,
    pub frame: Frame,
    pub sender: u64,
    /// The chat's id.
    pub chat: u64,
    pub due: Instant,
    pub log_entry: Arc<InjectionEntry>,
}

/// All delayed deliveries of one plenary.
#[derive(Debug, Default)]
pub(super) struct DelayQueue {
    by_sender: HashMap<SenderKey, Vec<u64>>,
    entries: HashMap<u64, DelayedDelivery>,
    due: BTreeSet<(Instant, u64)>,
    next: u64,
}

impl DelayQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= LIMIT
    }

    /// Whether a delivery of the sender waits to be overtaken on this socket.
    pub(super) fn reorders(&self, socket_id: u64, sender: u64) -> bool {
        let keys = self.by_sender.get(&(socket_id, sender)).into_iter().flatten();
        keys.filter_map(|key| self.entries.get(key)).any(|delayed| delayed.log_entry.fault == Fault::Reorder)
    }

    pub(super) fn insert(&mut self, delayed: DelayedDelivery) {
        let key = self.next;
        self.next += 1;
        self.by_sender.entry((delayed.socket.id, delayed.sender)).or_default().push(key);
        self.due.insert((delayed.due, key));
        self.entries.insert(key, delayed);
    }

    /// Marks the sender's earlier deliveries that wait for this socket as overtaken by `chat`, and
    /// returns those that waited for that.
    pub(super) fn overtaken_by(&mut self, socket_id: u64, sender: u64, chat: u64) -> Vec<DelayedDelivery> {
        let Some(keys) = self.by_sender.get(&(socket_id, sender)) else { return Vec::new() };
        let mut released = Vec::new();
        for key in keys {
            let Some(delayed) = self.entries.get(key).filter(|delayed| delayed.chat < chat) else { continue };
            delayed.log_entry.overtaken.store(true, Ordering::Release);
            if delayed.log_entry.fault == Fault::Reorder {
                released.push(*key);
            }
        }
        released.into_iter().filter_map(|key| self.take(key)).collect()
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Takes a delivery that is due at `now`, the earliest first.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<DelayedDelivery> {
        let (due, key) = *self.due.first()?;
        if due > now { None } else { self.take(key) }
    }

    fn take(&mut self, key: u64) -> Option<DelayedDelivery> {
        let delayed = self.entries.remove(&key)?;
        self.due.remove(&(delayed.due, key));
        let sender_key = (delayed.socket.id, delayed.sender);
        if let Some(keys) = self.by_sender.get_mut(&sender_key) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_sender.remove(&sender_key);
            }
        }
        Some(delayed)
    }
}
