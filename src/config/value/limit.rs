//! Limits of a run, each of which can be `off`.

use std::str::FromStr;

use super::error::ValueError;
use super::given::{Given, Value};
use super::number::{Percent, whole};
use crate::model::{Rule, RuleError};

/// A limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrOff<T>(Option<T>);

impl<T> OrOff<T> {
    /// The limit; `None`: off.
    #[must_use]
    pub fn get(self) -> Option<T> {
        self.0
    }
}

impl<T: FromStr<Err = ValueError>> FromStr for OrOff<T> {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.trim() == "off" {
            return Ok(Self(None));
        }
        text.parse().map(|limit| Self(Some(limit))).map_err(|e: ValueError| ValueError::new(format!("{e}, or off")))
    }
}

impl<T: FromStr<Err = ValueError>> Value for OrOff<T> {
    fn read(given: &Given) -> Result<Self, ValueError> {
        match given {
            Given::One(text) => text.parse(),
            Given::Many(_) => Err(ValueError::new("give a single value, not a list")),
        }
    }
}

/// A count, or a share of all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// A count.
    Count(u64),
    /// A share, from 0 to 1.
    Share(f64),
}

impl FromStr for Amount {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(count) = whole(text) {
            return Ok(Self::Count(count));
        }
        text.parse::<Percent>()
            .map(|share| Self::Share(share.share()))
            .map_err(|_| ValueError::new("neither a whole number from 0 nor a share; give such as 5 or 0.1%"))
    }
}

/// A list: a repeated flag, an array in the file, one line per member in the environment.
impl Value for Vec<Rule> {
    fn read(given: &Given) -> Result<Self, ValueError> {
        let read = |text: &str| text.parse().map_err(|e: RuleError| ValueError::new(e.to_string()));
        match given {
            Given::One(text) => text.lines().filter(|line| !line.trim().is_empty()).map(read).collect(),
            Given::Many(texts) => texts.iter().map(|text| read(text)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_count_or_a_share() {
        for (text, amount) in [
            ("0", Amount::Count(0)),
            ("1", Amount::Count(1)),
            ("250", Amount::Count(250)),
            ("1%", Amount::Share(0.01)),
            ("0.5", Amount::Share(0.5)),
        ] {
            assert_eq!(text.parse::<Amount>().unwrap(), amount, "{text}");
        }
        for text in ["", "-1", "1.5", "101%", "some"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_variable_holds_a_rule_in_each_line() {
        let rules = Vec::<Rule>::read(&Given::One("p99 > 1s\n\nlost > 0 over 10s\n".into())).unwrap();
        assert_eq!(rules.iter().map(Rule::to_string).collect::<Vec<_>>(), ["p99 > 1s", "lost > 0 over 10s"]);
        let error = Vec::<Rule>::read(&Given::Many(vec!["lost > 0".into(), "p99 > 1".into()])).unwrap_err();
        assert!(error.to_string().contains("\n  p99 > 1\n         ^ expected a length of time"), "{error}");
    }

    #[test]
    fn off_is_no_limit() {
        assert_eq!("off".parse::<OrOff<Amount>>().unwrap().get(), None);
        assert_eq!("3".parse::<OrOff<Amount>>().unwrap().get(), Some(Amount::Count(3)));
        assert_eq!("2%".parse::<OrOff<Percent>>().unwrap().get().unwrap().share(), 0.02);
        for text in ["Off", "none", "", "1"] {
            let error = text.parse::<OrOff<Percent>>().unwrap_err().to_string();
            assert!(error.ends_with(", or off"), "{error}");
        }
    }
}
