//! The meanings of websocket messages, by the file's rules and the waiting step.

use std::collections::VecDeque;
use std::sync::Arc;

use memchr::memmem;

use super::post::Post;
use super::procedure::{Procedure, shown};
use super::shared::{Person, Shared};
use crate::clock::Stamp;
use crate::drivers::file::classify::{BoundFrameRules, Meaning};
use crate::drivers::file::description::Joined;
use crate::drivers::file::outcome::Outcome;
use crate::marker::Decoded;
use crate::model::{Failure, FailureKind, FrameKind};
use crate::protocol::{Event, Members, Received, Session};
use crate::transport::ws::reader::Message;

/// The start of messages by which a user finds out that it has joined.
pub(super) const PROBE: &str = "soakrig-probe-";

/// Maximum number of unsent answers; a server that asks for more reads too little.
const MOST_UNSENT: usize = 64;

/// The phase of a connection.
pub(super) enum Phase {
    /// In the steps of the join, or of sign-up and log-in on their own socket.
    Joining(Box<Procedure>),
    /// The steps are done; the user has joined when its own message arrives.
    Probing(Box<Probing>),
    /// Joined.
    Joined,
    /// In the steps before the close.
    Leaving(Box<Procedure>),
    /// The close has begun.
    Closing,
}

/// The messages by which a user finds out that it has joined.
pub(super) struct Probing {
    /// The text in each of them.
    pub(super) nonce: String,
    /// The time of the next one.
    pub(super) timer: std::pin::Pin<Box<tokio::time::Sleep>>,
    pub(super) until: tokio::time::Instant,
    pub(super) arrived: bool,
}

/// The state of a connection apart from its socket.
pub(super) struct Inbox {
    pub(super) phase: Phase,
    pub(super) rules: Arc<BoundFrameRules>,
    pub(super) shared: Arc<Shared>,
    pub(super) rest: Box<Rest>,
}

/// The state that an ordinary message does not touch.
pub(super) struct Rest {
    pub(super) person: Person,
    /// The session for requests in steps; absent while one is running, and when there can be no more.
    pub(super) session: Option<Box<Session>>,
    /// Frames to send: those of steps, and answers.
    pub(super) unsent: VecDeque<String>,
    /// Why the user has not joined.
    pub(super) failure: Option<Box<Failure>>,
    /// Whether this side ends the connection because of `failure`.
    pub(super) refused: bool,
    /// A message over HTTP.
    pub(super) post: Post,
}

impl Inbox {
    /// The initial state of a connection of this user.
    pub(super) fn new(phase: Phase, shared: Arc<Shared>, person: Person, session: Session) -> Self {
        let rules = shared.description.rules.bind(&person.values(&shared.target, None));
        let rest = Rest {
            person,
            session: Some(Box::new(session)),
            unsent: VecDeque::new(),
            failure: None,
            refused: false,
            post: Post::None,
        };
        Self { phase, rules, shared, rest: Box::new(rest) }
    }

    /// Passes on the meanings of a message's frames.
    pub(super) fn message(&mut self, at: Stamp, message: Message<'_>, sink: &mut impl FnMut(Received<'_>)) {
        let kind = match message {
            Message::Text(text, number) => return self.text(at, text, number.get(), sink),
            Message::Binary(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if self.shared.description.socket.binary => return self.text(at, text, None, sink),
                _ => FrameKind::Binary,
            },
            Message::Ping(_) => FrameKind::Ping,
            Message::Pong(_) => FrameKind::Pong,
            Message::Close { code, reason } => return self.closed(at, code, reason, sink),
        };
        self.note_control(kind.as_str());
        sink(Received { at, kind: Some(kind), event: Event::Other });
    }

    fn text(&mut self, at: Stamp, text: &str, number: Option<u64>, sink: &mut impl FnMut(Received<'_>)) {
        if self.shared.description.socket.split.is_none() {
            return self.frame(at, text, number, sink);
        }
        let shared = Arc::clone(&self.shared);
        if let Some(separator) = &shared.description.socket.split {
            let frames = text.split(&**separator).filter(|frame| !frame.is_empty());
            frames.for_each(|frame| self.frame(at, frame, None, sink));
        }
    }

    fn frame(&mut self, at: Stamp, text: &str, number: Option<u64>, sink: &mut impl FnMut(Received<'_>)) {
        if self.shared.transcript.is_some() {
            self.note_frame(text);
        }
        let meaning = self.rules.read(text, number, None);
        let refusal;
        let (kind, event) = match meaning {
            Meaning::Received { sender, decoded, replay, .. } => {
                let awaited = !matches!(self.phase, Phase::Joined) && self.before_joined(text, true);
                if awaited || (decoded == Decoded::None && self.is_probe(text)) {
                    (self.shared.words.join, Event::Other)
                } else {
                    (FrameKind::Chat, Event::Message { sender, decoded, replay })
                }
            }
            Meaning::Refused(rule) => {
                let (rules, how) = (Arc::clone(&self.rules), format!("got {}", self.shown(text)));
                refusal = self.refusal(rules.rules().refusal(rule), &how);
                (FrameKind::Error, refusal.as_ref().map_or(Event::Other, Event::Refused))
            }
            Meaning::Reply(rule) => {
                self.reply(rule, text);
                (self.shared.words.reply, Event::Other)
            }
            other => {
                let awaited = !matches!(self.phase, Phase::Joined) && self.before_joined(text, false);
                match other {
                    // A step may wait for the list.
                    Meaning::Members(_, change) => {
                        let kind = if awaited { self.shared.words.join } else { FrameKind::Presence };
                        (kind, Event::Members(Members { text, change }))
                    }
                    _ if awaited => (self.shared.words.join, Event::Other),
                    Meaning::Frame(rule) => (self.shared.words.frame(rule), Event::Other),
                    Meaning::Unmatched(_) => (self.shared.words.unmatched, Event::Other),
                    _ => (FrameKind::Unknown, Event::Other),
                }
            }
        };
        sink(Received { at, kind: Some(kind), event });
    }

    /// Offers a frame to whatever waits for one; true if it is the expected one. A finished step may have captured
    /// values, so the rules are bound again.
    fn before_joined(&mut self, text: &str, is_message: bool) -> bool {
        let Self { phase, rules, shared, rest } = self;
        match phase {
            Phase::Joining(procedure) | Phase::Leaving(procedure) => {
                let awaited = procedure.offer(text, shared, &mut rest.person);
                if awaited {
                    *rules = rules.rules().bind(&rest.person.values(&shared.target, None));
                }
                awaited
            }
            Phase::Probing(probing) => {
                let own = is_message && memmem::find(text.as_bytes(), probing.nonce.as_bytes()).is_some();
                probing.arrived |= own;
                false
            }
            Phase::Joined | Phase::Closing => false,
        }
    }

    /// Whether a message is one by which a user finds out that it has joined.
    fn is_probe(&self, text: &str) -> bool {
        self.shared.description.joined == Joined::OwnMessage
            && memmem::find(text.as_bytes(), PROBE.as_bytes()).is_some()
    }

    fn shown(&self, text: &str) -> String {
        shown(text, &self.shared, &self.rest.person)
    }

    /// The failure of a refusal; before the join it ends the attempt, and this returns `None`.
    fn refusal(&mut self, outcome: Option<&Outcome>, how: &str) -> Option<Failure> {
        let Self { phase, shared, rest, .. } = self;
        let title = match phase {
            Phase::Joining(procedure) => Some(procedure.title(shared)),
            Phase::Probing(_) => Some("join"),
            _ => None,
        };
        let how = title.map_or_else(|| how.to_owned(), |title| format!("{title}: {how}"));
        let failure = outcome
            .map_or_else(|| Failure::with(FailureKind::ServerMessage, &how), |outcome| shared.failure(outcome, &how));
        if title.is_none() {
            return Some(failure);
        }
        rest.failure.get_or_insert_with(|| Box::new(failure));
        None
    }

    fn reply(&mut self, rule: usize, text: &str) {
        let Self { rules, shared, rest, .. } = self;
        let mut answer = String::new();
        let values = rest.person.values(&shared.target, None);
        if rules.reply(rule, text, &values, &mut answer).is_ok() && rest.unsent.len() < MOST_UNSENT {
            rest.unsent.push_back(answer);
        }
    }

    fn closed(&mut self, at: Stamp, code: Option<u16>, reason: &str, sink: &mut impl FnMut(Received<'_>)) {
        let shared = Arc::clone(&self.shared);
        let meant = code.and_then(|code| shared.description.rules.close(code));
        let code = code.map_or_else(|| "no code".to_owned(), |code| format!("code {code}"));
        let reason = if reason.is_empty() { String::new() } else { format!(", {}", self.shown(reason)) };
        let how = format!("the server closed the connection, {code}{reason}");
        self.note_control(&format!("close, {code}{reason}"));
        let refusal = match (meant, &self.phase) {
            (Some(outcome), _) => self.refusal(Some(outcome), &how),
            (None, Phase::Joining(procedure)) => {
                let failure = procedure.ended(&shared, &self.rest.person, &how);
                self.rest.failure.get_or_insert_with(|| Box::new(failure));
                None
            }
            (None, _) => None,
        };
        let event = refusal.as_ref().map_or(Event::Other, Event::Refused);
        sink(Received { at, kind: Some(FrameKind::Close), event });
    }
}
