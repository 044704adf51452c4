//! A frame that a step waits for, and the values captured from it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use super::matcher::{BoundMatcher, Matcher, MatcherSlots, QueryResults, QuerySet};
use super::source::{Buffers, Response, Source};
use super::template::{Captured, Values};

/// Most characters shown of an unexpected frame.
const SHOWN: usize = 80;

/// A value to capture.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Its name.
    pub name: Box<str>,
    /// The slot that keeps it.
    pub slot: u16,
    /// Its source.
    pub source: Source,
}

/// A failed capture: the value is missing, `null`, or too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCaptured {
    /// The capture's name.
    pub name: Box<str>,
    /// Whether the value was too long, rather than missing.
    pub too_long: bool,
}

impl std::fmt::Display for NotCaptured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = if self.too_long { "is longer than 16 KiB" } else { "is missing or null" };
        write!(f, "the value of {} {why}", self.name)
    }
}

/// Captures values from an HTTP answer, or from a program's output.
///
/// # Errors
/// The first value that is missing or too long.
pub fn capture_response(captures: &[Capture], answer: Response<'_>, into: &mut Captured) -> Result<(), NotCaptured> {
    captures.iter().try_for_each(|capture| keep(capture, capture.source.read_response(answer).as_deref(), into))
}

/// Stores a captured value.
pub(super) fn keep(capture: &Capture, value: Option<&str>, into: &mut Captured) -> Result<(), NotCaptured> {
    let kept = value.is_some_and(|value| into.set(capture.slot, value));
    if kept { Ok(()) } else { Err(NotCaptured { name: capture.name.clone(), too_long: value.is_some() }) }
}

/// A frame that a step waits for.
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

    /// The values captured from the frame.
    #[must_use]
    pub fn captures(&self) -> &[Capture] {
        &self.captures
    }

    /// Binds the current values; `None` if one is missing.
    #[must_use]
    pub fn bind(self: Arc<Self>, values: &Values<'_>) -> Option<BoundExpectation> {
        let bound = self.matcher.bind(&self.places, values).ok()?;
        Some(BoundExpectation { expectation: self, bound })
    }

    /// What was expected, and the shortened frame that came instead. The caller must mask secrets in `got`.
    #[must_use]
    pub fn unmet(&self, values: &Values<'_>, got: Option<&str>) -> String {
        let expected = self.matcher.describe(values);
        match got {
            None => format!("expected {expected}, got nothing"),
            Some(got) => format!("expected {expected}, got {:?}", shortened(got)),
        }
    }

    /// Whether a text is the expected one, with the current values.
    #[must_use]
    pub fn is_met_by(self: Arc<Self>, text: &str, values: &Values<'_>) -> bool {
        self.bind(values).is_some_and(|awaited| awaited.is_match(text))
    }
}

/// The start of a text, for people.
#[must_use]
pub fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        None => Cow::Borrowed(text),
        Some((at, _)) => Cow::Owned(format!("{}…", text.get(..at).unwrap_or_default())),
    }
}

thread_local! {
    static RESULTS: RefCell<QueryResults> = RefCell::default();
}

/// An expectation with values, ready to match frames.
#[derive(Debug)]
pub struct BoundExpectation {
    expectation: Arc<Expectation>,
    bound: Arc<BoundMatcher>,
}

impl BoundExpectation {
    /// Whether a frame is the expected one.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        RESULTS.with_borrow_mut(|results| {
            results.begin(&self.expectation.queries);
            self.bound.is_match(text, &self.expectation.queries, results)
        })
    }

    /// Captures values from a frame that matched.
    ///
    /// # Errors
    /// The first value that is missing, `null` or too long.
    pub fn capture(&self, text: &str, into: &mut Captured) -> Result<(), NotCaptured> {
        let Expectation { queries, captures, .. } = &*self.expectation;
        RESULTS.with_borrow_mut(|results| {
            results.begin(queries);
            // Match again, so that pointers and groups are those of this frame.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::file::ParseOptions;
    use crate::drivers::file::description::Action;
    use crate::drivers::file::parse::parse;

    const FILE: &str = r#"schema = 1
[socket]
url = "{{ws}}/"
[[join]]
expect = { prefix = "4{{seq}}" }
capture = { sid = "json:/sid", all = "frame" }
[message]
send = "{{text}}{{sid}}{{all}}"
[[message.received]]
match = { any = true }
text = "frame"
"#;

    fn with<T>(seq: u64, then: impl FnOnce(&Arc<Expectation>, &Values<'_>) -> T) -> T {
        let description = parse("my.toml", FILE, &ParseOptions::default()).unwrap();
        let Action::Frames { expect: Some(expect), .. } = &description.join[0].action else { panic!("no frame") };
        let none = Captured::default();
        then(
            expect,
            &Values {
                user: "u",
                password: "p",
                index: 0,
                room: "r",
                base: "",
                ws: "",
                run: "",
                text: None,
                seq: Some(seq),
                columns: &[],
                session: &none,
                connection: &none,
                local: &none,
            },
        )
    }

    #[test]
    fn what_came_instead_is_reported() {
        let told = |got: Option<&str>| with(0, |expect, values| expect.unmet(values, got));
        assert_eq!(told(Some("44{\"a\"")), "expected prefix \"40\", got \"44{\\\"a\\\"\"");
        assert_eq!(told(None), "expected prefix \"40\", got nothing");
        assert!(told(Some(&"é".repeat(500))).ends_with(&format!("got \"{}…\"", "é".repeat(SHOWN))));
    }

    #[test]
    fn seq_is_that_of_the_moment() {
        let meets = |seq, text| with(seq, |expect, values| Arc::clone(expect).is_met_by(text, values));
        assert!(meets(0, "40") && meets(12, "412{}") && !meets(1, "40"));
    }

    #[test]
    fn captures_are_all_there_or_named() {
        let capture = |text: &str| {
            let mut captured = Captured::default();
            let bound = with(0, |expect, values| Arc::clone(expect).bind(values)).unwrap();
            assert!(bound.is_match(text));
            let outcome = bound.capture(text, &mut captured).map_err(|e| e.to_string());
            outcome.map(|()| captured.iter().map(|(_, text)| text.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(capture("40{\"sid\": 1.50}").unwrap(), ["1.50", "40{\"sid\": 1.50}"]);
        for missing in ["40{\"sid\": null}", "40{}", "40"] {
            assert_eq!(capture(missing).unwrap_err(), "the value of sid is missing or null");
        }
        let long = format!("40{{\"sid\": \"{}\"}}", "x".repeat(Captured::LONGEST + 1));
        assert_eq!(capture(&long).unwrap_err(), "the value of sid is longer than 16 KiB");
    }
}
