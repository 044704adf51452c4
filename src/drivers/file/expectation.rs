//! A frame that a step waits for, and what is taken of it.

use std::cell::RefCell;
use std::sync::Arc;

use super::matcher::{BoundMatcher, Matcher, MatcherSlots, QueryResults, QuerySet};
use super::source::{Buffers, Response, Source};
use super::template::{Captured, Values};

/// A value to be captured.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Its name.
    pub name: Box<str>,
    /// Where it is kept.
    pub slot: u16,
    /// Where it is found.
    pub source: Source,
}

/// A capture that failed: the value is missing, `null`, or too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCaptured {
    /// The capture's name.
    pub name: Box<str>,
    /// Whether a value was there, and too long.
    pub too_long: bool,
}

impl std::fmt::Display for NotCaptured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = if self.too_long { "is longer than 16 KiB" } else { "is missing or null" };
        write!(f, "the value of {} {why}", self.name)
    }
}

/// Takes captures of an answer over HTTP, or of a program's output.
///
/// # Errors
/// The first that is missing or too long.
pub fn capture_response(captures: &[Capture], answer: Response<'_>, into: &mut Captured) -> Result<(), NotCaptured> {
    captures.iter().try_for_each(|capture| keep(capture, capture.source.read_response(answer).as_deref(), into))
}

/// Keeps a captured value.
pub(super) fn keep(capture: &Capture, value: Option<&str>, into: &mut Captured) -> Result<(), NotCaptured> {
    let kept = value.is_some_and(|value| into.set(capture.slot, value));
    if kept { Ok(()) } else { Err(NotCaptured { name: capture.name.clone(), too_long: value.is_some() }) }
}

/// What a step waits for.
#[derive(Debug)]
pub struct Expectation {
    /// The frame.
    pub matcher: Matcher,
    queries: QuerySet,
    places: MatcherSlots,
    captures: Vec<Capture>,
}

impl Expectation {
    pub(super) fn new(matcher: Matcher, queries: QuerySet, places: MatcherSlots, captures: Vec<Capture>) -> Self {
        Self { matcher, queries, places, captures }
    }

    /// Puts in the values of this moment; `None` where one is missing.
    #[must_use]
    pub fn bind(self: Arc<Self>, values: &Values<'_>) -> Option<BoundExpectation> {
        let bound = self.matcher.bind(&self.places, values).ok()?;
        Some(BoundExpectation { expectation: self, bound })
    }

    /// Whether a text is what is expected, with the values of this moment.
    #[must_use]
    pub fn is_met_by(self: Arc<Self>, text: &str, values: &Values<'_>) -> bool {
        self.bind(values).is_some_and(|awaited| awaited.is_match(text))
    }
}

thread_local! {
    static RESULTS: RefCell<QueryResults> = RefCell::default();
}

/// An expectation with values, ready for frames.
#[derive(Debug)]
pub struct BoundExpectation {
    expectation: Arc<Expectation>,
    bound: BoundMatcher,
}

impl BoundExpectation {
    /// Whether a frame is the one that is waited for.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        RESULTS.with_borrow_mut(|results| {
            results.begin(&self.expectation.queries);
            self.bound.is_match(text, &self.expectation.queries, results)
        })
    }

    /// Takes the captures of a frame that matched.
    ///
    /// # Errors
    /// The first that is missing, `null` or too long.
    pub fn capture(&self, text: &str, into: &mut Captured) -> Result<(), NotCaptured> {
        let Expectation { queries, captures, .. } = &*self.expectation;
        RESULTS.with_borrow_mut(|results| {
            results.begin(queries);
            // Once more, so that pointers and groups are those of this frame.
            self.bound.is_match(text, queries, results);
            let frame = self.bound.frame(text, queries, results);
            let mut buffers = Buffers::default();
            captures.iter().try_for_each(|capture| {
                let value = frame.and_then(|frame| capture.source.read(frame, &mut buffers));
                keep(capture, value, into)
            })
        })
    }
}
