//! How users come back.

use std::time::Duration;

/// How a user whose connection ended comes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reconnect {
    /// After a wait that doubles, within the rate of connects.
    #[default]
    Backoff,
    /// At once, whatever the rate of connects; a failed attempt is followed by the backoff.
    Immediate,
    /// After a wait of this length.
    Fixed(Duration),
}
