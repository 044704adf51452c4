//! Names: usernames, plenaries, runs; and the password.

use std::fmt;
use std::str::FromStr;

use crate::model::{Secret, turns_direction};

use super::error::ValueError;
use super::shard::UserRange;

/// Longest template of usernames, in characters: servers seldom store more than 255. The protocol limits
/// the length of usernames.
const LONGEST_TEMPLATE: usize = 255;

/// A username with one `%s` for the user's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsernameTemplate {
    before: String,
    after: String,
}

impl UsernameTemplate {
    /// The username of a user's number.
    #[must_use]
    pub fn name(&self, number: u32) -> String {
        format!("{}{number}{}", self.before, self.after)
    }

    /// The number of the user with this name, if one can have it.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u32> {
        let digits = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let number = digits.parse().ok()?;
        // Reject leading zeros and signs: no user has such a name.
        (self.name(number) == name).then_some(number)
    }

    /// The longest username of a range.
    #[must_use]
    pub fn longest_in(&self, range: UserRange) -> String {
        self.name(range.max().saturating_sub(1))
    }
}

/// `loadtest%s`.
impl Default for UsernameTemplate {
    fn default() -> Self {
        Self { before: "loadtest".to_owned(), after: String::new() }
    }
}

impl FromStr for UsernameTemplate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong =
            || ValueError::new("a username template holds exactly one %s, for the user's number: such as loadtest%s");
        let (before, after) = text.split_once("%s").ok_or_else(wrong)?;
        if before.contains('%') || after.contains('%') {
            return Err(wrong());
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ValueError::new("a username holds no spaces or control characters: such as loadtest%s"));
        }
        if text.chars().count() > LONGEST_TEMPLATE {
            return Err(ValueError::new("a username template has at most 255 characters"));
        }
        Ok(Self { before: before.to_owned(), after: after.to_owned() })
    }
}

impl fmt::Display for UsernameTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%s{}", self.before, self.after)
    }
}

fn is_token(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The name of a room. The protocol may restrict it further: a plenary's is part of its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// The slug.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Slug {
    /// Whether a plenary can have this name.
    #[must_use]
    pub fn is_plenary(&self) -> bool {
        is_token(&self.0, 200)
    }
}

impl FromStr for Slug {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let steers = |c: char| c.is_control() || turns_direction(c);
        if text.is_empty() || text.chars().count() > 200 || text.chars().any(steers) {
            return Err(ValueError::new(
                "neither a plenary's slug nor a room's name: up to 200 characters in one line",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of a protocol, or the path of a protocol file. The registry checks that it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolName(String);

impl ProtocolName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProtocolName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() || text.len() > 4096 || text.chars().any(char::is_control) {
            return Err(ValueError::new("neither a protocol's name nor a path"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A variable of a protocol file: `NAME=VALUE`.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, which may be a secret.
    pub value: String,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

impl FromStr for Variable {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::new("give a variable of the protocol file as NAME=VALUE");
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && is_token(name, 64);
        if !fits {
            return Err(wrong());
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// The run id, which ties generators, metrics, markers and summaries into one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunId(String);

impl RunId {
    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A new id: date, time (UTC) and four random characters, `20261123-102133-x7k2`.
    #[must_use]
    pub fn make(now: std::time::SystemTime) -> Self {
        let date: String = humantime::format_rfc3339_seconds(now).to_string();
        let digits: String = date.chars().filter(char::is_ascii_digit).collect();
        let (day, time) = digits.split_at_checked(8).unwrap_or((&digits, ""));
        let tail: String = (0..4).map(|_| char::from_digit(rand::random_range(0..36), 36).unwrap_or('0')).collect();
        Self(format!("{day}-{time}-{tail}"))
    }
}

impl FromStr for RunId {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if !is_token(text, 40) {
            return Err(ValueError::new("not a run id; give 1 to 40 letters, digits, - and _"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path before every request of the embedded target: empty, or `/one/or/more`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// The prefix without a slash at its end; empty for none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PathPrefix {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let path = text.trim_end_matches('/');
        let fits = path.is_empty() || (path.starts_with('/') && path[1..].split('/').all(|part| is_token(part, 100)));
        if !fits {
            return Err(ValueError::new("not a path; give one such as /plenary, of letters, digits, - and _"));
        }
        Ok(Self(path.to_owned()))
    }
}

/// The password of every account. Parsing never fails, because an error would show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password(pub Secret);

impl FromStr for Password {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Ok(Self(Secret::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_template_holds_one_placeholder_and_no_spaces() {
        let template: UsernameTemplate = "load%stest".parse().unwrap();
        assert_eq!(template.name(17), "load17test");
        assert_eq!("%s".parse::<UsernameTemplate>().unwrap().name(3), "3");
        for text in ["", "loadtest", "%s%s", "a%s%d", "100%%s", "load test%s", "%S", "x%s\n"] {
            assert!(text.parse::<UsernameTemplate>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_name_has_the_number_that_it_was_made_from() {
        let template: UsernameTemplate = "load%stest".parse().unwrap();
        for number in [0, 7, 10, u32::MAX] {
            assert_eq!(template.number(&template.name(number)), Some(number));
        }
        for name in ["load07test", "load+7test", "loadtest", "load7", "7test", "load99999999999test", ""] {
            assert_eq!(template.number(name), None, "{name}");
        }
    }

    #[test]
    fn the_longest_name_of_a_range_is_that_of_its_last_user() {
        let template: UsernameTemplate = "load%s".parse().unwrap();
        assert_eq!(template.longest_in(UserRange::new(0, 10_000).unwrap()), "load9999");
        assert_eq!(template.longest_in(UserRange::new(0, 10_001).unwrap()), "load10000");
    }

    #[test]
    fn a_template_has_255_characters_at_most() {
        let template = |length: usize| "a".repeat(length - 2) + "%s";
        assert!(template(255).parse::<UsernameTemplate>().is_ok());
        assert!(template(256).parse::<UsernameTemplate>().unwrap_err().to_string().contains("255"));
    }

    #[test]
    fn made_run_ids_are_run_ids() {
        let id = RunId::make(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        assert!(id.as_str().starts_with("20231114-221320-"), "{id}");
        assert_eq!(id.as_str().parse::<RunId>().unwrap(), id);
    }

    #[test]
    fn a_run_id_is_40_url_safe_characters_at_most_and_a_prefix_a_clean_path() {
        for text in ["", "a b", "ü", "x/y", &"x".repeat(41)] {
            assert!(text.parse::<RunId>().is_err(), "{text:?}");
        }
        assert!("Night_1-a".parse::<RunId>().is_ok());
        assert!("a room/".parse::<Slug>().is_ok_and(|room| !room.is_plenary()), "of another protocol");
        assert!("test".parse::<Slug>().is_ok_and(|room| room.is_plenary()));
        assert!("".parse::<Slug>().is_err() && "a\nb".parse::<Slug>().is_err());
        assert_eq!("/a/b/".parse::<PathPrefix>().unwrap().as_str(), "/a/b");
        for text in ["a", "/a//b", "/..", "/a b"] {
            assert!(text.parse::<PathPrefix>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_password_is_not_in_its_debug_form() {
        let password: Password = "hunter2".parse().unwrap();
        assert!(!format!("{password:?}").contains("hunter2"));
    }
}
