//! Helpers for the lines of a summary.

use std::collections::BTreeMap;

use crate::metrics::label::{Label, LabelSet};
use crate::report::numbers::{count, plain};

/// Lines that begin with a name.
#[derive(Default)]
pub(super) struct Page(pub(super) String);

impl Page {
    /// Adds a line, escaped because much of the text comes from files and servers.
    pub(super) fn line(&mut self, text: &str) {
        self.0.push_str(&plain(text));
        self.0.push('\n');
    }

    pub(super) fn row(&mut self, name: &str, text: &str) {
        self.line(&format!("{name:<18} {text}"));
    }

    /// Adds a number to a column of numbers, with a remark after it.
    pub(super) fn number(&mut self, name: &str, n: u64, remark: &str) {
        let line = format!("  {name:<16} {:>13}  {remark}", count(n));
        self.line(line.trim_end());
    }
}

/// Entries in the order in which the labels are declared, which follows a user's life.
pub(super) fn in_order<L: Label, T>(entries: &BTreeMap<String, T>) -> Vec<(&String, &T)> {
    let place = |name: &str| L::every().position(|member| member.text() == name).unwrap_or(usize::MAX);
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(name, _)| place(name));
    entries
}

pub(super) fn or_none(said: Vec<String>) -> String {
    if said.is_empty() { "none".to_owned() } else { said.join(", ") }
}
