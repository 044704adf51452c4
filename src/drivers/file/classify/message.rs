//! Recognises messages: by the rules of `received`, or by a recent frame of the same shape.

use super::{BoundFrameRules, Meaning, Scratch};
use crate::drivers::file::pattern::Groups;
use crate::drivers::file::shape::Known;
use crate::drivers::file::source::{Buffers, Frame};
use crate::marker::Marker;
use crate::model::SenderId;

/// No groups, for frames recognised by shape; rules with regular expressions have no shapes.
static NO_GROUPS: Groups = Groups::new();

impl BoundFrameRules {
    /// The meaning of a frame with the shape of a recent one.
    pub(super) fn similar(&self, text: &str, scratch: &mut Scratch) -> Option<Meaning> {
        let Scratch { shapes, found, buffers, .. } = scratch;
        let before = match shapes.find(text, self.id)? {
            Known::Meaning(meaning) => return Some(meaning),
            Known::Similar(meaning) => meaning,
        };
        let Meaning::Received { rule, .. } = before else { return None };
        let offset = shapes.values(found)?;
        let meaning = self.taken(rule, Frame { text, offset, found, groups: &NO_GROUPS }, buffers)?;
        shapes.renew(text, meaning);
        Some(meaning)
    }

    /// The message in a frame: a rule matches, and its text and sender are there.
    pub(super) fn message(&self, text: &str, scratch: &mut Scratch) -> Option<Meaning> {
        let queries = &self.rules.tables.queries;
        let Scratch { results, buffers, shapes, places, .. } = scratch;
        for (rule, bound) in self.received.iter().enumerate() {
            let Some(bound) = bound.as_ref().filter(|bound| bound.is_match(text, queries, results)) else { continue };
            let Some(frame) = bound.frame(text, queries, results) else { continue };
            let Some(meaning) = self.taken(rule, frame, buffers) else { continue };
            if let Some(Some(structure)) = self.structures.get(rule)
                && shapes.wants(text)
                && let Some(fixed) = structure.fixed(text, results, places)
            {
                shapes.keep(text, self.id, meaning, fixed);
            }
            return Some(meaning);
        }
        None
    }

    /// The message, with the text and sender that a rule takes from a frame.
    fn taken(&self, rule: usize, frame: Frame<'_>, buffers: &mut Buffers) -> Option<Meaning> {
        let received = self.rules.tables.received.get(rule)?;
        let sender = match &received.sender {
            None => SenderId::NONE,
            Some(source) => SenderId::text(source.read(frame, buffers)?),
        };
        let decoded = Marker::decode(sender, received.text.read(frame, buffers)?);
        Some(Meaning::Received { rule, sender, decoded, replay: received.replay })
    }
}
