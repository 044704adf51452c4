//! Requests of users, each on its own connections.
//!
//! Redirects are not followed, bodies are bounded before and after decompression, and each request is reported to the
//! probe. A form is posted on a fresh connection and never repeated; the request for a page is repeated once if its
//! kept connection ended without an answer (RFC 9110, 9.2.2). It knows neither forms nor pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument as _;
use url::{Url, form_urlencoded};

use super::ask::{Ask, CustomRequest, Field, Page};
use super::asked::Asked;
use super::body::Body;
use super::connection::{Line, wants_tls};
use super::mask::Mask;
use super::origin::Origin;
use super::receive::{Packing, receive};
use super::session::Session;
use crate::model::{Failure, FailureClass, FailureKind, HttpOutcome, HttpStep, Secret};
use crate::transport::dial::Dialer;
use crate::transport::{TRACEPARENT, Trace, Transcript, USER_AGENT, errors, spans};

/// Observer of single HTTP requests; the metrics implement it.
pub trait Probe: Send + Sync + 'static {
    /// An HTTP request ended after `took`.
    fn http(&self, step: HttpStep, outcome: HttpOutcome, took: Duration);

    /// A request is repeated because its connection ended without an answer.
    fn http_retry(&self, step: HttpStep);
}

/// Maximum number of large bodies read at the same time; others wait, within their request's timeout. A server that
/// sends every user the largest page at once must not take all memory.
const LARGE_AT_ONCE: usize = 8;

/// How much of the body of an answer other than 200 is read, in bytes, so that its connection can be reused.
const IGNORED_LIMIT: usize = 64 << 10;

/// Sends requests for all users.
pub struct Browser {
    settings: BrowserSettings,
    transcript: Option<Arc<dyn Transcript>>,
    /// Limits the large bodies read at the same time.
    large: Semaphore,
    /// Whether any request was ever answered.
    answered: AtomicBool,
}

/// The settings of a browser.
pub struct BrowserSettings {
    /// Opens its connections.
    pub dialer: Arc<Dialer>,
    /// Timeout of each request.
    pub timeout: Duration,
    /// Secrets that no failure's text may contain, besides those of the request itself.
    pub secrets: Vec<Secret>,
    /// Sentences of the application that are never masked.
    pub harmless: &'static [&'static str],
    /// Observer of each request.
    pub probe: Arc<dyn Probe>,
    /// Source of the trace that a request belongs to.
    pub trace: Arc<dyn Trace>,
}

impl Browser {
    /// A browser without connections.
    #[must_use]
    pub fn new(settings: BrowserSettings) -> Self {
        let transcript = settings.trace.transcript();
        Self { settings, transcript, large: Semaphore::new(LARGE_AT_ONCE), answered: AtomicBool::new(false) }
    }

    /// The mask for texts about a request.
    #[must_use]
    pub fn mask(&self, origin: &Origin, session: &Session, form: Option<&[Field<'_>]>) -> Mask {
        let mut mask = Mask::sparing(self.settings.harmless);
        self.settings.secrets.iter().for_each(|secret| mask.password(secret.reveal()));
        session.cookies.pairs().for_each(|(_, value)| mask.cookie(value));
        session.captures.iter().for_each(|(_, value)| mask.cookie(value));
        origin.headers.values().filter_map(|value| value.to_str().ok()).for_each(|value| mask.header(value));
        for field in form.unwrap_or_default() {
            match field {
                Field::Plain(..) => {}
                Field::Password(_, password) => mask.password(password),
                Field::Token(_, token) => mask.cookie(token),
            }
        }
        mask
    }

    /// Sends one request with the user's cookies, takes over those of the answer, and lets `judge` evaluate the answer.
    /// Reports it to the probe in any case.
    ///
    /// # Errors
    /// `Timeout` for the whole request; failures of the connection; those of `judge`.
    pub async fn visit<T>(
        &self,
        origin: &Origin,
        session: &mut Session,
        ask: Ask<'_>,
        judge: impl FnOnce(Page) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        let (step, form, custom) = (ask.step, ask.form, ask.custom);
        let asked = self.transcript.as_ref().map(|_| Asked::of(&ask));
        let span = spans::request(step, &ask.url, !ask.is_get());
        let limit = custom.and_then(|custom| custom.timeout).unwrap_or(self.settings.timeout);
        let exchange = self.exchange(origin, session, ask).instrument(span.clone());
        let answer = match tokio::time::timeout(limit, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::with(FailureKind::Timeout, "no whole answer in time")),
        };
        let took = started.elapsed();
        if let (Some(asked), Some(transcript)) = (asked, &self.transcript) {
            let mut mask = self.mask(origin, session, form);
            custom.iter().flat_map(|custom| &custom.secrets).for_each(|secret| mask.cookie(secret.reveal()));
            asked.tell(&**transcript, answer.as_ref().ok(), took, &mask);
        }
        let outcome = answer.and_then(judge).map_err(|failure| session.explain(failure));
        let outcome = outcome.map_err(|failure| {
            let mut mask = self.mask(origin, session, form);
            custom.iter().flat_map(|custom| &custom.secrets).for_each(|secret| mask.cookie(secret.reveal()));
            mask.failure(failure)
        });
        spans::end(&span, outcome.as_ref().err().map(|failure| failure.kind.as_str()));
        self.settings.probe.http(step, outcome.as_ref().err().map_or(HttpOutcome::Ok, label), took);
        outcome
    }

    /// Opens a connection for the user's next request, which must not be repeated.
    ///
    /// # Errors
    /// Failures of the dialler; `Timeout`.
    pub async fn open_line(&self, origin: &Origin, session: &mut Session) -> Result<(), Failure> {
        session.hang_up();
        let opening = Line::open(&self.settings.dialer, &origin.endpoint, &mut session.turn);
        let Ok(opened) = tokio::time::timeout(self.settings.timeout, opening).await else {
            return Err(Failure::with(FailureKind::Timeout, "no connection in time"));
        };
        session.connection.keep(Box::new(opened?));
        Ok(())
    }

    async fn exchange(&self, origin: &Origin, session: &mut Session, ask: Ask<'_>) -> Result<Page, Failure> {
        let kept = session.connection.take();
        // The server may already have ended a kept connection, and a form cannot be repeated.
        let is_once = ask.custom.is_some_and(|custom| custom.once);
        let mut kept = kept.filter(|line| ask.may_be_repeated() || (is_once && line.is_unused()));
        if let Some(line) = &mut kept
            && line.is_free().await
        {
            let sent = line.send(self.request(origin, session, &ask)?).await;
            match sent {
                Err(_) if ask.may_be_repeated() && line.heard_nothing() => self.settings.probe.http_retry(ask.step),
                sent => return self.answer(origin, session, ask, kept, sent?).await,
            }
        }
        let mut line = Box::new(Line::open(&self.settings.dialer, &origin.endpoint, &mut session.turn).await?);
        let sent = line.send(self.request(origin, session, &ask)?).await;
        let sent = sent.map_err(|failure| self.doubt(origin, &line, failure))?;
        self.answer(origin, session, ask, Some(line), sent).await
    }

    /// Adds a hint at TLS to a failure: many servers that expect TLS just end a connection with plain HTTP.
    fn doubt(&self, origin: &Origin, line: &Line, failure: Failure) -> Failure {
        let ended = matches!(failure.kind, FailureKind::ConnectionClosed | FailureKind::ConnectionReset);
        let is_first = !self.answered.load(Ordering::Relaxed);
        if !ended || !is_first || origin.endpoint.secure || !line.heard_nothing() {
            return failure;
        }
        let how = if failure.detail.is_empty() { "no answer" } else { &failure.detail };
        Failure::with(failure.kind, format!("{how} (is this port for https://?)"))
    }

    fn request(&self, origin: &Origin, session: &Session, ask: &Ask<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .uri(&ask.url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(header::HOST, origin.host.clone())
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "*/*")
            .header(header::ACCEPT_ENCODING, Packing::OFFERED);
        if !ask.leads_on {
            request = request.header(header::CONNECTION, "close");
        }
        if let Some(cookie) = session.cookies.header(&ask.url) {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(parent) = self.settings.trace.traceparent() {
            request = request.header(TRACEPARENT, parent);
        }
        if let Some(custom) = ask.custom {
            return customised(request, origin, &ask.url, custom);
        }
        let request = match ask.form {
            None => request.body(Full::default()),
            Some(fields) => request
                .method("POST")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ORIGIN, origin.name.clone())
                .header(header::REFERER, HeaderValue::from_str(ask.url.as_str()).map_err(unsendable)?)
                .body(
                    form_urlencoded::Serializer::new(String::new())
                        .extend_pairs(fields.iter().map(|field| field.pair()))
                        .finish()
                        .into(),
                ),
        }
        .map_err(unsendable);
        request.map(|request| with_headers(request, &origin.headers))
    }

    /// Takes over an answer, and keeps its connection if another request may follow on it.
    async fn answer(
        &self,
        origin: &Origin,
        session: &mut Session,
        ask: Ask<'_>,
        line: Option<Box<Line>>,
        response: http::Response<Incoming>,
    ) -> Result<Page, Failure> {
        let mut line = line.ok_or_else(|| Failure::new(FailureKind::Io))?;
        let (head, mut body) = response.into_parts();
        self.answered.store(true, Ordering::Relaxed);
        session.absorb(&head.headers, &ask.url);
        spans::answered(head.status);
        let read = if head.status == StatusCode::OK || ask.custom.is_some() {
            let packing = Packing::of(&head.headers)?;
            Ok(receive(&mut line, &mut body, packing, ask.limit, &self.large).await?)
        } else {
            // The body is of little use; that it arrived matters.
            receive(&mut line, &mut body, Packing::None, IGNORED_LIMIT, &self.large).await
        };
        if read.is_ok() && ask.leads_on {
            session.connection.keep(line);
        }
        let body = read.unwrap_or(Body::new());
        if !origin.endpoint.secure && wants_tls(head.status, &body) {
            return Err(errors::speaks_tls());
        }
        Ok(Page { status: head.status, headers: head.headers, body, asked: ask.url })
    }
}

/// Adds the headers of `--header`, which replace those of the same name.
pub(in crate::transport) fn with_headers<B>(mut request: Request<B>, headers: &HeaderMap) -> Request<B> {
    for name in headers.keys() {
        request.headers_mut().remove(name);
    }
    for (name, value) in headers {
        request.headers_mut().append(name, value.clone());
    }
    request
}

/// Applies the protocol's parts to a request; the headers of `--header` come last.
fn customised(
    mut request: http::request::Builder,
    origin: &Origin,
    url: &Url,
    custom: &CustomRequest,
) -> Result<Request<Full<Bytes>>, Failure> {
    if custom.method != Method::GET {
        let referer = HeaderValue::from_str(url.as_str()).map_err(unsendable)?;
        request = request.header(header::ORIGIN, origin.name.clone()).header(header::REFERER, referer);
    }
    let request = request.method(custom.method.clone()).body(Full::new(custom.body.clone()));
    Ok(with_headers(with_headers(request.map_err(unsendable)?, &custom.headers), &origin.headers))
}

fn unsendable(e: impl std::fmt::Display) -> Failure {
    Failure::with(FailureKind::BadRequest, e.to_string())
}

/// The outcome of a request as the metrics count it.
fn label(failure: &Failure) -> HttpOutcome {
    use FailureKind as K;
    match failure.kind {
        K::Timeout => HttpOutcome::Timeout,
        K::Dns
        | K::ConnectionRefused
        | K::ConnectionReset
        | K::ConnectionClosed
        | K::Unreachable
        | K::Tls
        | K::ProxyRefused
        | K::NoFiles
        | K::NoPorts
        | K::Io => HttpOutcome::Transport,
        K::BadRequest | K::Forbidden | K::NotFound | K::TooManyRequests | K::ClientError => HttpOutcome::ClientError,
        K::InternalError | K::Unavailable | K::ServerError => HttpOutcome::ServerError,
        K::BadRedirect | K::UnexpectedStatus => HttpOutcome::Unexpected,
        // The application's own answer.
        _ => match failure.class {
            FailureClass::Retry | FailureClass::Unanswered => HttpOutcome::Unexpected,
            _ => HttpOutcome::Refused,
        },
    }
}
