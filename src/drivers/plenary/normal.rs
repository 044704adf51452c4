//! JSON in the spelling that the readers know: what JavaScript reads alike is made alike.
//!
//! Of keys that come twice the last counts, and a whole number is one however it is spelled
//! (`11.0`, `1.1e1`). It is asked only for what could not be read as it stands.

use serde_json::{Number, Value};

/// The longest text that is read again, in bytes: a parsed value takes up to 32 times as much.
const LIMIT: usize = 1 << 20;

/// The same text in the common spelling; `None` if it is no JSON, or too long.
pub(super) fn text(text: &str) -> Option<String> {
    if text.len() > LIMIT {
        return None;
    }
    let value = serde_json::from_str(text).ok()?;
    serde_json::to_string(&normal(value)).ok()
}

/// The value that `json` begins with, in the common spelling; `None` as for [`text`].
pub(super) fn value_at(json: &[u8]) -> Option<Value> {
    let json = json.get(..LIMIT).unwrap_or(json);
    serde::Deserialize::deserialize(&mut serde_json::Deserializer::from_slice(json)).ok().map(normal)
}

fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(&number).unwrap_or(number)),
        Value::Array(list) => Value::Array(list.into_iter().map(normal).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, normal(value))).collect()),
        other => other,
    }
}

/// A number with a fraction of zero as an integer, as far as a double is exact.
fn whole(number: &Number) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT)?;
    // The text of a double without a fraction is that of an integer.
    format!("{float:.0}").parse::<i64>().ok().map(Number::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_keys_counts_and_whole_numbers_are_integers() {
        assert_eq!(text(r#"{"a":1,"a":2.0}"#).unwrap(), r#"{"a":2}"#);
        assert_eq!(text("[11.0, 1.1e1, -3.0, 0.5, 1e300, -0.0]").unwrap(), "[11,11,-3,0.5,1e+300,0]");
        assert_eq!(text("{").as_deref(), None);
        assert_eq!(text(&format!("\"{}\"", "x".repeat(LIMIT))), None);
        assert_eq!(text(&"[".repeat(10_000)), None);
        assert_eq!(value_at(b"{\"a\": 1.0}; rest").unwrap().to_string(), r#"{"a":1}"#);
    }
}
