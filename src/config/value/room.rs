//! Values of rooms, senders and sizes of messages.

use std::fmt;
use std::str::FromStr;

use super::error::ValueError;
use super::limit::Amount;
use super::number::whole;

/// The number of rooms among which users are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomCount(pub u32);

impl RoomCount {
    /// Maximum number of rooms of a run.
    pub const MAX: u32 = 1_000_000;
}

impl FromStr for RoomCount {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        whole(text)
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| (1..=Self::MAX).contains(n))
            .map(Self)
            .ok_or_else(|| ValueError::new(format!("not a number of rooms; give 1 to {}", Self::MAX)))
    }
}

/// The number in the name of the first room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomNumber(pub u32);

impl FromStr for RoomNumber {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        whole(text)
            .and_then(|n| u32::try_from(n).ok())
            .map(Self)
            .ok_or_else(|| ValueError::new("not a room's number; give a whole number from 0"))
    }
}

/// The number or share of users who send messages; never zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speakers(Amount);

impl Speakers {
    /// The number of senders among `users`, at least one.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a u32, rounded up, is between 0 and that"
    )]
    pub fn of(self, users: u32) -> u64 {
        match self.0 {
            Amount::Count(n) => n,
            Amount::Share(share) => (share * f64::from(users)).ceil().max(1.0) as u64,
        }
    }
}

impl FromStr for Speakers {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.parse::<Amount>() {
            Ok(amount) if amount != Amount::Count(0) && amount != Amount::Share(0.0) => Ok(Self(amount)),
            Ok(_) => Err(ValueError::new("no user would send; to turn chat off, use --disable-chat")),
            Err(_) => Err(ValueError::new("neither a number of users nor a share of them; give such as 20 or 5%")),
        }
    }
}

/// Length of a message's text after the marker, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageSize {
    min: u32,
    max: u32,
}

impl MessageSize {
    /// Longest text, in bytes: no supported server takes longer frames by default.
    pub const MAX: u32 = 1 << 20;

    /// Shortest text, in bytes.
    #[must_use]
    pub fn min(self) -> usize {
        self.min as usize
    }

    /// Longest text, in bytes.
    #[must_use]
    pub fn max(self) -> usize {
        self.max as usize
    }
}

impl FromStr for MessageSize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let bytes = |part: &str| whole(part).and_then(|n| u32::try_from(n).ok());
        match (bytes(min), bytes(max)) {
            (Some(min), Some(max)) if 1 <= min && min <= max && max <= Self::MAX => Ok(Self { min, max }),
            _ => Err(ValueError::new(format!(
                "not a range of sizes; give the smallest and the largest in bytes, such as 20..200, from 1 to {}",
                Self::MAX
            ))),
        }
    }
}

impl fmt::Display for MessageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rooms_are_1_to_a_million() {
        assert_eq!("1000".parse::<RoomCount>().unwrap(), RoomCount(1000));
        for text in ["", "0", "-1", "1000001", "ten"] {
            assert!(text.parse::<RoomCount>().is_err(), "{text}");
        }
        assert_eq!("0".parse::<RoomNumber>().unwrap(), RoomNumber(0));
    }

    #[test]
    fn speakers_are_a_number_or_a_share_rounded_up_and_at_least_one() {
        for (text, users, speakers) in
            [("3", 10, 3), ("5%", 10, 1), ("25%", 10, 3), ("100%", 10, 10), ("0.5", 7, 4), ("1%", 1, 1)]
        {
            assert_eq!(text.parse::<Speakers>().unwrap().of(users), speakers, "{text} of {users}");
        }
        for text in ["", "0", "0%", "-1", "101%", "some"] {
            assert!(text.parse::<Speakers>().is_err(), "{text}");
        }
        assert!("0".parse::<Speakers>().unwrap_err().to_string().contains("--disable-chat"));
    }

    #[test]
    fn sizes_are_ranges_of_bytes() {
        let size: MessageSize = "20..200".parse().unwrap();
        assert_eq!((size.min(), size.max(), size.to_string()), (20, 200, "20..200".to_owned()));
        assert_eq!("64".parse::<MessageSize>().unwrap().to_string(), "64..64");
        for text in ["", "0..5", "9..5", "..5", "5..", "1..1048577", "1k..2k", "-1..5"] {
            assert!(text.parse::<MessageSize>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*") {
            let _ = text.parse::<MessageSize>();
            let _ = text.parse::<Speakers>();
        }
    }
}
