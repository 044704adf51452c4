//! Requests and handshakes as spans of the trace they belong to. Nothing is made where nobody
//! traces. No cookie, form field or query is ever in one.

use std::fmt;

use http::StatusCode;
use tracing::Span;
use tracing::field::Empty;
use url::Url;

use super::http::Ask;
use crate::chat::{SPANS, Step};

/// One request, from its first byte to the meaning of its answer.
pub(super) fn request(ask: &Ask<'_>) -> Span {
    let method = if ask.form.is_some() { "POST" } else { "GET" };
    tracing::info_span!(
        target: SPANS,
        "http",
        otel.name = %Name(ask.step, ask.form.is_some()),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        http.response.status_code = Empty,
        url.path = ask.url.path(),
        step = ask.step.as_str(),
        outcome = Empty,
    )
}

/// One websocket handshake, from the name's lookup to the 101.
pub(super) fn handshake(page: &Url) -> Span {
    tracing::info_span!(
        target: SPANS,
        "handshake",
        otel.kind = "client",
        otel.status_code = Empty,
        url.path = page.path(),
        outcome = Empty,
    )
}

/// Notes the status of the answer to the request under way.
pub(super) fn answered(status: StatusCode) {
    Span::current().record("http.response.status_code", status.as_u16());
}

/// Notes how it went: `None` well, else the label of what went wrong.
pub(super) fn end(span: &Span, wrong: Option<&'static str>) {
    span.record("outcome", wrong.unwrap_or("ok"));
    if wrong.is_some() {
        span.record("otel.status_code", "ERROR");
    }
}

/// `http signup.form` reads a form, `http signup.post` posts it, `http event` reads a page.
struct Name(Step, bool);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match (self.0, self.1) {
            (Step::Event | Step::Breakout, _) => "",
            (_, false) => ".form",
            (_, true) => ".post",
        };
        write!(f, "http {}{part}", self.0.as_str())
    }
}
