//! The answers to each path of the exposition.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::Mutex;

use super::last_scrape::{RegularScrapes, Scraper};
use super::live::{Live, Watches, misdirected};
use crate::connection_limit::ConnectionPermit;
use crate::metrics::Metrics;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// Whether the figures of the run mean something yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// The ramp is done and at least one user is connected.
    Ready,
    /// Not yet, or no longer, with the reason.
    NotReady(&'static str),
}

type Answer = Response<Full<Bytes>>;

/// The pages and where their contents come from.
pub(super) struct Pages {
    metrics: Arc<Metrics>,
    ready: Box<dyn Fn() -> Readiness + Send + Sync>,
    /// Held during a scrape, so that scrapes take turns.
    scraping: Mutex<()>,
    looks: RegularScrapes,
    live: Option<Arc<Live>>,
    watches: Watches,
}

impl Pages {
    pub(super) fn new(
        metrics: Arc<Metrics>,
        ready: Box<dyn Fn() -> Readiness + Send + Sync>,
        looks: RegularScrapes,
        (live, watches): (Option<Arc<Live>>, Watches),
    ) -> Self {
        Self { metrics, ready, scraping: Mutex::new(()), looks, live, watches }
    }

    /// Answers a request; `scraper` is the scraper that makes it, if it is for the metrics.
    pub(super) async fn answer<B>(&self, request: &Request<B>, place: &ConnectionPermit, scraper: Scraper) -> Answer {
        let (method, path) = (request.method(), request.uri().path());
        if *method != Method::GET && *method != Method::HEAD {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN_TEXT, "only GET and HEAD\n");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match path {
            // A HEAD request reads no metrics.
            "/metrics" => self.metrics((*method == Method::GET).then_some(scraper)).await,
            "/live" => text(StatusCode::OK, PLAIN_TEXT, "alive\n"),
            "/ready" => match (self.ready)() {
                Readiness::Ready => text(StatusCode::OK, PLAIN_TEXT, "ready\n"),
                Readiness::NotReady(why) => text(StatusCode::SERVICE_UNAVAILABLE, PLAIN_TEXT, format!("{why}\n")),
            },
            "/" | "/live.json" => self.live(request, place).await,
            _ => not_found(),
        }
    }

    /// The page for people. Its connections make room for those of scrapes.
    async fn live<B>(&self, request: &Request<B>, place: &ConnectionPermit) -> Answer {
        let Some(live) = &self.live else { return not_found() };
        place.yields();
        if !live.is_meant(request.headers()) {
            return misdirected();
        }
        if request.uri().path() == "/" {
            return live.page();
        }
        let answer = live.data(request.uri()).await;
        self.watches.note();
        answer
    }

    async fn metrics(&self, scraper: Option<Scraper>) -> Answer {
        let _turn = self.scraping.lock().await;
        let metrics = Arc::clone(&self.metrics);
        // Off the runtime's workers: they have sockets to read.
        match tokio::task::spawn_blocking(move || metrics.encode()).await {
            Ok(Ok(page)) => {
                if let Some(scraper) = scraper {
                    self.looks.note(scraper);
                }
                text(StatusCode::OK, PROMETHEUS_TEXT, page)
            }
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(&error),
        }
    }
}

fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, PLAIN_TEXT, "not found; there are /, /live.json, /metrics, /live and /ready\n")
}

fn failed(error: &impl std::fmt::Display) -> Answer {
    tracing::error!(%error, "the metrics cannot be shown");
    text(StatusCode::INTERNAL_SERVER_ERROR, PLAIN_TEXT, "the metrics cannot be shown; the log says why\n")
}

fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
