//! A series of a server's own Prometheus metrics: its selector, and its value on a page.
//!
//! Reads Prometheus' text format 0.0.4, and OpenMetrics as far as it is the same. Lines that cannot be read are
//! ignored.

use std::str::FromStr;

/// Maximum number of labels of a line.
const MOST_LABELS: usize = 64;

/// Selects series of a page by a metric and labels. Several that match are summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    metric: String,
    labels: Vec<(String, String)>,
    /// Whether it selects a counter's growth per second.
    pub is_rate: bool,
}

/// A text that is not a series.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at character {at} of the series; write NAME, NAME{{label=\"value\"}}, or rate(…) around either")]
pub struct InvalidSeries {
    /// The position of the mistake, in characters from 1.
    at: usize,
    what: &'static str,
}

impl Series {
    /// The sum of all matching series of a page; `None` if there is none, or one is not a number.
    #[must_use]
    pub fn sum(&self, page: &str) -> Option<f64> {
        let mut sum = None;
        for line in page.lines() {
            let Some(rest) = line.trim_start().strip_prefix(self.metric.as_str()) else { continue };
            if let Some(value) = self.value(rest) {
                sum = Some(sum.unwrap_or(0.0) + value);
            }
        }
        sum.filter(|sum: &f64| sum.is_finite())
    }

    /// The value in the rest of a line after the metric's name; `None` if it is another metric or does not match.
    fn value(&self, rest: &str) -> Option<f64> {
        let (labels, rest) = match rest.chars().next()? {
            '{' => read_labels(rest).ok()?,
            ' ' | '\t' => (Vec::new(), rest),
            _ => return None,
        };
        let fits = self.labels.iter().all(|wanted| labels.contains(wanted));
        // A timestamp may follow.
        if fits { rest.split_whitespace().next()?.parse().ok() } else { None }
    }
}

impl FromStr for Series {
    type Err = InvalidSeries;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let characters = |rest: &str| text.chars().count() - rest.chars().count() + 1;
        let wrong = |rest: &str, what| InvalidSeries { at: characters(rest), what };
        let text = text.trim_end();
        let (is_rate, inner) = match text.strip_prefix("rate(") {
            Some(inner) => (true, inner.strip_suffix(')').ok_or_else(|| wrong("", "no closing parenthesis"))?),
            None => (false, text),
        };
        let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let end = inner.find(|c| !in_name(c)).unwrap_or(inner.len());
        let (metric, rest) = inner.split_at_checked(end).unwrap_or((inner, ""));
        // Count the text after the inner text too.
        let behind = if is_rate { ")" } else { "" };
        let wrong = |rest: &str, what| wrong(&format!("{rest}{behind}"), what);
        if metric.is_empty() || metric.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(wrong(inner, "no name of a metric"));
        }
        let (labels, rest) = match rest.starts_with('{') {
            true => read_labels(rest).map_err(|(rest, what)| wrong(rest, what))?,
            false => (Vec::new(), rest),
        };
        if !rest.trim().is_empty() {
            return Err(wrong(rest, "something else"));
        }
        Ok(Self { metric: metric.to_owned(), labels, is_rate })
    }
}

type Labels = Vec<(String, String)>;

/// Parses `{name="value",…}`; returns the labels and the rest, or the place of the mistake and its description.
fn read_labels(text: &str) -> Result<(Labels, &str), (&str, &'static str)> {
    let mut rest = text.strip_prefix('{').ok_or((text, "no brace"))?;
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start().trim_start_matches(',').trim_start();
        if let Some(behind) = rest.strip_prefix('}') {
            return Ok((labels, behind));
        }
        if labels.len() == MOST_LABELS {
            return Err((rest, "more than 64 labels"));
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if name.is_empty() {
            return Err((rest, "no label and no closing brace"));
        }
        let behind = behind.trim_start();
        let quoted = behind.strip_prefix('=').ok_or((behind, "no ="))?.trim_start();
        let (value, behind) = unquoted(quoted.strip_prefix('"').ok_or((quoted, "no quote"))?)
            .ok_or((quoted, "a value without a closing quote"))?;
        labels.push((name.to_owned(), value));
        rest = behind;
    }
}

/// Parses a text up to its closing quote, with `\\`, `\"` and `\n` resolved; returns it and the rest.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGE: &str = "\
# HELP process_resident_memory_bytes Resident memory.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes{job=\"chat\",host=\"a\"} 5.5e+08
process_resident_memory_bytes{job=\"chat\",host=\"b\"} 1e8 1795737600000
process_resident_memory_bytes{job=\"other\"} 7
process_resident_memory_bytes_max 9
  up 1
odd{text=\"a \\\"quoted\\\" \\\\ }, line\\n\",} 3
odd{text=\"never ends 4
not_a_number NaN
requests_total{code=\"200\"} 12 # {trace_id=\"1\"} 0.67
";

    fn sum(series: &str) -> Option<f64> {
        series.parse::<Series>().unwrap().sum(PAGE)
    }

    #[test]
    fn series_that_fit_are_summed() {
        assert_eq!(sum("process_resident_memory_bytes"), Some(6.5e8 + 7.0));
        assert_eq!(sum("process_resident_memory_bytes{job=\"chat\"}"), Some(6.5e8));
        assert_eq!(sum("process_resident_memory_bytes{ host=\"b\", job=\"chat\" }"), Some(1e8));
        assert_eq!(sum("process_resident_memory_bytes{job=\"none\"}"), None);
        assert_eq!((sum("up"), sum("requests_total"), sum("not_a_number")), (Some(1.0), Some(12.0), None));
        assert_eq!(sum("odd{text=\"a \\\"quoted\\\" \\\\ }, line\\n\"}"), Some(3.0));
        assert!("rate(requests_total{code=\"200\"})".parse::<Series>().unwrap().is_rate);
        assert_eq!(sum("rate(requests_total)"), Some(12.0));
    }

    #[test]
    fn errors_point_at_the_character() {
        for (text, at) in [
            ("", 1),
            ("7up", 1),
            ("up{job}", 7),
            ("up{job=chat}", 8),
            ("up{job=\"chat}", 8),
            ("up{job=~\"chat\"}", 8),
            ("up{job=\"chat\"", 14),
            ("up down", 3),
            ("rate(up", 8),
            ("rate(up down)", 8),
        ] {
            assert_eq!(text.parse::<Series>().unwrap_err().at, at, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_page_and_any_text_are_read_or_refused(text in "\\PC{0,60}", page in "(up|[{}\"\\\\=, \\n#a1]|\\PC){0,200}") {
            let _ = text.parse::<Series>();
            let _ = "up{a=\"1\"}".parse::<Series>().unwrap().sum(&page);
        }
    }
}
