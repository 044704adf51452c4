//! The filters of templates, which work piece by piece: none needs the whole value at once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::drivers::file::error::nearest;

/// Takes text.
pub(in super::super) trait Sink {
    /// Appends a piece of text.
    fn push(&mut self, text: &str);
}

impl Sink for String {
    fn push(&mut self, text: &str) {
        self.push_str(text);
    }
}

/// The encoding of a value in the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) enum Filter {
    /// A JSON string, with its quotes.
    Json,
    /// Percent-encoded: everything but letters, digits and `-._~` (RFC 3986).
    Url,
    /// The five predefined entities of XML 1.0.
    Xml,
    /// Base 64 with padding (RFC 4648).
    Base64,
    /// The length in bytes of UTF-8.
    Len,
    /// Quoted for a regular expression; not available in files.
    Regex,
    /// Encoded as a form field; not available in files.
    Form,
}

const NAMES: [(&str, Filter); 5] = [
    ("json", Filter::Json),
    ("url", Filter::Url),
    ("xml", Filter::Xml),
    ("base64", Filter::Base64),
    ("len", Filter::Len),
];

impl Filter {
    pub(super) fn named(name: &str) -> Result<Self, (String, String)> {
        let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, filter)| *filter);
        known.ok_or_else(|| {
            let hint = nearest(name, NAMES.map(|(name, _)| name));
            (format!("unknown filter {name:?}{hint}"), Self::remedy())
        })
    }

    pub(super) fn remedy() -> String {
        format!("the filters are {}", NAMES.map(|(name, _)| name).join(", "))
    }

    /// Whether it maps characters one by one, so that parts of the result can be told apart.
    pub(super) fn keeps_readable(self) -> bool {
        !matches!(self, Self::Base64 | Self::Len)
    }

    /// Lets `write` write through the filter into `out`.
    pub(super) fn apply<T>(self, out: &mut dyn Sink, write: impl FnOnce(&mut dyn Sink) -> T) -> T {
        match self {
            Self::Json => {
                out.push("\"");
                let outcome = write(&mut Each { out, spell: json });
                out.push("\"");
                outcome
            }
            Self::Url => write(&mut Bytes { out, space: "%20" }),
            Self::Form => write(&mut Bytes { out, space: "+" }),
            Self::Xml => write(&mut Each { out, spell: xml }),
            Self::Regex => write(&mut Each { out, spell: regex }),
            Self::Base64 => {
                let mut sink = Base64 { out, kept: [0; 3], count: 0 };
                let outcome = write(&mut sink);
                sink.finish();
                outcome
            }
            Self::Len => {
                let mut sink = Count(0);
                let outcome = write(&mut sink);
                push_number(out, sink.0);
                outcome
            }
        }
    }
}

/// Lets `write` write through all filters, the first one first.
pub(super) fn chain(filters: &[Filter], out: &mut dyn Sink, write: &mut dyn FnMut(&mut dyn Sink)) {
    match filters.split_last() {
        None => write(out),
        Some((last, before)) => last.apply(out, |sink| chain(before, sink, write)),
    }
}

/// A text with the filters applied.
pub(super) fn applied(text: &str, filters: &[Filter]) -> String {
    let mut out = String::new();
    chain(filters, &mut out, &mut |sink| sink.push(text));
    out
}

/// Appends a number in decimal.
pub(super) fn push_number(out: &mut dyn Sink, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A remainder modulo ten is a digit.
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// Replaces some characters.
struct Each<'a> {
    out: &'a mut dyn Sink,
    /// The replacement of an ASCII character, if it has one.
    spell: fn(u8) -> Option<&'static str>,
}

impl Sink for Each<'_> {
    fn push(&mut self, text: &str) {
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            if let Some(spelling) = (self.spell)(byte) {
                self.out.push(&text[from..at]);
                self.out.push(spelling);
                from = at + 1;
            }
        }
        self.out.push(&text[from..]);
    }
}

fn json(byte: u8) -> Option<&'static str> {
    const CONTROL: [&str; 32] = [
        "\\u0000", "\\u0001", "\\u0002", "\\u0003", "\\u0004", "\\u0005", "\\u0006", "\\u0007", "\\b", "\\t", "\\n",
        "\\u000b", "\\f", "\\r", "\\u000e", "\\u000f", "\\u0010", "\\u0011", "\\u0012", "\\u0013", "\\u0014",
        "\\u0015", "\\u0016", "\\u0017", "\\u0018", "\\u0019", "\\u001a", "\\u001b", "\\u001c", "\\u001d", "\\u001e",
        "\\u001f",
    ];
    match byte {
        b'"' => Some("\\\""),
        b'\\' => Some("\\\\"),
        _ => CONTROL.get(usize::from(byte)).copied(),
    }
}

fn xml(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        b'\'' => Some("&apos;"),
        _ => None,
    }
}

/// The characters that `regex::escape` quotes.
fn regex(byte: u8) -> Option<&'static str> {
    const META: &str = "\\.+*?()|[]{}^$#&-~";
    const QUOTED: [&str; 18] = [
        "\\\\", "\\.", "\\+", "\\*", "\\?", "\\(", "\\)", "\\|", "\\[", "\\]", "\\{", "\\}", "\\^", "\\$", "\\#",
        "\\&", "\\-", "\\~",
    ];
    META.bytes().position(|meta| meta == byte).and_then(|at| QUOTED.get(at)).copied()
}

/// Percent-encoding of bytes.
struct Bytes<'a> {
    out: &'a mut dyn Sink,
    space: &'static str,
}

impl Sink for Bytes<'_> {
    fn push(&mut self, text: &str) {
        const DIGITS: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F"];
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                continue;
            }
            // Between two bytes of one character there is no text to push.
            self.out.push(text.get(from..at).unwrap_or_default());
            if byte == b' ' {
                self.out.push(self.space);
            } else {
                self.out.push("%");
                self.out.push(DIGITS[usize::from(byte >> 4)]);
                self.out.push(DIGITS[usize::from(byte & 15)]);
            }
            from = at + 1;
        }
        self.out.push(text.get(from..).unwrap_or_default());
    }
}

struct Base64<'a> {
    out: &'a mut dyn Sink,
    kept: [u8; 3],
    count: usize,
}

impl Base64<'_> {
    fn finish(&mut self) {
        let mut four = [0; 4];
        if let Ok(length) = STANDARD.encode_slice(&self.kept[..self.count], &mut four) {
            self.out.push(std::str::from_utf8(&four[..length]).unwrap_or_default());
        }
        self.count = 0;
    }
}

impl Sink for Base64<'_> {
    fn push(&mut self, text: &str) {
        for byte in text.bytes() {
            self.kept[self.count] = byte;
            self.count += 1;
            if self.count == self.kept.len() {
                self.finish();
            }
        }
    }
}

struct Count(u64);

impl Sink for Count {
    fn push(&mut self, text: &str) {
        self.0 += text.len() as u64;
    }
}
