//! Finding values in JSON text by pointer (RFC 6901), in one pass and without building a tree.
//!
//! The whole text is checked against RFC 8259, since text that is not JSON must match no rule.
//! What is found are places in the text. No allocation once a [`Found`] has its size.

mod pointer;
mod query;
mod scan;
mod string;

pub(super) use pointer::Pointer;
pub(super) use query::{Found, MOST_POINTERS, Query};
pub(super) use string::{equals, is_string, unescape};

/// The elements of an array, as they are spelled; `None` where the text is no array.
pub(super) fn elements(text: &str, each: impl FnMut(&str)) -> Option<()> {
    scan::elements(text, each)
}

#[cfg(test)]
mod tests;
