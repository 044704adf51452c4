//! The frames a plenary server sends, spelled as the recorded ones.
//!
//! Encodes facts as frames ready for any number of sockets; knows no socket and no channel.

use bytes::{Bytes, BytesMut};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::accounts::User;
use super::frame::{self, Bits, Opcode};
use super::json::dumps;

/// What a frame is, for counting and for faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// The chat of this id.
    Chat(u64),
    /// A member list.
    Presence,
    /// A breakout's member list for the plenary.
    BreakoutPresence,
    /// An `error` frame.
    Error,
    /// A websocket ping.
    Ping,
    /// A pong or a close.
    Control,
    /// A frame that only a fault sends.
    Injected,
}

/// A whole frame, framed once and shared by every socket it goes to.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub kind: FrameKind,
    pub bytes: Bytes,
}

impl Frame {
    fn text(kind: FrameKind, text: &str) -> Self {
        Self { kind, bytes: frame::encode(Opcode::Text, text.as_bytes()) }
    }

    /// A websocket ping.
    pub(super) fn ping() -> Self {
        Self { kind: FrameKind::Ping, bytes: Bytes::from_static(&[0x89, 4, b'l', b'i', b'f', b'e']) }
    }

    /// The answer to a client's ping.
    pub(super) fn pong(payload: &[u8]) -> Self {
        Self { kind: FrameKind::Control, bytes: frame::encode(Opcode::Pong, payload) }
    }

    /// A close with `code`.
    pub(super) fn close(code: u16) -> Self {
        Self { kind: FrameKind::Control, bytes: frame::close(code) }
    }

    /// The text of a text frame.
    pub(super) fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(frame::payload(&self.bytes)?).ok()
    }
}

/// What only faults send.
impl Frame {
    /// The first half of the frame's bytes.
    pub(super) fn half(&self) -> Self {
        Self { kind: FrameKind::Injected, bytes: self.bytes.slice(..self.bytes.len() / 2) }
    }

    /// The same text in three fragments, with a ping after the first and the second.
    pub(super) fn in_fragments(&self) -> Self {
        let payload = frame::payload(&self.bytes).unwrap_or_default();
        let third = payload.len() / 3;
        let (first, rest) = payload.split_at(third);
        let (second, last) = rest.split_at(third);
        let mut out = BytesMut::new();
        let more = Bits { fin: false, rsv1: false };
        frame::put(&mut out, Opcode::Text, more, first);
        frame::put(&mut out, Opcode::Ping, Bits::WHOLE, b"between");
        frame::put(&mut out, Opcode::Continuation, more, second);
        frame::put(&mut out, Opcode::Ping, Bits::WHOLE, b"between");
        frame::put(&mut out, Opcode::Continuation, Bits::WHOLE, last);
        Self { kind: self.kind, bytes: out.freeze() }
    }

    /// A text frame that is not UTF-8.
    pub(super) fn not_utf8() -> Self {
        Self { kind: FrameKind::Injected, bytes: frame::encode(Opcode::Text, b"{\"type\": \"\xc3\x28\"}") }
    }

    /// A frame that claims to be compressed, though compression was not negotiated.
    pub(super) fn compressed() -> Self {
        let mut out = BytesMut::new();
        // An empty deflate block; the bit is wrong whatever the bytes are.
        frame::put(&mut out, Opcode::Text, Bits { fin: true, rsv1: true }, &[0x02, 0x00]);
        Self { kind: FrameKind::Injected, bytes: out.freeze() }
    }

    /// A text frame of JSON with a payload of exactly `length` bytes, 64 at least.
    pub(super) fn padding(length: usize) -> Self {
        const HEAD: &str = "{\"payload\": \"";
        const TAIL: &str = "\", \"type\": \"embeds\"}";
        let padding = length.max(64) - HEAD.len() - TAIL.len();
        Self::text(FrameKind::Injected, &format!("{HEAD}{}{TAIL}", " ".repeat(padding)))
    }
}

/// A user in a member list.
pub(super) struct Member<'a> {
    pub user: &'a User,
    /// Address of the avatar, the same for all users.
    pub image: &'a str,
}

impl Serialize for Member<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("id", &self.user.id)?;
        map.serialize_entry("username", &self.user.username)?;
        map.serialize_entry("display_name", &self.user.username)?;
        map.serialize_entry("image", self.image)?;
        map.serialize_entry("contact_card_twitter", &())?;
        map.serialize_entry("contact_card_email", &())?;
        map.end()
    }
}

/// The payload of a member list.
#[derive(Serialize)]
pub(super) struct MemberList<'a> {
    pub channel_name: &'a str,
    pub members: Vec<Member<'a>>,
    pub lurkers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breakout_id: Option<String>,
}

/// Broadcasts put `type` last.
#[derive(Serialize)]
struct Broadcast<'a, P> {
    payload: P,
    r#type: &'a str,
}

/// A member list for its own channel.
pub(super) fn presence(list: &MemberList<'_>) -> Frame {
    Frame::text(FrameKind::Presence, &dumps(&Broadcast { payload: list, r#type: "presence" }))
}

/// A breakout's member list for the plenary; `breakout_id` must be set.
pub(super) fn breakout_presence(list: &MemberList<'_>) -> Frame {
    Frame::text(FrameKind::BreakoutPresence, &dumps(&Broadcast { payload: list, r#type: "breakout_presence" }))
}

/// A chat, as it stands in frames and in the event page.
#[derive(Serialize)]
pub(super) struct ChatPayload<'a> {
    pub id: u64,
    /// The sender's numeric id.
    pub user: u64,
    /// ISO 8601 with microseconds.
    pub created: &'a str,
    /// Sanitised HTML.
    pub message: &'a str,
    pub highlight: bool,
    pub archived: bool,
    pub mentions: [(); 0],
}

/// The payload's text, encoded once for the frame and for the history.
pub(super) fn chat_payload(payload: &ChatPayload<'_>) -> Box<RawValue> {
    // `dumps` gives whole JSON, so the other branch cannot be taken.
    RawValue::from_string(dumps(payload)).unwrap_or_default()
}

/// The frame of a chat.
pub(super) fn chat(id: u64, payload: &RawValue) -> Frame {
    Frame::text(FrameKind::Chat(id), &dumps(&Broadcast { payload, r#type: "chat" }))
}

/// A chat's frame of any text, for damaged ones.
pub(super) fn chat_text(id: u64, text: &str) -> Frame {
    Frame::text(FrameKind::Chat(id), text)
}

/// An `error` frame of a plenary: `type` last.
pub(super) fn error(text: &str) -> Frame {
    #[derive(Serialize)]
    struct Error<'a> {
        error: &'a str,
        r#type: &'a str,
    }
    Frame::text(FrameKind::Error, &dumps(&Error { error: text, r#type: "error" }))
}

/// An `error` frame of a breakout: `type` first.
pub(super) fn breakout_error(text: &str) -> Frame {
    #[derive(Serialize)]
    struct Error<'a> {
        r#type: &'a str,
        error: &'a str,
    }
    Frame::text(FrameKind::Error, &dumps(&Error { r#type: "error", error: text }))
}

/// Why a breakout refuses a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BreakoutRefusal {
    /// It is full.
    OverCapacity,
    /// The user is in another breakout.
    AlreadyConnected,
}

/// The member list that refuses a socket; `channel` is the socket's own name.
pub(super) fn breakout_refused(channel: &str, why: BreakoutRefusal) -> Frame {
    #[derive(Serialize)]
    struct Payload<'a> {
        channel_name: &'a str,
        members: [(); 0],
        error: &'a str,
        error_code: &'a str,
    }
    #[derive(Serialize)]
    struct Refusal<'a> {
        r#type: &'a str,
        payload: Payload<'a>,
    }
    let (error, error_code) = match why {
        BreakoutRefusal::OverCapacity => ("Over capacity", "over-capacity"),
        BreakoutRefusal::AlreadyConnected => ("Already connected", "already-connected"),
    };
    let payload = Payload { channel_name: channel, members: [], error, error_code };
    Frame::text(FrameKind::Presence, &dumps(&Refusal { r#type: "presence", payload }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = include_str!("../../tests/frames/server.jsonl");
    const IMAGE: &str = "https://127.0.0.1:58000/media/assets/default_avatar.jpg";

    fn is_recorded(frame: &Frame) {
        let head = if frame.bytes[1] == 126 { 4 } else { 2 };
        let text = std::str::from_utf8(&frame.bytes[head..]).unwrap();
        assert!(RECORDED.lines().any(|line| line == text), "not recorded: {text}");
    }

    fn user(id: u64, username: &str) -> User {
        User { id, username: username.to_owned() }
    }

    #[test]
    fn frames_are_encoded_as_recorded() {
        let (first, second) = (user(6, "loadtest0"), user(7, "loadtest1"));
        let member = |user| Member { user, image: IMAGE };
        let list = MemberList {
            channel_name: "plenary-1",
            members: vec![member(&first), member(&second)],
            lurkers: 0,
            breakout_id: None,
        };
        is_recorded(&presence(&list));
        let list = MemberList { channel_name: "plenary-3", members: Vec::new(), lurkers: 1, breakout_id: None };
        is_recorded(&presence(&list));
        let breakout_id = Some("1".to_owned());
        let list = MemberList { channel_name: "breakout-1", members: vec![member(&second)], lurkers: 0, breakout_id };
        is_recorded(&breakout_presence(&list));
        is_recorded(&error("Missing type"));
        let own = "specific.4fafd98d39f04099b82bc73f34fa40d6!7aa4d7514e3741ffa3852040df0488ae";
        is_recorded(&breakout_refused(own, BreakoutRefusal::OverCapacity));
    }

    #[test]
    fn a_chat_is_encoded_as_recorded() {
        let created = "2026-11-23T04:55:59.571659+00:00";
        let message = super::super::sanitise::sanitise(
            "a <b>b</b> & <i>i</i> <script>x</script> http://e.com \"q\" 's' caf\u{e9} \u{1f600} 1 < 2",
        );
        let payload =
            ChatPayload { id: 2, user: 6, created, message: &message, highlight: false, archived: false, mentions: [] };
        is_recorded(&chat(2, &chat_payload(&payload)));
    }
}
