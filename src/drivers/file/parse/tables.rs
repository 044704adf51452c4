//! `[socket]`, `[keepalive]` and `[message]`.

use super::parser::{Parser, problem};
use super::section::Section;
use crate::drivers::file::description::{Keepalive, Message, Send, UpgradeRequest};
use crate::drivers::file::duration::duration;
use crate::drivers::file::error::ParseError;
use crate::drivers::file::keys::{KEEPALIVE, MESSAGE, SOCKET};
use crate::drivers::file::names::Scope;
use crate::drivers::file::template::{BuiltIn, Template, ValueRef};

impl Parser {
    pub(super) fn socket(&self, root: &Section<'_>, scope: &Scope) -> Result<UpgradeRequest, ParseError> {
        let Some(section) = root.inner("socket", &SOCKET)? else {
            let why = "the file has no [socket]";
            return Err(root.wrong_here(why, "add [socket] with url = \"{{ws}}/path\""));
        };
        let Some(url) = self.template(&section, "url", scope)? else {
            return Err(section.wrong_here("the socket has no url", "add url = \"{{ws}}/path\""));
        };
        if let Some(start) = url.beginning()
            && !["ws://", "wss://"].iter().any(|known| start.starts_with(known))
        {
            let why = format!("{start:?} does not begin with ws:// or wss://");
            return Err(section.wrong("url", (why, "begin with {{ws}}".to_owned())));
        }
        let origin = self.template(&section, "origin", scope)?;
        let origin = origin.map_or_else(|| self.compile("{{base}}", scope), Ok);
        Ok(UpgradeRequest {
            url,
            origin: origin.map_err(|problem| section.wrong("origin", problem))?,
            headers: self.headers(&section, scope)?,
            subprotocols: self.subprotocols(&section, scope)?,
            binary: section.boolean("binary").unwrap_or(false),
            split: self.split(&section, scope)?,
            silent_after: self.duration(&section, "silent_after", scope)?,
        })
    }

    fn subprotocols(&self, section: &Section<'_>, scope: &Scope) -> Result<Vec<Template>, ParseError> {
        let mut all = Vec::new();
        for (text, at) in section.texts("subprotocols") {
            let wrong = |problem| section.wrong_at(at, "subprotocols", problem);
            let subprotocol = self.compile(text, scope).map_err(wrong)?;
            // A subprotocol is a token, like the name of a header.
            if subprotocol.as_constant().is_some_and(|text| http::HeaderName::from_bytes(text.as_bytes()).is_err()) {
                let why = format!("{text:?} cannot be a subprotocol");
                return Err(wrong((why, "use letters, digits and -._; one subprotocol for each text".to_owned())));
            }
            all.push(subprotocol);
        }
        Ok(all)
    }

    fn split(&self, section: &Section<'_>, scope: &Scope) -> Result<Option<Box<str>>, ParseError> {
        let Some(template) = self.template(section, "split", scope)? else { return Ok(None) };
        match template.as_constant() {
            Some(text) if !text.is_empty() => Ok(Some(text.into())),
            _ => {
                Err(section
                    .wrong("split", problem("split needs one text for all users", "write \"\\n\" or \"\\u001e\"")))
            }
        }
    }

    pub(super) fn keepalive(&self, root: &Section<'_>, scope: &Scope) -> Result<Option<Keepalive>, ParseError> {
        let Some(section) = root.inner("keepalive", &KEEPALIVE)? else { return Ok(None) };
        let scope = Scope { seq: true, ..scope.clone() };
        let remedy = "write every = \"25s\", or take it from a capture: \"{{interval}}ms\"";
        let Some(every) = self.template(&section, "every", &scope)? else {
            return Err(section.wrong_here("keepalive does not say how often", remedy));
        };
        if let Some(text) = every.as_constant() {
            duration(text).map_err(|why| section.wrong("every", (why, remedy.to_owned())))?;
        }
        Ok(Some(Keepalive { every, send: self.template(&section, "send", &scope)? }))
    }

    pub(super) fn message(&self, root: &Section<'_>, scope: &Scope) -> Result<Message, ParseError> {
        let Some(section) = root.inner("message", &MESSAGE)? else {
            return Err(
                root.wrong_here("the file has no [message]", "add [message] with send, and [[message.received]]")
            );
        };
        let asks = ["get", "post", "put"].into_iter().find(|key| section.has(key));
        let sending = Scope { text: true, seq: true, ..scope.clone() };
        let send = match (self.template(&section, "send", &sending)?, asks) {
            (Some(_), Some(key)) => {
                return Err(section.wrong(key, problem("a message is sent one way", "leave out send or the request")));
            }
            (None, None) => {
                return Err(section
                    .wrong_here("the file does not say how a message is sent", "add send = \"{{text}}\", or post"));
            }
            (Some(frame), None) => {
                let keys = ["form", "json", "headers", "accept", "outcome", "timeout"];
                if let Some(key) = keys.into_iter().find(|key| section.has(key)) {
                    let why = format!("{key} belongs to a message over HTTP, and this one is a frame");
                    return Err(section.wrong(key, (why, "leave it out, or use post instead of send".to_owned())));
                }
                Send::Frame(frame)
            }
            (None, Some(_)) => Send::Request {
                request: Box::new(self.request(&section, &sending)?),
                timeout: self.duration(&section, "timeout", scope)?,
            },
        };
        if !takes_text(&send) {
            let why = "the message does not hold its text";
            return Err(section.wrong(asks.unwrap_or("send"), problem(why, "put {{text}}, or {{text|json}}, into it")));
        }
        Ok(Message {
            send,
            identity: self.identity(&section, scope)?,
            echo: section.boolean("echo").unwrap_or(false),
            ordered: section.boolean("ordered").unwrap_or(true),
        })
    }

    /// The server's name of this user; only if frames name their senders.
    fn identity(&self, section: &Section<'_>, scope: &Scope) -> Result<Option<Template>, ParseError> {
        let rules = section.list("received", "rule")?;
        if rules.is_empty() {
            let why = "no frame is a message";
            return Err(section.wrong_here(why, "add [[message.received]] with match, text and sender"));
        }
        let named: Vec<bool> =
            rules.iter().filter(|rule| rule.boolean("replay") != Some(true)).map(|rule| rule.has("sender")).collect();
        if let (Some(at), true) = (named.iter().position(|named| !named), named.contains(&true)) {
            let why = "some messages name their sender, but this one does not";
            return Err(rules[at].wrong_here(why, "add sender to every [[message.received]], or to none"));
        }
        let identity = self.template(section, "identity", scope)?;
        match (named.contains(&true), identity) {
            (true, Some(identity)) => Ok(Some(identity)),
            (true, None) => {
                self.compile("{{user}}", scope).map(Some).map_err(|problem| section.wrong("identity", problem))
            }
            (false, None) => Ok(None),
            (false, Some(_)) => {
                let why = "identity is compared with the sender of a message, but no message names one";
                Err(section
                    .wrong("identity", problem(why, "add sender to [[message.received]], or leave identity out")))
            }
        }
    }
}

/// Whether the sent frame or request contains the message's text.
fn takes_text(send: &Send) -> bool {
    let mut takes = false;
    let mut look = |template: &Template| template.slots(&mut |slot| takes |= slot == ValueRef::BuiltIn(BuiltIn::Text));
    match send {
        Send::Frame(frame) => look(frame),
        Send::Request { request, .. } => {
            use crate::drivers::file::description::Body;
            look(&request.url);
            request.headers.iter().for_each(|(_, header)| look(header));
            if let Body::Form(body) | Body::Json(body) = &request.body {
                look(body);
            }
        }
    }
    takes
}
