//! Which messages may be known by their shape: those whose rule, and every rule before it, looks
//! at nothing but the beginning of a frame and at values by pointer.

use std::ops::Range;
use std::sync::Arc;

use super::tables::{Received, RuleTables};
use crate::drivers::file::matcher::{BoundMatcher, QueryResults};
use crate::drivers::file::shape::Fixed;

/// What the rules up to a message's own look at.
#[derive(Debug)]
pub(super) struct Structure {
    query: usize,
    /// Where the JSON begins.
    offset: usize,
    /// Everything before this place is looked at.
    before: usize,
    /// Slots of values that are compared.
    compared: Vec<usize>,
    /// Slots of values that are taken.
    taken: Vec<usize>,
}

impl Structure {
    /// The structure of a message by its rule, `None` where any of the rules looks at more.
    pub(super) fn of(
        rules: &RuleTables,
        before: &[&[Option<Arc<BoundMatcher>>]],
        received: &[Option<Arc<BoundMatcher>>],
        rule: usize,
    ) -> Option<Self> {
        let own = received.get(rule)?.as_ref()?;
        let mut structure =
            Self { query: own.query(), offset: own.offset(), before: 0, compared: Vec::new(), taken: Vec::new() };
        for matcher in before.iter().flat_map(|table| table.iter()).flatten() {
            structure.look(matcher)?;
        }
        for (matcher, received) in received.iter().zip(&rules.received).take(rule + 1) {
            let Some(matcher) = matcher else { continue };
            structure.look(matcher)?;
            structure.take(matcher, received)?;
        }
        Some(structure)
    }

    fn look(&mut self, matcher: &BoundMatcher) -> Option<()> {
        if !matcher.is_structural() || (matcher.looks_into_json() && matcher.query() != self.query) {
            return None;
        }
        self.before = self.before.max(matcher.fixed_bytes());
        self.compared.extend(matcher.compared());
        Some(())
    }

    fn take(&mut self, matcher: &BoundMatcher, received: &Received) -> Option<()> {
        if matcher.query() != self.query {
            return None;
        }
        for source in [Some(&received.text), received.sender.as_ref()].into_iter().flatten() {
            self.taken.push(source.slot()?);
        }
        Some(())
    }

    /// What is fixed in the frame that was just read; its places go to `places`.
    pub(super) fn fixed<'p>(
        &self,
        text: &str,
        results: &QueryResults,
        places: &'p mut Vec<Range<usize>>,
    ) -> Option<Fixed<'p>> {
        let found = results.found(self.query)?;
        let json = text.get(self.offset..)?;
        places.clear();
        places.extend(self.taken.iter().filter_map(|slot| found.range(*slot)));
        // An object or array is never equal to a value that a rule names, whatever is in it.
        let scalar = |range: &Range<usize>| json.get(range.clone()).is_some_and(|raw| !raw.starts_with(['{', '[']));
        places.extend(self.compared.iter().filter_map(|slot| found.range(*slot)).filter(scalar));
        Some(Fixed { before: self.before, offset: self.offset, places })
    }
}
