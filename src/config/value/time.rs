//! Lengths and moments of time: `90s`, `1h30m`, `2s..30s`, `2026-11-23T10:00:00Z`.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::error::ValueError;

/// The longest time accepted: far beyond any run, far below where timers overflow.
const LONGEST: Duration = Duration::from_secs(1000 * 24 * 3600);

fn duration(text: &str) -> Result<Duration, ValueError> {
    let wrong = || ValueError::new("not a length of time; give a number with a unit, such as 90s, 5m, 8h or 1h30m");
    let length = humantime::parse_duration(text.trim()).map_err(|_| wrong())?;
    // humantime reads a bare 0 too; a unit is asked for everywhere else, so it is here.
    if text.trim() == "0" {
        return Err(wrong());
    }
    if length > LONGEST {
        return Err(ValueError::new("longer than 1000 days"));
    }
    Ok(length)
}

/// A length of time above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    /// The length.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let length = duration(text)?;
        if length.is_zero() {
            return Err(ValueError::new("must be longer than zero, such as 90s"));
        }
        Ok(Self(length))
    }
}

/// A length of time that may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait(Duration);

impl Wait {
    /// The length.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Wait {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        duration(text).map(Self)
    }
}

/// From one length of time to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationRange {
    min: Duration,
    max: Duration,
}

impl DurationRange {
    /// The range between two lengths, in whichever order they come.
    #[must_use]
    pub const fn between(one: Duration, other: Duration) -> Self {
        if one.as_nanos() > other.as_nanos() { Self { min: other, max: one } } else { Self { min: one, max: other } }
    }

    /// The shortest.
    #[must_use]
    pub fn min(self) -> Duration {
        self.min
    }

    /// The longest.
    #[must_use]
    pub fn max(self) -> Duration {
        self.max
    }
}

impl FromStr for DurationRange {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (min, max) = text.split_once("..").ok_or_else(|| {
            ValueError::new("not a range of time; give the shortest and the longest, such as 2s..30s")
        })?;
        let (min, max) = (duration(min)?, duration(max)?);
        if min > max || max.is_zero() {
            return Err(ValueError::new("the shortest comes first and the longest is above zero, such as 2s..30s"));
        }
        Ok(Self { min, max })
    }
}

impl fmt::Display for DurationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", humantime::format_duration(self.min), humantime::format_duration(self.max))
    }
}

/// A moment of wall-clock time in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartAt(pub SystemTime);

impl FromStr for StartAt {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        moment(text.trim()).map(Self).ok_or_else(|| {
            ValueError::new(
                "not a time in RFC 3339; give one such as 2026-11-23T10:00:00Z or 2026-11-23T11:00:00+01:00",
            )
        })
    }
}

/// humantime reads UTC only, so an offset is taken off first.
fn moment(text: &str) -> Option<SystemTime> {
    let text = text.replace('t', "T").replace('z', "Z");
    if text.ends_with('Z') {
        return humantime::parse_rfc3339(&text).ok();
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let sign = offset.chars().next()?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u64>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let utc = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let shift = Duration::from_secs(hours * 3600 + minutes * 60);
    match sign {
        '+' => utc.checked_sub(shift),
        '-' => utc.checked_add(shift),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_span_has_a_unit_and_is_above_zero_up_to_1000_days() {
        for (text, seconds) in [("90s", 90), ("8h", 28_800), ("1h30m", 5_400), (" 2 days ", 172_800)] {
            assert_eq!(text.parse::<Span>().unwrap().get(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "0", "0s", "-5s", "90", "5x", "1001days", "99999999999999999999y"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert!("90".parse::<Span>().unwrap_err().to_string().contains("90s"));
        assert_eq!("0s".parse::<Wait>().unwrap().get(), Duration::ZERO);
        assert!("0".parse::<Wait>().is_err());
    }

    #[test]
    fn a_range_of_durations_is_shortest_to_longest_with_units() {
        let range: DurationRange = "2s..30s".parse().unwrap();
        assert_eq!((range.min().as_secs(), range.max().as_secs()), (2, 30));
        assert_eq!("30s..5m".parse::<DurationRange>().unwrap().to_string(), "30s..5m");
        assert!("5s..5s".parse::<DurationRange>().is_ok());
        for text in ["2s", "30s..2s", "0s..0s", "..", "2..30", "2s...30s"] {
            assert!(text.parse::<DurationRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn moments_with_and_without_an_offset() {
        let utc: StartAt = "2026-11-23T10:00:00Z".parse().unwrap();
        for text in ["2026-11-23T11:00:00+01:00", "2026-11-23t10:00:00z", "2026-11-23T04:30:00.000-05:30"] {
            assert_eq!(text.parse::<StartAt>().unwrap(), utc, "{text}");
        }
        for text in ["", "tomorrow", "2026-11-23", "2026-11-23T10:00:00", "2026-13-01T00:00:00Z", "10:00:00+25:00"] {
            assert!(text.parse::<StartAt>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*") {
            let _ = text.parse::<Span>();
            let _ = text.parse::<DurationRange>();
            let _ = text.parse::<StartAt>();
        }
    }
}
