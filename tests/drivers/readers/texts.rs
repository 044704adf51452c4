//! Text frames: the quick reader and the plain one, on any text.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use soakrig::drivers::plenary::fuzzing;
use soakrig::model::FrameKind;

/// The fuzz target: bytes that are no UTF-8 never come to these readers.
pub fn hold_bytes(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        hold(text);
    }
}

/// Neither reader panics, and what is known means what it meant. They agree on everything that is sound JSON, and on every text that the
/// quick one takes for a chat: damage to a chat must be seen, whatever it is.
pub fn hold(text: &str) {
    let (read, plainly) = (fuzzing::frame(text), fuzzing::frame_plainly(text));
    assert_eq!(fuzzing::frame_again(text), [read.clone(), read.clone()], "{text}");
    if read.0 == FrameKind::Chat || serde_json::from_str::<Sound>(text).is_ok() {
        assert_eq!(read, plainly, "{text}");
    }
}

/// JSON in which no object has a key twice. The plain reader refuses a repeated key of its own
/// level; the quick one does not look for them, as no server's encoder writes them.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sound)
    }
}

impl<'de> Visitor<'de> for Sound {
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
fn soundness_is_judged_strictly() {
    let sound = |text: &str| serde_json::from_str::<Sound>(text).is_ok();
    assert!(sound(r#"{"a": [1, -2, 1.5, "x", null, true, {"a": {}}], "b": {"a": 1}}"#));
    assert!(!sound(r#"{"a": 1, "\u0061": 2}"#) && !sound(r#"[{"b": {"a": 1, "a": 1}}]"#) && !sound("{"));
}
