//! Decides which messages can be recognised by shape: those whose rule, and every rule before it, reads only the start
//! of a frame and values by pointer.

use std::ops::Range;
use std::sync::Arc;

use super::tables::{Received, RuleTables};
use crate::drivers::file::matcher::{BoundMatcher, QueryResults};
use crate::drivers::file::shape::Fixed;

/// What the rules up to the message's own read.
#[derive(Debug)]
pub(super) struct Structure {
    query: usize,
    /// Where the JSON begins.
    offset: usize,
    /// They read everything before this byte.
    before: usize,
    /// Slots of values that are compared.
    compared: Vec<usize>,
    /// Slots of values that rules before the message's own take.
    before_own: Vec<usize>,
    /// Slots of values that the message's own rule takes.
    own: Vec<usize>,
}

/// Buffers for the results of [`Structure::fixed`].
#[derive(Debug, Default)]
pub(super) struct Places {
    fixed: Vec<Range<usize>>,
    taken: Vec<(usize, Range<usize>)>,
}

impl Structure {
    /// The structure for a message's rule; `None` if any of the rules reads more.
    pub(super) fn of(
        rules: &RuleTables,
        before: &[&[Option<Arc<BoundMatcher>>]],
        received: &[Option<Arc<BoundMatcher>>],
        rule: usize,
    ) -> Option<Self> {
        let own = received.get(rule)?.as_ref()?;
        let (compared, before_own) = (Vec::new(), Vec::new());
        let (query, offset) = (own.query(), own.offset());
        let mut structure = Self { query, offset, before: 0, compared, before_own, own: Vec::new() };
        for matcher in before.iter().flat_map(|table| table.iter()).flatten() {
            structure.look(matcher)?;
        }
        for (matcher, received) in received.iter().zip(&rules.received).take(rule + 1) {
            let Some(matcher) = matcher else { continue };
            structure.look(matcher)?;
            let taken = structure.taken(matcher, received)?;
            structure.before_own.append(&mut structure.own);
            structure.own = taken;
        }
        let Self { own, compared, before_own, .. } = &mut structure;
        own.retain(|slot| !compared.contains(slot) && !before_own.contains(slot));
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

    /// The slots of the values that a rule takes.
    fn taken(&self, matcher: &BoundMatcher, received: &Received) -> Option<Vec<usize>> {
        let sources = [Some(&received.text), received.sender.as_ref()].into_iter().flatten();
        if matcher.query() == self.query { sources.map(|source| source.slot()).collect() } else { None }
    }

    /// The fixed parts of the frame just read; their places go to `places`.
    pub(super) fn fixed<'p>(&self, text: &str, results: &QueryResults, places: &'p mut Places) -> Option<Fixed<'p>> {
        let found = results.found(self.query)?;
        let json = text.get(self.offset..)?;
        let Places { fixed, taken } = places;
        fixed.clear();
        taken.clear();
        let is_scalar = |range: &Range<usize>| json.get(range.clone()).is_some_and(|raw| !raw.starts_with(['{', '[']));
        fixed.extend(self.before_own.iter().filter_map(|slot| found.range(*slot)));
        // An object or array never equals a value in a rule, whatever its contents.
        fixed.extend(self.compared.iter().filter_map(|slot| found.range(*slot)).filter(is_scalar));
        for (slot, range) in self.own.iter().filter_map(|slot| Some((*slot, found.range(*slot)?))) {
            if is_scalar(&range) { taken.push((slot, range)) } else { fixed.push(range) }
        }
        Some(Fixed { before: self.before, offset: self.offset, places: fixed, taken })
    }
}
