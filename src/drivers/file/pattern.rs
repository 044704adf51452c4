//! Regular expressions: compiled once, bounded in size, searched without allocation.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_automata::util::primitives::NonMaxUsize;

/// Largest compiled expression, in bytes.
const MOST_BYTES: usize = 1 << 20;
/// Maximum number of groups, the whole match included.
const MOST_GROUPS: usize = 16;

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

/// The byte ranges of the groups of the last match.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Groups([Option<NonMaxUsize>; 2 * MOST_GROUPS]);

impl Groups {
    /// Without a match.
    pub(super) const fn new() -> Self {
        Self([None; 2 * MOST_GROUPS])
    }

    /// The byte range of a group, if it took part in the match; group 0 is the whole match.
    pub(super) fn get(&self, group: usize) -> Option<Range<usize>> {
        let bound = |at: usize| self.0.get(at).copied().flatten().map(NonMaxUsize::get);
        Some(bound(2 * group)?..bound(2 * group + 1)?)
    }
}

/// Number of patterns that a thread remembers, since connections of one room bind the same ones.
const SHARED: usize = 64;

thread_local! {
    static RECENT: RefCell<VecDeque<(Box<str>, Arc<Pattern>)>> = const { RefCell::new(VecDeque::new()) };
}

impl Pattern {
    /// Compiles an expression, unless this thread has done so recently.
    ///
    /// # Errors
    /// Says why it cannot be compiled, in one line.
    pub(super) fn shared(pattern: &str) -> Result<Arc<Self>, String> {
        RECENT.with_borrow_mut(|recent| {
            if let Some((_, known)) = recent.iter().find(|(text, _)| **text == *pattern) {
                return Ok(Arc::clone(known));
            }
            let compiled = Arc::new(Self::new(pattern)?);
            if recent.len() == SHARED {
                recent.pop_front();
            }
            recent.push_back((pattern.into(), Arc::clone(&compiled)));
            Ok(compiled)
        })
    }

    /// Compiles an expression.
    ///
    /// # Errors
    /// Says why it cannot be compiled, in one line.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let config = Config::new().nfa_size_limit(Some(MOST_BYTES)).hybrid_cache_capacity(MOST_BYTES / 4);
        let built = Regex::builder().configure(config).build(pattern);
        let regex = built.map_err(|e| match (e.syntax_error(), e.size_limit()) {
            (Some(syntax), _) => {
                let text = syntax.to_string();
                let reason = text.lines().last().unwrap_or_default();
                reason.trim_start_matches("error: ").to_owned()
            }
            (_, Some(_)) => format!("larger than {} KiB when compiled", MOST_BYTES / 1024),
            _ => e.to_string(),
        })?;
        if regex.captures_len() > MOST_GROUPS {
            return Err(format!("more than {} groups; write (?:…) for those that capture nothing", MOST_GROUPS - 1));
        }
        Ok(Self(regex))
    }

    /// Whether it matches anywhere in `text`; if so, sets `groups`.
    pub(super) fn search(&self, text: &str, groups: &mut Groups) -> bool {
        self.0.search_slots(&Input::new(text), &mut groups.0).is_some()
    }

    /// The number of a named group.
    pub(super) fn group(&self, name: &str) -> Option<usize> {
        self.names().position(|known| known == Some(name))
    }

    /// The names of the groups, the whole match first.
    pub(super) fn names(&self) -> impl Iterator<Item = Option<&str>> {
        self.0.group_info().pattern_names(regex_automata::PatternID::ZERO)
    }

    /// The group for a source that names none: the first, or else the whole match.
    pub(super) fn first_group(&self) -> usize {
        usize::from(self.0.captures_len() > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_and_number() {
        let pattern = Pattern::new(r"^(\S+) says: (?P<text>.*)$").unwrap();
        let mut groups = Groups::default();
        assert!(pattern.search("bob says: hi", &mut groups));
        assert_eq!((groups.get(0), groups.get(1), groups.get(2)), (Some(0..12), Some(0..3), Some(10..12)));
        assert_eq!((groups.get(3), pattern.group("text"), pattern.group("nope")), (None, Some(2), None));
        assert_eq!(pattern.first_group(), 1);
        assert!(!pattern.search("bob shouts: hi", &mut groups));
        assert!(!pattern.search("", &mut groups));
        assert_eq!(Pattern::new("a+").unwrap().first_group(), 0);
    }

    #[test]
    fn a_pattern_is_compiled_once_until_it_is_forgotten() {
        let first = Pattern::shared("a+").unwrap();
        assert!(Arc::ptr_eq(&first, &Pattern::shared("a+").unwrap()));
        assert!(!Arc::ptr_eq(&first, &Pattern::shared("b+").unwrap()));
        for n in 0..SHARED {
            Pattern::shared(&format!("x{n}")).unwrap();
        }
        assert!(!Arc::ptr_eq(&first, &Pattern::shared("a+").unwrap()));
        assert!(RECENT.with_borrow(VecDeque::len) <= SHARED);
        assert!(Pattern::shared("(").is_err());
    }

    #[test]
    fn an_expression_that_cannot_be_is_refused_in_one_line() {
        for (pattern, why) in [
            ("(a", "unclosed group"),
            ("a{2,1}", "invalid repetition count range"),
            (r"(a)\1", "backreferences are not supported"),
            ("(((.{1000}){100}){100})", "larger than 1024 KiB"),
            ("(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)", "more than 15 groups"),
        ] {
            let said = Pattern::new(pattern).unwrap_err();
            assert!(said.contains(why) && !said.contains('\n'), "{pattern}: {said}");
        }
    }
}
