//! Compiles sources and matchers.

use std::sync::Arc;

use http::HeaderName;
use scraper::Selector;

use super::parser::{Parser, constant, problem};
use super::section::{Section, entries, integer, texts};
use crate::drivers::file::error::{ParseError, nearest};
use crate::drivers::file::expectation::{Capture, Expectation};
use crate::drivers::file::json::{MOST_POINTERS, Pointer};
use crate::drivers::file::keys::MATCHER;
use crate::drivers::file::matcher::{Expected, Matcher, MatcherSlots, QuerySet};
use crate::drivers::file::names::{Problem, Scope};
use crate::drivers::file::pattern::Pattern;
use crate::drivers::file::source::{Link, Source};
use crate::drivers::file::template::Template;

const KINDS: [&str; 7] = ["json", "regex", "group", "css", "header", "cookie", "frame"];

/// The input of a source.
pub(super) enum From<'m> {
    /// A frame selected by a matcher.
    Frame(&'m Compiled),
    /// An answer over HTTP.
    Response,
    /// The output of a program.
    Output,
    /// An element of a list.
    Element,
}

/// A compiled matcher, with its slots and its pattern.
pub(super) struct Compiled {
    pub(super) matcher: Matcher,
    pub(super) places: MatcherSlots,
    sample: Option<Pattern>,
}

impl Parser {
    /// The matcher below a key, added to the queries of its set.
    pub(super) fn matcher(
        &self,
        section: &Section<'_>,
        key: &'static str,
        scope: &Scope,
        queries: &mut QuerySet,
    ) -> Result<Option<Compiled>, ParseError> {
        let Some(table) = section.inner(key, &MATCHER)? else { return Ok(None) };
        let keys = ["equals", "prefix", "contains", "regex", "json", "has"];
        match (keys.iter().any(|key| table.has(key)), table.has("any")) {
            (false, false) => {
                return Err(table.wrong_here("the matcher has no key", "name one, or write any = true for every frame"));
            }
            (true, true) => {
                return Err(
                    table.wrong("any", problem("any = true means every frame", "leave out either it or the rest"))
                );
            }
            _ => {}
        }
        let matcher = Matcher {
            equals: self.template(&table, "equals", scope)?,
            prefix: self.template(&table, "prefix", scope)?,
            contains: self.template(&table, "contains", scope)?,
            regex: self.pattern(&table, scope)?,
            json: self.values(&table, scope)?,
            has: self.pointers(&table)?,
        };
        self.compiled(&table, matcher, queries).map(Some)
    }

    fn pattern(&self, table: &Section<'_>, scope: &Scope) -> Result<Option<Template>, ParseError> {
        let compile = |text| self.names.compile_pattern(text, scope).map_err(|problem| table.wrong("regex", problem));
        table.text("regex").map(compile).transpose()
    }

    fn pointers(&self, table: &Section<'_>) -> Result<Vec<(Box<str>, Pointer)>, ParseError> {
        let texts = table.texts("has").into_iter();
        let read = |(text, at)| {
            let pointer = self.pointer(text).map_err(|problem| table.wrong_at(at, "has", problem))?;
            Ok((Box::from(text), pointer))
        };
        texts.map(read).collect()
    }

    /// A pointer, which may contain variables for the names of fields.
    fn pointer(&self, text: &str) -> Result<Pointer, Problem> {
        let remedy = "write a JSON pointer (RFC 6901) such as /0 or /data/text";
        Pointer::parse(&self.fixed(text)?).map_err(|why| (why, remedy.to_owned()))
    }

    fn compiled(&self, table: &Section<'_>, matcher: Matcher, queries: &mut QuerySet) -> Result<Compiled, ParseError> {
        let sample = matcher.sample().transpose().map_err(|why| {
            let remedy = "correct it; variables are written {{name}}, and their values are quoted".to_owned();
            table.wrong("regex", (format!("not a valid regular expression: {why}"), remedy))
        })?;
        let places = matcher.enter(queries).ok_or_else(|| table.wrong("json", too_many()))?;
        Ok(Compiled { matcher, places, sample })
    }

    /// An expectation: a matcher with its own queries, and the captures from its frame.
    pub(super) fn expectation(
        &self,
        section: &Section<'_>,
        key: &'static str,
        scope: &Scope,
        captures: bool,
    ) -> Result<Option<Arc<Expectation>>, ParseError> {
        let mut queries = QuerySet::default();
        let Some(compiled) = self.matcher(section, key, scope, &mut queries)? else { return Ok(None) };
        let captures =
            if captures { self.captures(section, &From::Frame(&compiled), &mut queries)? } else { Vec::new() };
        let Compiled { matcher, places, .. } = compiled;
        Ok(Some(Arc::new(Expectation::new(matcher, queries, places, captures))))
    }

    /// An expectation of a text that a body contains.
    pub(super) fn containing(&self, contains: Template) -> Arc<Expectation> {
        let matcher = Matcher { contains: Some(contains), ..Matcher::default() };
        let mut queries = QuerySet::default();
        let places = matcher.enter(&mut queries).unwrap_or_default();
        Arc::new(Expectation::new(matcher, queries, places, Vec::new()))
    }

    fn values(&self, table: &Section<'_>, scope: &Scope) -> Result<Vec<(Box<str>, Pointer, Expected)>, ParseError> {
        let mut values = Vec::new();
        for (path, value, at) in table.entries("json") {
            let pointer = self.pointer(path).map_err(|problem| table.wrong_at(at, "json", problem))?;
            let value = value.get_ref();
            let expected = if let Some(text) = value.as_str() {
                let template = self.compile(text, scope).map_err(|problem| table.wrong_at(at, "json", problem))?;
                Expected::Text(template)
            } else if let Some(number) = integer(value) {
                Expected::Integer(number)
            } else if let Some(number) = value.as_float() {
                Expected::Float(number.as_str().parse().unwrap_or(f64::NAN))
            } else {
                Expected::Boolean(value.as_bool() == Some(true))
            };
            values.push((path.into(), pointer, expected));
        }
        Ok(values)
    }

    /// The captures of a step or rule.
    pub(super) fn captures(
        &self,
        section: &Section<'_>,
        from: &From<'_>,
        queries: &mut QuerySet,
    ) -> Result<Vec<Capture>, ParseError> {
        let Some(table) = section.get("capture").and_then(|value| value.get_ref().as_table()) else {
            return Ok(Vec::new());
        };
        let mut captures = Vec::new();
        for (at, (name, value, _)) in (0..).zip(entries(table)) {
            let wrong = |problem| section.wrong_at(value.span().start, "capture", problem);
            let source = self.source(&texts(value), false, from, queries).map_err(|(_, problem)| wrong(problem))?;
            let slot = self.names.slot_of(name).unwrap_or(at);
            captures.push(Capture { name: name.into(), slot, source });
        }
        Ok(captures)
    }

    /// The source of a key, if there is one.
    pub(super) fn source_of(
        &self,
        section: &Section<'_>,
        key: &str,
        from: &From<'_>,
        queries: &mut QuerySet,
    ) -> Result<Option<Source>, ParseError> {
        if !section.has(key) {
            return Ok(None);
        }
        let xml = section.text("decode") == Some("xml");
        let source = self.source(&section.texts(key), xml, from, queries);
        source.map(Some).map_err(|(at, problem)| section.wrong_at(at, key, problem))
    }

    fn source(
        &self,
        texts: &[(&str, usize)],
        xml: bool,
        from: &From<'_>,
        queries: &mut QuerySet,
    ) -> Result<Source, (usize, Problem)> {
        let mut links = Vec::new();
        for (text, at) in texts {
            let link = self.link(text, links.is_empty(), from, queries).map_err(|problem| (*at, problem))?;
            links.push(link);
        }
        if links.is_empty() {
            return Err((0, problem("the list of sources is empty", "name a source such as \"json:/text\"")));
        }
        Ok(Source::new(links, xml))
    }

    fn link(&self, text: &str, first: bool, from: &From<'_>, queries: &mut QuerySet) -> Result<Link, Problem> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let link = match kind {
            "json" => self.json_link(rest, first, from, queries)?,
            "regex" => self.regex_link(rest)?,
            "group" => Link::Group(group(rest, first, from)?),
            "css" => css(&self.fixed(rest)?)?,
            "header" => Link::Header(header(&self.fixed(rest)?)?),
            "cookie" if !rest.is_empty() => Link::Cookie(self.fixed(rest)?.into()),
            "cookie" => return Err(problem("cookie: names no cookie", "write cookie:NAME")),
            "frame" if rest.is_empty() => Link::Frame,
            _ => return Err(unknown(text, kind)),
        };
        let answer = matches!(from, From::Response);
        if link.needs_response() && !(first && answer) {
            let remedy = if answer { "put it first in the list" } else { "take json:, regex:, group: or frame" };
            return Err((format!("{kind}: reads an answer over HTTP, and there is none here"), remedy.to_owned()));
        }
        Ok(link)
    }

    fn json_link(&self, path: &str, first: bool, from: &From<'_>, queries: &mut QuerySet) -> Result<Link, Problem> {
        let pointer = self.pointer(path)?;
        match from {
            From::Frame(compiled) if first => {
                let query = queries.behind(compiled.matcher.prefix.as_ref());
                let slot = queries.slot(query, &pointer).ok_or_else(too_many)?;
                Ok(Link::of_rule(slot, &pointer))
            }
            _ => Ok(Link::json(&pointer)),
        }
    }

    fn regex_link(&self, pattern: &str) -> Result<Link, Problem> {
        let pattern = constant(&self.names.compile_pattern(pattern, &Scope::default())?)?;
        let pattern = Pattern::new(&pattern).map_err(|why| {
            (format!("not a valid regular expression: {why}"), "correct the pattern behind regex:".to_owned())
        })?;
        Ok(Link::Regex { group: pattern.first_group(), pattern })
    }
}

fn unknown(text: &str, kind: &str) -> Problem {
    let hint = if text.starts_with('/') { ", did you mean json:/…?".to_owned() } else { nearest(kind, KINDS) };
    let remedy = "sources are json:/pointer, regex:…, group:name, css:selector@attribute, header:…, cookie:…, frame";
    (format!("unknown source {text:?}{hint}"), remedy.to_owned())
}

/// A group of the rule's own pattern.
fn group(name: &str, first: bool, from: &From<'_>) -> Result<usize, Problem> {
    let needs = "group: reads a named group (?P<name>…) of the rule's regex";
    let From::Frame(Compiled { sample: Some(pattern), .. }) = from else {
        return Err((needs.to_owned(), "add a regex to the matcher, or take another source".to_owned()));
    };
    if !first {
        return Err((needs.to_owned(), "put it first in the list".to_owned()));
    }
    pattern.group(name).ok_or_else(|| {
        let names: Vec<&str> = pattern.names().flatten().collect();
        let hint = nearest(name, names.iter().copied());
        let known =
            if names.is_empty() { "the regex has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        (format!("the regex has no group {name:?}{hint}"), known)
    })
}

fn css(text: &str) -> Result<Link, Problem> {
    let (selector, attribute) = match text.rsplit_once('@') {
        Some((selector, attribute)) => (selector, Some(attribute.into())),
        None => (text, None),
    };
    let selector = Selector::parse(selector).map_err(|_| {
        (format!("{selector:?} is not a CSS selector"), "write css:input[name=csrf]@value, for example".to_owned())
    })?;
    Ok(Link::Css { selector: Box::new(selector), attribute })
}

/// A header's name.
pub(super) fn header(name: &str) -> Result<HeaderName, Problem> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| (format!("{name:?} cannot name a header"), "use letters, digits and -".to_owned()))
}

fn too_many() -> Problem {
    (format!("more than {MOST_POINTERS} JSON pointers"), "use fewer".to_owned())
}
