//! Requests and handshakes as spans of their trace. Without tracing there are none. No span contains a cookie, a form
//! field or a query.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use tracing::Span;
use tracing::field::Empty;
use url::Url;

use super::transcript::Transcript;
use crate::model::{HttpStep, SPANS};

/// Provides the trace of a request, so that an instrumented server's spans join it.
pub trait Trace: Send + Sync + 'static {
    /// The `traceparent` header of the current step; `None` if it is not traced, or if the server should not get it.
    fn traceparent(&self) -> Option<HeaderValue>;

    /// The observer of every request and frame. Called once, when a driver is created; a run has none.
    fn transcript(&self) -> Option<Arc<dyn Transcript>> {
        None
    }
}

/// No traces.
#[derive(Debug, Clone, Copy, Default)]
pub struct Untraced;

impl Trace for Untraced {
    fn traceparent(&self) -> Option<HeaderValue> {
        None
    }
}

/// The header's name in W3C Trace Context.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The span of a request, from its first byte to the evaluation of its answer.
#[must_use]
pub fn request(step: HttpStep, url: &Url, is_form: bool) -> Span {
    let method = if is_form { "POST" } else { "GET" };
    tracing::info_span!(
        target: SPANS,
        "http",
        otel.name = %Name(step, is_form),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        http.response.status_code = Empty,
        url.path = url.path(),
        step = step.as_str(),
        outcome = Empty,
    )
}

/// The span of a websocket handshake, from the name's look-up to the 101.
#[must_use]
pub fn handshake(page: &Url) -> Span {
    tracing::info_span!(
        target: SPANS,
        "handshake",
        otel.kind = "client",
        otel.status_code = Empty,
        url.path = page.path(),
        outcome = Empty,
    )
}

/// Notes the status of the answer to the current request.
pub fn answered(status: StatusCode) {
    Span::current().record("http.response.status_code", status.as_u16());
}

/// Notes the outcome: `None` for success, else the label of the failure.
pub fn end(span: &Span, wrong: Option<&'static str>) {
    span.record("outcome", wrong.unwrap_or("ok"));
    if wrong.is_some() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The name of a span: `http signup.form` reads a form, `http signup.post` posts it, `http event` reads a page.
struct Name(HttpStep, bool);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match (self.0, self.1) {
            (HttpStep::Room | HttpStep::SideRoom, _) => "",
            (_, false) => ".form",
            (_, true) => ".post",
        };
        write!(f, "http {}{part}", self.0.as_str())
    }
}
