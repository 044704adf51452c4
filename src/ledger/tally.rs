//! The figures of the ledger: outcomes, anomalies, times to delivery. Nothing here decides anything.

use std::time::Duration;

use hdrhistogram::Histogram;
use strum::EnumCount;

use super::evidence::{Evidence, Subject};
use super::judged::Judged;
use super::losses::Losses;
use super::user_set::{RoomSpan, RoomUser, UserGroup};
use crate::clock::Stamp;
use crate::model::{Anomaly, Basis, DeliveryCounts, Origin, Outcome, SpoiltBy, UserIndex, delivery_times};

/// All figures of a ledger.
#[derive(Debug, Clone)]
pub struct Tally {
    counts: [DeliveryCounts; Origin::COUNT],
    /// Times to delivery in microseconds, by [`Origin`] and [`Basis`].
    durations: [[Histogram<u64>; Basis::COUNT]; Origin::COUNT],
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
    pub(super) fn new(users: usize, origin_micros: u64) -> Self {
        Self {
            counts: [DeliveryCounts::default(); Origin::COUNT],
            durations: std::array::from_fn(|_| std::array::from_fn(|_| delivery_times())),
            judged: Judged::new(users),
            fastest_local: Fastest::default(),
            negative_durations: 0,
            foreign: 0,
            evidence: Evidence::new(origin_micros),
            losses: Losses::default(),
        }
    }

    /// The counts of one origin, but for what is outstanding: [`Ledger::counts`](super::Ledger::counts)
    /// has that, too.
    #[must_use]
    pub fn origin(&self, origin: Origin) -> &DeliveryCounts {
        &self.counts[origin as usize]
    }

    /// The times to delivery of one origin in microseconds, by [`Basis`].
    #[must_use]
    pub fn durations(&self, origin: Origin) -> &[Histogram<u64>; Basis::COUNT] {
        &self.durations[origin as usize]
    }

    pub(super) fn local_mut(&mut self) -> &mut DeliveryCounts {
        &mut self.counts[Origin::Local as usize]
    }

    pub(super) fn remote_mut(&mut self) -> &mut DeliveryCounts {
        &mut self.counts[Origin::Remote as usize]
    }

    #[inline]
    pub(super) fn duration(&mut self, origin: Origin, basis: Basis, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.durations[origin as usize][basis as usize].saturating_record(micros.max(1));
        if matches!((origin, basis), (Origin::Local, Basis::Intended)) {
            self.fastest_local.offer(i64::try_from(micros).unwrap_or(i64::MAX));
        }
    }

    /// Deliveries that are lost: their horizon was at `horizon`.
    pub(super) fn lose(&mut self, origin: Origin, n: u64, horizon: Stamp) {
        self.counts[origin as usize].add(Outcome::Lost, n);
        self.judged.lost(origin, n, horizon);
    }

    /// The present window of delays is over, spoilt by these.
    pub(super) fn window_over(&mut self, bad: &[SpoiltBy], at: Stamp) {
        self.judged.window_over(bad, at, &self.counts, &self.durations);
    }

    /// The figures of one origin that are judged.
    pub(super) fn judged(&self, origin: Origin) -> DeliveryCounts {
        self.judged.counts(origin, self.origin(origin))
    }

    /// The times to delivery of one origin that are judged.
    pub(super) fn judged_durations(&self, origin: Origin) -> Histogram<u64> {
        self.judged.durations(origin, &self.durations[origin as usize])
    }

    pub(super) fn anomaly(&mut self, origin: Origin, what: Anomaly, user: UserIndex, subject: Subject, at: Stamp) {
        self.counts[origin as usize].anomalies[what as usize] += 1;
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
