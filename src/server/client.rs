//! What a client's text means to a plenary or a breakout.
//!
//! Pure: text in, meaning out. What the application's consumer crashes on is [`Said::Crash`].

use serde_json::Value;

/// Types that only an admin may send.
const ADMIN_ONLY: [&str; 6] = ["archive_chat", "embeds", "plenary", "videosync", "message_breakouts", "breakout"];

/// Where a text was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Plenary,
    Breakout,
}

/// A client's text, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The JSON string `"heartbeat"`.
    Heartbeat,
    /// A chat of this text.
    Chat(String),
    /// Take the seat over from this user's other breakouts.
    TakeOver,
    /// To be answered with an `error` frame of this text.
    Refused(String),
    /// The consumer crashes: the connection ends without a close frame.
    Crash,
}

/// Reads a client's text.
pub(super) fn said(room: Room, text: &str) -> Said {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::String(word)) if word == "heartbeat" => Said::Heartbeat,
        Ok(Value::Object(mut object)) => match object.remove("type") {
            None => Said::Refused("Missing type".to_owned()),
            Some(Value::String(kind)) => typed(room, &kind, object.remove("payload")),
            Some(other) => Said::Refused(format!("Type {other} not understood")),
        },
        _ => Said::Crash,
    }
}

fn typed(room: Room, kind: &str, payload: Option<Value>) -> Said {
    match (room, kind) {
        (Room::Plenary, "chat") => chat(payload),
        (Room::Breakout, "DISCONNECTING_OTHERS") => Said::TakeOver,
        (Room::Plenary, _) if ADMIN_ONLY.contains(&kind) => Said::Refused("Must be an admin to do that".to_owned()),
        _ => Said::Refused(format!("Type {kind} not understood")),
    }
}

fn chat(payload: Option<Value>) -> Said {
    match payload {
        Some(Value::Object(mut payload)) => match payload.remove("message") {
            Some(Value::String(text)) if !text.contains('\0') => Said::Chat(text),
            _ => Said::Crash,
        },
        _ => Said::Crash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_frames_are_understood() {
        let lines: Vec<_> = include_str!("../../tests/frames/client.jsonl").lines().collect();
        assert_eq!(said(Room::Plenary, lines[0]), Said::Chat("hello from alice".into()));
        assert_eq!(said(Room::Plenary, lines[1]), Said::Heartbeat);
        assert_eq!(said(Room::Breakout, lines[2]), Said::TakeOver);
    }

    #[test]
    fn refusals_have_the_applications_texts() {
        let refused = |text: &str| Said::Refused(text.into());
        let heartbeat = r#"{"type":"heartbeat"}"#;
        assert_eq!(said(Room::Plenary, heartbeat), refused("Type heartbeat not understood"));
        assert_eq!(said(Room::Plenary, "{}"), refused("Missing type"));
        let chat = r#"{"type":"chat","payload":{"message":"x"}}"#;
        assert_eq!(said(Room::Breakout, chat), refused("Type chat not understood"));
        assert!(matches!(said(Room::Plenary, r#"{"type":"embeds"}"#), Said::Refused(t) if t.starts_with("Must be")));
    }

    #[test]
    fn what_crashes_the_application() {
        for text in [
            "",
            "hello",
            "7",
            "null",
            "\"other\"",
            r#"{"type":"chat"}"#,
            r#"{"type":"chat","payload":{}}"#,
            r#"{"type":"chat","payload":{"message":"a\u0000b"}}"#,
        ] {
            assert_eq!(said(Room::Plenary, text), Said::Crash, "{text}");
        }
        assert_eq!(said(Room::Plenary, &"[".repeat(100_000)), Said::Crash);
    }
}
