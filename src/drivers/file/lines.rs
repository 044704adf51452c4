//! The line of every table and key of a protocol file, for people.

use toml::de::{DeTable, DeValue};

/// The line of every table and key; lists count from 1, as in `message.received[1].sender`.
#[derive(Debug, Clone, Default)]
pub struct Lines(Vec<(String, usize)>);

impl Lines {
    /// The lines of a file's tables; `line` returns the line of a byte.
    pub(super) fn of(table: &DeTable<'_>, line: &dyn Fn(usize) -> usize) -> Self {
        let mut lines = Self::default();
        lines.enter("", table, line);
        lines
    }

    fn enter(&mut self, path: &str, table: &DeTable<'_>, line: &dyn Fn(usize) -> usize) {
        for (key, value) in table {
            let dot = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{dot}{}", key.get_ref());
            self.0.push((path.clone(), line(key.span().start)));
            match value.get_ref() {
                DeValue::Table(inner) => self.enter(&path, inner, line),
                DeValue::Array(items) => {
                    for (at, item) in (1..).zip(items.iter()) {
                        let path = format!("{path}[{at}]");
                        self.0.push((path.clone(), line(item.span().start)));
                        if let DeValue::Table(inner) = item.get_ref() {
                            self.enter(&path, inner, line);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// The line of a key, or of the table that would hold it; `None` if that is not there either.
    #[must_use]
    pub fn line(&self, key: &str) -> Option<usize> {
        let found = |key: &str| self.0.iter().find(|(path, _)| path == key).map(|(_, line)| *line);
        let mut key = key;
        loop {
            if let Some(line) = found(key) {
                return Some(line);
            }
            key = key.rsplit_once('.')?.0;
        }
    }

    /// The number, from 1, of the `nth` rule of a list that has a key.
    #[must_use]
    pub fn number_with(&self, list: &str, key: &str, nth: usize) -> usize {
        let has = |number: &usize| self.0.iter().any(|(path, _)| *path == format!("{list}[{number}].{key}"));
        (1..=self.0.len()).filter(has).nth(nth).unwrap_or(nth + 1)
    }
}

#[cfg(test)]
mod tests {
    use crate::drivers::file::ParseOptions;
    use crate::drivers::file::parse::parse;

    const FILE: &str = r#"schema = 1
[socket]
url = "{{ws}}/"
[[refusal]]
close = 4000
as = "refused"
[[refusal]]
match = { prefix = "x" }
as = "refused"
[message]
send = "{{text}}"
echo = true
[[message.received]]
match = { prefix = "m" }
text = "frame"
"#;

    #[test]
    fn each_table_and_key_has_its_line() {
        let lines = parse("my.toml", FILE, &ParseOptions::default()).unwrap().lines;
        for (key, line) in [
            ("message.echo", 12),
            ("message.ordered", 10),
            ("message.received[1]", 13),
            ("message.received[1].text", 15),
            ("message.received[1].sender", 13),
            ("refusal[2].match.prefix", 8),
        ] {
            assert_eq!(lines.line(key), Some(line), "{key}");
        }
        assert_eq!(lines.line("keepalive.every"), None);
    }

    #[test]
    fn rules_by_frame_are_numbered_among_those_by_close_code() {
        let lines = parse("my.toml", FILE, &ParseOptions::default()).unwrap().lines;
        assert_eq!(lines.number_with("refusal", "match", 0), 2);
    }
}
