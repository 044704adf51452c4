//! A chat as a plenary broadcasts and keeps it.

use std::sync::Arc;

use super::accounts::User;
use super::wire::Frame;

/// Chats of a plenary that are kept, for its event page and for replays.
pub(super) const HISTORY: usize = 100;

/// A chat to be broadcast.
#[derive(Debug, Clone)]
pub(super) struct Chat {
    pub id: u64,
    pub sender: Arc<User>,
    /// The text as it goes out.
    pub message: Arc<str>,
    pub frame: Frame,
}
