//! A steady slowdown: deliveries come later and later, by a fixed delay per hour.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How much the delay of deliveries grows per hour since the setting took force. Spelled `100ms/h`, or `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DriftRate {
    per_hour: Duration,
}

impl DriftRate {
    /// Whether nothing slows down.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.per_hour.is_zero()
    }

    /// The delay of a delivery this long `after` the setting took force.
    #[must_use]
    pub fn delay(self, after: Duration) -> Duration {
        let seconds = self.per_hour.as_secs_f64() * after.as_secs_f64() / 3_600.0;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

impl fmt::Display for DriftRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() { f.write_str("0") } else { write!(f, "{}/h", humantime::format_duration(self.per_hour)) }
    }
}

/// A text that is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time per hour of an hour at most, such as `100ms/h`, or `0`")]
pub struct InvalidDriftRate(String);

impl FromStr for DriftRate {
    type Err = InvalidDriftRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "0" {
            return Ok(Self::default());
        }
        let time = text.strip_suffix("/h").and_then(|time| humantime::parse_duration(time).ok());
        let per_hour = time.filter(|time| *time <= Duration::from_secs(3_600));
        per_hour.map(|per_hour| Self { per_hour }).ok_or_else(|| InvalidDriftRate(text.to_owned()))
    }
}

impl Serialize for DriftRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DriftRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_parses_as_it_is_displayed() {
        for (text, shown) in [("0", "0"), ("100ms/h", "100ms/h"), ("60s/h", "1m/h"), ("0s/h", "0")] {
            let rate: DriftRate = text.parse().unwrap();
            assert_eq!(rate.to_string(), shown);
            assert_eq!(serde_json::from_str::<DriftRate>(&serde_json::to_string(&rate).unwrap()).unwrap(), rate);
        }
        for text in ["", "100ms", "1/h", "2h/h", "-1s/h"] {
            assert!(text.parse::<DriftRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_delay_grows_with_time() {
        let rate: DriftRate = "100ms/h".parse().unwrap();
        assert_eq!(rate.delay(Duration::ZERO), Duration::ZERO);
        assert_eq!(rate.delay(Duration::from_secs(1_800)), Duration::from_millis(50));
        assert_eq!(rate.delay(Duration::from_secs(36_000)), Duration::from_secs(1));
    }
}
