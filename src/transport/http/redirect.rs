//! Redirects: only within an origin, and never followed automatically.

use http::HeaderValue;
use url::{Host, Url};

use crate::model::{Failure, FailureKind};

/// The target of the `Location` of an answer to `asked`.
///
/// # Errors
/// `BadRedirect` for a `Location` that is missing, is not a URL, or leads to another origin.
pub(super) fn target(asked: &Url, location: Option<&HeaderValue>) -> Result<Url, Failure> {
    let bad = |text: String| Failure::with(FailureKind::BadRedirect, text);
    let location = location.ok_or_else(|| bad("a redirect without a Location".to_owned()))?;
    let text = std::str::from_utf8(location.as_bytes()).map_err(|_| bad("a Location that is not text".into()))?;
    let target = asked.join(text).map_err(|e| bad(format!("a Location that is not a URL: {e}")))?;
    if target.origin() != asked.origin() {
        let hint = hint(asked, &target);
        return Err(bad(format!("redirected to another origin, {}{hint}", target.origin().ascii_serialization())));
    }
    Ok(target)
}

/// A hint at the proxy's part in a redirect to another origin.
fn hint(asked: &Url, target: &Url) -> &'static str {
    if is_internal(target) && target.host() != asked.host() {
        return ": an internal address; behind a proxy, the server has to be told its public name (Host, \
                X-Forwarded-Host)";
    }
    match (asked.host() == target.host(), asked.scheme(), target.scheme()) {
        (true, "https", "http") => {
            ": the same host without TLS; behind a proxy, the server has to be told of TLS (X-Forwarded-Proto)"
        }
        (true, "http", "https") => ": the same host over TLS; use https:// in the URL",
        (true, ..) => ": the same host on another port; behind a proxy, the server has to be told its public port",
        _ => "",
    }
}

/// Whether a URL's host is this machine, in a private network, or without a domain.
fn is_internal(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Some(Host::Domain(name)) => !name.contains('.') || name.ends_with(".internal") || name.ends_with(".local"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(location: &'static str) -> Result<String, FailureKind> {
        let asked = "http://h:1/p/event/test/".parse().unwrap();
        target(&asked, Some(&HeaderValue::from_static(location))).map(String::from).map_err(|failure| failure.kind)
    }

    #[test]
    fn a_location_is_relative_to_what_was_asked_for() {
        assert_eq!(leads("/p/events/"), Ok("http://h:1/p/events/".into()));
        assert_eq!(leads("http://h:1/p/events/"), Ok("http://h:1/p/events/".into()));
        assert_eq!(leads("x"), Ok("http://h:1/p/event/test/x".into()));
    }

    #[test]
    fn a_redirect_that_a_proxy_should_have_rewritten_gets_a_hint() {
        let said = |asked: &str, location: &'static str| {
            target(&asked.parse().unwrap(), Some(&HeaderValue::from_static(location))).unwrap_err().detail
        };
        for internal in ["http://127.0.0.1:8080/x", "http://10.1.2.3/", "http://app:8000/", "http://[::1]/"] {
            let said = said("https://chat.example/", internal);
            assert!(said.contains("internal address") && said.contains("X-Forwarded-Host"), "{said}");
        }
        assert!(said("https://chat.example/", "http://chat.example/x").contains("X-Forwarded-Proto"));
        assert!(said("http://chat.example/", "https://chat.example/x").contains("use https://"));
        assert!(said("http://127.0.0.1:1/", "http://127.0.0.1:2/").contains("another port"));
        assert!(said("https://chat.example/", "https://other.example/").ends_with("https://other.example"));
    }

    #[test]
    fn another_origin_or_nothing_is_a_bad_redirect() {
        for elsewhere in ["http://h:2/accounts/login/", "https://h:1/", "//evil/accounts/login/", "ftp://h:1/"] {
            assert_eq!(leads(elsewhere), Err(FailureKind::BadRedirect), "{elsewhere}");
        }
        let asked = "http://h:1/".parse().unwrap();
        assert_eq!(target(&asked, None).unwrap_err().kind, FailureKind::BadRedirect);
    }
}
