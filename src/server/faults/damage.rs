//! How a chat's frame is damaged so that exactly one thing about it is wrong.
//!
//! Text in, text out; knows of a marker only that it begins with one of [`PREFIXES`] and ends with `|`.

use std::ops::Range;

use rand::{RngExt, rngs::StdRng};

/// What markers begin with. It stays, so that the damage can be told from somebody else's chat.
const PREFIXES: [&str; 2] = ["sr2-", "sr1-"];

/// Changes one letter or digit of the text behind the marker, or of the whole text without one.
/// None where there is nothing to change.
pub(super) fn text(json: &str, random: &mut StdRng) -> Option<String> {
    let message = message(json)?;
    let behind = marker(json, &message).map_or(message.start, |marker| marker.end);
    change(json, behind..message.end, random)
}

/// Changes one letter or digit of the marker behind its prefix; none without a marker.
pub(super) fn marker_text(json: &str, random: &mut StdRng) -> Option<String> {
    let marker = marker(json, &message(json)?)?;
    change(json, marker.start + PREFIXES[0].len()..marker.end, random)
}

/// Takes away what makes it JSON: the last brace, or the quote that ends the message.
pub(super) fn json(json: &str, random: &mut StdRng) -> Option<String> {
    let at = if random.random_bool(0.5) { json.len().checked_sub(1)? } else { message(json)?.end };
    let mut out = json.to_owned();
    out.remove(at);
    Some(out)
}

/// Where the message's characters stand, without its quotes.
fn message(json: &str) -> Option<Range<usize>> {
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

/// Where the marker stands, its bar included.
fn marker(json: &str, message: &Range<usize>) -> Option<Range<usize>> {
    let text = json.get(message.clone())?;
    let start = PREFIXES.iter().find_map(|prefix| text.find(prefix))?;
    let length = text.get(start..)?.find('|')? + 1;
    Some(message.start + start..message.start + start + length)
}

/// Another letter for a letter, another digit for a digit, somewhere in `range`.
fn change(json: &str, range: Range<usize>, random: &mut StdRng) -> Option<String> {
    let places = plain(json, range);
    let at = *places.get(random.random_range(0..places.len().max(1)))?;
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

/// Places of letters and digits that are no part of an escape.
fn plain(json: &str, range: Range<usize>) -> Vec<usize> {
    let (mut places, mut skip) = (Vec::new(), 0_usize);
    for at in range {
        match json.as_bytes().get(at) {
            Some(_) if skip > 0 => skip -= 1,
            Some(b'\\') => skip = if json.as_bytes().get(at + 1) == Some(&b'u') { 5 } else { 1 },
            Some(byte) if byte.is_ascii_alphanumeric() => places.push(at),
            _ => {}
        }
    }
    places
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
        fn each_damage_hits_its_own_part(seed: u64, prefix in prop::sample::select(&PREFIXES), tail in "[a-z]{1,9}(\\PC{0,40}|[\"\\\\]{0,3})") {
            let random = &mut StdRng::seed_from_u64(seed);
            let head = format!("{prefix}1a-2b-3c-4d-5e|");
            let whole = format!("{head}{tail}");
            let damaged = message_of(&text(&frame(&whole), random).unwrap()).unwrap();
            prop_assert!(damaged.starts_with(&head) && damaged != whole);
            let damaged = message_of(&marker_text(&frame(&whole), random).unwrap()).unwrap();
            prop_assert!(damaged.starts_with(prefix) && damaged.ends_with(&tail) && damaged != whole);
            let damaged = json(&frame(&whole), random).unwrap();
            prop_assert!(damaged.contains(prefix) && message_of(&damaged).is_none());
        }
    }

    #[test]
    fn what_has_nothing_to_damage_is_left() {
        let random = &mut StdRng::seed_from_u64(1);
        assert_eq!(marker_text(&frame("hello"), random), None);
        assert_eq!(text(&frame("sr1-1|"), random), None);
        assert_eq!(text(&frame("\u{e9} \n"), random), None);
    }
}
