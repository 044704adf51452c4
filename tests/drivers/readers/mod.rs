//! What must hold of every reader, whatever bytes it is given: the bodies that the fuzz targets
//! under `fuzz/` and the property tests of `tests/fuzz_bodies.rs` share.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

pub mod cache;
pub mod frames;
pub mod pages;
pub mod texts;
