//! Finds values in JSON text by pointer (RFC 6901), in one pass and without building a tree.
//!
//! The whole text is checked against RFC 8259, since text that is not JSON must match no rule. Results are places in
//! the text. Nothing is allocated once a [`Found`] has its size.

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

/// Calls `each` with the raw elements of an array; `None` if the text is not an array.
pub(super) fn elements(text: &str, each: impl FnMut(&str)) -> Option<()> {
    scan::elements(text, each)
}

/// Calls `each` with every string value without escapes (without its quotes) and every number in a JSON text. Names of
/// members do not count as values.
pub(super) fn scalars(text: &str, each: impl FnMut(Range<usize>, Scalar)) {
    // After a mistake there are no more values.
    let _ = scan::scalars(text, each);
}

/// The length of the string or number at the start of `text`; a string starts after its quote and has no escapes.
pub(super) fn scalar(text: &[u8], scalar: Scalar) -> Option<usize> {
    match scalar {
        Scalar::Text => string::unescaped(text),
        Scalar::Number => scan::number(text),
    }
}

#[cfg(test)]
mod tests;
