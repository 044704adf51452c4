//! Counts of hot events without contention: each thread adds to its own row, and a scrape sums the rows.
//!
//! Knows only numbered slots. A counter shared by two threads costs about 100 ns per event, because its
//! cache line travels between them; a row that one thread writes costs a few nanoseconds.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// One thread's counts, on cache lines that no other row touches. Aligned to 128 bytes, because
/// processors fetch lines of 64 bytes in pairs.
#[repr(align(128))]
struct Row<const SLOTS: usize>([AtomicU64; SLOTS]);

/// Maximum number of rows. More threads share them, which costs time but loses no counts.
const MOST_ROWS: usize = 64;

/// `SLOTS` counts, kept once per thread.
pub(crate) struct Stripes<const SLOTS: usize> {
    rows: Box<[Row<SLOTS>]>,
}

impl<const SLOTS: usize> Stripes<SLOTS> {
    /// Counts at 0, with rows for somewhat more threads than this machine can run at once.
    pub(crate) fn new() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let rows = (threads * 2 + 2).next_power_of_two().min(MOST_ROWS);
        Self { rows: (0..rows).map(|_| Row(std::array::from_fn(|_| AtomicU64::new(0)))).collect() }
    }

    /// This thread's row; get it once for several additions.
    pub(crate) fn row(&self) -> &[AtomicU64; SLOTS] {
        // The number of rows is a power of two.
        &self.rows[thread_number() & (self.rows.len() - 1)].0
    }

    /// Adds `n` to a slot.
    pub(crate) fn add(&self, slot: usize, n: u64) {
        self.row()[slot].fetch_add(n, Ordering::Relaxed);
    }

    /// The sums over all threads. Slots are read one after the other while threads go on counting, so the
    /// sums of two slots may not be of the same moment.
    pub(crate) fn sums(&self) -> [u64; SLOTS] {
        let mut sums = [0_u64; SLOTS];
        for row in &self.rows {
            for (sum, cell) in sums.iter_mut().zip(&row.0) {
                *sum = sum.wrapping_add(cell.load(Ordering::Relaxed));
            }
        }
        sums
    }
}

/// A small number of the calling thread, given out in order of first use.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    // While a thread's locals are being torn down, any row will do.
    NUMBER.try_with(Cell::get).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_more_threads_than_rows() {
        let stripes = Stripes::<3>::new();
        let threads = stripes.rows.len() + 3;
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        stripes.add(0, 1);
                        stripes.add(2, 5);
                    }
                });
            }
        });
        assert_eq!(stripes.sums(), [threads as u64 * 1_000, 0, threads as u64 * 5_000]);
    }

    #[test]
    fn rows_do_not_share_a_cache_line() {
        assert_eq!(std::mem::align_of::<Row<1>>(), 128);
        assert_eq!(std::mem::size_of::<Row<17>>() % 128, 0);
    }
}
