//! A generator's part of a fleet.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of `count` equal parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shard {
    /// The index of the part, from 0.
    pub index: u32,
    /// The number of parts.
    pub count: u32,
}

impl Shard {
    /// Maximum number of parts of a run.
    pub const MAX: u32 = 1000;
    /// The whole run: one part of one.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether it is valid: `index` below `count`, and `count` at most [`Self::MAX`].
    #[must_use]
    pub fn exists(self) -> bool {
        self.index < self.count && self.count <= Self::MAX
    }

    /// Whether there is more than one part.
    #[must_use]
    pub fn is_partial(self) -> bool {
        self.count > 1
    }

    /// The number of `total` things that are in this part; the parts differ by at most one.
    #[must_use]
    pub fn part_of(self, total: u64) -> u64 {
        let part = self.range_of(total);
        part.end - part.start
    }

    /// The range of `total` things that are in this part. All parts are disjoint, complete and in order.
    #[must_use]
    pub fn range_of(self, total: u64) -> std::ops::Range<u64> {
        let bound = |index: u64| {
            let bound = u128::from(total) * u128::from(index) / u128::from(self.count.max(1));
            // The quotient is at most `total`.
            u64::try_from(bound).unwrap_or(total)
        };
        bound(u64::from(self.index))..bound(u64::from(self.index) + 1)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}
