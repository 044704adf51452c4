//! The windows of a run in progress: judges cells when they are over, and when their deliveries have
//! verdicts.

use super::cell::{Cell, Digest};
use super::rows::in_words;
use super::windows::{Engine, Turn};
use crate::model::{Rule, RuleOption, Rules, WINDOW_STEP};
use crate::report::judgement::RuleWindows;
use crate::report::numbers::clock;
use crate::report::timeline::Slice;

/// Maximum number of events per rule; it may begin to hold and stop more often.
const MOST_TURNS: u32 = 50;

/// Judges the windows of a run in progress.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Rules whose metrics are final when a cell is over.
    prompt: Stage,
    /// Rules about deliveries.
    judged: Stage,
    /// Events so far by rule.
    told: Vec<(Rule, u32)>,
}

/// An engine, and the time up to which it has judged.
#[derive(Debug, Clone)]
struct Stage {
    engine: Engine,
    until: u64,
}

/// A rule with windows began to hold, or no longer holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Crossing {
    /// The rule's option.
    pub option: RuleOption,
    /// The rule.
    pub rule: Rule,
    /// Whether it holds now.
    pub holds: bool,
    /// The metric and its sample size; `None` if there was too little to judge.
    pub found: Option<(f64, u64)>,
    /// When the window ended, in seconds since 1970-01-01T00:00:00Z.
    pub at: u64,
    /// What happened, in words.
    pub text: String,
}

impl Watch {
    /// A watch that has not judged anything yet.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        let of = |needs_verdicts: bool| {
            let rules = rules.all().filter(move |(_, rule)| rule.metric.needs_verdicts() == needs_verdicts);
            Stage { engine: Engine::new(rules, WINDOW_STEP.as_secs()), until: 0 }
        };
        Self { prompt: of(false), judged: of(true), told: Vec::new() }
    }

    /// Whether no rule has windows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prompt.engine.is_empty() && self.judged.engine.is_empty()
    }

    /// Cells that begin earlier, in seconds since 1970-01-01T00:00:00Z, need not be shown again.
    #[must_use]
    pub fn until(&self) -> u64 {
        let of = |stage: &Stage| if stage.engine.is_empty() { u64::MAX } else { stage.until };
        of(&self.prompt).min(of(&self.judged))
    }

    /// Judges the cells that are over, in order of time, each with whether all of its deliveries have a
    /// verdict. Cells may be passed again: each is judged once.
    pub fn look<'a>(&mut self, cells: impl Iterator<Item = (&'a Slice, Cell, bool)>) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        let mut is_judged = true;
        for (slice, cell, judged) in cells {
            is_judged &= judged;
            self.prompt.look(slice, cell, &mut crossings);
            if is_judged {
                self.judged.look(slice, cell, &mut crossings);
            }
        }
        crossings.retain(|crossing| self.is_told(&crossing.rule));
        crossings
    }

    /// Counts an event of a rule; false if there were too many.
    fn is_told(&mut self, rule: &Rule) -> bool {
        match self.told.iter_mut().find(|(known, _)| known == rule) {
            Some((_, told)) => {
                *told = told.saturating_add(1);
                *told <= MOST_TURNS
            }
            None => {
                self.told.push((rule.clone(), 1));
                true
            }
        }
    }

    /// The findings of each rule so far.
    #[must_use]
    pub fn findings(&self) -> Vec<RuleWindows> {
        [self.prompt.engine.findings(), self.judged.engine.findings()].concat()
    }
}

impl Stage {
    fn look(&mut self, slice: &Slice, cell: Cell, crossings: &mut Vec<Crossing>) {
        if slice.start < self.until {
            return;
        }
        let digest = Digest::of(slice, cell);
        self.until = digest.end;
        let at = digest.end;
        crossings.extend(self.engine.look(digest).into_iter().map(|turn| crossing(&turn, at)));
    }
}

fn crossing(turn: &Turn<'_>, at: u64) -> Crossing {
    let rule = turn.rule;
    let text = match turn.found {
        Some(found) => {
            let is = if turn.holds { "holds" } else { "no longer holds" };
            let (from, to) = (clock(found.began), clock(found.ended));
            format!("{rule} {is}: {} from {from} to {to}", in_words(rule, found.value))
        }
        None => format!("{rule} can no longer be judged: too little happens"),
    };
    let found = turn.found.map(|found| (found.value, found.n));
    Crossing { option: turn.option, rule: rule.clone(), holds: turn.holds, found, at, text }
}
