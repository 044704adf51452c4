//! Guesses the protocol of a server that does not speak the check's: makes a few requests, and names the
//! shipped protocol file that may fit.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tokio::time::timeout;
use url::Url;

use super::finding::Finding;
use crate::model::{Failure, FailureKind, HttpStep};
use crate::protocol::{DriverSettings, Progress, Session};
use crate::transport::http::{Ask, Browser, BrowserSettings, CustomRequest, Origin, Page};
use crate::transport::ws::handshake::{self, Options, Upgrade, UpgradeHeaders};
use crate::transport::ws::reader::Message;

/// Timeout of each request.
const REQUEST: Duration = Duration::from_secs(2);
/// Timeout of all requests together.
const WHOLE: Duration = Duration::from_secs(12);
/// Size of the largest answer read, in bytes.
const LARGEST: usize = 64 << 10;
/// Subprotocols that a shipped file speaks.
const SUBPROTOCOLS: [(&str, &str); 4] = [
    ("graphql-transport-ws", "graphql-ws"),
    ("xmpp", "xmpp"),
    ("text.ircv3.net", "irc"),
    ("actioncable-v1-json", "actioncable"),
];
/// Usual paths of websockets.
const PATHS: [&str; 6] = ["/graphql", "/xmpp-websocket", "/", "/ws", "/subscriptions", "/websocket"];

/// The protocol that a server seems to speak, and the evidence.
struct Resemblance {
    file: &'static str,
    how: String,
}

/// Findings about what the server resembles; none if that is `protocol`, or nothing known.
pub(super) async fn of(settings: &DriverSettings, protocol: &str) -> Vec<Finding> {
    let Ok(Some(prober)) = Prober::new(settings) else { return Vec::new() };
    let seen = timeout(WHOLE, prober.look()).await.unwrap_or_default();
    let other = seen.filter(|seen| seen.file != protocol);
    other.map_or_else(Vec::new, |Resemblance { file, how }| {
        let remedy = format!("try --protocol {file}, and compare with soakrig protocol show {file}");
        vec![Finding::note(format!("{how}: {remedy}"))]
    })
}

struct Prober<'a> {
    settings: &'a DriverSettings,
    origin: Origin,
    browser: Browser,
}

impl<'a> Prober<'a> {
    fn new(settings: &'a DriverSettings) -> Result<Option<Self>, Failure> {
        let failed = |why: String| Failure::with(FailureKind::Io, why);
        let Some(mut origin) = Origin::of(&settings.base).map_err(|e| failed(e.to_string()))? else { return Ok(None) };
        origin.headers = settings.connection.headers.clone();
        let browser = Browser::new(BrowserSettings {
            dialer: settings.connection.dialer().map_err(|e| failed(e.to_string()))?,
            timeout: REQUEST,
            secrets: settings.secrets.clone(),
            harmless: &[],
            probe: Arc::clone(&settings.probe),
            trace: Arc::clone(&settings.trace),
        });
        Ok(Some(Self { settings, origin, browser }))
    }

    async fn look(&self) -> Option<Resemblance> {
        if let Some(seen) = self.socket_io().await {
            return Some(seen);
        }
        if let Some(seen) = self.action_cable().await {
            return Some(seen);
        }
        let mut opens = None;
        for path in PATHS {
            let Some(page) = self.upgrade(path).await else { continue };
            if let Some(seen) = subprotocol(&page, path) {
                return Some(seen);
            }
            if page.status == http::StatusCode::SWITCHING_PROTOCOLS {
                opens.get_or_insert(path);
            }
        }
        opens.map(|path| Resemblance {
            file: "plain",
            how: format!("a websocket without a subprotocol opens at {path}"),
        })
    }

    fn url(&self, path: &str) -> Option<Url> {
        let base = self.settings.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).ok()
    }

    async fn page(&self, path: &str, headers: HeaderMap) -> Option<Page> {
        let (method, body, secrets) = (Method::GET, Bytes::new(), Vec::new());
        let custom = CustomRequest { method, headers, body, timeout: Some(REQUEST), once: false, secrets };
        let url = self.url(path)?;
        let ask = Ask { step: HttpStep::Room, url, form: None, limit: LARGEST, leads_on: false, custom: Some(&custom) };
        self.browser.visit(&self.origin, &mut Session::default(), ask, Ok).await.ok()
    }

    async fn socket_io(&self) -> Option<Resemblance> {
        let page = self.page("/socket.io/?EIO=4&transport=polling", HeaderMap::new()).await?;
        let body = String::from_utf8_lossy(&page.body);
        let found = body.starts_with("0{") && body.contains("\"sid\"");
        found.then(|| Resemblance {
            file: "socketio",
            how: "the server answers a Socket.IO handshake at /socket.io/".to_owned(),
        })
    }

    /// A websocket at `/cable` whose first frames are those of Action Cable.
    async fn action_cable(&self) -> Option<Resemblance> {
        let dialer = self.settings.connection.dialer().ok()?;
        let (url, mut session) = (self.url("/cable")?, Session::default());
        let asked = UpgradeHeaders {
            origin: Some(self.origin.name.clone()),
            headers: Vec::new(),
            subprotocols: vec!["actioncable-v1-json".into()],
        };
        let upgrade = Upgrade { origin: &self.origin, url: &url, session: &mut session, traceparent: None, asked };
        let limits = Options { timeout: REQUEST, max_message: LARGEST, compression: false };
        let mut socket = handshake::open(&dialer, upgrade, limits, self.settings.clock, rand::random()).await.ok()?;
        let mut found = false;
        let reading = async {
            while !found {
                let read = |message: Message<'_>| {
                    let text = if let Message::Text(text, _) = message { text } else { "" };
                    found |= ["welcome", "ping", "disconnect"]
                        .iter()
                        .any(|kind| text.starts_with(&format!("{{\"type\":\"{kind}\"")));
                };
                let mut read = read;
                let progress = poll_fn(|cx| socket.poll_drive(cx, |_, message| read(message))).await;
                if matches!(progress, Progress::Ended(_)) {
                    break;
                }
            }
        };
        let _ = timeout(REQUEST, reading).await;
        found.then(|| Resemblance {
            file: "actioncable",
            how: "the server sends Action Cable's frames at /cable".to_owned(),
        })
    }

    /// The answer to an upgrade that offers every subprotocol known here.
    async fn upgrade(&self, path: &str) -> Option<Page> {
        let offered = SUBPROTOCOLS.map(|(name, _)| name).join(", ");
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| {
            HeaderValue::from_str(value).is_ok_and(|value| headers.insert(name, value).is_none())
        };
        set(header::CONNECTION, "Upgrade");
        set(header::UPGRADE, "websocket");
        set(header::SEC_WEBSOCKET_VERSION, "13");
        // The nonce of RFC 6455's own example.
        set(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
        set(header::SEC_WEBSOCKET_PROTOCOL, &offered);
        set(header::ORIGIN, self.origin.name.to_str().unwrap_or_default());
        self.page(path, headers).await
    }
}

/// The subprotocol that a server chose, or that its refusal names.
fn subprotocol(page: &Page, path: &str) -> Option<Resemblance> {
    let chosen = page.headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let body = String::from_utf8_lossy(&page.body);
    let named = |name: &str| match chosen {
        Some(chosen) => chosen.split(',').any(|one| one.trim() == name),
        None => page.status.is_client_error() && name.contains(['-', '.']) && body.contains(name),
    };
    let (name, file) = SUBPROTOCOLS.into_iter().find(|(name, _)| named(name))?;
    let how = match page.status {
        http::StatusCode::SWITCHING_PROTOCOLS => format!("the server chooses the subprotocol {name} at {path}"),
        status => format!("the server's refusal at {path} (HTTP {}) names the subprotocol {name}", status.as_u16()),
    };
    Some(Resemblance { file, how })
}
