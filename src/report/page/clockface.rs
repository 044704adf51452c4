//! Times as people read them: UTC, with the day if the run has several.

use std::time::{Duration, UNIX_EPOCH};

use humantime::{format_rfc3339_seconds, parse_rfc3339_weak};

use crate::report::summary::Summary;

/// The last second of the year 9999.
const LAST: f64 = 253_402_300_799.0;
/// Seconds of a day.
const DAY: f64 = 86_400.0;
/// 1970-01-01 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// How the times of one run are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clockface {
    /// `03:12`: all on one day.
    Hours,
    /// `Sat 03:12`: within a week.
    Weekdays,
    /// `2026-11-28 03:12`.
    Dates,
}

impl Clockface {
    /// For a run, and the starts of its first and its last slice.
    pub(super) fn of(summary: &Summary, slices: Option<(u64, u64)>) -> Self {
        let (mut first, mut last) = span(summary);
        if let Some((earliest, latest)) = slices {
            (first, last) = (first.min(seconds(earliest)), last.max(seconds(latest)));
        }
        let days = (last / DAY).floor() - (first / DAY).floor();
        match days {
            d if d < 1.0 => Self::Hours,
            d if d < 6.0 => Self::Weekdays,
            _ => Self::Dates,
        }
    }

    /// A moment, to the minute.
    pub(super) fn time(self, at: f64) -> String {
        let text = utc(at);
        let hours = text.get(11..16).unwrap_or_default();
        match self {
            Self::Hours => hours.to_owned(),
            Self::Weekdays => format!("{} {hours}", weekday(at)),
            Self::Dates => format!("{} {hours}", text.get(..10).unwrap_or_default()),
        }
    }

    /// A span, to the minute: `Sat 03:12–03:15`.
    pub(super) fn span(self, from: f64, to: f64) -> String {
        let (first, last) = (self.time(from), self.time(to));
        if self != Self::Hours && (from / DAY).floor() == (to / DAY).floor() {
            return format!("{first}–{}", Self::Hours.time(to));
        }
        format!("{first}–{last}")
    }
}

/// A moment to the second: `2026-11-28 03:12:07 UTC`.
pub(super) fn whole(at: f64) -> String {
    let text = utc(at);
    format!("{} {} UTC", text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default())
}

/// When a run started and ended, in seconds since 1970; 0 if its file does not say.
pub(super) fn span(summary: &Summary) -> (f64, f64) {
    let began = read(&summary.run.started).unwrap_or(0.0);
    let took = summary.run.duration_seconds;
    (began, if took.is_finite() { (began + took.max(0.0)).min(LAST) } else { began })
}

/// An RFC 3339 time in seconds since 1970; `None` if the text is not one.
pub(super) fn read(text: &str) -> Option<f64> {
    let at = parse_rfc3339_weak(text).ok()?;
    at.duration_since(UNIX_EPOCH).ok().map(|at| at.as_secs_f64())
}

/// Whole seconds as a number to compute with.
#[allow(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
pub(super) fn seconds(whole: u64) -> f64 {
    whole as f64
}

fn utc(at: f64) -> String {
    let at = if at.is_finite() { at.clamp(0.0, LAST) } else { 0.0 };
    format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs_f64(at)).to_string()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn weekday(at: f64) -> &'static str {
    let day = (at.clamp(0.0, LAST) / DAY) as usize;
    WEEKDAYS.get(day % 7).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_day_only_where_there_are_several() {
        // 2026-11-28, a Saturday.
        let at = 1_795_835_520.0;
        assert_eq!(Clockface::Hours.time(at), "03:12");
        assert_eq!(Clockface::Weekdays.span(at, at + 180.0), "Sat 03:12–03:15");
        assert_eq!(Clockface::Weekdays.span(at - 4.0 * 3_600.0, at), "Fri 23:12–Sat 03:12");
        assert_eq!(Clockface::Dates.time(at), "2026-11-28 03:12");
        assert_eq!(whole(at), "2026-11-28 03:12:00 UTC");
        for odd in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert_eq!(whole(odd).len(), 23, "{odd}");
        }
    }
}
