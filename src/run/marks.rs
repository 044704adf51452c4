//! Planned disruptions of a run, between `ctl mark begin` and `mark end`: what was counted in them.

use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Stamp;
use crate::metrics::ProcessFigures;
use crate::metrics::totals::Totals;
use crate::model::UserState;
use crate::report::disruptions::{Disruption, MOST_DISRUPTIONS};
use crate::report::marked::Marked;
use crate::report::timeline::{Counters, Slice};
use crate::user::RunContext;

/// The planned disruptions of a run.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Whether thresholds leave them out.
    is_tolerated: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
    /// Total length of the ended ones, in seconds.
    seconds: f64,
    counted: Slice,
    /// The first of those.
    each: Vec<Disruption>,
    /// How many there were.
    many: usize,
}

/// The one in progress.
#[derive(Debug)]
struct Open {
    text: String,
    /// The same moment, the second in seconds since 1970.
    began: Stamp,
    at: f64,
    before: Counters,
}

impl Open {
    /// What was counted in it until now.
    fn counted(&self, counters: &Counters, now: Stamp) -> (Disruption, Slice) {
        let counted = counters.since(&self.before);
        (Disruption::of(&self.text, self.at, now.since(self.began).as_secs_f64(), &counted), counted)
    }
}

impl Marks {
    pub(crate) fn new(is_tolerated: bool) -> Self {
        Self { is_tolerated, state: Mutex::default() }
    }

    /// Whether thresholds leave them out.
    pub(crate) fn is_tolerated(&self) -> bool {
        self.is_tolerated
    }

    /// The text and start, in seconds since 1970, of the one in progress; `None` if there is none.
    pub(crate) fn open(&self) -> Option<(String, f64)> {
        self.state.lock().open.as_ref().map(|open| (open.text.clone(), open.at))
    }

    /// Start and end of each, in seconds since 1970; the end of one in progress is infinite.
    pub(crate) fn spans(&self) -> Vec<(f64, f64)> {
        let state = self.state.lock();
        let over = state.each.iter().map(|one| (one.at, one.end()));
        over.chain(state.open.as_ref().map(|open| (open.at, f64::INFINITY))).collect()
    }

    /// Starts one now, `at` in seconds since 1970; false if one is already in progress.
    pub(crate) fn begin<D>(&self, context: &RunContext<D>, text: &str, at: f64) -> bool {
        let mut state = self.state.lock();
        if state.open.is_some() {
            return false;
        }
        let before = counters(&context.metrics.totals(&context.metrics.ledger()));
        let began = context.clock.now();
        context.ledger.lock().mark_begins(began);
        let held = context.roster.counts()[UserState::Connected as usize];
        context.recoveries.disruption(text.to_owned(), began, held);
        state.open = Some(Open { text: text.to_owned(), began, at, before });
        state.many += 1;
        true
    }

    /// Ends the one in progress; returns its text and how long it lasted.
    pub(crate) fn end<D>(&self, context: &RunContext<D>) -> Option<(String, Duration)> {
        let mut state = self.state.lock();
        let open = state.open.take()?;
        let ended = context.clock.now();
        context.ledger.lock().mark_ends(ended);
        context.recoveries.disruption_ends();
        let now = counters(&context.metrics.totals(&context.metrics.ledger()));
        let (one, counted) = open.counted(&now, ended);
        state.counted += &counted;
        state.seconds += one.seconds;
        if state.each.len() < MOST_DISRUPTIONS {
            state.each.push(one);
        }
        Some((open.text, ended.since(open.began)))
    }

    /// What was counted in them until now, by these counters; `None` if there were none.
    pub(crate) fn counted(&self, totals: &Totals, now: Stamp) -> Option<Marked> {
        let state = self.state.lock();
        if state.many == 0 {
            return None;
        }
        let (mut counted, mut seconds, mut each) = (state.counted.clone(), state.seconds, state.each.clone());
        if let Some(open) = &state.open {
            let (one, more) = open.counted(&counters(totals), now);
            counted += &more;
            seconds += one.seconds;
            if each.len() < MOST_DISRUPTIONS {
                each.push(Disruption { open: true, ..one });
            }
        }
        Some(Marked { each, ..Marked::of(self.is_tolerated, seconds, &counted) })
    }
}

fn counters(totals: &Totals) -> Counters {
    Counters::of(totals, &ProcessFigures::default())
}
