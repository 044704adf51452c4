//! What remains of a user between requests: cookies, captured values, and a connection that may carry
//! the next request.

use std::sync::Arc;

use http::HeaderMap;
use url::Url;

use super::captures::Captures;
use super::connection::Line;
use super::cookies::Jar;
use crate::model::{Account, AccountRow, Failure, FailureClass, FailureKind};
use crate::transport::dial::Turn;

/// What remains of a signed-in user between requests: small, and fit for the cache file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The cookies of the one origin; bounded in number and size.
    pub cookies: Jar,
    /// What the protocol took from answers, by name; bounded in number and size.
    pub captures: Captures,
    /// What the server wanted kept and no browser would keep, in words: it may be why a later
    /// step fails.
    pub refused: Option<Box<str>>,
    /// Which of the server's addresses its connections go to first.
    pub turn: Turn,
    /// The connection of the sequence of requests under way, if it may carry another.
    pub connection: Kept,
    /// Whose it is, while it is in use; not kept with it.
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
    /// The room that the user goes to; `None`: the one that the driver was made for.
    pub room: Option<Arc<str>>,
}

impl Session {
    /// A user who has these cookies, and nothing else.
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

    /// A failure of the application with what the server's own cookies may have to do with it.
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

    /// The room that the user goes to, which is `otherwise` where the session names none.
    #[must_use]
    pub fn room_or<'a>(&'a self, otherwise: &'a str) -> &'a str {
        self.user.as_ref().and_then(|user| user.room.as_deref()).unwrap_or(otherwise)
    }

    /// Closes the connection that was kept for the next request.
    pub fn hang_up(&mut self) {
        self.connection.close();
    }
}

/// The place of a connection that may carry its user's next request.
///
/// It belongs to one sequence of requests and not to what is known of the user: a clone is
/// empty, and all are equal.
#[derive(Debug, Default)]
pub struct Kept(Option<Box<Line>>);

impl Kept {
    /// Takes the connection out.
    pub fn take(&mut self) -> Option<Box<Line>> {
        self.0.take()
    }

    /// Puts a connection in whose last answer was read to its end.
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

/// Whether a failure may come of a cookie that was not sent.
fn wants_cookies(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::SignedOut | FailureClass::Final)
        || matches!(failure.kind, FailureKind::Forbidden | FailureKind::BadRedirect)
}
