//! A protocol file, read: TOML in, a checked [`Description`] out.
//!
//! The first mistake is told with its line, its key, the nearest known name and what to do.
//! No I/O.

mod bodies;
mod rules;
mod section;
mod sources;
mod steps;
mod tables;
mod variables;

use std::cell::RefCell;
use std::sync::Arc;

use toml::de::DeTable;

use self::section::{File, Section};
use super::description::{Description, Joined};
use super::error::ParseError;
use super::keys::FILE;
use super::names::{CaptureScope, Names, ParseOptions, Problem, Scope};
use super::template::Template;

/// No protocol file is longer, in bytes.
pub const LONGEST: usize = 256 * 1024;

/// Reads a protocol file; `name` is how it was named.
///
/// # Errors
/// The first mistake in the file, or in what is given beside it.
pub fn parse(name: &str, text: &str, given: &ParseOptions) -> Result<Description, ParseError> {
    let file = File { name, text };
    let whole = |why: String, remedy: &str| ParseError {
        file: name.to_owned(),
        line: 0,
        key: String::new(),
        why,
        remedy: remedy.to_owned(),
    };
    if text.len() > LONGEST {
        return Err(whole(format!("longer than {} KiB", LONGEST / 1024), "name a protocol file"));
    }
    // The error's own Display quotes the line, which may hold a password.
    let table = DeTable::parse(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        file.mistake(at, "", (format!("not TOML: {}", e.message()), "correct the line".to_owned()))
    })?;
    let table = table.into_inner();
    schema(file, &table)?;
    let root = Section::open(file, &FILE, String::new(), &table, 0..0)?;
    let names = variables::names(&root, given)?;
    let mut parser = Parser { names, allow_exec: given.allow_exec, secrets: RefCell::default() };
    parser.enter_captures(&root)?;
    parser.check_variables(&root)?;
    let description = parser.description(&root)?;
    parser.check_captures(&root)?;
    parser.names.check_set().map_err(|(name, (why, remedy))| ParseError {
        key: format!("--set {name}"),
        remedy,
        ..whole(why, "")
    })?;
    Ok(description)
}

/// The version comes first: a file of another one has other keys.
fn schema(file: File<'_>, table: &DeTable<'_>) -> Result<(), ParseError> {
    let remedy = "put schema = 1 at the top of the file".to_owned();
    match table.get("schema") {
        Some(value) if section::integer(value.get_ref()) == Some(1) => Ok(()),
        Some(value) => {
            let why = "this soakrig reads protocol files of schema 1 only".to_owned();
            Err(file.mistake(value.span().start, "schema", (why, remedy)))
        }
        None => Err(file.mistake(0, "", ("the file has no schema".to_owned(), remedy))),
    }
}

/// What is known while a file is read.
struct Parser {
    names: Names,
    allow_exec: bool,
    /// The templates that hold a secret.
    secrets: RefCell<Vec<Template>>,
}

impl Parser {
    fn description(&self, root: &Section<'_>) -> Result<Description, ParseError> {
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
            secret_templates: self.secrets.take(),
        })
    }

    fn joined(&self, root: &Section<'_>, echo: bool, join: &[super::description::Step]) -> Result<Joined, ParseError> {
        let message = root.inner("message", &super::keys::MESSAGE)?;
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
            && matches!(last.action, super::description::Action::Wait(_))
        {
            let steps = root.list("join", "step")?;
            let why = "the last step is a wait, which says nothing about whether the user has joined";
            let remedy = "expect the frame that means it, or set joined = \"own_message\"";
            return Err(steps.get(at).map_or(root, |step| step).wrong("wait", problem(why, remedy)));
        }
        Ok(Joined::LastStep)
    }

    /// The template of a key, if it is there.
    fn template(&self, section: &Section<'_>, key: &str, scope: &Scope) -> Result<Option<Template>, ParseError> {
        let text = section.text(key);
        text.map(|text| self.compile(text, scope).map_err(|problem| section.wrong(key, problem))).transpose()
    }

    /// A text that is the same for all users: variables come from `[vars]` or `--set`.
    fn fixed(&self, source: &str) -> Result<String, Problem> {
        constant(&self.names.compile(source, &Scope::default())?)
    }

    fn compile(&self, source: &str, scope: &Scope) -> Result<Template, Problem> {
        let template = self.names.compile(source, scope)?;
        if template.is_secret() {
            self.secrets.borrow_mut().push(template.clone());
        }
        Ok(template)
    }
}

fn constant(template: &Template) -> Result<String, Problem> {
    let remedy = "take its variables from [vars] or --set only";
    template.as_constant().map(str::to_owned).ok_or_else(|| problem("it must be the same for all users", remedy))
}

fn problem(why: &str, remedy: &str) -> Problem {
    (why.to_owned(), remedy.to_owned())
}

#[cfg(test)]
mod tests;
