//! Parses rules: `METRIC [(ARG)] > NUMBER[UNIT] [over DURATION]`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::types::{LONGEST_WINDOW, Rule, RuleMetric, RuleUnit, Side, WINDOW_STEP};
use crate::model::{Action, Stage};

/// Longest rule, in characters.
const LONGEST: usize = 200;
/// Largest limit on the share of intents carried out.
const MOST_OF_A_RATE: f64 = 10.0;

const METRICS: &str = "a metric: p50, p99, lost, late, anomalies, cut, outstanding, users_held, error_rate(STAGE), \
                       rate(KIND) or drift(FIGURE)";
const SHARE: &str = "a share, such as 2% or 0.02";
const COUNT_OR_SHARE: &str = "a whole number or a share, such as 0 or 0.1%";
const SECONDS: &str = "a length of time with its unit, such as 500ms or 1.5s";
const PER_HOUR: &str = "a change per hour, such as 5%/h";
const WINDOW: &str = "a length of time in whole steps of 5s, from 5s to 24h, such as 30s, 5m or 1h30m";

/// A text that is not a rule: the place of the mistake, and what is expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The rule, on one line.
    text: String,
    /// Number of characters before the wrong one.
    at: usize,
    /// What is expected there.
    expected: String,
}

/// Shows the rule, and below it a caret with what is expected there.
impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a rule\n  {}\n  {:width$}^ expected {}", self.text, "", self.expected, width = self.at)
    }
}

impl std::error::Error for RuleError {}

/// The text of a rule while it is parsed. Rules are ASCII, so each character is one byte.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes the characters for which `belongs` holds; returns their start and text.
    fn take(&mut self, belongs: impl Fn(char) -> bool) -> (usize, &'a str) {
        self.skip_spaces();
        let (start, rest) = (self.at, self.rest());
        let taken = rest.split_at(rest.find(|c| !belongs(c)).unwrap_or(rest.len())).0;
        self.at += taken.len();
        (start, taken)
    }

    fn word(&mut self) -> (usize, &'a str) {
        self.take(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// Takes one character; the error says that it was expected.
    fn one(&mut self, wanted: char, expected: &str) -> Result<(), RuleError> {
        self.skip_spaces();
        if !self.rest().starts_with(wanted) {
            return Err(self.wrong(self.at, expected));
        }
        self.at += wanted.len_utf8();
        Ok(())
    }

    fn wrong(&self, at: usize, expected: impl Into<String>) -> RuleError {
        let shown = |c: char| if c.is_control() { '?' } else { c };
        let before = self.text.get(..at).unwrap_or(self.text);
        RuleError {
            text: self.text.chars().map(shown).take(LONGEST).collect(),
            at: before.chars().count().min(LONGEST),
            expected: expected.into(),
        }
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let mut reader = Reader { text, at: 0 };
        if text.chars().count() > LONGEST {
            let at = text.char_indices().nth(LONGEST).map_or(0, |(at, _)| at);
            return Err(reader.wrong(at, format!("the end: a rule has at most {LONGEST} characters")));
        }
        let metric = metric(&mut reader)?;
        let side = side(&mut reader)?;
        let (written, limit, unit) = limit(&mut reader, &metric)?;
        let window = window(&mut reader, &metric)?;
        Ok(Self { metric, side, limit, unit, written, window })
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn metric(reader: &mut Reader<'_>) -> Result<RuleMetric, RuleError> {
    let (at, name) = reader.word();
    Ok(match name {
        "p50" => RuleMetric::P50,
        "p99" => RuleMetric::P99,
        "lost" => RuleMetric::Lost,
        "late" => RuleMetric::Late,
        "anomalies" => RuleMetric::Anomalies,
        "cut" => RuleMetric::Cut,
        "outstanding" => RuleMetric::Outstanding,
        "users_held" => RuleMetric::UsersHeld,
        "error_rate" => RuleMetric::ErrorRate(member(reader, name, "a stage", Stage::ALL, Stage::as_str)?),
        "rate" => RuleMetric::Rate(member(reader, name, "a kind of intent", Action::ALL, Action::as_str)?),
        "drift" => RuleMetric::Drift(figure(reader)?),
        _ => return Err(reader.wrong(at, METRICS)),
    })
}

/// One of a closed set in parentheses.
fn member<T: Copy>(
    reader: &mut Reader<'_>,
    metric: &str,
    what: &str,
    all: &[T],
    text: fn(T) -> &'static str,
) -> Result<T, RuleError> {
    let names = || all.iter().map(|member| text(*member)).collect::<Vec<_>>().join(", ");
    reader
        .one('(', &format!("{what} in parentheses, such as {metric}({})", all.first().map_or("", |one| text(*one))))?;
    let (at, name) = reader.word();
    let found = all.iter().copied().find(|member| text(*member) == name);
    let found = found.ok_or_else(|| reader.wrong(at, format!("{what}: {}", names())))?;
    reader.one(')', ")")?;
    Ok(found)
}

fn figure(reader: &mut Reader<'_>) -> Result<String, RuleError> {
    reader.one('(', "a figure in parentheses, such as drift(p99)")?;
    let (at, name) = reader.take(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if name.is_empty() {
        return Err(reader.wrong(at, "a figure, such as p50 or p99, or the NAME of a --watch"));
    }
    reader.one(')', ")")?;
    Ok(name.to_owned())
}

fn side(reader: &mut Reader<'_>) -> Result<Side, RuleError> {
    if reader.one('>', "> or <").is_ok() {
        return Ok(Side::Above);
    }
    reader.one('<', "> or <").map(|()| Side::Below)
}

/// A limit as written, its value, and its unit.
fn limit(reader: &mut Reader<'_>, metric: &RuleMetric) -> Result<(String, f64, RuleUnit), RuleError> {
    let (at, written) = reader.take(|c| !c.is_whitespace());
    let read = |value: Option<f64>, unit, expected: &str| {
        // If the number is valid, point at the unit.
        let digits = written.len() - written.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let at = if number(written.get(..digits).unwrap_or("")).is_some() { at + digits } else { at };
        value.map(|value| (written.to_owned(), value, unit)).ok_or_else(|| reader.wrong(at, expected))
    };
    match metric {
        RuleMetric::P50 | RuleMetric::P99 => read(seconds(written), RuleUnit::Seconds, SECONDS),
        RuleMetric::Lost | RuleMetric::Outstanding => match whole(written) {
            Some(count) => read(Some(count), RuleUnit::Count, COUNT_OR_SHARE),
            None => read(share(written, 1.0), RuleUnit::Share, COUNT_OR_SHARE),
        },
        RuleMetric::Rate(_) => read(share(written, MOST_OF_A_RATE), RuleUnit::Share, SHARE),
        RuleMetric::Drift(_) => read(per_hour(written), RuleUnit::SharePerHour, PER_HOUR),
        RuleMetric::Late
        | RuleMetric::Anomalies
        | RuleMetric::Cut
        | RuleMetric::UsersHeld
        | RuleMetric::ErrorRate(_) => read(share(written, 1.0), RuleUnit::Share, SHARE),
    }
}

fn window(reader: &mut Reader<'_>, metric: &RuleMetric) -> Result<Option<Duration>, RuleError> {
    let (at, word) = reader.take(|c| !c.is_whitespace());
    if word.is_empty() {
        return Ok(None);
    }
    let only = |why: &str| Err(reader.wrong(at, format!("the end: {why}")));
    match metric {
        RuleMetric::Outstanding => return only("outstanding deliveries are known only when the run is over"),
        RuleMetric::Drift(_) => return only("drift covers the whole hold"),
        RuleMetric::Rate(Action::Leave | Action::SideRoom) => return only("only rate(chat) has windows"),
        _ if word == "over" => {}
        _ => return Err(reader.wrong(at, "over and a length of time, such as over 5m, or the end")),
    }
    let (at, length) = reader.take(|_| true);
    let window = humantime::parse_duration(length.trim_end()).ok().filter(|window| {
        let steps = window.as_nanos().is_multiple_of(WINDOW_STEP.as_nanos());
        steps && (WINDOW_STEP..=LONGEST_WINDOW).contains(window)
    });
    window.map(Some).ok_or_else(|| reader.wrong(at, WINDOW))
}

/// Parses digits with an optional dot: `f64` itself accepts `inf` and `1e9` too.
fn number(text: &str) -> Option<f64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    digits.then(|| text.parse().ok()).flatten()
}

#[allow(clippy::cast_precision_loss, reason = "counts of deliveries are far below 2^53")]
fn whole(text: &str) -> Option<f64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse::<u64>().ok())
        .flatten()
        .map(|count| count as f64)
}

/// Parses a percentage, or a fraction below 1; a bare 1 could mean 1 % or all.
fn share(text: &str, most: f64) -> Option<f64> {
    let share = match text.strip_suffix('%') {
        Some(per_cent) => number(per_cent)? / 100.0,
        None => number(text).filter(|part| *part < 1.0)?,
    };
    (share <= most).then_some(share)
}

fn seconds(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 5] = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let (unit, scale) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let seconds = number(text.strip_suffix(unit)?)? * scale;
    (seconds > 0.0 && seconds <= LONGEST_WINDOW.as_secs_f64()).then_some(seconds)
}

fn per_hour(text: &str) -> Option<f64> {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |text| (-1.0, text));
    let rise = number(text.strip_suffix("%/h")?)? / 100.0;
    (rise <= 1e6).then_some(sign * rise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(text: &str) -> Rule {
        text.parse().unwrap_or_else(|error: RuleError| panic!("{error}"))
    }

    #[test]
    fn rules_are_read_and_written_alike() {
        for text in [
            "p99 > 500ms",
            "p50 > 1.5s over 1h30m",
            "lost > 0",
            "lost > 0.1%",
            "late > 1%",
            "error_rate(connect) > 2% over 10m",
            "users_held < 95% over 2m",
            "cut > 3%",
            "anomalies > 0.1%",
            "outstanding > 0",
            "rate(chat) < 95% over 5s",
            "rate(leave) < 0.9",
            "drift(p99) > 5%/h",
            "drift(memory) > 0.5%/h",
            "drift(p50) < -2%/h",
        ] {
            assert_eq!(rule(text).to_string(), text);
            let json = serde_json::to_string(&rule(text)).unwrap();
            assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule(text));
        }
        assert_eq!(rule("  p99>500ms   over  300s ").to_string(), "p99 > 500ms over 5m");
        assert_eq!(rule("error_rate ( event )> 2%").metric, RuleMetric::ErrorRate(Stage::Room));
    }

    #[test]
    fn limits_are_in_base_units() {
        let of = |text: &str| (rule(text).limit, rule(text).unit);
        assert_eq!(of("p99 > 250ms"), (0.25, RuleUnit::Seconds));
        assert_eq!(of("p99 > 2m"), (120.0, RuleUnit::Seconds));
        assert_eq!(of("lost > 3"), (3.0, RuleUnit::Count));
        assert_eq!(of("lost > 0.5"), (0.5, RuleUnit::Share));
        assert_eq!(of("rate(chat) > 120%"), (1.2, RuleUnit::Share));
        assert_eq!(of("drift(p99) < -50%/h"), (-0.5, RuleUnit::SharePerHour));
    }

    #[test]
    fn each_mistake_is_pointed_at() {
        let mut said = String::new();
        for text in [
            "",
            "p95 > 1s",
            "> 5",
            "p99",
            "p99 500ms",
            "p99(chat) > 1s",
            "p99 >= 500ms",
            "p99 > 500",
            "p99 > fast",
            "p99 > 0ms",
            "lost > -1",
            "lost > 1.5",
            "late > 5",
            "late > 101%",
            "error_rate > 2%",
            "error_rate(conect) > 2%",
            "error_rate(connect > 2%",
            "rate(typing) < 95%",
            "drift() > 5%/h",
            "drift(p99) > 5%",
            "p99 > 1s for 5m",
            "p99 > 1s over",
            "p99 > 1s over 5",
            "p99 > 1s over 7s",
            "p99 > 1s over 25h",
            "p99 > 1s over 5m please",
            "lost > 0; late > 0",
            "outstanding > 0 over 5m",
            "drift(p99) > 5%/h over 1h",
            "rate(leave) < 95% over 1h",
            "p99 > ünder\u{1b}[2J",
        ] {
            said.push_str(&format!("{}\n", text.parse::<Rule>().unwrap_err()));
        }
        insta::assert_snapshot!(said);
    }

    #[test]
    fn nothing_is_too_long() {
        let error = format!("p99 > 1s{}", " ".repeat(300)).parse::<Rule>().unwrap_err();
        assert!(error.to_string().ends_with("^ expected the end: a rule has at most 200 characters"), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,60}") {
            let _ = text.parse::<Rule>();
            let _ = format!("p99 > {text}").parse::<Rule>();
            let _ = format!("p99 > 1s over {text}").parse::<Rule>();
        }
    }
}
