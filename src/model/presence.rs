//! What a run finds when it compares member lists with who is connected.

use strum::EnumCount;

use super::{ListFate, PresenceMismatch};

/// Mismatches and lists since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PresenceFindings {
    /// Users whom the lists have wrong now, by [`PresenceMismatch`].
    pub now: [u64; PresenceMismatch::COUNT],
    /// The most there were at a time.
    pub most: [u64; PresenceMismatch::COUNT],
    /// Mismatches that began: a user counts again if it was right in between.
    pub episodes: [u64; PresenceMismatch::COUNT],
    /// Lists that were compared, by [`ListFate`].
    pub lists: [u64; ListFate::COUNT],
}
