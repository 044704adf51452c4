//! A rate: a count per second, minute or hour, kept exactly as written.
//!
//! The count is held in billionths, so that the parts of a fleet are finite decimals that sum to the whole
//! exactly.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::error::ValueError;
use crate::model::Shard;

/// The unit of time of a [`Rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Per {
    /// A second, written `s`.
    Second,
    /// A minute, written `m`.
    Minute,
    /// An hour, written `h`.
    Hour,
}

impl Per {
    /// Its length.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds())
    }

    fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Second => 's',
            Self::Minute => 'm',
            Self::Hour => 'h',
        }
    }
}

/// A rate above zero, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    billionths: u64,
    per: Per,
}

const BILLION: u64 = 1_000_000_000;

impl Rate {
    /// The highest rate accepted, per second.
    pub const MAX_PER_SECOND: u64 = 1_000_000;
    /// Maximum number of decimals of a count in text.
    pub const DECIMALS: usize = 6;

    /// 5/s.
    pub const FIVE_A_SECOND: Self = Self { billionths: 5 * BILLION, per: Per::Second };
    /// 20/s.
    pub const TWENTY_A_SECOND: Self = Self { billionths: 20 * BILLION, per: Per::Second };

    /// Events per second as a float, for figures and gauges.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn per_second(self) -> f64 {
        self.billionths as f64 / (BILLION as f64 * self.per.seconds() as f64)
    }

    /// The exact rate: this many billionths of an event in every [`Rate::per`].
    #[must_use]
    pub fn billionths(self) -> u64 {
        self.billionths
    }

    /// The unit of time that [`Rate::billionths`] are counted in.
    #[must_use]
    pub fn per(self) -> Per {
        self.per
    }

    /// The part of one shard. The parts of all shards differ by at most a billionth and sum to this rate.
    #[must_use]
    pub fn part(self, shard: Shard) -> Self {
        Self { billionths: shard.part_of(self.billionths), per: self.per }
    }

    /// The part of `own` out of `all` users, which follow `before` others; `None` if it is zero. The parts of
    /// all users sum to this rate.
    #[must_use]
    pub fn part_of_users(self, (before, own, all): (u64, u64, u64)) -> Option<Self> {
        let bound = |users: u64| {
            let bound = u128::from(self.billionths) * u128::from(users) / u128::from(all.max(1));
            u64::try_from(bound).unwrap_or(self.billionths)
        };
        let billionths = bound(before + own).saturating_sub(bound(before));
        (billionths > 0).then_some(Self { billionths, per: self.per })
    }
}

impl FromStr for Rate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::new("not a rate; give a count and a unit, such as 5/s, 300/m, 2/h or 0.5/s");
        let none = || {
            ValueError::new(
                "a rate must be above zero, such as 5/s or 300/m; to leave traffic out use --disable-chat, \
                 --disable-event-leaving or --disable-breakout-joining",
            )
        };
        if matches!(text.trim(), "off" | "0") {
            return Err(none());
        }
        let (count, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
        let per = match unit.trim() {
            "s" => Per::Second,
            "m" | "min" => Per::Minute,
            "h" => Per::Hour,
            _ => return Err(wrong()),
        };
        let count = count.trim();
        if count.starts_with('-') {
            return Err(ValueError::new("a rate must be above zero, such as 5/s or 300/m"));
        }
        let billionths = decimal(count).ok_or_else(wrong)?;
        if billionths == 0 {
            return Err(none());
        }
        if billionths / per.seconds() > Self::MAX_PER_SECOND * BILLION {
            return Err(ValueError::new("the highest rate is 1000000/s"));
        }
        Ok(Self { billionths, per })
    }
}

/// Parses `12`, `0.5` or `.5` into billionths; no sign, no exponent, at most six decimals.
fn decimal(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    if whole.len() > 12 || fraction.len() > Rate::DECIMALS {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{fraction:0<9}").parse().ok()?;
    whole.checked_mul(BILLION)?.checked_add(fraction)
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.billionths / BILLION, self.billionths % BILLION);
        write!(f, "{whole}")?;
        if fraction != 0 {
            write!(f, ".{}", format!("{fraction:09}").trim_end_matches('0'))?;
        }
        write!(f, "/{}", self.per.letter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rate_is_a_decimal_a_second_minute_or_hour() {
        for (text, per_second, shown) in [
            ("5/s", 5.0, "5/s"),
            ("300/m", 5.0, "300/m"),
            ("2/h", 2.0 / 3600.0, "2/h"),
            ("0.5/s", 0.5, "0.5/s"),
            (".25/s", 0.25, "0.25/s"),
            (" 10 / min ", 10.0 / 60.0, "10/m"),
            ("1000000/s", 1e6, "1000000/s"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert!((rate.per_second() - per_second).abs() < 1e-12, "{text}");
            assert_eq!(rate.to_string(), shown);
        }
    }

    #[test]
    fn a_rate_of_zero_without_a_unit_or_beyond_a_million_a_second_is_refused() {
        for text in
            ["", "5", "/s", "./s", "0/s", "0.0/m", "-1/s", "5/d", "1e3/s", "+5/s", "0.0000001/s", "1000001/s", "inf/s"]
        {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for text in ["0/s", "0", "off"] {
            assert!(text.parse::<Rate>().unwrap_err().to_string().contains("use --disable-chat"), "{text}");
        }
        assert!("5".parse::<Rate>().unwrap_err().to_string().contains("5/s"));
    }

    proptest! {
        #[test]
        fn the_parts_sum_to_the_whole(micros in 1_u64..1_000_000_000_000, unit in "[smh]", of in 1_u32..=1000) {
            let text = format!("{}.{:06}/{unit}", micros / 1_000_000, micros % 1_000_000);
            let whole: Rate = text.parse().unwrap();
            let parts: Vec<u64> =
                (0..of).map(|index| whole.part(Shard { index, count: of }).billionths()).collect();
            prop_assert_eq!(parts.iter().sum::<u64>(), whole.billionths());
            prop_assert!(parts.iter().all(|part| *part > 0));
            let spread = parts.iter().max().unwrap() - parts.iter().min().unwrap();
            prop_assert!(spread <= 1);
        }

        #[test]
        fn the_parts_of_users_sum_to_the_whole(rate in 1_u64..1_000_000, cuts in (0_u64..50, 0_u64..50, 1_u64..50)) {
            let whole: Rate = format!("{rate}/s").parse().unwrap();
            let (first, second, third) = cuts;
            let all = first + second + third;
            let parts = [(0, first, all), (first, second, all), (first + second, third, all)];
            let sum: u64 = parts.iter().filter_map(|part| whole.part_of_users(*part)).map(Rate::billionths).sum();
            prop_assert_eq!(sum, whole.billionths());
            prop_assert_eq!(whole.part_of_users((first, 0, all)), None);
        }

        #[test]
        fn what_is_shown_reads_back(micros in 1_u64..1_000_000_000_000, unit in "[smh]") {
            let text = format!("{}.{:06}/{unit}", micros / 1_000_000, micros % 1_000_000);
            let rate: Rate = text.parse().unwrap();
            prop_assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*") {
            let _ = text.parse::<Rate>();
        }
    }
}
