//! `--watch`: reads series of the server's own metrics while the load runs.
//!
//! A page that does not answer or lacks a series is an event of the run, never an error: it is noted when it
//! begins and when it is over. Texts show only the host and path of a URL.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::background::ticks;
use super::timeline::Recorder;
use crate::config::value::WatchText;
use crate::error::StartError;
use crate::metrics::Metrics;
use crate::model::{Failure, HttpOutcome, HttpStep, Secret, Series};
use crate::transport::http::{Ask, Browser, BrowserSettings, CustomRequest, Origin, Page, Probe, Session};
use crate::transport::{ConnectionOptions, Untraced};

/// Interval between two readings.
const EVERY: Duration = Duration::from_secs(15);
/// Longest wait for a page.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Size of the largest page accepted, in bytes after decompression.
const LARGEST: usize = 8 << 20;

/// The watched pages, and what was last read of them.
pub(crate) struct Watch {
    browser: Browser,
    pages: Vec<WatchedPage>,
}

struct WatchedPage {
    url: Url,
    /// Its name in events.
    shown: String,
    origin: Origin,
    request: CustomRequest,
    series: Vec<WatchedSeries>,
    /// Why the last reading failed, if it did.
    problem: Option<String>,
}

struct WatchedSeries {
    name: String,
    series: Series,
    /// Time and value of the last reading of a counter.
    last: Option<(Instant, f64)>,
    /// Whether the last reading lacked it.
    missing: bool,
}

/// Observer of requests that ignores them: reading the server's metrics is no user's traffic.
struct Unheard;

impl Probe for Unheard {
    fn http(&self, _: HttpStep, _: HttpOutcome, _: Duration) {}

    fn http_retry(&self, _: HttpStep) {}
}

impl Watch {
    /// The pages to watch; `None` if there are none.
    ///
    /// # Errors
    /// TLS settings that do not work; a host that cannot be put into a request.
    pub(crate) fn new(wanted: &[WatchText], connection: &ConnectionOptions) -> Result<Option<Self>, StartError> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let failed = |why: String| StartError::environment("--watch", why);
        let dialer = connection.dialer().map_err(|e| failed(e.to_string()))?;
        let mut pages: Vec<WatchedPage> = Vec::new();
        for watch in wanted {
            let series =
                WatchedSeries { name: watch.name.clone(), series: watch.series.clone(), last: None, missing: false };
            match pages.iter_mut().find(|page| page.url == watch.url) {
                Some(page) => page.series.push(series),
                None => {
                    let page = WatchedPage::new(watch, series);
                    pages.push(page.ok_or_else(|| failed(format!("{} has no host to ask", watch.shown_url())))?);
                }
            }
        }
        let secrets = wanted.iter().filter_map(|watch| watch.url.password());
        let secrets = secrets.map(|password| Secret::new(percent_decode_str(password).decode_utf8_lossy())).collect();
        let browser = Browser::new(BrowserSettings {
            dialer,
            timeout: TIMEOUT,
            secrets,
            harmless: &[],
            probe: Arc::new(Unheard),
            trace: Arc::new(Untraced),
        });
        Ok(Some(Self { browser, pages }))
    }

    /// Reads every page now and every 15 s, until `until` is cancelled.
    pub(crate) async fn read(mut self, metrics: Arc<Metrics>, recorder: Recorder, until: CancellationToken) {
        loop {
            let Self { browser, pages } = &mut self;
            let reading = join_all(pages.iter_mut().map(|page| page.read(browser, &metrics, &recorder)));
            tokio::select! {
                biased;
                () = until.cancelled() => return,
                _ = reading => {}
            }
            if !ticks(EVERY, &until).await {
                return;
            }
        }
    }
}

impl WatchedPage {
    /// `None` if the URL has no host.
    fn new(watch: &WatchText, series: WatchedSeries) -> Option<Self> {
        let mut headers = HeaderMap::new();
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        if !watch.url.username().is_empty() || watch.url.password().is_some() {
            let (user, password) = (watch.url.username(), watch.url.password().unwrap_or_default());
            let pair = BASE64_STANDARD.encode(format!("{}:{}", decoded(user), decoded(password)));
            let mut value = HeaderValue::from_str(&format!("Basic {pair}")).ok()?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/plain;version=0.0.4"));
        let origin = Origin::of(&watch.url).ok()??;
        let request = CustomRequest {
            method: Method::GET,
            headers,
            body: Bytes::new(),
            timeout: None,
            once: false,
            secrets: Vec::new(),
        };
        Some(Self {
            url: watch.url.clone(),
            shown: watch.shown_url(),
            origin,
            request,
            series: vec![series],
            problem: None,
        })
    }

    async fn read(&mut self, browser: &Browser, metrics: &Metrics, recorder: &Recorder) {
        let page = self.page(browser).await;
        self.tell(page.as_ref().err().cloned(), recorder);
        let now = Instant::now();
        for watched in &mut self.series {
            let value = page.as_ref().ok().and_then(|page| watched.series.sum(page));
            if page.is_ok() {
                watched.tell(value.is_none(), &self.shown, recorder);
            }
            let value = value.and_then(|value| watched.figure(now, value));
            metrics.watched(&watched.name, value);
            if let Some(value) = value {
                recorder.watched(&watched.name, value);
            }
        }
    }

    async fn page(&self, browser: &Browser) -> Result<String, String> {
        let ask = Ask {
            step: HttpStep::Room,
            url: self.url.clone(),
            form: None,
            limit: LARGEST,
            leads_on: false,
            custom: Some(&self.request),
        };
        let judge = |page: Page| match page.status {
            StatusCode::OK => Ok(String::from_utf8_lossy(&page.body).into_owned()),
            _ => Err(page.unhoped()),
        };
        browser.visit(&self.origin, &mut Session::default(), ask, judge).await.map_err(|failure| words(&failure))
    }

    /// Notes that the page can no longer be read, or again.
    fn tell(&mut self, problem: Option<String>, recorder: &Recorder) {
        if problem.is_some() == self.problem.is_some() {
            return;
        }
        let names: Vec<&str> = self.series.iter().map(|watched| watched.name.as_str()).collect();
        let names = names.join(", ");
        let text = match &problem {
            Some(why) => format!("{names}: {} is not read: {why}", self.shown),
            None => format!("{names}: {} is read again", self.shown),
        };
        tracing::warn!("watch: {text}");
        recorder.note("watch", &text);
        self.problem = problem;
    }
}

impl WatchedSeries {
    /// Notes that a page starts to lack the series, or has it again.
    fn tell(&mut self, missing: bool, page: &str, recorder: &Recorder) {
        if missing != self.missing {
            let is = if missing { "has no such series, or its value is not a number" } else { "has the series again" };
            let text = format!("{}: {page} {is}", self.name);
            tracing::warn!("watch: {text}");
            recorder.note("watch", &text);
            self.missing = missing;
        }
    }

    /// The value; for a counter, its growth per second, or `None` at the first reading and after a reset.
    fn figure(&mut self, now: Instant, value: f64) -> Option<f64> {
        if !self.series.is_rate {
            return Some(value);
        }
        let (then, before) = self.last.replace((now, value))?;
        let seconds = now.duration_since(then).as_secs_f64();
        (value >= before && seconds > 0.0).then(|| (value - before) / seconds)
    }
}

/// The kind of a failure in words, without the server's own text.
fn words(failure: &Failure) -> String {
    let what = failure.kind.as_str().replace('_', " ");
    if failure.detail.is_empty() { what } else { format!("{what} ({})", failure.detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_counter_is_shown_by_its_growth() {
        let series = "rate(requests_total)".parse().unwrap();
        let mut watched = WatchedSeries { name: "requests".to_owned(), series, last: None, missing: false };
        let begin = Instant::now();
        let mut at = |seconds, value| watched.figure(begin + Duration::from_secs(seconds), value);
        assert_eq!([at(0, 100.0), at(15, 130.0), at(30, 5.0), at(45, 35.0)], [None, Some(2.0), None, Some(2.0)]);
    }
}
