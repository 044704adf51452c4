//! Formats numbers for people: grouped counts, percentages, times, sizes, rates.

/// A count with grouped thousands: `240,000`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A fraction in per cent: `2.3 %`. Shows 0 or 100 only for exactly that.
#[must_use]
pub fn percent(part: f64) -> String {
    let per_cent = part * 100.0;
    if per_cent > 0.0 && per_cent < 0.01 {
        "under 0.01 %".to_owned()
    } else if per_cent < 100.0 && per_cent > 99.99 {
        "over 99.99 %".to_owned()
    } else if per_cent == per_cent.trunc() {
        format!("{per_cent:.0} %")
    } else if (0.1..99.9).contains(&per_cent) {
        format!("{per_cent:.1} %")
    } else {
        format!("{per_cent:.2} %")
    }
}

/// A limit in per cent, with all its digits: `0.15 %`.
#[must_use]
pub fn limit(part: f64) -> String {
    let text = format!("{:.7}", part * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A fraction in per cent, with enough digits to show that it is over a limit: `1.01 %`.
#[must_use]
pub fn percent_over(part: f64, limit: f64) -> String {
    let usual = percent(part);
    let shows = |text: &str| {
        let shown = text.trim_end_matches(" %").parse::<f64>().map(|per_cent| per_cent / 100.0);
        shown.is_ok_and(|shown| shown > limit + 1e-12 && (shown < 1.0 || part >= 1.0))
    };
    if part <= limit || limit <= 0.0 || shows(&usual) {
        return usual;
    }
    let longer = (2..=9).map(|digits| format!("{:.digits$} %", part * 100.0));
    longer.into_iter().find(|text| shows(text)).unwrap_or(usual)
}

/// A fraction in per cent, with enough digits to show that it is under a limit: `99.89 %`.
#[must_use]
pub fn percent_under(part: f64, limit: f64) -> String {
    let usual = percent(part);
    let shows = |text: &str| {
        let shown = text.trim_end_matches(" %").parse::<f64>().map(|per_cent| per_cent / 100.0);
        shown.is_ok_and(|shown| shown < limit - 1e-12)
    };
    if part >= limit || shows(&usual) {
        return usual;
    }
    let longer = (2..=9).map(|digits| format!("{:.digits$} %", part * 100.0));
    longer.into_iter().find(|text| shows(text)).unwrap_or(usual)
}

/// A time to delivery, with enough digits to show that it is over a limit.
#[must_use]
pub fn latency_over(seconds: f64, limit: f64) -> String {
    let usual = latency(seconds);
    if seconds > limit && usual == latency(limit) {
        return format!("{} µs", count((seconds * 1e6).round() as u64));
    }
    usual
}

/// A part of a whole in per cent; 0 of 0 is 0.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 { percent(0.0) } else { percent(part as f64 / whole as f64) }
}

/// A time to delivery in three digits: `850 µs`, `12.3 ms`, `1.25 s`.
#[must_use]
pub fn latency(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 0.001 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    format!("{} {unit}", digits(value))
}

/// A span of time, given in seconds, in its two largest units: `1m 30s`.
#[must_use]
pub fn span(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{} s", digits((seconds.max(0.0) * 10.0).round() / 10.0));
    }
    let seconds = seconds.round() as u64;
    let parts = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let largest = parts.iter().position(|(n, _)| *n > 0).unwrap_or(parts.len() - 1);
    let shown = parts.iter().skip(largest).take(2).filter(|(n, _)| *n > 0);
    shown.map(|(n, unit)| format!("{n}{unit}")).collect::<Vec<_>>().join(" ")
}

/// The time of day of a moment in seconds since 1970-01-01T00:00:00Z: `03:12:05`, in UTC.
#[must_use]
pub fn clock(seconds: u64) -> String {
    let of_day = seconds % 86_400;
    format!("{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

/// A size in decimal units: `85 kB`, `1.2 GB`.
#[must_use]
pub fn bytes(n: f64) -> String {
    let (value, unit) = match n {
        n if n < 1e3 => (n, "B"),
        n if n < 1e6 => (n / 1e3, "kB"),
        n if n < 1e9 => (n / 1e6, "MB"),
        n if n < 1e12 => (n / 1e9, "GB"),
        n => (n / 1e12, "TB"),
    };
    format!("{} {unit}", digits(value))
}

/// A rate: `0.05/s`, `20/s`, `4,000/s`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    format!("{}/s", digits(per_second))
}

/// Makes a text from elsewhere safe to print: escapes control characters, which terminals obey, and
/// those that change the direction of writing.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => out.extend(c.escape_default()),
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.extend(c.escape_unicode())
            }
            c => out.push(c),
        }
    }
    out
}

/// Three significant digits, more for large whole numbers, without trailing zeros.
fn digits(value: f64) -> String {
    if value >= 99.95 {
        return count(value.round() as u64);
    }
    let text = match value {
        v if v >= 9.995 => format!("{v:.1}"),
        v if v >= 0.095 || v == 0.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        let shown: Vec<String> = [0, 999, 1_000, 240_000, 1_234_567].into_iter().map(count).collect();
        assert_eq!(shown, ["0", "999", "1,000", "240,000", "1,234,567"]);
    }

    #[test]
    fn percentages_never_hide_a_little() {
        let shown: Vec<String> = [0.0, 1e-6, 0.0005, 0.023, 0.5, 0.99999, 1.0].into_iter().map(percent).collect();
        assert_eq!(shown, ["0 %", "under 0.01 %", "0.05 %", "2.3 %", "50 %", "over 99.99 %", "100 %"]);
        assert_eq!(share(0, 0), "0 %");
    }

    #[test]
    fn what_is_over_a_limit_has_the_digits_that_show_it() {
        assert_eq!(percent_over(42.0 / 4_146.0, 0.01), "1.01 %");
        assert_eq!(percent_over(2_401.0 / 240_000.0, 0.01), "1.0004 %");
        assert_eq!(percent_over(0.000_02, 0.000_01), "0.002 %");
        assert_eq!(percent_over(0.999_999, 0.9999), "99.9999 %");
        assert_eq!([percent_over(0.054, 0.05), percent_over(1e-6, 0.0)], ["5.4 %", "under 0.01 %"]);
        assert_eq!(percent_over(0.01, 0.01), "1 %", "not over it");
        assert_eq!([percent_under(0.9989, 0.999), percent_under(0.9496, 0.95)], ["99.89 %", "94.96 %"]);
        assert_eq!([percent_under(0.5, 0.95), percent_under(0.96, 0.95)], ["50 %", "96 %"]);
        assert_eq!([0.01, 0.0015, 0.07, 1.0, 0.0].map(limit), ["1 %", "0.15 %", "7 %", "100 %", "0 %"]);
        assert_eq!([latency_over(0.010_04, 0.01), latency_over(0.02, 0.01)], ["10,040 µs", "20 ms"]);
    }

    #[test]
    fn latencies_choose_their_unit() {
        let shown: Vec<String> = [0.000_85, 0.0123, 0.25, 1.25, 61.0].into_iter().map(latency).collect();
        assert_eq!(shown, ["850 µs", "12.3 ms", "250 ms", "1.25 s", "61 s"]);
    }

    #[test]
    fn spans_show_two_units() {
        let shown: Vec<String> = [0.0, 1.5, 60.0, 90.0, 3_661.0, 90_000.0].into_iter().map(span).collect();
        assert_eq!(shown, ["0 s", "1.5 s", "1m", "1m 30s", "1h 1m", "1d 1h"]);
    }

    #[test]
    fn times_of_day_are_in_utc() {
        assert_eq!([0, 86_399, 1_793_872_800].map(clock), ["00:00:00", "23:59:59", "10:00:00"]);
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(plain("a\u{1b}[2J\r\n\u{9b}1m\u{202e}b"), "a\\u{1b}[2J\\r\\n\\u{9b}1m\\u{202e}b");
        assert_eq!(plain("loadtest0, ä, 日本"), "loadtest0, ä, 日本");
    }

    #[test]
    fn sizes_and_rates() {
        assert_eq!(bytes(14_000_000.0), "14 MB");
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(rate(0.05), "0.05/s");
        assert_eq!(rate(4_000.0), "4,000/s");
        assert_eq!(rate(19.98), "20/s");
        assert_eq!(rate(20.0), "20/s");
    }
}
