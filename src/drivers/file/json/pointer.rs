//! JSON pointers, RFC 6901.

/// Maximum number of tokens of a pointer; each is a step of recursion.
const MOST_TOKENS: usize = 32;

/// A parsed JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in super::super) struct Pointer {
    tokens: Vec<Box<str>>,
}

impl Pointer {
    /// Parses a pointer; the empty text means the whole document.
    ///
    /// # Errors
    /// Says why the text is not a pointer.
    pub(in super::super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self { tokens: Vec::new() });
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("the JSON pointer {text:?} does not begin with /"));
        };
        let tokens = rest.split('/').map(|token| unescape(token, text)).collect::<Result<Vec<_>, _>>()?;
        if tokens.len() > MOST_TOKENS {
            return Err(format!("the JSON pointer has more than {MOST_TOKENS} parts"));
        }
        Ok(Self { tokens })
    }

    pub(super) fn tokens(&self) -> &[Box<str>] {
        &self.tokens
    }
}

/// A token with `~1` and `~0` decoded as `/` and `~`.
fn unescape(token: &str, pointer: &str) -> Result<Box<str>, String> {
    let mut parts = token.split('~');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (c, rest) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (_, Some(rest)) => ('/', rest),
            _ => return Err(format!("in the JSON pointer {pointer:?}, ~ is not followed by 0 or 1")),
        };
        out.push(c);
        out.push_str(rest);
    }
    Ok(out.into())
}

/// The array index of a token, if it is one: digits without a leading zero.
pub(super) fn index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|b| b.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    plain.then(|| token.parse().ok()).flatten()
}
