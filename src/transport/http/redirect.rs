//! Redirects: within an origin, and never followed by themselves.

use http::HeaderValue;
use url::Url;

use crate::model::{Failure, FailureKind};

/// Where the `Location` of an answer to `asked` leads.
///
/// # Errors
/// `BadRedirect` for one that is missing, is no URL or leads to another origin.
pub(super) fn target(asked: &Url, location: Option<&HeaderValue>) -> Result<Url, Failure> {
    let bad = |text: String| Failure::with(FailureKind::BadRedirect, text);
    let location = location.ok_or_else(|| bad("a redirect without a Location".to_owned()))?;
    let text = std::str::from_utf8(location.as_bytes()).map_err(|_| bad("a Location that is no text".into()))?;
    let target = asked.join(text).map_err(|e| bad(format!("a Location that is no URL: {e}")))?;
    if target.origin() != asked.origin() {
        return Err(bad(format!("redirected to another origin, {}", target.origin().ascii_serialization())));
    }
    Ok(target)
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
    fn another_origin_or_nothing_is_a_bad_redirect() {
        for elsewhere in ["http://h:2/accounts/login/", "https://h:1/", "//evil/accounts/login/", "ftp://h:1/"] {
            assert_eq!(leads(elsewhere), Err(FailureKind::BadRedirect), "{elsewhere}");
        }
        let asked = "http://h:1/".parse().unwrap();
        assert_eq!(target(&asked, None).unwrap_err().kind, FailureKind::BadRedirect);
    }
}
