//! `NAME=URL#SERIES`: a series of the server's own metrics.

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::error::ValueError;
use super::given::{Given, Value};
use crate::model::Series;

/// Longest name, in characters.
const LONGEST_NAME: usize = 60;
/// Names that thresholds and the table of figures already use.
const TAKEN: [&str; 16] = [
    "p50",
    "p90",
    "p99",
    "late",
    "lost",
    "error_rate",
    "cut",
    "rate",
    "users_held",
    "generator_memory",
    "anomalies",
    "deliveries",
    "drift",
    "generator_cpu",
    "outstanding",
    "watched",
];

/// A series to watch. Its URL may hold a password, so no text shows all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct WatchText {
    /// Its name in the summary and on `/metrics`.
    pub name: String,
    /// The page.
    pub url: Url,
    /// The series on that page.
    pub series: Series,
}

impl WatchText {
    /// The page's URL without user, password and query.
    #[must_use]
    pub fn shown_url(&self) -> String {
        shown(&self.url)
    }
}

fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

impl fmt::Debug for WatchText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchText").field("name", &self.name).field("url", &self.shown_url()).finish_non_exhaustive()
    }
}

impl FromStr for WatchText {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const SHAPE: &str = "not NAME=URL#SERIES; give one such as \
                             memory=http://10.0.0.5:9100/metrics#process_resident_memory_bytes{job=\"chat\"}";
        let (name, rest) = text.split_once('=').ok_or_else(|| ValueError::new(SHAPE))?;
        let (url, series) = rest.split_once('#').ok_or_else(|| ValueError::new(SHAPE))?;
        let in_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase())
            || !name.chars().all(in_name)
            || name.len() > LONGEST_NAME
        {
            let why = "its name is not a lower-case letter followed by up to 59 lower-case letters, digits and _";
            return Err(ValueError::new(why));
        }
        if TAKEN.contains(&name) {
            return Err(ValueError::new(format!("soakrig itself has a figure named {name}; choose another name")));
        }
        let url: Url = url.parse().map_err(|e| ValueError::new(format!("its URL is not valid: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(ValueError::new("its URL is not http://HOST… or https://HOST…"));
        }
        let series = series.parse().map_err(|e: crate::model::InvalidSeries| ValueError::new(e.to_string()))?;
        Ok(Self { name: name.to_owned(), url, series })
    }
}

/// A list: a repeated flag, an array in the file, one line per member in the environment.
impl Value for Vec<WatchText> {
    fn read(given: &Given) -> Result<Self, ValueError> {
        match given {
            Given::One(text) => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::parse).collect(),
            Given::Many(texts) => texts.iter().map(|text| text.parse()).collect(),
        }
    }
}

/// A value as typed, without the secrets of its URL.
#[must_use]
pub fn shown_watch(text: &str) -> String {
    let Some((name, rest)) = text.split_once('=') else { return "…".to_owned() };
    let (url, series) = rest.split_once('#').unwrap_or((rest, ""));
    let url = url.parse().map_or_else(|_| "…".to_owned(), |url| shown(&url));
    format!("{name}={url}#{series}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_page_and_a_series() {
        let text = "memory=http://me:hunter2@127.0.0.1:9100/metrics?token=hunter2#rss_bytes{job=\"chat=a#1\"}";
        let watch: WatchText = text.parse().unwrap();
        assert_eq!(watch.name, "memory");
        assert_eq!(watch.shown_url(), "http://127.0.0.1:9100/metrics");
        assert!(!format!("{watch:?}").contains("hunter2"));
        assert_eq!(shown_watch(text), "memory=http://127.0.0.1:9100/metrics#rss_bytes{job=\"chat=a#1\"}");
    }

    #[test]
    fn what_is_none_says_what_is_wrong_and_shows_no_password() {
        for (text, said) in [
            ("memory", "NAME=URL#SERIES"),
            ("memory=http://h/metrics", "NAME=URL#SERIES"),
            ("Memory=http://h/#up", "its name"),
            ("p99=http://h/#up", "soakrig itself has a figure"),
            ("memory=ftp://h/#up", "not http://"),
            ("memory=//hunter2@h/#up", "its URL"),
            ("memory=http://me:hunter2@h/#up{", "at character 4 of the series"),
        ] {
            let error = text.parse::<WatchText>().unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
