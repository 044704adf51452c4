//! JSON as the original application writes it: `", "` and `": "` between parts, ASCII only.
//!
//! Knows no frame; it only spells values.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The spelling of Python's `json.dumps`.
struct Dumps;

impl Formatter for Dumps {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.is_ascii() {
            return out.write_all(fragment.as_bytes());
        }
        let mut units = [0_u16; 2];
        for letter in fragment.chars() {
            if letter.is_ascii() {
                out.write_all(&[letter as u8])?;
            } else {
                for unit in letter.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// Spells `value`. A value that cannot be JSON (none of the server's can fail) becomes `null`.
pub(super) fn dumps<T: Serialize + ?Sized>(value: &T) -> String {
    let mut out = Vec::with_capacity(256);
    if value.serialize(&mut Serializer::with_formatter(&mut out, Dumps)).is_err() {
        return "null".to_owned();
    }
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_spells_json_like_python() {
        let value = serde_json::json!({"a": [1, "caf\u{e9} \u{1f600} \"q\" </b>", null]});
        assert_eq!(dumps(&value), r#"{"a": [1, "caf\u00e9 \ud83d\ude00 \"q\" </b>", null]}"#);
    }

    #[test]
    fn dumps_round_trips() {
        let value = serde_json::json!({"k\u{e9}y": "\u{0}\u{1f}\u{7f}\u{80}\u{ffff}\u{10ffff}\\/\n"});
        assert_eq!(serde_json::from_str::<serde_json::Value>(&dumps(&value)).unwrap(), value);
    }
}
