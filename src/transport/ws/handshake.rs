//! The upgrade from HTTP to a websocket, and the one type that opens sockets.
//!
//! hyper speaks HTTP; the stream is taken back from it together with any extra bytes that it read, since the server's
//! first frame may arrive together with the 101.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use url::{Position, Url};

use super::extension::{OFFER, PerMessageDeflate};
use super::frame::Masks;
use super::socket::{Early, WebSocket};
use crate::clock::Clock;
use crate::model::{Failure, FailureKind};
use crate::transport::dial::{Dialer, Stream};
use crate::transport::http::{Origin, Session, with_headers};
use crate::transport::{ConnectionOptions, TRACEPARENT, USER_AGENT, errors, exchange};

/// An upgrade to request.
#[derive(Debug)]
pub struct Upgrade<'a> {
    /// Where.
    pub origin: &'a Origin,
    /// The socket's URL, with the scheme of a page.
    pub url: &'a Url,
    /// The user's session: its cookies are sent, and those of the answer are kept, even if that is not a 101.
    pub session: &'a mut Session,
    /// The `traceparent` header, if the server is to join a trace.
    pub traceparent: Option<HeaderValue>,
    /// Additional headers of the protocol.
    pub asked: UpgradeHeaders,
}

/// Headers that a protocol may set in an upgrade.
#[derive(Debug, Default)]
pub struct UpgradeHeaders {
    /// The `Origin` header, if it is not the server's own origin.
    pub origin: Option<HeaderValue>,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The subprotocols to offer; the server chooses one or none.
    pub subprotocols: Vec<Box<str>>,
}

/// The options of all sockets of a run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Timeout for name look-up, TCP, TLS and upgrade together.
    pub timeout: Duration,
    /// Largest message, in bytes.
    pub max_message: usize,
    /// Whether to offer permessage-deflate.
    pub compression: bool,
}

impl Options {
    /// From the options of all connections.
    #[must_use]
    pub fn of(connection: &ConnectionOptions) -> Self {
        let ConnectionOptions { http_timeout, max_frame, compression, .. } = *connection;
        Self { timeout: http_timeout, max_message: max_frame, compression }
    }
}

/// Dials and upgrades; returns a [`WebSocket`].
///
/// # Errors
/// `Timeout` for everything together; failures of the connection; the failure of a status other than 101;
/// `BadHandshake` for a 101 that does not answer our request.
pub async fn open(
    dialer: &Dialer,
    upgrade: Upgrade<'_>,
    options: Options,
    clock: Clock,
    seed: u64,
) -> Result<WebSocket, Failure> {
    let work = async {
        let stream = dialer.dial(&upgrade.origin.endpoint, &mut upgrade.session.turn).await?;
        let (stream, early, terms) = negotiate(stream, upgrade, options.compression, seed).await?;
        let early = (!early.is_empty()).then(|| Early { at: clock.now(), bytes: early.as_ref().into() });
        let socket = WebSocket::new(stream, early, options.max_message, clock, Masks::seeded(seed));
        Ok(match terms {
            Some(terms) => socket.compressed(terms),
            None => socket,
        })
    };
    match tokio::time::timeout(options.timeout, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::with(FailureKind::Timeout, "no websocket handshake in time")),
    }
}

/// Requests the upgrade; returns the stream, the bytes read after the head of the answer, and the terms of compression.
async fn negotiate(
    stream: Stream,
    upgrade: Upgrade<'_>,
    compression: bool,
    seed: u64,
) -> Result<(Stream, Bytes, Option<PerMessageDeflate>), Failure> {
    let key = key(seed);
    let mut request = request(&upgrade, &key)?;
    if compression {
        request.headers_mut().insert(header::SEC_WEBSOCKET_EXTENSIONS, OFFER);
    }
    let (response, rest) = exchange::ask(stream, request).await.map_err(|e| broken(&e))?;
    upgrade.session.absorb(response.headers(), upgrade.url);
    check(&response, &key, &upgrade.asked.subprotocols)?;
    let terms = extensions(response.headers(), compression)?;
    let (stream, early) = rest.into_stream().await.map_err(|e| broken(&e))?;
    Ok((stream, early, terms))
}

fn broken(e: &hyper::Error) -> Failure {
    errors::of_error(e, FailureKind::BadHttp)
}

/// A nonce, which keeps caches from answering and is not secret.
fn key(seed: u64) -> String {
    let mut nonce = [0; 16];
    let mut masks = Masks::seeded(!seed);
    for part in nonce.chunks_exact_mut(4) {
        part.copy_from_slice(&masks.draw());
    }
    base64::engine::general_purpose::STANDARD.encode(nonce)
}

fn request(upgrade: &Upgrade<'_>, key: &str) -> Result<Request<Empty<Bytes>>, Failure> {
    let Upgrade { origin, url, session, traceparent, asked } = upgrade;
    let mut request = Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(header::HOST, &origin.host)
        .header(header::ORIGIN, asked.origin.as_ref().unwrap_or(&origin.name))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, key)
        .header(header::USER_AGENT, USER_AGENT);
    if let Some(cookie) = session.cookies.header(url) {
        request = request.header(header::COOKIE, cookie);
    }
    if let Some(parent) = traceparent {
        request = request.header(TRACEPARENT, parent);
    }
    if !asked.subprotocols.is_empty() {
        request = request.header(header::SEC_WEBSOCKET_PROTOCOL, asked.subprotocols.join(", "));
    }
    for (name, value) in &asked.headers {
        request = request.header(name, value);
    }
    let request = request.body(Empty::new()).map_err(|e| Failure::with(FailureKind::BadRequest, e.to_string()))?;
    Ok(with_headers(request, &origin.headers))
}

/// Checks that a 101 answers our request (RFC 6455, 4.1).
fn check<B>(response: &Response<B>, key: &str, subprotocols: &[Box<str>]) -> Result<(), Failure> {
    let headers = response.headers();
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(errors::of_status(response.status(), headers));
    }
    let bad = |what: &'static str| Err(Failure::with(FailureKind::BadHandshake, what));
    if !has_token(headers, header::UPGRADE, "websocket") {
        return bad("101 without Upgrade: websocket");
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return bad("101 without Connection: Upgrade");
    }
    let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT).map(|value| value.as_bytes().trim_ascii());
    if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return bad("Sec-WebSocket-Accept does not match the key");
    }
    // The server may choose none.
    match headers.get(header::SEC_WEBSOCKET_PROTOCOL).map(|value| value.as_bytes().trim_ascii()) {
        Some(chosen) if !subprotocols.iter().any(|offered| offered.as_bytes() == chosen) => {
            bad("a subprotocol that was not offered")
        }
        _ => Ok(()),
    }
}

/// The server's choice of the offered extensions.
fn extensions(headers: &HeaderMap, offered: bool) -> Result<Option<PerMessageDeflate>, Failure> {
    let bad = |what: String| Failure::with(FailureKind::BadHandshake, what);
    if offered {
        return PerMessageDeflate::agreed(headers).map_err(|what| bad(format!("the server answers with {what}")));
    }
    let any = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter().any(|value| !value.is_empty());
    if any { Err(bad("an extension that was not offered".to_owned())) } else { Ok(None) }
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name);
    values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
}
