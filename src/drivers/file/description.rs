//! A parsed and checked protocol file: the steps and rules that the driver carries out.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde_json::{Map, Value};

use super::classify::FrameRules;
use super::expectation::{Capture, Expectation};
use super::lines::Lines;
use super::outcome::Outcome;
use super::secrets::Secrets;
use super::template::{Captured, Template, Values};
use crate::model::USERNAME;

/// The contents of a protocol file.
#[derive(Debug)]
pub struct Description {
    /// The name of the file as given.
    pub name: String,
    /// The steps that create an account; empty if the file has no sign-up.
    pub sign_up: Vec<Step>,
    /// The steps that sign in to an account; empty if there is no log-in.
    pub log_in: Vec<Step>,
    /// How the websocket is opened.
    pub socket: UpgradeRequest,
    /// The steps from the open socket until the user has joined.
    pub join: Vec<Step>,
    /// The sign that a user has joined.
    pub joined: Joined,
    /// How a message is sent.
    pub message: Message,
    /// The rules for frames.
    pub rules: Arc<FrameRules>,
    /// How the connection is kept open.
    pub keepalive: Option<Keepalive>,
    /// The steps before the socket is closed.
    pub leave: Vec<Step>,
    /// The names of the captures of sign-up and log-in, by slot.
    pub session_captures: Vec<String>,
    /// The names of the captures of the join, by slot.
    pub connection_captures: Vec<String>,
    /// The columns of the file of accounts, in their order.
    pub columns: Vec<String>,
    /// Whether anything sent contains the password.
    pub uses_password: bool,
    /// The variables of the file that are secrets.
    pub(super) secret_variables: Vec<(String, Template)>,
    /// The line of every table and key.
    pub lines: Lines,
    /// Every template that contains a secret.
    pub(super) secret_templates: Vec<Template>,
}

impl Description {
    /// Whether any step runs a program.
    #[must_use]
    pub fn runs_programs(&self) -> bool {
        self.sign_up.iter().chain(&self.log_in).any(|step| matches!(step.action, Action::Exec(_)))
    }

    /// The standard input of a program: the user who signs in, and every secret known so far.
    #[must_use]
    pub fn input(&self, values: &Values<'_>) -> Value {
        let mut input = Map::new();
        let mut enter = |name: &str, text: &str| input.insert(name.to_owned(), text.into());
        enter("user", values.user);
        enter("password", values.password);
        for (name, text) in self.columns.iter().zip(values.columns) {
            enter(name, text);
        }
        for (name, template) in &self.secret_variables {
            let mut text = String::new();
            if template.render(values, &mut text).is_ok() {
                enter(name, &text);
            }
        }
        for (slot, text) in values.session.iter() {
            if let Some(name) = self.session_captures.get(usize::from(slot)) {
                enter(name, text);
            }
        }
        Value::Object(input)
    }

    /// A value that log-in captures but a session lacks, because it was saved with an older version of the file.
    #[must_use]
    pub fn missing_of_log_in(&self, session: &Captured) -> Option<&str> {
        let captures = self.log_in.iter().flat_map(|step| match &step.action {
            Action::Request(request) => &request.captures[..],
            Action::Exec(program) => &program.captures[..],
            Action::Frames { expect: Some(expect), .. } => expect.captures(),
            Action::Frames { expect: None, .. } | Action::Wait(_) => &[],
        });
        let mut missing = captures.filter(|capture| session.get(capture.slot).is_none());
        missing.next().map(|capture| &*capture.name)
    }

    /// Whether requests may follow after the join: messages, or steps before the close.
    #[must_use]
    pub fn asks_after_join(&self) -> bool {
        let asks = |step: &Step| matches!(step.action, Action::Request(_) | Action::Exec(_));
        matches!(self.message.send, Send::Request { .. }) || self.leave.iter().any(asks)
    }

    /// A user's texts that must not be shown: secrets, and what templates make of them.
    #[must_use]
    pub fn secrets(&self, values: &Values<'_>) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add(values.password);
        let columns = self.columns.iter().zip(values.columns).filter(|(name, _)| *name != USERNAME);
        columns.for_each(|(_, text)| secrets.add(text));
        values.session.iter().chain(values.connection.iter()).for_each(|(_, text)| secrets.add(text));
        self.secret_templates.iter().for_each(|template| template.secrets(values, &mut |text| secrets.add(text)));
        secrets
    }
}

/// A step of sign-up, log-in, join or leave.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its place, for errors: `join step 3`.
    pub title: String,
    /// Its line in the file.
    pub line: usize,
    /// The action.
    pub action: Action,
    /// Its timeout, if the file sets one.
    pub timeout: Option<Duration>,
}

/// The action of a step.
#[derive(Debug, Clone)]
pub enum Action {
    /// A request over HTTP.
    Request(Box<Request>),
    /// Runs a program; its output is captured like a body.
    Exec(Program),
    /// Sends a frame, then waits for one.
    Frames {
        /// The frame to send.
        send: Option<Template>,
        /// The frame to wait for.
        expect: Option<Arc<Expectation>>,
        /// Frames that mean a failure, checked before `expect`.
        outcomes: Vec<(Arc<Expectation>, Outcome)>,
    },
    /// Waits for a time.
    Wait(Duration),
}

/// A program and its arguments.
#[derive(Debug, Clone)]
pub struct Program {
    /// Program and arguments; none of them is a secret.
    pub arguments: Vec<Template>,
    /// Values captured from its output.
    pub captures: Vec<Capture>,
}

/// A request over HTTP.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: http::Method,
    /// A path of the target, or a URL.
    pub url: Template,
    /// Additional headers.
    pub headers: Vec<(HeaderName, Template)>,
    /// The body.
    pub body: Body,
    /// The statuses that mean success; if empty, 200 to 299.
    pub accept: Vec<u16>,
    /// Answers that mean a failure, in the file's order; they take precedence over `accept`.
    pub outcomes: Vec<ResponseOutcome>,
    /// Values captured from a successful answer.
    pub captures: Vec<Capture>,
}

impl Request {
    /// Whether a status means success.
    #[must_use]
    pub fn accepts(&self, status: u16) -> bool {
        if self.accept.is_empty() { (200..300).contains(&status) } else { self.accept.contains(&status) }
    }

    /// The failure of an answer, if the file names one for it.
    #[must_use]
    pub fn outcome(&self, status: u16, body: &str, values: &Values<'_>) -> Option<&Outcome> {
        let fits = |answered: &&ResponseOutcome| {
            (answered.statuses.is_empty() || answered.statuses.contains(&status))
                && answered.body.as_ref().is_none_or(|body_text| body_text.clone().is_met_by(body, values))
        };
        self.outcomes.iter().find(fits).map(|answered| &answered.outcome)
    }
}

/// An HTTP answer that means a failure.
#[derive(Debug, Clone)]
pub struct ResponseOutcome {
    /// Its statuses; if empty, any.
    pub statuses: Vec<u16>,
    /// What the body must match.
    pub body: Option<Arc<Expectation>>,
    /// The failure.
    pub outcome: Outcome,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// None.
    Empty,
    /// `application/x-www-form-urlencoded`.
    Form(Template),
    /// `application/json`.
    Json(Template),
}

/// How the websocket is opened.
#[derive(Debug, Clone)]
pub struct UpgradeRequest {
    /// Its URL.
    pub url: Template,
    /// The `Origin` header.
    pub origin: Template,
    /// Further headers.
    pub headers: Vec<(HeaderName, Template)>,
    /// The subprotocols to offer.
    pub subprotocols: Vec<Template>,
    /// Whether frames are sent as binary messages.
    pub binary: bool,
    /// What separates several frames in one message.
    pub split: Option<Box<str>>,
    /// A connection that is silent for this long is dead.
    pub silent_after: Option<Duration>,
}

/// The sign that a user has joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// The last step of the join.
    LastStep,
    /// The arrival of the user's own message.
    OwnMessage,
}

/// How a message is sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// The frame or request.
    pub send: Send,
    /// How the server names this user as a sender; `None` if the protocol names no senders.
    pub identity: Option<Template>,
    /// Whether the server sends a message back to its sender.
    pub echo: bool,
    /// Whether the server keeps the order of one sender's messages.
    pub ordered: bool,
}

/// The carrier of a message.
#[derive(Debug, Clone)]
pub enum Send {
    /// A frame.
    Frame(Template),
    /// A request over HTTP.
    Request {
        /// The request.
        request: Box<Request>,
        /// Its timeout, if the file sets one.
        timeout: Option<Duration>,
    },
}

/// How the connection is kept open.
#[derive(Debug, Clone)]
pub struct Keepalive {
    /// The interval, in the syntax of [`duration`](super::duration::duration).
    pub every: Template,
    /// The frame to send; `None`: a websocket ping.
    pub send: Option<Template>,
}
