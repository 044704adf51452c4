//! Checks that every parser must pass, whatever bytes it is given. The fuzz targets under `fuzz/`
//! and the property tests of `fuzz_corpora` share them.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

pub mod cache;
pub mod frames;
pub mod pages;
pub mod texts;
