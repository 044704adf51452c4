//! The recording of a run so far. It has no clock: callers pass times in.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Stamp;
use crate::ledger;
use crate::model::Origin;
use crate::report::summary::{Anomalies, Deliveries};
use crate::report::timeline::{Counters, RemoteSlice, Slice, Timeline, UserSeconds, Watched};

/// The length of a cell, in seconds.
pub(crate) use crate::ledger::CELL_SECONDS;
/// Fewest cells kept: a minute.
const FEWEST_CELLS: usize = 12;
/// Most cells kept: a day.
const MOST_CELLS: usize = 86_400 / 5;

const MICROS: u64 = 1_000_000;

/// Five seconds of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    /// The figures; its start is a multiple of five seconds since 1970.
    pub(crate) slice: Slice,
    /// Whether every delivery of its messages has its verdict. Until then outcomes are preliminary, and the
    /// rest is outstanding.
    pub(crate) judged: bool,
}

/// When the load was held.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hold {
    pub(super) from: Option<Stamp>,
    pub(super) to: Option<Stamp>,
}

impl Hold {
    /// The part of the time between two stamps that lies in the hold, in seconds.
    fn seconds(self, from: Stamp, to: Stamp) -> f64 {
        let Some(began) = self.from else { return 0.0 };
        to.min(self.to.unwrap_or(to)).since(from.max(began)).as_secs_f64()
    }
}

/// Cells and slices.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// Everything except the deliveries of cells that are still open in the ledger.
    timeline: Timeline,
    /// Those deliveries, as last read.
    open: Vec<Slice>,
    /// In order of time, without duplicates.
    cells: VecDeque<Cell>,
    kept: usize,
    /// When the users' states were last read; `None` before the run began.
    looked: Option<Stamp>,
    /// Start of the cell to which the counters' increase up to the last reading belongs.
    current: u64,
    /// The users' states in the hold, in user-seconds.
    held: UserSeconds,
    /// The part of it in planned disruptions.
    marked: UserSeconds,
    /// Whether one goes on since the last look.
    is_marked: bool,
    counters: Counters,
    spoilt: Duration,
}

/// A timeline without slices, for slices of length `slice`.
pub(super) fn empty(slice: Duration) -> Timeline {
    Timeline { slice_seconds: slice.as_secs().max(1), ..Timeline::default() }
}

impl Recording {
    /// An empty recording with slices of length `slice`.
    pub(super) fn new(slice: Duration) -> Self {
        Self { timeline: empty(slice), ..Self::default() }
    }

    pub(super) fn begin(&mut self, at: Stamp) {
        self.looked = Some(at);
    }

    pub(super) fn keep(&mut self, longest: Duration) {
        let cells = usize::try_from(longest.as_secs().div_ceil(CELL_SECONDS)).unwrap_or(usize::MAX);
        self.kept = self.kept.max(cells.saturating_add(FEWEST_CELLS).min(MOST_CELLS));
    }

    /// The cells that are over.
    pub(super) fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| cell.slice.start < self.current)
    }

    /// Takes the ledger's cells: those that it has closed and those still open. All messages intended before
    /// `judged`, in seconds since 1970, have their verdicts.
    pub(super) fn deliveries(&mut self, closed: Vec<ledger::Cell>, open: Vec<ledger::Cell>, judged: u64) {
        let (closed, open) = (closed.into_iter().map(slice), open.into_iter().map(slice));
        for slice in closed {
            self.timeline.add(&slice);
            self.set_deliveries(slice);
        }
        self.open = open.collect();
        self.open.clone().into_iter().for_each(|slice| self.set_deliveries(slice));
        for cell in &mut self.cells {
            let Slice { start, deliveries, remote, .. } = &cell.slice;
            let outstanding = deliveries.outstanding + remote.deliveries.outstanding;
            cell.judged = start + CELL_SECONDS <= judged && outstanding == 0;
        }
    }

    fn set_deliveries(&mut self, Slice { start, deliveries, anomalies, remote, times, .. }: Slice) {
        if let Some(cell) = self.cell(start) {
            cell.slice = Slice { deliveries, anomalies, remote, times, ..std::mem::take(&mut cell.slice) };
        }
    }

    /// Adds the users' states since the last reading; the wall clock is at `wall` microseconds since 1970.
    pub(super) fn look(&mut self, now: Stamp, wall: u64, users: UserSeconds, hold: Hold) {
        let Some(mut from) = self.looked else {
            self.current = cell_of(wall);
            return;
        };
        self.looked = Some(now.max(from));
        let last_second = Duration::from_secs(1).min(now.since(from));
        self.current = cell_of(before(wall, last_second));
        while from < now {
            let at = before(wall, now.since(from));
            let start = cell_of(at);
            let left = Duration::from_micros(((start + CELL_SECONDS) * MICROS).saturating_sub(at).max(1));
            let to = now.min(from.plus(left));
            let seconds = to.since(from).as_secs_f64();
            let users = users.times(seconds);
            let hold_seconds = hold.seconds(from, to);
            let held = users.times(if seconds > 0.0 { hold_seconds / seconds } else { 0.0 });
            self.held = self.held.plus(held);
            if self.is_marked {
                self.marked = self.marked.plus(held);
            }
            self.add(&Slice { start, users, hold_seconds, ..Slice::default() });
            from = to;
        }
    }

    /// Adds the counters' increase since they were last read.
    pub(super) fn count(&mut self, counters: Counters, spoilt: Duration) {
        let slice = Slice { start: self.current, ..counters.since(&self.counters) };
        self.add(&slice);
        self.counters = counters;
        let more = spoilt.saturating_sub(self.spoilt);
        self.spoilt = self.spoilt.max(spoilt);
        self.spoil(more.as_secs_f64());
    }

    pub(super) fn watched(&mut self, name: &str, value: f64, second: u64) {
        let watched = [(name.to_owned(), Watched { sum: value, samples: 1 })].into();
        self.add(&Slice { start: second - second % CELL_SECONDS, watched, ..Slice::default() });
    }

    /// The users' states in the hold so far, in user-seconds.
    pub(super) fn user_seconds(&self) -> UserSeconds {
        self.held
    }

    /// The part of it in planned disruptions.
    pub(super) fn marked_user_seconds(&self) -> UserSeconds {
        self.marked
    }

    /// Notes whether a planned disruption is in progress since the last look.
    pub(super) fn mark(&mut self, goes_on: bool) {
        self.is_marked = goes_on;
    }

    /// The timeline as of the last reading.
    pub(super) fn timeline(&self) -> Timeline {
        let mut timeline = self.timeline.clone();
        self.open.iter().for_each(|slice| timeline.add(slice));
        timeline
    }

    /// Distributes `seconds` of spoilt hold, up to the last reading, over the latest cells; no cell gets more
    /// than its part of the hold.
    fn spoil(&mut self, mut seconds: f64) {
        let mut parts = Vec::new();
        for cell in self.cells.iter().rev() {
            let part = seconds.min((cell.slice.hold_seconds - cell.slice.spoilt_seconds).max(0.0));
            seconds -= part;
            parts.push((cell.slice.start, part));
            if seconds <= 0.0 {
                break;
            }
        }
        parts.push((self.current, seconds.max(0.0)));
        for (start, spoilt_seconds) in parts {
            if spoilt_seconds > 0.0 {
                self.add(&Slice { start, spoilt_seconds, ..Slice::default() });
            }
        }
    }

    /// Adds to a cell and to its slice.
    fn add(&mut self, part: &Slice) {
        self.timeline.add(part);
        if let Some(cell) = self.cell(part.start) {
            cell.slice += part;
        }
    }

    /// The cell with this start, unless it has been dropped.
    fn cell(&mut self, start: u64) -> Option<&mut Cell> {
        let place = self.cells.partition_point(|cell| cell.slice.start < start);
        if self.cells.get(place).is_none_or(|cell| cell.slice.start != start) {
            let is_full = self.cells.len() >= self.kept.max(FEWEST_CELLS);
            if is_full && place == 0 {
                return None;
            }
            self.cells.insert(place, Cell { slice: Slice { start, ..Slice::default() }, judged: false });
            if is_full {
                self.cells.pop_front();
                return self.cells.get_mut(place - 1);
            }
        }
        self.cells.get_mut(place)
    }
}

/// A cell of the ledger as a part of a slice.
fn slice(ledger::Cell { start, counts, times }: ledger::Cell) -> Slice {
    let [local, remote] = [Origin::Local, Origin::Remote].map(|origin| &counts[origin as usize]);
    Slice {
        start,
        deliveries: Deliveries::of(local),
        anomalies: Anomalies::of(local),
        remote: RemoteSlice { deliveries: Deliveries::of(remote), anomalies: Anomalies::of(remote) },
        times: times.into(),
        ..Slice::default()
    }
}

/// The wall-clock time `ago` before `wall`, in microseconds since 1970.
fn before(wall: u64, ago: Duration) -> u64 {
    wall.saturating_sub(u64::try_from(ago.as_micros()).unwrap_or(u64::MAX))
}

/// The start of the cell of a moment in microseconds since 1970, in seconds.
fn cell_of(micros: u64) -> u64 {
    let second = micros / MICROS;
    second - second % CELL_SECONDS
}

#[cfg(test)]
mod tests;
