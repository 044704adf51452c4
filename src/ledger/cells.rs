//! Outcomes of deliveries by the intended time of their messages, in cells of five seconds since 1970.
//!
//! Every count of the ledger is in exactly one cell, so the cells always sum to the ledger's figures. A cell
//! is open as long as one of its messages is remembered; then it is handed out and forgotten. Counts for a
//! cell that no longer exists go to the oldest one that does.
//!
//! A delivery costs two additions: to its outcome, and to the bucket of its time. The number outstanding is
//! computed when a cell is read.

use std::collections::VecDeque;
use std::time::Duration;

use strum::EnumCount as _;

use super::SETTLE;
use super::times::{Buckets, Dense};
use crate::model::{DeliveryCounts, DeliveryTerms, Origin, Outcome};
use crate::stats::Sketch;

/// The length of a cell, in seconds.
pub const CELL_SECONDS: u64 = 5;
const CELL_MICROS: u64 = CELL_SECONDS * 1_000_000;

/// An open cell, by its place, and the planned disruption of the message it was looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CellId(u32);

/// The bits of a [`CellId`] for its place; those above hold the number of the disruption.
const PLACE_BITS: u32 = 20;
const PLACES: u32 = (1 << PLACE_BITS) - 1;

impl CellId {
    fn place(self) -> usize {
        (self.0 & PLACES) as usize
    }

    /// The same cell, for a message of the planned disruption with this number, from 1; 0 for none.
    pub(super) fn marked(self, number: u32) -> Self {
        Self(self.0 | number << PLACE_BITS)
    }

    /// Whether the message belongs to a planned disruption.
    pub(super) fn is_marked(self) -> bool {
        self.0 > PLACES
    }

    /// The number of that disruption.
    pub(super) fn mark(self) -> u32 {
        self.0 >> PLACE_BITS
    }
}

/// Outcomes of the deliveries of messages that were intended in the same five seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its start, in seconds since 1970-01-01T00:00:00Z; a multiple of [`CELL_SECONDS`].
    pub start: u64,
    /// Counts by [`Origin`], including outstanding deliveries.
    pub counts: [DeliveryCounts; Origin::COUNT],
    /// Times to delivery of this generator's own messages, from the intended time.
    pub times: Sketch,
}

/// A cell that may still get counts.
#[derive(Debug, Clone, Default)]
struct OpenCell {
    number: u64,
    /// Number of remembered messages of this generator.
    messages: u64,
    /// Counts without outstanding deliveries.
    counts: [DeliveryCounts; Origin::COUNT],
    times: Dense,
}

impl OpenCell {
    fn figures(&self) -> Cell {
        let mut counts = self.counts;
        for counts in &mut counts {
            counts.outstanding = counts.expected - counts.decided();
        }
        Cell { start: self.number * CELL_SECONDS, counts, times: self.times.sketch() }
    }
}

/// The cells of a ledger.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    /// Open cells, and empty ones for reuse.
    places: Vec<OpenCell>,
    free: Vec<u32>,
    buckets: Buckets,
    /// The number and the place of each open cell, in order of the numbers.
    open: VecDeque<(u64, u32)>,
    /// Cells with lower numbers are closed.
    first: u64,
    /// Shortest time for which a cell stays open after its end, in microseconds.
    kept: u64,
    /// How far ahead an intended time may lie, in microseconds; one further ahead is absurd.
    ahead: u64,
}

impl Cells {
    /// Empty cells for a generator that starts at `started`, in microseconds since 1970.
    pub(super) fn new(started: u64, terms: &DeliveryTerms) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            buckets: Buckets::new(),
            open: VecDeque::new(),
            first: started / CELL_MICROS,
            kept: micros(terms.horizon * 2 + SETTLE),
            ahead: micros(terms.horizon),
        }
    }

    /// The cell of an intended time, or the nearest open one; for a time too far ahead, the current one. Both
    /// times are in microseconds since 1970.
    pub(super) fn of(&mut self, intended: u64, now: u64) -> CellId {
        let time = if intended > now.saturating_add(self.ahead) { now } else { intended };
        let number = (time / CELL_MICROS).max(self.first);
        match self.open.back() {
            Some((last, place)) if *last == number => CellId(*place),
            _ => self.find_or_open(number),
        }
    }

    #[cold]
    fn find_or_open(&mut self, number: u64) -> CellId {
        match self.open.binary_search_by_key(&number, |open| open.0) {
            Ok(at) => CellId(self.open[at].1),
            Err(at) => {
                let place = self.free.pop().unwrap_or_else(|| {
                    self.places.push(OpenCell::default());
                    u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
                });
                self.places[place as usize].number = number;
                self.open.insert(at, (number, place));
                CellId(place)
            }
        }
    }

    /// Counts a message of this generator as remembered.
    pub(super) fn remember(&mut self, cell: CellId) {
        self.places[cell.place()].messages += 1;
    }

    /// Counts a message as forgotten.
    pub(super) fn forget(&mut self, cell: CellId) {
        self.places[cell.place()].messages -= 1;
    }

    /// The counts of a cell, without outstanding deliveries.
    pub(super) fn counts(&mut self, cell: CellId, origin: Origin) -> &mut DeliveryCounts {
        &mut self.places[cell.place()].counts[origin as usize]
    }

    /// Counts a delivery of one of this generator's messages, on time or late, `micros` microseconds after its
    /// intended time.
    #[inline]
    pub(super) fn came(&mut self, cell: CellId, outcome: Outcome, micros: u64) {
        let open = &mut self.places[cell.place()];
        open.times.add(self.buckets, micros);
        open.counts[Origin::Local as usize].add(outcome, 1);
    }

    /// Takes the cells that can get no more counts at `now`, in microseconds since 1970.
    pub(super) fn take_closed(&mut self, now: u64) -> Vec<Cell> {
        let first = now.saturating_sub(self.kept) / CELL_MICROS;
        let mut closed = Vec::new();
        while let Some((number, place)) = self.open.front().copied()
            && number < first
            && self.places[place as usize].messages == 0
        {
            self.open.pop_front();
            self.free.push(place);
            let cell = std::mem::take(&mut self.places[place as usize]);
            closed.push(cell.figures());
        }
        let oldest = self.open.front().map_or(first, |open| open.0.min(first));
        self.first = self.first.max(oldest);
        closed
    }

    /// The cells that may still get counts, oldest first.
    pub(super) fn open(&self) -> Vec<Cell> {
        self.open.iter().map(|(_, place)| self.places[*place as usize].figures()).collect()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
