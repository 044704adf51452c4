//! The protocols: a folder each. What a protocol must be able to do is [`crate::protocol`].

pub mod plenary;
