//! The format of the file of saved sessions: JSON, version 1.
//!
//! The file may be damaged or written by another program: reading never panics, and takes nothing that could not be
//! sent as a cookie.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Secret;
use crate::protocol::Session;
use crate::transport::http::{captures, cookies};

/// The version written and read.
const VERSION: u64 = 1;
/// Maximum number of cookies; a session with more is left out.
const MOST_COOKIES: usize = cookies::COUNT_LIMIT;
/// Maximum total length of cookies, in bytes; a session with more is left out.
const MOST_BYTES: usize = cookies::TOTAL_LIMIT;

/// The contents of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// The target that the sessions belong to.
    pub target: String,
    /// The password generated for it, if one was.
    pub password: Option<Secret>,
    /// The sessions by username.
    pub sessions: BTreeMap<String, SavedSession>,
    /// Number of sessions of the file left out as unusable.
    pub left_out: usize,
}

/// A session in the file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSession {
    cookies: Vec<SavedCookie>,
    /// Captured values by name. Version 0.1 had none, and ignores them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    captures: BTreeMap<Box<str>, Box<str>>,
    /// Time of saving, in seconds since the Unix epoch.
    saved_at: u64,
}

/// Name, value and attributes. Version 0.1 kept no attributes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum SavedCookie {
    Whole(Box<str>, Box<str>, Box<str>),
    Pair(Box<str>, Box<str>),
}

impl SavedCookie {
    /// Name, value and attributes.
    fn parts(&self) -> (&str, &str, &str) {
        match self {
            Self::Whole(name, value, attributes) => (name, value, attributes),
            Self::Pair(name, value) => (name, value, ""),
        }
    }
}

/// Shows no cookies or captured values, which are secrets.
impl std::fmt::Debug for SavedSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cookies, captures, saved_at } = self;
        write!(f, "SavedSession({} cookies, {} captures, saved at {saved_at})", cookies.len(), captures.len())
    }
}

impl SavedSession {
    /// A session saved at `saved_at`, in seconds since the Unix epoch.
    #[must_use]
    pub fn of(session: &Session, saved_at: u64) -> Self {
        let whole = |(name, value, attributes): (&str, &str, &str)| match attributes {
            "" => SavedCookie::Pair(name.into(), value.into()),
            _ => SavedCookie::Whole(name.into(), value.into(), attributes.into()),
        };
        Self {
            cookies: session.cookies.saved().map(whole).collect(),
            captures: session.captures.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            saved_at,
        }
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> Session {
        let mut session = Session::default();
        for (name, value, attributes) in self.cookies.iter().map(SavedCookie::parts) {
            session.cookies.restore(name, value, attributes);
        }
        for (name, value) in &self.captures {
            // Reading the file has left out sessions with too much.
            let _ = session.captures.set(name, value);
        }
        session
    }

    fn is_usable(&self) -> bool {
        let parts = || self.cookies.iter().map(SavedCookie::parts);
        let size: usize = parts().map(|(name, value, attributes)| name.len() + value.len() + attributes.len()).sum();
        let sendable = |text: &str| text.chars().all(|c| !c.is_control() && c != ';');
        self.cookies.len() <= MOST_COOKIES
            && size <= MOST_BYTES
            && self.captures.len() <= captures::COUNT_LIMIT
            && self.captures.iter().all(|(name, value)| name.len().max(value.len()) <= captures::SIZE_LIMIT)
            && parts().all(|(name, value, attributes)| {
                !name.is_empty()
                    && !name.contains(['=', ' '])
                    && sendable(name)
                    && sendable(value)
                    && !attributes.contains(char::is_control)
            })
    }
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// It is of another version.
    Version(u64),
    /// It is damaged, with the place of the damage.
    Unreadable(String),
}

/// The order of the fields is the order in the file: the password comes before the bulk, so that it survives a
/// truncation.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    version: u64,
    target: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Cow<'a, str>>,
    sessions: Cow<'a, BTreeMap<String, SavedSession>>,
}

#[derive(Deserialize)]
struct Head {
    version: u64,
}

impl Contents {
    /// Empty contents for a target.
    #[must_use]
    pub fn empty(target: &str) -> Self {
        Self { target: target.to_owned(), password: None, sessions: BTreeMap::new(), left_out: 0 }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let written = Written {
            version: VERSION,
            target: Cow::Borrowed(&self.target),
            password: self.password.as_ref().map(|secret| Cow::Borrowed(secret.reveal())),
            sessions: Cow::Borrowed(&self.sessions),
        };
        // Maps with string keys and plain fields always serialize.
        let mut bytes = serde_json::to_vec(&written).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

/// Reads the file's bytes.
///
/// # Errors
/// Another version, or damage.
pub fn read(bytes: &[u8]) -> Result<Contents, Damage> {
    // serde_json's errors quote no strings, only what kind of thing was found where.
    let place = |e: &serde_json::Error| match e.classify() {
        serde_json::error::Category::Eof => "it ends too early".to_owned(),
        _ => format!("line {}, column {} is not as it was written", e.line(), e.column()),
    };
    let version = serde_json::from_slice::<Head>(bytes).map_err(|e| Damage::Unreadable(place(&e)))?.version;
    if version != VERSION {
        return Err(Damage::Version(version));
    }
    let written: Written<'_> = serde_json::from_slice(bytes).map_err(|e| Damage::Unreadable(place(&e)))?;
    if written.password.as_ref().is_some_and(|text| text.is_empty()) {
        return Err(Damage::Unreadable("its password is empty".to_owned()));
    }
    let mut sessions = written.sessions.into_owned();
    let all = sessions.len();
    sessions.retain(|_, saved| saved.is_usable());
    Ok(Contents {
        target: written.target.into_owned(),
        password: written.password.map(|text| Secret::new(text.as_ref())),
        left_out: all - sessions.len(),
        sessions,
    })
}

/// The password at the head of a damaged file: without it the target's accounts would be lost.
#[must_use]
pub fn salvage_password(bytes: &[u8], target: &str) -> Option<Secret> {
    let target = serde_json::to_string(target).ok()?;
    let head = format!("{{\"version\":{VERSION},\"target\":{target},\"password\":\"");
    let rest = bytes.strip_prefix(head.as_bytes())?;
    let end = rest.iter().take(200).position(|b| !b.is_ascii_alphanumeric())?;
    let text = std::str::from_utf8(rest.get(..end)?).ok()?;
    (end > 0 && rest.get(end) == Some(&b'"')).then(|| Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn session(cookies: &[(&str, &str)]) -> SavedSession {
        let cookies = cookies.iter().map(|(name, value)| SavedCookie::Pair((*name).into(), (*value).into())).collect();
        SavedSession { cookies, captures: BTreeMap::new(), saved_at: 1_763_900_000 }
    }

    fn contents() -> Contents {
        let mut contents = Contents::empty("https://example.org");
        contents.password = Some(Secret::new("abcDEF123"));
        contents.sessions.insert("loadtest0".into(), session(&[("sessionid", "x"), ("messages", "\"a\\b$[\"")]));
        contents
    }

    #[test]
    fn what_is_written_reads_back() {
        assert_eq!(read(&contents().to_bytes()), Ok(contents()));
        let empty = Contents::empty("http://h");
        assert_eq!(read(&empty.to_bytes()), Ok(empty));
    }

    #[test]
    fn another_version_is_distinguished_from_damage() {
        assert_eq!(read(br#"{"version":2,"other":[]}"#), Err(Damage::Version(2)));
        assert!(matches!(read(b""), Err(Damage::Unreadable(why)) if why.contains("too early")));
        assert!(matches!(read(br#"{"version":1,"target":5}"#), Err(Damage::Unreadable(_))));
    }

    #[test]
    fn every_truncation_is_damage_and_keeps_the_password_once_it_is_there() {
        let bytes = contents().to_bytes();
        let whole = String::from_utf8(bytes.clone()).unwrap();
        let password_ends = whole.find("123\"").unwrap() + 4;
        for end in 0..bytes.len() - 2 {
            let cut = &bytes[..end];
            assert!(matches!(read(cut), Err(Damage::Unreadable(_))), "{end}");
            let salvaged = salvage_password(cut, "https://example.org");
            assert_eq!(salvaged.is_some(), end >= password_ends, "{end}");
            assert!(salvage_password(cut, "https://example.com").is_none());
        }
    }

    #[test]
    fn a_file_of_version_0_1_is_read_and_attributes_are_kept() {
        let text = br#"{"version":1,"target":"t","sessions":{"a":{"cookies":[["sessionid","x"]],"saved_at":1},
            "b":{"cookies":[["sessionid","y","Path=/p"]],"saved_at":1}}}"#;
        let read = read(text).unwrap();
        let header = |user: &str, url: &str| read.sessions[user].session().cookies.header(&url.parse().unwrap());
        assert_eq!(header("a", "http://h/").unwrap(), "sessionid=x");
        assert_eq!(header("b", "http://h/p/").unwrap(), "sessionid=y");
        assert_eq!(header("b", "http://h/").map(|header| header.is_empty()), None);
        for saved in read.sessions.values() {
            assert_eq!(&SavedSession::of(&saved.session(), 1), saved);
        }
    }

    #[test]
    fn sessions_that_could_not_be_sent_are_left_out() {
        let mut contents = contents();
        let long = "x".repeat(MOST_BYTES);
        for (name, cookies) in [
            ("newline", &[("a", "b\r\nX: y")][..]),
            ("semicolon", &[("a", "b; c=d")]),
            ("nameless", &[("", "b")]),
            ("long", &[("a", &long)]),
        ] {
            contents.sessions.insert(name.into(), session(cookies));
        }
        let read = read(&contents.to_bytes()).unwrap();
        assert_eq!(read.left_out, 4);
        assert_eq!(read.sessions.keys().collect::<Vec<_>>(), ["loadtest0"]);
    }

    #[test]
    fn captures_are_kept_beside_cookies() {
        let mut session = Session::default();
        session.cookies.restore("sessionid", "x", "Path=/");
        session.captures.set("token", "t\"0\nk").unwrap();
        let mut contents = contents();
        contents.sessions.insert("a".into(), SavedSession::of(&session, 7));
        let read = read(&contents.to_bytes()).unwrap();
        assert_eq!(read.sessions["a"].session(), session);
        assert!(!format!("{:?} {session:?}", read.sessions["a"]).contains("0\\nk"));
    }

    #[test]
    fn a_session_without_captures_is_written_without_the_key() {
        assert!(!String::from_utf8(contents().to_bytes()).unwrap().contains("captures"));
    }

    #[test]
    fn sessions_with_captures_over_the_limits_are_left_out() {
        let mut contents = contents();
        let many = (0..=captures::COUNT_LIMIT).map(|n| (n.to_string().into(), "x".into())).collect();
        let large = BTreeMap::from([("token".into(), "x".repeat(captures::SIZE_LIMIT + 1).into())]);
        for (name, captures) in [("many", many), ("large", large)] {
            contents.sessions.insert(name.into(), SavedSession { captures, ..session(&[]) });
        }
        let read = read(&contents.to_bytes()).unwrap();
        assert_eq!((read.left_out, read.sessions.len()), (2, 1));
    }

    #[test]
    fn an_error_shows_nothing_of_the_file() {
        let text = br#"{"version":1,"target":"t","password":"hunter2","sessions":{"a":"hunter2"}}"#;
        let Err(Damage::Unreadable(why)) = read(text) else { panic!() };
        assert!(!why.contains("hunter2"), "{why}");
        assert!(!format!("{:?}", contents()).contains("abcDEF123"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
            let _ = salvage_password(&bytes, "t");
        }

        #[test]
        fn damaged_files_never_panic(at: prop::sample::Index, with in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut bytes = contents().to_bytes();
            let at = at.index(bytes.len());
            bytes.splice(at..(at + with.len()).min(bytes.len()), with);
            let _ = read(&bytes);
            let _ = salvage_password(&bytes, "https://example.org");
        }

        #[test]
        fn any_usable_session_reads_back(
            names in prop::collection::btree_map("[a-z]{1,20}", "[ -:<-~]{0,50}", 0..20),
            password in prop::option::of("[a-zA-Z0-9]{1,30}"),
        ) {
            let mut contents = Contents::empty("https://example.org/p");
            contents.password = password.map(Secret::new);
            for (name, value) in &names {
                contents.sessions.insert(name.clone(), session(&[("sessionid", value)]));
            }
            prop_assert_eq!(read(&contents.to_bytes()), Ok(contents));
        }
    }
}
