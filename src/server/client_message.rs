//! Parses a client's text frame, sent to a plenary or a breakout.
//!
//! Pure. What the application's consumer crashes on is [`ClientMessage::Crash`].

use serde_json::Value;

/// Types that only an admin may send.
const ADMIN_ONLY: [&str; 6] = ["archive_chat", "embeds", "plenary", "videosync", "message_breakouts", "breakout"];

/// What a text was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelKind {
    Plenary,
    Breakout,
}

/// A parsed text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientMessage {
    /// The JSON string `"heartbeat"`.
    Heartbeat,
    /// A chat of this text.
    Chat(String),
    /// A request to take over the user's place from its other breakouts.
    TakeOver,
    /// Refused: the answer is an `error` frame with this text.
    Rejected(String),
    /// The consumer crashes: the connection ends without a close frame.
    Crash,
}

/// Parses a client's text.
pub(super) fn parse(channel: ChannelKind, text: &str) -> ClientMessage {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::String(word)) if word == "heartbeat" => ClientMessage::Heartbeat,
        Ok(Value::Object(mut object)) => match object.remove("type") {
            None => ClientMessage::Rejected("Missing type".to_owned()),
            Some(Value::String(kind)) => typed(channel, &kind, object.remove("payload")),
            Some(other) => ClientMessage::Rejected(format!("Type {other} not understood")),
        },
        _ => ClientMessage::Crash,
    }
}

fn typed(channel: ChannelKind, kind: &str, payload: Option<Value>) -> ClientMessage {
    match (channel, kind) {
        (ChannelKind::Plenary, "chat") => chat(payload),
        (ChannelKind::Breakout, "DISCONNECTING_OTHERS") => ClientMessage::TakeOver,
        (ChannelKind::Plenary, _) if ADMIN_ONLY.contains(&kind) => {
            ClientMessage::Rejected("Must be an admin to do that".to_owned())
        }
        _ => ClientMessage::Rejected(format!("Type {kind} not understood")),
    }
}

fn chat(payload: Option<Value>) -> ClientMessage {
    match payload {
        Some(Value::Object(mut payload)) => match payload.remove("message") {
            Some(Value::String(text)) if !text.contains('\0') => ClientMessage::Chat(text),
            _ => ClientMessage::Crash,
        },
        _ => ClientMessage::Crash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_client_frames_are_parsed() {
        let lines: Vec<_> = include_str!("../../tests/frames/client.jsonl").lines().collect();
        assert_eq!(parse(ChannelKind::Plenary, lines[0]), ClientMessage::Chat("hello from alice".into()));
        assert_eq!(parse(ChannelKind::Plenary, lines[1]), ClientMessage::Heartbeat);
        assert_eq!(parse(ChannelKind::Breakout, lines[2]), ClientMessage::TakeOver);
    }

    #[test]
    fn rejections_have_the_applications_texts() {
        let refused = |text: &str| ClientMessage::Rejected(text.into());
        let heartbeat = r#"{"type":"heartbeat"}"#;
        assert_eq!(parse(ChannelKind::Plenary, heartbeat), refused("Type heartbeat not understood"));
        assert_eq!(parse(ChannelKind::Plenary, "{}"), refused("Missing type"));
        let chat = r#"{"type":"chat","payload":{"message":"x"}}"#;
        assert_eq!(parse(ChannelKind::Breakout, chat), refused("Type chat not understood"));
        assert!(
            matches!(parse(ChannelKind::Plenary, r#"{"type":"embeds"}"#), ClientMessage::Rejected(t) if t.starts_with("Must be"))
        );
    }

    #[test]
    fn malformed_messages_are_a_crash() {
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
            assert_eq!(parse(ChannelKind::Plenary, text), ClientMessage::Crash, "{text}");
        }
        assert_eq!(parse(ChannelKind::Plenary, &"[".repeat(100_000)), ClientMessage::Crash);
    }
}
