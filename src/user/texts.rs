//! What the users say: generated, seeded, and made of characters that a sanitiser returns
//! byte for byte (letters and spaces), so that a marker's checksum can cover the text.

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const WORDS: [&str; 48] = [
    "yes",
    "no",
    "maybe",
    "hello",
    "thanks",
    "agreed",
    "later",
    "now",
    "here",
    "there",
    "we",
    "they",
    "some",
    "many",
    "people",
    "tables",
    "chairs",
    "rooms",
    "questions",
    "answers",
    "slides",
    "coffee",
    "morning",
    "evening",
    "I",
    "think",
    "heard",
    "wonder",
    "hope",
    "can",
    "should",
    "will",
    "see",
    "hear",
    "join",
    "talk",
    "about",
    "with",
    "without",
    "before",
    "after",
    "the",
    "a",
    "this",
    "that",
    "next",
    "last",
    "together",
];

/// A source of chat texts.
#[derive(Debug)]
pub struct Texts {
    rng: Mutex<StdRng>,
}

impl Texts {
    /// Texts that follow from `seed` alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    /// The next text: 3 to 30 words.
    #[must_use]
    pub fn next(&self) -> String {
        let mut rng = self.rng.lock();
        let words = rng.random_range(3..=30);
        let mut text = String::with_capacity(words * 6);
        for i in 0..words {
            if i > 0 {
                text.push(' ');
            }
            text.push_str(WORDS[rng.random_range(0..WORDS.len())]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_says_the_same() {
        let say = |seed| {
            let texts = Texts::new(seed);
            (0..20).map(|_| texts.next()).collect::<Vec<_>>()
        };
        assert_eq!(say(1), say(1));
        assert_ne!(say(1), say(2));
        assert!(say(1).iter().all(|t| t.bytes().all(|b| b.is_ascii_alphabetic() || b == b' ')));
    }
}
