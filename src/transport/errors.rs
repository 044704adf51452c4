//! Errors of the system and of libraries, and HTTP statuses, as [`Failure`]s.
//!
//! Libraries wrap the cause several times; the kind is found by walking down the chain.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};

use super::{HEAD_LIMIT, HEADER_COUNT_LIMIT, tls};
use crate::model::{Failure, FailureKind};

/// Longest `Retry-After` that is believed.
pub const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(3600);

/// Longest chain of causes that is walked.
const DEPTH_LIMIT: usize = 16;

/// An error of the operating system.
#[must_use]
pub fn of_io(e: &io::Error) -> Failure {
    of_error(e, FailureKind::Io)
}

/// An error of a TLS handshake: of the system below it, or of TLS itself.
#[must_use]
pub fn of_tls(e: &io::Error) -> Failure {
    let inner = e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) = inner {
        return Failure::with(FailureKind::Tls, "the server does not speak TLS: use http://");
    }
    of_error(e, FailureKind::Tls)
}

/// The failure of plain HTTP to a server that answers in TLS.
#[must_use]
pub fn speaks_tls() -> Failure {
    Failure::with(FailureKind::Tls, "the server speaks TLS: use https://")
}

/// Any error: the kind of the deepest cause that has one, or `otherwise`.
/// The detail is the cause's own text.
#[must_use]
pub fn of_error(e: &(dyn Error + 'static), otherwise: FailureKind) -> Failure {
    let mut kind = None;
    let mut cause = e;
    for _ in 0..DEPTH_LIMIT {
        kind = kind_of(cause).or(kind);
        match beneath(cause) {
            Some(next) => cause = next,
            None => break,
        }
    }
    let detail = match (cause.downcast_ref::<rustls::Error>(), cause.downcast_ref::<hyper::Error>()) {
        (Some(tls), _) => tls::in_words(tls),
        (_, Some(http)) if http.is_parse_too_large() => head_too_large(),
        _ => cause.to_string(),
    };
    Failure::with(kind.unwrap_or(otherwise), detail)
}

/// The text for a head that hyper calls too large, with the limits that it was given.
fn head_too_large() -> String {
    format!("the head of the answer is over {HEAD_LIMIT} bytes or has over {HEADER_COUNT_LIMIT} headers")
}

/// The cause of an error. An [`io::Error`] made from another error returns that error's cause as its own source, and
/// so hides the error itself.
fn beneath<'a>(e: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match e.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => e.source(),
    }
}

fn kind_of(e: &(dyn Error + 'static)) -> Option<FailureKind> {
    if let Some(failure) = e.downcast_ref::<Failure>() {
        return Some(failure.kind);
    }
    if let Some(io) = e.downcast_ref::<io::Error>() {
        return kind_of_io(io);
    }
    if let Some(http) = e.downcast_ref::<hyper::Error>() {
        return kind_of_http(http);
    }
    e.downcast_ref::<rustls::Error>().map(|_| FailureKind::Tls)
}

fn kind_of_io(e: &io::Error) -> Option<FailureKind> {
    use nix::errno::Errno;
    if let Some(code) = e.raw_os_error()
        && matches!(Errno::from_raw(code), Errno::EMFILE | Errno::ENFILE)
    {
        return Some(FailureKind::NoFiles);
    }
    Some(match e.kind() {
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => FailureKind::NoPorts,
        io::ErrorKind::ConnectionRefused => FailureKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            FailureKind::ConnectionReset
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::NotConnected => FailureKind::ConnectionClosed,
        io::ErrorKind::TimedOut => FailureKind::Timeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            FailureKind::Unreachable
        }
        _ if e.get_ref().is_some() => return None,
        _ => FailureKind::Io,
    })
}

fn kind_of_http(e: &hyper::Error) -> Option<FailureKind> {
    if e.is_parse() || e.is_parse_too_large() || e.is_parse_status() {
        Some(FailureKind::BadHttp)
    } else if e.is_incomplete_message() || e.is_closed() || e.is_canceled() {
        Some(FailureKind::ConnectionClosed)
    } else if e.is_timeout() {
        Some(FailureKind::Timeout)
    } else {
        None
    }
}

/// The failure for a status that a step does not expect.
#[must_use]
pub fn of_status(status: StatusCode, headers: &HeaderMap) -> Failure {
    let kind = match status.as_u16() {
        400 => FailureKind::BadRequest,
        403 => FailureKind::Forbidden,
        404 => FailureKind::NotFound,
        429 => FailureKind::TooManyRequests,
        500 => FailureKind::InternalError,
        503 => FailureKind::Unavailable,
        _ if status.is_client_error() => FailureKind::ClientError,
        _ if status.is_server_error() => FailureKind::ServerError,
        _ => FailureKind::UnexpectedStatus,
    };
    Failure { retry_after: retry_after(headers), ..Failure::with(kind, format!("HTTP {status}")) }
}

/// `Retry-After`, if given in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    // A number too large to parse exceeds the limit.
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => u64::MAX,
        Err(_) => return None,
    };
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_beneath_its_wrappings() {
        let inner = io::Error::from_raw_os_error(nix::errno::Errno::EMFILE as i32);
        let outer = io::Error::other(io::Error::other(inner));
        assert_eq!(of_io(&outer).kind, FailureKind::NoFiles);
        let tls = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
        assert_eq!(of_io(&tls).kind, FailureKind::Tls);
    }

    #[test]
    fn every_error_of_the_system_has_a_kind() {
        for (errno, kind) in [
            (nix::errno::Errno::ECONNREFUSED, FailureKind::ConnectionRefused),
            (nix::errno::Errno::ECONNRESET, FailureKind::ConnectionReset),
            (nix::errno::Errno::EPIPE, FailureKind::ConnectionReset),
            (nix::errno::Errno::EADDRNOTAVAIL, FailureKind::NoPorts),
            (nix::errno::Errno::ENETUNREACH, FailureKind::Unreachable),
            (nix::errno::Errno::EHOSTUNREACH, FailureKind::Unreachable),
            (nix::errno::Errno::ETIMEDOUT, FailureKind::Timeout),
            (nix::errno::Errno::EIO, FailureKind::Io),
        ] {
            assert_eq!(of_io(&io::Error::from_raw_os_error(errno as i32)).kind, kind, "{errno}");
        }
    }

    #[test]
    fn retry_after_is_bounded() {
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            of_status(StatusCode::TOO_MANY_REQUESTS, &headers).retry_after
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("99999999999999999999999"), Some(RETRY_AFTER_LIMIT));
        assert_eq!(after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(after("-1"), None);
    }
}
