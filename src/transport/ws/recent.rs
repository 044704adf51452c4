//! Texts that this thread read recently: a broadcast has the same bytes on every socket, so most frames are recognised
//! by comparison.
//!
//! A known text needs neither a UTF-8 check nor parsing: it has a number, and the code that parsed it before may
//! have kept its meaning. Small texts are copied into a ring. Large ones are shared, so that a frame of 200 kB can
//! be compared as it arrives instead of being collected. A text is known only if it is equal in every byte.
//!
//! No I/O, and no knowledge of what texts mean.

use std::sync::Arc;

/// Largest text in the ring, in bytes: chats are far shorter, lists of members longer.
const SMALL: usize = 4 * 1024;
/// Spare memory per small text, in bytes, so that slightly longer ones need no new memory.
const SLACK: usize = 32;
/// Number of small texts remembered: with [`SMALL`] bytes each, 128 KiB per thread, which fits into a second-level
/// cache. A socket that is read more than this many broadcasts later parses its text again.
const SMALL_TEXTS: usize = 32;
/// Largest text remembered, in bytes: about the size of a list of ten thousand members.
const LARGE: usize = 1024 * 1024;
/// Number of large texts remembered: an older and a newer list for each of two rooms.
const LARGE_TEXTS: usize = 4;

/// Number of consecutive new texts before only one in eight is remembered: more than [`SMALL_TEXTS`], so that each slot
/// has been used in vain.
const PATIENCE: Patience = Patience(64);
/// Once patience is over, one in this many is tried.
const SELDOM: u32 = 8;

/// Number of consecutive vain attempts before attempts become rare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience(pub u32);

/// Number of consecutive vain attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InVain(u32);

impl InVain {
    /// Whether there were more than `patience` allows.
    #[must_use]
    pub fn is_over(self, patience: Patience) -> bool {
        self.0 > patience.0
    }

    /// Counts one more attempt; true if it is worth trying: always, or one in eight once patience is over.
    pub fn again(&mut self, patience: Patience) -> bool {
        self.0 = if self.0 < patience.0 + SELDOM { self.0 + 1 } else { patience.0 + 1 };
        self.0 <= patience.0 || self.0 == patience.0 + SELDOM
    }
}

/// The number of a text on this thread: equal numbers mean equal texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextNumber(u64);

impl TextNumber {
    /// A text that is not remembered.
    pub const NONE: Self = Self(0);

    /// The number, if there is one.
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

/// A hash under which to remember an unknown text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

/// The texts that one thread remembers: at most 32 of 4 KiB and 4 of 1 MiB.
#[derive(Debug, Default)]
pub struct Recent {
    given: u64,
    small: Vec<(String, TextNumber)>,
    /// Fingerprints of the small texts.
    fingerprints: Vec<Fingerprint>,
    /// Memory of each slot for a small text, in bytes.
    room: usize,
    /// The slot of the next small text.
    next: usize,
    /// The slot in which a small text was last found; the next one is likely in the slot after it.
    found: usize,
    in_vain: InVain,
    large: Vec<Large>,
}

impl Recent {
    /// Looks up the text with these bytes.
    ///
    /// # Errors
    /// The fingerprint under which to remember the text, if it is unknown.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Result<(&str, TextNumber), Fingerprint> {
        if bytes.len() > SMALL {
            let known = self.large.iter().find(|large| large.text.as_bytes() == bytes);
            return known.map(|known| (&*known.text, known.number)).ok_or(Fingerprint(0));
        }
        // The text after the one found last is the most likely, then that one again.
        let is_at = |at: usize| self.small.get(at).is_some_and(|(text, _)| text.as_bytes() == bytes);
        let next = if self.found + 1 < self.small.len() { self.found + 1 } else { 0 };
        if is_at(next) {
            self.found = next;
        } else if !is_at(self.found) {
            // If every receiver gets a different text, none is worth remembering.
            if !self.in_vain.again(PATIENCE) {
                return Err(Fingerprint::UNWANTED);
            }
            let fingerprint = Fingerprint::of(bytes);
            let known = self.fingerprints.iter().position(|known| *known == fingerprint).filter(|at| is_at(*at));
            self.found = known.ok_or(fingerprint)?;
        }
        self.in_vain = InVain::default();
        self.small.get(self.found).map(|(text, number)| (text.as_str(), *number)).ok_or(Fingerprint(0))
    }

    /// A known large text of `length` bytes that begins with `bytes` (possibly empty), if there is one.
    pub(super) fn begins(&self, bytes: &[u8], length: usize) -> Option<Large> {
        if length <= SMALL {
            return None;
        }
        let fits = |large: &&Large| large.text.len() == length && large.text.as_bytes().starts_with(bytes);
        self.large.iter().rev().find(fits).cloned()
    }

    /// Remembers a text that was looked up and is unknown; it replaces the oldest of its size.
    pub(super) fn remember(&mut self, text: &str, fingerprint: Fingerprint) -> TextNumber {
        if text.len() > LARGE || fingerprint == Fingerprint::UNWANTED {
            return TextNumber::NONE;
        }
        self.given += 1;
        let number = TextNumber(self.given);
        if text.len() > SMALL {
            if self.large.len() == LARGE_TEXTS {
                self.large.remove(0);
            }
            self.large.push(Large { text: text.into(), number });
            return number;
        }
        if text.len() > self.room {
            // Grow all slots at once: lengths differ only by some digits, so this is rare.
            self.room = (text.len() + SLACK).next_power_of_two().min(SMALL);
            self.small.iter_mut().for_each(|(kept, _)| kept.reserve(self.room - kept.len()));
        }
        if let Some((place, old)) = self.small.get_mut(self.next) {
            place.clear();
            place.push_str(text);
            *old = number;
            if let Some(old) = self.fingerprints.get_mut(self.next) {
                *old = fingerprint;
            }
            self.found = self.next;
            self.next = (self.next + 1) % SMALL_TEXTS;
        } else {
            let mut kept = String::with_capacity(self.room);
            kept.push_str(text);
            self.small.push((kept, number));
            self.fingerprints.push(fingerprint);
            self.found = self.next;
            self.next = self.small.len() % SMALL_TEXTS;
        }
        number
    }
}

impl Fingerprint {
    /// The fingerprint of a text that is not worth remembering.
    const UNWANTED: Self = Self(u64::MAX);

    /// The FxHash of the Rust compiler: a few instructions per eight bytes. Texts with equal fingerprints are still
    /// compared.
    fn of(bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let add = |sum: u64, word: &[u8; 8]| {
            (sum.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(0x517c_c1b7_2722_0a95)
        };
        Self(add(words.iter().fold(bytes.len() as u64, add), &last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(recent: &mut Recent, text: &str) -> Option<u64> {
        recent.find(text.as_bytes()).ok().and_then(|(found, number)| {
            assert_eq!(found, text);
            number.get()
        })
    }

    fn remember(recent: &mut Recent, text: &str) -> TextNumber {
        let fingerprint = recent.find(text.as_bytes()).unwrap_err();
        recent.remember(text, fingerprint)
    }

    #[test]
    fn the_same_text_has_the_same_number_until_it_is_forgotten() {
        let mut recent = Recent::default();
        let texts: Vec<String> = (0..SMALL_TEXTS + 3).map(|n| format!("text {n}")).collect();
        let numbers: Vec<_> = texts.iter().map(|text| remember(&mut recent, text).get()).collect();
        for (at, text) in texts.iter().enumerate() {
            let known = at >= 3;
            assert_eq!(number(&mut recent, text), numbers[at].filter(|_| known), "{text}");
        }
        assert_eq!(number(&mut recent, "text"), None);
        assert_eq!(number(&mut recent, ""), None);
    }

    #[test]
    fn of_texts_that_never_come_again_one_in_eight_is_remembered() {
        let mut recent = Recent::default();
        let kept = (0..PATIENCE.0 + 80).filter(|n| remember(&mut recent, &format!("own {n}")) != TextNumber::NONE);
        assert_eq!(kept.count() as u32, PATIENCE.0 + 10);
        // A broadcast is known once one of its copies has been remembered.
        let unknown = (0..100).filter(|_| match recent.find(b"all").map(|_| ()) {
            Ok(()) => false,
            Err(fingerprint) => {
                recent.remember("all", fingerprint);
                true
            }
        });
        assert!(unknown.count() <= 8);
        assert!((0..10).all(|n| remember(&mut recent, &format!("new {n}")) != TextNumber::NONE));
    }

    #[test]
    fn texts_of_one_fingerprint_are_told_apart() {
        let mut recent = Recent::default();
        let same = Fingerprint::of(b"one");
        let numbers = ["one", "two", "six"].map(|text| recent.remember(text, same));
        assert_eq!(number(&mut recent, "one"), numbers[0].get());
        assert_eq!(number(&mut recent, "ten"), None);
        assert_eq!(number(&mut recent, "two"), numbers[1].get(), "the next one");
        assert_eq!(number(&mut recent, "two"), numbers[1].get(), "the same once more");
    }

    #[test]
    fn fingerprints_differ_with_each_byte_and_the_length() {
        let texts = (0..40).flat_map(|at| {
            let mut text = [b'a'; 40];
            text[at] = b'b';
            [text.to_vec(), text[..=at].to_vec(), vec![0; at]]
        });
        let texts: std::collections::HashSet<Vec<u8>> = texts.collect();
        let fingerprints: std::collections::HashSet<u64> = texts.iter().map(|text| Fingerprint::of(text).0).collect();
        assert_eq!(fingerprints.len(), texts.len());
    }

    #[test]
    fn large_texts_are_known_by_their_start_and_length() {
        let mut recent = Recent::default();
        let text = "x".repeat(SMALL + 1);
        let kept = remember(&mut recent, &text);
        assert_eq!(number(&mut recent, &text), kept.get());
        let found = recent.begins(&text.as_bytes()[..10], text.len()).unwrap();
        assert_eq!((found.number, found.text.len()), (kept, text.len()));
        assert!(recent.begins(&text.as_bytes()[..10], text.len() + 1).is_none(), "of another length");
        assert!(recent.begins(b"y", text.len()).is_none());
        for n in 0..LARGE_TEXTS {
            remember(&mut recent, &format!("{n}{text}"));
        }
        assert_eq!(number(&mut recent, &text), None, "the oldest is forgotten");
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let mut recent = Recent::default();
        let text = "x".repeat(LARGE + 1);
        assert_eq!(remember(&mut recent, &text), TextNumber::NONE);
        assert_eq!(number(&mut recent, &text), None);
    }
}
