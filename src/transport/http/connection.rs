//! A connection of one user: HTTP/1.1, one request after the other.
//!
//! Users never share connections. It knows no cookies, redirects or retries.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::model::{Failure, FailureKind};
use crate::transport::dial::{Dialer, Endpoint, Turn};
use crate::transport::watched::{ReadMark, Watched};
use crate::transport::{HEAD_LIMIT, HEADER_COUNT_LIMIT, errors};

/// Longest time for which an idle connection is kept: less than the five seconds of common servers, so that a request
/// seldom meets a connection that is being closed.
pub const IDLE_LIMIT: Duration = Duration::from_secs(4);

type Wire = http1::Connection<TokioIo<Watched>, Full<Bytes>>;

/// One connection. The task that waits for an answer also reads and writes for it, so an idle connection costs no task.
/// It closes when it is dropped.
pub struct Line {
    sender: SendRequest<Full<Bytes>>,
    wire: Wire,
    /// Whether the connection has ended.
    over: bool,
    heard: ReadMark,
    /// When the last answer was complete.
    free_since: Instant,
    /// Whether no request has been sent on it yet.
    unused: bool,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("over", &self.over).finish_non_exhaustive()
    }
}

impl Line {
    /// Opens a connection.
    ///
    /// # Errors
    /// Failures of the dialler.
    pub async fn open(dialer: &Dialer, endpoint: &Endpoint, turn: &mut Turn) -> Result<Self, Failure> {
        let stream = Watched::new(dialer.dial(endpoint, turn).await?);
        let heard = stream.heard();
        let (sender, wire) = http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .max_headers(HEADER_COUNT_LIMIT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| errors::of_error(&e, FailureKind::Io))?;
        Ok(Self { sender, wire, over: false, heard, free_since: Instant::now(), unused: true })
    }

    /// Whether no request has been sent on it yet.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.unused
    }

    /// Whether another request may be sent, as far as this side knows.
    pub async fn is_free(&mut self) -> bool {
        if self.free_since.elapsed() >= IDLE_LIMIT {
            return false;
        }
        let Self { sender, wire, over, .. } = self;
        matches!(drive(wire, over, sender.ready()).await, Ok(Ok(()))) && !self.over
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// The failure of the connection; see [`heard_nothing`](Self::heard_nothing).
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        let Self { sender, wire, over, heard, unused, .. } = self;
        *unused = false;
        heard.forget();
        let answered = drive(wire, over, sender.send_request(request)).await?;
        answered.map_err(|e| {
            if heard.is_tls_alert() {
                return errors::speaks_tls();
            }
            errors::of_error(&e, FailureKind::Io)
        })
    }

    /// The next piece of a body; `None` at its end.
    ///
    /// # Errors
    /// The failure of the connection.
    pub async fn piece(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = drive(&mut self.wire, &mut self.over, body.frame()).await?;
            match frame.transpose().map_err(|e| errors::of_error(&e, FailureKind::Io))? {
                None => {
                    self.free_since = Instant::now();
                    return Ok(None);
                }
                Some(frame) => {
                    // Ignore trailers.
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// Whether no byte was read since the last request was sent.
    #[must_use]
    pub fn heard_nothing(&self) -> bool {
        self.heard.is_nothing()
    }
}

/// Waits for `work` while the connection reads and writes for it. Once the connection has ended, unfinished work fails.
async fn drive<T>(wire: &mut Wire, over: &mut bool, work: impl Future<Output = T>) -> Result<T, Failure> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        *over = *over || Pin::new(&mut *wire).poll(cx).is_ready();
        match work.as_mut().poll(cx) {
            Poll::Pending if *over => Poll::Ready(Err(Failure::new(FailureKind::ConnectionClosed))),
            polled => polled.map(Ok),
        }
    })
    .await
}

/// Whether an answer is the one that servers expecting TLS give to plain HTTP (nginx, Apache, Go).
pub(super) fn wants_tls(status: StatusCode, body: &[u8]) -> bool {
    const SAYINGS: [&[u8]; 3] = [
        b"plain HTTP request was sent to HTTPS port",
        b"speaking plain HTTP to an SSL-enabled server port",
        b"sent an HTTP request to an HTTPS server",
    ];
    status == StatusCode::BAD_REQUEST && SAYINGS.iter().any(|said| memchr::memmem::find(body, said).is_some())
}
