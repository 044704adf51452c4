//! `[vars]`, and all other names.

use toml::de::DeValue;

use super::parser::{Parser, problem};
use super::section::{Section, integer};
use crate::drivers::file::error::ParseError;
use crate::drivers::file::names::{CaptureScope, Names, ParseOptions, Problem, Variable, not_built_in};
use crate::drivers::file::template::{Captured, is_name};

/// The variables of the file, and those given with it.
pub(super) fn names(root: &Section<'_>, given: &ParseOptions) -> Result<Names, ParseError> {
    let mut variables = std::collections::BTreeMap::new();
    for (name, value, at) in root.entries("vars") {
        let wrong = |problem: Problem| root.file.mistake(at, format!("vars, {name}"), problem);
        spelled(name).and_then(|()| not_built_in(name)).map_err(wrong)?;
        let (source, secret) = variable(value.get_ref()).map_err(wrong)?;
        variables.insert(name.to_owned(), Variable { source, secret });
    }
    for column in &given.columns {
        check_column(column).map_err(|(why, remedy)| ParseError {
            file: root.file.name.to_owned(),
            line: 0,
            key: format!("--accounts, column {column}"),
            why,
            remedy,
        })?;
    }
    Ok(Names::new(variables, given))
}

fn spelled(name: &str) -> Result<(), Problem> {
    if is_name(name) {
        return Ok(());
    }
    Err((format!("{name:?} cannot name a variable"), "use letters, digits and _, and no digit first".to_owned()))
}

/// A column's name; `password` is the built-in variable's value.
fn check_column(name: &str) -> Result<(), Problem> {
    if name == "password" { Ok(()) } else { not_built_in(name) }
}

/// A text, number or boolean, or `{ value = …, secret = true }`.
fn variable(value: &DeValue<'_>) -> Result<(String, bool), Problem> {
    let wanted = "write { value = \"…\", secret = true }";
    let Some(table) = value.as_table() else { return Ok((scalar(value).unwrap_or_default(), false)) };
    if let Some(other) = table.keys().find(|key| !["value", "secret"].contains(&key.get_ref().as_ref())) {
        return Err((format!("unknown key {:?}", other.get_ref()), wanted.to_owned()));
    }
    let secret = match table.get("secret").map(|secret| secret.get_ref().as_bool()) {
        None => false,
        Some(Some(secret)) => secret,
        Some(None) => return Err(problem("secret is not true or false", wanted)),
    };
    let value = table.get("value").and_then(|value| scalar(value.get_ref()));
    Ok((value.ok_or_else(|| problem("the variable has no value", wanted))?, secret))
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(_) => integer(value).map(|number| number.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(on) => Some(on.to_string()),
        _ => None,
    }
}

impl Parser {
    /// Adds every capture, so that a use before its step can be told from an unknown name.
    pub(super) fn enter_captures(&mut self, root: &Section<'_>) -> Result<(), ParseError> {
        for (table, scope) in
            [("sign_up", CaptureScope::Session), ("log_in", CaptureScope::Session), ("join", CaptureScope::Connection)]
        {
            for step in root.list(table, "step")? {
                for (name, _, at) in step.entries("capture") {
                    let wrong = |problem| step.wrong_at(at, "capture", problem);
                    spelled(name).map_err(wrong)?;
                    let slot = self.names.capture(name, scope).map_err(wrong)?;
                    if usize::from(slot) >= Captured::MOST {
                        let why = format!("more than {} captures", Captured::MOST);
                        return Err(wrong((why, "capture only what is used".to_owned())));
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks each variable alone, so that a mistake in it is reported on its own line.
    pub(super) fn check_variables(&self, root: &Section<'_>) -> Result<(), ParseError> {
        for (name, _, at) in root.entries("vars") {
            let checked = self.names.check_variable(name);
            checked.map_err(|problem| root.file.mistake(at, format!("vars, {name}"), problem))?;
        }
        Ok(())
    }

    /// Refuses unused captures.
    pub(super) fn check_captures(&self, root: &Section<'_>) -> Result<(), ParseError> {
        for table in ["sign_up", "log_in", "join"] {
            for step in root.list(table, "step")? {
                for (name, _, at) in step.entries("capture") {
                    if !self.names.is_used(name) {
                        let why = format!("nothing uses {name}");
                        return Err(step.wrong_at(
                            at,
                            "capture",
                            (why, format!("use {{{{{name}}}}}, or leave it out")),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// The names of a rule's own captures, by slot.
    pub(super) fn local_captures(&self, rule: &Section<'_>) -> Result<Vec<String>, ParseError> {
        let mut local = Vec::new();
        for (name, _, at) in rule.entries("capture") {
            let wrong = |problem| rule.wrong_at(at, "capture", problem);
            spelled(name).and_then(|()| self.names.free(name)).map_err(wrong)?;
            if self.names.slot_of(name).is_some() {
                let why = format!("another step captures {name} too");
                return Err(wrong((why, "give one of the two another name".to_owned())));
            }
            local.push(name.to_owned());
        }
        Ok(local)
    }
}
