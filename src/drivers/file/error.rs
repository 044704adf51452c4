//! Errors in protocol files.

use std::fmt;

/// A mistake in a protocol file, or in the options given with it: its place, the reason, and a remedy.
///
/// Its texts contain no secrets. The caller knows whether a flag named the file, and so the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1; 0 if the mistake is not in the file.
    pub line: usize,
    /// The table and key, as in `join step 2, expect`; empty for the file as a whole.
    pub key: String,
    /// The reason.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

impl ParseError {
    /// File, line and key: the start of an error.
    #[must_use]
    pub fn place(&self) -> String {
        let line = if self.line == 0 { String::new() } else { format!(":{}", self.line) };
        let key = if self.key.is_empty() { String::new() } else { format!(": {}", self.key) };
        format!("{}{line}{key}", self.file)
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  remedy: {}", self.place(), self.why, self.remedy)
    }
}

impl std::error::Error for ParseError {}

/// `, did you mean …?` if one of the names is similar, else nothing.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(name, known).map_or(String::new(), |name| format!(", did you mean {name}?"))
}

/// The most similar name, if there is one.
pub(super) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |other: &'a str| (strsim::jaro_winkler(&name.to_lowercase(), other), other);
    let best = known.into_iter().map(likeness).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.8).map(|(_, name)| name)
}

/// A list of names for people.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}
