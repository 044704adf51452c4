//! Texts that this thread read a moment ago: a broadcast is byte for byte the same on every
//! socket, so most frames are known by comparing them.
//!
//! A text that is known needs no check for UTF-8 and no parsing: it has a number, and whoever
//! read it before may have kept what it means. Small texts are copied into a ring. Large ones
//! are shared, so that a frame of 200 kB that is still arriving can be compared as it comes
//! instead of being collected. What is known must be equal in every byte; nothing is guessed.
//!
//! No I/O. What a text means is its reader's business.

use std::sync::Arc;

/// Texts of up to this many bytes go into the ring: chats are far shorter, lists of members longer.
const SMALL: usize = 4 * 1024;
/// Small texts remembered: with [`SMALL`] bytes each, 128 KiB a thread, which stays in a second-level
/// cache. A socket that is read more than so many broadcasts later parses its text again.
const SMALL_TEXTS: usize = 32;
/// Longer texts than this are not remembered: a list of ten thousand members has about this size.
const LARGE: usize = 1024 * 1024;
/// Large texts remembered: two lists of a room, the older and the newer, and room for a second room.
const LARGE_TEXTS: usize = 4;

/// The number of a text on this thread: the same number is the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextNumber(u64);

impl TextNumber {
    /// A text that is not remembered; it is equal to no other.
    pub const NONE: Self = Self(0);

    /// The number, where there is one.
    #[must_use]
    pub fn get(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }
}

/// A large text and its number.
#[derive(Debug, Clone)]
pub(super) struct Large {
    pub(super) text: Arc<str>,
    pub(super) number: TextNumber,
}

/// What one thread remembers: at most 32 texts of 4 KiB and 4 of 1 MiB.
#[derive(Debug, Default)]
pub struct Recent {
    given: u64,
    small: Vec<(String, TextNumber)>,
    /// Where the next small text goes.
    next: usize,
    /// Where the last small text was found; the next one likely stands behind it.
    found: usize,
    large: Vec<Large>,
}

impl Recent {
    /// The text that these bytes are, if it is known.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<(&str, TextNumber)> {
        if bytes.len() > SMALL {
            let known = self.large.iter().find(|large| large.text.as_bytes() == bytes)?;
            return Some((&known.text, known.number));
        }
        let (before, from) = self.small.split_at_checked(self.found + 1).unwrap_or((&self.small, &[]));
        let same = |(text, _): &(String, TextNumber)| text.as_bytes() == bytes;
        self.found = match from.iter().position(same) {
            Some(at) => before.len() + at,
            // The one found last is the most likely of the rest.
            None => before.iter().rposition(same)?,
        };
        self.small.get(self.found).map(|(text, number)| (text.as_str(), *number))
    }

    /// A large text of `length` bytes that begins with `bytes` (there may be none yet), if one is known.
    pub(super) fn begins(&self, bytes: &[u8], length: usize) -> Option<Large> {
        if length <= SMALL {
            return None;
        }
        let fits = |large: &&Large| large.text.len() == length && large.text.as_bytes().starts_with(bytes);
        self.large.iter().rev().find(fits).cloned()
    }

    /// Remembers a text that is not known; the oldest of its size is forgotten for it.
    pub(super) fn remember(&mut self, text: &str) -> TextNumber {
        if text.len() > LARGE {
            return TextNumber::NONE;
        }
        self.given += 1;
        let number = TextNumber(self.given);
        if text.len() > SMALL {
            if self.large.len() == LARGE_TEXTS {
                self.large.remove(0);
            }
            self.large.push(Large { text: text.into(), number });
        } else if let Some((place, old)) = self.small.get_mut(self.next) {
            place.clear();
            place.push_str(text);
            *old = number;
            self.found = self.next;
            self.next = (self.next + 1) % SMALL_TEXTS;
        } else {
            self.small.push((text.to_owned(), number));
            self.found = self.next;
            self.next = self.small.len() % SMALL_TEXTS;
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(recent: &mut Recent, text: &str) -> Option<u64> {
        recent.find(text.as_bytes()).and_then(|(found, number)| {
            assert_eq!(found, text);
            number.get()
        })
    }

    #[test]
    fn the_same_text_has_the_same_number_until_it_is_forgotten() {
        let mut recent = Recent::default();
        let texts: Vec<String> = (0..SMALL_TEXTS + 3).map(|n| format!("text {n}")).collect();
        let numbers: Vec<_> = texts.iter().map(|text| recent.remember(text).get()).collect();
        for (at, text) in texts.iter().enumerate() {
            let known = at >= 3;
            assert_eq!(number(&mut recent, text), numbers[at].filter(|_| known), "{text}");
        }
        assert_eq!(number(&mut recent, "text"), None);
        assert_eq!(number(&mut recent, ""), None);
    }

    #[test]
    fn large_texts_are_known_by_their_beginning_and_length() {
        let mut recent = Recent::default();
        let text = "x".repeat(SMALL + 1);
        let kept = recent.remember(&text);
        assert_eq!(number(&mut recent, &text), kept.get());
        let found = recent.begins(&text.as_bytes()[..10], text.len()).unwrap();
        assert_eq!((found.number, found.text.len()), (kept, text.len()));
        assert!(recent.begins(&text.as_bytes()[..10], text.len() + 1).is_none(), "of another length");
        assert!(recent.begins(b"y", text.len()).is_none());
        for n in 0..LARGE_TEXTS {
            recent.remember(&format!("{n}{text}"));
        }
        assert_eq!(number(&mut recent, &text), None, "the oldest is forgotten");
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let mut recent = Recent::default();
        let text = "x".repeat(LARGE + 1);
        assert_eq!(recent.remember(&text), TextNumber::NONE);
        assert_eq!(number(&mut recent, &text), None);
    }
}
