//! What has been read of a body.
//!
//! A small one is on the heap. A large one has memory of its own: of that only what is written to
//! takes memory, and all of it goes back to the system the moment the body is done with. On the
//! heap it would stay: a buffer that doubles leaves holes of megabytes behind, and allocators keep
//! large blocks for a while.

use std::io;
use std::ops::Deref;

use memmap2::MmapMut;

/// A body, as far as it has come.
#[derive(Debug)]
pub enum Body {
    /// On the heap.
    Small(Vec<u8>),
    /// In memory of its own, of which the first bytes are taken.
    Large(MmapMut, usize),
}

impl Body {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self::Small(Vec::new())
    }

    /// Whether it has memory of its own.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        matches!(self, Self::Large(..))
    }

    /// Moves it into memory of its own, of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// The system's, where it has none to give, or where more than `limit` bytes are there already.
    pub fn grow(&mut self, limit: usize) -> io::Result<()> {
        let mut large = Self::Large(MmapMut::map_anon(limit)?, 0);
        large.push(self)?;
        *self = large;
        Ok(())
    }

    /// Appends a piece.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::OutOfMemory`], if a large body's memory is full.
    pub fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Small(bytes) => bytes.extend_from_slice(piece),
            Self::Large(room, taken) => {
                let end = *taken + piece.len();
                room.get_mut(*taken..end).ok_or(io::ErrorKind::OutOfMemory)?.copy_from_slice(piece);
                *taken = end;
            }
        }
        Ok(())
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(room, taken) => room.get(..*taken).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_becomes_large_keeps_what_it_had() -> io::Result<()> {
        let mut body = Body::new();
        body.push(b"one, ")?;
        body.grow(10)?;
        assert!(body.is_large());
        body.push(b"two")?;
        assert_eq!(&*body, b"one, two");
        assert_eq!(body.push(b"...").map_err(|e| e.kind()), Err(io::ErrorKind::OutOfMemory));
        assert_eq!(&*body, b"one, two", "what does not fit is not begun");
        Ok(())
    }

    #[test]
    fn what_is_there_must_fit_into_the_limit() -> io::Result<()> {
        let mut body = Body::new();
        body.push(b"too much")?;
        assert!(body.grow(4).is_err());
        assert_eq!(&*body, b"too much");
        Ok(())
    }
}
