//! Windows that slide over cells, and the worst of each rule.

use std::collections::VecDeque;
use std::time::Duration;

use super::cell::{Cell, Digest, Sums};
use super::figure::is_beyond;
use crate::model::{Rule, RuleOption};
use crate::report::judgement::{At, RuleWindows, WorstWindow};
use crate::report::timeline::Slice;

/// Judges every window of some rules, from cells in order of time. Each cell costs one figure per rule, and
/// an addition and a subtraction per length of window.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The length of a cell, in seconds.
    seconds: u64,
    rules: Vec<Tracked>,
    lengths: Vec<Sliding>,
    /// The contiguous cells of the longest window.
    cells: VecDeque<Digest>,
}

/// The sums of the newest cells, as many as one length of window has.
#[derive(Debug, Clone)]
struct Sliding {
    cells: usize,
    sums: Sums,
}

/// A rule and its findings so far.
#[derive(Debug, Clone)]
struct Tracked {
    option: RuleOption,
    rule: Rule,
    /// Index of its length in `lengths`.
    length: usize,
    windows: u64,
    judged: u64,
    worst: Option<Found>,
    /// Whether it holds in the newest window.
    holds: bool,
}

/// A metric's value in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub(super) value: f64,
    pub(super) n: u64,
    pub(super) began: u64,
    pub(super) ended: u64,
}

/// A rule began to hold, or no longer holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turn<'a> {
    pub(super) option: RuleOption,
    pub(super) rule: &'a Rule,
    /// The metric in the newest window; `None` if there was too little to judge.
    pub(super) found: Option<Found>,
    pub(super) holds: bool,
}

impl Engine {
    /// An engine that has not judged anything yet. Rules without windows are left out; windows that are not
    /// whole cells of `seconds` are lengthened.
    #[must_use]
    pub fn new<'a>(rules: impl Iterator<Item = (RuleOption, &'a Rule)>, seconds: u64) -> Self {
        let mut this = Self { seconds: seconds.max(1), rules: Vec::new(), lengths: Vec::new(), cells: VecDeque::new() };
        for (option, rule) in rules {
            let Some(window) = rule.window else { continue };
            let length = this.length(window);
            let (windows, judged, worst, holds) = (0, 0, None, false);
            this.rules.push(Tracked { option, rule: rule.clone(), length, windows, judged, worst, holds });
        }
        this
    }

    /// The index of a length in `lengths`.
    fn length(&mut self, window: Duration) -> usize {
        let cells = usize::try_from(window.as_secs().div_ceil(self.seconds)).unwrap_or(usize::MAX).max(1);
        if let Some(place) = self.lengths.iter().position(|length| length.cells == cells) {
            return place;
        }
        self.lengths.push(Sliding { cells, sums: Sums::default() });
        self.lengths.len() - 1
    }

    /// Whether there are no rules to judge.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Takes the next slice.
    pub fn push(&mut self, slice: &Slice, cell: Cell) {
        self.look(Digest::of(slice, cell));
    }

    /// Takes the next cell; returns the rules that began to hold in the window that ends with it, or no longer
    /// hold.
    pub(super) fn look(&mut self, cell: Digest) -> Vec<Turn<'_>> {
        if !cell.held || self.cells.back().is_some_and(|last| last.end != cell.start) {
            self.cells.clear();
            self.lengths.iter_mut().for_each(|length| length.sums = Sums::default());
        }
        if !cell.held {
            return Vec::new();
        }
        self.cells.push_back(cell);
        let longest = self.lengths.iter().map(|length| length.cells).max().unwrap_or(0);
        for length in &mut self.lengths {
            if let Some(newest) = self.cells.back() {
                length.sums.add(&newest.sums);
            }
            let gone = self.cells.len().checked_sub(length.cells + 1).and_then(|place| self.cells.get(place));
            if let Some(gone) = gone {
                length.sums.subtract(&gone.sums);
            }
        }
        while self.cells.len() > longest {
            self.cells.pop_front();
        }
        let (cells, lengths, seconds) = (&self.cells, &self.lengths, self.seconds);
        self.rules.iter_mut().filter_map(|tracked| tracked.look(cells, lengths.get(tracked.length)?, seconds)).collect()
    }

    /// The findings of each rule.
    #[must_use]
    pub fn findings(&self) -> Vec<RuleWindows> {
        let finding = |tracked: &Tracked| RuleWindows {
            rule: tracked.rule.clone(),
            windows: tracked.windows,
            judged: tracked.judged,
            worst: tracked.worst.map(|Found { value, n, began, ended }| WorstWindow {
                value,
                n,
                at: At::between(began, ended),
            }),
        };
        self.rules.iter().map(finding).collect()
    }
}

impl Tracked {
    /// Judges the newest window, if it is complete; returns whether the rule began to hold or no longer holds.
    fn look(&mut self, cells: &VecDeque<Digest>, length: &Sliding, seconds: u64) -> Option<Turn<'_>> {
        let first = cells.get(cells.len().checked_sub(length.cells)?)?;
        let (began, ended) = (first.start, cells.back()?.end);
        self.windows = self.windows.saturating_add(1);
        let figure = length.sums.figure(&self.rule, seconds);
        let value = figure.value.filter(|_| figure.is_enough(&self.rule));
        let found = value.map(|value| Found { value, n: figure.n, began, ended });
        if let Some(found) = found {
            self.judged = self.judged.saturating_add(1);
            let is_worse = |worst: &Found| self.rule.side.is_beyond(found.value, worst.value);
            if self.worst.as_ref().is_none_or(is_worse) {
                self.worst = Some(found);
            }
        }
        let holds = found.is_some_and(|found| is_beyond(&self.rule, found.value));
        let turned = holds != self.holds;
        self.holds = holds;
        turned.then_some(Turn { option: self.option, rule: &self.rule, found, holds })
    }
}
