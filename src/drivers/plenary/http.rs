//! Requests to the site: each user's own connections, and a jar for each user.
//!
//! Redirects are never followed, bodies are bounded and never unpacked, and each request is
//! reported to the probe. A form is posted on a fresh connection and never repeated; a page
//! that a kept connection ended without an answer is asked for once more (RFC 9110, 9.2.2).
//! It knows no forms and no pages.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument as _;
use url::{Url, form_urlencoded};

use super::body::Body;
use super::forms::TOKEN;
use super::mask::Mask;
use super::site::{Redirect, Site};
use super::{cookies, spans};
use crate::chat::{Failure, FailureKind, HttpOutcome, Secret, Step};
use crate::drivers::http::{Line, wants_tls};
use crate::drivers::ws::dial::Dialer;
use crate::drivers::ws::faults;
use crate::drivers::{Probe, Session, TRACEPARENT, Trace, USER_AGENT};

/// The largest page with a form, in bytes.
pub(super) const FORM_LIMIT: usize = 4 << 20;

/// The largest event page: it holds all users and a hundred chats.
pub(super) const EVENT_LIMIT: usize = 32 << 20;

/// A body is large from this size on.
const LARGE: usize = 1 << 20;

/// How many large bodies are read at the same time; others wait, within their request's time. A
/// server that sends everybody the largest page at once must not take all memory.
const LARGE_AT_ONCE: usize = 8;

/// How much is read of the body of any other answer than 200, so that its connection can be used
/// again.
const IGNORED_LIMIT: usize = 64 << 10;

/// One request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) step: Step,
    pub(super) url: Url,
    /// The fields to post; a plain GET without.
    pub(super) form: Option<&'a [(&'a str, &'a str)]>,
    /// The largest body, in bytes.
    pub(super) limit: usize,
}

impl Ask<'_> {
    /// Whether the same user's next request may use this one's connection: after the form that
    /// signs it in comes the event page. After any other, the next is a form, or none.
    fn leads_on(&self) -> bool {
        self.form.is_some() && matches!(self.step, Step::Signup | Step::Login)
    }
}

/// One answer.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Of another status than 200, the body may be missing.
    pub(super) body: Body,
    asked: Url,
}

impl Page {
    /// Where a redirect leads; `None` for other answers.
    pub(super) fn redirect(&self, site: &Site) -> Result<Option<Redirect>, Failure> {
        if !self.status.is_redirection() {
            return Ok(None);
        }
        site.redirect(&self.asked, self.headers.get(header::LOCATION)).map(Some)
    }

    /// The failure of a status that the step does not know.
    pub(super) fn unhoped(&self) -> Failure {
        faults::of_status(self.status, &self.headers)
    }
}

/// Sends requests for all users.
pub(super) struct Browser {
    pub(super) dialer: Arc<Dialer>,
    /// For each request.
    pub(super) timeout: Duration,
    pub(super) large: Semaphore,
    /// What no failure's text may hold, beside what the request itself holds.
    pub(super) secrets: Vec<Secret>,
    pub(super) probe: Arc<dyn Probe>,
    pub(super) trace: Arc<dyn Trace>,
    /// Whether any request was ever answered.
    pub(super) answered: AtomicBool,
}

impl Browser {
    /// The turns that large bodies take.
    pub(super) fn turns() -> Semaphore {
        Semaphore::new(LARGE_AT_ONCE)
    }

    /// What the texts about a request must not hold.
    pub(super) fn mask(&self, session: &Session, form: Option<&[(&str, &str)]>) -> Mask {
        let mut mask = Mask::default();
        self.secrets.iter().for_each(|secret| mask.password(secret.reveal()));
        session.cookies.iter().for_each(|(_, value)| mask.cookie(value));
        for (name, value) in form.unwrap_or_default() {
            if name.starts_with("password") {
                mask.password(value);
            } else if *name == TOKEN {
                mask.cookie(value);
            }
        }
        mask
    }

    /// Sends one request with the user's cookies, takes the answer's over, and lets `judge`
    /// say what the answer means. The probe hears of it either way.
    pub(super) async fn visit<T>(
        &self,
        site: &Site,
        session: &mut Session,
        ask: Ask<'_>,
        judge: impl FnOnce(Page) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        let (step, form) = (ask.step, ask.form);
        let span = spans::request(&ask);
        let exchange = self.exchange(site, session, ask).instrument(span.clone());
        let answer = match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::with(FailureKind::Timeout, "no whole answer in time")),
        };
        let took = started.elapsed();
        let outcome = answer.and_then(judge).map_err(|failure| self.mask(session, form).failure(failure));
        spans::end(&span, outcome.as_ref().err().map(|failure| failure.kind.as_str()));
        self.probe.http(step, outcome.as_ref().err().map_or(HttpOutcome::Ok, |failure| label(failure.kind)), took);
        outcome
    }

    async fn exchange(&self, site: &Site, session: &mut Session, ask: Ask<'_>) -> Result<Page, Failure> {
        let kept = session.connection.take();
        // A server may have ended a kept connection by now, and a form cannot be repeated.
        let mut kept = if ask.form.is_none() { kept } else { None };
        if let Some(line) = &mut kept
            && line.is_free().await
        {
            let sent = line.send(self.request(site, session, &ask)?).await;
            match sent {
                Err(_) if line.heard_nothing() => self.probe.http_retry(ask.step),
                sent => return self.answer(site, session, ask, kept, sent?).await,
            }
        }
        let mut line = Box::new(Line::open(&self.dialer, &site.endpoint).await?);
        let sent = line.send(self.request(site, session, &ask)?).await;
        let sent = sent.map_err(|failure| self.doubt(site, &line, failure))?;
        self.answer(site, session, ask, Some(line), sent).await
    }

    /// Many servers that want TLS just end a connection that speaks plain HTTP.
    fn doubt(&self, site: &Site, line: &Line, failure: Failure) -> Failure {
        let ended = matches!(failure.kind, FailureKind::ConnectionClosed | FailureKind::ConnectionReset);
        let is_first = !self.answered.load(Ordering::Relaxed);
        if !ended || !is_first || site.endpoint.secure || !line.heard_nothing() {
            return failure;
        }
        let how = if failure.detail.is_empty() { "no answer" } else { &failure.detail };
        Failure::with(failure.kind, format!("{how} (is this port for https://?)"))
    }

    fn request(&self, site: &Site, session: &Session, ask: &Ask<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .uri(&ask.url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(header::HOST, site.host.clone())
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "*/*");
        if !ask.leads_on() {
            request = request.header(header::CONNECTION, "close");
        }
        if let Some(cookie) = cookies::header(session) {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(parent) = self.trace.traceparent() {
            request = request.header(TRACEPARENT, parent);
        }
        match ask.form {
            None => request.body(Full::default()),
            Some(fields) => request
                .method("POST")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ORIGIN, site.origin.clone())
                .header(header::REFERER, HeaderValue::from_str(ask.url.as_str()).map_err(unsendable)?)
                .body(form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into()),
        }
        .map_err(unsendable)
    }

    /// Takes over an answer, and keeps its connection if another request may follow on it.
    async fn answer(
        &self,
        site: &Site,
        session: &mut Session,
        ask: Ask<'_>,
        line: Option<Box<Line>>,
        response: http::Response<Incoming>,
    ) -> Result<Page, Failure> {
        let mut line = line.ok_or_else(|| Failure::new(FailureKind::Io))?;
        let (head, mut body) = response.into_parts();
        self.answered.store(true, Ordering::Relaxed);
        cookies::absorb(session, &head.headers, site.prefix());
        spans::answered(head.status);
        let read = if head.status == StatusCode::OK {
            refuse_packed(&head.headers)?;
            Ok(read(&mut line, &mut body, ask.limit, &self.large).await?)
        } else {
            // What it says is of little use; that it came is.
            read(&mut line, &mut body, IGNORED_LIMIT, &self.large).await
        };
        if read.is_ok() && ask.leads_on() {
            session.connection.keep(line);
        }
        let body = read.unwrap_or(Body::new());
        if !site.endpoint.secure && wants_tls(head.status, &body) {
            return Err(faults::speaks_tls());
        }
        Ok(Page { status: head.status, headers: head.headers, body, asked: ask.url })
    }
}

fn unsendable(e: impl std::fmt::Display) -> Failure {
    Failure::with(FailureKind::BadRequest, e.to_string())
}

/// No encoding was offered: an answer that is packed all the same cannot be read.
fn refuse_packed(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            Err(Failure::with(FailureKind::BadHttp, "the body is packed, which was not offered"))
        }
        _ => Ok(()),
    }
}

/// Reads a body to its end.
async fn read(line: &mut Line, body: &mut Incoming, limit: usize, large: &Semaphore) -> Result<Body, Failure> {
    let too_large = || Failure::with(FailureKind::BodyTooLarge, format!("over {limit} bytes"));
    let no_room = |e: io::Error| Failure::with(FailureKind::Io, format!("no memory for a body of {limit} bytes: {e}"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let (mut read, mut turn) = (Body::new(), None);
    while let Some(piece) = line.piece(body).await? {
        if read.len() + piece.len() > limit {
            return Err(too_large());
        }
        if read.len() + piece.len() > LARGE && !read.is_large() {
            turn = large.acquire().await.ok();
            read.grow(limit).map_err(no_room)?;
        }
        read.push(&piece).map_err(no_room)?;
    }
    drop(turn);
    Ok(read)
}

/// The outcome of a request as the metrics count it.
fn label(kind: FailureKind) -> HttpOutcome {
    use FailureKind as K;
    match kind {
        K::Timeout => HttpOutcome::Timeout,
        K::Dns
        | K::ConnectionRefused
        | K::ConnectionReset
        | K::ConnectionClosed
        | K::Unreachable
        | K::Tls
        | K::NoFiles
        | K::NoPorts
        | K::Io => HttpOutcome::Transport,
        K::BadRequest | K::Forbidden | K::NotFound | K::TooManyRequests | K::ClientError => HttpOutcome::ClientError,
        K::InternalError | K::Unavailable | K::ServerError => HttpOutcome::ServerError,
        K::SignupRefused
        | K::NameTaken
        | K::WrongPassword
        | K::Locked
        | K::SignedOut
        | K::OverCapacity
        | K::EventClosed
        | K::EventCancelled => HttpOutcome::Refused,
        _ => HttpOutcome::Unexpected,
    }
}
