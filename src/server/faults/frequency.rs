//! How often a fault fires: never, with a probability, or every nth time.
//!
//! A frequency is a plain value; the [`Trigger`] that applies it is seeded, so the same seed and the
//! same order of events give the same faults.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use rand::{RngExt, rngs::StdRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How often a fault fires. Spelled `never`, `2%`, `0.02` or `every:50`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Frequency {
    /// Not at all.
    #[default]
    Never,
    /// Each time with this probability, above 0 and at most 1.
    Probability(f64),
    /// The nth time, the 2nth and so on.
    Every(NonZeroU64),
}

impl Frequency {
    fn probability(probability: f64) -> Option<Self> {
        match probability {
            0.0 => Some(Self::Never),
            probability if probability > 0.0 && probability <= 1.0 => Some(Self::Probability(probability)),
            _ => None,
        }
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Probability(probability) => write!(f, "{probability}"),
            Self::Every(n) => write!(f, "every:{n}"),
        }
    }
}

/// A text that is not a frequency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `never`, a probability such as `2%` or `0.02`, or `every:50`")]
pub struct InvalidFrequency(String);

impl FromStr for Frequency {
    type Err = InvalidFrequency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let frequency = if text == "never" {
            Some(Self::Never)
        } else if let Some(n) = text.strip_prefix("every:") {
            n.parse().ok().map(Self::Every)
        } else if let Some(percent) = text.strip_suffix('%') {
            percent.parse::<f64>().ok().and_then(|percent| Self::probability(percent / 100.0))
        } else {
            text.parse().ok().and_then(Self::probability)
        };
        frequency.ok_or_else(|| InvalidFrequency(text.to_owned()))
    }
}

impl Serialize for Frequency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Frequency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Spelled {
            Number(f64),
            Text(String),
        }
        match Spelled::deserialize(deserializer)? {
            Spelled::Number(probability) => Self::probability(probability)
                .ok_or_else(|| de::Error::custom(InvalidFrequency(probability.to_string()))),
            Spelled::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

/// Applies one frequency to a series of events.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::server) struct Trigger {
    events: u64,
}

impl Trigger {
    /// Whether the fault fires at this event.
    pub(in crate::server) fn fires(&mut self, frequency: Frequency, random: &mut StdRng) -> bool {
        self.events += 1;
        match frequency {
            Frequency::Never => false,
            Frequency::Probability(probability) => random.random_bool(probability),
            Frequency::Every(n) => self.events % n == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_frequency_parses_as_it_is_displayed() {
        for (text, shown) in [("never", "never"), ("0", "never"), ("2%", "0.02"), ("1", "1"), ("every:50", "every:50")]
        {
            let frequency: Frequency = text.parse().unwrap();
            assert_eq!(frequency.to_string(), shown);
            assert_eq!(shown.parse::<Frequency>().unwrap(), frequency);
            assert_eq!(
                serde_json::from_str::<Frequency>(&serde_json::to_string(&frequency).unwrap()).unwrap(),
                frequency
            );
        }
        assert_eq!(serde_json::from_str::<Frequency>("0.5").unwrap(), Frequency::Probability(0.5));
        for text in ["", "-1%", "101%", "1.5", "NaN", "every:0", "every:", "sometimes"] {
            assert!(text.parse::<Frequency>().is_err(), "{text}");
        }
    }

    #[test]
    fn triggers_fire_as_often_as_their_frequency_says() {
        let mut random = StdRng::seed_from_u64(1);
        let mut fired = |frequency: Frequency| {
            let mut trigger = Trigger::default();
            (0..10_000).filter(|_| trigger.fires(frequency, &mut random)).count()
        };
        assert_eq!(fired(Frequency::Never), 0);
        assert_eq!(fired("every:50".parse().unwrap()), 200);
        assert_eq!(fired("100%".parse().unwrap()), 10_000);
        assert!((150..250).contains(&fired("2%".parse().unwrap())));
    }
}
