//! Bodies as they come: unpacked, bounded, and the large ones a few at a time.

use std::io::{self, Write as _};

use flate2::write::MultiGzDecoder;
use http::{HeaderMap, header};
use hyper::body::{Body as _, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::body::Body;
use super::connection::Line;
use crate::model::{Failure, FailureKind};

/// A body is large from this size on.
const LARGE: usize = 1 << 20;

/// How much of a packed body is unpacked at a time, in bytes: each gives 1,032 at most.
const STEP: usize = 1 << 10;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// It is not.
    None,
    /// By gzip.
    Gzip,
}

impl Packing {
    /// What servers may choose from: the header `Accept-Encoding`.
    pub(super) const OFFERED: &'static str = "gzip";

    /// How an answer's body is packed.
    ///
    /// # Errors
    /// `BadHttp` for one that was not offered.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let Some(encoding) = headers.get(header::CONTENT_ENCODING) else { return Ok(Self::None) };
        match encoding.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::None),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            other => {
                let other: String = other.chars().take(20).collect();
                Err(Failure::with(
                    FailureKind::BadHttp,
                    format!("the body is packed by {other}; only gzip was offered"),
                ))
            }
        }
    }
}

/// Reads a body to its end; `limit` holds for what comes and for what it unpacks to.
pub(super) async fn receive(
    line: &mut Line,
    body: &mut Incoming,
    packing: Packing,
    limit: usize,
    large: &Semaphore,
) -> Result<Body, Failure> {
    let mut intake = Intake { body: Body::new(), turn: None, limit, large };
    if body.size_hint().lower() > limit as u64 {
        return Err(intake.too_large());
    }
    let mut unpacker = (packing == Packing::Gzip).then(|| MultiGzDecoder::new(Vec::new()));
    let mut come = 0;
    while let Some(piece) = line.piece(body).await? {
        come += piece.len();
        if come > limit {
            return Err(intake.too_large());
        }
        match &mut unpacker {
            None => intake.add(&piece).await?,
            Some(unpacker) => {
                for step in piece.chunks(STEP) {
                    unpacker.write_all(step).map_err(|e| damaged(&e))?;
                    intake.add(unpacker.get_ref()).await?;
                    unpacker.get_mut().clear();
                }
            }
        }
    }
    if let Some(unpacker) = unpacker.filter(|_| come > 0) {
        intake.add(&unpacker.finish().map_err(|e| damaged(&e))?).await?;
    }
    Ok(intake.body)
}

fn damaged(e: &io::Error) -> Failure {
    Failure::with(FailureKind::BadHttp, format!("the body is not complete gzip: {e}"))
}

/// What has come of a body.
struct Intake<'a> {
    body: Body,
    /// Held while it is large.
    turn: Option<SemaphorePermit<'a>>,
    limit: usize,
    large: &'a Semaphore,
}

impl Intake<'_> {
    async fn add(&mut self, piece: &[u8]) -> Result<(), Failure> {
        let size = self.body.len() + piece.len();
        if size > self.limit {
            return Err(self.too_large());
        }
        let limit = self.limit;
        let no_room =
            |e: io::Error| Failure::with(FailureKind::Io, format!("no memory for a body of {limit} bytes: {e}"));
        if size > LARGE && !self.body.is_large() {
            self.turn = self.large.acquire().await.ok();
            self.body.grow(limit).map_err(no_room)?;
        }
        self.body.push(piece).map_err(no_room)
    }

    fn too_large(&self) -> Failure {
        Failure::with(FailureKind::BodyTooLarge, format!("over {} bytes", self.limit))
    }
}
