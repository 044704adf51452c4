//! A checked table of the file: its keys are known and of the right type.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::error::{ParseError, listed, nearest};
use super::super::keys::{Key, Kind, TABLES, Table};
use super::super::lines::Lines;
use super::super::names::Problem;

/// The file's name as given, and its text.
#[derive(Clone, Copy)]
pub(super) struct File<'f> {
    pub(super) name: &'f str,
    pub(super) text: &'f str,
}

impl File<'_> {
    pub(super) fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
    }

    pub(super) fn mistake(&self, at: usize, key: impl Into<String>, (why, remedy): Problem) -> ParseError {
        ParseError { file: self.name.to_owned(), line: self.line(at), key: key.into(), why, remedy }
    }
}

/// A table whose keys have been checked.
pub(super) struct Section<'f> {
    pub(super) file: File<'f>,
    spec: &'static Table,
    /// Its name in errors: `join step 2`.
    pub(super) title: String,
    span: Range<usize>,
    table: &'f DeTable<'f>,
}

type Value<'f> = &'f Spanned<DeValue<'f>>;

/// The entries of a table or list, in the file's order, with the position of each.
pub(super) type Entries<'f, T> = Vec<(&'f str, T, usize)>;

impl<'f> Section<'f> {
    pub(super) fn open(
        file: File<'f>,
        spec: &'static Table,
        title: String,
        table: &'f DeTable<'f>,
        span: Range<usize>,
    ) -> Result<Self, ParseError> {
        let section = Self { file, spec, title, span, table };
        let mut keys: Vec<_> = table.iter().collect();
        keys.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in keys {
            let Some(key) = spec.key(name.get_ref()) else {
                let at = name.span().start;
                return Err(file.mistake(at, section.title.clone(), section.unknown(name.get_ref())));
            };
            section.check(key, value)?;
        }
        Ok(section)
    }

    fn unknown(&self, name: &str) -> Problem {
        let hint = nearest(name, self.spec.keys.iter().map(|key| key.name));
        let elsewhere = TABLES.iter().find(|table| table.key(name).is_some());
        let remedy = match elsewhere {
            Some(table) if hint.is_empty() && table.name.is_empty() => {
                format!("{name} belongs at the top of the file, above the first table")
            }
            Some(table) if hint.is_empty() => format!("{name} belongs to {}", table.name),
            _ => format!("the keys here are {}", listed(self.spec.keys.iter().map(|key| key.name))),
        };
        (format!("unknown key {name:?}{hint}"), remedy)
    }

    /// Checks that a value has the type of its key.
    fn check(&self, key: &Key, value: Value<'f>) -> Result<(), ParseError> {
        let texts = |value: &DeValue<'_>| {
            value.as_array().is_some_and(|items| items.iter().all(|item| item.get_ref().is_str()))
        };
        let entries = |value: &DeValue<'_>, fits: &dyn Fn(&DeValue<'_>) -> bool| {
            value.as_table().is_some_and(|table| table.values().all(|value| fits(value.get_ref())))
        };
        let source = |value: &DeValue<'_>| value.is_str() || texts(value);
        let scalar = |value: &DeValue<'_>| value.is_str() || value.is_integer() || value.is_float() || value.is_bool();
        let held = value.get_ref();
        let right = match key.kind {
            Kind::Text | Kind::Duration => held.is_str(),
            Kind::Choice(texts) => held.as_str().is_some_and(|text| texts.contains(&text)),
            Kind::Boolean => held.is_bool(),
            Kind::True => held.as_bool() == Some(true),
            Kind::Schema => held.is_integer(),
            Kind::Integers => integers(held).is_some(),
            Kind::Texts => texts(held),
            Kind::Source => source(held),
            Kind::TextTable => entries(held, &|value| value.is_str()),
            Kind::SourceTable => entries(held, &source),
            Kind::Variables => entries(held, &|value| scalar(value) || value.is_table()),
            Kind::Values => entries(held, &scalar),
            Kind::Json => held.is_str() || held.is_table(),
            Kind::One(_) => held.is_table(),
            Kind::Many(_) => held.as_array().is_some_and(|items| items.iter().all(|item| item.get_ref().is_table())),
        };
        if right {
            return Ok(());
        }
        let shown = match held {
            DeValue::String(text) if matches!(key.kind, Kind::Choice(_)) => format!("{text:?}"),
            other => article(other.type_str()),
        };
        let remedy = format!("{} wants {}", key.name, key.kind.wanted());
        Err(self.wrong(key.name, (format!("{shown} is not what {} can be", key.name), remedy)))
    }

    pub(super) fn get(&self, key: &str) -> Option<Value<'f>> {
        self.table.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn text(&self, key: &str) -> Option<&'f str> {
        self.get(key)?.get_ref().as_str()
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        self.get(key)?.get_ref().as_bool()
    }

    /// The numbers of a key, empty without it.
    pub(super) fn integers(&self, key: &str) -> Vec<i64> {
        self.get(key).and_then(|value| integers(value.get_ref())).unwrap_or_default()
    }

    /// The texts of a list, or the one text, each with its position.
    pub(super) fn texts(&self, key: &str) -> Vec<(&'f str, usize)> {
        self.get(key).map_or_else(Vec::new, |value| texts(value))
    }

    /// The names and values of a table, in the file's order.
    pub(super) fn entries(&self, key: &str) -> Entries<'f, Value<'f>> {
        self.get(key).and_then(|value| value.get_ref().as_table()).map_or_else(Vec::new, entries)
    }

    /// The one table below a key.
    pub(super) fn inner(&self, key: &'static str, spec: &'static Table) -> Result<Option<Self>, ParseError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let Some(table) = value.get_ref().as_table() else { return Ok(None) };
        Self::open(self.file, spec, self.title_of(key), table, value.span()).map(Some)
    }

    /// The tables of a list below a key; `each` is their numbered name in errors.
    pub(super) fn list(&self, key: &'static str, each: &str) -> Result<Vec<Self>, ParseError> {
        let Some(Key { kind: Kind::Many(spec), .. }) = self.spec.key(key) else { return Ok(Vec::new()) };
        let items = self.get(key).and_then(|value| value.get_ref().as_array());
        let tables = items.into_iter().flat_map(|items| items.iter()).enumerate();
        let opened = tables.filter_map(|(at, item)| {
            let title = format!("{} {each} {}", self.title_of(key), at + 1);
            Some(Self::open(self.file, spec, title, item.get_ref().as_table()?, item.span()))
        });
        opened.collect()
    }

    /// The name of a key in errors.
    pub(super) fn title_of(&self, key: &str) -> String {
        if self.title.is_empty() { key.to_owned() } else { format!("{}, {key}", self.title) }
    }

    /// A mistake in a key, or in the table as a whole if the key is missing.
    pub(super) fn wrong(&self, key: &str, problem: Problem) -> ParseError {
        match self.get(key) {
            Some(value) => self.file.mistake(value.span().start, self.title_of(key), problem),
            None => self.file.mistake(self.span.start, self.title.clone(), problem),
        }
    }

    /// A mistake at a place inside a key's value.
    pub(super) fn wrong_at(&self, at: usize, key: &str, problem: Problem) -> ParseError {
        self.file.mistake(at, self.title_of(key), problem)
    }

    /// A mistake in the table as a whole.
    pub(super) fn wrong_here(&self, why: &str, remedy: &str) -> ParseError {
        self.file.mistake(self.span.start, self.title.clone(), (why.to_owned(), remedy.to_owned()))
    }

    /// The line of everything in the table.
    pub(super) fn lines(&self) -> Lines {
        Lines::of(self.table, &|at| self.file.line(at))
    }

    /// The line on which the table begins.
    pub(super) fn line(&self) -> usize {
        self.file.line(self.span.start)
    }
}

/// The texts of a list, or the one text.
pub(super) fn texts<'f>(value: Value<'f>) -> Vec<(&'f str, usize)> {
    let one = |value: Value<'f>| Some((value.get_ref().as_str()?, value.span().start));
    match value.get_ref() {
        DeValue::Array(items) => items.iter().filter_map(one).collect(),
        _ => one(value).into_iter().collect(),
    }
}

/// The names and values of a table, in the file's order, with the position of each name.
pub(super) fn entries<'f>(table: &'f DeTable<'f>) -> Entries<'f, Value<'f>> {
    let mut entries: Vec<_> =
        table.iter().map(|(name, value)| (name.get_ref().as_ref(), value, name.span().start)).collect();
    entries.sort_by_key(|(_, _, at)| *at);
    entries
}

/// A whole number.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn integers(value: &DeValue<'_>) -> Option<Vec<i64>> {
    match value {
        DeValue::Array(items) => items.iter().map(|item| integer(item.get_ref())).collect(),
        one => integer(one).map(|number| vec![number]),
    }
}

fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}
