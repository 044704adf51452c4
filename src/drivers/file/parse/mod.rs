//! Parses a protocol file: from TOML to a checked [`Description`].
//!
//! Reports the first mistake with its line, its key, the most similar known name and a remedy.
//! No I/O.

mod bodies;
mod parser;
mod rules;
mod section;
mod sources;
mod steps;
mod tables;
mod variables;

use std::cell::RefCell;

use toml::de::DeTable;

use self::parser::Parser;
use self::section::{File, Section};
use super::description::Description;
use super::error::ParseError;
use super::keys::FILE;
use super::names::ParseOptions;

/// Longest protocol file, in bytes.
pub const LONGEST: usize = 256 * 1024;

/// Parses a protocol file; `name` is its name as given.
///
/// # Errors
/// The first mistake in the file, or in the options given with it.
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

/// Checks the version first: a file of another version has different keys.
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

#[cfg(test)]
mod tests;
