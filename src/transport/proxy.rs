//! An HTTP proxy, its exceptions, and the tunnel through it (CONNECT; RFC 9110, 9.3.6).
//!
//! The proxy gets the server's host and port and its own credentials, nothing else. Of its answer only the status is
//! shown.

use std::fmt;
use std::net::Ipv6Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use percent_encoding::percent_decode_str;
use url::Url;

use super::endpoint::Endpoint;
use super::no_proxy::NoProxy;
use super::stream::Stream;
use super::{errors, exchange};
use crate::model::{Failure, FailureKind};

/// A proxy and its exceptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its address, and whether to connect to it over TLS.
    pub endpoint: Endpoint,
    /// `Proxy-Authorization`, marked as sensitive.
    authorization: Option<HeaderValue>,
    /// Servers to connect to without it.
    exceptions: NoProxy,
}

/// Formats the proxy without its credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.endpoint.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", authority(&self.endpoint.host, self.endpoint.port))
    }
}

impl Proxy {
    /// Parses the URL of a proxy, `http://[USER:PASSWORD@]HOST[:PORT]`; it has no exceptions.
    ///
    /// # Errors
    /// The reason, without any part of the URL.
    pub fn of(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        // The URL parser ignores line ends, but the code that masks the password does not, so refuse them.
        let url = Url::parse(text).ok().filter(|_| !text.contains(char::is_control)).ok_or("not a URL")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("not the URL of an http:// or https:// proxy");
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("a proxy has no path in its URL, and no ? or # (in a password they are %2F, %3F and %23)");
        }
        let endpoint = Endpoint::of(&url).ok_or("a URL without a host")?;
        Ok(Self { endpoint, authorization: authorization(&url)?, exceptions: NoProxy::default() })
    }

    /// Adds exceptions: servers to connect to without the proxy.
    #[must_use]
    pub fn except(self, exceptions: NoProxy) -> Self {
        Self { exceptions, ..self }
    }

    /// Whether it has credentials.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.authorization.is_some()
    }

    /// Whether connections to this server go through it.
    #[must_use]
    pub fn takes(&self, server: &Endpoint) -> bool {
        !self.exceptions.names(server)
    }

    /// Turns a connection to the proxy into one to `host` and `port`.
    ///
    /// # Errors
    /// `ProxyRefused` for any status but 2xx; failures of the connection; `BadHttp` for an answer that is not HTTP.
    pub(super) async fn tunnel(&self, stream: Stream, host: &str, port: u16) -> Result<Stream, Failure> {
        let target = authority(host, port);
        let mut request = Request::connect(&target).header(HOST, &target).header(USER_AGENT, super::USER_AGENT);
        if let Some(authorization) = &self.authorization {
            request = request.header(PROXY_AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new());
        let request = request.map_err(|e| Failure::with(FailureKind::BadRequest, e.to_string()))?;
        let broken = |e: hyper::Error| errors::of_error(&e, FailureKind::BadHttp);
        let (response, rest) = exchange::ask(stream, request).await.map_err(broken)?;
        if !response.status().is_success() {
            return Err(self.refused(response.status(), response.headers(), &target));
        }
        let (stream, early) = rest.into_stream().await.map_err(broken)?;
        if early.is_empty() {
            Ok(stream)
        } else {
            Err(Failure::with(FailureKind::BadHttp, "its answer to CONNECT continues after the head"))
        }
    }

    /// The failure of an answer that does not open a tunnel.
    fn refused(&self, status: StatusCode, headers: &HeaderMap, target: &str) -> Failure {
        let asks_for_basic = || {
            let mut schemes = headers.get_all(PROXY_AUTHENTICATE).iter().peekable();
            schemes.peek().is_none()
                || schemes.any(|asked| asked.as_bytes().to_ascii_lowercase().windows(5).any(|word| word == b"basic"))
        };
        let why = match status.as_u16() {
            407 if !asks_for_basic() => "it wants another scheme than Basic, which soakrig does not support",
            407 if self.has_credentials() => "it does not accept the user and password of --proxy",
            407 => {
                "it wants a user and a password: http://USER:PASSWORD@HOST:PORT, in a file (--proxy @FILE) or in SOAKRIG_PROXY"
            }
            403 | 405 if target.ends_with(":443") => "it does not allow this",
            403 | 405 => "it does not allow this; many proxies open tunnels only to port 443",
            502..=504 => "it cannot reach the server",
            _ => "it does not open a tunnel",
        };
        let seen = errors::of_status(status, headers);
        let text = format!("{} to CONNECT {target}: {why}", seen.detail);
        Failure { retry_after: seen.retry_after, ..Failure::with(FailureKind::ProxyRefused, text) }
    }
}

/// Host and port as CONNECT and URLs spell them.
fn authority(host: &str, port: u16) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// `Basic` credentials (RFC 7617) of a URL's user and password.
fn authorization(url: &Url) -> Result<Option<HeaderValue>, &'static str> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
    let decoded = decode(url.username()).and_then(|user| Ok((user, decode(url.password().unwrap_or_default())?)));
    let (user, password) = decoded.map_err(|_| "the user or the password is not valid UTF-8")?;
    if user.is_empty() && password.is_empty() {
        return Ok(None);
    }
    if user.contains(':') || user.contains(char::is_control) || password.contains(char::is_control) {
        return Err("a user with a colon, or a control character in the user or password");
    }
    let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
    let mut value = value.map_err(|_| "the user or the password cannot be used")?;
    value.set_sensitive(true);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_scheme_host_port_and_credentials() {
        for (text, shown, credentials) in [
            ("http://proxy:3128", "http://proxy:3128", None),
            (" https://Proxy.example/ ", "https://proxy.example:443", None),
            ("http://[::1]:8080", "http://[::1]:8080", None),
            ("http://me:p%40ss%3Aw%C3%B6rd@proxy", "http://proxy:80", Some("me:p@ss:wörd")),
            ("http://me@proxy", "http://proxy:80", Some("me:")),
        ] {
            let proxy = Proxy::of(text).unwrap();
            assert_eq!(proxy.to_string(), shown, "{text}");
            let expected = credentials.map(|text| format!("Basic {}", STANDARD.encode(text)));
            assert_eq!(proxy.authorization.as_ref().map(|value| value.to_str().unwrap()), expected.as_deref());
            assert!(!format!("{proxy:?}").contains("Basic"), "{proxy:?}");
        }
        for text in [
            "",
            "proxy:3128",
            "http://me:p\nw@proxy",
            "socks5://proxy",
            "http://",
            "http://u:a/b@proxy",
            "http://proxy/x",
            "http://a%3Ab:c@p",
            "http://a%0A@p",
            "http://a%ff@p",
        ] {
            let error = Proxy::of(text).unwrap_err();
            assert!(!error.contains("a/b"), "{text}: {error}");
        }
    }

    #[test]
    fn each_refusal_has_words_and_a_remedy() {
        let headers = |scheme: Option<&str>| {
            scheme.map(|scheme| (PROXY_AUTHENTICATE, scheme.parse().unwrap())).into_iter().collect::<HeaderMap>()
        };
        let said = |proxy: &str, status: u16, scheme: Option<&str>, target: &str| {
            let failure =
                Proxy::of(proxy).unwrap().refused(StatusCode::from_u16(status).unwrap(), &headers(scheme), target);
            assert_eq!(failure.kind, FailureKind::ProxyRefused);
            failure.detail.into_owned()
        };
        assert!(said("http://p", 407, None, "h:80").contains("--proxy @FILE"));
        assert!(said("http://p", 407, Some("Basic realm=x"), "h:80").contains("--proxy @FILE"));
        assert!(said("http://u:p@p", 407, Some("Basic realm=x"), "h:80").contains("does not accept the user"));
        assert!(said("http://u:p@p", 407, Some("NTLM"), "h:80").contains("another scheme than Basic"));
        assert!(said("http://p", 403, None, "h:80").contains("only to port 443"));
        assert!(!said("http://p", 403, None, "h:443").contains("only"));
        assert!(said("http://p", 502, None, "h:443").starts_with("HTTP 502 Bad Gateway to CONNECT h:443"));
    }
}
