//! The tests that lie in the program of `just soak-self`: examples are built by `cargo test`, their
//! tests are not run.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../examples/soak_self/main.rs"]
mod soak_self;
