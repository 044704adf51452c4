//! How often a fault strikes: never, with a chance, or every nth time.
//!
//! A dose is a plain value; the [`Meter`] that applies it is seeded, so the same seed and the
//! same order of events strike the same ones.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use rand::{RngExt, rngs::StdRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How often a fault strikes. Spelled `never`, `2%`, `0.02` or `every:50`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Dose {
    /// Not at all.
    #[default]
    Never,
    /// Each time with this probability, above 0 and at most 1.
    Chance(f64),
    /// The nth time, the 2nth and so on.
    Every(NonZeroU64),
}

impl Dose {
    fn chance(chance: f64) -> Option<Self> {
        match chance {
            0.0 => Some(Self::Never),
            chance if chance > 0.0 && chance <= 1.0 => Some(Self::Chance(chance)),
            _ => None,
        }
    }
}

impl fmt::Display for Dose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Chance(chance) => write!(f, "{chance}"),
            Self::Every(n) => write!(f, "every:{n}"),
        }
    }
}

/// A dose that is not spelled as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `never`, a chance such as `2%` or `0.02`, or `every:50`")]
pub struct UnknownDose(String);

impl FromStr for Dose {
    type Err = UnknownDose;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let dose = if text == "never" {
            Some(Self::Never)
        } else if let Some(n) = text.strip_prefix("every:") {
            n.parse().ok().map(Self::Every)
        } else if let Some(percent) = text.strip_suffix('%') {
            percent.parse::<f64>().ok().and_then(|percent| Self::chance(percent / 100.0))
        } else {
            text.parse().ok().and_then(Self::chance)
        };
        dose.ok_or_else(|| UnknownDose(text.to_owned()))
    }
}

impl Serialize for Dose {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Spelled {
            Number(f64),
            Text(String),
        }
        match Spelled::deserialize(deserializer)? {
            Spelled::Number(chance) => {
                Self::chance(chance).ok_or_else(|| de::Error::custom(UnknownDose(chance.to_string())))
            }
            Spelled::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

/// Applies one dose to a row of events.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::server) struct Meter {
    events: u64,
}

impl Meter {
    /// Whether the fault strikes this event.
    pub(in crate::server) fn strikes(&mut self, dose: Dose, random: &mut StdRng) -> bool {
        self.events += 1;
        match dose {
            Dose::Never => false,
            Dose::Chance(chance) => random.random_bool(chance),
            Dose::Every(n) => self.events % n == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_dose_reads_as_it_is_shown() {
        for (text, shown) in [("never", "never"), ("0", "never"), ("2%", "0.02"), ("1", "1"), ("every:50", "every:50")]
        {
            let dose: Dose = text.parse().unwrap();
            assert_eq!(dose.to_string(), shown);
            assert_eq!(shown.parse::<Dose>().unwrap(), dose);
            assert_eq!(serde_json::from_str::<Dose>(&serde_json::to_string(&dose).unwrap()).unwrap(), dose);
        }
        assert_eq!(serde_json::from_str::<Dose>("0.5").unwrap(), Dose::Chance(0.5));
        for text in ["", "-1%", "101%", "1.5", "NaN", "every:0", "every:", "sometimes"] {
            assert!(text.parse::<Dose>().is_err(), "{text}");
        }
    }

    #[test]
    fn doses_strike_as_often_as_they_say() {
        let mut random = StdRng::seed_from_u64(1);
        let mut strikes = |dose: Dose| {
            let mut meter = Meter::default();
            (0..10_000).filter(|_| meter.strikes(dose, &mut random)).count()
        };
        assert_eq!(strikes(Dose::Never), 0);
        assert_eq!(strikes("every:50".parse().unwrap()), 200);
        assert_eq!(strikes("100%".parse().unwrap()), 10_000);
        assert!((150..250).contains(&strikes("2%".parse().unwrap())));
    }
}
