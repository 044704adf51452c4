//! How much worse a figure may get: the defaults and `--tolerance`.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;

/// The measure of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Relative to the earlier run's figure.
    Relative,
    /// The difference between two shares.
    Points,
}

/// A kind of figure, and its default tolerance.
struct Kind {
    name: &'static str,
    limit: Option<f64>,
    measure: Measure,
    falling_is_worse: bool,
}

const fn kind(name: &'static str, limit: Option<f64>, measure: Measure) -> Kind {
    Kind { name, limit, measure, falling_is_worse: false }
}

const fn falling(name: &'static str, limit: Option<f64>) -> Kind {
    Kind { name, limit, measure: Measure::Relative, falling_is_worse: true }
}

/// The kinds, in the order of the table. Shares may get worse by a tenth of a run's default limit.
const KINDS: [Kind; 14] = [
    kind("lost", Some(0.0), Measure::Points),
    kind("late", Some(0.001), Measure::Points),
    kind("anomalies", Some(0.0001), Measure::Points),
    kind("cut", Some(0.1), Measure::Relative),
    kind("error_rate", Some(0.001), Measure::Points),
    falling("rate", Some(0.01)),
    falling("deliveries", None),
    kind("p50", Some(0.05), Measure::Relative),
    kind("p90", Some(0.05), Measure::Relative),
    kind("p99", Some(0.05), Measure::Relative),
    falling("users_held", Some(0.01)),
    kind("drift", Some(0.05), Measure::Points),
    kind("generator_cpu", None, Measure::Relative),
    kind("watched", None, Measure::Relative),
];

/// The tolerance of one figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// The change for the worse; `None`: any.
    pub limit: Option<f64>,
    /// The measure of the change.
    pub measure: Measure,
    /// Whether less is worse.
    pub falling_is_worse: bool,
}

/// The tolerances of all figures.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tolerances {
    /// Tolerances by a kind's or a figure's name.
    given: BTreeMap<String, Option<f64>>,
}

impl Tolerances {
    /// The tolerances of a list of `NAME=LIMIT`; the last one for a name applies.
    #[must_use]
    pub fn of_all(given: &[GivenTolerance]) -> Self {
        Self { given: given.iter().map(|GivenTolerance { name, limit }| (name.clone(), *limit)).collect() }
    }

    /// The tolerance of a figure, by its name in the table.
    #[must_use]
    pub fn of(&self, figure: &str) -> Tolerance {
        let name = kind_name(figure);
        let kind = KINDS.iter().find(|kind| kind.name == name);
        let given = self.given.get(figure).or_else(|| self.given.get(name)).copied();
        Tolerance {
            limit: given.unwrap_or_else(|| kind.and_then(|kind| kind.limit)),
            measure: kind.map_or(Measure::Relative, |kind| kind.measure),
            falling_is_worse: kind.is_some_and(|kind| kind.falling_is_worse),
        }
    }
}

fn kind_name(figure: &str) -> &str {
    figure.split_once('(').map_or(figure, |(kind, _)| kind)
}

/// `NAME=LIMIT` as typed.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenTolerance {
    name: String,
    limit: Option<f64>,
}

/// A text that is not a tolerance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTolerance {
    /// Not a name and a limit.
    #[error("`{0}` is not NAME=LIMIT, such as `p99=5%` or `late=off`")]
    Shape(String),
    /// No figure has the name.
    #[error("there is no figure `{0}`; there are {1}, and one of several, such as `error_rate(connect)`")]
    Name(String, String),
    /// The limit is not valid.
    #[error("`{0}` is not a limit, such as `5%`, `0.1%`, `0` or `off`")]
    Limit(String),
}

impl FromStr for GivenTolerance {
    type Err = InvalidTolerance;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, limit) = text.split_once('=').ok_or_else(|| InvalidTolerance::Shape(text.to_owned()))?;
        let (name, limit) = (name.trim(), limit.trim());
        let whole = name == kind_name(name);
        let of_several = ["error_rate", "drift", "watched"].contains(&kind_name(name)) && name.ends_with(')');
        if !KINDS.iter().any(|kind| kind.name == kind_name(name)) || !(whole || of_several) {
            let names = KINDS.map(|kind| kind.name).join(", ");
            return Err(InvalidTolerance::Name(name.to_owned(), names));
        }
        let invalid = || InvalidTolerance::Limit(limit.to_owned());
        let number = match limit.strip_suffix('%') {
            _ if limit == "off" => None,
            Some(percent) => Some(percent.trim().parse::<f64>().map_err(|_| invalid())? / 100.0),
            None => Some(limit.parse::<f64>().map_err(|_| invalid())?),
        };
        if number.is_some_and(|limit| !limit.is_finite() || limit < 0.0) {
            return Err(invalid());
        }
        Ok(Self { name: name.to_owned(), limit: number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_are_read_and_the_nearest_counts() {
        let given =
            ["p99=10%", "error_rate=off", "error_rate(connect) = 2%", "late=0.5%"].map(|text| text.parse().unwrap());
        let tolerances = Tolerances::of_all(&given);
        let limit = |name: &str| tolerances.of(name).limit;
        assert_eq!(limit("p99"), Some(0.1));
        assert_eq!((limit("error_rate(log_in)"), limit("error_rate(connect)")), (None, Some(0.02)));
        assert_eq!((limit("late"), limit("lost"), limit("watched(memory)")), (Some(0.005), Some(0.0), None));
        assert!(tolerances.of("rate").falling_is_worse && !tolerances.of("p99").falling_is_worse);
    }

    #[test]
    fn what_is_not_a_tolerance_says_so() {
        for (text, said) in [
            ("p99", "NAME=LIMIT"),
            ("p98=5%", "no figure `p98`; there are lost, late"),
            ("p99(x)=5%", "no figure `p99(x)`"),
            ("p99=five", "`five` is not a limit"),
            ("p99=-5%", "`-5%` is not a limit"),
            ("p99=NaN", "`NaN` is not a limit"),
        ] {
            let error = text.parse::<GivenTolerance>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
