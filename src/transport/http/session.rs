//! The state of a user between requests: cookies, captured values, and a connection that may carry the next request.

use std::sync::Arc;

use http::HeaderMap;
use url::Url;

use super::captures::Captures;
use super::connection::Line;
use super::cookies::Jar;
use crate::model::{Account, AccountRow, Failure, FailureClass, FailureKind};
use crate::transport::dial::Turn;

/// The state of a signed-in user between requests, small enough for the cache file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The cookies of the one origin; bounded in number and size.
    pub cookies: Jar,
    /// Values that the protocol took from answers, by name; bounded in number and size.
    pub captures: Captures,
    /// A cookie that no browser would keep, in words: it may be the reason why a later step fails.
    pub refused: Option<Box<str>>,
    /// Decides which of the server's addresses its connections try first.
    pub turn: Turn,
    /// The connection of the current sequence of requests, if it may carry another.
    pub connection: Kept,
    /// The user, while the session is in use; not saved with it.
    pub user: Option<SessionUser>,
}

/// The user of a session, for protocols that name the user in later steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionUser {
    /// The account.
    pub account: Account,
    /// The user's number in the whole range.
    pub index: u64,
    /// The user's row in the file of accounts; empty without one.
    pub row: AccountRow,
    /// The room of the user; `None`: the driver's own.
    pub room: Option<Arc<str>>,
}

impl Session {
    /// A session with these cookies and nothing else.
    #[must_use]
    pub fn with(cookies: Jar) -> Self {
        Self { cookies, ..Self::default() }
    }

    /// Takes over the cookies of an answer to `asked`.
    pub fn absorb(&mut self, headers: &HeaderMap, asked: &Url) {
        if let Some(refused) = self.cookies.absorb(headers, asked) {
            self.refused = Some(refused);
        }
    }

    /// Adds to a failure of the application what refused cookies may have to do with it.
    #[must_use]
    pub fn explain(&self, failure: Failure) -> Failure {
        match &self.refused {
            Some(refused) if wants_cookies(&failure) => {
                let separator = if failure.detail.is_empty() { "" } else { "; " };
                let detail = format!("{}{separator}{refused}", failure.detail);
                let Failure { class, kind, retry_after, .. } = failure;
                Failure { retry_after, ..Failure::with(kind, detail).classed(class) }
            }
            _ => failure,
        }
    }

    /// The room of the user, or `otherwise` if the session names none.
    #[must_use]
    pub fn room_or<'a>(&'a self, otherwise: &'a str) -> &'a str {
        self.user.as_ref().and_then(|user| user.room.as_deref()).unwrap_or(otherwise)
    }

    /// Closes the connection kept for the next request.
    pub fn hang_up(&mut self) {
        self.connection.close();
    }
}

/// A slot for a connection that may carry its user's next request.
///
/// It belongs to one sequence of requests, not to the saved state: a clone is empty, and all are equal.
#[derive(Debug, Default)]
pub struct Kept(Option<Box<Line>>);

impl Kept {
    /// Takes the connection out.
    pub fn take(&mut self) -> Option<Box<Line>> {
        self.0.take()
    }

    /// Keeps a connection whose last answer was read to its end.
    pub fn keep(&mut self, line: Box<Line>) {
        self.0 = Some(line);
    }

    /// Closes the connection, if there is one.
    pub fn close(&mut self) {
        self.0 = None;
    }
}

impl Clone for Kept {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Kept {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Kept {}

/// Whether a missing cookie may have caused a failure.
fn wants_cookies(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::SignedOut | FailureClass::Final)
        || matches!(failure.kind, FailureKind::Forbidden | FailureKind::BadRedirect)
}
