//! A request and its answer for a transcript, without secrets.

use std::time::Duration;

use http::header;
use serde_json::Value;
use url::Position;

use super::ask::{Ask, Field, Page};
use super::mask::Mask;
use crate::transport::{Said, Transcript};

/// Longest body kept for a transcript, in characters.
const SHOWN: usize = 400;
/// Largest answer that is parsed for a transcript, in bytes.
const LARGEST: usize = 64 << 10;
/// Shortest text that may be a token.
const SHORTEST_TOKEN: usize = 6;

/// A request, kept until its answer arrives.
pub(super) struct Asked {
    method: String,
    path: String,
    body: String,
}

impl Asked {
    /// The request of `ask`.
    pub(super) fn of(ask: &Ask<'_>) -> Self {
        let (method, body) = match (ask.custom, ask.form) {
            (Some(custom), _) => (custom.method.to_string(), beginning(&custom.body)),
            (None, Some(fields)) => ("POST".to_owned(), form(fields)),
            (None, None) => ("GET".to_owned(), String::new()),
        };
        Self { method, path: ask.url[Position::BeforePath..Position::AfterQuery].to_owned(), body }
    }

    /// Reports it, with its answer if there was one.
    pub(super) fn tell(&self, transcript: &dyn Transcript, page: Option<&Page>, took: Duration, mask: &Mask) {
        let masked = |text: &str| mask.text(text).unwrap_or_else(|| text.to_owned());
        let answer = page.map_or_else(String::new, shown);
        transcript.note(Said::Request {
            method: &self.method,
            path: &masked(&self.path),
            body: &masked(&self.body),
            status: page.map(|page| page.status.as_u16()),
            answer: &masked(&answer),
            took,
        });
    }
}

/// The fields of a form, with the values of those that are not secret.
fn form(fields: &[Field<'_>]) -> String {
    let shown = fields.iter().map(|field| match field {
        Field::Plain(name, value) => format!("{name}={value}"),
        Field::Password(name, _) | Field::Token(name, _) => format!("{name}=…"),
    });
    shown.collect::<Vec<_>>().join("&")
}

fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(SHOWN).collect()
}

/// The part of an answer that is shown: JSON without tokens, or the text of a refusal; no pages.
fn shown(page: &Page) -> String {
    let kind = page.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.contains("json") && page.body.len() <= LARGEST {
        let Ok(mut value) = serde_json::from_slice::<Value>(&page.body) else { return String::new() };
        without_tokens(&mut value);
        return value.to_string().chars().take(SHOWN).collect();
    }
    let is_refusal = page.status.is_client_error() && kind.starts_with("text/plain");
    if is_refusal { beginning(&page.body) } else { String::new() }
}

/// Masks every text that may be a token, since it is not known yet which of them the protocol keeps.
fn without_tokens(value: &mut Value) {
    match value {
        Value::String(text) if text.len() >= SHORTEST_TOKEN && !text.contains(' ') => "…".clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(without_tokens),
        Value::Object(members) => members.values_mut().for_each(without_tokens),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_shows_its_keys_and_no_tokens() {
        let mut value =
            serde_json::json!({"token": "abcdef012345", "user": {"id": 7, "tags": ["zyxwvu98", "a b c d"]}});
        without_tokens(&mut value);
        assert_eq!(value.to_string(), r#"{"token":"…","user":{"id":7,"tags":["…","a b c d"]}}"#);
    }

    #[test]
    fn a_form_shows_only_what_is_public() {
        let fields = [Field::Plain("name", "ann"), Field::Password("password", "pw"), Field::Token("csrf", "tok")];
        assert_eq!(form(&fields), "name=ann&password=…&csrf=…");
    }
}
