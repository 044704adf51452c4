//! The live page: who may request it, and the headers of its answers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode, Uri};
use http_body_util::Full;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};

/// An answer is good for this long, for every client.
const FRESH: Duration = Duration::from_millis(900);

/// A page for people, and where its data comes from.
pub struct LivePage {
    /// As HTML.
    pub html: String,
    /// Its content security policy.
    pub policy: String,
    /// The data since a moment in seconds since 1970, as JSON.
    pub data: Box<dyn Fn(u64) -> String + Send + Sync>,
}

/// A client that asked within this time is still watching.
const WATCHING: Duration = Duration::from_secs(3);

/// When the data was last asked for; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Watches(watch::Sender<Option<Instant>>);

impl Watches {
    pub(super) fn note(&self) {
        self.0.send_replace(Some(Instant::now()));
    }

    /// If the page is watched, waits until the data is asked for once more, for a few seconds at most.
    pub(super) async fn another(&self) {
        let mut asked = self.0.subscribe();
        let last = *asked.borrow_and_update();
        if last.is_some_and(|last| last.elapsed() < WATCHING) {
            let _ = timeout(WATCHING, asked.changed()).await;
        }
    }
}

/// The latest answer: the `since` it is for, when it was made, and its body.
type Latest = Option<(u64, Instant, Bytes)>;

/// Answers for the live page.
pub(super) struct Live {
    html: Bytes,
    policy: HeaderValue,
    data: Arc<dyn Fn(u64) -> String + Send + Sync>,
    /// One at a time, and not again within a second: however many watch, the books are asked as often.
    latest: Mutex<Latest>,
    /// The address it is served at.
    listen: SocketAddr,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("listen", &self.listen).finish_non_exhaustive()
    }
}

impl Live {
    pub(super) fn new(page: LivePage, listen: SocketAddr) -> Self {
        let policy = HeaderValue::from_str(&page.policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        let (html, data) = (Bytes::from(page.html), Arc::from(page.data));
        Self { html, policy, data, latest: Mutex::new(None), listen }
    }

    /// Whether the request was meant for this server: another name in `Host` is a page of another origin that
    /// had its name point here.
    pub(super) fn is_meant(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        host.is_some_and(|host| is_own(host, self.listen))
    }

    pub(super) fn page(&self) -> Response<Full<Bytes>> {
        self.answer("text/html; charset=utf-8", self.html.clone())
    }

    pub(super) async fn data(&self, uri: &Uri) -> Response<Full<Bytes>> {
        let since = since(uri);
        let mut latest = self.latest.lock().await;
        let body = match &*latest {
            Some((of, at, body)) if *of == since && at.elapsed() < FRESH => body.clone(),
            _ => {
                let data = Arc::clone(&self.data);
                // Off the runtime's workers: they have sockets to read.
                let made = tokio::task::spawn_blocking(move || data(since)).await.unwrap_or_else(|_| "null".to_owned());
                let body = Bytes::from(made);
                *latest = Some((since, Instant::now(), body.clone()));
                body
            }
        };
        drop(latest);
        self.answer("application/json", body)
    }

    /// Shows the end of the run without waiting for the next refresh.
    pub(super) async fn forget(&self) {
        *self.latest.lock().await = None;
    }

    fn answer(&self, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
        let mut answer = Response::new(Full::new(body));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        answer
    }
}

/// The answer to a request for another host.
pub(super) fn misdirected() -> Response<Full<Bytes>> {
    let text = "this page is only served by an IP address or localhost: http://127.0.0.1 and the port\n";
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// Whether a `Host` is an IP address, `localhost` or the address listened on.
fn is_own(host: &str, listen: SocketAddr) -> bool {
    if host == listen.to_string() {
        return true;
    }
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// The moment in `?since=`; 0, the start of the run, if there is none.
fn since(uri: &Uri) -> u64 {
    let parameters = uri.query().unwrap_or_default().split('&');
    parameters.filter_map(|one| one.strip_prefix("since=")).find_map(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_meant() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 9464));
        for own in ["127.0.0.1:9464", "127.0.0.1", "[::1]:9464", "localhost:9464", "LOCALHOST", "10.0.0.7:80"] {
            assert!(is_own(own, listen), "{own}");
        }
        for foreign in
            ["evil.example", "evil.example:9464", "127.0.0.1.evil.example", "localhost.evil", "", "[", "[::1"]
        {
            assert!(!is_own(foreign, listen), "{foreign}");
        }
    }

    #[test]
    fn since_is_a_number_or_the_start() {
        let of = |uri: &str| since(&uri.parse().unwrap());
        assert_eq!([of("/live.json"), of("/live.json?since=60"), of("/live.json?a=1&since=x&since=7")], [0, 60, 7]);
    }
}
