//! One request, read and bounded: path, cookies, form fields, user.
//!
//! Knows HTTP's spelling and the CSRF rule; answers nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::{COOKIE, HOST, HeaderName, REFERER};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::server::accounts::User;
use crate::server::csrf;
use crate::server::state::ServerState;

/// The largest body of a form, in bytes.
const FORM_LIMIT: usize = 64 * 1024;
/// How long the body of a form may take.
const FORM_TIMEOUT: Duration = Duration::from_secs(60);

/// A request as the pages see it.
pub(super) struct PageRequest {
    pub method: Method,
    /// The path after the server's prefix.
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    /// The user of the session cookie.
    pub user: Option<Arc<User>>,
    cookies: HashMap<String, String>,
    fields: HashMap<String, String>,
}

impl PageRequest {
    /// Reads a request; `None` if the application does not take it.
    pub(super) async fn read(server: &ServerState, request: Request<Incoming>) -> Option<Self> {
        let (parts, body) = request.into_parts();
        let host = parts.headers.get(HOST)?.to_str().ok()?;
        if host.is_empty() || host.contains(['/', '@', ' ', '_']) {
            return None;
        }
        let path =
            parts.uri.path().strip_prefix(server.options.prefix.as_str()).unwrap_or("/no/such/prefix").to_owned();
        let fields = if parts.method == Method::POST {
            let body = timeout(FORM_TIMEOUT, Limited::new(body, FORM_LIMIT).collect()).await.ok()?.ok()?.to_bytes();
            url::form_urlencoded::parse(&body).into_owned().collect()
        } else {
            HashMap::new()
        };
        let cookies = cookies(&parts.headers);
        let user = cookies.get("sessionid").and_then(|cookie| server.session(cookie));
        let query = parts.uri.query().map(str::to_owned);
        Some(Self { method: parts.method, path, query, headers: parts.headers, user, cookies, fields })
    }

    /// The parts of the path.
    pub(super) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }

    /// A cookie's value, empty if there is none.
    pub(super) fn cookie(&self, name: &str) -> &str {
        self.cookies.get(name).map_or("", String::as_str)
    }

    /// A form field's value, empty if there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// A local path to go on to after the log-in.
    pub(super) fn next(&self) -> Option<String> {
        let query = self.query.as_deref().unwrap_or_default().as_bytes();
        let next = url::form_urlencoded::parse(query).find(|(name, _)| name == "next")?.1.into_owned();
        (next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n'])).then_some(next)
    }

    /// Whether a proxy in front received it over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.header(&HeaderName::from_static("x-forwarded-proto")) == "https"
    }

    fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Refuses a post without the cookie, the matching field, and over TLS the referer; the error is the reason
    /// shown to the user.
    pub(super) fn check_csrf(&self) -> Result<(), &'static str> {
        if self.is_secure() {
            let own = format!("https://{}/", self.header(&HOST));
            if !self.header(&REFERER).starts_with(&own) {
                return Err("Referer checking failed");
            }
        }
        if csrf::same_secret(self.cookie("csrftoken"), self.field("csrfmiddlewaretoken")) {
            Ok(())
        } else {
            Err("CSRF cookie not set, or CSRF token missing or incorrect")
        }
    }
}

fn cookies(headers: &HeaderMap) -> HashMap<String, String> {
    let pairs =
        headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
