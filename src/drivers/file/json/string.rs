//! JSON strings: their ends and their contents.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// The length of the string at the start of `bytes`, with both quotes, and whether it has escapes.
pub(super) fn skip(bytes: &[u8]) -> Option<(usize, bool)> {
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let (mut at, mut escaped) = (1, false);
    loop {
        at += plain(bytes.get(at..)?);
        match bytes.get(at)? {
            b'"' => return Some((at + 1, escaped)),
            b'\\' => {
                escaped = true;
                at += escape(bytes.get(at + 1..)?)?;
            }
            // A control character.
            _ => return None,
        }
    }
}

/// The length of a string's contents up to its quote; `None` if an escape or a mistake comes first.
pub(super) fn unescaped(bytes: &[u8]) -> Option<usize> {
    let length = plain(bytes);
    (bytes.get(length) == Some(&b'"')).then_some(length)
}

/// Number of bytes before the first quote, backslash or control character.
fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let special = special(u64::from_le_bytes(*chunk));
        if special != 0 {
            // A count of at most 64 bits.
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

/// Sets the high bit of each of eight bytes that is a quote, a backslash or a control character; exact up to the first.
fn special(chunk: u64) -> u64 {
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let control = chunk.wrapping_sub(ONES * 0x20) & !chunk;
    (zero(chunk ^ (ONES * u64::from(b'"'))) | zero(chunk ^ (ONES * u64::from(b'\\'))) | control) & HIGH
}

/// The length of an escape, its backslash included; `rest` is the text after the backslash.
fn escape(rest: &[u8]) -> Option<usize> {
    match rest.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => rest.get(1..5)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// Whether a raw value is a string.
pub(in super::super) fn is_string(raw: &str) -> bool {
    raw.starts_with('"')
}

/// Appends the contents of a raw string. False if it is not a string, or has half of a surrogate pair.
pub(in super::super) fn unescape(raw: &str, out: &mut String) -> bool {
    pieces(raw, |piece| {
        out.push_str(piece);
        true
    })
}

/// Whether the contents of a raw string equal `text`.
pub(in super::super) fn equals(raw: &str, text: &str) -> bool {
    let Some(inner) = inner(raw) else { return false };
    if inner == text {
        // Without escapes, equal bytes have equal contents.
        return memchr::memchr(b'\\', inner.as_bytes()).is_none();
    }
    // An escape is longer than the character that it encodes.
    if inner.len() <= text.len() || memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return false;
    }
    let mut rest = text;
    let same = pieces(raw, |piece| {
        let behind = rest.strip_prefix(piece);
        rest = behind.unwrap_or(rest);
        behind.is_some()
    });
    same && rest.is_empty()
}

fn inner(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"')
}

/// Calls `each` with the contents of a raw string, piece by piece, until it returns false.
fn pieces(raw: &str, mut each: impl FnMut(&str) -> bool) -> bool {
    let Some(mut rest) = inner(raw) else { return false };
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (plain, behind) = rest.split_at(at);
        let Some((c, behind)) = character(behind) else { return false };
        if !each(plain) || !each(c.encode_utf8(&mut [0; 4])) {
            return false;
        }
        rest = behind;
    }
    each(rest)
}

/// The character of an escape at the start of `text`, and the rest.
fn character(text: &str) -> Option<(char, &str)> {
    let simple = match text.as_bytes().get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return hex(text),
        c @ (b'"' | b'\\' | b'/') => char::from(*c),
        _ => return None,
    };
    Some((simple, text.get(2..)?))
}

fn hex(text: &str) -> Option<(char, &str)> {
    let (first, rest) = unit(text)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, rest));
    }
    let (second, rest) = unit(rest)?;
    let pair = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
    let c = pair.then(|| 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).and_then(char::from_u32)?;
    Some((c, rest))
}

/// A UTF-16 unit, as `\u` and four digits.
fn unit(text: &str) -> Option<(u32, &str)> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, text.get(6..)?))
}
