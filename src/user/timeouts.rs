//! How long a user waits for the server on any of its sockets.

use std::time::Duration;

/// From the 101 until the user has joined the room or entered the side room, at most: the default of
/// `--http-timeout`, as for any answer.
pub(super) const JOIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the server may take to answer a close; RFC 6455, section 7.1.1, sets no time.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
