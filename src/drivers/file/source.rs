//! Sources of values: frames or HTTP answers.
//!
//! Chained sources read the result of the one before. On frames nothing is allocated once the buffers have their size.

use std::ops::Range;

use http::{HeaderMap, HeaderName};
use scraper::{Html, Selector};

use super::json::{self, Found, Pointer, Query};
use super::pattern::{Groups, Pattern};
use super::xml;

/// A compiled source, with its chain.
#[derive(Debug, Clone)]
pub struct Source {
    links: Vec<Link>,
    xml: bool,
}

/// One step of a source.
#[derive(Debug, Clone)]
pub(super) enum Link {
    /// The value at a pointer; `slot` is set if the rule's own query finds it.
    Json { slot: Option<usize>, query: Query },
    /// A group of a regular expression of its own.
    Regex { pattern: Pattern, group: usize },
    /// A group of the rule's regular expression.
    Group(usize),
    /// The whole frame or body.
    Frame,
    /// An attribute of the first element that a selector finds, or its text.
    Css { selector: Box<Selector>, attribute: Option<Box<str>> },
    /// A header of the answer.
    Header(HeaderName),
    /// A cookie that the answer sets.
    Cookie(Box<str>),
}

impl Link {
    /// A link with its own query for a pointer.
    pub(super) fn json(pointer: &Pointer) -> Self {
        let mut query = Query::default();
        // An empty query has room for one.
        let _ = query.add(pointer);
        Self::Json { slot: None, query }
    }

    /// A link to a value that the rule's own query finds.
    pub(super) fn of_rule(slot: usize, pointer: &Pointer) -> Self {
        let mut query = Query::default();
        let _ = query.add(pointer);
        Self::Json { slot: Some(slot), query }
    }

    /// Whether only an HTTP answer has it.
    pub(super) fn needs_response(&self) -> bool {
        matches!(self, Self::Css { .. } | Self::Header(_) | Self::Cookie(_))
    }
}

/// A frame whose rule matched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) text: &'a str,
    /// Start of the text after the rule's prefix, in bytes.
    pub(super) offset: usize,
    pub(super) found: &'a Found,
    pub(super) groups: &'a Groups,
}

impl<'a> Frame<'a> {
    /// A text without looked-up values.
    pub(super) fn of(text: &'a str) -> Self {
        static NOTHING: (Found, Groups) = (Found::new(), Groups::new());
        Self { text, offset: 0, found: &NOTHING.0, groups: &NOTHING.1 }
    }
}

/// An answer over HTTP.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a str,
}

/// Buffers for intermediate texts.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    current: String,
    next: String,
    found: Found,
}

/// The result of a link: a part of its input, or a text that it wrote.
enum Extracted {
    Part(Range<usize>),
    Written,
}

impl Source {
    pub(super) fn new(links: Vec<Link>, xml: bool) -> Self {
        Self { links, xml }
    }

    /// The slot of the rule's own query with which it starts, if it does.
    pub(super) fn slot(&self) -> Option<usize> {
        match self.links.first() {
            Some(Link::Json { slot, .. }) => *slot,
            _ => None,
        }
    }

    /// The value in a frame; `None` if it is missing or `null`.
    pub(super) fn read<'s>(&self, frame: Frame<'s>, buffers: &'s mut Buffers) -> Option<&'s str> {
        let (mut written, mut range) = (false, 0..frame.text.len());
        for link in &self.links {
            let given = {
                let input =
                    if written { buffers.current.get(range.clone())? } else { frame.text.get(range.clone())? };
                buffers.next.clear();
                link.read(input, (!written).then_some(frame), &mut buffers.next, &mut buffers.found)?
            };
            take(given, &mut written, &mut range, buffers);
        }
        let value = if written { buffers.current.get(range.clone())? } else { frame.text.get(range.clone())? };
        if self.xml && memchr::memchr(b'&', value.as_bytes()).is_some() {
            buffers.next.clear();
            xml::unescape(value, &mut buffers.next);
            return Some(&buffers.next);
        }
        if written { buffers.current.get(range) } else { frame.text.get(range) }
    }

    /// The value in an answer; `None` if it is missing or `null`.
    #[must_use]
    pub fn read_response(&self, answer: Response<'_>) -> Option<String> {
        let first = self.links.first().filter(|link| link.needs_response());
        let input = first.map_or(Some(answer.body.to_owned()), |link| link.read_response(answer))?;
        let rest = self.links.get(usize::from(first.is_some())..).unwrap_or_default();
        let mut buffers = Buffers::default();
        Self { links: rest.to_vec(), xml: self.xml }.read(Frame::of(&input), &mut buffers).map(str::to_owned)
    }
}

/// Makes the result of a link the input of the next.
fn take(given: Extracted, written: &mut bool, range: &mut Range<usize>, buffers: &mut Buffers) {
    match given {
        Extracted::Part(part) => *range = range.start + part.start..range.start + part.end,
        Extracted::Written => {
            std::mem::swap(&mut buffers.current, &mut buffers.next);
            (*written, *range) = (true, 0..buffers.current.len());
        }
    }
}

impl Link {
    /// Reads `input`, which is all or a part of `frame`, if there is a frame.
    fn read(&self, input: &str, frame: Option<Frame<'_>>, out: &mut String, found: &mut Found) -> Option<Extracted> {
        match self {
            Self::Frame => Some(Extracted::Part(0..input.len())),
            Self::Group(group) => frame?.groups.get(*group).map(Extracted::Part),
            Self::Regex { pattern, group } => {
                let mut groups = Groups::default();
                pattern.search(input, &mut groups).then(|| groups.get(*group).map(Extracted::Part))?
            }
            Self::Json { slot, query } => match (slot, frame) {
                (Some(slot), Some(frame)) => {
                    let range = frame.found.range(*slot)?;
                    value(frame.text, frame.offset + range.start..frame.offset + range.end, out)
                }
                _ => {
                    let range = query.run(input, found).then(|| found.range(0)).flatten()?;
                    value(input, range, out)
                }
            },
            Self::Css { .. } | Self::Header(_) | Self::Cookie(_) => None,
        }
    }

    fn read_response(&self, answer: Response<'_>) -> Option<String> {
        match self {
            Self::Header(name) => answer.headers.get(name)?.to_str().ok().map(str::to_owned),
            Self::Cookie(name) => {
                let set = answer.headers.get_all(http::header::SET_COOKIE).iter();
                let pairs = set.filter_map(|header| header.to_str().ok()?.split(';').next()?.split_once('='));
                let mut named = pairs.filter(|(known, _)| known.trim() == &**name);
                named.next_back().map(|(_, value)| value.trim().to_owned())
            }
            Self::Css { selector, attribute } => {
                let page = Html::parse_document(answer.body);
                let element = page.select(selector).next()?;
                match attribute {
                    Some(name) => element.value().attr(name).map(str::to_owned),
                    None => Some(element.text().collect::<String>().trim().to_owned()),
                }
            }
            _ => None,
        }
    }
}

/// The text of a JSON value: of a string its contents, of anything else its spelling, of `null` nothing.
fn value(text: &str, range: Range<usize>, out: &mut String) -> Option<Extracted> {
    let raw = text.get(range.clone())?;
    if raw == "null" {
        return None;
    }
    if !json::is_string(raw) {
        return Some(Extracted::Part(range));
    }
    if memchr::memchr(b'\\', raw.as_bytes()).is_none() {
        return Some(Extracted::Part(range.start + 1..range.end - 1));
    }
    json::unescape(raw, out).then_some(Extracted::Written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(links: Vec<Link>) -> Source {
        Source::new(links, false)
    }

    fn json(pointer: &str) -> Link {
        Link::json(&Pointer::parse(pointer).unwrap())
    }

    fn regex(pattern: &str) -> Link {
        let pattern = Pattern::new(pattern).unwrap();
        Link::Regex { group: pattern.first_group(), pattern }
    }

    fn of_body(source: &Source, body: &str) -> Option<String> {
        source.read_response(Response { headers: &HeaderMap::new(), body })
    }

    #[test]
    fn json_gives_text_numbers_as_sent_and_objects_as_they_are() {
        let body = r#"{"s": "a\n\u00e9", "n": 1.50, "o": {"x": [1, 2]}, "t": true, "z": null}"#;
        for (pointer, expected) in [
            ("/s", Some("a\né")),
            ("/n", Some("1.50")),
            ("/o", Some("{\"x\": [1, 2]}")),
            ("/o/x/1", Some("2")),
            ("/t", Some("true")),
            ("/z", None),
            ("/missing", None),
        ] {
            assert_eq!(of_body(&source(vec![json(pointer)]), body).as_deref(), expected, "{pointer}");
        }
        assert_eq!(of_body(&source(vec![json("/s")]), "no json"), None);
    }

    #[test]
    fn sources_chain() {
        let body = r#"{"data": "{\"text\": \"id=\\\"7\\\";\", \"more\": \"{\\\"n\\\": 5}\"}"}"#;
        assert_eq!(of_body(&source(vec![json("/data"), json("/text")]), body).as_deref(), Some("id=\"7\";"));
        let chain = vec![json("/data"), json("/text"), regex("id=\"(\\d+)\"")];
        assert_eq!(of_body(&source(chain), body).as_deref(), Some("7"));
        let chain = vec![regex("\\{.*\\}"), json("/data"), json("/more"), json("/n")];
        assert_eq!(of_body(&source(chain), body).as_deref(), Some("5"));
    }

    #[test]
    fn an_answer_has_headers_cookies_and_elements() {
        let mut headers = HeaderMap::new();
        headers.insert("x-token", "t1".parse().unwrap());
        for cookie in ["a=1; Path=/", "csrf=old", "csrf=x=y; HttpOnly"] {
            headers.append("set-cookie", cookie.parse().unwrap());
        }
        let body = "<form><input name=csrf value='v&amp;1'><p id=m> hello <b>you</b> </p></form>";
        let answer = Response { headers: &headers, body };
        let css = |selector: &str, attribute: Option<&str>| Link::Css {
            selector: Box::new(Selector::parse(selector).unwrap()),
            attribute: attribute.map(Into::into),
        };
        for (link, expected) in [
            (Link::Header(HeaderName::from_static("x-token")), Some("t1")),
            (Link::Header(HeaderName::from_static("x-other")), None),
            (Link::Cookie("csrf".into()), Some("x=y")),
            (Link::Cookie("b".into()), None),
            (css("input[name=csrf]", Some("value")), Some("v&1")),
            (css("#m", None), Some("hello you")),
            (css("input", Some("nope")), None),
            (Link::Frame, Some(body)),
        ] {
            assert_eq!(source(vec![link.clone()]).read_response(answer).as_deref(), expected, "{link:?}");
        }
        let chained = source(vec![Link::Header(HeaderName::from_static("x-token")), regex("\\d")]);
        assert_eq!(chained.read_response(answer).as_deref(), Some("1"));
    }

    #[test]
    fn xml_is_decoded_last() {
        let decoding = Source::new(vec![json("/t")], true);
        assert_eq!(of_body(&decoding, r#"{"t": "a &lt;\u0026amp; b"}"#).as_deref(), Some("a <& b"));
        assert_eq!(of_body(&decoding, r#"{"t": "plain"}"#).as_deref(), Some("plain"));
    }
}
