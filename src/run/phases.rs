//! The phases of a run: when it began, reached full load, and stopped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use strum::EnumCount;

use crate::clock::Stamp;
use crate::metrics::snapshot::{LedgerSnapshot, UsersSnapshot};
use crate::model::{Action, UserState};
use crate::report::status::Phase;
use crate::user::RunContext;

/// The phases of a run so far.
#[derive(Debug, Clone)]
pub(crate) struct Phases {
    started: Stamp,
    ramped: Option<Mark>,
    stopped: Option<Mark>,
    /// The ledger's figures when the hold began.
    pub(crate) before_hold: Option<Arc<LedgerSnapshot>>,
    /// States of the users when the stop began.
    pub(crate) at_stop: Option<[u64; UserState::COUNT]>,
}

/// A moment, and the actions carried out before it.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Stamp,
    done: [u64; Action::COUNT],
}

impl Mark {
    fn now<D>(context: &RunContext<D>) -> Self {
        Self { at: context.clock.now(), done: done(context) }
    }
}

impl Phases {
    /// The phases of a run that begins `wait` from now.
    pub(crate) fn begin<D>(context: &RunContext<D>, wait: Duration) -> Self {
        Self { started: context.clock.now().plus(wait), ramped: None, stopped: None, before_hold: None, at_stop: None }
    }

    pub(crate) fn started(&self) -> Stamp {
        self.started
    }

    /// Notes that the hold begins; returns when it began.
    pub(crate) fn ramped<D>(&mut self, context: &RunContext<D>) -> Stamp {
        let from = self.ramped.get_or_insert_with(|| Mark::now(context)).at;
        context.ledger.lock().hold_begins(from);
        self.before_hold.get_or_insert_with(|| Arc::new(context.metrics.ledger()));
        context.metrics.run_phase(self.phase());
        from
    }

    /// Notes that the hold is over; returns when it ended.
    pub(crate) fn stopped<D>(&mut self, context: &RunContext<D>) -> Stamp {
        let to = self.stopped.get_or_insert_with(|| Mark::now(context)).at;
        context.ledger.lock().hold_ends(to);
        self.at_stop.get_or_insert_with(|| context.roster.counts());
        context.metrics.run_phase(self.phase());
        to
    }

    pub(crate) fn phase(&self) -> Phase {
        match (self.ramped, self.stopped) {
            (_, Some(_)) => Phase::Settle,
            (Some(_), None) => Phase::Hold,
            (None, None) => Phase::Ramp,
        }
    }

    /// Time since the stop began; zero before.
    pub(crate) fn stopping(&self, now: Stamp) -> Duration {
        self.stopped.map_or(Duration::ZERO, |stopped| now.since(stopped.at))
    }

    pub(crate) fn elapsed(&self, now: Stamp) -> Duration {
        now.since(self.started)
    }

    /// When the hold began, and when it ended.
    pub(crate) fn held(&self) -> (Option<Stamp>, Option<Stamp>) {
        (self.ramped.map(|mark| mark.at), self.stopped.map(|mark| mark.at))
    }

    /// Length of the hold as of `now`, and the actions carried out in it.
    pub(crate) fn hold<D>(&self, context: &RunContext<D>, now: Stamp) -> (Duration, [u64; Action::COUNT]) {
        let Some(from) = self.ramped else { return (Duration::ZERO, [0; Action::COUNT]) };
        let to = self.stopped.unwrap_or_else(|| Mark { at: now, done: done(context) });
        (to.at.since(from.at), std::array::from_fn(|i| to.done[i].saturating_sub(from.done[i])))
    }

    /// The users' states: `now`, or those at the stop once it has begun.
    pub(crate) fn users(&self, now: UsersSnapshot) -> UsersSnapshot {
        UsersSnapshot { states: self.at_stop.unwrap_or(now.states), ..now }
    }
}

/// Actions carried out so far, by kind.
fn done<D>(context: &RunContext<D>) -> [u64; Action::COUNT] {
    std::array::from_fn(|i| context.done[i].load(Ordering::Relaxed))
}
