//! The TOML file as written: keys, values, and the line of each.
//!
//! Keys are the names of the flags, in kebab or snake case, at the top level, or in a table
//! `[[plenary]]` for one of several plenaries. Values are texts here; their own types parse them.

use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::error::StartError;

use super::entry::{GivenOption, ValueOrigin, in_file, nearest};
use super::settings::Settings;
use super::value::{Given, shown};

/// Largest file accepted, in bytes.
const LIMIT: u64 = 1 << 20;
/// Maximum number of plenaries; each costs a port and a ledger.
const MOST_PLENARIES: usize = 100;
/// Names of tables of rooms.
const TABLES: [&str; 2] = ["plenary", "room"];
/// Options of the whole process or its server, which cannot differ between plenaries.
const COMMON: [&str; 32] = [
    "url",
    "protocol",
    "set",
    "password",
    "password_file",
    "cache_file",
    "read_only_cache",
    "shard",
    "shards",
    "rooms",
    "room_min",
    "dry_run",
    "ca_file",
    "insecure_skip_verify",
    "source_ip",
    "header",
    "client_cert",
    "client_key",
    "resolve",
    "proxy",
    "compression",
    "max_frame",
    "http_timeout",
    "run_id",
    "otlp_endpoint",
    "no_traceparent",
    "log_format",
    "verbose",
    "presence",
    "listen",
    "control",
    "prefix",
];

/// The contents of a file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) entries: Vec<GivenOption>,
    /// The entries of each `[[plenary]]`, in the file's order; the slug is the entry `plenary`.
    pub(crate) tables: Vec<Vec<GivenOption>>,
    pub(crate) warnings: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// An unreadable file, invalid TOML, or an unknown key; names the file, and the line if there is one.
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
    let (entries, tables) = parse(path, &text)?;
    let mut warnings = Vec::new();
    if open_to_others && entries.iter().any(holds_secret) {
        warnings.push(format!(
            "{} holds a password, a header or a proxy and every user of this machine can read it",
            path.display()
        ));
    }
    Ok(File { entries, tables, warnings })
}

/// Whether an entry may hold a secret rather than the name of a file that does.
fn holds_secret(entry: &GivenOption) -> bool {
    match (&entry.given, entry.key) {
        (_, "password" | "header") => true,
        (Given::One(url), "proxy") => !url.starts_with('@') && url.contains('@'),
        _ => false,
    }
}

fn load(path: &Path) -> std::io::Result<(Vec<u8>, bool)> {
    use std::os::unix::fs::PermissionsExt;
    let file = std::fs::File::open(path)?;
    let open_to_others = file.metadata()?.permissions().mode() & 0o004 != 0;
    let mut text = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut text)?;
    Ok((text, open_to_others))
}

fn line_of(origin: &ValueOrigin) -> usize {
    match origin {
        ValueOrigin::File { line, .. } => *line,
        _ => 0,
    }
}

/// A level of a file, which decides what keys it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Plenary,
}

impl Level {
    /// The option that a key means at this level.
    fn known(self, name: &str) -> Result<&'static str, String> {
        let snake = name.replace('-', "_");
        match Settings::keys().find(|key| *key == snake) {
            _ if self == Self::Plenary && snake == "slug" => Ok("plenary"),
            Some("plenary") if self == Self::Plenary => Err("the plenary of a table is its slug".to_owned()),
            Some(key) if self == Self::Plenary && COMMON.contains(&key) => {
                Err(format!("{} holds for all plenaries: it belongs above the first [[plenary]]", in_file(key)))
            }
            Some(key) => Ok(key),
            None => {
                let hint = nearest(&in_file(&snake), Settings::keys().map(in_file));
                Err(format!("unknown key {}{hint}", shown(name)))
            }
        }
    }
}

/// A file's text while it is parsed.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

type Parsed = (Vec<GivenOption>, Vec<Vec<GivenOption>>);

fn parse(path: &Path, text: &str) -> Result<Parsed, StartError> {
    let source = Source { path, text };
    // The error's own Display quotes the line, which may hold a password.
    let table = DeTable::parse(text).map_err(|e| {
        let start = e.span().map_or(0, |span| span.start);
        source.wrong(source.line(start), format!("not TOML: {}", e.message()))
    })?;
    let mut table = table.into_inner();
    let several = |value: &DeValue<'_>| match value {
        DeValue::Array(items) => items.iter().any(|item| matches!(item.get_ref(), DeValue::Table(_))),
        DeValue::Table(_) => true,
        _ => false,
    };
    let names: Vec<&str> =
        TABLES.into_iter().filter(|name| table.get(*name).is_some_and(|value| several(value.get_ref()))).collect();
    if let [first, second] = names[..] {
        let start = table.get(second).map_or(0, |value| value.span().start);
        let why = format!("[[{second}]] beside [[{first}]], which are the same");
        return Err(source.wrong(source.line(start), why).remedy("call all of them [[room]]"));
    }
    let plenaries = names.first().and_then(|name| table.remove(*name));
    let tables = plenaries.map_or(Ok(Vec::new()), |value| source.tables(value.get_ref(), value.span().start))?;
    Ok((source.entries(&table, Level::Top)?, tables))
}

impl Source<'_> {
    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
    }

    fn wrong(&self, line: usize, why: String) -> StartError {
        StartError::environment(format!("{}:{line}", self.path.display()), why)
    }

    fn tables(&self, value: &DeValue<'_>, start: usize) -> Result<Vec<Vec<GivenOption>>, StartError> {
        let not_tables =
            |at| self.wrong(self.line(at), "plenaries are tables headed [[plenary]], each with a slug".to_owned());
        let DeValue::Array(items) = value else { return Err(not_tables(start)) };
        if items.len() > MOST_PLENARIES {
            return Err(self.wrong(self.line(start), format!("more than {MOST_PLENARIES} plenaries")));
        }
        let mut tables = Vec::new();
        for item in items.iter() {
            let at = item.span().start;
            let DeValue::Table(table) = item.get_ref() else { return Err(not_tables(at)) };
            let entries = self.entries(table, Level::Plenary)?;
            if !entries.iter().any(|entry| entry.key == "plenary") {
                let why = "a [[plenary]] without its slug";
                return Err(self.wrong(self.line(at), why.to_owned()).remedy("add slug = \"...\" to the table"));
            }
            tables.push(entries);
        }
        Ok(tables)
    }

    /// The entries of a table, in the file's order.
    fn entries(&self, table: &DeTable<'_>, level: Level) -> Result<Vec<GivenOption>, StartError> {
        let mut entries: Vec<GivenOption> = Vec::new();
        for (name, value) in table {
            let line = self.line(name.span().start);
            let key = level.known(name.get_ref()).map_err(|why| self.wrong(line, why))?;
            if let Some(other) = entries.iter().find(|entry| entry.key == key) {
                let why = format!("{} is given twice, on line {} too", in_file(key), line_of(&other.origin));
                return Err(self.wrong(line, why));
            }
            let given = given(value.get_ref()).map_err(|why| self.wrong(line, format!("{}: {why}", in_file(key))))?;
            entries.push(GivenOption {
                key,
                given,
                origin: ValueOrigin::File { path: PathBuf::from(self.path), line },
            });
        }
        entries.sort_by_key(|entry| line_of(&entry.origin));
        Ok(entries)
    }
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
            .map(|(entries, _)| entries.into_iter().map(|entry| (entry.key, entry.given)).collect())
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
    fn each_plenary_has_its_table() {
        let text = "seed = 1\n[[plenary]]\nslug = \"a\"\nchat-rate = \"5/s\"\n\n[[plenary]]\nslug = \"b\"\n";
        let (top, tables) = parse(Path::new("soak.toml"), text).unwrap();
        assert_eq!(top.len(), 1);
        let said = |n: usize| tables[n].iter().map(|e| (e.key, e.given.clone())).collect::<Vec<_>>();
        assert_eq!(said(0), [("plenary", one("a")), ("chat_rate", one("5/s"))]);
        assert_eq!(said(1), [("plenary", one("b"))]);
        assert_eq!(line_of(&tables[1][0].origin), 7);
    }

    #[test]
    fn what_is_wrong_with_a_plenarys_table_is_said() {
        for (text, expected) in [
            ("[[plenary]]\nchat-rate = \"5/s\"\n", "soak.toml:1: a [[plenary]] without its slug"),
            ("[[plenary]]\nslug = \"a\"\nurl = \"http://x\"\n", "soak.toml:3: url holds for all plenaries"),
            ("[[plenary]]\nplenary = \"a\"\n", "soak.toml:2: the plenary of a table is its slug"),
            ("[[plenary]]\nslugg = \"a\"\n", "soak.toml:2: unknown key slugg"),
            ("[plenary]\nslug = \"a\"\n", "plenaries are tables headed [[plenary]]"),
            ("plenary = [\"a\", {slug = \"b\"}]\n", "plenaries are tables headed [[plenary]]"),
            ("slug = \"a\"\n", "soak.toml:1: unknown key slug"),
        ] {
            let error = entries(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let (_, tables) = parse(Path::new("soak.toml"), "[[room]]\nslug = \"a\"\n").unwrap();
        assert_eq!(tables.len(), 1, "another name");
        let both = entries("[[plenary]]\nslug = \"a\"\n[[room]]\nslug = \"b\"\n").unwrap_err();
        assert!(both.contains("[[room]] beside [[plenary]]"), "{both}");
        let many = "[[plenary]]\nslug = \"a\"\n".repeat(MOST_PLENARIES + 1);
        assert!(entries(&many).unwrap_err().contains("more than 100 plenaries"));
    }

    #[test]
    fn what_is_common_to_all_plenaries_are_options() {
        assert!(COMMON.iter().all(|key| Settings::keys().any(|known| known == *key)));
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
