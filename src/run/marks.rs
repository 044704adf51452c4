//! Planned disruptions of a run, between `ctl mark begin` and `mark end`: what was counted in them.

use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Stamp;
use crate::metrics::ProcessFigures;
use crate::metrics::totals::Totals;
use crate::report::marked::Marked;
use crate::report::timeline::{Counters, Slice};
use crate::user::RunContext;

/// The planned disruptions of a run.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Whether they are in no threshold.
    is_tolerated: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
    /// Of those that are over.
    seconds: f64,
    counted: Slice,
    /// How many there were.
    many: u32,
}

/// The one that goes on.
#[derive(Debug)]
struct Open {
    text: String,
    began: Stamp,
    before: Counters,
}

impl Marks {
    pub(crate) fn new(is_tolerated: bool) -> Self {
        Self { is_tolerated, state: Mutex::default() }
    }

    /// Whether they are in no threshold.
    pub(crate) fn is_tolerated(&self) -> bool {
        self.is_tolerated
    }

    /// The text of the one that goes on, if one does.
    pub(crate) fn open(&self) -> Option<String> {
        self.state.lock().open.as_ref().map(|open| open.text.clone())
    }

    /// One begins; false where one goes on already.
    pub(crate) fn begin<D>(&self, context: &RunContext<D>, text: &str) -> bool {
        let mut state = self.state.lock();
        if state.open.is_some() {
            return false;
        }
        let before = counters(&context.metrics.totals(&context.metrics.ledger()));
        let began = context.clock.now();
        context.ledger.lock().mark_begins(began);
        context.recoveries.disruption(text.to_owned(), began);
        state.open = Some(Open { text: text.to_owned(), began, before });
        state.many += 1;
        true
    }

    /// It is over: its text, and how long it lasted.
    pub(crate) fn end<D>(&self, context: &RunContext<D>) -> Option<(String, Duration)> {
        let mut state = self.state.lock();
        let Open { text, began, before } = state.open.take()?;
        let ended = context.clock.now();
        context.ledger.lock().mark_ends(ended);
        context.recoveries.disruption_ends();
        let now = counters(&context.metrics.totals(&context.metrics.ledger()));
        state.counted += &now.since(&before);
        state.seconds += ended.since(began).as_secs_f64();
        Some((text, ended.since(began)))
    }

    /// What was counted in them until now, by these counters; `None` where there were none.
    pub(crate) fn counted(&self, totals: &Totals, now: Stamp) -> Option<Marked> {
        let state = self.state.lock();
        if state.many == 0 {
            return None;
        }
        let (mut counted, mut seconds) = (state.counted.clone(), state.seconds);
        if let Some(open) = &state.open {
            counted += &counters(totals).since(&open.before);
            seconds += now.since(open.began).as_secs_f64();
        }
        Some(Marked::of(self.is_tolerated, seconds, &counted))
    }
}

fn counters(totals: &Totals) -> Counters {
    Counters::of(totals, &ProcessFigures::default())
}
