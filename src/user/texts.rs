//! The users' texts: generated from a seed, of characters that a sanitiser returns unchanged (letters,
//! spaces, emoji; normalised to NFC), so that a marker's checksum can cover the text.

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::model::Alphabet;

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

/// Words of other scripts, with 2 to 4 bytes per character; mixed with those above.
const OTHER_SCRIPTS: [&str; 24] = [
    "grüße",
    "naïve",
    "señor",
    "żółć",
    "καλημέρα",
    "ναι",
    "спасибо",
    "завтра",
    "здесь",
    "שלום",
    "مرحبا",
    "धन",
    "สวสด",
    "谢谢",
    "明天",
    "会议",
    "こんにちは",
    "はい",
    "안녕",
    "내일",
    "😀",
    "🎉",
    "👍",
    "𝒳",
];

/// The shape of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextShape {
    /// Shortest and longest text, in bytes; `None`: 3 to 30 words.
    pub size: Option<(usize, usize)>,
    /// Their characters.
    pub alphabet: Alphabet,
}

/// A source of chat texts.
#[derive(Debug)]
pub struct Texts {
    shape: TextShape,
    rng: Mutex<StdRng>,
}

impl Texts {
    /// Texts that depend only on `seed` and their shape.
    #[must_use]
    pub fn new(seed: u64, shape: TextShape) -> Self {
        Self { shape, rng: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    /// The next text.
    #[must_use]
    pub fn next(&self) -> String {
        let mut rng = self.rng.lock();
        match self.shape.size {
            None => self.words(&mut rng),
            Some((min, max)) => {
                let bytes = rng.random_range(min..=max.max(min));
                self.bytes(&mut rng, bytes)
            }
        }
    }

    /// 3 to 30 words.
    fn words(&self, rng: &mut StdRng) -> String {
        let words = rng.random_range(3..=30);
        let mut text = String::with_capacity(words * 6);
        for i in 0..words {
            if i > 0 {
                text.push(' ');
            }
            text.push_str(self.word(rng));
        }
        text
    }

    /// A text of exactly `bytes` bytes, which neither begins nor ends with a space.
    fn bytes(&self, rng: &mut StdRng, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 24);
        while text.len() < bytes {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(self.word(rng));
        }
        text.truncate(text.floor_char_boundary(bytes));
        text.truncate(text.trim_end().len());
        text.extend(std::iter::repeat_n('x', bytes - text.len()));
        text
    }

    fn word(&self, rng: &mut StdRng) -> &'static str {
        if self.shape.alphabet == Alphabet::Unicode && rng.random_bool(0.5) {
            return OTHER_SCRIPTS[rng.random_range(0..OTHER_SCRIPTS.len())];
        }
        WORDS[rng.random_range(0..WORDS.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(seed: u64, size: Option<(usize, usize)>, alphabet: Alphabet) -> Vec<String> {
        let texts = Texts::new(seed, TextShape { size, alphabet });
        (0..200).map(|_| texts.next()).collect()
    }

    #[test]
    fn the_same_seed_says_the_same() {
        let say = |seed| texts(seed, None, Alphabet::Ascii);
        assert_eq!(say(1), say(1));
        assert_ne!(say(1), say(2));
        assert!(say(1).iter().all(|t| t.bytes().all(|b| b.is_ascii_alphabetic() || b == b' ')));
    }

    #[test]
    fn a_set_size_is_kept_to_the_byte_in_either_alphabet() {
        for alphabet in [Alphabet::Ascii, Alphabet::Unicode] {
            let said = texts(1, Some((1, 40)), alphabet);
            assert!(said.iter().all(|text| (1..=40).contains(&text.len()) && text.trim() == text), "{said:?}");
            assert!(said.iter().any(|text| text.len() < 8) && said.iter().any(|text| text.len() > 32), "{said:?}");
            assert!(texts(1, Some((100, 100)), alphabet).iter().all(|text| text.len() == 100));
        }
    }

    #[test]
    fn unicode_texts_have_characters_of_one_to_four_bytes() {
        let said = texts(1, None, Alphabet::Unicode).concat();
        for bytes in 1..=4 {
            assert!(said.chars().any(|c| c.len_utf8() == bytes), "{bytes}");
        }
        assert!(!said.chars().any(char::is_control));
    }
}
