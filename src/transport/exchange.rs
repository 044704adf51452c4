//! One request on a stream that is taken back from HTTP after the head of the answer: an upgrade to a websocket, or a
//! tunnel through a proxy.

use std::future::poll_fn;
use std::pin::pin;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::stream::Stream;
use super::{HEAD_LIMIT, HEADER_COUNT_LIMIT};

type NoBody = Empty<Bytes>;

/// The connection after the head of an answer.
pub(super) struct Rest {
    connection: http1::Connection<TokioIo<Stream>, NoBody>,
    /// Whether HTTP is done with the stream.
    is_free: bool,
    /// Kept because dropping it would end the connection.
    _sender: SendRequest<NoBody>,
}

/// Sends a request and waits for the head of its answer.
///
/// # Errors
/// Errors of the connection; a head that is not HTTP or over the limits.
pub(super) async fn ask(stream: Stream, request: Request<NoBody>) -> Result<(Response<Incoming>, Rest), hyper::Error> {
    let (mut sender, mut connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .max_header_size(HEAD_LIMIT)
        .max_headers(HEADER_COUNT_LIMIT)
        .handshake(TokioIo::new(stream))
        .await?;
    let mut answer = pin!(sender.send_request(request));
    let mut is_free = false;
    let response = poll_fn(|cx| {
        // Polling the connection does the reading and writing for the answer.
        is_free = is_free || connection.poll_without_shutdown(cx).is_ready();
        answer.as_mut().poll(cx)
    })
    .await?;
    Ok((response, Rest { connection, is_free, _sender: sender }))
}

impl Rest {
    /// The stream, and the bytes read after the head. Only an answer that ends HTTP on the stream (101, or any 2xx to
    /// CONNECT) frees it.
    ///
    /// # Errors
    /// Errors of the connection.
    pub(super) async fn into_stream(mut self) -> Result<(Stream, Bytes), hyper::Error> {
        if !self.is_free {
            poll_fn(|cx| self.connection.poll_without_shutdown(cx)).await?;
        }
        let parts = self.connection.into_parts();
        Ok((parts.io.into_inner(), parts.read_buf))
    }
}
