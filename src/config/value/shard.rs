//! A generator's shard of a fleet, and the range of users to split.

use std::fmt;
use std::str::FromStr;

use super::error::ValueError;
use crate::model::Shard;

/// The `index`-th (from 0) of `count` parts.
///
/// # Errors
/// If there is no such part.
pub fn shard(index: u32, count: u32) -> Result<Shard, ValueError> {
    let shard = Shard { index, count };
    if shard.exists() {
        return Ok(shard);
    }
    Err(ValueError::new(if (1..=Shard::MAX).contains(&count) {
        format!("shards count from 0: of {count} the last is {}/{count}", count - 1)
    } else {
        format!("a run has 1 to {} shards", Shard::MAX)
    }))
}

impl FromStr for Shard {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::new("not a shard; give I/N, the I-th of N parts counted from 0, such as 0/3");
        let (index, of) = text.trim().split_once('/').ok_or_else(wrong)?;
        let number = |part: &str| {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) { None } else { part.parse::<u32>().ok() }
        };
        shard(number(index).ok_or_else(wrong)?, number(of).ok_or_else(wrong)?)
    }
}

/// The numbers of the users: `min ≤ i < max`, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserRange {
    min: u32,
    max: u32,
}

impl UserRange {
    /// The users `min ≤ i < max`; `None` if there are none.
    #[must_use]
    pub fn new(min: u32, max: u32) -> Option<Self> {
        (min < max).then_some(Self { min, max })
    }

    /// The first number.
    #[must_use]
    pub fn min(self) -> u32 {
        self.min
    }

    /// The number after the last.
    #[must_use]
    pub fn max(self) -> u32 {
        self.max
    }

    /// The number of users.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(self) -> u32 {
        self.max - self.min
    }

    /// The part of one shard; `None` if it is empty. The parts of all shards are disjoint, complete and in
    /// order, and differ by at most one user.
    #[must_use]
    pub fn part(self, shard: Shard) -> Option<Self> {
        let part = shard.range_of(u64::from(self.len()));
        let at = |offset| u32::try_from(offset).ok().map(|offset| self.min + offset);
        Self::new(at(part.start)?, at(part.end)?)
    }
}

impl fmt::Display for UserRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_shard_is_an_index_below_a_count_of_at_most_1000() {
        assert_eq!("0/3".parse::<Shard>().unwrap(), shard(0, 3).unwrap());
        assert_eq!("2/3".parse::<Shard>().unwrap().to_string(), "2/3");
        for text in ["", "3", "3/3", "-1/3", "0/0", "0/1001", "a/3", "0/3/4", "+1/3", "1/ 3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert!("3/3".parse::<Shard>().unwrap_err().to_string().contains("2/3"));
    }

    proptest! {
        #[test]
        fn parts_are_disjoint_complete_and_even(min in 0_u32..100_000, len in 1_u32..100_000, of in 1_u32..=1000) {
            let whole = UserRange::new(min, min + len).unwrap();
            let parts: Vec<_> = (0..of).filter_map(|i| whole.part(shard(i, of).unwrap())).collect();
            prop_assert_eq!(parts.first().map(|p| p.min()), Some(min));
            prop_assert_eq!(parts.last().map(|p| p.max()), Some(min + len));
            prop_assert!(parts.windows(2).all(|pair| pair[0].max() == pair[1].min()));
            prop_assert_eq!(parts.len(), of.min(len) as usize);
            let (least, most) = (parts.iter().map(|p| p.len()).min(), parts.iter().map(|p| p.len()).max());
            prop_assert!(most.unwrap() - least.unwrap() <= 1);
        }
    }
}
