//! The course of a run: when it began, was at full load, and stopped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use strum::EnumCount;

use crate::chat::{Action, UserState};
use crate::clock::Stamp;
use crate::metrics::snapshot::{LedgerSnapshot, UsersSnapshot};
use crate::report::status::Phase;
use crate::user::World;

/// What was noted of a run's course so far.
#[derive(Debug, Clone)]
pub(super) struct Course {
    started: Stamp,
    ramped: Option<Mark>,
    stopped: Option<Mark>,
    /// The books when the hold began.
    pub(super) before_hold: Option<Arc<LedgerSnapshot>>,
    /// States of the users when the stop began.
    pub(super) at_stop: Option<[u64; UserState::COUNT]>,
}

/// A moment, and what had been carried out by then.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Stamp,
    done: [u64; Action::COUNT],
}

impl Mark {
    fn now<D>(world: &World<D>) -> Self {
        Self { at: world.clock.now(), done: done(world) }
    }
}

impl Course {
    /// A run that begins `wait` from now.
    pub(super) fn begin<D>(world: &World<D>, wait: Duration) -> Self {
        Self { started: world.clock.now().plus(wait), ramped: None, stopped: None, before_hold: None, at_stop: None }
    }

    pub(super) fn started(&self) -> Stamp {
        self.started
    }

    pub(super) fn ramped<D>(&mut self, world: &World<D>) {
        let from = self.ramped.get_or_insert_with(|| Mark::now(world));
        world.ledger.lock().hold_begins(from.at);
        self.before_hold.get_or_insert_with(|| Arc::new(world.metrics.ledger()));
        world.metrics.run_phase(self.phase());
    }

    pub(super) fn stopped<D>(&mut self, world: &World<D>) {
        let to = self.stopped.get_or_insert_with(|| Mark::now(world));
        world.ledger.lock().hold_ends(to.at);
        self.at_stop.get_or_insert_with(|| world.roster.counts());
        world.metrics.run_phase(self.phase());
    }

    pub(super) fn phase(&self) -> Phase {
        match (self.ramped, self.stopped) {
            (_, Some(_)) => Phase::Settle,
            (Some(_), None) => Phase::Hold,
            (None, None) => Phase::Ramp,
        }
    }

    pub(super) fn elapsed(&self, now: Stamp) -> Duration {
        now.since(self.started)
    }

    /// Length of the hold so far, and what was carried out in it.
    pub(super) fn hold<D>(&self, world: &World<D>) -> (Duration, [u64; Action::COUNT]) {
        let Some(from) = self.ramped else { return (Duration::ZERO, [0; Action::COUNT]) };
        let to = self.stopped.unwrap_or_else(|| Mark::now(world));
        (to.at.since(from.at), std::array::from_fn(|i| to.done[i].saturating_sub(from.done[i])))
    }

    /// The users: as they were at the stop, once there was one.
    pub(super) fn users(&self, now: UsersSnapshot) -> UsersSnapshot {
        UsersSnapshot { states: self.at_stop.unwrap_or(now.states), ..now }
    }
}

/// What was carried out so far, by action.
fn done<D>(world: &World<D>) -> [u64; Action::COUNT] {
    std::array::from_fn(|i| world.done[i].load(Ordering::Relaxed))
}
