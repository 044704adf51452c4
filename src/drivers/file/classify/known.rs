//! The meanings of texts that this thread has just read.
//!
//! A broadcast arrives identically on every connection. The websocket says which texts are the same; only the first is
//! parsed, and the others have its meaning, by the same rules.

use std::cell::Cell;

use super::tables::Meaning;

/// Number of meanings kept, a power of two; more than the texts that a thread remembers.
const PLACES: usize = 64;

thread_local! {
    /// The key of the meaning in each slot.
    static KEYS: [Cell<Key>; PLACES] = const { [const { Cell::new(Key { number: u64::MAX, rules: u64::MAX }) }; PLACES] };
    static MEANINGS: [Cell<Meaning>; PLACES] = const { [const { Cell::new(Meaning::Other) }; PLACES] };
}

/// The numbers of a text and of the rules that read it; neither reaches the maximum.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    number: u64,
    rules: u64,
}

/// The meaning of the text with this number, if it was kept.
#[inline]
pub(super) fn find(number: u64, rules: u64) -> Option<Meaning> {
    let key = KEYS.with(|keys| keys[place(number)].get());
    (key == Key { number, rules }).then(|| MEANINGS.with(|meanings| meanings[place(number)].get()))
}

/// Keeps a meaning, replacing another one in the same slot.
pub(super) fn keep(number: u64, rules: u64, meaning: Meaning) {
    KEYS.with(|keys| keys[place(number)].set(Key { number, rules }));
    MEANINGS.with(|meanings| meanings[place(number)].set(meaning));
}

fn place(number: u64) -> usize {
    // The remainder is below 64.
    usize::try_from(number % PLACES as u64).unwrap_or(0)
}
