//! What remains of a user between requests: cookies, and a connection that may carry the next one.

use super::connection::Line;

/// What remains of a signed-in user between requests: small, and fit for the cache file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The cookies of the one origin, name and value; bounded in number and size.
    pub cookies: Vec<(Box<str>, Box<str>)>,
    /// The connection of the sequence of requests under way, if it may carry another.
    pub connection: Kept,
}

impl Session {
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
