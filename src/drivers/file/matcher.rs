//! Selects the frames of a rule: every key of a matcher must match.
//!
//! A [`Matcher`] comes from the file; a `BoundMatcher` also has the values of a connection and is ready for frames.
//! Cheap keys are checked first, so that a frame with a different prefix is never parsed. No I/O.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use memchr::memmem::Finder;

use super::json::{self, Found, Pointer, Query};
use super::pattern::{Groups, Pattern};
use super::source::Frame;
use super::template::{Missing, Template, ValueRef, Values};

/// A matcher of the file.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    pub(super) equals: Option<Template>,
    pub(super) prefix: Option<Template>,
    pub(super) contains: Option<Template>,
    /// The pattern; its values are already quoted.
    pub(super) regex: Option<Template>,
    pub(super) json: Vec<(Box<str>, Pointer, Expected)>,
    pub(super) has: Vec<(Box<str>, Pointer)>,
}

/// The value that a pointer must find, compared by type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expected {
    Text(Template),
    Integer(i64),
    Float(f64),
    Boolean(bool),
}

/// A query, and the prefix after which it reads.
#[derive(Debug, Clone, Default)]
pub(super) struct PrefixQuery {
    prefix: Option<Template>,
    pub(super) query: Query,
}

/// The queries of a set of matchers; matchers with the same prefix share one.
#[derive(Debug, Clone, Default)]
pub(super) struct QuerySet(Vec<PrefixQuery>);

impl QuerySet {
    /// The index of a query after `prefix` with room for more pointers.
    pub(super) fn behind(&mut self, prefix: Option<&Template>) -> usize {
        let known = self.0.iter().position(|query| query.prefix.as_ref() == prefix);
        known.unwrap_or_else(|| {
            self.0.push(PrefixQuery { prefix: prefix.cloned(), query: Query::default() });
            self.0.len() - 1
        })
    }

    /// The slot of a pointer in a query; `None` if there are too many.
    pub(super) fn slot(&mut self, query: usize, pointer: &Pointer) -> Option<usize> {
        self.0.get_mut(query)?.query.add(pointer)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A matcher's slots in the queries of its set, and its bound form if it takes no values.
#[derive(Debug, Clone, Default)]
pub(super) struct MatcherSlots {
    constant: OnceLock<Arc<BoundMatcher>>,
    query: usize,
    json: Vec<usize>,
    has: Vec<usize>,
}

impl Matcher {
    /// Enters the pointers into the queries of a set; `None` if there are too many.
    pub(super) fn enter(&self, queries: &mut QuerySet) -> Option<MatcherSlots> {
        let query = queries.behind(self.prefix.as_ref());
        let mut slots = |pointer: &Pointer| queries.slot(query, pointer);
        let json = self.json.iter().map(|(_, pointer, _)| slots(pointer)).collect::<Option<_>>()?;
        let has = self.has.iter().map(|(_, pointer)| slots(pointer)).collect::<Option<_>>()?;
        Some(MatcherSlots { query, json, has, constant: OnceLock::new() })
    }

    /// The pattern, compiled with a letter for each value, to check it and to find its groups.
    pub(super) fn sample(&self) -> Option<Result<Pattern, String>> {
        self.regex.as_ref().map(|regex| Pattern::new(&regex.sample_pattern()))
    }

    /// Calls `each` with every template and every value in it.
    pub(super) fn templates(&self, each: &mut dyn FnMut(&Template)) {
        let texts = [&self.equals, &self.prefix, &self.contains, &self.regex].into_iter().flatten();
        texts.for_each(&mut *each);
        for (_, _, expected) in &self.json {
            if let Expected::Text(template) = expected {
                each(template);
            }
        }
    }

    /// Calls `each` for every value that it takes.
    pub(super) fn slots(&self, each: &mut dyn FnMut(ValueRef)) {
        self.templates(&mut |template| template.slots(each));
    }

    /// Binds values; a matcher that takes none is bound only once.
    ///
    /// # Errors
    /// A value that is missing (yet), or one that makes a pattern too large.
    pub(super) fn bind(&self, places: &MatcherSlots, values: &Values<'_>) -> Result<Arc<BoundMatcher>, BindError> {
        if let Some(known) = places.constant.get() {
            return Ok(Arc::clone(known));
        }
        let bound = Arc::new(self.with_values(places, values)?);
        let mut takes = false;
        self.slots(&mut |_| takes = true);
        Ok(if takes { bound } else { Arc::clone(places.constant.get_or_init(|| bound)) })
    }

    fn with_values(&self, places: &MatcherSlots, values: &Values<'_>) -> Result<BoundMatcher, BindError> {
        let text = |template: &Option<Template>| template.as_ref().map(|t| rendered(t, values)).transpose();
        let pattern = match &self.regex {
            None => None,
            Some(regex) => {
                let mut pattern = String::new();
                regex.render(values, &mut pattern)?;
                Some(Pattern::shared(&pattern).map_err(|_| BindError::Pattern)?)
            }
        };
        let json = self.json.iter().zip(&places.json).map(|((_, _, expected), slot)| {
            Ok((
                *slot,
                match expected {
                    Expected::Text(template) => Wanted::Text(rendered(template, values)?),
                    Expected::Integer(number) => Wanted::Integer(*number),
                    Expected::Float(number) => Wanted::Float(*number),
                    Expected::Boolean(on) => Wanted::Boolean(*on),
                },
            ))
        });
        Ok(BoundMatcher {
            equals: text(&self.equals)?,
            prefix: text(&self.prefix)?.unwrap_or_default(),
            contains: text(&self.contains)?.map(|text| Finder::new(text.as_bytes()).into_owned()),
            pattern,
            query: places.query,
            json: json.collect::<Result<_, Missing>>()?,
            has: places.has.clone(),
        })
    }

    /// The expected frame, in words, without secrets.
    #[must_use]
    pub fn describe(&self, values: &Values<'_>) -> String {
        let mut parts = Vec::new();
        let shown = |template: &Template| {
            let mut text = String::new();
            template.render_masked(values, &mut text);
            text
        };
        let texts = [("equals", &self.equals), ("prefix", &self.prefix), ("contains", &self.contains)];
        for (name, template) in texts.into_iter().chain([("regex", &self.regex)]) {
            parts.extend(template.as_ref().map(|template| format!("{name} {:?}", shown(template))));
        }
        for (pointer, _, expected) in &self.json {
            let mut part = format!("json {pointer} = ");
            // Writing to a string cannot fail.
            let _ = match expected {
                Expected::Text(template) => write!(part, "{:?}", shown(template)),
                Expected::Integer(number) => write!(part, "{number}"),
                Expected::Float(number) => write!(part, "{number}"),
                Expected::Boolean(on) => write!(part, "{on}"),
            };
            parts.push(part);
        }
        parts.extend(self.has.iter().map(|(pointer, _)| format!("has {pointer}")));
        if parts.is_empty() { "any frame".to_owned() } else { parts.join(" and ") }
    }
}

fn rendered(template: &Template, values: &Values<'_>) -> Result<Box<str>, Missing> {
    let mut text = String::new();
    template.render(values, &mut text)?;
    Ok(text.into())
}

/// Why a matcher cannot be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BindError {
    /// A value is missing (yet).
    Missing(Missing),
    /// With its values the pattern is too large.
    Pattern,
}

impl From<Missing> for BindError {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

/// A matcher with values, ready to match frames.
#[derive(Debug)]
pub(super) struct BoundMatcher {
    equals: Option<Box<str>>,
    prefix: Box<str>,
    contains: Option<Finder<'static>>,
    pattern: Option<Arc<Pattern>>,
    query: usize,
    json: Vec<(usize, Wanted)>,
    has: Vec<usize>,
}

#[derive(Debug)]
enum Wanted {
    Text(Box<str>),
    Integer(i64),
    Float(f64),
    Boolean(bool),
}

/// The values looked up in the current frame; emptied for each frame.
#[derive(Debug, Default)]
pub(super) struct QueryResults {
    queries: Vec<(QueryState, Found)>,
    groups: Groups,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueryState {
    Unread,
    NotJson,
    Read,
}

impl QueryResults {
    /// Forgets the previous frame; `queries` are those of the rules to match.
    pub(super) fn begin(&mut self, queries: &QuerySet) {
        self.queries.iter_mut().for_each(|(state, _)| *state = QueryState::Unread);
        if self.queries.len() < queries.len() {
            self.queries.resize_with(queries.len(), || (QueryState::Unread, Found::default()));
        }
    }
}

impl QueryResults {
    /// What a query found in the current frame, if it was run and the frame is JSON.
    pub(super) fn found(&self, query: usize) -> Option<&Found> {
        self.queries.get(query).filter(|(state, _)| *state == QueryState::Read).map(|(_, found)| found)
    }
}

impl BoundMatcher {
    /// Whether a frame matches.
    pub(super) fn is_match(&self, text: &str, queries: &QuerySet, results: &mut QueryResults) -> bool {
        let Some(behind) = text.strip_prefix(&*self.prefix) else { return false };
        self.equals.as_ref().is_none_or(|whole| **whole == *text)
            && self.contains.as_ref().is_none_or(|part| part.find(text.as_bytes()).is_some())
            && self.pattern.as_ref().is_none_or(|pattern| pattern.search(text, &mut results.groups))
            && (!self.looks_into_json() || self.fits(behind, queries, results))
    }

    /// The frame for sources, after [`is_match`](Self::is_match) returned true.
    pub(super) fn frame<'a>(
        &self,
        text: &'a str,
        queries: &QuerySet,
        results: &'a mut QueryResults,
    ) -> Option<Frame<'a>> {
        let offset = self.prefix.len();
        let _ = self.look(text.get(offset..)?, queries, results);
        let (_, found) = results.queries.get(self.query)?;
        Some(Frame { text, offset, found, groups: &results.groups })
    }

    /// Whether it reads only the start of a frame and values by pointer.
    pub(super) fn is_structural(&self) -> bool {
        self.contains.is_none() && self.pattern.is_none()
    }

    /// Number of bytes at the start of a frame that it reads; for a whole frame one more, since a longer frame differs.
    pub(super) fn fixed_bytes(&self) -> usize {
        self.prefix.len().max(self.equals.as_ref().map_or(0, |whole| whole.len() + 1))
    }

    /// Whether it looks up values by pointer.
    pub(super) fn looks_into_json(&self) -> bool {
        !self.json.is_empty() || !self.has.is_empty()
    }

    /// The index of its query.
    pub(super) fn query(&self) -> usize {
        self.query
    }

    /// Start of the JSON in a frame, in bytes.
    pub(super) fn offset(&self) -> usize {
        self.prefix.len()
    }

    /// The slots of the values that it compares.
    pub(super) fn compared(&self) -> impl Iterator<Item = usize> {
        self.json.iter().map(|(slot, _)| *slot)
    }

    fn fits(&self, behind: &str, queries: &QuerySet, results: &mut QueryResults) -> bool {
        let Some(found) = self.look(behind, queries, results) else { return false };
        self.has.iter().all(|slot| found.range(*slot).is_some())
            && self.json.iter().all(|(slot, wanted)| found.get(behind, *slot).is_some_and(|raw| wanted.is(raw)))
    }

    /// Runs the query on the text after the prefix, unless another rule has done so.
    fn look<'l>(&self, behind: &str, queries: &QuerySet, results: &'l mut QueryResults) -> Option<&'l Found> {
        let (state, found) = results.queries.get_mut(self.query)?;
        if *state == QueryState::Unread {
            let read = queries.0.get(self.query)?.query.run(behind, found);
            *state = if read { QueryState::Read } else { QueryState::NotJson };
            if !read {
                found.clear();
            }
        }
        (*state == QueryState::Read).then_some(found)
    }
}

impl Wanted {
    fn is(&self, raw: &str) -> bool {
        match self {
            Self::Text(text) => json::equals(raw, text),
            Self::Boolean(on) => raw == if *on { "true" } else { "false" },
            Self::Integer(number) => match raw.parse::<i64>() {
                Ok(read) => read == *number,
                Err(_) => is_number(raw) && raw.parse() == Ok(*number as f64),
            },
            Self::Float(number) => is_number(raw) && raw.parse() == Ok(*number),
        }
    }
}

/// Whether a raw value is a number: Rust also accepts `inf`, which is not JSON.
fn is_number(raw: &str) -> bool {
    raw.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

#[cfg(test)]
mod tests;
