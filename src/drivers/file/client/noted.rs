//! Reports the traffic of a connection to a transcript, if there is one. A run has none.

use super::reader::{Inbox, Phase};
use super::shared::{Person, Shared};
use crate::drivers::file::classify::Meaning;
use crate::drivers::file::description::Description;
use crate::protocol::{Said, Session};

impl Shared {
    /// Reports a text without the secrets of a user.
    pub(super) fn note(
        &self,
        person: &Person,
        session: Option<&Session>,
        text: &str,
        said: impl FnOnce(&str) -> Said<'_>,
    ) {
        if let Some(transcript) = &self.transcript {
            transcript.note(said(&self.masked(person, session, text)));
        }
    }

    /// Reports that a step takes a frame that arrived earlier.
    pub(super) fn note_taken(&self, person: &Person, text: &str, rule: impl FnOnce() -> String) {
        if let Some(transcript) = &self.transcript {
            transcript.note(Said::Taken { text: &self.masked(person, None, text), rule: &rule() });
        }
    }

    fn masked(&self, person: &Person, session: Option<&Session>, text: &str) -> String {
        let secrets = self.description.secrets(&person.values(&self.target, None));
        let text = secrets.mask(text).into_owned();
        let masked = session.and_then(|session| self.browser.mask(&self.target.origin, session, None).text(&text));
        masked.unwrap_or(text)
    }
}

impl Description {
    /// The place of a key of the file, as `my.toml:31`.
    pub(super) fn place(&self, key: &str) -> Option<String> {
        self.lines.line(key).map(|line| format!("{}:{line}", self.name))
    }

    fn rule(&self, list: &str, number: usize) -> String {
        let rule = format!("{list}[{number}]");
        match self.place(&rule) {
            Some(place) => format!("{rule}, {place}"),
            None => rule,
        }
    }
}

impl Inbox {
    /// Reports a received frame, before it takes effect.
    pub(super) fn note_frame(&self, text: &str) {
        let Self { rules, shared, rest, .. } = self;
        let Some(transcript) = &shared.transcript else { return };
        let meaning = rules.read(text, None, None);
        let rule = self.rule_of(text, meaning);
        let (message, sender) = match meaning {
            Meaning::Received { rule, .. } => (rules.text(rule, text), rules.sender(rule, text)),
            _ => (None, None),
        };
        transcript.note(Said::Frame {
            text: &shared.masked(&rest.person, rest.session.as_deref(), text),
            rule: rule.as_deref(),
            message: message.as_deref(),
            sender: sender.as_deref(),
        });
    }

    /// The rule that a frame matches, with its place.
    fn rule_of(&self, text: &str, meaning: Meaning) -> Option<String> {
        let description = &self.shared.description;
        let awaited = match &self.phase {
            Phase::Joining(procedure) | Phase::Leaving(procedure) => procedure.would_take(text, &self.shared),
            _ => None,
        };
        match meaning {
            Meaning::Refused(nth) => {
                Some(description.rule("refusal", description.lines.number_with("refusal", "match", nth)))
            }
            Meaning::Reply(nth) => Some(description.rule("reply", nth + 1)),
            _ if awaited.is_some() => awaited,
            Meaning::Received { rule, .. } => Some(description.rule("message.received", rule + 1)),
            Meaning::Members(nth, _) => Some(description.rule("members", nth + 1)),
            Meaning::Frame(nth) => Some(description.rule("frame", nth + 1)),
            Meaning::Expected | Meaning::Unmatched(_) | Meaning::Other => None,
        }
    }

    /// Reports a frame that is being written.
    pub(super) fn note_sent(&self, frame: &str) {
        self.shared.note(&self.rest.person, self.rest.session.as_deref(), frame, |frame| Said::Sent(frame));
    }

    /// Reports a websocket control frame.
    pub(super) fn note_control(&self, what: &str) {
        self.shared.note(&self.rest.person, self.rest.session.as_deref(), what, |what| Said::Control(what));
    }
}
