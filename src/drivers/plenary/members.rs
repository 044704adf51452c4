//! Reads member lists in full: the members of the room according to the server.
//!
//! Lists are large and most are never read in full; this is for the few that are.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::normal;
use crate::model::{Failure, FailureKind, SenderId};

/// The needed fields of a member.
#[derive(Deserialize)]
struct Member<'a> {
    id: u64,
    #[serde(borrow)]
    username: Cow<'a, str>,
}

/// Calls `each` with every member's numeric id and username. A list in an unusual spelling is detected before the first
/// call.
pub(super) fn read(text: &str, each: impl FnMut(SenderId, &str)) -> Result<(), Failure> {
    if read_spelled(text, |_, _| {}).is_err()
        && let Some(respelled) = normal::text(text)
    {
        return read_spelled(&respelled, each);
    }
    read_spelled(text, each)
}

fn read_spelled(text: &str, mut each: impl FnMut(SenderId, &str)) -> Result<(), Failure> {
    let mut json = serde_json::Deserializer::from_str(text);
    let malformed = |e: serde_json::Error| Failure::with(FailureKind::Malformed, e.to_string());
    let lists = At { path: &["payload", "members"], each: &mut each }.deserialize(&mut json).map_err(malformed)?;
    json.end().map_err(malformed)?;
    if lists == 1 { Ok(()) } else { Err(Failure::with(FailureKind::Malformed, "not one list of members")) }
}

/// Visits the list at a path of keys, and counts the lists found there.
struct At<'p, F> {
    path: &'static [&'static str],
    each: &'p mut F,
}

impl<'de, F: FnMut(SenderId, &str)> DeserializeSeed<'de> for At<'_, F> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        if self.path.is_empty() { deserializer.deserialize_seq(self) } else { deserializer.deserialize_map(self) }
    }
}

impl<'de, F: FnMut(SenderId, &str)> Visitor<'de> for At<'_, F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.path.is_empty() { "a list of members" } else { "an object" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let Self { path, each } = self;
        let mut lists = 0;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match path.split_first() {
                Some((wanted, path)) if key == *wanted => {
                    lists += map.next_value_seed(At { path, each: &mut *each })?
                }
                _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
            }
        }
        Ok(lists)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<usize, A::Error> {
        while let Some(Member { id, username }) = list.next_element()? {
            (self.each)(SenderId::number(id), &username);
        }
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = include_str!("../../../tests/frames/server.jsonl");

    fn named(text: &str) -> Result<Vec<(u64, String)>, FailureKind> {
        let mut named = Vec::new();
        read(text, |id, name| named.push((id.0, name.to_owned()))).map_err(|failure| failure.kind)?;
        Ok(named)
    }

    #[test]
    fn a_recorded_list_names_its_members() {
        let list =
            SERVER.lines().find(|line| line.contains("\"loadtest1\"") && line.ends_with("\"presence\"}")).unwrap();
        assert_eq!(named(list).unwrap(), [(6, "loadtest0".to_owned()), (7, "loadtest1".to_owned())]);
    }

    #[test]
    fn the_order_and_the_spelling_of_keys_do_not_matter() {
        let list = r#"{"type":"presence","payload":{"lurkers":2,"memb\u0065rs":[{"username":"caf\u00e9","id":9}]}}"#;
        assert_eq!(named(list).unwrap(), [(9, "café".to_owned())]);
        assert_eq!(named(r#"{"payload": {"members": []}}"#).unwrap(), []);
        let twice =
            r#"{"payload": {"members": [{"id": 1, "username": "a"}], "members": [{"id": 2.0, "username": "b"}]}}"#;
        assert_eq!(named(twice).unwrap(), [(2, "b".to_owned())]);
    }

    #[test]
    fn what_is_not_a_list_is_malformed() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"payload": {}}"#,
            r#"{"payload": {"members": {}}}"#,
            r#"{"payload": {"members": [{"id": -1, "username": "x"}]}}"#,
            r#"{"payload": {"members": [{"id": 1}]}}"#,
            r#"{"payload": {"members": []}} x"#,
            r#"{"payload": {"members": [{"id": 1, "username": "x"}"#,
        ] {
            assert_eq!(named(text), Err(FailureKind::Malformed), "{text}");
        }
        let deep = format!("{{\"payload\": {{\"x\": {}", "[".repeat(100_000));
        assert_eq!(named(&deep), Err(FailureKind::Malformed));
    }
}
