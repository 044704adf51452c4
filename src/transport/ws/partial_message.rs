//! Bytes of incomplete messages, and the memory budget that all sockets share for them.
//!
//! A size limit per socket does not bound a process: ten thousand sockets, each with an incomplete frame just under the
//! limit, would hold 160 GB.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::frame::Violation;

/// Most memory reserved at once for a frame that has not arrived yet, in bytes; a server can announce gigabytes in ten
/// bytes.
const RESERVE_LIMIT: usize = 1 << 20;

/// A budget of memory for incomplete messages.
#[derive(Debug)]
pub struct MemoryBudget {
    /// Bytes.
    left: AtomicUsize,
}

/// The budget of the process: 512 MiB.
pub static PROCESS: MemoryBudget = MemoryBudget::new(512 << 20);

impl MemoryBudget {
    /// A budget of `bytes` bytes.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }

    /// Number of bytes left.
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

/// The start of a message. Its memory counts against a [`MemoryBudget`] until it is dropped.
#[derive(Debug)]
pub(super) struct PartialMessage {
    bytes: Vec<u8>,
    budget: &'static MemoryBudget,
    /// The part of the budget that it takes: at least the capacity requested for `bytes`.
    taken: usize,
}

impl PartialMessage {
    pub(super) fn new(budget: &'static MemoryBudget) -> Self {
        Self { bytes: Vec::new(), budget, taken: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds bytes of a message with `whole` bytes in all, or 0 if the size is unknown.
    ///
    /// # Errors
    /// `TooLarge` if the budget of all sockets is spent.
    pub(super) fn add(&mut self, more: &[u8], whole: usize) -> Result<(), Violation> {
        let needed = self.bytes.len() + more.len();
        if needed > self.taken {
            // Double each time, as a vector would, but never beyond a known size.
            let grown = if whole == 0 { self.taken * 2 } else { (self.taken * 2).max(RESERVE_LIMIT).min(whole) };
            let target = needed.max(grown);
            self.budget.take(target - self.taken)?;
            self.taken = target;
            self.bytes.reserve_exact(target - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }
}

impl Drop for PartialMessage {
    fn drop(&mut self) {
        self.budget.give_back(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SMALL: MemoryBudget = MemoryBudget::new(10_000);

    #[test]
    fn memory_is_taken_from_the_room_and_given_back() {
        {
            let mut sized = PartialMessage::new(&SMALL);
            sized.add(&[1; 10], 6_000).unwrap();
            assert_eq!((SMALL.left(), sized.capacity()), (4_000, 6_000));
            sized.add(&[1; 5_990], 6_000).unwrap();
            assert_eq!((SMALL.left(), sized.capacity()), (4_000, 6_000));
            let mut unsized_ = PartialMessage::new(&SMALL);
            for _ in 0..20 {
                unsized_.add(&[2; 100], 0).unwrap();
            }
            assert!(unsized_.capacity() <= 10_000 - 6_000 - SMALL.left());
            assert_eq!(unsized_.bytes(), [2; 2_000]);
            let left = SMALL.left();
            assert_eq!(PartialMessage::new(&SMALL).add(&[3; 10], 5_000), Err(Violation::TooLarge));
            assert_eq!(SMALL.left(), left);
        }
        assert_eq!(SMALL.left(), 10_000);
    }

    #[test]
    fn an_announced_size_is_reserved_a_mebibyte_at_a_time() {
        static BUDGET: MemoryBudget = MemoryBudget::new(1 << 30);
        let mut partial = PartialMessage::new(&BUDGET);
        partial.add(&[1], 1 << 29).unwrap();
        assert_eq!(partial.capacity(), RESERVE_LIMIT);
    }
}
