//! The protocol that a command names: a registered one, or one that a file describes.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::config::plan::ProtocolChoice;
use crate::drivers::file::shipped::{SHIPPED, Shipped};
use crate::drivers::file::{FileProtocol, ParseOptions, parse};
use crate::drivers::{self, NAMES, Visitor};
use crate::error::StartError;

/// Calls `visitor` with the chosen protocol: a registered one, or one that a file describes.
pub(super) fn with_protocol<V: Visitor>(choice: &ProtocolChoice, visitor: V) -> Result<V::Output, StartError> {
    if NAMES.contains(&choice.name.as_str()) {
        if let Some(error) = &choice.variables {
            return Err(error.clone().remedy("leave it out, or name a protocol file with --protocol"));
        }
        let unknown = choice.unknown.clone();
        return drivers::with(&choice.name, visitor).ok_or(unknown);
    }
    Ok(visitor.visit(file(choice)?))
}

/// The protocol of a shipped file, or of one at a path.
///
/// # Errors
/// No such file, or the first mistake in it, with its line.
fn file(choice: &ProtocolChoice) -> Result<FileProtocol, StartError> {
    let (shown, text) = match Shipped::named(&choice.name) {
        Some(shipped) => (format!("{}.toml", shipped.name), shipped.text.to_owned()),
        None => (choice.name.clone(), read(choice)?),
    };
    let (set, columns) = (choice.set.clone(), choice.columns.clone());
    let options = ParseOptions { set, columns, allow_exec: choice.allow_exec };
    let description = parse::parse(&shown, &text, &options)
        .map_err(|e| choice.wrong(format!("{}: {}", e.place(), e.why)).remedy(e.remedy))?;
    let name = Path::new(&choice.name).file_stem().map_or(choice.name.clone(), |stem| stem.to_string_lossy().into());
    Ok(FileProtocol::new(&name, &choice.run, description))
}

fn read(choice: &ProtocolChoice) -> Result<String, StartError> {
    let path = Path::new(&choice.name);
    if !path.exists() && !choice.name.contains(['/', '.']) {
        let files = SHIPPED.map(|file| file.name);
        let known = NAMES.iter().chain(&files).copied().collect::<Vec<_>>().join(", ");
        return Err(choice.unknown.clone().remedy(format!("give one of: {known}; or the path of a protocol file")));
    }
    let unreadable = |why: String| {
        choice.wrong(format!("{} cannot be read: {why}", choice.name)).remedy("check the path of the protocol file")
    };
    let mut bytes = Vec::new();
    let limit = parse::LONGEST as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|e| unreadable(e.to_string()))?;
    String::from_utf8(bytes).map_err(|_| unreadable("not valid UTF-8".to_owned()))
}
