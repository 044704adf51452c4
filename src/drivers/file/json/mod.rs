//! Finding values in JSON text by pointer (RFC 6901), in one pass and without building a tree.
//!
//! The whole text is checked against RFC 8259, since text that is not JSON must match no rule.
//! What is found are places in the text. No allocation once a [`Found`] has its size.

use std::ops::Range;

mod places;
mod pointer;
mod query;
mod scan;
mod string;

pub(super) use places::Found;
pub(super) use pointer::Pointer;
pub(super) use query::{MOST_POINTERS, Query};
pub(super) use scan::Scalar;
pub(super) use string::{equals, is_string, unescape};

/// The elements of an array, as they are spelled; `None` where the text is no array.
pub(super) fn elements(text: &str, each: impl FnMut(&str)) -> Option<()> {
    scan::elements(text, each)
}

/// Calls `each` with every string without escapes, less its quotes, and every number that is a
/// value in a JSON text; a member's name is none.
pub(super) fn scalars(text: &str, each: impl FnMut(Range<usize>, Scalar)) {
    // What is no JSON has none behind the mistake.
    let _ = scan::scalars(text, each);
}

/// The length of the string or number that `text` begins with; a string begins behind its quote,
/// and has no escapes.
pub(super) fn scalar(text: &[u8], scalar: Scalar) -> Option<usize> {
    match scalar {
        Scalar::Text => string::unescaped(text),
        Scalar::Number => scan::number(text),
    }
}

#[cfg(test)]
mod tests;
