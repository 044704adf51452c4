//! A stream that notes the first bytes of the peer's answer, before any parser sees them.
//!
//! They show whether a request was answered at all, and whether the answer to plain HTTP is TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// The first bytes read since the last [`ReadMark::forget`].
#[derive(Debug, Clone, Default)]
pub struct ReadMark(Arc<AtomicU32>);

/// Set once anything was read; the lower bits hold the first two bytes.
const ANYTHING: u32 = 1 << 16;

/// Start of a TLS record with an alert, of any version since SSL 3.
const TLS_ALERT: u32 = 0x1503;

impl ReadMark {
    /// Whether nothing was read.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Whether the bytes read begin like a TLS alert.
    #[must_use]
    pub fn is_tls_alert(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ANYTHING | TLS_ALERT
    }

    /// Resets the mark before another answer.
    pub fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn note(&self, bytes: &[u8]) {
        if let Some(first) = bytes.first()
            && self.is_nothing()
        {
            let second = bytes.get(1).copied().unwrap_or(0);
            self.0.store(ANYTHING | u32::from(*first) << 8 | u32::from(second), Ordering::Relaxed);
        }
    }
}

/// A stream and the mark of what was read from it.
#[derive(Debug)]
pub struct Watched {
    stream: Stream,
    heard: ReadMark,
}

impl Watched {
    /// Watches a stream on which nothing was read yet.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self { stream, heard: ReadMark::default() }
    }

    /// The mark, which stays current.
    #[must_use]
    pub fn heard(&self) -> ReadMark {
        self.heard.clone()
    }

    /// The stream itself.
    #[must_use]
    pub fn into_inner(self) -> Stream {
        self.stream
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, heard } = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(stream).poll_read(cx, buf);
        heard.note(buf.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_bytes_decide() {
        let heard = ReadMark::default();
        heard.note(&[]);
        assert!(heard.is_nothing());
        heard.note(&[0x15, 0x03, 0x03]);
        heard.note(b"HTTP/1.1");
        assert!(heard.is_tls_alert() && !heard.is_nothing());
        heard.forget();
        heard.note(b"HTTP/1.1");
        assert!(!heard.is_tls_alert() && !heard.is_nothing());
    }
}
