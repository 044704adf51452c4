//! The state while a file is parsed, templates for all tables, and the assembly of the description.

use std::cell::RefCell;
use std::sync::Arc;

use super::section::Section;
use crate::drivers::file::description::{Action, Description, Joined, Step};
use crate::drivers::file::error::ParseError;
use crate::drivers::file::keys::MESSAGE;
use crate::drivers::file::names::{CaptureScope, Names, Problem, Scope};
use crate::drivers::file::template::Template;

/// The state while a file is parsed.
pub(super) struct Parser {
    pub(super) names: Names,
    pub(super) allow_exec: bool,
    /// The templates that contain a secret.
    pub(super) secrets: RefCell<Vec<Template>>,
}

impl Parser {
    pub(super) fn description(&self, root: &Section<'_>) -> Result<Description, ParseError> {
        let mut scope = Scope::default();
        let sign_up = self.account(root, "sign_up", &mut scope)?;
        let mut scope = Scope::default();
        let log_in = self.account(root, "log_in", &mut scope)?;
        let socket = self.socket(root, &scope)?;
        let join = self.join(root, &mut scope)?;
        let leave = self.leave(root, &scope)?;
        let keepalive = self.keepalive(root, &scope)?;
        let (rules, message) = (self.rules(root, &scope)?, self.message(root, &scope)?);
        let joined = self.joined(root, message.echo, &join)?;
        Ok(Description {
            name: root.file.name.to_owned(),
            sign_up,
            log_in,
            socket,
            join,
            joined,
            message,
            rules: Arc::new(rules),
            keepalive,
            leave,
            session_captures: self.names.captures(CaptureScope::Session).to_vec(),
            connection_captures: self.names.captures(CaptureScope::Connection).to_vec(),
            columns: self.names.columns().to_vec(),
            uses_password: self.names.is_used("password"),
            secret_variables: self.names.secret_variables(),
            lines: root.lines(),
            secret_templates: self.secrets.take(),
        })
    }

    fn joined(&self, root: &Section<'_>, echo: bool, join: &[Step]) -> Result<Joined, ParseError> {
        let message = root.inner("message", &MESSAGE)?;
        let inside = message.as_ref().filter(|message| message.has("joined"));
        let section = match (root.has("joined"), inside) {
            (true, Some(inside)) => {
                return Err(
                    inside.wrong("joined", problem("joined is given twice", "keep the one at the top of the file"))
                );
            }
            (false, Some(inside)) => inside,
            _ => root,
        };
        if section.text("joined") == Some("own_message") {
            if echo {
                return Ok(Joined::OwnMessage);
            }
            let why = "without echo, a user's own message never arrives";
            return Err(
                section.wrong("joined", problem(why, "add echo = true to [message], if the server sends it back"))
            );
        }
        if let (Some(last), Some(at)) = (join.last(), join.len().checked_sub(1))
            && matches!(last.action, Action::Wait(_))
        {
            let steps = root.list("join", "step")?;
            let why = "the last step is a wait, which says nothing about whether the user has joined";
            let remedy = "expect the frame that means it, or set joined = \"own_message\"";
            return Err(steps.get(at).map_or(root, |step| step).wrong("wait", problem(why, remedy)));
        }
        Ok(Joined::LastStep)
    }

    /// The template of a key, if there is one.
    pub(super) fn template(
        &self,
        section: &Section<'_>,
        key: &str,
        scope: &Scope,
    ) -> Result<Option<Template>, ParseError> {
        let text = section.text(key);
        text.map(|text| self.compile(text, scope).map_err(|problem| section.wrong(key, problem))).transpose()
    }

    /// A text that is the same for all users: variables come from `[vars]` or `--set`.
    pub(super) fn fixed(&self, source: &str) -> Result<String, Problem> {
        constant(&self.names.compile(source, &Scope::default())?)
    }

    pub(super) fn compile(&self, source: &str, scope: &Scope) -> Result<Template, Problem> {
        let template = self.names.compile(source, scope)?;
        if template.is_secret() {
            self.secrets.borrow_mut().push(template.clone());
        }
        Ok(template)
    }
}

pub(super) fn constant(template: &Template) -> Result<String, Problem> {
    let remedy = "take its variables from [vars] or --set only";
    template.as_constant().map(str::to_owned).ok_or_else(|| problem("it must be the same for all users", remedy))
}

pub(super) fn problem(why: &str, remedy: &str) -> Problem {
    (why.to_owned(), remedy.to_owned())
}
