//! Faults of pages and upgrades: answers that are wrong, late, or never end.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::Response;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::reply::{Body, Reply};
use crate::server::faults::Fault;
use crate::server::state::ServerState;

/// Pieces of a slow body.
const SLOW_BODY_CHUNKS: usize = 10;
/// Bytes of each chunk of an endless body.
const ENDLESS_BODY_CHUNK: usize = 16 * 1024;
/// How long an upgrade hangs if the client waits that long.
const HANG: Duration = Duration::from_secs(3600);

/// The answer instead of an upgrade, if a fault fires.
pub(super) async fn upgrade(server: &ServerState) -> Option<Reply> {
    let faults = &server.injector.faults().socket;
    if server.injector.fires(Fault::RefuseUpgrade, faults.refuse_upgrade) {
        let reply = Reply::empty(faults.refuse_status);
        return Some(match faults.retry_after {
            0 => reply,
            seconds => reply.header(RETRY_AFTER, seconds.to_string()),
        });
    }
    if server.injector.fires(Fault::HangUpgrade, faults.hang_upgrade) {
        tokio::time::sleep(HANG).await;
        return Some(Reply::empty(503));
    }
    None
}

/// The answer instead of a page, if a fault fires; waits first, if another one does.
pub(super) async fn page(server: &ServerState) -> Option<Reply> {
    let faults = server.injector.faults();
    if server.injector.fires(Fault::HttpError, faults.http.error) {
        return Some(Reply::error(500, "Server Error (500)"));
    }
    if server.injector.fires(Fault::SlowFirstByte, faults.http.slow_first_byte) {
        tokio::time::sleep(faults.http.slow_by).await;
    }
    None
}

/// Makes an answer's body slow or endless, if a fault fires.
pub(super) async fn body(server: &ServerState, response: Response<Body>) -> Response<Body> {
    let faults = server.injector.faults();
    if server.injector.fires(Fault::SlowBody, faults.http.slow_body) {
        let (parts, body) = response.into_parts();
        let Ok(whole) = body.collect().await.map(http_body_util::Collected::to_bytes);
        return Response::from_parts(parts, slow_body(whole, faults.http.slow_by));
    }
    if server.injector.fires(Fault::EndlessBody, faults.http.endless_body) {
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(parts, endless_body());
    }
    response
}

fn slow_body(whole: Bytes, by: Duration) -> Body {
    let size = whole.len().div_ceil(SLOW_BODY_CHUNKS).max(1);
    let chunks = stream::unfold(whole, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(by).await;
        let chunk = rest.split_to(size.min(rest.len()));
        Some((Ok::<_, Infallible>(Frame::data(chunk)), rest))
    });
    StreamBody::new(chunks).boxed_unsync()
}

fn endless_body() -> Body {
    let chunk = Bytes::from(vec![b'\n'; ENDLESS_BODY_CHUNK]);
    StreamBody::new(stream::repeat(chunk).map(|chunk| Ok::<_, Infallible>(Frame::data(chunk)))).boxed_unsync()
}
