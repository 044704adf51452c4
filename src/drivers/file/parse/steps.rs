//! The steps of sign-up, log-in, join and leave.

use std::time::Duration;

use http::Method;

use super::parser::{Parser, problem};
use super::section::Section;
use super::sources::From;
use crate::drivers::file::description::{Action, Program, Request, ResponseOutcome, Step};
use crate::drivers::file::duration::duration;
use crate::drivers::file::error::ParseError;
use crate::drivers::file::expectation::Capture;
use crate::drivers::file::matcher::QuerySet;
use crate::drivers::file::names::Scope;
use crate::drivers::file::outcome::Outcome;
use crate::drivers::file::template::Template;

const METHODS: [(&str, Method); 3] = [("get", Method::GET), ("post", Method::POST), ("put", Method::PUT)];
/// Keys that only requests have.
const OF_REQUESTS: [&str; 4] = ["form", "json", "headers", "accept"];

impl Parser {
    /// The steps of `sign_up` or `log_in`.
    pub(super) fn account(
        &self,
        root: &Section<'_>,
        table: &'static str,
        scope: &mut Scope,
    ) -> Result<Vec<Step>, ParseError> {
        let mut steps = Vec::new();
        for section in root.list(table, "step")? {
            scope.seq = section.has("on");
            if !section.has("on")
                && let Some(key) = ["send", "expect", "wait"].into_iter().find(|key| section.has(key))
            {
                let why = format!("{key} needs a socket");
                return Err(section.wrong(key, (why, "add on = \"socket\" to the step".to_owned())));
            }
            steps.push(self.step(&section, scope)?);
            scope.session.extend(section.entries("capture").iter().map(|(name, _, _)| (*name).to_owned()));
        }
        scope.seq = false;
        Ok(steps)
    }

    /// The steps of the join; adds their captures to `scope`.
    pub(super) fn join(&self, root: &Section<'_>, scope: &mut Scope) -> Result<Vec<Step>, ParseError> {
        scope.seq = true;
        let mut steps = Vec::new();
        for section in root.list("join", "step")? {
            steps.push(self.step(&section, scope)?);
            scope.connection.extend(section.entries("capture").iter().map(|(name, _, _)| (*name).to_owned()));
        }
        scope.seq = false;
        Ok(steps)
    }

    /// The steps before the socket is closed.
    pub(super) fn leave(&self, root: &Section<'_>, scope: &Scope) -> Result<Vec<Step>, ParseError> {
        let scope = Scope { seq: true, ..scope.clone() };
        root.list("leave", "step")?.iter().map(|section| self.step(section, &scope)).collect()
    }

    fn step(&self, section: &Section<'_>, scope: &Scope) -> Result<Step, ParseError> {
        self.one_thing(section)?;
        let action = if section.has("exec") {
            self.exec(section, scope)?
        } else if let Some(wait) = self.duration(section, "wait", scope)? {
            Action::Wait(wait)
        } else if method(section).is_some() {
            Action::Request(Box::new(self.request(section, scope)?))
        } else {
            self.frames(section, scope)?
        };
        let timeout = self.duration(section, "timeout", scope)?;
        Ok(Step { title: section.title.clone(), line: section.line(), action, timeout })
    }

    /// Checks that a step does one thing: sends and expects, makes a request, waits, or runs a program.
    fn one_thing(&self, section: &Section<'_>) -> Result<(), ParseError> {
        let kinds: [&[&str]; 6] = [&["send", "expect"], &["get"], &["post"], &["put"], &["wait"], &["exec"]];
        let done: Vec<&str> =
            kinds.iter().filter_map(|keys| keys.iter().find(|key| section.has(key))).copied().collect();
        match done.as_slice() {
            [] => {
                let socket =
                    !section.title.starts_with("sign_up") && !section.title.starts_with("log_in") || section.has("on");
                let wanted = if socket { "add send, expect or both" } else { "add get, post or put" };
                return Err(section.wrong_here("the step does nothing: it neither sends nor expects", wanted));
            }
            [_] => {}
            [first, second, ..] => {
                let why = format!("a step does one thing, but this one has {first} and {second}");
                return Err(section.wrong(second, (why, "make two steps of it".to_owned())));
            }
        }
        let asks = method(section).is_some();
        if section.has("on") && (asks || section.has("exec")) {
            return Err(section.wrong("on", problem("a step on the socket sends or expects frames", "leave out on")));
        }
        if !asks && let Some(key) = OF_REQUESTS.into_iter().find(|key| section.has(key)) {
            let why = format!("{key} belongs to a request, but the step makes none");
            return Err(section.wrong(key, (why, "add get, post or put, or leave it out".to_owned())));
        }
        let answered = asks || section.has("expect") || section.has("exec");
        match ["capture", "outcome"].into_iter().find(|key| section.has(key)) {
            Some(key) if !answered => {
                let why = format!("{key} reads a frame, but the step does not wait for one");
                Err(section.wrong(key, (why, "add expect to the step".to_owned())))
            }
            _ => Ok(()),
        }
    }

    fn frames(&self, section: &Section<'_>, scope: &Scope) -> Result<Action, ParseError> {
        let mut outcomes = Vec::new();
        for outcome in section.list("outcome", "number")? {
            if let Some(key) = ["status", "body"].into_iter().find(|key| outcome.has(key)) {
                let why = format!("{key} is for an HTTP answer, but this step expects a frame");
                return Err(outcome.wrong(key, (why, "use match = { … }".to_owned())));
            }
            let Some(frame) = self.expectation(&outcome, "match", scope, false)? else {
                return Err(outcome.wrong_here("the outcome does not select a frame", "add match = { … }"));
            };
            outcomes.push((frame, self.failure(&outcome)?));
        }
        Ok(Action::Frames {
            send: self.template(section, "send", scope)?,
            expect: self.expectation(section, "expect", scope, true)?,
            outcomes,
        })
    }

    fn exec(&self, section: &Section<'_>, scope: &Scope) -> Result<Action, ParseError> {
        if section.has("outcome") {
            let why = "outcome reads an answer of the server, but the step runs a program";
            return Err(section.wrong("outcome", problem(why, "leave it out: a program fails by its exit status")));
        }
        if !self.allow_exec {
            let why = "the step runs a program";
            return Err(section.wrong("exec", problem(why, "give --allow-exec if you trust the file")));
        }
        let mut arguments = Vec::new();
        for (text, at) in section.texts("exec") {
            let wrong = |problem| section.wrong_at(at, "exec", problem);
            let argument = self.compile(text, scope).map_err(wrong)?;
            if argument.is_secret() {
                let why = "an argument holds a secret, and every user of this machine can read arguments";
                return Err(wrong(problem(why, "read it from standard input, which has all secrets as JSON")));
            }
            arguments.push(argument);
        }
        if arguments.is_empty() {
            return Err(
                section.wrong("exec", problem("exec names no program", "write exec = [\"program\", \"argument\"]"))
            );
        }
        // It reads all captures so far.
        scope.session.iter().for_each(|name| self.names.note_use(name));
        let captures = self.captures(section, &From::Output, &mut QuerySet::default())?;
        Ok(Action::Exec(Program { arguments, captures }))
    }

    /// The request of a step or of a message.
    pub(super) fn request(&self, section: &Section<'_>, scope: &Scope) -> Result<Request, ParseError> {
        let (key, method) = method(section).unwrap_or(("get", Method::GET));
        let url = self.template(section, key, scope)?.unwrap_or_default();
        if let Some(start) = url.beginning()
            && !["/", "http://", "https://"].iter().any(|known| start.starts_with(known))
        {
            let why = format!("{start:?} is neither a path nor a URL");
            return Err(section.wrong(key, (why, "begin with /, or with {{base}}".to_owned())));
        }
        let body = self.body(section, scope)?;
        if method == Method::GET && body != crate::drivers::file::description::Body::Empty {
            return Err(section.wrong("get", problem("a GET has no body", "use post, or put the values into the URL")));
        }
        let captures: Vec<Capture> = self.captures(section, &From::Response, &mut QuerySet::default())?;
        Ok(Request {
            method,
            url,
            headers: self.headers(section, scope)?,
            body,
            accept: statuses(section, "accept")?,
            outcomes: self.answers(section, scope)?,
            captures,
        })
    }

    fn answers(&self, section: &Section<'_>, scope: &Scope) -> Result<Vec<ResponseOutcome>, ParseError> {
        let mut answers = Vec::new();
        for outcome in section.list("outcome", "number")? {
            let text: Option<Template> = self.template(&outcome, "body", scope)?;
            let body = match (text, self.expectation(&outcome, "match", scope, false)?) {
                (Some(_), Some(_)) => {
                    let why = "body and match both select the body";
                    return Err(outcome.wrong("body", problem(why, "put it into match: contains = \"…\"")));
                }
                (Some(text), None) => Some(self.containing(text)),
                (None, matcher) => matcher,
            };
            let statuses = statuses(&outcome, "status")?;
            if statuses.is_empty() && body.is_none() {
                return Err(outcome.wrong_here("the outcome does not select an answer", "add status, body or match"));
            }
            answers.push(ResponseOutcome { statuses, body, outcome: self.failure(&outcome)? });
        }
        Ok(answers)
    }

    /// The failure named by `as`.
    pub(super) fn failure(&self, section: &Section<'_>) -> Result<Outcome, ParseError> {
        let Some(name) = section.text("as") else {
            return Err(section.wrong_here("it does not say what it means", "add as = \"signed_out\", for example"));
        };
        Outcome::named(name).map_err(|problem| section.wrong("as", problem))
    }

    /// The duration of a key, which may come from variables but not from users.
    pub(super) fn duration(
        &self,
        section: &Section<'_>,
        key: &str,
        scope: &Scope,
    ) -> Result<Option<Duration>, ParseError> {
        let Some(template) = self.template(section, key, scope)? else { return Ok(None) };
        let remedy = "write a duration such as \"45s\", \"1.5s\" or \"300ms\"".to_owned();
        let Some(text) = template.as_constant() else {
            let why = format!("{key} is the same for all users");
            return Err(section.wrong(key, (why, remedy)));
        };
        duration(text).map(Some).map_err(|why| section.wrong(key, (why, remedy)))
    }
}

/// The method of a step's request, and its key.
fn method(section: &Section<'_>) -> Option<(&'static str, Method)> {
    METHODS.into_iter().find(|(key, _)| section.has(key))
}

/// The HTTP statuses of a key.
fn statuses(section: &Section<'_>, key: &str) -> Result<Vec<u16>, ParseError> {
    let status = |number: i64| u16::try_from(number).ok().filter(|status| (100..600).contains(status));
    let all = section.integers(key).into_iter().map(|number| {
        status(number).ok_or_else(|| {
            section.wrong(key, (format!("{number} is not an HTTP status"), "statuses are 100 to 599".to_owned()))
        })
    });
    all.collect()
}
