//! Values that are one of a few choices.

use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::error::ValueError;
use super::time::Span;
use crate::model::{Alphabet, LogFormat, Pacing};
use crate::server::PresenceMode;

/// Reads a [`ValueEnum`] and lists its members in the error.
fn one_of<T: ValueEnum>(text: &str) -> Result<T, ValueError> {
    T::from_str(text.trim(), false).map_err(|_| {
        let names: Vec<String> = T::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|value| value.get_name().to_owned())
            .collect();
        ValueError::new(format!("give one of: {}", names.join(", ")))
    })
}

impl ValueEnum for Pacing {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Even, Self::Poisson]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Even => ("even", "At equal distances"),
            Self::Poisson => ("poisson", "At random distances (exponential) of the same mean"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl FromStr for Pacing {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        one_of(text)
    }
}

impl ValueEnum for Alphabet {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Ascii, Self::Unicode]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Ascii => ("ascii", "Latin letters and spaces"),
            Self::Unicode => ("unicode", "Letters of many scripts and emoji, 1 to 4 bytes each in UTF-8"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl FromStr for Alphabet {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        one_of(text)
    }
}

impl ValueEnum for LogFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Human, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Human => ("human", "For people"),
            Self::Json => ("json", "One JSON object per line"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl FromStr for LogFormat {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        one_of(text)
    }
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch(pub bool);

impl FromStr for Switch {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Self(true)),
            "false" | "no" | "off" | "0" => Ok(Self(false)),
            _ => Err(ValueError::new("give true or false")),
        }
    }
}

impl FromStr for PresenceMode {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.trim() {
            "full" => Ok(Self::Full),
            "off" => Ok(Self::Off),
            other => other
                .strip_prefix("batched:")
                .and_then(|span| span.parse::<Span>().ok())
                .map(|span| Self::Batched(span.get()))
                .ok_or_else(|| {
                    ValueError::new("give full, off, or batched: with a length of time, such as batched:1s")
                }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_name_their_members() {
        assert_eq!("poisson".parse::<Pacing>().unwrap(), Pacing::Poisson);
        assert_eq!("xml".parse::<LogFormat>().unwrap_err().to_string(), "give one of: human, json");
    }

    #[test]
    fn a_switch_is_true_or_false_in_any_usual_spelling() {
        for (text, on) in [("true", true), ("1", true), ("Yes", true), ("off", false), ("0", false)] {
            assert_eq!(text.parse::<Switch>().unwrap(), Switch(on), "{text}");
        }
        assert!("maybe".parse::<Switch>().is_err());
    }

    #[test]
    fn a_presence_mode_is_printed_as_it_is_read() {
        for text in ["full", "off", "batched:1s", "batched:250ms"] {
            assert_eq!(text.parse::<PresenceMode>().unwrap().to_string(), text);
        }
        for text in ["", "batched", "batched:", "batched:0s", "batched:1"] {
            assert!(text.parse::<PresenceMode>().is_err(), "{text}");
        }
    }
}
