//! Parses the durations of protocol files.

use std::time::Duration;

/// Longest duration.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Parses `45s`, `1.5s`, `300ms`, `2m` or `1h`; not zero, and at most a day.
///
/// # Errors
/// Says why the text is not such a duration.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration");
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number = number.trim();
    if !number.bytes().all(|b| b == b'.' || b.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let length = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
    if length < Duration::from_millis(1) || length > LONGEST {
        return Err(format!("{text:?} is not between 1ms and 24h"));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in
            [("45s", 45_000), ("0.3s", 300), ("1.5 s", 1500), ("25000ms", 25_000), ("2m", 120_000), ("24h", 86_400_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "45",
            "s",
            "-1s",
            "1e3s",
            "0s",
            "25h",
            "1d",
            "infs",
            "NaNs",
            "1s2",
            "1.2.3s",
            "99999999999999999999999h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
