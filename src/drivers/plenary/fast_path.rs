//! The fast path for the frames that make up nearly all traffic: chats and member lists in the server's own spelling.
//!
//! Broadcasts put `type` last. In a valid JSON object a text that ends in `"type": "chat"}`
//! can only end in a member of the outermost object: the last brace closes it, and quotes
//! that follow a space or a comma are not escaped. So a member list of 200 kB is known by its
//! end. A chat is checked byte for byte all the same, so that damage anywhere in it is seen.
//! Whatever is spelled otherwise goes to the plain reader.

use memchr::{memchr, memchr2, memmem};

/// A frame that was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Chat { user: u64, message: &'a str },
    Presence,
    BreakoutPresence,
}

/// Reads a frame in the server's own spelling; `None` if in doubt.
pub(super) fn read(text: &str) -> Option<Frame<'_>> {
    let outer = text.strip_suffix("\"}")?;
    if let Some(rest) = outer.strip_suffix("chat") {
        return chat(Cursor(before_type(rest)?));
    }
    let rest = outer.strip_suffix("presence")?;
    if let Some(rest) = rest.strip_suffix("breakout_") {
        return (begins_well(text) && before_type(rest).is_some()).then_some(Frame::BreakoutPresence);
    }
    before_type(rest)?;
    (begins_well(text) && !may_refuse(text.as_bytes())).then_some(Frame::Presence)
}

/// The text before `, "type": "`, with or without its spaces.
fn before_type(text: &str) -> Option<&str> {
    text.strip_suffix(", \"type\": \"").or_else(|| text.strip_suffix(",\"type\":\""))
}

/// Whether the payload comes first and is an object.
fn begins_well(text: &str) -> bool {
    text.starts_with("{\"payload\": {") || text.starts_with("{\"payload\":{")
}

/// Whether a member list may contain the key `error_code` of a refusal, in any spelling: its letters can only be
/// escaped as `\u00` and a digit from 2 to 7.
fn may_refuse(text: &[u8]) -> bool {
    if memmem::find(text, b"error_code").is_some() {
        return true;
    }
    memchr(b'\\', text).is_some()
        && memmem::find_iter(text, b"\\u00").any(|at| matches!(text.get(at + 4), None | Some(b'2'..=b'7')))
}

/// `{"payload": {"id": 1, "user": 6, "created": "…", "message": "…", "highlight": false,
/// "archived": false, "mentions": []}`, and nothing else.
fn chat(mut at: Cursor<'_>) -> Option<Frame<'_>> {
    at.literal("{\"payload\":")?;
    at.literal("{\"id\":")?;
    at.number()?;
    at.literal(",")?;
    at.literal("\"user\":")?;
    let user = at.number()?;
    at.literal(",")?;
    at.literal("\"created\":")?;
    at.string()?;
    at.literal(",")?;
    at.literal("\"message\":")?;
    let message = at.string()?;
    for name in ["\"highlight\":", "\"archived\":"] {
        at.literal(",")?;
        at.literal(name)?;
        at.literal("false").or_else(|| at.literal("true"))?;
    }
    at.literal(",")?;
    at.literal("\"mentions\":")?;
    (at.0 == "[]}").then_some(Frame::Chat { user, message })
}

/// The rest of a frame.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    /// Skips `expected` and one space after it.
    fn literal(&mut self, expected: &str) -> Option<()> {
        let rest = self.0.strip_prefix(expected)?;
        self.0 = rest.strip_prefix(' ').unwrap_or(rest);
        Some(())
    }

    /// A JSON number without sign, fraction or exponent.
    fn number(&mut self) -> Option<u64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at_checked(digits)?;
        if number.len() > 1 && number.starts_with('0') {
            return None;
        }
        self.0 = rest;
        number.parse().ok()
    }

    /// The contents of a string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        let inner = self.0.strip_prefix('"')?;
        let end = memchr2(b'"', b'\\', inner.as_bytes())?;
        let (string, rest) = inner.split_at_checked(end)?;
        if string.bytes().any(|b| b < 0x20) {
            return None;
        }
        self.0 = rest.strip_prefix('"')?;
        Some(string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::plenary::side_rooms::SideRooms;
    use crate::drivers::plenary::wire;
    use crate::model::FrameKind;
    use proptest::prelude::*;

    /// A reader's result for a frame, as text.
    fn plain(text: &str) -> (FrameKind, String) {
        let mut told = None;
        wire::read_plain(text, &SideRooms::default(), |kind, event| told = Some((kind, format!("{event:?}"))));
        told.unwrap()
    }

    fn whole(text: &str) -> (FrameKind, String) {
        let mut told = None;
        wire::read(text, &SideRooms::default(), |kind, event| told = Some((kind, format!("{event:?}"))));
        told.unwrap()
    }

    #[test]
    fn the_recorded_broadcasts_take_the_fast_path() {
        let frames: Vec<&str> = include_str!("../../../tests/frames/server.jsonl").lines().collect();
        assert_eq!(read(frames[0]), Some(Frame::Presence));
        assert_eq!(read(frames[1]), Some(Frame::Chat { user: 6, message: "hello from alice" }));
        assert_eq!(read(frames[3]), Some(Frame::BreakoutPresence));
        let compact = r#"{"payload":{"id":1,"user":6,"created":"2026","message":"m","highlight":false,"archived":true,"mentions":[]},"type":"chat"}"#;
        assert_eq!(read(compact), Some(Frame::Chat { user: 6, message: "m" }));
    }

    #[test]
    fn numbers_are_spelled_as_json_spells_them() {
        let frame = include_str!("../../../tests/frames/server.jsonl").lines().nth(1).unwrap();
        for number in ["007", "+7", "-7", "7.0", "7e0", "99999999999999999999", ""] {
            assert_eq!(read(&frame.replace("\"user\": 6", &format!("\"user\": {number}"))), None, "{number}");
        }
    }

    /// Texts as they may occur in a frame, including ones that could mislead a searching reader.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,30}",
            "\\PC{0,10}",
            Just(r#"", "type": "chat"}"#.to_owned()),
            Just(r#"\", \"type\": \"presence\"}"#.to_owned()),
            Just("error_code".to_owned()),
            Just("sr2-a-b-c-d-e-f|x".to_owned()),
        ]
    }

    /// A JSON string with each character plain or escaped.
    fn json_string(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        (text, any::<u64>()).prop_map(|(text, escaped)| {
            let mut out = String::from("\"");
            for (i, c) in text.chars().enumerate() {
                if escaped >> (i % 64) & 1 == 1 && i % 3 == 0 {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                } else {
                    let plain = serde_json::to_string(&c.to_string()).unwrap();
                    out.push_str(&plain[1..plain.len() - 1]);
                }
            }
            out.push('"');
            out
        })
    }

    fn value() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            json_string(text()),
            any::<u64>().prop_map(|n| n.to_string()),
            any::<f32>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| serde_json::to_string(&f).unwrap()),
            prop_oneof![Just("null"), Just("true"), Just("false"), Just("[]"), Just("{}")].prop_map(str::to_owned),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(", "))),
                object(prop::collection::vec((key(), inner), 0..5)),
            ]
        })
    }

    fn key() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            3 => prop::sample::select(vec![
                "id", "user", "created", "message", "highlight", "archived", "mentions", "members", "lurkers",
                "error_code", "type", "payload", "error", "channel_name", "breakout_id",
            ]).prop_map(str::to_owned),
            1 => "[a-z_]{1,8}",
        ];
        prop_oneof![9 => name.clone().prop_map(|n| format!("\"{n}\"")), 1 => json_string(name)]
    }

    /// An object without repeated keys, in one of three spacings.
    fn object(members: impl Strategy<Value = Vec<(String, String)>>) -> impl Strategy<Value = String> {
        (members, 0..3_usize).prop_map(|(members, spacing)| {
            let (colon, comma) = [(": ", ", "), (":", ","), (" :\n", " ,\t")][spacing];
            let mut seen = std::collections::HashSet::new();
            let members: Vec<String> = members
                .into_iter()
                .filter(|(key, _)| seen.insert(serde_json::from_str::<String>(key).unwrap()))
                .map(|(key, value)| format!("{key}{colon}{value}"))
                .collect();
            format!("{{{}}}", members.join(comma))
        })
    }

    /// The payload of a chat, mostly as the server spells it.
    fn chat_payload() -> impl Strategy<Value = String> {
        let number = prop_oneof![any::<u64>().prop_map(|n| n.to_string()), Just("-7".to_owned()), Just("1.0".into())];
        (number.clone(), number, json_string(text()), json_string(text()), any::<[bool; 2]>(), any::<bool>()).prop_map(
            |(id, user, created, message, [highlight, archived], spaced)| {
                let text = format!(
                    "{{\"id\": {id}, \"user\": {user}, \"created\": {created}, \"message\": {message}, \
                     \"highlight\": {highlight}, \"archived\": {archived}, \"mentions\": []}}"
                );
                if spaced { text } else { text.replace("\": ", "\":").replace(", \"", ",\"") }
            },
        )
    }

    fn frame() -> impl Strategy<Value = String> {
        let kind = prop::sample::select(vec!["chat", "presence", "breakout_presence", "embeds", "error", "nonsense"]);
        let kind = prop_oneof![9 => kind.clone().prop_map(|k| format!("\"{k}\"")), 1 => json_string(kind.prop_map(str::to_owned))];
        let payload = prop_oneof![
            2 => chat_payload(),
            2 => object(prop::collection::vec((key(), value()), 0..7)),
            1 => value(),
        ];
        let extra = prop::collection::vec((key(), value()), 0..2);
        let spacing = prop::sample::select(vec![("", ""), (" ", "\n")]);
        (kind, payload, extra, any::<bool>(), spacing).prop_flat_map(
            |(kind, payload, extra, type_last, (before, after))| {
                let mut members = vec![("\"payload\"".to_owned(), payload), ("\"type\"".to_owned(), kind)];
                if !type_last {
                    members.rotate_left(1);
                }
                members.splice(
                    0..0,
                    extra.into_iter().filter(|(key, _)| !key.contains("type") && !key.contains("payload")),
                );
                object(Just(members)).prop_map(move |object| format!("{before}{object}{after}"))
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn the_fast_path_agrees_with_the_plain_reader(text in frame()) {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{}", text);
            prop_assert_eq!(whole(&text), plain(&text), "{}", text);
        }

        #[test]
        fn a_damaged_chat_is_read_alike(at in any::<prop::sample::Index>(), to in "[ -~]", cut in any::<bool>()) {
            let frame = include_str!("../../../tests/frames/server.jsonl").lines().nth(1).unwrap();
            let at = at.index(frame.len());
            let mut damaged = frame.to_owned();
            damaged.replace_range(at..=at, if cut { "" } else { &to });
            prop_assert_eq!(whole(&damaged), plain(&damaged), "{}", damaged);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
            let _ = whole(&text);
        }
    }
}
