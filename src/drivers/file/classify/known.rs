//! What texts meant that this thread read a moment ago.
//!
//! A broadcast comes on every connection alike. The websocket below says which texts are the
//! same; the first of them is read, the others mean what it meant, by the same rules.

use std::cell::Cell;

use super::tables::Meaning;

/// Meanings kept, a power of two; more than the texts that a thread remembers.
const PLACES: usize = 64;

thread_local! {
    /// Of which text and rules the meaning in a place is.
    static KEYS: [Cell<Key>; PLACES] = const { [const { Cell::new(Key { number: u64::MAX, rules: u64::MAX }) }; PLACES] };
    static MEANINGS: [Cell<Meaning>; PLACES] = const { [const { Cell::new(Meaning::Other) }; PLACES] };
}

/// A text, read by rules; no number comes to the highest there is.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    number: u64,
    rules: u64,
}

/// The meaning of the text of this number, if it was kept.
#[inline]
pub(super) fn find(number: u64, rules: u64) -> Option<Meaning> {
    let key = KEYS.with(|keys| keys[place(number)].get());
    (key == Key { number, rules }).then(|| MEANINGS.with(|meanings| meanings[place(number)].get()))
}

/// Keeps a meaning; another one of the same place is forgotten for it.
pub(super) fn keep(number: u64, rules: u64, meaning: Meaning) {
    KEYS.with(|keys| keys[place(number)].set(Key { number, rules }));
    MEANINGS.with(|meanings| meanings[place(number)].set(meaning));
}

fn place(number: u64) -> usize {
    // The remainder is below 64.
    usize::try_from(number % PLACES as u64).unwrap_or(0)
}
