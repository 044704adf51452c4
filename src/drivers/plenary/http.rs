//! Requests to the site: one shared client for each source address, a jar for each user.
//!
//! Redirects are never followed, bodies are bounded and never unpacked, and each request is
//! reported to the probe. It knows no forms and no pages.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument as _;
use url::{Url, form_urlencoded};

use super::body::Body;
use super::site::{Redirect, Site};
use super::{SetupError, cookies, spans};
use crate::chat::{Failure, FailureKind, HttpOutcome, Step};
use crate::drivers::ws::{dial, faults};
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

/// How much is read of a body that nobody looks at, so that its connection can be used again.
const IGNORED_LIMIT: usize = 64 << 10;

/// Idle connections kept for each source address.
const IDLE_LIMIT: usize = 16;

/// How long an idle connection is kept: less than the five seconds of common servers, so
/// that a request seldom meets a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

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

/// One answer.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Only the body of a 200 is kept.
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
    clients: Vec<Client>,
    next: AtomicUsize,
    timeout: Duration,
    large: Semaphore,
    probe: Arc<dyn Probe>,
    trace: Arc<dyn Trace>,
}

impl Browser {
    pub(super) fn new(
        tls: &rustls::ClientConfig,
        sources: &[IpAddr],
        timeout: Duration,
        probe: Arc<dyn Probe>,
        trace: Arc<dyn Trace>,
    ) -> Result<Self, SetupError> {
        let sources = if sources.is_empty() { vec![None] } else { sources.iter().copied().map(Some).collect() };
        let clients: Result<Vec<_>, _> = sources.into_iter().map(|source| client(tls, source)).collect();
        let clients = clients.map_err(|e| SetupError::Client(e.to_string()))?;
        let large = Semaphore::new(LARGE_AT_ONCE);
        Ok(Self { clients, next: AtomicUsize::new(0), timeout, large, probe, trace })
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
        let step = ask.step;
        let span = spans::request(&ask);
        let exchange = self.exchange(site, session, ask).instrument(span.clone());
        let answer = match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::with(FailureKind::Timeout, "no whole answer in time")),
        };
        let took = started.elapsed();
        let outcome = answer.and_then(judge);
        spans::end(&span, outcome.as_ref().err().map(|failure| failure.kind.as_str()));
        self.probe.http(step, outcome.as_ref().err().map_or(HttpOutcome::Ok, |failure| label(failure.kind)), took);
        outcome
    }

    async fn exchange(&self, site: &Site, session: &mut Session, ask: Ask<'_>) -> Result<Page, Failure> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(self.clients.len()).unwrap_or(0);
        let client = self.clients.get(turn).ok_or_else(|| Failure::new(FailureKind::Io))?;
        let mut request = match ask.form {
            None => client.get(ask.url.clone()),
            Some(fields) => client
                .post(ask.url.clone())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ORIGIN, site.origin.clone())
                .header(header::REFERER, HeaderValue::from_str(ask.url.as_str()).map_err(unsendable)?)
                .body(form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()),
        };
        if let Some(cookie) = cookies::header(session) {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(parent) = self.trace.traceparent() {
            request = request.header(TRACEPARENT, parent);
        }
        let response = request.send().await.map_err(|e| broken(&e))?;
        cookies::absorb(session, response.headers(), site.prefix());
        let (status, headers) = (response.status(), response.headers().clone());
        spans::answered(status);
        let body = if status == StatusCode::OK {
            refuse_packed(&headers)?;
            read(response, ask.limit, &self.large).await?
        } else {
            // What it says is of no use; that it came is.
            let _ = read(response, IGNORED_LIMIT, &self.large).await;
            Body::new()
        };
        Ok(Page { status, headers, body, asked: ask.url })
    }
}

fn client(tls: &rustls::ClientConfig, source: Option<IpAddr>) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(USER_AGENT)
        .tls_backend_preconfigured(tls.clone())
        .local_address(source)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .tcp_nodelay(true)
        .pool_max_idle_per_host(IDLE_LIMIT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .dns_resolver(Arc::new(Names))
        .build()
}

/// Lets the client resolve names as the sockets do.
struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            match dial::resolve(name.as_str(), 0).await {
                Ok(addresses) => Ok(Box::new(addresses.into_iter()) as Addrs),
                Err(e) => Err(Box::new(dial::dns_failure(name.as_str(), &e)) as Box<dyn Error + Send + Sync>),
            }
        })
    }
}

fn unsendable(e: header::InvalidHeaderValue) -> Failure {
    Failure::with(FailureKind::BadRequest, e.to_string())
}

fn broken(e: &reqwest::Error) -> Failure {
    faults::of_error(e, FailureKind::Io)
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

/// Reads a body.
async fn read(mut response: Response, limit: usize, large: &Semaphore) -> Result<Body, Failure> {
    let too_large = || Failure::with(FailureKind::BodyTooLarge, format!("over {limit} bytes"));
    let no_room = |e: io::Error| Failure::with(FailureKind::Io, format!("no memory for a body of {limit} bytes: {e}"));
    if response.content_length().is_some_and(|announced| announced > limit as u64) {
        return Err(too_large());
    }
    let (mut body, mut turn) = (Body::new(), None);
    while let Some(piece) = response.chunk().await.map_err(|e| broken(&e))? {
        if body.len() + piece.len() > limit {
            return Err(too_large());
        }
        if body.len() + piece.len() > LARGE && !body.is_large() {
            turn = large.acquire().await.ok();
            body.grow(limit).map_err(no_room)?;
        }
        body.push(&piece).map_err(no_room)?;
    }
    drop(turn);
    Ok(body)
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
