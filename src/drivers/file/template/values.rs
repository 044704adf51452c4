//! The values of variables.

use super::filter::{Sink, push_number};

/// A variable that every file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BuiltIn {
    /// The username.
    User,
    /// The password, a secret.
    Password,
    /// The user's number in the whole range.
    Index,
    /// The room.
    Room,
    /// The text of the message being sent.
    Text,
    /// The target's origin: `http://host:port`.
    Base,
    /// The same for websockets: `ws://host:port`.
    Ws,
    /// The run's id.
    Run,
    /// The number of the latest join or message send of the connection, from 0.
    Seq,
}

impl BuiltIn {
    /// All of them, by name.
    pub const ALL: [(&str, Self); 9] = [
        ("user", Self::User),
        ("password", Self::Password),
        ("index", Self::Index),
        ("room", Self::Room),
        ("text", Self::Text),
        ("base", Self::Base),
        ("ws", Self::Ws),
        ("run", Self::Run),
        ("seq", Self::Seq),
    ];

    /// The variable of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, built_in)| *built_in)
    }
}

/// A reference to a variable's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueRef {
    /// A built-in variable.
    BuiltIn(BuiltIn),
    /// A column of the file of accounts.
    Column(u16),
    /// A capture of sign-up or log-in.
    Session(u16),
    /// A capture of the join, which belongs to the connection.
    Connection(u16),
    /// A capture of the rule that is being carried out.
    Local(u16),
}

/// Captured values; bounded in number and size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    texts: Vec<Option<Box<str>>>,
}

impl Captured {
    /// Maximum number of captures of a file.
    pub const MOST: usize = 32;
    /// Longest capture, in bytes.
    pub const LONGEST: usize = 16 * 1024;

    /// No values.
    #[must_use]
    pub const fn new() -> Self {
        Self { texts: Vec::new() }
    }

    /// The value in a slot, if it was captured.
    #[must_use]
    pub fn get(&self, slot: u16) -> Option<&str> {
        self.texts.get(usize::from(slot))?.as_deref()
    }

    /// Stores a value; false, and nothing stored, if it is too long or its slot does not exist.
    #[must_use]
    pub fn set(&mut self, slot: u16, text: &str) -> bool {
        let at = usize::from(slot);
        if at >= Self::MOST || text.len() > Self::LONGEST {
            return false;
        }
        if self.texts.len() <= at {
            self.texts.resize(at + 1, None);
        }
        self.texts[at] = Some(text.into());
        true
    }

    /// The values with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        (0..).zip(&self.texts).filter_map(|(slot, text)| Some((slot, text.as_deref()?)))
    }
}

/// A reference without a value (yet).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing(pub ValueRef);

/// The values of one user at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// `user`.
    pub user: &'a str,
    /// `password`.
    pub password: &'a str,
    /// `index`.
    pub index: u64,
    /// `room`.
    pub room: &'a str,
    /// `base`.
    pub base: &'a str,
    /// `ws`.
    pub ws: &'a str,
    /// `run`.
    pub run: &'a str,
    /// `text`, while a message is sent.
    pub text: Option<&'a str>,
    /// `seq`, on a connection.
    pub seq: Option<u64>,
    /// The row of the file of accounts.
    pub columns: &'a [Box<str>],
    /// The captures of sign-up and log-in.
    pub session: &'a Captured,
    /// The captures of the join.
    pub connection: &'a Captured,
    /// The captures of the rule that is being carried out.
    pub local: &'a Captured,
}

impl Values<'_> {
    /// Pushes the value of a slot; false if it has none.
    pub(in super::super) fn push(&self, slot: ValueRef, out: &mut dyn Sink) -> bool {
        let text = match slot {
            ValueRef::BuiltIn(BuiltIn::Index) => return number(Some(self.index), out),
            ValueRef::BuiltIn(BuiltIn::Seq) => return number(self.seq, out),
            ValueRef::BuiltIn(BuiltIn::User) => Some(self.user),
            ValueRef::BuiltIn(BuiltIn::Password) => Some(self.password),
            ValueRef::BuiltIn(BuiltIn::Room) => Some(self.room),
            ValueRef::BuiltIn(BuiltIn::Base) => Some(self.base),
            ValueRef::BuiltIn(BuiltIn::Ws) => Some(self.ws),
            ValueRef::BuiltIn(BuiltIn::Run) => Some(self.run),
            ValueRef::BuiltIn(BuiltIn::Text) => self.text,
            ValueRef::Column(at) => self.columns.get(usize::from(at)).map(|text| &**text),
            ValueRef::Session(at) => self.session.get(at),
            ValueRef::Connection(at) => self.connection.get(at),
            ValueRef::Local(at) => self.local.get(at),
        };
        text.map(|text| out.push(text)).is_some()
    }
}

fn number(number: Option<u64>, out: &mut dyn Sink) -> bool {
    number.map(|number| push_number(out, number)).is_some()
}
