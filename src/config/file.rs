//! The TOML file as written: keys, values, and the line of each.
//!
//! Keys are the names of the flags, in kebab or snake case, at the top level. It gives texts
//! and leaves their meaning to the values' own types.

use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::error::StartError;

use super::layers::{Entry, Origin, in_file, nearest};
use super::settings::Settings;
use super::value::{Given, shown};

/// No configuration is larger.
const LIMIT: u64 = 1 << 20;

/// What a file says.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) entries: Vec<Entry>,
    pub(crate) warnings: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// With the file, and the line where there is one: unreadable, not TOML, an unknown key.
pub(crate) fn read(path: &Path) -> Result<File, StartError> {
    let unreadable = |why: String| {
        StartError::environment(path.display().to_string(), why)
            .remedy("check the path given with --config or SOAKRIG_CONFIG")
    };
    let (text, open_to_others) = load(path).map_err(|e| unreadable(format!("cannot be read: {e}")))?;
    if text.len() as u64 > LIMIT {
        return Err(unreadable("larger than 1 MiB: not a configuration file".to_owned()));
    }
    let text = String::from_utf8(text).map_err(|_| unreadable("not valid UTF-8".to_owned()))?;
    let mut entries = parse(path, &text)?;
    entries.sort_by_key(|entry| line_of(&entry.origin));
    let mut warnings = Vec::new();
    if open_to_others && entries.iter().any(|entry| entry.key == "password") {
        warnings.push(format!("{} holds a password and every user of this machine can read it", path.display()));
    }
    Ok(File { entries, warnings })
}

fn load(path: &Path) -> std::io::Result<(Vec<u8>, bool)> {
    use std::os::unix::fs::PermissionsExt;
    let file = std::fs::File::open(path)?;
    let open_to_others = file.metadata()?.permissions().mode() & 0o004 != 0;
    let mut text = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut text)?;
    Ok((text, open_to_others))
}

fn line_of(origin: &Origin) -> usize {
    match origin {
        Origin::File { line, .. } => *line,
        _ => 0,
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<Entry>, StartError> {
    let line = |at: usize| text.bytes().take(at).filter(|b| *b == b'\n').count() + 1;
    let at_line = |line: usize, why: String| StartError::environment(format!("{}:{line}", path.display()), why);
    // The error's own Display quotes the line, which may hold a password.
    let table = DeTable::parse(text).map_err(|e| {
        let start = e.span().map_or(0, |span| span.start);
        at_line(line(start), format!("not TOML: {}", e.message()))
    })?;
    let mut entries: Vec<Entry> = Vec::new();
    for (name, value) in table.get_ref() {
        let line = line(name.span().start);
        let key = known(name.get_ref()).map_err(|why| at_line(line, why))?;
        if let Some(other) = entries.iter().find(|entry| entry.key == key) {
            let why = format!("{} is given twice, on line {} too", in_file(key), line_of(&other.origin));
            return Err(at_line(line, why));
        }
        let given = given(value.get_ref()).map_err(|why| at_line(line, format!("{}: {why}", in_file(key))))?;
        entries.push(Entry { key, given, origin: Origin::File { path: PathBuf::from(path), line } });
    }
    Ok(entries)
}

fn known(name: &str) -> Result<&'static str, String> {
    let snake = name.replace('-', "_");
    Settings::keys().find(|key| *key == snake).ok_or_else(|| {
        let hint = nearest(&in_file(&snake), Settings::keys().map(in_file));
        format!("unknown key {}{hint}", shown(name))
    })
}

fn given(value: &DeValue<'_>) -> Result<Given, String> {
    match value {
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| scalar(item.get_ref())).collect::<Result<_, _>>()?;
            Ok(Given::Many(texts))
        }
        other => scalar(other).map(Given::One),
    }
}

/// A single value as it would be typed on the command line.
fn scalar(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map(|n| n.to_string())
            .map_err(|_| "a number out of bounds".to_owned()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(on) => Ok(on.to_string()),
        DeValue::Datetime(moment) => Ok(moment.to_string()),
        DeValue::Table(_) => Err("a table where a value is wanted".to_owned()),
        DeValue::Array(_) => Err("a list where a value is wanted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(text: &str) -> Result<Vec<(&'static str, Given)>, String> {
        parse(Path::new("soak.toml"), text)
            .map(|entries| entries.into_iter().map(|entry| (entry.key, entry.given)).collect())
            .map_err(|e| e.to_string())
    }

    fn one(text: &str) -> Given {
        Given::One(text.to_owned())
    }

    #[test]
    fn values_come_as_they_would_be_typed() {
        let text = "chat_rate = \"5/s\"\nmax-lost = 0x10\nmax-error-rate = 0.01\ndisable-chat = true\n\
                    source-ip = [\"127.0.0.2\"]\nstart-at = 2026-11-23T10:00:00Z\n";
        let entries = entries(text).unwrap();
        for (key, given) in [
            ("chat_rate", one("5/s")),
            ("max_lost", one("16")),
            ("max_error_rate", one("0.01")),
            ("disable_chat", one("true")),
            ("source_ip", Given::Many(vec!["127.0.0.2".to_owned()])),
            ("start_at", one("2026-11-23T10:00:00Z")),
        ] {
            assert!(entries.contains(&(key, given)), "{key} in {entries:?}");
        }
    }

    #[test]
    fn errors_name_the_file_the_line_and_the_key() {
        for (text, expected) in [
            ("# first\n\nchatrate = 5\n", "soak.toml:3: unknown key chatrate, did you mean chat-rate?"),
            ("chat-rate = \n", "soak.toml:1: not TOML"),
            ("seed = 1\n\nseed = 2\n", "soak.toml:3: not TOML"),
            ("chat-rate = \"5/s\"\nchat_rate = \"6/s\"\n", "chat-rate is given twice"),
            ("[users]\nseed = 1\n", "soak.toml:1: unknown key users"),
            ("seed = { a = 1 }\n", "soak.toml:1: seed: a table"),
        ] {
            let error = entries(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_syntax_error_does_not_show_the_line() {
        let error = entries("password = \"hunter2\" oops\n").unwrap_err();
        assert!(error.contains("soak.toml:1") && !error.contains("hunter2"), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
            let _ = entries(&text);
            let _ = entries(&format!("seed = {text}"));
        }
    }
}
