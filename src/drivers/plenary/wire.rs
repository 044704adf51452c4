//! Converts text frames of the server to events, and ours to text.
//!
//! The plain path reads any valid frame with a JSON parser. [`fast_path`](super::fast_path) reads the common ones in
//! the server's own spelling; a property test checks that both agree.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::side_rooms::SideRooms;
use super::state::{Breakout, joinable};
use super::{fast_path, normal, vocabulary};
use crate::marker::{Marker, PREFIX};
use crate::model::{Failure, FailureClass, FailureKind, FrameKind, MemberChange, SenderId};
use crate::protocol::{Event, Members, Outgoing};

/// The heartbeat: a JSON string, not an object.
const HEARTBEAT: &[u8] = br#""heartbeat""#;

/// Reads one text frame and passes its meaning to `sink`, once.
pub(super) fn read(text: &str, rooms: &SideRooms, sink: impl FnOnce(FrameKind, Event<'_>)) {
    match fast_path::read(text) {
        Some(fast_path::Frame::Chat { user, message }) => sink(FrameKind::Chat, chat(SenderId::number(user), message)),
        Some(fast_path::Frame::Presence) => {
            sink(FrameKind::Presence, Event::Members(Members { text, change: MemberChange::All }))
        }
        Some(fast_path::Frame::BreakoutPresence) => sink(vocabulary::BREAKOUT_PRESENCE, Event::Other),
        None => read_plain(text, rooms, sink),
    }
}

/// The payload of a frame to send; `None` for a websocket ping, which has none.
pub(super) fn compose(frame: Outgoing<'_>) -> Option<Cow<'static, [u8]>> {
    match frame {
        Outgoing::Chat(text) => {
            let mut out = Vec::with_capacity(text.len() + 64);
            out.extend_from_slice(br#"{"type": "chat", "payload": {"message": "#);
            serde_json::to_writer(&mut out, text).ok()?;
            out.extend_from_slice(b"}}");
            Some(Cow::Owned(out))
        }
        Outgoing::Heartbeat => Some(Cow::Borrowed(HEARTBEAT)),
        Outgoing::Ping => None,
    }
}

/// A frame's outer object. Its payload is read once its type is known.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A string, borrowed from the frame if it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Chat<'a> {
    user: Option<u64>,
    #[serde(borrow)]
    message: Text<'a>,
}

#[derive(Deserialize)]
struct Presence<'a> {
    #[serde(borrow)]
    error_code: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct WireSettings {
    plenary: PlenarySettings,
}

#[derive(Deserialize)]
struct PlenarySettings {
    breakouts_open: Option<bool>,
}

/// Reads any frame with the JSON parser. An empty frame only keeps the connection open, as some proxies do.
pub(super) fn read_plain(text: &str, rooms: &SideRooms, sink: impl FnOnce(FrameKind, Event<'_>)) {
    if text.trim_ascii().is_empty() {
        return sink(FrameKind::Unknown, Event::Other);
    }
    read_spelled(text, rooms, |kind, event| {
        match (kind == FrameKind::Malformed).then(|| normal::text(text)).flatten() {
            Some(respelled) => read_spelled(&respelled, rooms, sink),
            None => sink(kind, event),
        }
    });
}

/// Reads a frame in its own spelling.
fn read_spelled(text: &str, rooms: &SideRooms, sink: impl FnOnce(FrameKind, Event<'_>)) {
    let Some(frame) = object::<Envelope<'_>>(text) else { return sink(FrameKind::Malformed, malformed(text)) };
    let kind = kind(&frame.kind.0);
    let payload = frame.payload.map_or("", RawValue::get);
    match kind {
        FrameKind::Chat => match object::<Chat<'_>>(payload) {
            Some(said) => sink(kind, chat(said.user.map_or(SenderId::NONE, SenderId::number), &said.message.0)),
            None => sink(FrameKind::Malformed, malformed(text)),
        },
        FrameKind::Presence => match object::<Presence<'_>>(payload) {
            Some(Presence { error_code: Some(code) }) => sink(kind, Event::Refused(&refusal(&code.0))),
            Some(Presence { error_code: None }) => {
                sink(kind, Event::Members(Members { text, change: MemberChange::All }))
            }
            None => sink(FrameKind::Malformed, malformed(text)),
        },
        vocabulary::BREAKOUT_RECEIVE => match serde_json::from_str::<Vec<Breakout>>(payload) {
            Ok(list) => sink(kind, Event::SideRooms(&rooms.learn_list(joinable(&list)))),
            Err(_) => sink(FrameKind::Malformed, malformed(text)),
        },
        vocabulary::PLENARY => match object::<WireSettings>(payload).and_then(|s| s.plenary.breakouts_open) {
            Some(open) => sink(kind, Event::SideRooms(&rooms.learn_open(open))),
            None => sink(kind, Event::Other),
        },
        FrameKind::Error => sink(kind, Event::Refused(&Failure::new(complaint(frame.error.map_or("", RawValue::get))))),
        // One of our chats with a damaged type.
        FrameKind::Unknown if text.contains(PREFIX) => sink(kind, malformed(text)),
        _ => sink(kind, Event::Other),
    }
}

/// Parses an object; serde would also accept an array for a struct.
fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    if json.trim_ascii_start().starts_with('{') { serde_json::from_str(json).ok() } else { None }
}

fn chat(sender: SenderId, message: &str) -> Event<'static> {
    Event::Message { sender, decoded: Marker::decode(sender, message), replay: false }
}

fn malformed(text: &str) -> Event<'static> {
    Event::Malformed { decoded: Marker::decode_fragment(text) }
}

fn kind(text: &str) -> FrameKind {
    match text {
        "presence" => FrameKind::Presence,
        "chat" => FrameKind::Chat,
        "breakout_presence" => vocabulary::BREAKOUT_PRESENCE,
        "breakout_receive" => vocabulary::BREAKOUT_RECEIVE,
        "plenary" => vocabulary::PLENARY,
        "embeds" => vocabulary::EMBEDS,
        "videosync" => vocabulary::VIDEOSYNC,
        "chat_replace" => vocabulary::CHAT_REPLACE,
        "auth" => vocabulary::AUTH,
        "users" => vocabulary::USERS,
        "error" => FrameKind::Error,
        "message_breakouts" => vocabulary::MESSAGE_BREAKOUTS,
        "request_speaker_stats" => vocabulary::REQUEST_SPEAKER_STATS,
        _ => FrameKind::Unknown,
    }
}

/// The failure of a breakout's first frame.
fn refusal(code: &str) -> Failure {
    let declined = |kind| Failure::new(kind).classed(FailureClass::Declined);
    match code {
        "over-capacity" => declined(vocabulary::OVER_CAPACITY),
        "already-connected" => declined(vocabulary::ALREADY_CONNECTED),
        _ => Failure::new(FailureKind::ServerMessage),
    }
}

/// The kind of an `error` frame's text, which is a JSON string.
fn complaint(json: &str) -> FailureKind {
    let text = serde_json::from_str::<Text<'_>>(json).map_or(Cow::Borrowed(""), |text| text.0);
    if text.contains("not understood") {
        vocabulary::TYPE_NOT_UNDERSTOOD
    } else if text.starts_with("Missing type") {
        vocabulary::MISSING_TYPE
    } else if text.starts_with("Must be an admin") {
        vocabulary::MUST_BE_ADMIN
    } else if text.starts_with("Authentication required") {
        vocabulary::AUTHENTICATION_REQUIRED
    } else if text.starts_with("Breakout not found") {
        vocabulary::BREAKOUT_NOT_FOUND
    } else {
        FailureKind::ServerMessage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::Decoded;
    use crate::protocol::SideRoomId;

    const SERVER: &str = include_str!("../../../tests/frames/server.jsonl");
    const CLIENT: &str = include_str!("../../../tests/frames/client.jsonl");

    /// Kind and event of a frame, the event as its debug text.
    fn told(text: &str) -> (FrameKind, String) {
        let mut told = None;
        read(text, &SideRooms::default(), |kind, event| told = Some((kind, format!("{event:?}"))));
        told.unwrap()
    }

    /// Class and kind of the refusal that a frame is, if it is one.
    fn refusal(text: &str) -> Option<(FailureClass, &'static str)> {
        let mut refused = None;
        read(text, &SideRooms::default(), |_, event| {
            if let Event::Refused(failure) = event {
                refused = Some((failure.class, failure.kind.as_str()));
            }
        });
        refused
    }

    #[test]
    fn an_empty_text_keeps_the_connection_open_and_means_nothing() {
        for text in ["", " ", "\r\n"] {
            assert_eq!(told(text), (FrameKind::Unknown, "Other".to_owned()), "{text:?}");
        }
    }

    #[test]
    fn frames_are_read_however_json_spells_them() {
        let plain = told(r#"{"type": "chat", "payload": {"user": 11, "message": "a"}}"#);
        assert_eq!(plain.0, FrameKind::Chat);
        for text in [
            r#"{"type": "chat", "payload": {"user": 11.0, "message": "a"}}"#,
            r#"{"type": "chat", "payload": {"user": 1.1e1, "message": "a"}}"#,
            r#"{"type": "chat", "type": "chat", "payload": {"user": 11, "message": "a"}}"#,
            r#"{"type": "x", "payload": 1, "type": "chat", "payload": {"message": "b", "message": "a", "user": 11}}"#,
        ] {
            assert_eq!(told(text), plain, "{text}");
        }
        let breakouts = told(r#"{"type": "breakout_receive", "payload": [{"id": 3.0, "id": 4.0}]}"#);
        assert_eq!(breakouts, told(r#"{"type": "breakout_receive", "payload": [{"id": 4}]}"#));
    }

    #[test]
    fn recorded_frames_are_understood() {
        use FrameKind as F;
        let kinds: Vec<FrameKind> = SERVER.lines().map(|line| told(line).0).collect();
        let expected = [
            F::Presence,
            F::Chat,
            F::Chat,
            vocabulary::BREAKOUT_PRESENCE,
            F::Presence,
            F::Presence,
            F::Error,
            F::Error,
            F::Presence,
            vocabulary::MESSAGE_BREAKOUTS,
            vocabulary::REQUEST_SPEAKER_STATS,
            vocabulary::EMBEDS,
            vocabulary::PLENARY,
            vocabulary::VIDEOSYNC,
            vocabulary::VIDEOSYNC,
            vocabulary::AUTH,
            vocabulary::USERS,
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn recorded_chats_name_their_sender() {
        for line in SERVER.lines().filter(|line| line.ends_with(r#""chat"}"#)) {
            assert_eq!(told(line).1, "Message { sender: SenderId(6), decoded: None, replay: false }");
        }
    }

    #[test]
    fn refusals_and_errors_have_their_kinds() {
        let refused: Vec<_> = SERVER.lines().filter_map(refusal).collect();
        let expected = [
            (FailureClass::Declined, "already_connected"),
            (FailureClass::Declined, "over_capacity"),
            (FailureClass::Retry, "type_not_understood"),
            (FailureClass::Retry, "missing_type"),
        ];
        assert_eq!(refused, expected);
        for (text, kind) in [
            ("Must be an admin to archive chat", "must_be_admin"),
            ("Authentication required", "authentication_required"),
            ("Breakout not found", "breakout_not_found"),
            ("teapot", "server_message"),
        ] {
            let frame = format!(r#"{{"type": "error", "error": "{text}"}}"#);
            assert_eq!((told(&frame).0, refusal(&frame)), (FrameKind::Error, Some((FailureClass::Retry, kind))));
        }
    }

    #[test]
    fn our_frames_are_spelled_as_recorded() {
        let text = |frame| String::from_utf8(compose(frame).unwrap().into_owned()).unwrap();
        let ours = [text(Outgoing::Chat("hello from alice")), text(Outgoing::Heartbeat)];
        assert_eq!(ours, CLIENT.lines().take(2).collect::<Vec<_>>()[..], "the third, a takeover, is never sent");
        let quoted = text(Outgoing::Chat("a\"b\\c\né\u{1}"));
        let parsed: serde_json::Value = serde_json::from_str(&quoted).unwrap();
        assert_eq!(parsed["payload"]["message"], "a\"b\\c\né\u{1}");
    }

    #[test]
    fn a_marker_is_sighted_through_the_wire() {
        let marker = Marker {
            run: crate::marker::RunTag::of("night"),
            room: crate::marker::RoomTag::of("test"),
            generator: crate::marker::GeneratorTag(1),
            seq: 9,
            intended_micros: 5,
        };
        let chat = |text: &str| {
            let frame = SERVER.lines().nth(1).unwrap().replace("hello from alice", text);
            let mut seen = None;
            read(&frame, &SideRooms::default(), |_, event| {
                if let Event::Message { decoded, .. } = event {
                    seen = Some(decoded);
                }
            });
            seen
        };
        assert_eq!(chat(&marker.encode(SenderId::number(6), "hi")), Some(Decoded::Intact(marker)));
        assert_eq!(chat(&marker.encode(SenderId::number(7), "hi")), Some(Decoded::Corrupt(Some(marker))));
        assert_eq!(chat(&marker.encode(SenderId::number(6), "caf\\u00e9")), Some(Decoded::Corrupt(Some(marker))));
        assert_eq!(
            chat(&marker.encode(SenderId::number(6), "café").replace('é', "\\u00e9")),
            Some(Decoded::Intact(marker))
        );
    }

    #[test]
    fn damage_is_malformed_and_says_whether_it_was_ours() {
        for (text, marked) in [
            ("null", false),
            ("[\"chat\", {\"message\": \"sr2-\"}]", true),
            ("{\"type\": \"chat\"}", false),
            ("{\"type\": 7, \"payload\": \"sr2-\"}", true),
            ("{\"type\": \"chat\", \"payload\": {\"user\": \"x\", \"message\": \"sr2-\"}}", true),
            ("{\"payload\": {\"user\": 6, \"message\": \"sr2-a\"}, \"type\": \"chat\"", true),
            ("{\"payload\": {\"message\": \"x\"}}", false),
            ("{\"type\": \"presence\", \"payload\": []}", false),
            ("{\"type\": \"breakout_receive\", \"payload\": {}}", false),
        ] {
            let decoded = if marked { Decoded::Corrupt(None) } else { Decoded::None };
            assert_eq!(told(text), (FrameKind::Malformed, format!("Malformed {{ decoded: {decoded:?} }}")), "{text}");
        }
        let strange = r#"{"payload": {"message": "sr2-a"}, "type": "chaX"}"#;
        assert_eq!(told(strange), (FrameKind::Unknown, "Malformed { decoded: Corrupt(None) }".to_owned()));
    }

    #[test]
    fn breakouts_may_be_joined_only_while_they_are_open() {
        let rooms = SideRooms::default();
        let ids = |text: &str| {
            let mut ids = Vec::new();
            read(text, &rooms, |_, event| {
                if let Event::SideRooms(list) = event {
                    ids.extend_from_slice(list);
                }
            });
            ids
        };
        let list = r#"{"type": "breakout_receive", "payload": [{"id": 4}, {"id": 5, "is_proposal": true}]}"#;
        assert_eq!(ids(list), []);
        let opened = SERVER.lines().find(|line| line.ends_with(r#""plenary"}"#)).unwrap();
        assert_eq!(ids(opened), [SideRoomId(4)]);
        assert_eq!(ids(list), [SideRoomId(4)]);
        assert_eq!(ids(&opened.replace("\"breakouts_open\": true", "\"breakouts_open\": false")), []);
    }
}
