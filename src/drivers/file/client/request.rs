//! HTTP requests that a file describes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::shared::{Person, Shared};
pub(super) use crate::drivers::file::description::Request as Asked;
use crate::drivers::file::description::{Body, Request};
use crate::drivers::file::expectation::capture_response;
use crate::drivers::file::source::Response;
use crate::drivers::file::template::{Captured, Template, Values};
use crate::model::{Failure, FailureKind, HttpStep, Secret};
use crate::protocol::Session;
use crate::transport::http::{Ask, CustomRequest, Page};

/// Largest body, in bytes.
const BODY_LIMIT: usize = 8 << 20;

/// The result of a request.
pub(super) struct Exchange {
    /// The captured values, or the failure.
    pub(super) outcome: Result<Captured, Failure>,
    /// Whether the server answered.
    pub(super) answered: bool,
}

/// Makes a request, and captures values from the answer; `title` names the step.
///
/// # Errors
/// The failure that the file names for the answer; a status that it does not accept; a missing capture.
pub(super) async fn request(
    shared: &Shared,
    (step, title): (HttpStep, &str),
    (request, timeout): (&Request, Option<Duration>),
    (person, text): (&Person, Option<&str>),
    session: &mut Session,
) -> Result<Captured, Failure> {
    exchange(shared, (step, title), (request, timeout), (person, text), session, false).await.outcome
}

/// Like [`request`], but also says whether it was answered. With `once` it uses a connection that was opened for it,
/// and is not repeated.
pub(super) async fn exchange(
    shared: &Shared,
    named: (HttpStep, &str),
    asked: (&Request, Option<Duration>),
    whose: (&Person, Option<&str>),
    session: &mut Session,
    once: bool,
) -> Exchange {
    let mut answered = false;
    let outcome = visit(shared, named, asked, whose, session, once, &mut answered).await;
    Exchange { outcome, answered }
}

async fn visit(
    shared: &Shared,
    (step, title): (HttpStep, &str),
    (request, timeout): (&Request, Option<Duration>),
    (person, text): (&Person, Option<&str>),
    session: &mut Session,
    once: bool,
    answered: &mut bool,
) -> Result<Captured, Failure> {
    let values = person.values(&shared.target, text);
    let explained = |failure: Failure| {
        let detail = if failure.detail.is_empty() { title.to_owned() } else { format!("{title}: {}", failure.detail) };
        Failure { class: failure.class, retry_after: failure.retry_after, ..Failure::with(failure.kind, detail) }
    };
    let url = shared.target.url(&rendered(&request.url, &values)?).map_err(|why| explained(bad(why)))?;
    let secrets = shared.description.secrets(&values);
    let custom = CustomRequest {
        method: request.method.clone(),
        headers: headers(request, &values)?,
        body: body(&request.body, &values)?,
        timeout,
        once,
        secrets: secrets.iter().map(Secret::new).collect(),
    };
    let ask = Ask { step, url, form: None, limit: BODY_LIMIT, leads_on: true, custom: Some(&custom) };
    let judge = |page: Page| {
        *answered = true;
        judged(shared, request, &values, &page)
    };
    shared.browser.visit(&shared.target.origin, session, ask, judge).await.map_err(explained)
}

fn judged(shared: &Shared, request: &Request, values: &Values<'_>, page: &Page) -> Result<Captured, Failure> {
    let body = String::from_utf8_lossy(&page.body);
    let status = page.status.as_u16();
    if let Some(outcome) = request.outcome(status, &body, values) {
        return Err(shared.failure(outcome, &format!("HTTP {status}")));
    }
    if !request.accepts(status) {
        let failure = page.unhoped();
        return Err(match failure.detail.is_empty() {
            true => Failure { class: failure.class, ..Failure::with(failure.kind, format!("HTTP {status}")) },
            false => failure,
        });
    }
    let mut captured = Captured::default();
    capture_response(&request.captures, Response { headers: &page.headers, body: &body }, &mut captured)
        .map_err(|missing| Failure::with(FailureKind::Malformed, missing.to_string()))?;
    Ok(captured)
}

/// A template's text.
pub(super) fn rendered(template: &Template, values: &Values<'_>) -> Result<String, Failure> {
    let mut out = String::new();
    template.render(values, &mut out).map_err(|_| bad("a value that is not there yet".to_owned()))?;
    Ok(out)
}

/// A header's value.
pub(super) fn header(template: &Template, values: &Values<'_>) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(&rendered(template, values)?).map_err(|e| bad(e.to_string()))
}

fn bad(why: String) -> Failure {
    Failure::with(FailureKind::BadRequest, why)
}

fn headers(request: &Request, values: &Values<'_>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    let kind = match request.body {
        Body::Empty => None,
        Body::Form(_) => Some("application/x-www-form-urlencoded"),
        Body::Json(_) => Some("application/json"),
    };
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, template) in &request.headers {
        headers.insert(name.clone(), header(template, values)?);
    }
    Ok(headers)
}

fn body(body: &Body, values: &Values<'_>) -> Result<Bytes, Failure> {
    match body {
        Body::Empty => Ok(Bytes::new()),
        Body::Form(template) | Body::Json(template) => Ok(rendered(template, values)?.into()),
    }
}
