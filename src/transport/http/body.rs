//! The part of a body that has been read.
//!
//! A small one is on the heap. A large one has a mapping of its own: only its written pages take memory, and all of it
//! goes back to the system as soon as the body is dropped. On the heap it would stay: a doubling buffer leaves holes of
//! megabytes, and allocators keep large blocks for a while.

use std::io;
use std::ops::Deref;

use memmap2::MmapMut;

/// The part of a body that has been read.
#[derive(Debug)]
pub enum Body {
    /// On the heap.
    Small(Vec<u8>),
    /// In a mapping of its own, with the number of bytes used.
    Large(MmapMut, usize),
}

impl Body {
    /// An empty body.
    #[must_use]
    pub const fn new() -> Self {
        Self::Small(Vec::new())
    }

    /// Whether it has a mapping of its own.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        matches!(self, Self::Large(..))
    }

    /// Moves it into a mapping of its own, of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// The system's error if there is no memory; an error if the body already has more than `limit` bytes.
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
    /// [`io::ErrorKind::OutOfMemory`] if a large body's mapping is full.
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
