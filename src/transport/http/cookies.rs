//! A user's cookies: few, small, for one origin, kept in the [`Session`].
//!
//! It knows headers, no requests. What is stored is what the server spelled, byte for byte.

use std::time::{SystemTime, UNIX_EPOCH};

use cookie::Cookie;
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};

use super::Session;

/// The most cookies a user keeps.
const COUNT_LIMIT: usize = 20;

/// The largest cookie, name and value, in bytes.
const SIZE_LIMIT: usize = 4096;

/// Takes over what an answer sets and deletes. Cookies of another path than `prefix`, cookies
/// over the limits and malformed ones are left out.
pub fn absorb(session: &mut Session, headers: &HeaderMap, prefix: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    for header in headers.get_all(SET_COOKIE) {
        let Some(cookie) = std::str::from_utf8(header.as_bytes()).ok().and_then(|text| Cookie::parse(text).ok()) else {
            continue;
        };
        if !is_ours(cookie.path(), prefix) {
            continue;
        }
        if is_expired(&cookie, now) {
            forget(session, cookie.name());
        } else {
            keep(session, cookie.name(), cookie.value());
        }
    }
}

/// Deletes a cookie.
pub fn forget(session: &mut Session, name: &str) {
    session.cookies.retain(|(known, _)| &**known != name);
}

/// The `Cookie` header; `None` without cookies. It is marked sensitive.
#[must_use]
pub fn header(session: &Session) -> Option<HeaderValue> {
    let mut text = String::new();
    for (name, value) in session.cookies.iter().filter(|(name, value)| is_sound(name, value)).take(COUNT_LIMIT) {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.extend([name, "=", value]);
    }
    let mut header = HeaderValue::from_bytes(text.as_bytes()).ok().filter(|header| !header.is_empty())?;
    header.set_sensitive(true);
    Some(header)
}

fn keep(session: &mut Session, name: &str, value: &str) {
    if !is_sound(name, value) {
        return;
    }
    if let Some((_, old)) = session.cookies.iter_mut().find(|(known, _)| &**known == name) {
        *old = value.into();
    } else if session.cookies.len() < COUNT_LIMIT {
        session.cookies.push((name.into(), value.into()));
    }
}

/// Whether a cookie can stand in a `Cookie` header without breaking out of it.
fn is_sound(name: &str, value: &str) -> bool {
    let clean = |text: &str| !text.bytes().any(|b| b < 0x20 || b == 0x7F || b == b';');
    !name.is_empty() && name.len() + value.len() <= SIZE_LIMIT && clean(name) && clean(value) && !name.contains('=')
}

/// Whether a cookie's path covers this site or lies in it. Paths are not told apart further.
fn is_ours(path: Option<&str>, prefix: &str) -> bool {
    let Some(path) = path.filter(|path| path.starts_with('/')) else { return true };
    let path = path.trim_end_matches('/');
    let prefix = prefix.trim_end_matches('/');
    let covers = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    covers(path, prefix) || covers(prefix, path)
}

/// `Max-Age` decides over `Expires` (RFC 6265, 5.3).
fn is_expired(cookie: &Cookie<'_>, now: u64) -> bool {
    match (cookie.max_age(), cookie.expires_datetime()) {
        (Some(age), _) => !age.is_positive(),
        (None, Some(at)) => u64::try_from(at.unix_timestamp()).unwrap_or(0) <= now,
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(lines: &[&str]) -> Session {
        let mut session = Session::default();
        absorb(&mut session, &headers(lines), "/");
        session
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (SET_COOKIE, line.parse().unwrap())).collect()
    }

    #[test]
    fn the_notices_cookie_survives_byte_for_byte() {
        let value = r#""[[\"__json_message\"\0540\05425\054\"Signed in as $x.\"]]$9f0c""#;
        let session = after(&[&format!("messages={value}; HttpOnly; Path=/; SameSite=Lax"), "sessionid=abc; Path=/"]);
        assert_eq!(header(&session).unwrap(), format!("messages={value}; sessionid=abc"));
    }

    #[test]
    fn deletion_is_honoured() {
        let mut session = after(&["a=1", "b=2", "c=3", "d=4"]);
        let lines = [
            "a=; Max-Age=0; Path=/",
            "b=; expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
            "c=5; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60",
        ];
        absorb(&mut session, &headers(&lines), "/");
        assert_eq!(header(&session).unwrap(), "c=5; d=4");
    }

    #[test]
    fn number_and_size_are_bounded() {
        let lines: Vec<String> = (0..10_000).map(|n| format!("c{n}=x; Path=/")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(after(&lines).cookies.len(), COUNT_LIMIT);
        assert!(after(&[&format!("big={}", "x".repeat(SIZE_LIMIT))]).cookies.is_empty());
    }

    #[test]
    fn cookies_of_a_neighbour_are_left_out() {
        let mut session = Session::default();
        let lines = ["a=1; Path=/", "b=2; Path=/app", "c=3; Path=/app/x", "d=4; Path=/other", "e=5; Path=/apple"];
        absorb(&mut session, &headers(&lines), "/app/");
        assert_eq!(header(&session).unwrap(), "a=1; b=2; c=3");
    }

    #[test]
    fn a_cache_file_cannot_smuggle_headers() {
        let session = Session {
            cookies: vec![("a".into(), "x\r\nEvil: 1".into()), ("b".into(), "2".into())],
            ..Session::default()
        };
        assert_eq!(header(&session).unwrap(), "b=2");
    }

    proptest! {
        #[test]
        fn any_header_leaves_a_sound_jar(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..30)) {
            let mut headers = HeaderMap::new();
            for line in lines {
                if let Ok(value) = HeaderValue::from_bytes(&line) {
                    headers.append(SET_COOKIE, value);
                }
            }
            let mut session = Session::default();
            absorb(&mut session, &headers, "/");
            prop_assert!(session.cookies.len() <= COUNT_LIMIT);
            prop_assert_eq!(header(&session).is_some(), !session.cookies.is_empty());
        }
    }
}
