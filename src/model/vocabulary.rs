//! The names that a driver adds to the common ones.

use strum::IntoEnumIterator;

use super::{FailureKind, FrameKind, SentKind, Stage};

/// A driver's own names for failures and frames, and which of them a first scrape shows.
///
/// Each list holds its names in order of their places, without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vocabulary {
    /// Failures.
    pub failures: &'static [FailureKind],
    /// Frames that the server sends.
    pub frames: &'static [FrameKind],
    /// Frames that the driver sends.
    pub sent: &'static [SentKind],
    /// Errors that are there at 0 before the first of them, beside the common ones.
    pub expected_errors: &'static [(Stage, FailureKind)],
    /// The same for connects to side rooms that fail.
    pub expected_side_room_failures: &'static [FailureKind],
}

impl Vocabulary {
    /// No names but the common ones.
    pub const COMMON: Self =
        Self { failures: &[], frames: &[], sent: &[], expected_errors: &[], expected_side_room_failures: &[] };
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self::COMMON
    }
}

/// Gives kinds the list of their members.
macro_rules! members {
    ($($name:ident $own:ident;)+) => { $(
        impl $name {
            /// The common kinds and those of a driver, in order of their places.
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
