//! The rules in the file's tables, and the meanings of frames.

use crate::drivers::file::expectation::Capture;
use crate::drivers::file::matcher::{Matcher, MatcherSlots, QuerySet};
use crate::drivers::file::outcome::Outcome;
use crate::drivers::file::source::Source;
use crate::drivers::file::template::Template;
use crate::marker::Decoded;
use crate::model::{MemberChange, SenderId};

/// The rules of a file, by table.
#[derive(Debug, Default)]
pub(in crate::drivers::file) struct RuleTables {
    pub(in crate::drivers::file) queries: QuerySet,
    pub(in crate::drivers::file) refusals: Vec<(Rule, Outcome)>,
    pub(in crate::drivers::file) closes: Vec<(u16, Outcome)>,
    pub(in crate::drivers::file) replies: Vec<Reply>,
    pub(in crate::drivers::file) received: Vec<Received>,
    pub(in crate::drivers::file) members: Vec<Members>,
    pub(in crate::drivers::file) frames: Vec<(Rule, Box<str>)>,
}

impl RuleTables {
    /// All matchers, in order of precedence.
    pub(super) fn matchers(&self) -> impl Iterator<Item = &Matcher> {
        let rules = self.refusals.iter().map(|(rule, _)| rule).chain(self.replies.iter().map(|reply| &reply.rule));
        let rules = rules.chain(self.received.iter().map(|received| &received.rule));
        let rules = rules.chain(self.members.iter().map(|members| &members.rule));
        rules.chain(self.frames.iter().map(|(rule, _)| rule)).map(|rule| &rule.matcher)
    }
}

/// A rule's matcher.
#[derive(Debug)]
pub(in crate::drivers::file) struct Rule {
    pub(in crate::drivers::file) matcher: Matcher,
    pub(in crate::drivers::file) places: MatcherSlots,
}

#[derive(Debug)]
pub(in crate::drivers::file) struct Reply {
    pub(in crate::drivers::file) rule: Rule,
    pub(in crate::drivers::file) send: Template,
    pub(in crate::drivers::file) captures: Vec<Capture>,
}

#[derive(Debug)]
pub(in crate::drivers::file) struct Received {
    pub(in crate::drivers::file) rule: Rule,
    pub(in crate::drivers::file) text: Source,
    pub(in crate::drivers::file) sender: Option<Source>,
    pub(in crate::drivers::file) replay: bool,
}

#[derive(Debug)]
pub(in crate::drivers::file) struct Members {
    pub(in crate::drivers::file) rule: Rule,
    pub(in crate::drivers::file) change: MemberChange,
    pub(in crate::drivers::file) source: Source,
    pub(in crate::drivers::file) name: Source,
}

/// The meaning of a frame. Numbers are those of rules in their tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A refusal; see `FrameRules::refusal`.
    Refused(usize),
    /// A frame to answer; see `BoundFrameRules::reply`.
    Reply(usize),
    /// The frame that the current step waits for.
    Expected,
    /// A message.
    Received {
        /// The rule.
        rule: usize,
        /// Its sender; [`SenderId::NONE`] if the protocol names none.
        sender: SenderId,
        /// The marker in its text.
        decoded: Decoded,
        /// Whether it is history.
        replay: bool,
    },
    /// A frame about the members of the room; see `BoundFrameRules::members`.
    Members(usize, MemberChange),
    /// A frame that is only counted; see `FrameRules::frame_name`.
    Frame(usize),
    /// A frame that matches no rule but contains a marker, with what is left of it.
    Unmatched(Decoded),
    /// A frame that matches no rule.
    Other,
}
