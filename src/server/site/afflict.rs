//! Faults of pages and upgrades: answers that are wrong, late, or never end.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::Response;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::page::{Body, Reply};
use crate::server::faults::Fault;
use crate::server::world::World;

/// Pieces of a slow body.
const PIECES: usize = 10;
/// Bytes of each piece of an endless body.
const ENDLESS_PIECE: usize = 16 * 1024;
/// How long an upgrade hangs where the client waits that long.
const HANG: Duration = Duration::from_secs(3600);

/// What comes instead of an upgrade, if a fault strikes it.
pub(super) async fn upgrade(world: &World) -> Option<Reply> {
    let knobs = &world.desk.faults().socket;
    if world.desk.strikes(Fault::RefuseUpgrade, knobs.refuse_upgrade) {
        let reply = Reply::bare(knobs.refuse_status);
        return Some(match knobs.retry_after {
            0 => reply,
            seconds => reply.header(RETRY_AFTER, seconds.to_string()),
        });
    }
    if world.desk.strikes(Fault::HangUpgrade, knobs.hang_upgrade) {
        tokio::time::sleep(HANG).await;
        return Some(Reply::bare(503));
    }
    None
}

/// What comes instead of a page, if a fault strikes it; late, if another does.
pub(super) async fn page(world: &World) -> Option<Reply> {
    let faults = world.desk.faults();
    if world.desk.strikes(Fault::HttpError, faults.http.error) {
        return Some(Reply::error(500, "Server Error (500)"));
    }
    if world.desk.strikes(Fault::SlowFirstByte, faults.http.slow_first_byte) {
        tokio::time::sleep(faults.http.slow_by).await;
    }
    None
}

/// Makes an answer's body slow or endless, if a fault strikes it.
pub(super) async fn body(world: &World, response: Response<Body>) -> Response<Body> {
    let faults = world.desk.faults();
    if world.desk.strikes(Fault::SlowBody, faults.http.slow_body) {
        let (parts, body) = response.into_parts();
        let Ok(whole) = body.collect().await.map(http_body_util::Collected::to_bytes);
        return Response::from_parts(parts, slowly(whole, faults.http.slow_by));
    }
    if world.desk.strikes(Fault::EndlessBody, faults.http.endless_body) {
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(parts, endless());
    }
    response
}

fn slowly(whole: Bytes, by: Duration) -> Body {
    let size = whole.len().div_ceil(PIECES).max(1);
    let pieces = stream::unfold(whole, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(by).await;
        let piece = rest.split_to(size.min(rest.len()));
        Some((Ok::<_, Infallible>(Frame::data(piece)), rest))
    });
    StreamBody::new(pieces).boxed_unsync()
}

fn endless() -> Body {
    let piece = Bytes::from(vec![b'\n'; ENDLESS_PIECE]);
    StreamBody::new(stream::repeat(piece).map(|piece| Ok::<_, Infallible>(Frame::data(piece)))).boxed_unsync()
}
