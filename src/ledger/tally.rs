//! The figures of the ledger: outcomes, anomalies, times to delivery. Nothing here decides anything.

use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use strum::EnumCount;

use super::evidence::{Evidence, Subject};
use super::judged::{Judged, JudgedTally};
use super::losses::Losses;
use super::user_set::{RoomSpan, RoomUser, UserGroup};
use crate::clock::Stamp;
use crate::model::{Anomaly, Basis, Origin, Outcome, SpoiltBy, UserIndex};

/// Longest time to delivery that is told apart, in microseconds: one hour.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// The figures of one origin.
#[derive(Debug, Clone)]
pub struct OriginTally {
    /// Deliveries that should have come.
    pub expected: u64,
    /// By [`Outcome`], exclusive.
    pub outcomes: [u64; Outcome::COUNT],
    /// By [`Anomaly`].
    pub anomalies: [u64; Anomaly::COUNT],
    /// Arrivals on a connection that was just joining or closing when the message was handed
    /// over: neither expected nor an anomaly, since the server may see it either way.
    pub raced: u64,
    /// Times to delivery in microseconds, by [`Basis`].
    pub durations: [Histogram<u64>; Basis::COUNT],
}

impl OriginTally {
    fn new() -> Result<Self, CreationError> {
        Ok(Self {
            expected: 0,
            outcomes: [0; Outcome::COUNT],
            anomalies: [0; Anomaly::COUNT],
            raced: 0,
            durations: [empty_histogram()?, empty_histogram()?],
        })
    }

    pub(super) fn expect(&mut self, n: u64) {
        self.expected += n;
    }

    pub(super) fn add(&mut self, outcome: Outcome, n: u64) {
        self.outcomes[outcome as usize] += n;
    }

    pub(super) fn expect_and_add(&mut self, outcome: Outcome, n: u64) {
        self.expect(n);
        self.add(outcome, n);
    }

    /// Deliveries with a verdict.
    #[must_use]
    pub fn decided(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// How many came to `outcome`.
    #[must_use]
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// How many arrivals had this anomaly.
    #[must_use]
    pub fn anomaly(&self, anomaly: Anomaly) -> u64 {
        self.anomalies[anomaly as usize]
    }
}

/// All figures of a ledger.
#[derive(Debug, Clone)]
pub struct Tally {
    origins: [OriginTally; Origin::COUNT],
    /// What of them a verdict does not read.
    pub(super) judged: Judged,
    fastest_local: Fastest,
    /// Remote arrivals whose time to delivery came out below zero even after the estimated
    /// clock offset; they count as zero in the histogram.
    pub negative_durations: u64,
    /// Arrivals of messages that are of another run, or of a time before this generator.
    pub foreign: u64,
    pub(super) evidence: Evidence,
    pub(super) losses: Losses,
}

impl Tally {
    pub(super) fn new(users: usize, origin_micros: u64) -> Result<Self, CreationError> {
        Ok(Self {
            origins: [OriginTally::new()?, OriginTally::new()?],
            judged: Judged::new(users)?,
            fastest_local: Fastest::default(),
            negative_durations: 0,
            foreign: 0,
            evidence: Evidence::new(origin_micros),
            losses: Losses::default(),
        })
    }

    /// The figures of one origin.
    #[must_use]
    pub fn origin(&self, origin: Origin) -> &OriginTally {
        &self.origins[origin as usize]
    }

    pub(super) fn local_mut(&mut self) -> &mut OriginTally {
        &mut self.origins[Origin::Local as usize]
    }

    pub(super) fn remote_mut(&mut self) -> &mut OriginTally {
        &mut self.origins[Origin::Remote as usize]
    }

    pub(super) fn duration(&mut self, origin: Origin, basis: Basis, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.origins[origin as usize].durations[basis as usize].saturating_record(micros.max(1));
        if matches!((origin, basis), (Origin::Local, Basis::Intended)) {
            self.fastest_local.offer(i64::try_from(micros).unwrap_or(i64::MAX));
        }
    }

    /// Deliveries that are lost: their horizon was at `horizon`.
    pub(super) fn lose(&mut self, origin: Origin, n: u64, horizon: Stamp) {
        self.origins[origin as usize].add(Outcome::Lost, n);
        self.judged.lost(origin, n, horizon);
    }

    /// The present window of delays is over, spoilt by these.
    pub(super) fn window_over(&mut self, bad: &[SpoiltBy], at: Stamp) {
        self.judged.window_over(bad, at, &self.origins);
    }

    /// The figures of one origin that are judged.
    pub(super) fn judged(&self, origin: Origin) -> JudgedTally {
        self.judged.tally(origin, self.origin(origin))
    }

    /// The times to delivery of one origin that are judged.
    pub(super) fn judged_durations(&self, origin: Origin) -> Histogram<u64> {
        self.judged.durations(origin, self.origin(origin))
    }

    pub(super) fn anomaly(&mut self, origin: Origin, what: Anomaly, user: UserIndex, subject: Subject, at: Stamp) {
        self.origins[origin as usize].anomalies[what as usize] += 1;
        self.evidence.anomaly(origin, what, user, subject, at);
    }

    /// One receiver lost a message, which others may still lose. `arrived`: it came, after its horizon.
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

    /// A message has its verdict: `users` lost it, beside those who had lost it before.
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

/// A histogram of times to delivery: 1 µs to one hour, three significant digits.
///
/// # Errors
/// Never for these bounds, which the histogram's constructor accepts; its type wants a way out.
pub fn empty_histogram() -> Result<Histogram<u64>, CreationError> {
    Histogram::new_with_bounds(1, LONGEST_MICROS, 3)
}

/// The smallest of a series in the last one to two minutes.
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
