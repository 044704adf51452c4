//! What texts meant that this thread read a moment ago.
//!
//! A broadcast comes on every connection alike. The websocket below says which texts are the
//! same; the first of them is read, the others mean what it meant, by the same rules.

use std::cell::Cell;

use super::tables::Meaning;

/// Meanings kept, a power of two; more than the texts that a thread remembers.
const PLACES: usize = 64;

thread_local! {
    static KEPT: [Cell<Option<Kept>>; PLACES] = const { [const { Cell::new(None) }; PLACES] };
}

/// The meaning of a text by these rules.
#[derive(Clone, Copy)]
struct Kept {
    number: u64,
    rules: u64,
    meaning: Meaning,
}

/// The meaning of the text of this number, if it was kept.
pub(super) fn find(number: u64, rules: u64) -> Option<Meaning> {
    let kept = KEPT.with(|kept| kept[place(number)].get())?;
    (kept.number == number && kept.rules == rules).then_some(kept.meaning)
}

/// Keeps a meaning; another one of the same place is forgotten for it.
pub(super) fn keep(number: u64, rules: u64, meaning: Meaning) {
    KEPT.with(|kept| kept[place(number)].set(Some(Kept { number, rules, meaning })));
}

fn place(number: u64) -> usize {
    // The remainder is below 64.
    usize::try_from(number % PLACES as u64).unwrap_or(0)
}
