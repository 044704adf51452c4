//! Reads bodies: decompressed, bounded, and only a few large ones at a time.

use std::io::{self, Write as _};

use flate2::write::MultiGzDecoder;
use http::{HeaderMap, header};
use hyper::body::{Body as _, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::body::Body;
use super::connection::Line;
use crate::model::{Failure, FailureKind};

/// Size from which a body is large, in bytes.
const LARGE: usize = 1 << 20;

/// How much of a compressed body is decompressed at a time, in bytes; each byte yields at most 1,032.
const STEP: usize = 1 << 10;

/// The compression of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// None.
    None,
    /// Gzip.
    Gzip,
}

impl Packing {
    /// The header `Accept-Encoding`: what servers may choose from.
    pub(super) const OFFERED: &'static str = "gzip";

    /// The compression of an answer's body.
    ///
    /// # Errors
    /// `BadHttp` for a compression that was not offered.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let Some(encoding) = headers.get(header::CONTENT_ENCODING) else { return Ok(Self::None) };
        match encoding.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::None),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            other => {
                let other: String = other.chars().take(20).collect();
                Err(Failure::with(
                    FailureKind::BadHttp,
                    format!("the body is compressed with {other}; only gzip was offered"),
                ))
            }
        }
    }
}

/// Reads a body to its end; `limit`, in bytes, applies before and after decompression.
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

/// The state of a body that is being read.
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
