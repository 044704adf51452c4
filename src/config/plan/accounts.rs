//! The file of `--accounts`: a CSV file whose row `n` is user number `n`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use csv::StringRecord;

use crate::error::StartError;
use crate::model::{AccountRow, Accounts};

use super::super::layers::Layers;
use super::super::value::UserRange;

/// Longest file of accounts accepted, in bytes.
const LONGEST: u64 = 256 << 20;
/// Maximum number of columns.
const MOST_COLUMNS: usize = 64;

/// What is wrong with a file, and what to do about it.
type Problem = (String, &'static str);

/// The accounts of the users of `own`, part of the fleet's range `fleet`; `None` without `--accounts`.
///
/// # Errors
/// A file that cannot be read, is not CSV, names an account twice, or has too few rows; or a template of
/// usernames besides the file.
pub(super) fn read_accounts(
    layers: &mut Layers,
    fleet: UserRange,
    own: UserRange,
) -> Result<Option<Accounts>, StartError> {
    let Some(path) = layers.settings.users.accounts.clone() else { return Ok(None) };
    if layers.origin("username_template").is_some() {
        let why = "both of them name the users";
        return Err(layers.conflict(&["accounts", "username_template"], why).remedy("leave one of them out"));
    }
    let wrong = |layers: &Layers, (why, remedy): Problem| layers.conflict(&["accounts"], why).remedy(remedy);
    let shown = path.display().to_string();
    let (file, open_to_others) =
        opened(&path).map_err(|e| wrong(layers, (format!("{shown}: {e}"), "give the path of a CSV file")))?;
    if open_to_others {
        layers.warnings.push(format!("{shown}: every user of this machine can read the passwords (chmod 600)"));
    }
    let table = Table::read(&shown, file).map_err(|problem| wrong(layers, problem))?;
    let rows = table.rows.len();
    if rows < fleet.max() as usize {
        let why = format!("{shown} has {rows} accounts, but the range {fleet} needs {}", fleet.max());
        let remedy = "add rows, or lower --user-range-max: row n, from 0, is user number n";
        let keys = ["accounts", "user_range_max"];
        return Err(layers.conflict(&keys, why).remedy(remedy));
    }
    let own = table.rows.into_iter().skip(own.min() as usize).take(own.len() as usize);
    Ok(Accounts::new(table.columns, own.collect()))
}

/// The file, and whether others can read it.
fn opened(path: &Path) -> std::io::Result<(File, bool)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata.is_file() && metadata.permissions().mode() & 0o004 != 0))
}

/// Every row of a file.
struct Table {
    columns: Vec<String>,
    rows: Vec<AccountRow>,
}

impl Table {
    fn read(shown: &str, file: impl Read) -> Result<Self, Problem> {
        let mut bytes = Vec::new();
        let read = file.take(LONGEST + 1).read_to_end(&mut bytes);
        read.map_err(|e| (format!("{shown}: {e}"), "give the path of a CSV file"))?;
        if bytes.len() as u64 > LONGEST {
            return Err((format!("{shown}: longer than {} MiB", LONGEST >> 20), "split it, and the range with it"));
        }
        let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        let mut reader = csv::Reader::from_reader(text);
        let columns = columns(shown, reader.headers().map_err(|e| unreadable(shown, text, &e))?)?;
        let (mut rows, mut lines) = (Vec::new(), HashMap::new());
        let username = columns.iter().position(|column| column == crate::model::USERNAME).unwrap_or_default();
        for record in reader.records() {
            let record = record.map_err(|e| unreadable(shown, text, &e))?;
            let line = line(text, record.position());
            let name: Box<str> = record.get(username).unwrap_or_default().into();
            if name.is_empty() {
                return Err((format!("{shown}:{line}: the username is empty"), "name the account, or delete the row"));
            }
            if let Some(first) = lines.get(&name) {
                let why = format!("{shown}:{line}: {name} is already in line {first}");
                return Err((why, "give each user an account of its own"));
            }
            lines.insert(name, line);
            rows.push(AccountRow::new(record.iter().map(Box::from).collect()));
        }
        Ok(Self { columns, rows })
    }
}

/// The names in the first line.
fn columns(shown: &str, head: &StringRecord) -> Result<Vec<String>, Problem> {
    let columns: Vec<String> = head.iter().map(|name| name.trim().to_owned()).collect();
    let known = columns.join(", ");
    if columns.len() > MOST_COLUMNS {
        return Err((format!("{shown}:1: more than {MOST_COLUMNS} columns"), "leave out what no template takes"));
    }
    if let Some(name) = columns.iter().enumerate().find(|(at, name)| columns[..*at].contains(name)) {
        return Err((format!("{shown}:1: two columns are called {:?}", name.1), "rename or delete one of them"));
    }
    if !columns.iter().any(|name| name == crate::model::USERNAME) {
        let why = format!("{shown}:1: no column is called username: the first line names {known:?}");
        return Err((why, "let the first line name the columns, as in username,password"));
    }
    Ok(columns)
}

/// The error for a row, without its values.
fn unreadable(shown: &str, text: &[u8], error: &csv::Error) -> Problem {
    let line = line(text, error.position());
    let why = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} values, where the first line names {expected_len} columns")
        }
        csv::ErrorKind::Utf8 { .. } => "not valid UTF-8".to_owned(),
        _ => "not CSV".to_owned(),
    };
    (format!("{shown}:{line}: {why}"), "correct the row; values with commas are written in double quotes")
}

/// The line of a record, whose position precedes the empty lines that are skipped.
fn line(text: &[u8], position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 0 };
    let before = usize::try_from(position.byte()).ok().and_then(|at| text.get(at..)).unwrap_or_default();
    let empty = before.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|b| **b == b'\n').count();
    position.line() + empty as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match Table::read("a.csv", text.as_bytes()) {
            Ok(table) => format!("{} rows", table.rows.len()),
            Err((why, remedy)) => format!("{why}; {remedy}"),
        }
    }

    #[test]
    fn values_may_be_quoted_and_a_byte_order_mark_is_not_part_of_the_first() {
        let table =
            Table::read("a.csv", "\u{feff}username, token\r\nann,\"a,\"\"b\"\"\nc\"\r\n\r\nbob,é\r\n".as_bytes());
        let table = table.unwrap_or_else(|(why, _)| panic!("{why}"));
        assert_eq!(table.columns, ["username", "token"]);
        let values: Vec<&[Box<str>]> = table.rows.iter().map(AccountRow::values).collect();
        assert_eq!(values, [&["ann".into(), "a,\"b\"\nc".into()][..], &["bob".into(), "é".into()]]);
    }

    #[test]
    fn a_bad_row_is_reported_by_file_and_line_without_its_values() {
        for (text, told) in [
            ("", "a.csv:1: no column is called username"),
            ("user,password\nann,s3cret\n", "a.csv:1: no column is called username"),
            ("username,a,a\n", "two columns are called \"a\""),
            ("username,password\nann,s3cret\nbob\n", "a.csv:3: 1 values, where the first line names 2 columns"),
            ("username,password\nann,s3cret,x\n", "a.csv:2: 3 values"),
            ("username,password\nann,s3cret\n\nann,other\n", "a.csv:4: ann is already in line 2"),
            ("username,password\n,s3cret\n", "a.csv:2: the username is empty"),
        ] {
            let said = said(text);
            assert!(said.contains(told) && !said.contains("s3cret"), "{text:?}: {said}");
        }
        let latin = Table::read("a.csv", &b"username\nok\nJ\xf6rg\n"[..]).map(|_| ()).unwrap_err().0;
        assert_eq!(latin, "a.csv:3: not valid UTF-8");
    }
}
