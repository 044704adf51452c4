//! Addresses of servers.

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::error::ValueError;
use crate::model::OtlpEndpoint;

fn http_url(text: &str, example: &str) -> Result<Url, ValueError> {
    let wrong = |why: &str| ValueError::new(format!("{why}; give one such as {example}"));
    let url = Url::parse(text.trim()).map_err(|e| wrong(&format!("not a URL ({e})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("not an http:// or https:// URL"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("a URL without a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("a URL with a user or a password in it"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("a URL with a ? or # part"));
    }
    Ok(url)
}

/// The server under test: `http` or `https`, a host, and perhaps a path before every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrl {
    url: Url,
    /// The path without a trailing slash.
    prefix: String,
}

impl TargetUrl {
    /// The origin, `https://host` or `https://host:port`, in lower case and without a default port.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The path before every request, without a trailing slash; empty for none.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The URL of an absolute path of the application, such as `/accounts/login/`.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin(), self.prefix)
    }

    /// Whether the server speaks TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host as URLs spell it: IPv6 addresses in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The port: the given one, or the scheme's.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// The URL, whose path is the prefix with a trailing slash.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl FromStr for TargetUrl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut url = http_url(text, "https://chat.example.org")?;
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}/"));
        Ok(Self { url, prefix })
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.prefix)
    }
}

/// Examples of both protocols.
const OTLP_EXAMPLE: &str = "http://collector:4318 or grpc://collector:4317";

/// The port of OTLP over gRPC.
const GRPC_PORT: u16 = 4317;

impl FromStr for OtlpEndpoint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(rest) = text.trim().strip_prefix("grpc://") {
            let mut url = http_url(&format!("http://{rest}"), OTLP_EXAMPLE)?;
            if url.port().is_none() {
                url.set_port(Some(GRPC_PORT)).map_err(|()| ValueError::new("a URL without a host"))?;
            }
            return Ok(Self::Grpc(url.into()));
        }
        let mut url = http_url(text, OTLP_EXAMPLE)?;
        match (url.port(), url.scheme()) {
            (Some(GRPC_PORT), "http") => return Ok(Self::Grpc(url.into())),
            (Some(GRPC_PORT), _) => {
                let why = "port 4317 is that of gRPC, which soakrig speaks without TLS only; \
                           give grpc://host:4317, or https:// with the port of OTLP over HTTP, mostly 4318";
                return Err(ValueError::new(why));
            }
            _ => {}
        }
        if url.path().trim_end_matches('/').is_empty() {
            url.set_path("/v1/traces");
        }
        Ok(Self::Http(url.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_kept_as_a_prefix() {
        for (text, origin, prefix) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000", ""),
            ("https://Chat.Example.org:443/", "https://chat.example.org", ""),
            ("https://example.org/a/b//", "https://example.org", "/a/b"),
            ("http://[::1]:8000/x", "http://[::1]:8000", "/x"),
        ] {
            let target: TargetUrl = text.parse().unwrap();
            assert_eq!((target.origin().as_str(), target.prefix()), (origin, prefix), "{text}");
            assert_eq!(target.join("/event/test/"), format!("{origin}{prefix}/event/test/"));
        }
        let target: TargetUrl = "https://example.org/a".parse().unwrap();
        assert_eq!((target.host(), target.port(), target.is_tls()), ("example.org", 443, true));
        assert_eq!(target.to_string(), "https://example.org/a");
    }

    #[test]
    fn scheme_and_port_say_how_traces_go() {
        for (text, shown) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("https://otlp.example.org/", "https://otlp.example.org/v1/traces"),
            ("https://otlp.example.org/tenant/v1/traces", "https://otlp.example.org/tenant/v1/traces"),
            ("http://collector:4317", "grpc://collector:4317"),
            ("grpc://collector", "grpc://collector:4317"),
            ("grpc://[::1]:5317", "grpc://[::1]:5317"),
        ] {
            assert_eq!(text.parse::<OtlpEndpoint>().unwrap().to_string(), shown);
        }
        for text in ["", "collector:4318", "https://collector:4317", "grpc://", "grpc://u:p@h", "http://h/?q"] {
            assert!(text.parse::<OtlpEndpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_target_url_without_http_or_with_credentials_query_or_fragment_is_refused() {
        for text in [
            "",
            "example.org",
            "ftp://example.org",
            "ws://example.org",
            "http://",
            "http://u@h",
            "http://u:p@h",
            "http://h/?q",
            "http://h/#f",
            "localhost:8000",
            "file:///etc/passwd",
        ] {
            assert!(text.parse::<TargetUrl>().is_err(), "{text}");
        }
        let error = "http://u:hunter2@h".parse::<TargetUrl>().unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*") {
            let _ = text.parse::<TargetUrl>();
            let _ = format!("http://{text}").parse::<TargetUrl>();
        }
    }
}
