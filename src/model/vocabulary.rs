//! A driver's names of failures and frames, besides the common ones.

use strum::IntoEnumIterator;

use super::{FailureKind, FrameKind, SentKind, Stage};

/// A driver's own names for failures and frames, and those that the first scrape shows.
///
/// Each list holds its names in order of their indices, without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vocabulary {
    /// Failures.
    pub failures: &'static [FailureKind],
    /// Frames that the server sends.
    pub frames: &'static [FrameKind],
    /// Frames that the driver sends.
    pub sent: &'static [SentKind],
    /// Errors shown at 0 from the start, besides the common ones.
    pub expected_errors: &'static [(Stage, FailureKind)],
    /// The same for failed connects to side rooms.
    pub expected_side_room_failures: &'static [FailureKind],
}

impl Vocabulary {
    /// Only the common names.
    pub const COMMON: Self =
        Self { failures: &[], frames: &[], sent: &[], expected_errors: &[], expected_side_room_failures: &[] };
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self::COMMON
    }
}

/// Gives kinds a list of their members.
macro_rules! members {
    ($($name:ident $own:ident;)+) => { $(
        impl $name {
            /// The common kinds and those of a driver, in order of their indices.
            pub fn of(vocabulary: &Vocabulary) -> impl Iterator<Item = Self> + use<> {
                Self::iter().chain(vocabulary.$own.iter().copied())
            }
        }
    )+ };
}

members! {
    FailureKind failures;
    FrameKind frames;
    SentKind sent;
}
