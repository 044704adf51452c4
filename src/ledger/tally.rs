//! The figures of the ledger: outcomes, anomalies, times to delivery. It only counts.

use std::time::Duration;

use hdrhistogram::Histogram;
use strum::EnumCount;

use super::cells::{CellId, Cells};
use super::evidence::{Evidence, Subject};
use super::judged::Judged;
use super::losses::Losses;
use super::marked::Marked;
use super::user_set::{RoomSpan, RoomUser, UserGroup};
use crate::clock::Stamp;
use crate::model::{
    Anomaly, Basis, DeliveryCounts, DeliveryTerms, Origin, Outcome, SpoiltBy, UserIndex, delivery_times,
};

/// All figures of a ledger.
#[derive(Debug, Clone)]
pub struct Tally {
    counts: [DeliveryCounts; Origin::COUNT],
    /// The same counts by intended time.
    pub(super) cells: Cells,
    /// Times to delivery in microseconds, by [`Origin`] and [`Basis`].
    durations: [[Histogram<u64>; Basis::COUNT]; Origin::COUNT],
    /// The part of the figures that verdicts leave out.
    pub(super) judged: Judged,
    /// Planned disruptions.
    pub(super) marked: Marked,
    fastest_local: Fastest,
    /// Remote arrivals whose time to delivery was negative even with the estimated clock offset; they count as
    /// zero in the histogram.
    pub negative_durations: u64,
    /// Arrivals of messages from another run, or from before this generator started.
    pub foreign: u64,
    pub(super) evidence: Evidence,
    pub(super) losses: Losses,
}

impl Tally {
    pub(super) fn new(users: usize, origin_micros: u64, terms: &DeliveryTerms) -> Self {
        Self {
            cells: Cells::new(origin_micros, terms),
            counts: [DeliveryCounts::default(); Origin::COUNT],
            durations: std::array::from_fn(|_| std::array::from_fn(|_| delivery_times())),
            judged: Judged::new(users),
            marked: Marked::default(),
            fastest_local: Fastest::default(),
            negative_durations: 0,
            foreign: 0,
            evidence: Evidence::new(origin_micros),
            losses: Losses::default(),
        }
    }

    /// The counts of one origin without outstanding deliveries, which [`Ledger::counts`](super::Ledger::counts)
    /// includes.
    #[must_use]
    pub fn origin(&self, origin: Origin) -> &DeliveryCounts {
        &self.counts[origin as usize]
    }

    /// The times to delivery of one origin in microseconds, by [`Basis`].
    #[must_use]
    pub fn durations(&self, origin: Origin) -> &[Histogram<u64>; Basis::COUNT] {
        &self.durations[origin as usize]
    }

    /// The cell of a message intended at `intended_micros`, in microseconds since 1970, as of `now`.
    pub(super) fn cell(&mut self, intended_micros: u64, now: Stamp) -> CellId {
        let mark = self.marked.number(intended_micros);
        self.cells.of(intended_micros, self.evidence.wall_micros(now)).marked(mark)
    }

    /// Adds `n` expected deliveries of messages in `cell`.
    pub(super) fn expect(&mut self, origin: Origin, cell: CellId, n: u64) {
        self.counts[origin as usize].expect(n);
        self.cells.counts(cell, origin).expect(n);
    }

    /// Adds `n` deliveries with `outcome`. For arrivals of own messages use [`came`](Self::came).
    pub(super) fn add(&mut self, origin: Origin, cell: CellId, outcome: Outcome, n: u64) {
        self.counts[origin as usize].add(outcome, n);
        self.cells.counts(cell, origin).add(outcome, n);
        if cell.is_marked() {
            self.marked.add(cell.mark(), origin, outcome, n);
        }
    }

    /// Adds `n` expected deliveries with `outcome`.
    pub(super) fn expect_and_add(&mut self, origin: Origin, cell: CellId, outcome: Outcome, n: u64) {
        self.expect(origin, cell, n);
        self.add(origin, cell, outcome, n);
    }

    /// Adds an arrival on a connection that was just joining or closing.
    pub(super) fn raced(&mut self, origin: Origin, cell: CellId) {
        self.counts[origin as usize].raced += 1;
        self.cells.counts(cell, origin).raced += 1;
    }

    /// Adds a delivery of an own message at `at`, on time or late, `took` after its intended time, which is not
    /// after `at`.
    #[inline]
    pub(super) fn came(&mut self, cell: CellId, outcome: Outcome, took: Duration, intended: Stamp, at: Stamp) {
        let micros = self.duration(Origin::Local, Basis::Intended, took);
        self.fastest_local.offer(i64::try_from(micros).unwrap_or(i64::MAX));
        self.counts[Origin::Local as usize].add(outcome, 1);
        self.cells.came(cell, outcome, micros);
        if cell.is_marked() {
            self.marked.add(cell.mark(), Origin::Local, outcome, 1);
        }
        self.judge(Origin::Local, cell, outcome == Outcome::Late, took, intended, at);
    }

    /// Adds the time since it was handed over, in nanoseconds.
    #[inline]
    pub(super) fn came_since_sent(&mut self, nanos: u64) {
        self.durations[Origin::Local as usize][Basis::Sent as usize].saturating_record((nanos / 1_000).max(1));
    }

    /// Decides whether a first arrival within the horizon, already counted, is judged; it arrived `took` after its
    /// intended time.
    #[inline]
    pub(super) fn judge(
        &mut self,
        origin: Origin,
        cell: CellId,
        late: bool,
        took: Duration,
        intended: Stamp,
        at: Stamp,
    ) {
        if cell.is_marked() {
            self.marked.duration(origin, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            if self.marked.is_set_aside() {
                return;
            }
        }
        self.judged.arrived(origin, late, took, intended, at);
    }

    /// Adds the arrival of a lost delivery after its horizon; `intended_micros` is the time in its marker, in
    /// microseconds since 1970.
    pub(super) fn overdue(&mut self, origin: Origin, intended_micros: u64, intended: Stamp, at: Stamp) {
        if !(self.marked.is_set_aside() && self.marked.number(intended_micros) > 0) {
            self.judged.overdue(origin, intended, at);
        }
    }

    /// Adds a time to delivery; returns it in microseconds.
    #[inline]
    pub(super) fn duration(&mut self, origin: Origin, basis: Basis, took: Duration) -> u64 {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.durations[origin as usize][basis as usize].saturating_record(micros.max(1));
        micros
    }

    /// Adds `n` lost deliveries, whose horizon was at `horizon`.
    pub(super) fn lose(&mut self, origin: Origin, cell: CellId, n: u64, horizon: Stamp) {
        self.add(origin, cell, Outcome::Lost, n);
        if !(cell.is_marked() && self.marked.is_set_aside()) {
            self.judged.lost(origin, n, horizon);
        }
    }

    /// Ends the current window of delays, spoilt by `bad`.
    pub(super) fn window_over(&mut self, bad: &[SpoiltBy], at: Stamp) {
        if self.marked.takes_away() {
            let origins = [Origin::Local, Origin::Remote];
            let counts = origins.map(|origin| self.marked.rest(origin, &self.counts[origin as usize]));
            let durations =
                origins.map(|origin| self.marked.rest_of_durations(origin, &self.durations[origin as usize]));
            return self.judged.window_over(bad, at, &counts, &durations);
        }
        self.judged.window_over(bad, at, &self.counts, &self.durations);
    }

    /// The judged counts of one origin.
    pub(super) fn judged(&self, origin: Origin) -> DeliveryCounts {
        self.judged.counts(origin, &self.marked.rest(origin, self.origin(origin)))
    }

    /// The judged times to delivery of one origin.
    pub(super) fn judged_durations(&self, origin: Origin) -> Histogram<u64> {
        let all = &self.durations[origin as usize];
        if self.marked.takes_away() {
            return self.judged.durations(origin, &self.marked.rest_of_durations(origin, all));
        }
        self.judged.durations(origin, all)
    }

    pub(super) fn anomaly(&mut self, origin: Origin, what: Anomaly, user: UserIndex, subject: Subject, at: Stamp) {
        self.counts[origin as usize].anomalies[what as usize] += 1;
        let intended = subject.intended_micros().unwrap_or_else(|| self.evidence.wall_micros(at));
        let cell = self.cell(intended, at);
        self.cells.counts(cell, origin).anomalies[what as usize] += 1;
        if cell.is_marked() {
            self.marked.anomaly(cell.mark(), origin, what);
        }
        self.evidence.anomaly(origin, what, user, subject, at);
    }

    /// Adds the loss of one receiver, of a message that others may still lose. `arrived`: it arrived, but after its
    /// horizon.
    pub(super) fn lost_one(
        &mut self,
        origin: Origin,
        room: RoomSpan,
        user: RoomUser,
        subject: Subject,
        at: Stamp,
        arrived: bool,
    ) {
        self.evidence.lost(origin, room.user(user), subject, at, arrived);
        self.losses.one(origin, room, user, subject, self.evidence.wall_micros(at));
    }

    /// Adds a message's verdict: the users of `group` lost it, besides those who had lost it before.
    pub(super) fn lost_by(&mut self, origin: Origin, group: UserGroup, subject: Subject, at: Stamp) {
        self.evidence.lost_by(origin, &group, subject, at);
        self.losses.judged(origin, group, subject, self.evidence.wall_micros(at));
    }

    pub(super) fn fastest_local(&self) -> Option<i64> {
        self.fastest_local.get()
    }

    pub(super) fn roll(&mut self, now: Stamp) {
        self.fastest_local.roll(now);
    }
}

/// The minimum of a series over the last one to two minutes.
#[derive(Debug, Clone, Default)]
pub(super) struct Fastest {
    previous: Option<i64>,
    current: Option<i64>,
    rolled: Stamp,
}

impl Fastest {
    const WINDOW: Duration = Duration::from_secs(60);

    pub(super) fn offer(&mut self, micros: i64) {
        self.current = Some(self.current.map_or(micros, |c| c.min(micros)));
    }

    pub(super) fn get(&self) -> Option<i64> {
        match (self.previous, self.current) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    pub(super) fn roll(&mut self, now: Stamp) {
        if now.since(self.rolled) >= Self::WINDOW {
            self.rolled = now;
            self.previous = self.current.take();
        }
    }
}
