//! Bytes of messages that have not come whole, and the room that all sockets share for them.
//!
//! A size limit for each socket does not bound a process: ten thousand sockets, each with the
//! beginning of a frame just under the limit, would hold 160 GB.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::frame::Violation;

/// How much is reserved at once for a frame that has not come yet; a server can announce
/// gigabytes in ten bytes.
const RESERVE_LIMIT: usize = 1 << 20;

/// Memory for messages that have not come whole.
#[derive(Debug)]
pub struct Room {
    /// Bytes.
    left: AtomicUsize,
}

/// The room of the process: 512 MiB.
pub static PROCESS: Room = Room::new(512 << 20);

impl Room {
    /// Room for `bytes` bytes.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }

    /// Bytes that are not taken.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<(), Violation> {
        let take = |left: usize| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map(drop).map_err(|_| Violation::TooLarge)
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The beginning of a message. Whatever memory it has is taken from a [`Room`] until it is dropped.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    room: &'static Room,
    /// How much of the room is taken: never less than the capacity of `bytes` that was asked for.
    taken: usize,
}

impl Kept {
    pub(super) fn new(room: &'static Room) -> Self {
        Self { bytes: Vec::new(), room, taken: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds bytes of a message of `whole` bytes in all, or of a size that nobody knows yet (0).
    ///
    /// # Errors
    /// There is no room: what is too large is all that is unfinished on all sockets.
    pub(super) fn add(&mut self, more: &[u8], whole: usize) -> Result<(), Violation> {
        let needed = self.bytes.len() + more.len();
        if needed > self.taken {
            // Twice as much each time, as a vector would, but never beyond a size that is known.
            let grown = if whole == 0 { self.taken * 2 } else { (self.taken * 2).max(RESERVE_LIMIT).min(whole) };
            let target = needed.max(grown);
            self.room.take(target - self.taken)?;
            self.taken = target;
            self.bytes.reserve_exact(target - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.room.give_back(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SMALL: Room = Room::new(10_000);

    #[test]
    fn memory_is_taken_from_the_room_and_given_back() {
        {
            let mut sized = Kept::new(&SMALL);
            sized.add(&[1; 10], 6_000).unwrap();
            assert_eq!((SMALL.left(), sized.capacity()), (4_000, 6_000));
            sized.add(&[1; 5_990], 6_000).unwrap();
            assert_eq!((SMALL.left(), sized.capacity()), (4_000, 6_000));
            let mut unsized_ = Kept::new(&SMALL);
            for _ in 0..20 {
                unsized_.add(&[2; 100], 0).unwrap();
            }
            assert!(unsized_.capacity() <= 10_000 - 6_000 - SMALL.left());
            assert_eq!(unsized_.bytes(), [2; 2_000]);
            let left = SMALL.left();
            assert_eq!(Kept::new(&SMALL).add(&[3; 10], 5_000), Err(Violation::TooLarge));
            assert_eq!(SMALL.left(), left);
        }
        assert_eq!(SMALL.left(), 10_000);
    }

    #[test]
    fn what_is_announced_is_not_reserved_at_once() {
        static ROOM: Room = Room::new(1 << 30);
        let mut kept = Kept::new(&ROOM);
        kept.add(&[1], 1 << 29).unwrap();
        assert_eq!(kept.capacity(), RESERVE_LIMIT);
    }
}
