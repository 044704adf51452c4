//! Checks the fast and the plain decoder of text frames, on any text.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use soakrig::drivers::plenary::fuzzing;
use soakrig::model::FrameKind;

/// The fuzz target: bytes that are not UTF-8 never reach these decoders.
pub fn check_bytes(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        check(text);
    }
}

/// Neither decoder panics, and a cached text decodes as before. They agree on all JSON without
/// repeated keys, and on every text that the fast one takes for a chat: any damage to a chat must
/// be noticed.
pub fn check(text: &str) {
    let (read, plainly) = (fuzzing::frame(text), fuzzing::frame_plainly(text));
    assert_eq!(fuzzing::frame_again(text), [read.clone(), read.clone()], "{text}");
    if read.0 == FrameKind::Chat || serde_json::from_str::<UniqueKeys>(text).is_ok() {
        assert_eq!(read, plainly, "{text}");
    }
}

/// JSON in which no object repeats a key. The plain decoder refuses a repeated key at its own
/// level; the fast one does not check, as no server's encoder writes them.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueKeys)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated keys")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some((key, _)) = map.next_entry::<String, Self>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(self)
    }
}

#[test]
fn repeated_keys_are_rejected_at_any_depth() {
    let unique = |text: &str| serde_json::from_str::<UniqueKeys>(text).is_ok();
    assert!(unique(r#"{"a": [1, -2, 1.5, "x", null, true, {"a": {}}], "b": {"a": 1}}"#));
    assert!(!unique(r#"{"a": 1, "\u0061": 2}"#) && !unique(r#"[{"b": {"a": 1, "a": 1}}]"#) && !unique("{"));
}
