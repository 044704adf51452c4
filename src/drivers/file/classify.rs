//! Finds the meaning of a frame by the rules of a file, in their order of precedence.
//!
//! The order is refusal, reply, the waiting step, received, members, frame; within a table the first matching rule
//! wins. A text that this thread has just read keeps its meaning and is not parsed again. Nothing is allocated per
//! frame.

mod known;
mod message;
mod structure;
mod tables;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use memchr::memmem;

use self::structure::{Places, Structure};
pub use self::tables::Meaning;
pub(super) use self::tables::{Members, Received, Reply, Rule, RuleTables};
use super::expectation::{BoundExpectation, NotCaptured, keep};
use super::json::{self, Found};
use super::matcher::{BoundMatcher, QueryResults};
use super::outcome::Outcome;
use super::shape::Shapes;
use super::source::{Buffers, Frame};
use super::template::{Captured, ValueRef, Values};
use crate::marker::{Marker, PREFIX};
use crate::model::MemberChange;

/// The rules of a file.
#[derive(Debug)]
pub struct FrameRules {
    pub(super) tables: RuleTables,
    bound: Mutex<HashMap<Box<str>, Weak<BoundFrameRules>>>,
}

impl FrameRules {
    /// Rules without values of a connection.
    pub(super) fn new(tables: RuleTables) -> Self {
        Self { tables, bound: Mutex::default() }
    }

    /// The failure of a refusal.
    #[must_use]
    pub fn refusal(&self, rule: usize) -> Option<&Outcome> {
        self.tables.refusals.get(rule).map(|(_, outcome)| outcome)
    }

    /// The failure of a close code, if the file names one.
    #[must_use]
    pub fn close(&self, code: u16) -> Option<&Outcome> {
        self.tables.closes.iter().find(|(known, _)| *known == code).map(|(_, outcome)| outcome)
    }

    /// The name of an additional kind of frame.
    #[must_use]
    pub fn frame_name(&self, rule: usize) -> Option<&str> {
        self.tables.frames.get(rule).map(|(_, name)| &**name)
    }

    /// The names of all additional kinds of frames, for labels.
    pub fn frame_names(&self) -> impl Iterator<Item = &str> {
        self.tables.frames.iter().map(|(_, name)| &**name)
    }

    /// Every possible failure of a refusal, for labels.
    pub fn refusal_outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.tables
            .refusals
            .iter()
            .map(|(_, outcome)| outcome)
            .chain(self.tables.closes.iter().map(|(_, outcome)| outcome))
    }

    /// Whether any frame names its sender.
    #[must_use]
    pub fn names_senders(&self) -> bool {
        self.tables.received.iter().any(|received| received.sender.is_some())
    }

    /// Whether any frame names all members of the room.
    #[must_use]
    pub fn has_lists(&self) -> bool {
        self.tables.members.iter().any(|members| members.change == MemberChange::All)
    }

    /// The rules with the values of a connection; connections with the same values share them. A rule whose values are
    /// missing matches no frame until the rules are bound again.
    #[must_use]
    pub fn bind(self: &Arc<Self>, values: &Values<'_>) -> Arc<BoundFrameRules> {
        let key = self.key(values);
        let mut kept = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&*key).and_then(Weak::upgrade) {
            return known;
        }
        if kept.len() == kept.capacity() {
            kept.retain(|_, known| known.strong_count() > 0);
        }
        let bound = Arc::new(BoundFrameRules::new(self, values));
        kept.insert(key, Arc::downgrade(&bound));
        bound
    }

    /// The values that the rules take, each after its length.
    fn key(&self, values: &Values<'_>) -> Box<str> {
        let mut slots: Vec<ValueRef> = Vec::new();
        self.tables.matchers().for_each(|matcher| matcher.slots(&mut |slot| slots.push(slot)));
        slots.sort_unstable();
        slots.dedup();
        let (mut key, mut value) = (String::new(), String::new());
        for slot in slots {
            value.clear();
            let there = values.push(slot, &mut value);
            key.push_str(&if there { format!("{}:{value}", value.len()) } else { "-".to_owned() });
        }
        key.into()
    }
}

/// Rules with values, ready to match frames.
#[derive(Debug)]
pub struct BoundFrameRules {
    rules: Arc<FrameRules>,
    id: u64,
    refusals: Vec<Option<Arc<BoundMatcher>>>,
    replies: Vec<Option<Arc<BoundMatcher>>>,
    received: Vec<Option<Arc<BoundMatcher>>>,
    members: Vec<Option<Arc<BoundMatcher>>>,
    frames: Vec<Option<Arc<BoundMatcher>>>,
    /// The structure of each rule of `received`, if it has one.
    structures: Vec<Option<Structure>>,
}

#[derive(Debug, Default)]
struct Scratch {
    results: QueryResults,
    buffers: Buffers,
    shapes: Shapes<Meaning>,
    places: Places,
    found: Found,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl BoundFrameRules {
    fn new(rules: &Arc<FrameRules>, values: &Values<'_>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let bind = |rule: &Rule| rule.matcher.bind(&rule.places, values).ok();
        let tables = &rules.tables;
        let refusals: Vec<_> = tables.refusals.iter().map(|(rule, _)| bind(rule)).collect();
        let replies: Vec<_> = tables.replies.iter().map(|reply| bind(&reply.rule)).collect();
        let received: Vec<_> = tables.received.iter().map(|received| bind(&received.rule)).collect();
        let structure = |rule| Structure::of(tables, &[&refusals, &replies], &received, rule);
        Self {
            structures: (0..received.len()).map(structure).collect(),
            rules: Arc::clone(rules),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            refusals,
            replies,
            received,
            members: tables.members.iter().map(|members| bind(&members.rule)).collect(),
            frames: tables.frames.iter().map(|(rule, _)| bind(rule)).collect(),
        }
    }

    /// The rules without values.
    #[must_use]
    pub fn rules(&self) -> &Arc<FrameRules> {
        &self.rules
    }

    /// The meaning of a frame. `number` is the number of the text on this thread: equal numbers mean equal texts.
    /// `expect` is what the current step waits for.
    #[must_use]
    pub fn read(&self, text: &str, number: Option<u64>, expect: Option<&BoundExpectation>) -> Meaning {
        let known = number.and_then(|number| known::find(number, self.id));
        let awaited = || expect.is_some_and(|expect| expect.is_match(text));
        let meaning = known.unwrap_or_else(|| {
            let meaning = SCRATCH
                .with_borrow_mut(|scratch| self.similar(text, scratch).unwrap_or_else(|| self.classify(text, scratch)));
            if let Some(number) = number {
                known::keep(number, self.id, meaning);
            }
            meaning
        });
        match meaning {
            Meaning::Refused(_) | Meaning::Reply(_) => meaning,
            _ if awaited() => Meaning::Expected,
            _ => meaning,
        }
    }

    /// Appends the answer to a frame that [`Meaning::Reply`] names.
    ///
    /// # Errors
    /// A missing capture, or a missing value of the template.
    pub fn reply(&self, rule: usize, text: &str, values: &Values<'_>, out: &mut String) -> Result<(), NotCaptured> {
        let missing = |name: &str| NotCaptured { name: name.into(), too_long: false };
        let (Some(reply), Some(Some(bound))) = (self.rules.tables.replies.get(rule), self.replies.get(rule)) else {
            return Err(missing("reply"));
        };
        let mut local = Captured::default();
        if !reply.captures.is_empty() {
            SCRATCH.with_borrow_mut(|scratch| {
                let Scratch { results, buffers, .. } = scratch;
                let frame = self.again(bound, text, results);
                reply.captures.iter().try_for_each(|capture| {
                    keep(capture, frame.and_then(|frame| capture.source.read(frame, buffers)), &mut local)
                })
            })?;
        }
        let values = Values { local: &local, ..*values };
        reply.send.render(&values, out).map_err(|_| missing("a variable of the reply"))
    }

    /// Calls `each` with every name in a frame with [`Meaning::Members`]. `None` if the names could not be read; `each`
    /// may then have been called for some.
    pub fn members(&self, rule: usize, text: &str, mut each: impl FnMut(&str)) -> Option<MemberChange> {
        let (members, bound) = (self.rules.tables.members.get(rule)?, self.members.get(rule)?.as_ref()?);
        SCRATCH.with_borrow_mut(|scratch| {
            let Scratch { results, buffers, .. } = scratch;
            let frame = self.again(bound, text, results)?;
            let value = members.source.read(frame, buffers)?;
            let mut names = Buffers::default();
            let mut whole = true;
            let array = json::elements(value, |element| match members.name.read(Frame::of(element), &mut names) {
                Some(name) => each(name),
                None => whole = false,
            });
            match (array, members.change) {
                (Some(()), change) => whole.then_some(change),
                (None, MemberChange::All) => None,
                (None, change) => {
                    each(value);
                    Some(change)
                }
            }
        })
    }

    /// The same for a frame that has not been classified.
    pub fn read_members(&self, text: &str, each: impl FnMut(&str)) -> Option<MemberChange> {
        match self.read(text, None, None) {
            Meaning::Members(rule, _) => self.members(rule, text, each),
            _ => None,
        }
    }

    /// The text of a message, found by its rule; for people.
    #[must_use]
    pub fn text(&self, rule: usize, text: &str) -> Option<String> {
        let (received, bound) = (self.rules.tables.received.get(rule)?, self.received.get(rule)?.as_ref()?);
        SCRATCH.with_borrow_mut(|scratch| {
            let frame = self.again(bound, text, &mut scratch.results)?;
            received.text.read(frame, &mut scratch.buffers).map(str::to_owned)
        })
    }

    /// The sender of a message, found by its rule; for people.
    #[must_use]
    pub fn sender(&self, rule: usize, text: &str) -> Option<String> {
        let (received, bound) = (self.rules.tables.received.get(rule)?, self.received.get(rule)?.as_ref()?);
        let sender = received.sender.as_ref()?;
        SCRATCH.with_borrow_mut(|scratch| {
            let frame = self.again(bound, text, &mut scratch.results)?;
            sender.read(frame, &mut scratch.buffers).map(str::to_owned)
        })
    }

    /// Matches the frame again, to read sources from it.
    fn again<'a>(&self, bound: &BoundMatcher, text: &'a str, results: &'a mut QueryResults) -> Option<Frame<'a>> {
        let queries = &self.rules.tables.queries;
        results.begin(queries);
        bound.is_match(text, queries, results).then(|| bound.frame(text, queries, results))?
    }

    fn classify(&self, text: &str, scratch: &mut Scratch) -> Meaning {
        let queries = &self.rules.tables.queries;
        scratch.results.begin(queries);
        let results = &mut scratch.results;
        let mut first = |rules: &[Option<Arc<BoundMatcher>>]| {
            rules.iter().position(|rule| rule.as_ref().is_some_and(|rule| rule.is_match(text, queries, results)))
        };
        if let Some(rule) = first(&self.refusals) {
            return Meaning::Refused(rule);
        }
        if let Some(rule) = first(&self.replies) {
            return Meaning::Reply(rule);
        }
        if let Some(meaning) = self.message(text, scratch) {
            return meaning;
        }
        let results = &mut scratch.results;
        let mut first = |rules: &[Option<Arc<BoundMatcher>>]| {
            rules.iter().position(|rule| rule.as_ref().is_some_and(|rule| rule.is_match(text, queries, results)))
        };
        if let Some(rule) = first(&self.members) {
            let change = self.rules.tables.members.get(rule).map_or(MemberChange::All, |members| members.change);
            return Meaning::Members(rule, change);
        }
        if let Some(rule) = first(&self.frames) {
            return Meaning::Frame(rule);
        }
        match memmem::find(text.as_bytes(), PREFIX.as_bytes()) {
            None => Meaning::Other,
            Some(_) => Meaning::Unmatched(Marker::decode_fragment(text)),
        }
    }
}

#[cfg(test)]
mod tests;
