//! Counts, sizes and shares.

use std::fmt;
use std::str::FromStr;

use super::error::ValueError;
use crate::model::Shard;

/// Parses digits only: no sign, no exponent, no separators.
pub(super) fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// A whole number from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub u64);

impl FromStr for Count {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        whole(text).map(Self).ok_or_else(|| ValueError::new("not a whole number from 0"))
    }
}

/// A user's number in the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserNumber(pub u32);

impl FromStr for UserNumber {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        whole(text)
            .and_then(|n| u32::try_from(n).ok())
            .map(Self)
            .ok_or_else(|| ValueError::new("not a user's number; give a whole number from 0"))
    }
}

/// The number of shards of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardCount(pub u32);

impl FromStr for ShardCount {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        whole(text)
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| (1..=Shard::MAX).contains(n))
            .map(Self)
            .ok_or_else(|| ValueError::new(format!("not a number of shards; give 1 to {}", Shard::MAX)))
    }
}

/// How much users chat: each connected user sends `value / 100` chats per second on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chattiness(f64);

impl Chattiness {
    /// Chats per second of each connected user.
    #[must_use]
    pub fn per_user_per_second(self) -> f64 {
        self.0 / 100.0
    }
}

impl FromStr for Chattiness {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        plain_number(text)
            .filter(|value| (0.0..=10.0).contains(value))
            .map(Self)
            .ok_or_else(|| ValueError::new("not a chattiness; give a number from 0 to 10"))
    }
}

/// A share, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(f64);

impl Percent {
    /// The share, from 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        self.0
    }
}

impl FromStr for Percent {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::new("not a share; give a percentage such as 1% or a fraction below 1 such as 0.01");
        let share = match text.trim().strip_suffix('%') {
            Some(number) => plain_number(number).map(|n| n / 100.0),
            // A bare 1 may mean 1 % or all, so it is refused.
            None => plain_number(text).filter(|n| *n < 1.0),
        };
        share.filter(|n| (0.0..=1.0).contains(n)).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0 * 100.0)
    }
}

/// Parses digits and a dot only: `f64` itself accepts `inf`, `nan` and `1e9` too.
fn plain_number(text: &str) -> Option<f64> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')).then(|| text.parse().ok()).flatten()
}

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u32);

impl ByteSize {
    /// The smallest accepted: 1 KiB.
    pub const MIN: u32 = 1 << 10;
    /// The largest accepted: 1 GiB.
    pub const MAX: u32 = 1 << 30;

    /// The size in bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.0 as usize
    }
}

impl FromStr for ByteSize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim() {
            "" | "B" => Some(1),
            "kB" | "KB" => Some(1_000),
            "KiB" | "K" => Some(1 << 10),
            "MB" => Some(1_000_000),
            "MiB" | "M" => Some(1 << 20),
            "GiB" | "G" => Some(1 << 30),
            _ => None,
        };
        let bytes = factor.and_then(|factor: u64| whole(number)?.checked_mul(factor)).ok_or_else(|| {
            ValueError::new("not a size; give bytes with or without a unit, such as 16MiB, 512KiB or 65536")
        })?;
        u32::try_from(bytes)
            .ok()
            .filter(|bytes| (Self::MIN..=Self::MAX).contains(bytes))
            .map(Self)
            .ok_or_else(|| ValueError::new("out of bounds; give a size from 1KiB to 1GiB"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_is_a_percentage_or_a_part_of_1_up_to_the_whole() {
        for (text, share) in [("1%", 0.01), ("0.01", 0.01), ("0", 0.0), ("100%", 1.0), ("0.5 %", 0.005)] {
            assert!((text.parse::<Percent>().unwrap().share() - share).abs() < 1e-12, "{text}");
        }
        for text in ["", "%", "1", "2", "101%", "-1%", "nan", "inf%", "1e-2"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_whole_bytes_from_1024_to_1_gib_with_or_without_a_unit() {
        for (text, bytes) in [("16MiB", 16 << 20), ("65536", 65_536), ("1 MB", 1_000_000), ("1GiB", 1 << 30)] {
            assert_eq!(text.parse::<ByteSize>().unwrap().bytes(), bytes, "{text}");
        }
        for text in ["", "MiB", "1.5MiB", "16mib", "1023", "2GiB", "-1", "18446744073709551616"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_is_whole_and_has_no_sign_and_shards_are_1_to_1000() {
        assert_eq!("0".parse::<Count>().unwrap(), Count(0));
        assert_eq!("4294967295".parse::<UserNumber>().unwrap(), UserNumber(u32::MAX));
        for text in ["", "-1", "+1", "1.0", "ten", "4294967296"] {
            assert!(text.parse::<UserNumber>().is_err(), "{text}");
        }
        assert!("0".parse::<ShardCount>().is_err());
        assert!("1001".parse::<ShardCount>().is_err());
    }

    #[test]
    fn chattiness_is_a_hundredth_per_user() {
        assert!(("5".parse::<Chattiness>().unwrap().per_user_per_second() - 0.05).abs() < 1e-12);
        for text in ["-1", "10.1", "nan", ""] {
            assert!(text.parse::<Chattiness>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*") {
            let _ = text.parse::<Percent>();
            let _ = text.parse::<ByteSize>();
            let _ = text.parse::<Chattiness>();
        }
    }
}
