//! A connection's processing of bytes without the connection, for measurements.

use std::sync::Arc;

use super::driver::FileDriver;
use super::reader::{Inbox, Phase};
use super::shared::Person;
use crate::clock::Stamp;
use crate::protocol::{Received, Session};
use crate::transport::ws::frame::Violation;
use crate::transport::ws::reader::Reader;
use crate::transport::ws::recent::Recent;

/// A connection's processing of bytes after its user has joined, without the connection.
pub struct FileInbox {
    reader: Reader,
    inbox: Inbox,
}

impl FileDriver {
    /// An inbox for the user of a session, which refuses messages of more than `limit` bytes.
    #[must_use]
    pub fn inbox(&self, session: Session, limit: usize) -> FileInbox {
        let person = Person::of(&session, &self.0.description);
        let inbox = Inbox::new(Phase::Joined, Arc::clone(&self.0), person, session);
        FileInbox { reader: Reader::new(limit), inbox }
    }
}

impl FileInbox {
    /// Takes bytes that were read at `at`, and passes every frame that is now complete to `sink`.
    ///
    /// # Errors
    /// The first violation of RFC 6455; frames before it have been passed to `sink`.
    pub fn feed(
        &mut self,
        at: Stamp,
        bytes: &[u8],
        recent: &mut Recent,
        mut sink: impl FnMut(Received<'_>),
    ) -> Result<(), Violation> {
        let Self { reader, inbox } = self;
        reader.feed(bytes, recent, |message| inbox.message(at, message, &mut sink))
    }
}
