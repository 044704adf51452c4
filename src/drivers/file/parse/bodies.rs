//! The bodies and headers of requests.

use http::HeaderName;
use toml::de::DeValue;

use super::parser::{Parser, problem};
use super::section::{Section, entries};
use super::sources::header;
use crate::drivers::file::description::Body;
use crate::drivers::file::error::ParseError;
use crate::drivers::file::names::{Problem, Scope};
use crate::drivers::file::template::{Filter, Template};

/// Headers that the transport writes, and the advice for each.
const RESERVED: [(&str, &str); 10] = [
    ("host", "it comes from the target's URL"),
    ("connection", "leave it out"),
    ("upgrade", "leave it out"),
    ("content-length", "leave it out"),
    ("transfer-encoding", "leave it out"),
    ("sec-websocket-key", "leave it out"),
    ("sec-websocket-version", "leave it out"),
    ("sec-websocket-extensions", "use --compression"),
    ("sec-websocket-protocol", "use subprotocols"),
    ("te", "leave it out"),
];

impl Parser {
    /// The body of a request.
    pub(super) fn body(&self, section: &Section<'_>, scope: &Scope) -> Result<Body, ParseError> {
        match (section.has("form"), section.has("json")) {
            (true, true) => Err(section.wrong("json", problem("a request has one body", "leave out form or json"))),
            (true, false) => self.form(section, scope).map(Body::Form),
            (false, true) => self.json(section, scope).map(Body::Json),
            (false, false) => Ok(Body::Empty),
        }
    }

    fn form(&self, section: &Section<'_>, scope: &Scope) -> Result<Template, ParseError> {
        let mut form = Template::default();
        for (at, (name, value, place)) in section.entries("form").into_iter().enumerate() {
            let text = value.get_ref().as_str().unwrap_or_default();
            let field = self.compile(text, scope).map_err(|problem| section.wrong_at(place, "form", problem))?;
            form.push_literal(if at > 0 { "&" } else { "" }, false);
            form.push_template(Template::literal(name), vec![Filter::Form]);
            form.push_literal("=", false);
            form.push_template(field, vec![Filter::Form]);
        }
        Ok(form)
    }

    fn json(&self, section: &Section<'_>, scope: &Scope) -> Result<Template, ParseError> {
        if let Some(whole) = self.template(section, "json", scope)? {
            return Ok(whole);
        }
        let mut body = Template::default();
        if let Some(value) = section.get("json") {
            let written = self.value(value.get_ref(), scope, &mut body);
            written.map_err(|problem| section.wrong("json", problem))?;
        }
        Ok(body)
    }

    /// Appends a TOML value as JSON; texts are templates.
    fn value(&self, value: &DeValue<'_>, scope: &Scope, body: &mut Template) -> Result<(), Problem> {
        match value {
            DeValue::String(text) => body.push_template(self.compile(text, scope)?, vec![Filter::Json]),
            DeValue::Integer(_) => {
                let number = super::section::integer(value);
                let number = number.ok_or_else(|| problem("a number is out of range", "write it as a text"))?;
                body.push_literal(&number.to_string(), false);
            }
            DeValue::Float(number) => {
                let number: f64 = number.as_str().replace('_', "").parse().unwrap_or(f64::NAN);
                if !number.is_finite() {
                    return Err(problem("JSON has no such number", "write a finite number, or a text"));
                }
                body.push_literal(&number.to_string(), false);
            }
            DeValue::Boolean(on) => body.push_literal(&on.to_string(), false),
            DeValue::Datetime(moment) => {
                body.push_template(Template::literal(&moment.to_string()), vec![Filter::Json]);
            }
            DeValue::Array(items) => {
                body.push_literal("[", false);
                for (at, item) in items.iter().enumerate() {
                    body.push_literal(if at > 0 { "," } else { "" }, false);
                    self.value(item.get_ref(), scope, body)?;
                }
                body.push_literal("]", false);
            }
            DeValue::Table(table) => {
                body.push_literal("{", false);
                for (at, (name, value, _)) in entries(table).into_iter().enumerate() {
                    body.push_literal(if at > 0 { "," } else { "" }, false);
                    body.push_template(Template::literal(name), vec![Filter::Json]);
                    body.push_literal(":", false);
                    self.value(value.get_ref(), scope, body)?;
                }
                body.push_literal("}", false);
            }
        }
        Ok(())
    }

    /// The headers of a request or of the handshake.
    pub(super) fn headers(
        &self,
        section: &Section<'_>,
        scope: &Scope,
    ) -> Result<Vec<(HeaderName, Template)>, ParseError> {
        let mut headers = Vec::new();
        for (name, value, at) in section.entries("headers") {
            let wrong = |problem| section.wrong_at(at, "headers", problem);
            let header = header(name).map_err(wrong)?;
            if let Some((_, remedy)) = RESERVED.iter().find(|(reserved, _)| header == *reserved) {
                return Err(wrong((format!("{name} cannot be set by a file"), (*remedy).to_owned())));
            }
            let text = value.get_ref().as_str().unwrap_or_default();
            headers.push((header, self.compile(text, scope).map_err(wrong)?));
        }
        Ok(headers)
    }
}
