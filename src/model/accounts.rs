//! Accounts from a file: a row of values per user.

use std::fmt;
use std::sync::Arc;

use super::Secret;

/// The column that names the account.
pub const USERNAME: &str = "username";
/// The column of its password.
pub const PASSWORD: &str = "password";

/// The accounts of this generator's users, in the order of their numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Accounts {
    columns: Arc<[String]>,
    rows: Arc<[AccountRow]>,
    username: usize,
    password: Option<usize>,
}

/// The values of one account, in the order of the columns. All but the username are secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AccountRow(Arc<[Box<str>]>);

impl Accounts {
    /// Accounts with these columns; `None` if none of them is [`USERNAME`].
    #[must_use]
    pub fn new(columns: Vec<String>, rows: Vec<AccountRow>) -> Option<Self> {
        let place = |name: &str| columns.iter().position(|column| column == name);
        let (username, password) = (place(USERNAME)?, place(PASSWORD));
        Some(Self { columns: columns.into(), rows: rows.into(), username, password })
    }

    /// The names of the columns.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether each account has a password of its own.
    #[must_use]
    pub fn has_passwords(&self) -> bool {
        self.password.is_some()
    }

    /// The row of the user at an index, from 0.
    #[must_use]
    pub fn row(&self, at: usize) -> AccountRow {
        self.rows.get(at).cloned().unwrap_or_default()
    }

    /// The username of the user at an index, from 0.
    #[must_use]
    pub fn username(&self, at: usize) -> &str {
        self.value(at, self.username)
    }

    /// The password of the user at an index, if the file has passwords.
    #[must_use]
    pub fn password(&self, at: usize) -> Option<Secret> {
        self.password.map(|column| Secret::new(self.value(at, column)))
    }

    fn value(&self, at: usize, column: usize) -> &str {
        self.rows.get(at).and_then(|row| row.values().get(column)).map_or("", |text| text)
    }
}

impl AccountRow {
    /// A row with these values.
    #[must_use]
    pub fn new(values: Vec<Box<str>>) -> Self {
        Self(values.into())
    }

    /// The values; all but the username are secrets.
    #[must_use]
    pub fn values(&self) -> &[Box<str>] {
        &self.0
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accounts({})", self.rows.len())
    }
}

impl fmt::Debug for AccountRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountRow(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gives_its_username_and_password_and_shows_neither_secret() {
        let row = |values: [&str; 3]| AccountRow::new(values.map(Box::from).into());
        let columns = ["token", "username", "password"].map(str::to_owned);
        let accounts = Accounts::new(columns.into(), vec![row(["t0", "ann", "p0"]), row(["t1", "bob", "p1"])]).unwrap();
        assert_eq!((accounts.username(1), accounts.password(1).unwrap().reveal()), ("bob", "p1"));
        assert_eq!(&*accounts.row(0).values()[0], "t0");
        let shown = format!("{accounts:?} {:?}", accounts.row(0));
        assert!(!shown.contains("p0") && !shown.contains("t0"), "{shown}");
        assert_eq!((accounts.username(9), accounts.row(9)), ("", AccountRow::default()));
        assert!(Accounts::new(vec!["name".to_owned()], Vec::new()).is_none());
    }
}
