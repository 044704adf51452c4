//! Limits the connections of a listener, and chooses which one makes room for the next.
//!
//! A client that opens connections and stays silent must not keep others out, so no client waits for a place:
//! when all are taken, the connection that has been quiet longest is closed. Bookkeeping only; it knows no
//! sockets.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The state of a connection; places are taken away in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// It is idle, and its client can as well open another one.
    Yielding,
    /// It waits for the client to send a request or to take an answer.
    Quiet,
    /// A request is being answered.
    Answering,
    /// It keeps its place until it ends.
    Kept,
}

#[derive(Debug)]
struct ConnectionEntry {
    /// When its state last changed, counted in changes of all places.
    since: u64,
    r#use: Use,
    closed: CancellationToken,
    /// Whether it is [`Use::Yielding`] when idle.
    yields: bool,
}

#[derive(Debug, Default)]
struct OpenConnections {
    changes: u64,
    entries: HashMap<u64, ConnectionEntry>,
}

impl OpenConnections {
    fn change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }
}

/// The places of one listener.
#[derive(Debug)]
pub struct ConnectionLimit {
    limit: usize,
    open: Mutex<OpenConnections>,
}

impl ConnectionLimit {
    /// A limit of `limit` places, at least one.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), open: Mutex::default() })
    }

    /// A place for a new connection, taken from another one if needed; `None` if all are kept.
    #[must_use]
    pub fn admit(self: &Arc<Self>) -> Option<ConnectionPermit> {
        let mut open = self.open.lock();
        if open.entries.len() >= self.limit {
            let evictable = open.entries.iter().filter(|(_, entry)| entry.r#use != Use::Kept);
            let (id, _) = evictable.min_by_key(|(_, entry)| (entry.r#use, entry.since))?;
            let id = *id;
            if let Some(entry) = open.entries.remove(&id) {
                entry.closed.cancel();
            }
        }
        let id = open.change();
        let closed = CancellationToken::new();
        open.entries
            .insert(id, ConnectionEntry { since: id, r#use: Use::Quiet, closed: closed.clone(), yields: false });
        drop(open);
        Some(ConnectionPermit { id, places: Arc::clone(self), closed })
    }
}

/// A connection's place; dropping it frees the place.
#[derive(Debug)]
pub struct ConnectionPermit {
    id: u64,
    places: Arc<ConnectionLimit>,
    closed: CancellationToken,
}

impl ConnectionPermit {
    /// Returns when another connection has been given this place.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Counts the connection as answering a request while `answer` runs.
    pub async fn answering<T>(&self, answer: impl Future<Output = T>) -> T {
        self.set(Use::Answering);
        let answer = answer.await;
        self.set(Use::Quiet);
        answer
    }

    /// Makes the place go before those of others while the connection is idle.
    pub fn yields(&self) {
        if let Some(entry) = self.places.open.lock().entries.get_mut(&self.id) {
            entry.yields = true;
        }
    }

    /// Keeps the place from being given away.
    pub fn keep(&self) {
        self.set(Use::Kept);
    }

    fn set(&self, r#use: Use) {
        let mut open = self.places.open.lock();
        let since = open.change();
        if let Some(entry) = open.entries.get_mut(&self.id) {
            let is_first = entry.yields && r#use == Use::Quiet;
            (entry.since, entry.r#use) = (since, if is_first { Use::Yielding } else { r#use });
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.places.open.lock().entries.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(places: &[&ConnectionPermit]) -> Vec<bool> {
        places.iter().map(|place| !place.closed.is_cancelled()).collect()
    }

    #[tokio::test]
    async fn the_connection_that_was_quiet_longest_makes_room() {
        let places = ConnectionLimit::new(2);
        let (first, second) = (places.admit().unwrap(), places.admit().unwrap());
        first.answering(async {}).await;
        let third = places.admit().unwrap();
        second.closed().await;
        assert_eq!(open(&[&first, &second, &third]), [true, false, true]);
        drop(third);
        let fourth = places.admit().unwrap();
        assert_eq!(open(&[&first, &fourth]), [true, true], "a place that was given back is free");
    }

    #[tokio::test]
    async fn who_yields_goes_first_however_lately_it_was_answered() {
        let places = ConnectionLimit::new(2);
        let (quiet, yielding) = (places.admit().unwrap(), places.admit().unwrap());
        yielding.yields();
        yielding.answering(async {}).await;
        let next = places.admit().unwrap();
        assert_eq!(open(&[&quiet, &yielding, &next]), [true, false, true]);
    }

    #[tokio::test]
    async fn who_is_answered_goes_last_and_who_keeps_a_place_never() {
        let places = ConnectionLimit::new(2);
        let (kept, answered) = (places.admit().unwrap(), places.admit().unwrap());
        kept.keep();
        let answer = answered.answering(async {
            let quiet = places.admit();
            assert!(quiet.is_some() && answered.closed.is_cancelled(), "nothing else could be closed");
            quiet
        });
        let quiet = answer.await.unwrap();
        quiet.keep();
        assert!(places.admit().is_none());
        assert_eq!(open(&[&kept, &quiet]), [true, true]);
    }
}
