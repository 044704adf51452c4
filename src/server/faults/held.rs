//! Deliveries that are held back: for a time, or until another chat has gone before them.
//!
//! Pure bookkeeping: time is passed in, and what is due is given back to be written.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::kinds::Fault;
use super::record::Strike;
use crate::server::peer::Peer;
use crate::server::wire::Frame;

/// Deliveries held back at once; beyond it none is.
const LIMIT: usize = 200_000;

/// A socket and a sender: reordering is among the chats of one sender on one socket.
type Way = (u64, u64);

/// A delivery held back.
#[derive(Debug)]
pub(super) struct Held {
    pub peer: Arc<Peer>,
    pub frame: Frame,
    pub sender: u64,
    /// The chat's id.
    pub chat: u64,
    pub due: Instant,
    pub strike: Arc<Strike>,
}

/// All deliveries held back in one hall.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    ways: HashMap<Way, Vec<u64>>,
    held: HashMap<u64, Held>,
    due: BTreeSet<(Instant, u64)>,
    next: u64,
}

impl Shelf {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.held.len() >= LIMIT
    }

    /// Whether a delivery waits there for a later one to go before it.
    pub(super) fn reorders(&self, socket: u64, sender: u64) -> bool {
        let way = self.ways.get(&(socket, sender)).into_iter().flatten();
        way.filter_map(|key| self.held.get(key)).any(|held| held.strike.fault == Fault::Reorder)
    }

    pub(super) fn put(&mut self, held: Held) {
        let key = self.next;
        self.next += 1;
        self.ways.entry((held.peer.id, held.sender)).or_default().push(key);
        self.due.insert((held.due, key));
        self.held.insert(key, held);
    }

    /// An intact chat went to a socket: marks the earlier ones of its sender that wait for their
    /// time as overtaken, and gives back those that waited for just this.
    pub(super) fn overtaken_by(&mut self, socket: u64, sender: u64, chat: u64) -> Vec<Held> {
        let Some(way) = self.ways.get(&(socket, sender)) else { return Vec::new() };
        let mut free = Vec::new();
        for key in way {
            let Some(held) = self.held.get(key).filter(|held| held.chat < chat) else { continue };
            held.strike.overtaken.store(true, Ordering::Release);
            if held.strike.fault == Fault::Reorder {
                free.push(*key);
            }
        }
        free.into_iter().filter_map(|key| self.take(key)).collect()
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// One that is due at `now`; the earliest first.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Held> {
        let (due, key) = *self.due.first()?;
        if due > now { None } else { self.take(key) }
    }

    fn take(&mut self, key: u64) -> Option<Held> {
        let held = self.held.remove(&key)?;
        self.due.remove(&(held.due, key));
        let way = (held.peer.id, held.sender);
        if let Some(keys) = self.ways.get_mut(&way) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.ways.remove(&way);
            }
        }
        Some(held)
    }
}
