//! Where the application lives: URLs of its pages and sockets, and what a redirect means.
//!
//! The base URL may have a path, which is kept as a prefix of every request. It knows no I/O.

use http::HeaderValue;
use url::Url;

use super::SetupError;
use crate::chat::{Failure, FailureKind};
use crate::drivers::BreakoutId;
use crate::drivers::ws::dial::Endpoint;

/// One origin and path prefix, and the event there.
#[derive(Debug)]
pub(super) struct Site {
    /// Ends with a slash.
    base: Url,
    slug: String,
    /// Where to dial for sockets.
    pub(super) endpoint: Endpoint,
    /// The `Host` header.
    pub(super) host: HeaderValue,
    /// The `Origin` header.
    pub(super) origin: HeaderValue,
}

/// Where a redirect leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Redirect {
    /// To the log-in form of this site: the session is unknown.
    LogIn,
    /// Elsewhere on this site, to this path.
    Inside(String),
}

impl Site {
    pub(super) fn new(base: &Url, slug: &str) -> Result<Self, SetupError> {
        let refuse = |reason| SetupError::Url { reason };
        if !matches!(base.scheme(), "http" | "https") {
            return Err(refuse("it must begin with http:// or https://"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refuse("it must not hold a username or a password"));
        }
        let endpoint = Endpoint::of(base).ok_or_else(|| refuse("it has no host"))?;
        let mut base = base.clone();
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        let origin = base.origin().ascii_serialization();
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        let header = |text: &str| HeaderValue::from_str(text).map_err(|_| refuse("its host is no header value"));
        Ok(Self { slug: slug.to_owned(), endpoint, host: header(host)?, origin: header(&origin)?, base })
    }

    /// The URL of a page, from a list of path segments; it ends with a slash.
    fn page(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments).push("");
        }
        url
    }

    pub(super) fn sign_up(&self) -> Url {
        self.page(&["accounts", "signup"])
    }

    pub(super) fn log_in(&self) -> Url {
        self.page(&["accounts", "login"])
    }

    pub(super) fn delete(&self) -> Url {
        self.page(&["accounts", "delete"])
    }

    /// The event's page; its socket has the same path.
    pub(super) fn event(&self) -> Url {
        self.page(&["event", &self.slug])
    }

    /// A breakout's page; its socket has the same path.
    pub(super) fn breakout(&self, id: BreakoutId) -> Url {
        self.page(&["breakout", &id.0.to_string()])
    }

    /// The path prefix, with a slash at its end.
    pub(super) fn prefix(&self) -> &str {
        self.base.path()
    }

    /// Where the `Location` of an answer to `asked` leads.
    pub(super) fn redirect(&self, asked: &Url, location: Option<&HeaderValue>) -> Result<Redirect, Failure> {
        let bad = |text: String| Failure::with(FailureKind::BadRedirect, text);
        let location = location.ok_or_else(|| bad("a redirect without a Location".to_owned()))?;
        let text = std::str::from_utf8(location.as_bytes()).map_err(|_| bad("a Location that is no text".into()))?;
        let target = asked.join(text).map_err(|e| bad(format!("a Location that is no URL: {e}")))?;
        if target.origin() != self.base.origin() {
            return Err(bad(format!("redirected to another origin, {}", target.origin().ascii_serialization())));
        }
        if target.path() == self.log_in().path() || target.path().ends_with("/accounts/login/") {
            return Ok(Redirect::LogIn);
        }
        if target == *asked {
            return Err(bad("redirected to itself".to_owned()));
        }
        Ok(Redirect::Inside(target.path().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(base: &str) -> Site {
        Site::new(&base.parse().unwrap(), "test").unwrap()
    }

    #[test]
    fn a_path_in_the_base_is_a_prefix_of_everything() {
        for base in ["https://chat.example/rooms", "https://chat.example/rooms/"] {
            let site = site(base);
            assert_eq!(site.sign_up().as_str(), "https://chat.example/rooms/accounts/signup/");
            assert_eq!(site.event().as_str(), "https://chat.example/rooms/event/test/");
            assert_eq!(site.breakout(BreakoutId(3)).as_str(), "https://chat.example/rooms/breakout/3/");
        }
    }

    #[test]
    fn a_slug_cannot_leave_its_place() {
        let site = Site::new(&"http://h/".parse().unwrap(), "../x?y#z").unwrap();
        assert_eq!(site.event().as_str(), "http://h/event/..%2Fx%3Fy%23z/");
    }

    #[test]
    fn host_and_origin_name_a_port_that_is_not_the_default() {
        assert_eq!(site("http://[::1]:8000/").host, "[::1]:8000");
        assert_eq!(site("https://chat.example:443/").host, "chat.example");
        assert_eq!(site("https://chat.example/x").origin, "https://chat.example");
    }

    #[test]
    fn redirects_are_told_apart() {
        let site = site("http://h:1/p");
        let to = |location: &'static str| {
            site.redirect(&site.event(), Some(&HeaderValue::from_static(location))).map_err(|f| f.kind)
        };
        assert_eq!(to("/p/accounts/login/?next=/p/event/test/"), Ok(Redirect::LogIn));
        assert_eq!(to("/p/events/"), Ok(Redirect::Inside("/p/events/".into())));
        assert_eq!(to("http://h:1/p/events/"), Ok(Redirect::Inside("/p/events/".into())));
        for elsewhere in ["http://h:2/accounts/login/", "https://h:1/", "//evil/accounts/login/", "ftp://h:1/"] {
            assert_eq!(to(elsewhere), Err(FailureKind::BadRedirect), "{elsewhere}");
        }
        assert_eq!(to("/p/event/test/"), Err(FailureKind::BadRedirect));
        assert_eq!(site.redirect(&site.event(), None).unwrap_err().kind, FailureKind::BadRedirect);
    }

    #[test]
    fn a_url_with_credentials_is_refused() {
        assert!(Site::new(&"http://a:b@h/".parse().unwrap(), "test").is_err());
        assert!(Site::new(&"ws://h/".parse().unwrap(), "test").is_err());
    }
}
