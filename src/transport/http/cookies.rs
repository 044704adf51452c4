//! A user's cookies, by the rules of RFC 6265 and the common restrictions of browsers.
//!
//! `cookie_store` implements the rules; a jar keeps only the text of each cookie, since thousands of users keep one for
//! hours. It knows headers, but no requests.

use cookie_store::{Cookie, CookieError, CookieExpiration, CookieStore, RawCookie};
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};
use url::{Host, Url};

/// Maximum number of cookies per user; Chrome keeps as many per domain, and RFC 6265 (6.1) asks for 50.
pub const COUNT_LIMIT: usize = 180;

/// Largest cookie, with its attributes, in bytes (RFC 6265, 6.1).
const SIZE_LIMIT: usize = 4096;

/// Maximum size of all cookies of a user together, in bytes: no server takes a larger `Cookie` header.
pub const TOTAL_LIMIT: usize = 64 << 10;

/// Longest part of a cookie's name shown in a refusal, in characters.
const SHOWN_LIMIT: usize = 40;

/// The cookies of one user for one origin.
///
/// Each is kept as the text of a `Set-Cookie` header: name, value, and always a path. A cookie without a path comes
/// from a file of version 0.1; it goes with every request until a cookie of its name is set or deleted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Jar(Vec<Box<str>>);

/// Shows no cookies, which are secrets.
impl std::fmt::Debug for Jar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jar({} cookies)", self.0.len())
    }
}

/// Why a browser would not keep a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("it is Secure, and this is plain http: use https://")]
    Secure,
    #[error("its Domain is not that of the server")]
    Domain,
    #[error("its Domain is a public suffix, under which anyone can register a name")]
    PublicSuffix,
    #[error("its name begins with __Secure- or __Host-, and its attributes do not fit")]
    Prefix,
    #[error("SameSite=None needs Secure")]
    SameSite,
    #[error("it is larger than {SIZE_LIMIT} bytes")]
    Size,
    #[error("it cannot be read")]
    Malformed,
}

impl Jar {
    /// Takes over the cookies that an answer to `asked` sets and deletes, except those that a browser would refuse.
    /// Returns the last refusal in words, without the cookie's value.
    pub fn absorb(&mut self, headers: &HeaderMap, asked: &Url) -> Option<Box<str>> {
        if !headers.contains_key(SET_COOKIE) {
            return None;
        }
        let mut store = self.store(asked);
        let mut refused = None;
        for header in headers.get_all(SET_COOKIE) {
            let text = std::str::from_utf8(header.as_bytes()).unwrap_or_default();
            match take(&mut store, text, asked) {
                Ok(name) => self.0.retain(|kept| kept.contains("; ") || pair(kept).0 != name),
                Err(reason) => refused = Some(in_words(text, reason)),
            }
        }
        let unknown = self.0.iter().filter(|text| !text.contains("; ")).cloned();
        self.0 = unknown.chain(store.iter_unexpired().map(text_of)).collect();
        self.bound();
        refused
    }

    /// The `Cookie` header for a request to `url`, longer paths first (RFC 6265, 5.4), marked sensitive; `None` without
    /// cookies.
    #[must_use]
    pub fn header(&self, url: &Url) -> Option<HeaderValue> {
        let mut fitting: Vec<(usize, &str)> = self.0.iter().filter_map(|text| fits(text, url)).collect();
        fitting.sort_by_key(|(path, _)| std::cmp::Reverse(*path));
        let pairs: Vec<&str> = fitting.into_iter().map(|(_, pair)| pair).collect();
        let mut header = HeaderValue::try_from(pairs.join("; ")).ok().filter(|header| !header.is_empty())?;
        header.set_sensitive(true);
        Some(header)
    }

    /// Deletes the cookies with a name.
    pub fn forget(&mut self, name: &str) {
        self.0.retain(|text| pair(text).0 != name);
    }

    /// Deletes everything.
    pub fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// The number of cookies.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|text| pair(text))
    }

    /// The value of the cookie with this name that was set last.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pairs().filter(|(known, _)| *known == name).last().map(|(_, value)| value)
    }

    /// Names, values and attributes for saving; attributes may be empty.
    pub fn saved(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().map(|text| {
            let (name, value) = pair(text);
            (name, value, text.split_once("; ").map_or("", |(_, attributes)| attributes))
        })
    }

    /// Restores a saved cookie. Cookies that are not valid in a header or exceed the limits are left out.
    pub fn restore(&mut self, name: &str, value: &str, attributes: &str) {
        let separator = if attributes.is_empty() { "" } else { "; " };
        let text = format!("{name}={value}{separator}{attributes}");
        let fits = !name.is_empty() && !name.contains(['=', ';']) && !value.contains(';');
        if fits && is_sound(&text) {
            self.0.push(text.into());
            self.bound();
        }
    }

    /// The cookies in the library's form.
    fn store(&self, asked: &Url) -> CookieStore {
        let mut store = CookieStore::new();
        for text in self.0.iter().filter(|text| text.contains("; ")) {
            // Expired cookies are refused, and so forgotten.
            let _ = store.parse(text, asked);
        }
        store
    }

    /// Drops the oldest cookies beyond the limits, as browsers do.
    fn bound(&mut self) {
        let mut size: usize = self.0.iter().map(|text| text.len()).sum();
        while self.0.len() > COUNT_LIMIT || size > TOTAL_LIMIT {
            size -= self.0.remove(0).len();
        }
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Jar {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut jar = Self::default();
        pairs.into_iter().for_each(|(name, value)| jar.restore(name.as_ref(), value.as_ref(), ""));
        jar
    }
}

impl<const COUNT: usize> From<[(&str, &str); COUNT]> for Jar {
    fn from(pairs: [(&str, &str); COUNT]) -> Self {
        pairs.into_iter().collect()
    }
}

/// Puts one `Set-Cookie` into the store; the cookie's name.
fn take(store: &mut CookieStore, text: &str, asked: &Url) -> Result<String, Reason> {
    if text.len() > SIZE_LIMIT {
        return Err(Reason::Size);
    }
    let mut raw = RawCookie::parse(text).map_err(|_| Reason::Malformed)?.into_owned();
    if !is_sound(&format!("{}={}", raw.name(), raw.value())) {
        return Err(Reason::Malformed);
    }
    check_attributes(&raw, asked)?;
    if is_public_suffix(&raw) {
        // A public suffix may itself have a server; its cookie is then for that host only.
        if raw.domain() != asked.host_str() {
            return Err(Reason::PublicSuffix);
        }
        raw.unset_domain();
    }
    match store.insert_raw(&raw, asked) {
        Ok(_) | Err(CookieError::Expired) => Ok(raw.name().to_owned()),
        Err(CookieError::DomainMismatch) => Err(Reason::Domain),
        Err(_) => Err(Reason::Malformed),
    }
}

/// Restrictions of browsers beyond RFC 6265, by its revision (draft 6265bis, 5.7). Some browsers make an exception for
/// plain http on this machine; this does not, because what is tested here should work elsewhere.
fn check_attributes(cookie: &RawCookie<'_>, asked: &Url) -> Result<(), Reason> {
    let secure = cookie.secure() == Some(true);
    if secure && asked.scheme() != "https" {
        return Err(Reason::Secure);
    }
    let begins = |prefix: &str| cookie.name().get(..prefix.len()).is_some_and(|name| name.eq_ignore_ascii_case(prefix));
    let is_hosts_own = cookie.domain().is_none() && cookie.path() == Some("/");
    if (begins("__Secure-") && !secure) || (begins("__Host-") && !(secure && is_hosts_own)) {
        return Err(Reason::Prefix);
    }
    if cookie.same_site().is_some_and(|same| same.is_none()) && !secure {
        return Err(Reason::SameSite);
    }
    Ok(())
}

/// Whether a cookie is for all names under a suffix such as `com`, `co.uk` or `github.io`.
fn is_public_suffix(cookie: &RawCookie<'_>) -> bool {
    let Some(domain) = cookie.domain() else { return false };
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    matches!(Host::parse(&domain), Ok(Host::Domain(_))) && psl::domain_str(&domain).is_none()
}

/// Whether a text is safe inside a header.
fn is_sound(text: &str) -> bool {
    text.len() <= SIZE_LIMIT && !text.bytes().any(|b| b < 0x20 || b == 0x7F)
}

/// A cookie in the form that a jar keeps.
fn text_of(cookie: &Cookie<'static>) -> Box<str> {
    let mut kept = RawCookie::new(cookie.name().to_owned(), cookie.value().to_owned());
    kept.set_path(cookie.path.to_string());
    if let Some(domain) = cookie.domain() {
        kept.set_domain(domain.to_owned());
    }
    if let CookieExpiration::AtUtc(moment) = cookie.expires {
        // `Max-Age` counts from when the cookie was set.
        kept.set_expires(moment);
    }
    if cookie.secure() == Some(true) {
        kept.set_secure(true);
    }
    kept.to_string().into()
}

/// Name and value of a kept cookie.
fn pair(text: &str) -> (&str, &str) {
    text.split("; ").next().and_then(|pair| pair.split_once('=')).unwrap_or_default()
}

/// The length of a cookie's path and its pair, if it goes with a request to `url`.
fn fits<'a>(text: &'a str, url: &Url) -> Option<(usize, &'a str)> {
    let Some((pair, _)) = text.split_once("; ") else { return Some((1, text)) };
    let cookie = Cookie::parse(text, url).ok()?;
    (!cookie.is_expired() && cookie.matches(url)).then_some((cookie.path.len(), pair))
}

fn in_words(text: &str, reason: Reason) -> Box<str> {
    let name = text.split(['=', ';']).next().unwrap_or_default().trim();
    let name: String = name.chars().filter(char::is_ascii_graphic).take(SHOWN_LIMIT).collect();
    format!("a browser would not keep the cookie {name}: {reason}").into()
}

#[cfg(test)]
mod tests;
