//! A file's names of failures and frames, as kinds.

use crate::drivers::file::description::{Action, Description, Step};
use crate::drivers::file::outcome::Outcome;
use crate::model::{FailureKind, FrameKind, OwnName, Vocabulary};

/// Names of websocket frames; a file's frames with these names are renamed.
const RESERVED: [&str; 4] = ["ping", "pong", "close", "binary"];

/// The failure of a program that a step runs.
const PROGRAM: &str = "program_failed";

/// The kinds for a file's names.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) vocabulary: Vocabulary,
    failures: Vec<FailureKind>,
    /// A program that failed.
    pub(super) program: FailureKind,
    /// The kind for each rule of `frame`.
    frames: Vec<FrameKind>,
    /// A frame that a step of the join waited for.
    pub(super) join: FrameKind,
    /// A frame that was answered.
    pub(super) reply: FrameKind,
    /// A frame that matches no rule but contains one of soakrig's messages.
    pub(super) unmatched: FrameKind,
}

impl Words {
    /// The kinds of a file. Its names live as long as the process, once per file.
    pub(super) fn of(description: &Description) -> Self {
        let mut failures = Vec::new();
        outcomes(description).for_each(|outcome| enter_failure(&mut failures, &outcome.name));
        if description.runs_programs() {
            enter_failure(&mut failures, PROGRAM);
        }
        let program = failures.iter().find(|kind| kind.as_str() == PROGRAM).copied().unwrap_or(FailureKind::Io);
        let mut frames = Vec::new();
        let mut frame = |name: &str| enter_frame(&mut frames, name);
        let (join, reply, unmatched) = (frame("join"), frame("reply"), frame("unmatched"));
        let named = description.rules.frame_names().map(frame).collect();
        let own = failures.iter().filter(|kind| matches!(kind, FailureKind::Own(_))).copied().collect::<Vec<_>>();
        let vocabulary = Vocabulary { failures: own.leak(), frames: frames.leak(), ..Vocabulary::COMMON };
        Self { vocabulary, failures, program, frames: named, join, reply, unmatched }
    }

    /// The kind of a failure that the file names.
    pub(super) fn failure(&self, outcome: &Outcome) -> FailureKind {
        let known = self.failures.iter().find(|kind| kind.as_str() == &*outcome.name);
        known.copied().unwrap_or(FailureKind::ServerMessage)
    }

    /// The kind of the frames of a rule of `frame`.
    pub(super) fn frame(&self, rule: usize) -> FrameKind {
        self.frames.get(rule).copied().unwrap_or(FrameKind::Unknown)
    }
}

fn outcomes(description: &Description) -> impl Iterator<Item = &Outcome> {
    let Description { sign_up, log_in, join, leave, message, .. } = description;
    let steps = sign_up.iter().chain(log_in).chain(join).chain(leave).flat_map(of_step);
    let sent = match &message.send {
        crate::drivers::file::description::Send::Frame(_) => Vec::new(),
        crate::drivers::file::description::Send::Request { request, .. } => {
            request.outcomes.iter().map(|answered| &answered.outcome).collect()
        }
    };
    steps.chain(sent).chain(description.rules.refusal_outcomes())
}

fn of_step(step: &Step) -> Vec<&Outcome> {
    match &step.action {
        Action::Request(request) => request.outcomes.iter().map(|answered| &answered.outcome).collect(),
        Action::Frames { outcomes, .. } => outcomes.iter().map(|(_, outcome)| outcome).collect(),
        Action::Exec(_) | Action::Wait(_) => Vec::new(),
    }
}

fn enter_failure(failures: &mut Vec<FailureKind>, name: &str) {
    if failures.iter().any(|kind| kind.as_str() == name) {
        return;
    }
    if let Some(common) = FailureKind::of(&Vocabulary::COMMON).find(|kind| kind.as_str() == name) {
        failures.push(common);
        return;
    }
    let own = failures.iter().filter(|kind| matches!(kind, FailureKind::Own(_))).count();
    failures.extend(own_name(own, name.to_owned()).map(FailureKind::Own));
}

/// A name with its index, which lives as long as the process.
fn own_name(place: usize, name: String) -> Option<&'static OwnName> {
    OwnName::new(place, name.leak()).map(|name| &*Box::leak(Box::new(name)))
}

fn enter_frame(frames: &mut Vec<FrameKind>, name: &str) -> FrameKind {
    let name = if RESERVED.contains(&name) { format!("app_{name}") } else { name.to_owned() };
    let known = FrameKind::of(&Vocabulary::COMMON).chain(frames.iter().copied()).find(|kind| kind.as_str() == name);
    known.unwrap_or_else(|| {
        let kind = own_name(frames.len(), name).map_or(FrameKind::Unknown, FrameKind::Own);
        if kind != FrameKind::Unknown {
            frames.push(kind);
        }
        kind
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::file::ParseOptions;
    use crate::drivers::file::parse::parse;

    const FILE: &str = r#"schema = 1
[socket]
url = "{{ws}}/"
[message]
send = "{{text}}"
[[message.received]]
match = { prefix = "m" }
text = "frame"
[[refusal]]
match = { prefix = "x" }
as = "signed_out"
[[refusal]]
close = 4000
as = "kicked"
[[frame]]
match = { prefix = "a" }
name = "ping"
[[frame]]
match = { prefix = "b" }
name = "error"
"#;

    #[test]
    fn common_names_are_common_kinds_and_the_others_the_files_own() {
        let description = parse("my.toml", FILE, &ParseOptions::default()).unwrap();
        let words = Words::of(&description);
        let failures: Vec<_> = words.vocabulary.failures.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(failures, ["kicked"]);
        let outcomes: Vec<_> = description.rules.refusal_outcomes().map(|outcome| words.failure(outcome)).collect();
        assert_eq!(outcomes, [FailureKind::SignedOut, words.vocabulary.failures[0]]);
        let frames: Vec<_> = words.vocabulary.frames.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(frames, ["join", "reply", "unmatched", "app_ping"], "no name of a websocket frame");
        assert_eq!(words.frame(1), FrameKind::Error);
    }
}
