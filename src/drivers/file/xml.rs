//! Decodes character references of XML 1.0.

/// Appends `text` with its references decoded: the five predefined entities, and characters by number. Everything else
/// stays as it is.
pub(super) fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('&') {
        out.push_str(plain);
        let known = behind.split_once(';').and_then(|(name, behind)| Some((character(name)?, behind)));
        match known {
            Some((c, behind)) => {
                out.push(c);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
            let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
            plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten().and_then(char::from_u32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_the_rest_stays() {
        for (text, expected) in [
            ("a &amp; b &lt; c &gt; d &quot; e &apos; f", "a & b < c > d \" e ' f"),
            ("&#65;&#x42;&#x1F600;", "AB😀"),
            ("&amp;lt;", "&lt;"),
            ("a & b &nope; &#xD800; &#+65; &#; &", "a & b &nope; &#xD800; &#+65; &#; &"),
            ("", ""),
        ] {
            let mut out = String::new();
            unescape(text, &mut out);
            assert_eq!(out, expected, "{text}");
        }
    }
}
