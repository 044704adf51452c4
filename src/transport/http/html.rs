//! HTML from untrusted servers: parsing within limits, and extraction of text.
//!
//! The parser's work can grow with the square of a hostile page, so it gets only pages of the size and structure of a
//! form.

use scraper::{CaseSensitivity, ElementRef, Html, Node};

use crate::model::{Failure, turns_direction};

/// Largest page that is parsed, in bytes; real forms are under 20 kB.
const PARSE_LIMIT: usize = 1 << 20;

/// Maximum number of tags: the parser scans all open elements at each tag.
const TAG_LIMIT: usize = 3_000;

/// Maximum number of attributes of a tag: the parser compares each with all before it.
const ATTRIBUTE_LIMIT: usize = 1_000;

/// Longest tag, in bytes.
const TAG_LENGTH_LIMIT: usize = 64 << 10;

/// Parses a page.
///
/// # Errors
/// Says why the page is not fit for the parser.
pub fn parse(body: &[u8]) -> Result<Html, &'static str> {
    match unfit(body) {
        Some(reason) => Err(reason),
        None => Ok(Html::parse_document(&String::from_utf8_lossy(body))),
    }
}

/// The text of a piece of HTML, by [`said`]; empty if it is too long.
#[must_use]
pub fn text(fragment: &str) -> String {
    if unfit(fragment.as_bytes()).is_some() {
        return String::new();
    }
    said(Html::parse_fragment(fragment).root_element()).collect()
}

/// Why a page is not fit for the parser, if it is not.
fn unfit(page: &[u8]) -> Option<&'static str> {
    if page.len() > PARSE_LIMIT {
        return Some("it is too large");
    }
    let mut tags = 0;
    for at in memchr::memchr_iter(b'<', page) {
        tags += 1;
        if tags > TAG_LIMIT {
            return Some("it has too many tags");
        }
        if page.get(at + 1).is_some_and(u8::is_ascii_alphabetic) && is_overloaded(&page[at + 1..]) {
            return Some("a tag is too long or has too many attributes");
        }
    }
    None
}

/// Whether the tag at the start of `page` exceeds its limits. It counts separators of attributes, so the tag may have
/// fewer attributes.
fn is_overloaded(page: &[u8]) -> bool {
    let (mut separators, mut quote, mut before) = (0, None, b' ');
    for &byte in page.iter().take(TAG_LENGTH_LIMIT) {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => continue,
            (None, b'"' | b'\'') if before == b'=' => quote = Some(byte),
            (None, b'>') => return false,
            (None, b'/' | b'"' | b'\'') => separators += 1,
            (None, _) if byte.is_ascii_whitespace() => separators += 1,
            (None, _) => {}
        }
        if separators > ATTRIBUTE_LIMIT {
            return true;
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    page.len() > TAG_LENGTH_LIMIT
}

/// The text of an element without its buttons, since an alert has a close button with a cross.
pub fn said<'a>(element: ElementRef<'a>) -> impl Iterator<Item = &'a str> {
    let is_button = |node: &Node| {
        node.as_element().is_some_and(|e| e.name() == "button" || e.has_class("close", CaseSensitivity::CaseSensitive))
    };
    element.descendants().filter_map(move |node| {
        let text = node.value().as_text()?;
        let mut inside = node.ancestors().take_while(|above| above.id() != element.id());
        (!inside.any(|above| is_button(above.value()))).then_some(&**text)
    })
}

/// Text that is safe for a terminal: bounded, with folded white space and without control and direction characters.
#[must_use]
pub fn plain<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    let mut room = Failure::DETAIL_LIMIT;
    for c in parts.flat_map(str::chars) {
        if room == 0 {
            break;
        }
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if !c.is_control() && !turns_direction(c) {
            out.push(c);
        } else {
            continue;
        }
        room -= 1;
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_over_the_limits_is_not_parsed() {
        let attributes: String = (0..=ATTRIBUTE_LIMIT).map(|n| format!(" a{n}='>'")).collect();
        for page in ["<div>".repeat(TAG_LIMIT + 1), " x".repeat(PARSE_LIMIT), format!("<a{attributes}>")] {
            assert!(parse(page.as_bytes()).is_err());
        }
    }
}
