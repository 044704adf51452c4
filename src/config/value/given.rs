//! A value as layers hold it, and how it is parsed.

use super::error::ValueError;

/// A value as a layer holds it, before it is parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// One text.
    One(String),
    /// A list, from a file.
    Many(Vec<String>),
}

/// A value that can be read from any layer.
pub trait Value: Sized {
    /// Parses what a layer holds.
    ///
    /// # Errors
    /// Says what is accepted instead.
    fn read(given: &Given) -> Result<Self, ValueError>;
}
