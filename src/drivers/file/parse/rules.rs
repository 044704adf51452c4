//! The rules for frames: `refusal`, `reply`, `message.received`, `members`, `frame`.

use super::parser::{Parser, problem};
use super::section::Section;
use super::sources::{Compiled, From};
use crate::drivers::file::classify::{FrameRules, Members, Received, Reply, Rule, RuleTables};
use crate::drivers::file::error::ParseError;
use crate::drivers::file::json::Pointer;
use crate::drivers::file::keys::MESSAGE;
use crate::drivers::file::matcher::QuerySet;
use crate::drivers::file::names::Scope;
use crate::drivers::file::outcome::label;
use crate::drivers::file::source::{Link, Source};
use crate::drivers::file::template::ValueRef;
use crate::model::MemberChange;

impl Parser {
    pub(super) fn rules(&self, root: &Section<'_>, scope: &Scope) -> Result<FrameRules, ParseError> {
        let mut rules = RuleTables::default();
        self.refusals(root, scope, &mut rules)?;
        self.replies(root, scope, &mut rules)?;
        if let Some(message) = root.inner("message", &MESSAGE)? {
            for section in message.list("received", "rule")? {
                let received = self.received(&section, scope, &mut rules.queries)?;
                rules.received.push(received);
            }
        }
        for section in root.list("members", "rule")? {
            let members = self.members(&section, scope, &mut rules.queries)?;
            rules.members.push(members);
        }
        for section in root.list("frame", "rule")? {
            let compiled = self.required(&section, scope, &mut rules.queries)?;
            let Some(name) = section.text("name") else {
                return Err(section.wrong_here("the frame has no name", "add name = \"typing\", for example"));
            };
            label(name).map_err(|problem| section.wrong("name", problem))?;
            rules.frames.push((rule(compiled), name.into()));
        }
        Ok(FrameRules::new(rules))
    }

    /// The matcher of a rule, which is required.
    fn required(&self, section: &Section<'_>, scope: &Scope, queries: &mut QuerySet) -> Result<Compiled, ParseError> {
        self.matcher(section, "match", scope, queries)?
            .ok_or_else(|| section.wrong_here("the rule does not say which frames it matches", "add match = { … }"))
    }

    fn refusals(&self, root: &Section<'_>, scope: &Scope, rules: &mut RuleTables) -> Result<(), ParseError> {
        for section in root.list("refusal", "rule")? {
            let outcome = self.failure(&section)?;
            match (section.has("match"), section.has("close")) {
                (true, true) => {
                    let why = "a refusal is a frame or a close code";
                    return Err(section.wrong("close", problem(why, "make two rules of it")));
                }
                (false, true) => {
                    for number in section.integers("close") {
                        let code = u16::try_from(number).ok().filter(|code| (1000..5000).contains(code));
                        let Some(code) = code else {
                            let why = format!("{number} is not a close code");
                            return Err(section.wrong("close", (why, "close codes are 1000 to 4999".to_owned())));
                        };
                        rules.closes.push((code, outcome.clone()));
                    }
                }
                _ => {
                    let compiled = self.required(&section, scope, &mut rules.queries)?;
                    rules.refusals.push((rule(compiled), outcome));
                }
            }
        }
        Ok(())
    }

    fn replies(&self, root: &Section<'_>, scope: &Scope, rules: &mut RuleTables) -> Result<(), ParseError> {
        for section in root.list("reply", "rule")? {
            let compiled = self.required(&section, scope, &mut rules.queries)?;
            let captures = self.captures(&section, &From::Frame(&compiled), &mut rules.queries)?;
            let local = self.local_captures(&section)?;
            let scope = Scope { seq: true, local, ..scope.clone() };
            let Some(send) = self.template(&section, "send", &scope)? else {
                return Err(section.wrong_here("the reply sends nothing", "add send; a [[frame]] only names frames"));
            };
            let mut used = Vec::new();
            send.slots(&mut |slot| used.push(slot));
            for (slot, (name, _, at)) in (0..).zip(section.entries("capture")) {
                if !used.contains(&ValueRef::Local(slot)) {
                    let remedy = format!("use {{{{{name}}}}} in send, or leave it out");
                    return Err(section.wrong_at(at, "capture", (format!("nothing uses {name}"), remedy)));
                }
            }
            rules.replies.push(Reply { rule: rule(compiled), send, captures });
        }
        Ok(())
    }

    fn received(&self, section: &Section<'_>, scope: &Scope, queries: &mut QuerySet) -> Result<Received, ParseError> {
        let compiled = self.required(section, scope, queries)?;
        let from = From::Frame(&compiled);
        let Some(text) = self.source_of(section, "text", &from, queries)? else {
            return Err(section.wrong_here(
                "the rule does not say where the text is",
                "add text = \"json:/text\" or text = \"frame\"",
            ));
        };
        let sender = self.source_of(section, "sender", &from, queries)?;
        let replay = section.boolean("replay").unwrap_or(false);
        Ok(Received { rule: rule(compiled), text, sender, replay })
    }

    fn members(&self, section: &Section<'_>, scope: &Scope, queries: &mut QuerySet) -> Result<Members, ParseError> {
        const CHANGES: [(&str, MemberChange); 3] =
            [("list", MemberChange::All), ("joins", MemberChange::Came), ("leaves", MemberChange::Left)];
        let compiled = self.required(section, scope, queries)?;
        let given: Vec<_> = CHANGES.into_iter().filter(|(key, _)| section.has(key)).collect();
        let [(key, change)] = given.as_slice() else {
            let why =
                if given.is_empty() { "the rule names no members" } else { "a rule says one thing about members" };
            return Err(section.wrong_here(why, "give one of list, joins and leaves"));
        };
        let source = self.source_of(section, key, &From::Frame(&compiled), queries)?;
        let name = self.source_of(section, "name", &From::Element, queries)?;
        let whole = || Pointer::parse("").ok().map(|pointer| Source::new(vec![Link::json(&pointer)], false));
        match (source, name.or_else(whole)) {
            (Some(source), Some(name)) => Ok(Members { rule: rule(compiled), change: *change, source, name }),
            _ => Err(section.wrong_here("the rule names no members", "give one of list, joins and leaves")),
        }
    }
}

fn rule(compiled: Compiled) -> Rule {
    Rule { matcher: compiled.matcher, places: compiled.places }
}
