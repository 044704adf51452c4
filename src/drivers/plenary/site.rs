//! The application's URLs, of pages and sockets, and the meanings of redirects.
//!
//! The base URL may have a path, which is kept as a prefix of every request. It knows no I/O.

use url::Url;

use crate::model::{Failure, FailureKind};
use crate::protocol::{SetupError, SideRoomId};
use crate::transport::http::{Origin, Page};

/// One origin and path prefix, and the event there.
#[derive(Debug)]
pub(super) struct Site {
    /// The base URL, with a trailing slash.
    base: Url,
    slug: String,
    /// The origin to connect to.
    pub(super) origin: Origin,
}

/// The target of a redirect.
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
        let mut base = base.clone();
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        let origin = Origin::of(&base).map_err(|_| refuse("its host cannot be sent in a header"))?;
        let origin = origin.ok_or_else(|| refuse("it has no host"))?;
        Ok(Self { slug: slug.to_owned(), origin, base })
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

    /// The driver's event.
    pub(super) fn slug(&self) -> &str {
        &self.slug
    }

    /// An event's page; its socket has the same path.
    pub(super) fn event(&self, slug: &str) -> Url {
        self.page(&["event", slug])
    }

    /// A breakout's page; its socket has the same path.
    pub(super) fn breakout(&self, id: SideRoomId) -> Url {
        self.page(&["breakout", &id.0.to_string()])
    }

    /// The target of a redirect; `None` for other answers.
    pub(super) fn redirect(&self, page: &Page) -> Result<Option<Redirect>, Failure> {
        page.redirect()?.map(|target| self.meaning(&page.asked, &target)).transpose()
    }

    /// The meaning of a redirect from `asked` to `target`.
    fn meaning(&self, asked: &Url, target: &Url) -> Result<Redirect, Failure> {
        if target.path() == self.log_in().path() || target.path().ends_with("/accounts/login/") {
            return Ok(Redirect::LogIn);
        }
        if target == asked {
            return Err(Failure::with(FailureKind::BadRedirect, "redirected to itself"));
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
            assert_eq!(site.event("test").as_str(), "https://chat.example/rooms/event/test/");
            assert_eq!(site.breakout(SideRoomId(3)).as_str(), "https://chat.example/rooms/breakout/3/");
        }
    }

    #[test]
    fn a_slug_cannot_leave_its_place() {
        let site = Site::new(&"http://h/".parse().unwrap(), "../x?y#z").unwrap();
        assert_eq!(site.event(site.slug()).as_str(), "http://h/event/..%2Fx%3Fy%23z/");
    }

    #[test]
    fn host_and_origin_name_a_port_that_is_not_the_default() {
        assert_eq!(site("http://[::1]:8000/").origin.host, "[::1]:8000");
        assert_eq!(site("https://chat.example:443/").origin.host, "chat.example");
        assert_eq!(site("https://chat.example/x").origin.name, "https://chat.example");
    }

    #[test]
    fn redirects_are_told_apart() {
        let site = site("http://h:1/p");
        let to =
            |target: &str| site.meaning(&site.event("test"), &target.parse().unwrap()).map_err(|failure| failure.kind);
        assert_eq!(to("http://h:1/p/accounts/login/?next=/p/event/test/"), Ok(Redirect::LogIn));
        assert_eq!(to("http://h:1/p/events/"), Ok(Redirect::Inside("/p/events/".into())));
        assert_eq!(to("http://h:1/p/event/test/"), Err(FailureKind::BadRedirect));
    }

    #[test]
    fn a_url_with_credentials_is_refused() {
        assert!(Site::new(&"http://a:b@h/".parse().unwrap(), "test").is_err());
        assert!(Site::new(&"ws://h/".parse().unwrap(), "test").is_err());
    }
}
