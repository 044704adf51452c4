//! Corrupts a chat's frame so that exactly one thing about it is wrong.
//!
//! Text in, text out; all it knows of a marker is that it begins with one of [`PREFIXES`] and ends with `|`.

use std::ops::Range;

use rand::{RngExt, rngs::StdRng};

/// What markers begin with. It stays, so that a corrupt chat can be told from a foreign one.
const PREFIXES: [&str; 2] = ["sr2-", "sr1-"];

/// Changes one letter or digit of the text after the marker, or of the whole text without one.
/// `None` if it has no such character.
pub(in crate::server) fn corrupt_text(json: &str, random: &mut StdRng) -> Option<String> {
    let message = message_range(json)?;
    let after_marker = marker_range(json, &message).map_or(message.start, |marker| marker.end);
    replace_one(json, after_marker..message.end, random)
}

/// Changes one letter or digit of the marker after its prefix; `None` without a marker.
pub(in crate::server) fn corrupt_marker(json: &str, random: &mut StdRng) -> Option<String> {
    let marker = marker_range(json, &message_range(json)?)?;
    replace_one(json, marker.start + PREFIXES[0].len()..marker.end, random)
}

/// Removes the last brace, or the quote that ends the message, so that it is no longer JSON.
pub(in crate::server) fn corrupt_json(json: &str, random: &mut StdRng) -> Option<String> {
    let at = if random.random_bool(0.5) { json.len().checked_sub(1)? } else { message_range(json)?.end };
    let mut out = json.to_owned();
    out.remove(at);
    Some(out)
}

/// The range of the message's characters, without its quotes.
fn message_range(json: &str) -> Option<Range<usize>> {
    const KEY: &str = "\"message\": \"";
    let start = json.find(KEY)? + KEY.len();
    let mut escaped = false;
    let length = json.get(start..)?.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some(start..start + length)
}

/// The range of the marker, its bar included.
fn marker_range(json: &str, message: &Range<usize>) -> Option<Range<usize>> {
    let text = json.get(message.clone())?;
    let start = PREFIXES.iter().find_map(|prefix| text.find(prefix))?;
    let length = text.get(start..)?.find('|')? + 1;
    Some(message.start + start..message.start + start + length)
}

/// Replaces one letter or digit in `range` by another.
fn replace_one(json: &str, range: Range<usize>, random: &mut StdRng) -> Option<String> {
    let offsets = alphanumerics(json, range);
    let at = *offsets.get(random.random_range(0..offsets.len().max(1)))?;
    let other = match *json.as_bytes().get(at)? {
        b'z' => 'a',
        b'Z' => 'A',
        b'9' => '0',
        byte => char::from(byte + 1),
    };
    let mut out = json.to_owned();
    out.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
    Some(out)
}

/// Offsets of letters and digits that are not part of an escape.
fn alphanumerics(json: &str, range: Range<usize>) -> Vec<usize> {
    let (mut offsets, mut skip) = (Vec::new(), 0_usize);
    for at in range {
        match json.as_bytes().get(at) {
            Some(_) if skip > 0 => skip -= 1,
            Some(b'\\') => skip = if json.as_bytes().get(at + 1) == Some(&b'u') { 5 } else { 1 },
            Some(byte) if byte.is_ascii_alphanumeric() => offsets.push(at),
            _ => {}
        }
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use serde_json::Value;

    fn frame(text: &str) -> String {
        crate::server::json::dumps(&serde_json::json!({"payload": {"id": 7, "message": text}, "type": "chat"}))
    }

    fn message_of(json: &str) -> Option<String> {
        let value: Value = serde_json::from_str(json).ok()?;
        Some(value["payload"]["message"].as_str()?.to_owned())
    }

    proptest! {
        #[test]
        fn each_corruption_hits_only_its_own_part(seed: u64, prefix in prop::sample::select(&PREFIXES), tail in "[a-z]{1,9}(\\PC{0,40}|[\"\\\\]{0,3})") {
            let random = &mut StdRng::seed_from_u64(seed);
            let head = format!("{prefix}1a-2b-3c-4d-5e|");
            let whole = format!("{head}{tail}");
            let corrupted = message_of(&corrupt_text(&frame(&whole), random).unwrap()).unwrap();
            prop_assert!(corrupted.starts_with(&head) && corrupted != whole);
            let corrupted = message_of(&corrupt_marker(&frame(&whole), random).unwrap()).unwrap();
            prop_assert!(corrupted.starts_with(prefix) && corrupted.ends_with(&tail) && corrupted != whole);
            let corrupted = corrupt_json(&frame(&whole), random).unwrap();
            prop_assert!(corrupted.contains(prefix) && message_of(&corrupted).is_none());
        }
    }

    #[test]
    fn text_without_letters_or_digits_is_not_corrupted() {
        let random = &mut StdRng::seed_from_u64(1);
        assert_eq!(corrupt_marker(&frame("hello"), random), None);
        assert_eq!(corrupt_text(&frame("sr1-1|"), random), None);
        assert_eq!(corrupt_text(&frame("\u{e9} \n"), random), None);
    }
}
